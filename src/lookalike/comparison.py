"""Two models on the same pictures: a table and two models enter; both reports and their differences leave.

Both are judged by the protocol of `evaluation`, each with its own preprocessing, on the pictures that both
can use. Each difference has a 95 % interval of its own: both models are judged by the same draws of classes,
so what is hard for both cancels out. Which model is to be taken is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lookalike.evaluation import left_out, limit_of, part_of, report_on
from lookalike.judgement import Judgement, judge
from lookalike.models.embedding import Embedded, embed_table
from lookalike.models.model import Model
from lookalike.ranked import ranked_row
from lookalike.records import Progress, RankedRow, Report, Skipped
from lookalike.tables.roles import check_answers, roles_of
from lookalike.tables.table import ImageTable

ROWS = 6  # queries that are shown of each kind


@dataclass(frozen=True, slots=True)
class Difference:
    """How much more a figure is for model B than for model A, with the 95 % interval of that.

    Attributes:
        better: the model that is shown to be better: the whole interval lies on its side; None: neither.
    """

    value: float
    low: float
    high: float
    better: Literal["A", "B"] | None


@dataclass(frozen=True, slots=True)
class Answered:
    """One query with the answers of both models."""

    a: RankedRow
    b: RankedRow


@dataclass(frozen=True, slots=True)
class FirstAnswers:
    """The queries, by whose most similar picture is right.

    Attributes:
        both, only_a, only_b, neither: how many.
        lost: some of the queries that only A gets right; won: that only B does; each a fair sample.
    """

    both: int
    only_a: int
    only_b: int
    neither: int
    lost: tuple[Answered, ...]
    won: tuple[Answered, ...]


@dataclass(frozen=True)
class Comparison:
    """How two models differ on one split.

    Attributes:
        a, b: the reports of both, on the same pictures; without a baseline.
        differences: name to difference, for every figure.
        first: whose first answers are right.
    """

    a: Report
    b: Report
    differences: Mapping[str, Difference]
    first: FirstAnswers


def compare(
    a: Model,
    b: Model,
    table: ImageTable,
    *,
    split: str = "test",
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Judge two models on one split of a table, and say how they differ.

    Args:
        a, b: `baseline.baseline_of(model)` gives the untrained backbone of a model, as a model.
        split: "test", "val", "train" or "all"; a table without splits is taken whole.
        draws: of the bootstrap over classes.
        progress: of each model's embedding in turn.

    Raises:
        TableError, EvaluationError: as in `evaluate`.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; clusters drawn whole, the
        same for both models.
    """
    part = part_of(table, split)
    check_answers(part)
    sides = [embed_table(model, part, progress=progress) for model in (a, b)]
    rows = np.intersect1d(sides[0].rows, sides[1].rows)
    usable, shared = part.take(rows), [np.isin(side.rows, rows) for side in sides]
    roles = roles_of(usable, identity=sides[0].identity[shared[0]])
    judged = [
        judge(side.embeddings.vectors[both], usable.labels, roles)
        for side, both in zip(sides, shared, strict=True)
    ]
    hashes = [sides[0].hashes[at] for at in np.flatnonzero(shared[0])]
    first, second = (
        each.measure(draws=draws, seed=seed, threshold=limit_of(model))
        for model, each in zip((a, b), judged, strict=True)
    )
    gains = {name: second.gain(first, name) for name in second.values}
    one, other = (
        report_on(
            model, each, figures=measured.figures(), intervals=measured.at_threshold(),
            split=split if table.has_splits else "all",
            skipped=_left_out(part, sides), seen=model.count_seen(hashes),
        )
        for model, each, measured in zip((a, b), judged, (first, second), strict=True)
    )  # fmt: skip
    return Comparison(
        one,
        other,
        {name: _difference(one, other, name, gain) for name, gain in gains.items()},
        _first_answers(judged[0], judged[1], usable, seed=seed),
    )


def _left_out(part: ImageTable, sides: list[Embedded]) -> tuple[Skipped, ...]:
    """What either of the models could not use, each picture once."""
    entries = (entry for side in reversed(sides) for entry in left_out(part, side))
    return tuple({entry.path: entry for entry in entries}.values())


def _difference(a: Report, b: Report, name: str, gain: tuple[float, float]) -> Difference:
    figure, (low, high) = b.figures[name], gain
    better: Literal["A", "B"] | None = None
    if low > 0 or high < 0:
        better = "B" if (low > 0) == (figure.better == "higher") else "A"
    return Difference(figure.value - a.figures[name].value, low, high, better)


def _first_answers(a: Judgement, b: Judgement, table: ImageTable, *, seed: int) -> FirstAnswers:
    judged = a.found.relevant > 0
    right_a, right_b = (each.found.values["recall@1"] == 1 for each in (a, b))
    only_a, only_b = right_a & ~right_b, right_b & ~right_a

    def some(chosen: NDArray[np.bool_]) -> tuple[Answered, ...]:
        queries = np.flatnonzero(chosen)
        drawn = np.random.default_rng(seed).choice(queries, size=min(ROWS, len(queries)), replace=False)
        return tuple(
            Answered(*(ranked_row(table, each.roles.queries, each.found, query) for each in (a, b)))
            for query in np.sort(drawn).tolist()
        )

    return FirstAnswers(
        both=int((right_a & right_b).sum()),
        only_a=int(only_a.sum()),
        only_b=int(only_b.sum()),
        neither=int((judged & ~right_a & ~right_b).sum()),
        lost=some(only_a),
        won=some(only_b),
    )
