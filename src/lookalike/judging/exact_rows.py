"""Ranks from exact similarities: whole rows of them enter, ranks of the right items and neighbours leave.

Similarities are whole steps of 2^-20. Of items that are equally alike the wrong ones rank first, then the
less right, then the earlier. Every row is looked at on its own; who makes the rows is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.relevance import RightItems
from lookalike.judging.similarity import GAP, LEFT_OUT, Doubles, Ints
from lookalike.records import Floats

Codes = NDArray[np.int32]

STEPS = 2**20
OFFSET = 1.0 + GAP  # added to every similarity, so that all codes are positive
ROUNDING = OFFSET + 0.5 / STEPS  # codes are rounded down

_FEW = 48  # for up to so many right items counting is faster than sorting
_STRETCHES = 8  # for every item that is looked for


@dataclass(frozen=True)
class Ranked:
    """What b queries found.

    Attributes:
        right: all right items of each query, without what is left out of its ranking.
        found: those whose rank is known, rising by rank within a query.
        ranks: [t] int64, >= 1, of the found.
        neighbours: [b, m] int64 gallery rows, most alike first; -1 where there are fewer.
        similarities: [b, m] float32; NaN where there are fewer.
    """

    right: RightItems
    found: RightItems
    ranks: Ints
    neighbours: Ints
    similarities: Floats

    def up_to(self, depth: int | None) -> Ranked:
        """The same without what was found beyond max(depth, R); None: all."""
        if depth is None:
            return self
        kept = self.ranks <= np.maximum(self.right.total, depth)[self.found.rows]
        return replace(self, found=self.found.only(kept), ranks=self.ranks[kept])

    @classmethod
    def joined(cls, parts: Sequence[Ranked]) -> Ranked:
        """What several groups of queries found, one group after the other."""
        return cls(
            right=RightItems.joined([part.right for part in parts]),
            found=RightItems.joined([part.found for part in parts]),
            ranks=np.concatenate([part.ranks for part in parts]),
            neighbours=np.concatenate([part.neighbours for part in parts]),
            similarities=np.concatenate([part.similarities for part in parts]),
        )


def no_neighbours(rows: int, count: int) -> tuple[Ints, Floats]:
    """Neighbours and similarities of queries that have none, [rows, count]."""
    return np.full((rows, count), -1), np.full((rows, count), np.nan, dtype=np.float32)


def rank_rows(rows: Codes, right: RightItems, *, neighbours: int) -> Ranked:
    """Rank the right items of every row, and its nearest items.

    Args:
        rows: [b, g], LEFT_OUT where an item is left out; changed.
        right: of each row, nothing that is left out.
    """
    near, similarities = no_neighbours(len(rows), neighbours)
    gains = np.zeros(rows.shape[1])  # of one row at a time
    orders, ranks = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for at, row in enumerate(rows):
        own = slice(*right.starts[at : at + 2].tolist())
        columns = right.columns[own]
        gains[columns] = 1.0 if right.gains is None else right.gains[own]
        nearest = _nearest(row, gains, neighbours)
        near[at, : len(nearest)] = nearest
        similarities[at, : len(nearest)] = row[nearest] / STEPS - OFFSET
        order = np.lexsort((gains[columns], -row[columns]))
        orders.append(order + own.start)
        ranks.append(_ranks(row, columns[order]))
        gains[columns] = 0.0
    order = np.concatenate(orders)
    found = replace(
        right, columns=right.columns[order], gains=None if right.gains is None else right.gains[order]
    )
    return Ranked(right, found, np.concatenate(ranks), near, similarities)


def _ranks(row: Codes, columns: Ints) -> Ints:
    """Ranks of a row's right items, which stand most alike first, behind the wrong ones as alike."""
    alike = row[columns]
    row[columns] = LEFT_OUT
    if len(columns) <= _FEW:
        wrong = np.array([np.count_nonzero(row >= code) for code in alike], dtype=np.int64)
    else:
        rivals = np.sort(row[row >= alike[-1]])
        wrong = len(rivals) - np.searchsorted(rivals, alike)
    return wrong + np.arange(1, len(columns) + 1)


def _nearest(row: Codes, gains: Doubles, count: int) -> Ints:
    """The most alike items, at most `count`; of equals the less right, then the earlier."""
    if not count:
        return np.empty(0, dtype=np.int64)
    least = max(float(reached_by(row[None], np.array([count]))[0]), LEFT_OUT + 1)
    candidates = np.flatnonzero(row >= least)
    return candidates[np.lexsort((candidates, gains[candidates], -row[candidates]))[:count]]


def reached_by(similar: NDArray[Any], counts: Ints) -> Doubles:
    """[b], what at least counts[i] items of row i reach, and few more: of the best of many stretches.

    Where rows are short for that, -infinity.
    """
    stretches = _STRETCHES * int(counts.max())
    length = similar.shape[1] // stretches
    if length < 2:
        return np.full(len(similar), -np.inf)
    stretched = similar[:, : length * stretches].reshape(len(similar), length, stretches)
    best = np.sort(stretched.max(axis=1), axis=1)
    return best[np.arange(len(best)), stretches - counts].astype(np.float64)
