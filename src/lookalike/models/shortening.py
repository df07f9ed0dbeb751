"""The leading dimensions of a model's embedding, used as a model of their own.

A model whose model.json lists `dimensions` was made so that its first 32, 64, ... numbers, scaled to unit
length, are an embedding by themselves. A shortened model takes the whole model's place wherever vectors are
made or compared; it has a fingerprint and thresholds of its own, so that the two are never mixed.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict

import numpy as np

from lookalike.errors import ModelError
from lookalike.judging.open_kept import check_question
from lookalike.models.facts import own_threshold
from lookalike.models.model import DEFAULT, Model, Output, write_facts
from lookalike.records import Floats, Pixels, Threshold

SHORTENED = "shortened"  # in model.json: dimensions to thresholds


class Shortened(Model):
    """A model that gives the first `dim` numbers of another's embeddings, scaled to unit length."""

    def __init__(self, whole: Model, *, dimensions: int) -> None:
        super().__init__(whole.folder, whole.facts)
        self.dim = dimensions
        self.fingerprint = hashlib.sha256(f"{self.facts['fingerprint']} {dimensions}".encode()).hexdigest()
        kept = self.facts.get(SHORTENED, {}).get(str(dimensions), {})
        self.thresholds = {name: Threshold(**value) for name, value in kept.items()}

    def run(self, pixels: Pixels, outputs: tuple[Output, ...]) -> tuple[Floats, ...]:
        """As the whole model, with its embedding cut; its feature stays as it is."""
        results = super().run(pixels, outputs)
        return tuple(
            cut(rows, self.dim) if name == "embedding" else rows
            for name, rows in zip(outputs, results, strict=True)
        )

    def require_threshold(self, name: str = DEFAULT) -> Threshold:
        """The match threshold of a name, of this many dimensions.

        Raises:
            ModelError: there is none; that of the whole model does not hold here.
        """
        if name not in self.thresholds:
            check_question(self.folder, name, dimensions=self.dim)
            raise ModelError(
                "the shortened model has no match threshold",
                where=f"{self.folder}, {self.dim} dimensions",
                saw=", ".join(self.thresholds) or "no calibration",
                wanted=name,
                do=f"calibrate it: lookalike.calibrate(shorten(model, {self.dim}), table)",
            )
        return own_threshold(self.thresholds[name], self.folder, self.fingerprint)

    def set_threshold(self, threshold: Threshold, *, name: str = DEFAULT) -> None:
        """Store a threshold for this many dimensions, in model.json and here."""
        self.thresholds = {**self.thresholds, name: threshold}
        own = {key: asdict(value) for key, value in self.thresholds.items()}
        kept = {**self.facts.get(SHORTENED, {}), str(self.dim): own}
        self.facts = {**self.facts, SHORTENED: kept}
        write_facts(self.folder, self.facts)


def shorten(model: Model, dimensions: int) -> Model:
    """Return the model of a model's first dimensions; as many as it has give the model itself.

    Args:
        dimensions: one of `model.dimensions`, or the model's own dim.

    Raises:
        ModelError: the model was not made to be cut there.

    Reference: Kusupati et al., Matryoshka Representation Learning, NeurIPS 2022 (arXiv:2205.13147).
    """
    if dimensions == model.dim:
        return model
    if dimensions not in model.dimensions:
        raise ModelError(
            "the model was not made to be cut there",
            where=model.folder,
            saw=f"{dimensions} dimensions",
            wanted=", ".join(map(str, sorted({*model.dimensions, model.dim}))),
            do="take one of these, or train with loss.dimensions",
        )
    return Shortened(model, dimensions=dimensions)


def cut(vectors: Floats, dimensions: int) -> Floats:
    """The first numbers of each row, scaled to unit length: [n, d] to [n, dimensions] float32.

    A row whose first numbers are all 0 stays 0.
    """
    leading = vectors[:, :dimensions].astype(np.float64)  # squares of small numbers vanish in float32
    lengths = np.linalg.norm(leading, axis=1, keepdims=True)
    return np.asarray(leading / np.maximum(lengths, np.finfo(np.float64).tiny), dtype=np.float32)
