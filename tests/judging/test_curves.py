"""Curves and rates over the threshold, against loops over thresholds and scikit-learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics as peer

from lookalike.errors import EvaluationError
from lookalike.judging.curves import (
    average_precision,
    average_precision_error,
    equal_error_rate,
    equal_error_rate_error,
    precision_recall_curve,
    roc_curve,
    threshold_curve,
    true_match_rate_at,
)
from lookalike.judging.pairs import lower_edges, pair_histogram
from lookalike.records import PairHistogram
from vectors_for_judging import clusters, pairs_by_hand

BINS = 4096


@pytest.fixture(params=[0.3, 0.9, 2.5])
def judged(request: pytest.FixtureRequest) -> tuple[PairHistogram, NDArray[np.float64], NDArray[np.bool_]]:
    """A histogram, and its pairs one by one with similarities at lower edges."""
    vectors, labels = clusters(20, 6, noise=request.param)
    similar, same, _ = pairs_by_hand(vectors, labels)
    edges = lower_edges(BINS)
    binned = edges[np.clip(np.floor((similar + 1) * BINS / 2).astype(int), 0, BINS - 1)]
    return pair_histogram(vectors, labels, bins=BINS), binned, same


def test_curve_by_hand(judged: Any) -> None:
    histogram, similar, same = judged
    curve = threshold_curve(histogram)
    assert curve.similarity.tolist() == sorted(set(similar.tolist()), reverse=True)
    for at in range(0, len(curve.similarity), 37):
        matches = similar >= curve.similarity[at]
        right = int((matches & same).sum())
        assert curve.same[at] == right
        assert curve.different[at] == (matches & ~same).sum()
        assert curve.recall[at] == pytest.approx(right / same.sum())
        assert curve.false_match_rate[at] == pytest.approx((matches & ~same).sum() / (~same).sum())
        assert curve.precision[at] == pytest.approx(peer.precision_score(same, matches))
        assert curve.f1[at] == pytest.approx(peer.f1_score(same, matches))


def test_fewer_points_lie_on_the_curve_and_keep_its_ends(judged: Any) -> None:
    whole, some = threshold_curve(judged[0]), threshold_curve(judged[0], points=50)
    assert 20 < len(some.similarity) <= 50
    rows = np.searchsorted(-whole.similarity, -some.similarity)
    for name in ("similarity", "same", "different", "recall", "false_match_rate"):
        assert np.array_equal(getattr(some, name), getattr(whole, name)[rows])
    assert some.similarity[0] == whole.similarity[0]
    assert some.recall[-1] == some.false_match_rate[-1] == 1
    steps = np.diff(some.recall + some.false_match_rate)
    assert steps.max() < 2.0 / 50 + np.diff(whole.recall + whole.false_match_rate).max() + 1e-9


def test_roc_equals_scikit_learn(judged: Any) -> None:
    histogram, similar, same = judged
    rate, recall, thresholds = peer.roc_curve(same, similar, drop_intermediate=False)
    ours = roc_curve(histogram, points=None)
    assert np.allclose(ours[0], rate)
    assert np.allclose(ours[1], recall)
    assert np.array_equal(ours[2], thresholds)


def test_precision_recall_equals_scikit_learn(judged: Any) -> None:
    histogram, similar, same = judged
    precision, recall, thresholds = peer.precision_recall_curve(same, similar)
    ours = precision_recall_curve(histogram, points=None)
    assert np.allclose(ours[0][::-1], precision[:-1])  # theirs ends in a point without a threshold
    assert np.allclose(ours[1][::-1], recall[:-1])
    assert np.array_equal(ours[2][::-1], thresholds)
    assert average_precision(histogram) == pytest.approx(peer.average_precision_score(same, similar))


def test_equal_error_rate_by_hand(judged: Any) -> None:
    histogram, similar, same = judged
    error = equal_error_rate(histogram)
    gaps = []
    for threshold in np.unique(np.append(similar, 2.0)):
        wrong, missed = (similar[~same] >= threshold).mean(), (similar[same] < threshold).mean()
        gaps.append((wrong - missed, wrong, missed))
    above = min(gap for gap in gaps if gap[0] >= 0)
    below = max(gap for gap in gaps if gap[0] <= 0)
    assert min(below[1], above[2]) - 1e-12 <= error <= max(above[1], below[2]) + 1e-12


def unbinned_equal_error_rate(similar: NDArray[np.float64], same: NDArray[np.bool_]) -> float:
    """By scikit-learn's curve, its points joined by straight lines."""
    rate, recall, _ = peer.roc_curve(same, similar, drop_intermediate=False)
    shares = np.linspace(0, 1, 2)
    for before in range(len(rate) - 1):
        missed = 1 - recall[before : before + 2]
        gaps = rate[before : before + 2] - missed
        if gaps[0] <= 0 <= gaps[1] and gaps[0] < gaps[1]:
            share = np.interp(0, gaps, shares)
            return float(rate[before] + share * (rate[before + 1] - rate[before]))
    raise AssertionError("the curve goes from (0, 0) to (1, 1)")


