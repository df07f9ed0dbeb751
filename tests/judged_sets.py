"""Evaluations of vectors that a test gives: what `evaluate` makes of a model, without a model or pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from lookalike.evaluation import Evaluation
from lookalike.judging.metrics import retrieval, summarise
from lookalike.judging.pairs import pair_histogram
from lookalike.ranked import ranked_row, sample, worst
from lookalike.records import Figure, Floats, Report
from lookalike.tables.roles import roles_of
from lookalike.tables.table import ImageTable


def unit(rows: object) -> Floats:
    """Rows of unit length."""
    values = np.asarray(rows, dtype=np.float64)
    return np.asarray(values / np.linalg.norm(values, axis=1, keepdims=True), dtype=np.float32)


def clustered(
    classes: int, images: int, *, spread: float = 0.6, dims: int = 16, seed: int = 0
) -> tuple[Floats, list[str]]:
    """Unit rows around a random centre for each class, and their labels."""
    rng = np.random.default_rng(seed)
    codes = np.repeat(np.arange(classes), images)
    noise = rng.normal(size=(len(codes), dims)) / np.sqrt(dims)
    return unit(unit(rng.normal(size=(classes, dims)))[codes] + spread * noise), [f"c{c:03}" for c in codes]


def judged(
    vectors: Floats,
    labels: Sequence[str],
    *,
    root: Path = Path("/pictures"),
    columns: Mapping[str, Sequence[str | None]] | None = None,
    answers: int = 8,
) -> Evaluation:
    """The evaluation of pictures named 0.png, 1.png, ... in the folders of their labels."""
    images = [f"{label}/{row}.png" for row, label in enumerate(labels)]
    table = ImageTable(root, pl.DataFrame({"image": images, "label": list(labels), **(columns or {})}))
    roles, own = roles_of(table), table.labels
    found = retrieval(
        vectors[roles.queries], own[roles.queries], gallery=vectors[roles.gallery],
        gallery_labels=own[roles.gallery], identity=roles.excluded[roles.queries],
        gallery_identity=roles.excluded[roles.gallery], neighbours=answers,
    )  # fmt: skip
    near = np.where(found.neighbours >= 0, roles.gallery[found.neighbours], -1)
    found = replace(found, neighbours=near)
    figures = {name: Figure(value, value, value) for name, value in summarise(found).items()}
    lonely = int((found.relevant == 0).sum())
    report = Report(
        figures, "test", len(found.relevant) - lonely, len(roles.gallery), len(set(labels)), lonely, (),
        "tiny", "0" * 64,
    )  # fmt: skip
    rows, low = (
        tuple(ranked_row(table, roles.queries, found, query) for query in queries.tolist())
        for queries in (sample(found, count=12, seed=0), worst(found, count=12))
    )
    pairs = pair_histogram(vectors, own, identity=roles.unpaired)
    return Evaluation(report, pairs, None, rows, low, table, vectors, roles.queries, found, roles)
