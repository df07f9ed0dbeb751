"""The pairs whose similarity is nearest to a given one: unit vectors enter; pairs leave, on either side.

All similarities are kept, four bytes a pair; the histogram of the pairs tells in which few bins the nearest
lie, so that one look through them is enough. What a pair means is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.pairs import first_bin, lower_edges
from lookalike.judging.similarity import Ints, cosine, estimate_error, plain_products
from lookalike.records import Floats, Labels, PairHistogram

_ROWS = 256  # compared at once
_MOST = (
    200_000  # pairs of the same few bins that are looked at: of more, as alike to the fifth digit, some are
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two pictures, by row or by id, and whether they have one label."""

    first: int
    second: int
    similarity: float
    same: bool

    def of(self, ids: Ints) -> Pair:
        """The pair by the ids of its rows."""
        return replace(self, first=int(ids[self.first]), second=int(ids[self.second]))


class NearestPairs:
    """All pairs of some vectors, by similarity.

    Args:
        vectors, labels: [n, d] and [n].
        identity: [n]; rows of one code make no pair.
        histogram: of the pairs, whose similarities are exact.
    """

    def __init__(self, vectors: Floats, labels: Labels, identity: Ints, histogram: PairHistogram) -> None:
        self._vectors, self._labels, self._identity = vectors, labels, identity
        self._below = np.cumsum(np.append(0, histogram.same + histogram.different))  # pairs in lower bins
        lengths = np.arange(len(vectors) - 1, -1, -1)
        self._starts = np.append(0, np.cumsum(lengths))  # of the pairs of each row with later ones
        self._similarities = _all(vectors, self._starts)

    def around(self, similarity: float, *, count: int) -> tuple[list[Pair], list[Pair]]:
        """The `count` pairs that are at least so much alike and those that are less, the nearest first."""
        bins = len(self._below) - 1
        first = first_bin(similarity, bins=bins)
        here = self._below[first]
        start = int(np.searchsorted(self._below, max(here - count, 0), side="right")) - 1
        stop = int(np.searchsorted(self._below, min(here + count, self._below[-1]), side="left"))
        edges, room = np.append(lower_edges(bins), np.inf), estimate_error(self._vectors.shape[1])
        # a similarity between two edges parts the bin below the first, which must be looked at in whole
        low = -np.inf if start <= 1 else edges[start - 1] - room
        found = self._between(low, edges[min(max(stop, first) + 1, bins)] + room)
        above = sorted(
            (pair for pair in found if pair.similarity >= similarity), key=lambda pair: pair.similarity
        )
        below = sorted(
            (pair for pair in found if pair.similarity < similarity), key=lambda pair: -pair.similarity
        )
        return above[:count], below[:count]

    def _between(self, low: float, high: float) -> list[Pair]:
        places = np.flatnonzero((self._similarities >= low) & (self._similarities <= high))[:_MOST]
        first = np.searchsorted(self._starts, places, side="right") - 1
        second = places - self._starts[first] + first + 1
        apart = self._identity[first] != self._identity[second]
        first, second = first[apart], second[apart]
        similarities = cosine(self._vectors[first], self._vectors[second])
        same: NDArray[Any] = self._labels[first] == self._labels[second]
        columns = (column.tolist() for column in (first, second, similarities, same))
        return [Pair(*row) for row in zip(*columns, strict=True)]


def _all(vectors: Floats, starts: Ints) -> Floats:
    """[n (n - 1) / 2] similarities of each row with all later ones."""
    found = np.empty(int(starts[-1]), np.float32)
    with plain_products():
        for start in range(0, len(vectors), _ROWS):
            block = vectors[start : start + _ROWS] @ vectors[start:].T
            for place, row in enumerate(block):
                found[starts[start + place] : starts[start + place + 1]] = row[place + 1 :]
    return found
