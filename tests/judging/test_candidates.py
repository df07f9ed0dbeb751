"""The order of candidates, and which of them an exact similarity could move, against sorting and loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.judging import candidates as room
from lookalike.judging.candidates import Candidates, fine_steps, ranks_of
from lookalike.judging.relevance import RightItems

ITEMS = 30


def some_candidates(seed: int, *, graded: bool) -> Candidates:
    """Three queries, the second with nothing, similarities from few values."""
    rng = np.random.default_rng(seed)
    wrong = np.sort(rng.choice(np.r_[0:15, 60:75], size=rng.integers(0, 20), replace=False))
    counts = rng.integers(0, 6, 3) * [1, 0, 1]
    starts = np.concatenate([[0], np.cumsum(counts)])
    columns = np.concatenate(
        [np.sort(rng.choice(np.arange(15, 30), size=count, replace=False)) for count in counts]
    )
    gains = rng.integers(1, 4, starts[-1]).astype(np.float64) if graded else None
    return Candidates.of(
        wrong,
        RightItems(starts, columns, gains),
        items=ITEMS,
        wrong_steps=rng.integers(1, 40, len(wrong)) * 5,
        steps=rng.integers(1, 40, starts[-1]) * 5,
    )


def listed(of: Candidates) -> list[tuple[int, int, float, int]]:
    return list(
        zip(of.rows.tolist(), (-of.steps).tolist(), of.gains.tolist(), of.columns.tolist(), strict=True)
    )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([0, 1, 4, 12, 1000]), st.integers(0, 4))
def test_order_and_doubt_by_hand(seed: int, graded: bool, within: int, first: int) -> None:
    candidates = some_candidates(seed, graded=graded)
    order = candidates.order()
    items = [listed(candidates)[item] for item in order]
    assert items == sorted(listed(candidates))
    unsure = candidates.unsure(order, within=within, first=first)
    for at, (row, steps, gain, _) in enumerate(items):
        own = [item for item in items if item[0] == row]
        beside = any(abs(item[1] - steps) <= within for item in own if item[2] != gain)
        last = own[min(first, len(own)) - 1][1] if first else -10_000
        assert unsure[at] == (beside or steps <= last + within)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.integers(0, 3))
def test_repair_gives_the_order_of_exact_similarities(seed: int, graded: bool, first: int) -> None:
    estimated = some_candidates(seed, graded=graded)
    rng = np.random.default_rng(seed)
    exact = np.maximum(estimated.steps + rng.integers(-6, 7, len(estimated.steps)), 1)
    order = estimated.order()
    unsure = estimated.unsure(order, within=13, first=first)
    repaired, again = estimated.repaired(order, unsure, exact[order[unsure]])
    rows, gains = repaired.rows[again], repaired.gains[again]
    truth = replace(estimated, steps=exact)
    best = truth.order()
    assert np.array_equal(rows, truth.rows[best])
    assert np.array_equal(gains, truth.gains[best])  # where items of equal worth stand does not matter,
    leading = ranks_of(rows) <= first
    assert np.array_equal(again[leading], best[leading])  # unless they are shown


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0, 3, 17]), st.integers(0, 300))
def test_what_is_left_out_is_counted(seed: int, within: int, shown: int) -> None:
    of = some_candidates(seed, graded=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(room, "_MANY", 0)
        patch.setattr(room, "_BIN", 3)
        thinned = of.thinned(within=within, shown=np.full(3, shown)) if len(of.rows) else of
    every, fewer = of.order(), thinned.order()
    right, left = of.gains[every] > 0, thinned.gains[fewer] > 0
    assert np.array_equal(of.columns[every][right], thinned.columns[fewer][left])
    ranks = ranks_of(thinned.rows[fewer]) + thinned.ahead[fewer]
    assert np.array_equal(ranks_of(of.rows[every])[right], ranks[left])
    kept = set(zip(thinned.rows.tolist(), thinned.columns.tolist(), strict=True))
    for row, steps, _, column in listed(of):
        beside = any(
            other[0] == row and other[2] > 0 and abs(other[1] - steps) <= within for other in listed(of)
        )
        assert (row, column) in kept or not (beside or -steps >= shown)


def test_many_far_items_are_left_out_and_few_are_not() -> None:
    wrong = np.arange(1, 1000)
    right = RightItems(np.array([0, 1]), np.array([0]))
    every = Candidates.of(
        wrong, right, items=1000, wrong_steps=(wrong + 1) << 14, steps=np.array([500 << 14])
    )
    thinned = every.thinned(within=300, shown=np.array([990 << 14]))
    assert len(thinned.rows) < 20
    order = thinned.order()
    rank = (ranks_of(thinned.rows[order]) + thinned.ahead[order])[thinned.gains[order] > 0]
    assert rank.tolist() == [502]  # behind those of 500 to 1000 bins
    few = replace(
        every, **{name: getattr(every, name)[-60:] for name in ("rows", "columns", "gains", "steps", "ahead")}
    )
    assert few.thinned(within=300, shown=np.array([0])) is few


def test_ranks_start_anew_for_every_query() -> None:
    assert ranks_of(np.array([0, 0, 0, 2, 2, 5])).tolist() == [1, 2, 3, 1, 2, 1]
    assert ranks_of(np.empty(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize("alike", [-1.0, 0.0, 0.3, 1.0])
def test_fine_steps_are_rounded_down(alike: float) -> None:
    steps = fine_steps(np.array([alike], dtype=np.float32), offset=1.5, steps=2**24)
    assert steps[0] == int((float(np.float32(alike)) + 1.5) * 2**24)
