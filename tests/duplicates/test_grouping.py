"""Groups without chains: against the slow way that confirms every pair, for random pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lookalike.duplicates.grouping import Rows, Star, in_waves, stars

ROWS = 9
PAIRS = [(a, b) for a in range(ROWS) for b in range(a + 1, ROWS)]


def ends(pairs: list[tuple[int, int]]) -> tuple[Rows, Rows]:
    table = np.array(pairs, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def grouped(pairs: list[tuple[int, int]], rank: Rows, apart: set[tuple[int, int]]) -> list[set[int]]:
    found = stars(*ends(pairs), [(0.0,)] * len(pairs), rank, apart=apart)
    return [{star.representative, *(row for place in star.pairs for row in pairs[place])} for star in found]


def slowly(pairs: set[tuple[int, int]], rank: Rows, apart: set[tuple[int, int]]) -> list[set[int]]:
    """The rule as it is worded, row by row."""
    groups, taken = [], set[int]()
    for row in np.argsort(rank).tolist():
        if row in taken:
            continue
        group = {row}
        for other in np.argsort(rank).tolist():
            pair = min(row, other), max(row, other)
            refused = any((min(each, other), max(each, other)) in apart for each in group)
            if pair in pairs and other not in taken and not refused:
                group.add(other)
        if len(group) > 1:
            taken |= group
            groups.append(group)
    return groups


subsets = st.sets(st.sampled_from(PAIRS))


@given(subsets, st.permutations(range(ROWS)), st.sets(st.sampled_from(PAIRS), max_size=4))
def test_groups_are_those_of_the_rule(
    pairs: set[tuple[int, int]], order: list[int], apart: set[tuple[int, int]]
) -> None:
    rank = np.array(order, np.int64)
    assert grouped(sorted(pairs), rank, apart) == slowly(pairs, rank, apart)
    assert grouped(sorted(pairs, reverse=True), rank, apart) == slowly(pairs, rank, apart)


@given(subsets, subsets, st.permutations(range(ROWS)), st.sets(st.sampled_from(PAIRS), max_size=4))
def test_waves_confirm_all_that_groups_need(
    proposed: set[tuple[int, int]],
    true: set[tuple[int, int]],
    order: list[int],
    apart: set[tuple[int, int]],
) -> None:
    rank, pairs = np.array(order, np.int64), sorted(proposed - apart)
    asked: list[int] = []

    def confirm(places: Rows) -> NDArray[np.bool_]:
        asked.extend(places.tolist())
        return np.array([pairs[place] in true for place in places], np.bool_)

    held = in_waves(*ends(pairs), rank, confirm, free={row for pair in apart for row in pair})
    assert len(asked) == len(set(asked))
    known = [pair for pair, holds in zip(pairs, held, strict=True) if holds]
    assert set(known) <= true
    assert grouped(known, rank, apart) == slowly(true & set(pairs), rank, apart)


def test_a_group_of_many_asks_for_its_representative_alone() -> None:
    asked: list[int] = []

    def confirm(places: Rows) -> NDArray[np.bool_]:
        asked.extend(places.tolist())
        return np.ones(len(places), np.bool_)

    in_waves(*ends(PAIRS), np.arange(ROWS), confirm)
    assert [PAIRS[place] for place in sorted(asked)] == [(0, other) for other in range(1, ROWS)]


def test_a_long_chain_ends() -> None:
    pairs = [(row, row + 1) for row in range(500)]

    def confirm(places: Rows) -> NDArray[np.bool_]:
        return np.zeros(len(places), np.bool_)

    assert not in_waves(*ends(pairs), np.arange(501), confirm).any()


def test_the_stronger_pair_wins_where_two_must_not_meet() -> None:
    pairs = [(0, 1), (0, 2)]
    found = stars(*ends(pairs), [(2.0,), (1.0,)], np.arange(3), apart={(1, 2)})
    assert found == [Star(0, (1,))]
