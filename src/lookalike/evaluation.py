"""The protocol: a table and an exported model in, honest figures out.

Retrieval within one split: every usable picture is a query and all others are its gallery; where the table
has roles, queries ask and the gallery answers. Files that are byte for byte the query, and pictures of its
group, are left out of its answers. Each figure carries a 95 % interval (bootstrap over classes) and stands
beside the same figure of the untrained backbone. Rendering is done elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.calibration import metrics_at
from lookalike.embedding import Embedded, embed_table
from lookalike.errors import TableError
from lookalike.intervals import bootstrap_figures, bootstrap_roc_auc
from lookalike.metrics import Retrieval, retrieval, summarise
from lookalike.model import Model
from lookalike.pairs import pair_histogram, roc_auc
from lookalike.records import (
    Figure,
    Floats,
    Labels,
    PairHistogram,
    Progress,
    RankedAnswer,
    RankedRow,
    Report,
    Skipped,
)
from lookalike.roles import Roles, check_answers, roles_of
from lookalike.table import ImageTable

SPLITS = ("train", "val", "test", "all")
ANSWERS = 8
ROWS = 12
KS = (1, 2, 4, 8)
REPORTED = (
    *(f"{name}@{k}" for name in ("recall", "precision") for k in KS),
    *("map", "r_precision", "map@r"),
)


@dataclass(frozen=True)
class Evaluation:
    """A report with what its plots and rows are drawn from.

    Attributes:
        pairs, baseline_pairs: similarities of all pairs, by the model and by the untrained backbone.
        rows: a fair sample of queries with their answers; worst: the queries that did worst.
        table: the n pictures that were judged.
        vectors: [n, d] float32, their embeddings.
        queries: [q] int64, the rows of the table that asked.
        found: what each of the q queries found; neighbours are rows of the table.
    """

    report: Report
    pairs: PairHistogram
    baseline_pairs: PairHistogram | None
    rows: tuple[RankedRow, ...]
    worst: tuple[RankedRow, ...]
    table: ImageTable
    vectors: Floats
    queries: NDArray[np.int64]
    found: Retrieval

    @property
    def figures(self) -> Mapping[str, Figure]:
        """Name to figure, as in the report."""
        return self.report.figures


@dataclass(frozen=True)
class _Judged:
    """One set of vectors of a split, judged; neighbours are rows of the set."""

    found: Retrieval
    pairs: PairHistogram

    def values(self) -> dict[str, float]:
        return {**summarise(self.found), "roc_auc": roc_auc(self.pairs)}


def evaluate(
    model: Model,
    table: ImageTable,
    *,
    split: str = "test",
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge a model on one split of a table by retrieval and by pairs.

    Args:
        split: "test", "val", "train" or "all"; a table without splits is taken whole.
        draws: of the bootstrap over classes.

    Raises:
        TableError: the table has no labels, or no such split.
        EvaluationError: no picture could be used, no query has a right answer, or there are queries and no
            gallery, or the other way round.
    """
    part = part_of(table, split)
    check_answers(part)
    embedded, baseline = embed_both(model, part, progress)
    usable = part.take(embedded.rows)
    labels, roles = usable.labels, roles_of(usable, identity=embedded.identity)
    judged = _judge(embedded.embeddings.vectors, labels, roles)
    untrained = None if baseline is None else _judge(baseline, labels, roles)
    lonely = judged.found.relevant == 0
    report = Report(
        figures=_figures(judged, untrained, embedded, labels, roles, draws=draws, seed=seed),
        split=split if table.has_splits else "all",
        queries=int((~lonely).sum()),
        gallery=len(roles.gallery),
        classes=len(np.unique(labels)),
        without_partner=int(lonely.sum()),
        skipped=left_out(part, embedded),
        model=model.name,
        fingerprint=model.fingerprint,
        baseline=model.facts["baseline"] or "" if untrained else "",
        seen=model.count_seen(embedded.hashes),
        protocol="query-gallery" if roles.given else "self",
        groups=roles.groups,
        only_own_group=int((lonely & (roles.answers(labels, but=embedded.identity) > 0)).sum()),
        threshold=model.threshold,
        at_threshold={} if model.threshold is None else metrics_at(judged.pairs, model.threshold.similarity),
    )
    rows, worst = (
        tuple(_ranked_row(judged.found, int(query), usable, roles) for query in queries)
        for queries in (_sample(judged.found, seed=seed), _worst(judged.found))
    )
    return Evaluation(
        report,
        judged.pairs,
        untrained.pairs if untrained else None,
        rows,
        worst,
        table=usable,
        vectors=embedded.embeddings.vectors,
        queries=roles.queries,
        found=judged.found,
    )


