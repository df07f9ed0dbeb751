"""What was said beside what was so, against loops and a known truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from test_probability import EDGES, drawn

from lookalike.judging.pairs import ClassPairs
from lookalike.judging.probability import Probability, fit_probability, total_of
from lookalike.judging.reliability import reliability_of
from lookalike.records import PairHistogram

HALF = Probability((-1.0, 0.0, 0.0001, 1.0), (-3.0, -3.0, 1.0, 1.0), prior=0.5, kind="isotonic")


def test_shares_by_hand() -> None:
    same, different = np.zeros((2, 4), np.int64)
    same[1], different[1] = 1, 9  # of similarity -0.25: called 1 / (1 + e^3)
    same[3], different[3] = 9, 1  # of similarity 0.75: called 1 / (1 + e^-1)
    found = reliability_of(HALF, PairHistogram(same, different))
    assert found.observed.tolist() == [0.1, 0.9]
    assert found.predicted == pytest.approx([1 / (1 + np.exp(3.0)), 1 / (1 + np.exp(-1.0))])
    assert found.pairs.tolist() == [10, 10]
    assert (found.prior, found.by_class) == (0.5, False)
    assert found.error == pytest.approx(np.abs(found.predicted - found.observed).mean())
    for right, low, high in zip((1, 9), found.low, found.high, strict=True):
        wanted = stats.binomtest(right, 10).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((wanted.low, wanted.high))


def test_honest_probabilities_lie_in_their_bars() -> None:
    fitted = fit_probability(drawn(300, pairs=200, seed=1), images=3000)
    found = reliability_of(fitted, drawn(100, pairs=200, seed=2))
    assert found.by_class
    assert len(found.pairs) == 10
    inside = (found.low - 0.02 <= found.predicted) & (found.predicted <= found.high + 0.02)
    assert inside.mean() >= 0.9
    assert found.error < 0.05


def test_probabilities_that_boast_are_found_out() -> None:
    honest = fit_probability(drawn(300, pairs=200, seed=1), images=3000, kind="logistic")
    bold = Probability(
        honest.similarities, tuple(3 * odds for odds in honest.log_odds), honest.prior, "logistic"
    )
    pairs = drawn(100, pairs=200, seed=2)
    assert reliability_of(bold, pairs).error > 3 * reliability_of(honest, pairs).error


def test_bars_of_clustered_pairs_are_wider_by_class() -> None:
    rng = np.random.default_rng(0)
    same, different = np.zeros((2, 40, len(EDGES)), np.int64)
    for thing in range(40):
        same[thing, 70], different[thing, 70] = (100, 0) if rng.random() < 0.5 else (0, 200)
    pairs = ClassPairs(EDGES, same, different)
    by_class, binomial = (reliability_of(HALF, part) for part in (pairs, total_of(pairs)))
    assert by_class.observed == pytest.approx(binomial.observed)
    assert (by_class.high - by_class.low)[0] > 4 * (binomial.high - binomial.low)[0]


def test_the_mix_of_pairs_is_taken_from_the_pairs() -> None:
    fitted = fit_probability(drawn(100, pairs=200, seed=1), images=1000, kind="logistic")
    pairs = drawn(100, pairs=200, seed=2)
    rarer = PairHistogram(pairs.same.sum(axis=0), 20 * pairs.different.sum(axis=0) // 2)
    found = reliability_of(fitted, rarer)
    assert found.prior < fitted.prior / 5
    assert found.error < 0.06
