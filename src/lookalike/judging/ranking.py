"""Ranks of the right items: queries and a gallery enter, exact ranks and neighbours of a block leave.

A float32 product estimates all similarities. Its error is bounded, so it settles most of who stands before
whom; where items of other worth come too near to each other, their exact similarity is made. Where that would
be much of the gallery, all of it is made exactly: both ways give the same ranks. No figure is made here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.candidates import Candidates, fine_steps, ranks_of
from lookalike.judging.exact_rows import OFFSET, ROUNDING, STEPS, Ranked, no_neighbours, rank_rows, reached_by
from lookalike.judging.relevance import Relevance, RightItems
from lookalike.judging.similarity import (
    LEFT_OUT,
    Doubles,
    Identities,
    Ints,
    compare,
    compare_pairs,
    estimate,
    estimate_error,
    left_factor,
    right_factor,
    thread_memory,
)
from lookalike.records import Floats

MOST_ROWS = 160  # of a block: enough for a fast product, and little memory
_FINE = 16  # fine steps in a step
_SHARE = 1 / 8  # of the gallery; with more candidates, exact similarities of all cost less
_AT_ONCE = 7  # blocks after one that had too many
_EXACT_ROWS = 48
_EXACT_COORDINATES = 2**17  # made exact together


@dataclass
class _Habit:
    """How many blocks go the exact way without trying the other; a hint, so threads may miscount."""

    exact: int = 0


@dataclass(frozen=True)
class Ranker:
    """Queries, a gallery, and what is asked of them.

    Attributes:
        queries: [q, d] and gallery: [g, d], rows of unit length.
        identity: the queries' codes and the lookup of the gallery's; None: nothing is left out.
        neighbours: how many to keep of each query.
        depth: ranks up to max(depth, R) are asked for; None: all.
        habit: which way the last blocks went.
    """

    queries: Floats
    gallery: Floats
    relevance: Relevance
    identity: tuple[Ints, Identities] | None
    neighbours: int
    depth: int | None
    habit: _Habit = field(default_factory=_Habit)

    def rank(self, block: slice) -> Ranked:
        """Return what the queries of a block found."""
        if self.habit.exact > 0:
            self.habit.exact -= 1
            return self._exactly(block)
        similar = estimate(self.queries[block], self.gallery)
        self._leave_out(similar, block, mark=-np.inf)
        flat, right = similar.reshape(-1), self.relevance.of(block)
        right = right.only(flat[self._flat(right)] > -np.inf)
        places = self._flat(right)
        alike = flat[places]
        shown = self._shown(similar)
        floors = np.minimum(self._floors(similar, right, alike), shown).astype(np.float32)
        flat[places] = -np.inf
        reached = np.greater_equal(similar, floors[:, None], out=thread_memory(np.bool_, similar.shape))
        if np.count_nonzero(reached) > _SHARE * reached.size:
            self.habit.exact = _AT_ONCE
            return self._exactly(block)
        wrong, high = _places(reached), alike >= floors[right.rows]
        candidates = Candidates.of(
            wrong,
            right.only(high),
            items=len(self.gallery),
            wrong_steps=_fine(flat[wrong]),
            steps=_fine(alike[high]),
        )
        thinned = candidates.thinned(within=self._within, shown=_fine(shown))
        return self._ranked(right, thinned, block).up_to(self.depth)

    def _flat(self, right: RightItems) -> Ints:
        return right.rows * len(self.gallery) + right.columns

    def _leave_out(self, similar: NDArray[Any], block: slice, *, mark: float) -> None:
        if self.identity is not None:
            codes, identities = self.identity
            identities.leave_out(similar, codes[block], mark=mark)

    @cached_property
    def _within(self) -> int:
        """How near two estimates may be, in fine steps, before their order is open.

        Each is off by its error, and by its rounding to fine steps and to steps.
        """
        return math.ceil(2 * estimate_error(self.gallery.shape[1]) * STEPS * _FINE) + _FINE + 4

    @property
    def _slack(self) -> float:
        return (self._within + 8) / (STEPS * _FINE)

    def _shown(self, similar: Floats) -> Doubles:
        """[b], an estimate that all items reach which can be neighbours."""
        if not self.neighbours:
            return np.full(len(similar), OFFSET)
        reached = reached_by(similar, np.full(len(similar), self.neighbours))
        shown: Doubles = np.maximum(reached - self._slack, -OFFSET)
        return shown

    def _floors(self, similar: Floats, right: RightItems, alike: Floats) -> Doubles:
        """[b], an estimate that all items reach which the asked ranks depend on; 2 where there are none."""
        floors, some = np.full(len(similar), 2.0), right.total > 0
        if some.any():
            floors[some] = np.minimum.reduceat(alike, right.starts[:-1][some])  # the least alike right item
        if self.depth is not None:
            floors = np.maximum(floors, reached_by(similar, np.maximum(right.total, self.depth)))
        lowered: Doubles = np.maximum(floors - self._slack, -OFFSET)
        return lowered

    def _exact_steps(self, candidates: Candidates, which: Ints, block: slice) -> Ints:
        queries, steps = self.queries[block], np.empty(len(which), dtype=np.int64)
        size = max(1, _EXACT_COORDINATES // self.gallery.shape[1])
        for start in range(0, len(which), size):
            part = which[start : start + size]
            rows, columns = candidates.rows[part], candidates.columns[part]
            steps[start : start + size] = compare_pairs(
                queries[rows], self.gallery[columns], steps=STEPS, offset=ROUNDING
            )
        return steps * _FINE

    def _ranked(self, right: RightItems, candidates: Candidates, block: slice) -> Ranked:
        """Make exact what the estimates leave open, and read off the ranks."""
        order = candidates.order()
        unsure = candidates.unsure(order, within=self._within, first=self.neighbours)
        exact = self._exact_steps(candidates, order[unsure], block)
        candidates, order = candidates.repaired(order, unsure, exact)
        rows, columns, gains = candidates.rows[order], candidates.columns[order], candidates.gains[order]
        ranks = ranks_of(rows)
        neighbours, similarities = no_neighbours(len(right.total), self.neighbours)
        first = ranks <= self.neighbours
        places = rows[first], ranks[first] - 1
        neighbours[places] = columns[first]
        similarities[places] = candidates.steps[order[first]] / (_FINE * STEPS) - OFFSET
        found = gains > 0
        starts = np.searchsorted(rows[found], np.arange(len(right.starts)))
        items = RightItems(starts, columns[found], None if right.gains is None else gains[found])
        return Ranked(right, items, (ranks + candidates.ahead[order])[found], neighbours, similarities)

    @cached_property
    def _factor(self) -> Doubles:
        return right_factor(self.gallery)

    def _exactly(self, block: slice) -> Ranked:
        """The same from exact similarities of all."""
        parts = []
        for start in range(block.start, block.stop, _EXACT_ROWS):
            rows = slice(start, min(start + _EXACT_ROWS, block.stop))
            left = left_factor(self.queries[rows], steps=STEPS, offset=ROUNDING)
            similar = compare(left, self._factor, np.int32)
            self._leave_out(similar, rows, mark=LEFT_OUT)
            right = self.relevance.of(rows)
            right = right.only(similar.reshape(-1)[self._flat(right)] != LEFT_OUT)
            parts.append(rank_rows(similar, right, neighbours=self.neighbours).up_to(self.depth))
        return Ranked.joined(parts)


def _places(reached: NDArray[np.bool_]) -> Ints:
    """What `np.flatnonzero` gives, in a quarter of the time where few are true: eight at a time."""
    eights = np.packbits(reached.reshape(-1))
    some = np.flatnonzero(eights != 0)
    bits = np.flatnonzero(np.unpackbits(eights[some]).view(np.bool_))
    places: Ints = some[bits >> 3] * 8 + (bits & 7)
    return places


def _fine(alike: Floats | Doubles) -> Ints:
    return fine_steps(alike, offset=OFFSET, steps=STEPS * _FINE)