def part_of(table: ImageTable, split: str) -> ImageTable:
    """The rows of a split; the whole table where it has no splits.

    Raises:
        TableError: no such split, or no split's name at all.
    """
    if split not in SPLITS:
        raise TableError(
            "there is no such split",
            where="split",
            saw=split,
            wanted=", ".join(SPLITS),
            do="name one of them",
        )
    return table.select(split) if table.has_splits else table


def left_out(table: ImageTable, embedded: Embedded) -> tuple[Skipped, ...]:
    """What of a table cannot be used: what reading it left out, of any split, and what would not open."""
    unread = (replace(entry, path=str(table.root / entry.path)) for entry in table.skipped)
    return (*unread, *embedded.skipped)


def baseline_folder(model: Model) -> Path:
    """Where a run keeps the untrained model when the graph does not give its feature."""
    return model.folder.resolve().parent / "baseline"


def embed_both(model: Model, part: ImageTable, progress: Progress | None) -> tuple[Embedded, Floats | None]:
    """The model's embeddings and, for the same rows, the untrained backbone's where it can be had."""
    if model.has_baseline:
        both = embed_table(model, part, outputs=("embedding", "feature"), progress=progress)
        return both, both.features
    embedded = embed_table(model, part, progress=progress)
    if not (model.facts["baseline"] and baseline_folder(model).is_dir()):
        return embedded, None
    untrained = embed_table(Model.load(baseline_folder(model)), part, progress=progress)
    return embedded, untrained.embeddings.vectors


def _judge(vectors: Floats, labels: Labels, roles: Roles) -> _Judged:
    queries, gallery = roles.queries, roles.gallery
    found = retrieval(
        vectors[queries],
        labels[queries],
        gallery=vectors[gallery],
        gallery_labels=labels[gallery],
        identity=roles.excluded[queries],
        gallery_identity=roles.excluded[gallery],
        ks=KS,
        neighbours=ANSWERS,
    )
    neighbours = np.where(found.neighbours >= 0, gallery[found.neighbours], -1)
    pairs = pair_histogram(vectors, labels, identity=roles.unpaired)
    return _Judged(replace(found, neighbours=neighbours), pairs)


def _figures(
    judged: _Judged,
    untrained: _Judged | None,
    embedded: Embedded,
    labels: Labels,
    roles: Roles,
    *,
    draws: int,
    seed: int,
) -> dict[str, Figure]:
    values = judged.values()
    before = untrained.values() if untrained else {}

    found = {name: judged.found.values[name] for name in REPORTED}
    intervals = bootstrap_figures(found, labels[roles.queries], draws=draws, seed=seed)
    intervals["roc_auc"] = bootstrap_roc_auc(
        embedded.embeddings.vectors,
        labels,
        identity=roles.unpaired,
        histogram=judged.pairs,
        draws=draws,
        seed=seed,
    )
    return {
        name: Figure(values[name], *interval, baseline=before.get(name))
        for name, interval in intervals.items()
    }


def _sample(found: Retrieval, *, seed: int) -> NDArray[np.int64]:
    judged = np.flatnonzero(found.relevant > 0)
    chosen = np.random.default_rng(seed).choice(judged, size=min(ROWS, len(judged)), replace=False)
    return np.sort(chosen)


def _worst(found: Retrieval) -> NDArray[np.int64]:
    """The queries that did worst; none that found all it could before anything else."""
    precision = np.where(found.relevant > 0, found.values["map"], np.inf)
    order = np.argsort(precision, kind="stable")[:ROWS]
    return order[precision[order] < 1.0]


def _ranked_row(found: Retrieval, query: int, table: ImageTable, roles: Roles) -> RankedRow:
    images, labels = table.frame["image"], table.frame["label"]
    row = int(roles.queries[query])
    answers = [
        RankedAnswer(table.root / images[other], labels[other], similarity, labels[other] == labels[row])
        for other, similarity in zip(
            found.neighbours[query].tolist(), found.similarities[query].tolist(), strict=True
        )
        if other >= 0
    ]
    precision = float(found.values["map"][query])
    return RankedRow(table.root / images[row], labels[row], tuple(answers), precision)
