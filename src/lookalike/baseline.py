"""The untrained backbone that a model was trained from: where it is kept, and as a model of its own.

A frozen backbone's feature is an output of the model's own graph; one that was fine-tuned lies beside the
model, in its run. What the two are worth is judged elsewhere.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lookalike.errors import ModelError
from lookalike.models.model import Model, Output
from lookalike.records import Floats, Pixels


class Untrained(Model):
    """A model that gives the feature of another's graph."""

    def __init__(self, trained: Model) -> None:
        super().__init__(trained.folder, {**trained.facts, "thresholds": {}})
        self.name = self.facts["baseline"]
        self.dim = self.facts["outputs"]["feature"]
        self.dimensions = ()
        self.fingerprint = hashlib.sha256(f"{self.facts['fingerprint']} feature".encode()).hexdigest()

    def run(self, pixels: Pixels, outputs: tuple[Output, ...]) -> tuple[Floats, ...]:
        """The feature, for whatever is asked."""
        (feature,) = super().run(pixels, ("feature",))
        return (feature,) * len(outputs)

    def count_seen(self, hashes: Sequence[bytes]) -> int:
        """None: it was trained on nothing of the user's."""
        return 0 * len(hashes)


def baseline_folder(model: Model) -> Path:
    """Where a run keeps the untrained model when the graph does not give its feature."""
    return model.folder.resolve().parent / "baseline"


def baseline_of(model: Model) -> Model:
    """Return the untrained backbone of a trained model, as a model.

    Raises:
        ModelError: the model carries none, as one does not that was not trained here, or was moved out of its
            run.
    """
    if model.has_baseline:
        return Untrained(model)
    if model.facts["baseline"] and baseline_folder(model).is_dir():
        return Model.load(baseline_folder(model))
    raise ModelError(
        "the model carries no untrained backbone",
        where=model.folder,
        saw=f"no output feature, and no folder {baseline_folder(model)}",
        wanted="a trained model, in its run",
        do='name the word "default" for the untrained default model',
    )
