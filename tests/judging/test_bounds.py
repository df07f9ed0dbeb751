"""Binomial bounds against scipy, and the effective number of trials where it is known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import special, stats

from lookalike.judging.bounds import ErrorShare, error_share, regularised_beta, student_quantile


@pytest.mark.parametrize("x", [1e-5, 0.01, 0.05, 0.5, 0.95, 0.999])
def test_beta_equals_scipy(x: float) -> None:
    rng = np.random.default_rng(0)
    a, b = 10 ** rng.uniform(-1, 5, 500), 10 ** rng.uniform(-1, 5, 500)
    assert np.abs(regularised_beta(np.full(500, x), a, b) - special.betainc(a, b, x)).max() < 1e-9


def test_beta_of_many_trials_equals_scipy() -> None:
    a, b = np.array([1.0, 1001.0, 9e6, 1.0]), np.array([1e7, 1e7 - 1000, 1e6, 0.0])
    expected = [special.betainc(1, 1e7, 1e-4), special.betainc(1001, 1e7 - 1000, 1e-4), 0.0, 0.0]
    assert regularised_beta(np.full(4, 1e-4), a, b) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("degrees", [1, 2, 5, 59, 1000])
@pytest.mark.parametrize("confidence", [0.6, 0.95, 0.999])
def test_student_equals_scipy(confidence: float, degrees: int) -> None:
    assert student_quantile(confidence, degrees) == pytest.approx(stats.t.ppf(confidence, degrees), rel=1e-6)


@pytest.mark.parametrize(("errors", "trials"), [(0, 59), (0, 60), (3, 1000), (50, 90), (7, 7)])
def test_bound_is_that_of_clopper_and_pearson(errors: int, trials: int) -> None:
    share = ErrorShare(np.array([errors / trials]), np.array([float(trials)]))
    bound = float(share.bounds(confidence=0.95)[0])
    expected = stats.beta.ppf(0.95, errors + 1, trials - errors) if errors < trials else 1.0
    assert bound == pytest.approx(expected, abs=1e-9)
    assert share.supports(bound + 1e-6, confidence=0.95) if bound < 1 else True
    assert not share.supports(bound - 1e-6, confidence=0.95)


def test_rule_of_three() -> None:
    shares = ErrorShare(np.zeros(2), np.array([58.0, 59.0]))
    assert shares.supports(0.05, confidence=0.95).tolist() == [False, True]


def test_more_needed_is_just_enough() -> None:
    shares = ErrorShare(np.array([0.0, 0.01, 0.05, 0.2]), np.array([20.0, 50.0, 500.0, 500.0]))
    more = shares.more_needed(0.05, confidence=0.95)
    assert more[0] == pytest.approx(58.4 / 20, rel=0.01)  # 0.95^58.4 = 0.05
    assert more[2] == more[3] == np.inf
    at_it = ErrorShare(shares.share[:2], shares.trials[:2] * more[:2] * 1.0001)
    below = ErrorShare(shares.share[:2], shares.trials[:2] * more[:2] * 0.999)
    assert at_it.supports(0.05, confidence=0.95).all()
    assert not below.supports(0.05, confidence=0.95).any()


def by_class(errors: np.ndarray, same: np.ndarray, *, confidence: float = 0.95) -> ErrorShare:
    """Shares of wrong matches; errors [c, t] counts a pair at both classes."""
    return error_share(errors, same + errors, (same + errors / 2).sum(axis=0), confidence=confidence)


def test_independent_errors_keep_half_of_their_number() -> None:
    """Errors that are each between classes of their own: the first-order draw doubles their variance."""
    classes = 2000
    errors = np.zeros((classes, 1))
    errors[:40] = 1.0  # 20 pairs
    shares = by_class(errors, np.full((classes, 1), 2.0))
    pairs = classes * 2 + 20
    assert shares.share[0] == pytest.approx(20 / pairs)
    assert shares.trials[0] == pytest.approx(pairs / 2, rel=0.03)


def test_classes_of_unequal_size_with_one_share_of_errors_are_no_clusters() -> None:
    size = np.arange(1.0, 101.0)[:, None]
    shares = error_share(size, 10 * size, (5 * size).sum(axis=0), confidence=0.95)
    assert shares.trials[0] > 0.97 * (5 * size).sum()


def test_errors_in_clusters_are_worth_few_trials() -> None:
    errors = np.zeros((100, 1))
    errors[:20] = 25.0  # ten pairs of classes with 25 wrong pairs each
    spread = np.full((100, 1), 5.0)  # as many, evenly
    same = np.full((100, 1), 50.0)
    clustered, even = by_class(errors, same), by_class(spread, same)
    assert clustered.share == pytest.approx(even.share)
    assert clustered.trials[0] < 5250 / 25
    assert even.trials[0] > 0.95 * 5250


def test_few_errors_take_the_clusters_of_a_lower_threshold() -> None:
    errors = np.zeros((100, 3))
    errors[:20, 2] = 25.0
    errors[0, 1] = errors[50, 1] = 1.0
    shares = by_class(errors, np.full((100, 3), 50.0))
    assert shares.share[0] == 0
    assert shares.trials[0] == pytest.approx(5000 / 5250 * shares.trials[2])
    alone = by_class(errors[:, :1], np.full((100, 1), 50.0))
    assert alone.trials[0] > 0.95 * 5000


def test_few_classes_count_less() -> None:
    few = by_class(np.zeros((3, 1)), np.full((3, 1), 100.0))
    many = by_class(np.zeros((300, 1)), np.full((300, 1), 1.0))
    assert few.trials[0] == pytest.approx(300 * (1.644854 / stats.t.ppf(0.95, 2)) ** 2, rel=1e-4)
    assert many.trials[0] == pytest.approx(300, rel=0.02)


def test_what_two_classes_share_is_counted_once() -> None:
    """Each two of 80 classes err together, 6 times, with a small chance: the effect is 6, and 12 if twice."""
    rng, classes, size, draws = np.random.default_rng(0), 80, 6, 400
    first, second = np.triu_indices(classes, k=1)
    errors, shared = np.zeros((classes, draws)), np.zeros(draws)
    for draw in range(draws):
        erring = rng.random(len(first)) < 0.01
        for side in (first, second):
            np.add.at(errors[:, draw], side[erring], size)
        shared[draw] = size**2 * erring.sum()
    pairs = 1e5
    trials = np.full((classes, draws), 2 * pairs / classes)

    def effect(known: np.ndarray | None) -> float:
        found = []
        for at in (slice(draw, draw + 1) for draw in range(draws)):
            part = None if known is None else known[at]
            share = error_share(errors[:, at], trials[:, at], np.array([pairs]), confidence=0.6, shared=part)
            found.append(pairs / share.trials[0])
        few = (student_quantile(0.6, classes - 1) / stats.norm.ppf(0.6)) ** 2
        return float(np.mean(found) / few)

    truth = np.var(errors.sum(axis=0) / 2) / np.mean(errors.sum(axis=0) / 2)
    assert truth == pytest.approx(size, rel=0.1)
    assert effect(shared) == pytest.approx(truth, rel=0.1)
    assert effect(None) == pytest.approx(2 * truth, rel=0.1)