@pytest.mark.parametrize("noise", [0.3, 0.9, 2.5])
@pytest.mark.parametrize("bins", [1024, 4096, 2**22])
def test_bins_cost_no_more_than_is_said(noise: float, bins: int) -> None:
    vectors, labels = clusters(20, 6, noise=noise, dims=6, seed=7)
    if bins < 2**22:
        vectors[60:80] = vectors[:20]  # true ties, which are a bin of many pairs whatever its width
    similar, same, _ = pairs_by_hand(vectors, labels)
    histogram = pair_histogram(vectors, labels, bins=bins)
    for ours, error, theirs in (
        (average_precision, average_precision_error, peer.average_precision_score(same, similar)),
        (equal_error_rate, equal_error_rate_error, unbinned_equal_error_rate(similar, same)),
    ):
        assert abs(ours(histogram) - theirs) <= error(histogram) + 1e-12
        assert error(histogram) < (1e-6 if bins == 2**22 else 0.02)
    if bins == 1024:
        assert average_precision_error(histogram) > 1e-6


def test_what_bins_cost_in_hand_made_counts() -> None:
    counts = PairHistogram(same=np.array([0, 1, 3]), different=np.array([4, 1, 0]))
    above, below = (4 / 4 - 4 / 5) / 4, (3 * (1 - 1) + 1 * (4 / 5 - 4 / 5)) / 2 / 4
    assert average_precision_error(counts) == pytest.approx(max(above, below))
    mixed = PairHistogram(same=np.array([1, 3]), different=np.array([4, 1]))
    above, below = (3 * (3 / 3 - 3 / 4) + 1 * (4 / 5 - 4 / 9)) / 4, 3 * (3 / 4 - 1 / 2) / 2 / 4
    assert average_precision_error(mixed) == pytest.approx(max(above, below))
    assert equal_error_rate(mixed) == pytest.approx(0.2 + 0.05 * 0.8 / 1.05)
    assert equal_error_rate_error(mixed) == pytest.approx(0.05 * 0.8 / 1.05)


def test_true_match_rate_by_hand(judged: Any) -> None:
    histogram, similar, same = judged
    for ceiling in (0.0, 0.001, 0.01, 0.5, 1.0):
        recalls = [
            (similar[same] >= threshold).mean()
            for threshold in np.append(np.unique(similar), 2.0)
            if (similar[~same] >= threshold).mean() <= ceiling
        ]
        assert true_match_rate_at(histogram, false_match_rate=ceiling) == pytest.approx(max(recalls))


def test_rates_where_they_are_known() -> None:
    apart = PairHistogram(same=np.array([0, 0, 5]), different=np.array([7, 0, 0]))
    assert (equal_error_rate(apart), average_precision(apart)) == (0.0, 1.0)
    assert true_match_rate_at(apart, false_match_rate=0.0) == 1.0
    alike = PairHistogram(same=np.array([0, 0, 5]), different=np.array([0, 0, 15]))
    assert (equal_error_rate(alike), average_precision(alike)) == (0.5, 0.25)
    assert true_match_rate_at(alike, false_match_rate=0.9) == 0.0
    turned = PairHistogram(same=np.array([5, 0, 0]), different=np.array([0, 0, 7]))
    assert equal_error_rate(turned) == 1.0


@pytest.mark.parametrize(
    "judge",
    [
        threshold_curve,
        roc_curve,
        precision_recall_curve,
        average_precision,
        average_precision_error,
        equal_error_rate,
        equal_error_rate_error,
        lambda histogram: true_match_rate_at(histogram, false_match_rate=0.1),
    ],
)
def test_both_kinds_of_pairs_are_needed(judge: Callable[[PairHistogram], object]) -> None:
    with pytest.raises(EvaluationError, match="saw 3 same and 0 different pairs"):
        judge(PairHistogram(same=np.array([1, 2]), different=np.array([0, 0])))
