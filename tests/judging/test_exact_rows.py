"""Ranks of whole rows against sorting, and what is kept of them."""

from __future__ import annotations

import numpy as np
import pytest

from lookalike.judging import exact_rows
from lookalike.judging.exact_rows import OFFSET, STEPS, Ranked, rank_rows
from lookalike.judging.relevance import RightItems

CODES = np.array([[9, 5, 5, 0, 7, 5], [4, 4, 4, 4, 4, 4], [3, 0, 1, 2, 8, 8]], dtype=np.int32)
RIGHT = RightItems(np.array([0, 3, 3, 5]), np.array([1, 2, 4, 0, 5]))


@pytest.mark.parametrize("few", [0, 48])
def test_ranks_by_hand(few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact_rows, "_FEW", few)
    ranked = rank_rows(CODES.copy(), RIGHT, neighbours=4)
    assert ranked.ranks.tolist() == [2, 4, 5, 2, 3]
    assert ranked.found.columns.tolist() == [4, 1, 2, 5, 0]
    assert ranked.neighbours.tolist() == [[0, 4, 5, 1], [0, 1, 2, 3], [4, 5, 0, 3]]
    assert ranked.similarities[0] == pytest.approx(np.array([9, 7, 5, 5]) / STEPS - OFFSET)


def test_gains_settle_ties() -> None:
    graded = RightItems(RIGHT.starts, RIGHT.columns, np.array([3.0, 2.0, 1.0, 1.0, 1.0]))
    ranked = rank_rows(CODES.copy(), graded, neighbours=3)
    assert ranked.found.columns.tolist() == [4, 2, 1, 5, 0]  # of the equal ones the less right first
    assert ranked.found.gains is not None
    assert ranked.found.gains.tolist() == [1, 2, 3, 1, 1]
    assert ranked.ranks.tolist() == [2, 4, 5, 2, 3]


def test_nothing_is_kept_beyond_what_is_asked() -> None:
    ranked = rank_rows(CODES.copy(), RIGHT, neighbours=0)
    assert ranked.neighbours.shape == (3, 0)
    assert ranked.up_to(None) is ranked
    assert ranked.up_to(1).ranks.tolist() == [2, 2]  # up to R, 3 and 2
    assert ranked.up_to(4).ranks.tolist() == [2, 4, 2, 3]
    assert ranked.up_to(4).right is ranked.right


def test_parts_make_the_whole() -> None:
    whole = rank_rows(CODES.copy(), RIGHT, neighbours=2)
    first = rank_rows(CODES[:1].copy(), RightItems(np.array([0, 3]), RIGHT.columns[:3]), neighbours=2)
    rest = rank_rows(CODES[1:].copy(), RightItems(np.array([0, 0, 2]), RIGHT.columns[3:]), neighbours=2)
    again = Ranked.joined([first, rest])
    assert np.array_equal(again.ranks, whole.ranks)
    assert np.array_equal(again.found.starts, whole.found.starts)
    assert np.array_equal(again.right.columns, whole.right.columns)
    assert np.array_equal(again.neighbours, whole.neighbours)
    assert np.array_equal(again.similarities, whole.similarities, equal_nan=True)


def test_a_row_of_which_all_is_left_out() -> None:
    ranked = rank_rows(
        np.zeros((1, 6), dtype=np.int32),
        RightItems(np.array([0, 0]), np.empty(0, dtype=np.int64)),
        neighbours=2,
    )
    assert ranked.neighbours.tolist() == [[-1, -1]]
    assert np.isnan(ranked.similarities).all()
    assert not len(ranked.ranks)
