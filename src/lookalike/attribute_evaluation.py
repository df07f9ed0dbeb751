"""How well pictures are found by attributes: a table and an exported model in, honest figures out.

Queries come from the judged split itself: every combination of attributes that occurs in it, single ones,
and a few stated at a time; then pictures with changes ("like this, but ..."). Each figure has a 95 % interval
(bootstrap over queries) and stands beside the untrained backbone's and a random order's. What is right
follows from the table's attributes, never from its labels. Rendering is done elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from lookalike.attribute_rows import AttributeRow, Pictures, attribute_rows
from lookalike.attribute_search import STRENGTH, compose
from lookalike.errors import EvaluationError
from lookalike.evaluation import embed_both, part_of
from lookalike.judging.attribute_metrics import (
    KS,
    between,
    chance,
    judge,
    likeness,
    make_changes,
    make_queries,
    means,
)
from lookalike.judging.intervals import bootstrap_difference, bootstrap_figures
from lookalike.judging.similarity import Doubles, Ints
from lookalike.models.attributes import BASELINE, AttributeBranch
from lookalike.models.model import Model
from lookalike.records import Figure, Floats, Progress, Skipped
from lookalike.tables.attribute_values import Values, agree, attribute_values
from lookalike.tables.table import ImageTable

LIKENESS = "likeness@10"
MEANINGS = {
    "full": "all attributes stated; right: pictures with exactly these",
    "one": "one attribute present; right: pictures that have it",
    "several": "two to four stated; right: pictures that agree with all of these",
    "composed": "a picture with one to three changes; right: pictures with exactly its attributes so changed",
}

Vectors = NDArray[np.floating]


@dataclass(frozen=True)
class QueryKind:
    """The figures of one kind of query.

    Attributes:
        name, meaning: full, one, several or composed, and what that asks for.
        queries: how many were judged; right: the mean number of pictures that answer one.
        figures: precision@k, map and mean_precision, in [0, 1], higher is better; their baseline is the
            untrained backbone's, or the picture alone for composed queries; None where it is not known. For
            composed queries also likeness@10, of answers to the picture by the untrained backbone.
        references: the same figures of other ways, by name: chance (a random order), and for composed
            queries "changes alone" (the picture is ignored).
        rows: some of the queries with their first answers.
    """

    name: str
    meaning: str
    queries: int
    right: float
    figures: Mapping[str, Figure]
    references: Mapping[str, Mapping[str, float]]
    rows: tuple[AttributeRow, ...] = ()


@dataclass(frozen=True)
class AttributeReport:
    """How good attribute retrieval is on one split.

    Attributes:
        kinds: of queries, in the order full, one, several, composed; those that the split allows.
        gallery: pictures that were ranked; seen: how many of them the model was trained on.
        names: the attributes; unknown: share of values that the table does not state.
    """

    kinds: tuple[QueryKind, ...]
    split: str
    gallery: int
    names: tuple[str, ...]
    unknown: float
    skipped: tuple[Skipped, ...]
    model: str
    fingerprint: str
    baseline: str
    seen: int

    def __getitem__(self, name: str) -> QueryKind:
        return {kind.name: kind for kind in self.kinds}[name]


@dataclass(frozen=True)
class _Judged:
    """What one set of queries is judged by.

    Attributes:
        stated: [q, a] what the answers must have.
        itself: [q] the picture that a query is made of, or None.
    """

    stated: Values
    pictures: Pictures
    itself: Ints | None = None

    @property
    def values(self) -> Values:
        return self.pictures.values

    def figures(self, queries: Vectors, gallery: Vectors) -> dict[str, Doubles]:
        return judge(between(queries, gallery), self.stated, self.values, itself=self.itself)

    def rows(
        self, asked: Values, queries: Vectors, gallery: Vectors, found: Mapping[str, Doubles], *, seed: int
    ) -> tuple[AttributeRow, ...]:
        return attribute_rows(
            self.pictures, queries, gallery, found["map"],
            asked=asked, wanted=self.stated, itself=self.itself, seed=seed,
        )  # fmt: skip

    def kind(
        self, name: str, found: Mapping[str, Doubles], before: Mapping[str, Doubles], *, draws: int, seed: int
    ) -> QueryKind:
        asked = np.arange(len(self.stated))
        intervals = bootstrap_figures(found, asked, draws=draws, seed=seed)
        gains = {
            key: bootstrap_difference(found[key], before[key], asked, draws=draws, seed=seed)
            for key in before
        }
        averages, untrained = means(found), means(before)
        right = agree(self.stated, self.values).sum(axis=1)
        return QueryKind(
            name,
            MEANINGS[name],
            queries=int((~np.isnan(found["map"])).sum()),
            right=float(right.mean()),
            figures={
                key: Figure(averages[key], *interval, baseline=untrained.get(key), gain=gains.get(key))
                for key, interval in intervals.items()
            },
            references={"chance": means(chance(self.stated, self.values, ks=KS, itself=self.itself))},
        )


def evaluate_attributes(
    model: Model,
    table: ImageTable,
    *,
    split: str = "test",
    most: int = 1000,
    strength: float = STRENGTH,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> AttributeReport:
    """Judge attribute retrieval on one split of a table.

    Args:
        split: test, val, train or all; a table without splits is taken whole.
        most: queries of each kind; where there are more, so many are drawn.
        strength: of composed queries, as in `search_composed`.
        draws: of the bootstrap over queries.

    Raises:
        ModelError: the model was trained without attributes.
        TableError: no such split, or an attribute of the model is missing or says something else.
        EvaluationError: no picture could be used, or the pictures differ in no attribute.
    """
    branch = AttributeBranch(model)
    part = part_of(table, split)
    values = attribute_values(part, branch.names)
    embedded, features = embed_both(model, part, progress)
    values, gallery = values[embedded.rows], embedded.embeddings.vectors
    _check_differ(values, split)
    judged = part.take(embedded.rows)
    pictures = Pictures(judged.paths, values, branch.names, judged.boxes)
    untrained = _Untrained.of(model, features)
    kinds = [
        _judge_kind(name, _Judged(stated, pictures), branch, gallery, untrained, draws=draws, seed=seed)
        for name, stated in make_queries(values, most=most, seed=seed).items()
        if len(stated) > 1
    ]
    composed = _judge_composed(
        branch, gallery, pictures, untrained, strength=strength, most=most, draws=draws, seed=seed
    )
    return AttributeReport(
        kinds=(*kinds, *([composed] if composed else [])),
        split=split if table.has_splits else "all",
        gallery=len(gallery),
        names=branch.names,
        unknown=float((values == 0).mean()),
        skipped=embedded.skipped,
        model=model.name,
        fingerprint=model.fingerprint,
        baseline=(model.facts["baseline"] or "") if untrained else "",
        seen=model.count_seen(embedded.hashes),
    )


def _check_differ(values: Values, split: str) -> None:
    if (values != values[:1]).any():
        return
    raise EvaluationError(
        "there is nothing to tell apart",
        where=f"split {split}",
        saw=f"{len(values):,} pictures that differ in no attribute of the model",
        do="judge pictures with different attributes",
    )


@dataclass(frozen=True)
class _Untrained:
    """The untrained backbone's answer: a query is the sum of its attributes' mean pictures in training."""

    prototypes: Floats  # [2a, D], of present and of absent, less the mean of all
    features: Floats  # [n, D]

    @classmethod
    def of(cls, model: Model, features: Floats | None) -> _Untrained | None:
        path = model.folder / BASELINE
        if features is None or not path.exists():
            return None
        kept = load_file(path)
        return cls(kept["prototypes"], _unit(features - kept["mean"]))

    def queries(self, stated: Values) -> Floats:
        return _unit(np.concatenate([stated > 0, stated < 0], axis=1).astype(np.float32) @ self.prototypes)


def _judge_kind(
    name: str,
    judged: _Judged,
    branch: AttributeBranch,
    gallery: Floats,
    untrained: _Untrained | None,
    *,
    draws: int,
    seed: int,
) -> QueryKind:
    queries = branch.embed(judged.stated)
    found = judged.figures(queries, gallery)
    before = judged.figures(untrained.queries(judged.stated), untrained.features) if untrained else {}
    kind = judged.kind(name, found, before, draws=draws, seed=seed)
    return replace(kind, rows=judged.rows(judged.stated, queries, gallery, found, seed=seed))


def _judge_composed(
    branch: AttributeBranch,
    gallery: Floats,
    pictures: Pictures,
    untrained: _Untrained | None,
    *,
    strength: float,
    most: int,
    draws: int,
    seed: int,
) -> QueryKind | None:
    rows, changes, wanted = make_changes(pictures.values, most=most, seed=seed)
    if len(rows) < 2:
        return None
    judged = _Judged(wanted, pictures, rows)
    asked = branch.embed(changes)
    ways = {
        "composed": compose(gallery[rows], asked, strength=strength),
        "picture alone": gallery[rows],
        "changes alone": asked,
    }
    figures = {name: judged.figures(queries, gallery) for name, queries in ways.items()}
    if untrained is not None:
        for name, queries in ways.items():
            figures[name][LIKENESS] = likeness(queries @ gallery.T, rows, untrained.features)
    averages = {name: means(found) for name, found in figures.items()}
    kind = judged.kind("composed", figures["composed"], figures["picture alone"], draws=draws, seed=seed)
    drawn = judged.rows(changes, ways["composed"], gallery, figures["composed"], seed=seed)
    references = {"changes alone": averages["changes alone"], **kind.references}
    return replace(kind, references=references, rows=drawn)


def _unit(rows: Floats) -> Floats:
    unit: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return unit
