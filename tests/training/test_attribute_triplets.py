"""Masks, random and hard negatives: what they state, how often they are drawn, that they always differ."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.tables.attribute_values import Values
from lookalike.training.attribute_triplets import draw_negatives, flip, mask_some


def some_values(n: int, a: int, *, seed: int = 0, unknown: bool = False) -> Values:
    rng = np.random.default_rng(seed)
    values = rng.integers(-1 if unknown else 0, 2, (n, a)) if unknown else rng.integers(0, 2, (n, a)) * 2 - 1
    values[:, 0] = np.where(values.any(axis=1), values[:, 0], 1)
    return values.astype(np.int8)


def generator(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.integers(0, 9), st.booleans())
def test_a_masked_row_states_a_part_of_what_it_stated(a: int, seed: int, unknown: bool) -> None:
    values = some_values(50, a, seed=seed, unknown=unknown)
    masked = mask_some(values, share=1.0, rng=generator(seed))
    assert masked.dtype == np.int8
    assert masked.any(axis=1).all()
    assert ((masked == values) | (masked == 0)).all()


def test_the_share_of_masked_rows_is_as_asked() -> None:
    values = some_values(4000, 30)
    assert np.array_equal(mask_some(values, share=0.0, rng=generator()), values)
    masked = mask_some(values, share=0.3, rng=generator())
    changed = (masked != values).any(axis=1).mean()
    assert changed == pytest.approx(0.3, abs=0.03)


def test_short_queries_are_as_common_as_long_ones() -> None:
    masked = mask_some(some_values(9000, 64), share=1.0, rng=generator())
    counts = (masked != 0).sum(axis=1)
    shares = [np.mean((counts >= low) & (counts < 2 * low)) for low in (2, 4, 8, 16)]
    wanted = [np.log2((2 * low - 0.5) / (low - 0.5)) / 6 for low in (2, 4, 8, 16)]  # 64 = 2^6; rounded
    assert np.allclose(shares, wanted, atol=0.02)


def test_the_few_that_are_present_are_stated_as_often_as_the_many_that_are_absent() -> None:
    values = -np.ones((6000, 20), np.int8)
    values[:, 3] = 1
    masked = mask_some(values, share=1.0, rng=generator())
    single = masked[(masked != 0).sum(axis=1) == 1]
    assert len(single) > 500
    assert np.mean(single[:, 3] == 1) == pytest.approx(0.5, abs=0.06)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10), st.integers(0, 9), st.floats(0, 1), st.integers(1, 4), st.booleans())
def test_a_negative_differs_and_states_the_same(
    a: int, seed: int, share: float, flips: int, unknown: bool
) -> None:
    pool = some_values(40, a, seed=seed, unknown=unknown)
    positives = mask_some(pool, share=0.5, rng=generator(seed))
    negatives, hard = draw_negatives(positives, pool, hard_share=share, flips=flips, rng=generator(seed + 1))
    assert negatives.dtype == np.int8
    assert (negatives != positives).any(axis=1).all()
    assert np.array_equal(negatives != 0, positives != 0)
    differing = (negatives != positives).sum(axis=1)
    assert (differing[hard] <= flips).all()


def test_random_negatives_keep_the_statistics_of_the_pool() -> None:
    pool = np.array([[1, 1, -1]] * 60 + [[-1, 1, 1]] * 30 + [[1, -1, 1]] * 10, np.int8)
    positives = np.repeat(np.array([[1, 1, -1]], np.int8), 4000, axis=0)
    negatives, hard = draw_negatives(positives, pool, hard_share=0.0, flips=3, rng=generator())
    assert not hard.any()
    counts = Counter(map(tuple, negatives.tolist()))
    assert set(counts) == {(-1, 1, 1), (1, -1, 1)}  # real ones, never the positive
    assert counts[(-1, 1, 1)] / 4000 == pytest.approx(0.75, abs=0.03)  # 30 to 10, as in the pool


def test_what_a_random_row_does_not_state_is_as_in_the_positive() -> None:
    pool = np.array([[-1, 0, 1]], np.int8)
    negatives, _ = draw_negatives(
        np.array([[1, 1, 0]], np.int8), pool, hard_share=0.0, flips=1, rng=generator()
    )
    assert negatives.tolist() == [[-1, 1, 0]]


def test_where_the_whole_pool_agrees_the_negative_is_hard() -> None:
    pool = np.ones((5, 4), np.int8)
    negatives, hard = draw_negatives(pool, pool, hard_share=0.0, flips=1, rng=generator())
    assert hard.all()
    assert ((negatives != pool).sum(axis=1) == 1).all()


def test_the_share_of_hard_negatives_is_as_asked() -> None:
    pool = some_values(3000, 20)
    _, hard = draw_negatives(pool, pool, hard_share=0.25, flips=3, rng=generator())
    assert hard.mean() == pytest.approx(0.25, abs=0.03)


def test_one_to_three_stated_attributes_are_flipped_equally_often() -> None:
    values = some_values(6000, 10, unknown=True)
    values[:, :3] = 1  # three at least
    flipped = flip(values, most=3, rng=generator())
    count = (flipped != values).sum(axis=1)
    assert np.allclose([np.mean(count == k) for k in (1, 2, 3)], 1 / 3, atol=0.03)
    assert np.array_equal(flipped != 0, values != 0)
    assert np.array_equal(np.abs(flipped), np.abs(values))


def test_no_more_are_flipped_than_are_stated() -> None:
    values = np.array([[0, 1, 0], [0, 0, -1]], np.int8)
    assert flip(values, most=3, rng=generator()).tolist() == [[0, -1, 0], [0, 0, 1]]


def test_the_same_seed_draws_the_same() -> None:
    pool = some_values(50, 8)
    first, second = (draw_negatives(pool, pool, hard_share=0.5, flips=3, rng=generator(4)) for _ in range(2))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(
        mask_some(pool, share=0.5, rng=generator(4)), mask_some(pool, share=0.5, rng=generator(4))
    )
