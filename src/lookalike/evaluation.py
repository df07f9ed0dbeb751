"""The protocol: a table and an exported model in, honest figures out.

Retrieval within one split: every usable picture is a query and all others are its gallery; where the table
has roles, queries ask and the gallery answers. Files that are byte for byte the query, and pictures of its
group, are left out of its answers. Each figure carries a 95 % interval (bootstrap over classes) and stands
beside the same figure of the untrained backbone, with the interval of the difference. How a set of embeddings
is judged is another room's business (judgement), and so is rendering.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lookalike import ranked
from lookalike.baseline import baseline_folder as baseline_folder
from lookalike.errors import TableError
from lookalike.judgement import Judgement, judge
from lookalike.judging.averages import class_averages
from lookalike.judging.calibration import metrics_at
from lookalike.judging.metrics import Retrieval
from lookalike.judging.similarity import Ints
from lookalike.models.embedding import Embedded, embed_table
from lookalike.models.model import Model
from lookalike.ranked import ranked_row
from lookalike.records import Figure, Floats, PairHistogram, Progress, RankedRow, Report, Skipped
from lookalike.showing import Shown
from lookalike.tables.roles import Roles, check_answers, roles_of
from lookalike.tables.table import ImageTable

SPLITS = ("train", "val", "test", "all")
ROWS = 12
OF_A_CLASS = ("recall@1", "map@r")


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """How the pictures of one class did as queries.

    Attributes:
        queries: how many asked and had something to find.
        values: recall@1 and map@r, means over these queries, in [0, 1]; higher is better.
    """

    label: str
    queries: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Evaluation(Shown):
    """A report with what its plots and rows are drawn from.

    Attributes:
        pairs, baseline_pairs: similarities of all pairs, by the model and by the untrained backbone.
        rows: a fair sample of queries with their answers; worst: the queries that did worst.
        table: the n pictures that were judged.
        vectors: [n, d] float32, their embeddings.
        queries: [q] int64, the rows of the table that asked.
        found: what each of the q queries found; neighbours are rows of the table.
        roles: who asked whom, and what was no answer to what: copies of a file, pictures of one group.
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
    roles: Roles

    @property
    def figures(self) -> Mapping[str, Figure]:
        """Name to figure, as in the report."""
        return self.report.figures

    def per_class(self) -> tuple[ClassFigures, ...]:
        """Every class with a query that had something to find, lowest map@r first; of equals by name."""
        found = class_averages(self.found, self.table.labels[self.queries])
        classes = [
            ClassFigures(str(label), int(count), {name: float(found.values[name][at]) for name in OF_A_CLASS})
            for at, (label, count) in enumerate(zip(found.labels, found.queries, strict=True))
        ]
        return tuple(sorted(classes, key=lambda each: (each.values["map@r"], each.label)))


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
    roles = roles_of(usable, identity=embedded.identity)
    judged = judge(embedded.embeddings.vectors, usable.labels, roles)
    untrained = None if baseline is None else judge(baseline, usable.labels, roles)
    before = untrained.measure(draws=draws, seed=seed) if untrained else None
    measured = judged.measure(draws=draws, seed=seed, threshold=limit_of(model))
    report = report_on(
        model,
        judged,
        figures=measured.figures(before),
        intervals=measured.at_threshold(),
        split=split if table.has_splits else "all",
        skipped=left_out(part, embedded),
        seen=model.count_seen(embedded.hashes),
        baseline=model.facts["baseline"] or "" if untrained else "",
    )
    return Evaluation(
        report,
        judged.pairs,
        untrained.pairs if untrained else None,
        rows=_rows(judged, usable, ranked.sample(judged.found, count=ROWS, seed=seed)),
        worst=_rows(judged, usable, ranked.worst(judged.found, count=ROWS)),
        table=usable,
        vectors=embedded.embeddings.vectors,
        queries=roles.queries,
        found=judged.found,
        roles=roles,
    )


def _rows(judged: Judgement, table: ImageTable, queries: Ints) -> tuple[RankedRow, ...]:
    return tuple(ranked_row(table, judged.roles.queries, judged.found, query) for query in queries.tolist())


def report_on(
    model: Model,
    judged: Judgement,
    *,
    figures: Mapping[str, Figure],
    split: str,
    skipped: tuple[Skipped, ...],
    seen: int,
    baseline: str = "",
    intervals: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> Report:
    """Join what was measured with what is known of the model and of the judged pictures.

    Args:
        intervals: of what the model's threshold does, by name.
    """
    roles, lonely = judged.roles, judged.found.relevant == 0
    in_groups = roles.answers(judged.labels, but=roles.excluded[:, 0]) > 0  # those of its group counted
    return Report(
        figures=figures,
        split=split,
        queries=int((~lonely).sum()),
        gallery=len(roles.gallery),
        classes=len(np.unique(judged.labels)),
        without_partner=int(lonely.sum()),
        skipped=skipped,
        model=model.name,
        fingerprint=model.fingerprint,
        baseline=baseline,
        seen=seen,
        protocol="query-gallery" if roles.given else "self",
        groups=roles.groups,
        only_own_group=int((lonely & in_groups).sum()),
        threshold=model.threshold,
        at_threshold={} if model.threshold is None else metrics_at(judged.pairs, model.threshold.similarity),
        at_threshold_intervals=intervals,
    )


def limit_of(model: Model) -> float | None:
    """The similarity from which on a model takes two pictures for the same."""
    return model.threshold.similarity if model.threshold else None


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
