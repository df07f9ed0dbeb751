"""Groups without chains: pictures in the order in which they are worth keeping, and pairs of them, enter.

The first picture that is in no group yet takes all that are in none and within the threshold of it, and so
on. So what represents a group is what is kept of it, everything else of the group is close to that one, and
the same pairs give the same groups in whatever order they come. Nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Pair = tuple[int, int]  # rows, the lower first
Confirm = Callable[[Rows], NDArray[np.bool_]]

_WAVES = 64  # after which all that is left is confirmed: only a long chain needs so many


@dataclass(frozen=True, slots=True)
class Star:
    """A representative, and the places among the pairs of those with what is near it."""

    representative: int
    pairs: tuple[int, ...]


def stars(
    first: Rows,
    second: Rows,
    strength: Iterable[tuple[float, ...]],
    rank: NDArray[np.int64],
    *,
    apart: Collection[tuple[int, int]] = (),
) -> list[Star]:
    """Group the ends of pairs.

    Args:
        first, second: [m] int64, each pair once; both ways round are the same.
        strength: of each pair, the least joining first, equal ones by rank; it decides who may stay where two
            must not be in one group.
        rank: of each row, all different; the least represents.
        apart: pairs of rows (low, high) that are never in one group.

    Returns:
        Stars with at least one pair, in the order of their representatives' ranks. Each row is in one at
        most.

    >>> pairs = np.array([0, 1]), np.array([1, 2])  # 0 - 1 - 2, but 0 and 2 are not near
    >>> stars(*pairs, [(0.0,), (0.0,)], np.array([0, 1, 2]))
    [Star(representative=0, pairs=(0,))]
    >>> stars(*pairs, [(0.0,), (0.0,)], np.array([1, 0, 2]))
    [Star(representative=1, pairs=(0, 1))]
    """
    keys = list(strength)
    near: dict[int, list[int]] = {}
    ends = list(zip(first.tolist(), second.tolist(), strict=True))
    forbidden = set(apart)
    for place, (a, b) in enumerate(ends):
        if pair_of(a, b) not in forbidden:
            near.setdefault(a, []).append(place)
            near.setdefault(b, []).append(place)
    taken: set[int] = set()
    found: list[Star] = []
    for row in sorted(near, key=lambda row: int(rank[row])):
        if row in taken:
            continue
        inside, pairs = [row], []
        for place in sorted(near[row], key=lambda place: (keys[place], rank[other_of(ends[place], row)])):
            other = other_of(ends[place], row)
            if other not in taken and not _any_apart(forbidden, other, inside):
                inside.append(other)
                pairs.append(place)
        if pairs:
            taken.update(inside)
            found.append(Star(row, tuple(pairs)))
    return found


def in_waves(
    first: Rows, second: Rows, rank: Rows, confirm: Confirm, *, free: Collection[int] = ()
) -> NDArray[np.bool_]:
    """Confirm those of the pairs that `stars` could use; of a group of k that is k - 1 pairs in place of k².

    A row whose rank is less than that of all it is paired with represents; its pairs are confirmed, and what
    it takes needs no other pair. Then the rest is looked at in the same way.

    Args:
        first, second: [m] int64, each pair once.
        rank: of each row, as of `stars`.
        confirm: tells of places among the pairs, [w], whether they hold; called with each at most once.
        free: rows that may be in a pair that holds and not be taken, because of those they must not be with;
            what hangs on them is confirmed in full.

    Returns:
        [m], whether a pair is known to hold; pairs that no group needs count as if they did not.
    """
    holds, left = np.zeros(len(first), np.bool_), np.arange(len(first))
    unsure = np.isin(np.arange(len(rank)), [*free])
    taker = np.full(len(rank), len(rank), np.int64)  # the least rank of those that took a row
    for wave in range(_WAVES):
        if not len(left):
            break
        a, b = rank[first[left]], rank[second[left]]
        best = np.full(len(rank), len(rank), np.int64)
        np.minimum.at(best, first[left], b)
        np.minimum.at(best, second[left], a)
        down, up = a < best[first[left]], b < best[second[left]]
        now = down | up | (wave == _WAVES - 1)
        holds[left[now]] = confirm(left[now])
        for leads, leaders, others in ((down, first, second), (up, second, first)):
            held = left[leads][holds[left[leads]]]
            sure = ~unsure[leaders[held]] & ~unsure[others[held]]
            np.minimum.at(taker, others[held[sure]], rank[leaders[held[sure]]])
            unsure[others[held[~sure]]] = True
        left = left[~now]
        a, b = first[left], second[left]
        over = np.where(unsure, len(rank), taker)
        left = left[(over[a] > rank[b]) & (over[b] > rank[a])]  # who comes before the taker may still take it
    return holds


def pair_of(first: int, second: int) -> Pair:
    """Two rows as a pair, whichever comes first."""
    return min(first, second), max(first, second)


def other_of(pair: Pair, row: int) -> int:
    """The row that a pair has beside one of its own."""
    return pair[1] if pair[0] == row else pair[0]


def _any_apart(forbidden: Collection[tuple[int, int]], row: int, inside: Iterable[int]) -> bool:
    return bool(forbidden) and any(pair_of(row, each) in forbidden for each in inside)
