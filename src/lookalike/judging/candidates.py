"""Items of a block that can matter: estimated similarities enter and are put in order, exact where it counts.

Similarities are whole numbers of fine steps. An item's place is its query, then how alike it is, then how
right: of equals the wrong come first, then the less right, then the earlier. `unsure` names the items whose
place an exact similarity could change in a way that anyone sees.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.relevance import RightItems
from lookalike.judging.similarity import Doubles, Ints
from lookalike.records import Floats

_BITS = 26  # that hold a similarity in fine steps
_MOST = 2**_BITS - 1
_BIN = 14  # bits of a similarity within a bin
_MANY = 64  # items of a query; below that sorting costs less


@dataclass(frozen=True)
class Candidates:
    """The items of b queries that can matter: all wrong ones, then the right ones, the less right first.

    Attributes:
        rows: [n] int64, whose each is; columns: [n] int64, its gallery row.
        gains: [n] float64, how right it is; 0: wrong.
        steps: [n] int64 in [0, 2^26), how alike it is.
        ahead: [n] int64, how many wrong items stand before a right one that are not listed.
    """

    rows: Ints
    columns: Ints
    gains: Doubles
    steps: Ints
    ahead: Ints

    @classmethod
    def of(cls, wrong: Ints, right: RightItems, *, items: int, wrong_steps: Ints, steps: Ints) -> Candidates:
        """Put wrong and right items together.

        Args:
            wrong: [w] int64, rising: row * items + column.
            items: of the gallery.
            wrong_steps: [w]; steps: [t].
        """
        rows, gains, columns = right.rows, right.gains, right.columns
        if gains is None:
            gains = np.ones(len(rows))
        else:
            order = np.lexsort((columns, gains, rows))
            gains, columns, steps = gains[order], columns[order], steps[order]
        queries = len(right.starts) - 1
        counts = np.diff(np.searchsorted(wrong, np.arange(queries + 1) * items))
        wrong_rows = np.repeat(np.arange(queries), counts)
        return cls(
            np.concatenate([wrong_rows, rows]),
            np.concatenate([wrong - wrong_rows * items, columns]),
            np.concatenate([np.zeros(len(wrong)), gains]),
            np.concatenate([wrong_steps, steps]),
            np.zeros(len(wrong) + len(rows), dtype=np.int64),
        )

    def thinned(self, *, within: int, shown: Ints) -> Candidates:
        """Leave out wrong items that no right one is near to; they are counted, and need not be sorted.

        Similarities are parted into bins. All items stay in bins that a right one reaches within `within`, so
        that any other bin lies wholly before or wholly behind every right item.

        Args:
            shown: [b] int64, the steps from which on all items stay, as they may be neighbours.
        """
        if len(self.rows) < _MANY * len(shown):
            return self
        lowest, highest = int(self.steps.min()) - within, int(self.steps.max()) + within
        shape = (len(shown), (highest >> _BIN) - (lowest >> _BIN) + 2)

        def cells(rows: Ints, steps: Ints) -> Ints:
            return rows * shape[1] + (np.clip(steps, lowest, highest) >> _BIN) - (lowest >> _BIN)

        right, own = self.gains > 0, cells(self.rows, self.steps)
        rows, steps = self.rows[right], self.steps[right]
        begun = _counts(cells(rows, steps - within), shape) + _counts(
            cells(np.arange(shape[0]), shown), shape
        )
        ended = _counts(cells(rows, steps + within) + 1, shape)
        kept = (np.cumsum(begun - ended, axis=1) > 0).reshape(-1)[own]
        dropped = _counts(own[~kept], shape)
        before = dropped.sum(axis=1, keepdims=True) - np.cumsum(dropped, axis=1)  # in bins more alike
        ahead = np.where(right, before.reshape(-1)[own], 0)
        return Candidates(
            self.rows[kept], self.columns[kept], self.gains[kept], self.steps[kept], ahead[kept]
        )

    def order(self) -> Ints:
        """[n], the items query by query, most alike first, ties against the system."""
        return self._sorted(np.arange(len(self.rows)))

    def unsure(self, order: Ints, *, within: int, first: int) -> NDArray[np.bool_]:
        """[n], which of the items in `order` have one of other worth nearer than `within`, or may be among
        the `first` of their query.
        """
        places = self._places(order)
        return _beside_others(places, self.gains[order], within) | _leading(places, first, within)

    def repaired(self, order: Ints, unsure: NDArray[np.bool_], steps: Ints) -> tuple[Candidates, Ints]:
        """The items with exact similarities of the unsure ones, and their order.

        The unsure change places among themselves: all others of other worth are farther from them than an
        exact similarity is from its estimate.
        """
        which, changed, again = order[unsure], self.steps.copy(), order.copy()
        changed[which] = steps
        exact = replace(self, steps=changed)
        again[unsure] = exact._sorted(which)
        return exact, again

    def _sorted(self, which: Ints) -> Ints:
        bits = len(self.rows).bit_length()
        keys = self._places(which) << bits | which  # an item's number settles ties
        keys.sort()
        order: Ints = keys & ((1 << bits) - 1)
        return order

    def _places(self, which: Ints) -> Ints:
        places: Ints = (self.rows[which] << _BITS) + (_MOST - self.steps[which])
        return places


def ranks_of(rows: Ints) -> Ints:
    """[n] from 1, the rank of items that stand in order, by their query."""
    counts = np.bincount(rows)
    return np.arange(1, len(rows) + 1) - np.repeat(np.cumsum(counts) - counts, counts)


def fine_steps(alike: Floats | Doubles, *, offset: float, steps: int) -> Ints:
    """Whole steps of similarity + offset, rounded down."""
    whole: Ints = ((alike.astype(np.float64) + offset) * steps).astype(np.int64)
    return whole


def _counts(cells: Ints, shape: tuple[int, int]) -> Ints:
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def _beside_others(places: Ints, gains: Doubles, within: int) -> NDArray[np.bool_]:
    """[n], whether the nearest item of other worth, before or behind, is too near; queries lie far apart."""
    turns = np.flatnonzero(np.diff(gains)) + 1
    starts, stops = np.append(0, turns), np.append(turns, len(places))  # of stretches of equal worth
    far = np.iinfo(np.int64).max // 2
    padded = np.concatenate([[-far], places, [far]])
    lengths = stops - starts
    before, behind = np.repeat(padded[starts], lengths), np.repeat(padded[stops + 1], lengths)
    beside: NDArray[np.bool_] = (places - before <= within) | (behind - places <= within)
    return beside


def _leading(places: Ints, first: int, within: int) -> NDArray[np.bool_]:
    """[n], whether an item is among the `first` of its query, or too near to the last of them."""
    if not first or not len(places):
        return np.zeros(len(places), dtype=bool)
    rows = places >> _BITS
    queries = np.arange(rows[-1] + 1)
    stops = np.searchsorted(rows, queries, side="right")
    last = np.maximum(np.minimum(np.searchsorted(rows, queries) + first, stops) - 1, 0)
    leading: NDArray[np.bool_] = places <= places[last][rows] + within
    return leading
