"""What to look at after an evaluation: queries with their neighbours, and those that went wrong.

An Evaluation enters; rows of pictures leave, with how many more of their kind there are. Everywhere `rows`
names the rows of the judged table that may ask, for example a batch; the answers come from the whole gallery
all the same. What is told of labels and of triplets stands in rooms of its own. Nothing is drawn here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.evaluation import Evaluation
from lookalike.judging.similarity import Ints
from lookalike.ranked import ranked_row, sample
from lookalike.ranked import worst as worst_of
from lookalike.records import RankedRow

COUNT = 8  # rows that are shown of a kind

Entry = TypeVar("Entry")
Rows = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True, slots=True)
class View(Generic[Entry]):
    """The first few of what was looked for.

    Attributes:
        entries: those that are shown.
        total: how many there are.
        of: among how many was looked.
    """

    entries: tuple[Entry, ...]
    total: int
    of: int


def neighbours(
    found: Evaluation, *, rows: Rows | None = None, count: int = COUNT, seed: int = 0
) -> View[RankedRow]:
    """A fair sample of the queries that have a right answer, in the table's order, with what they found.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    asking = judged(found, rows)
    return _view(found, sample(found.found, count=count, seed=seed, among=asking), len(asking), of=asking)


def worst(found: Evaluation, *, rows: Rows | None = None, count: int = COUNT) -> View[RankedRow]:
    """The queries with the lowest average precision, lowest first; of equals the earlier.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    asking = judged(found, rows)
    ranked = worst_of(found.found, count=len(asking), among=asking)
    return _view(found, ranked[:count], len(ranked), of=asking)


def unmatched(
    found: Evaluation, threshold: float, *, rows: Rows | None = None, count: int = COUNT
) -> View[RankedRow]:
    """The queries that match nothing, though a right answer is there; the least alike first.

    Args:
        threshold: a picture matches when its similarity >= this.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    asking = judged(found, rows)
    nearest = found.found.similarities[asking, 0]
    order = np.argsort(nearest, kind="stable")
    alone = asking[order[nearest[order] < threshold]]
    return _view(found, alone[:count], len(alone), of=asking)


def missed(found: Evaluation, *, rows: Rows | None = None, count: int = COUNT) -> View[RankedRow]:
    """The queries without a right picture among the answers kept; those surest of a wrong one first.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    asking = judged(found, rows)
    kept = found.found.neighbours.shape[1]
    without = asking[found.found.first_rank[asking] > kept]
    order = np.argsort(-found.found.similarities[without, 0], kind="stable")
    return _view(found, without[order[:count]], len(without), of=asking)


def judged(found: Evaluation, rows: Rows | None) -> Ints:
    """Numbers of the queries that have a right answer, of all or of those that stand in some rows; rising.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    right = found.found.relevant > 0
    if rows is not None:
        right &= np.isin(found.queries, checked_rows(found, rows))
    return np.flatnonzero(right)


def checked_rows(found: Evaluation, rows: Rows) -> Ints:
    """The rows as an array.

    Raises:
        EvaluationError: one of them lies outside of the table.
    """
    chosen = np.asarray(rows, dtype=np.int64)
    outside = chosen[(chosen < 0) | (chosen >= len(found.table))]
    if len(outside):
        raise EvaluationError(
            "a row lies outside of the table",
            where="rows",
            saw=f"{outside[0]}",
            wanted=f"0 to {len(found.table) - 1}, of the pictures that were judged",
            do="count the rows of the evaluation's own table",
        )
    return chosen


def _view(found: Evaluation, queries: Ints, total: int, *, of: Ints) -> View[RankedRow]:
    shown = tuple(ranked_row(found.table, found.queries, found.found, query) for query in queries.tolist())
    return View(shown, total, len(of))
