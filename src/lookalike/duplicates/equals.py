"""Contents whose pixels are equal to the last: contents enter, classes of rows leave.

Equal pixels have equal sizes and mostly equal prints, so no pairs are needed: what shares both is decoded in
full and goes by the hash of its pixels. Of a thousand equal pictures one is compared with the rest.
What is equal all the same but has another print, as from a decoder that reduces, is left to the pairs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lookalike.duplicates.confirming import Opened, pixel_hashes
from lookalike.duplicates.gathering import Contents
from lookalike.duplicates.grouping import Pair, pair_of
from lookalike.records import Progress

Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Equals:
    """Rows of equal pixels.

    Attributes:
        others: of the row of each class that is most worth keeping, the other rows of it.
    """

    others: dict[int, list[int]] = field(default_factory=dict)

    @property
    def spare(self) -> list[int]:
        """All rows for which another one of their class stands."""
        return [row for others in self.others.values() for row in others]

    def within(self) -> list[Pair]:
        """What stands for each class with each other row of it, (low, high)."""
        return [pair_of(row, other) for row, others in self.others.items() for other in others]

    def like(self, pair: Pair) -> list[Pair]:
        """The pairs that are alike because a pair is: either row with the others of the other one's class."""
        first, second = pair
        found = [pair_of(first, other) for other in self.others.get(second, ())]
        return found + [pair_of(second, other) for other in self.others.get(first, ())]


def equal_pixels(
    contents: Contents,
    rows: Rows,
    *,
    rank: Callable[[Rows], Rows],
    apart: Collection[int],
    opened: Opened,
    hashes: dict[int, bytes],
    progress: Progress | None = None,
) -> Equals:
    """Find the classes of rows whose pictures are equal.

    Args:
        rank: of some rows the order in which they are worth keeping, -1 where a file is gone.
        apart: rows that must not be with others, so that no other one may stand for them.
        opened: takes the pictures that cannot be opened; those that it has are not tried again.
        hashes: of the pixels of rows that were decoded before; takes those of the others.
        progress: called with (pictures decoded, pictures that have to be).
    """
    alike = _classes([(row, _seen(contents, row)) for row in rows.tolist() if row not in apart])
    wanted = np.array([row for members in alike for row in members], np.int64)
    new = [row for row in wanted.tolist() if row not in hashes and row not in opened.skipped]
    hashes |= pixel_hashes(contents.places, np.array(new, np.int64), opened=opened, progress=progress)
    classes = _classes([(row, hashes.get(row)) for row in wanted.tolist()])
    ranked = rank(np.array([row for members in classes for row in members], np.int64))
    others = {}
    for members in classes:
        best, *rest = sorted((row for row in members if ranked[row] >= 0), key=ranked.__getitem__) or [-1]
        if rest:
            others[best] = rest
    return Equals(others)


def _seen(contents: Contents, row: int) -> tuple[int, int, bytes] | None:
    look = contents.looks[row]
    return None if look is None else (look.width, look.height, look.print)


def _classes(keys: Sequence[tuple[int, object]]) -> list[list[int]]:
    """Rows that share a key, two at least; none without one."""
    found: dict[object, list[int]] = {}
    for row, key in keys:
        if key is not None:
            found.setdefault(key, []).append(row)
    return [members for members in found.values() if len(members) > 1]
