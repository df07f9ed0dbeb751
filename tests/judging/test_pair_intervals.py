"""Bootstraps of the figures over pairs against slow ones that draw classes and weigh every pair."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging import pair_intervals
from lookalike.judging.calibration import metrics_at
from lookalike.judging.intervals import percentile_interval
from lookalike.judging.pair_intervals import (
    AT_THRESHOLD,
    bootstrap_pairs,
    edges_for,
    figure_draws,
    pair_draws,
    pair_figures,
)
from lookalike.judging.pairs import class_pairs, pair_histogram
from lookalike.records import Floats, PairHistogram
from vectors_for_judging import clusters, exact_similarities

BINS = 2**16  # quicker than the usual number, and fine enough for few pairs
NAMES = ("roc_auc", "pr_auc", "eer", "tmr@0.01", "tmr@0.001")


def by_sorting(same: NDArray[np.float64], different: NDArray[np.float64]) -> list[float]:
    """The figures of weighed pairs that stand by falling similarity, without ties."""
    right, wrong = same.cumsum(), different.cumsum()
    recall, rate = right / right[-1], wrong / wrong[-1]
    crossing = int(np.argmax(rate + recall >= 1))
    return [
        float(recall @ different / wrong[-1]),
        float((same / right[-1]) @ (right / np.maximum(right + wrong, 1))),
        float(rate[crossing]),
        *(float(recall[np.searchsorted(rate, limit, side="right") - 1]) for limit in (0.01, 0.001)),
    ]


def slow_draws(vectors: Floats, labels: NDArray[np.int64], *, draws: int) -> NDArray[np.float64]:
    """Classes drawn with replacement; a pair of classes counts as often as both were drawn; [draws, f]."""
    rng = np.random.default_rng(8)
    similar = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
    i, j = np.triu_indices(len(labels), 1)
    order = np.argsort(-similar[i, j])
    a, b = labels[i[order]], labels[j[order]]
    found = []
    for _ in range(draws):
        times = np.bincount(rng.integers(0, labels.max() + 1, labels.max() + 1), minlength=labels.max() + 1)
        same, different = np.where(a == b, times[a], 0), np.where(a != b, times[a] * times[b], 0)
        found.append(by_sorting(same, different))
    return np.array(found)


@pytest.mark.parametrize("noise", [0.8, 2.0])
def test_intervals_equal_those_of_a_slow_bootstrap(noise: float) -> None:
    vectors, labels = clusters(40, 5, noise=noise)
    histogram = pair_histogram(vectors, labels, bins=BINS)
    found = bootstrap_pairs(vectors, labels, histogram=histogram, draws=800)
    slow = slow_draws(vectors, labels, draws=300)
    exact = pair_figures(histogram)
    assert tuple(found) == tuple(exact) == NAMES
    for at, name in enumerate(NAMES):
        low, high = found[name]
        slow_low, slow_high = np.percentile(slow[:, at], (2.5, 97.5))
        close = 0.35 if name == "tmr@0.001" else 0.2  # of 20 false matches a projection knows less
        assert low == pytest.approx(slow_low, abs=close * (slow_high - slow_low) + 1e-9), name
        assert high == pytest.approx(slow_high, abs=close * (slow_high - slow_low) + 1e-9), name
        assert low <= exact[name] <= high


@pytest.mark.parametrize("similarity", [0.1, 0.35, 1.0])
def test_what_a_threshold_does_varies_as_in_a_slow_bootstrap(similarity: float) -> None:
    vectors, labels = clusters(40, 5, noise=1.0)
    found = pair_draws(vectors, labels, threshold=similarity, draws=800)
    slow = slow_threshold_draws(vectors, labels, similarity, draws=300)
    for at, name in enumerate(AT_THRESHOLD):
        low, high = percentile_interval(found[name])
        slow_low, slow_high = np.percentile(slow[:, at], (2.5, 97.5))
        near = 0.3 * (slow_high - slow_low) + 1e-9
        assert [low, high] == pytest.approx([slow_low, slow_high], abs=near), name
        assert low <= metrics_at(pair_histogram(vectors, labels), similarity)[name] <= high


def slow_threshold_draws(
    vectors: Floats, labels: NDArray[np.int64], similarity: float, *, draws: int
) -> NDArray[np.float64]:
    """AT_THRESHOLD, classes drawn and every pair weighed; [draws, 4]."""
    rng = np.random.default_rng(8)
    i, j = np.triu_indices(len(labels), 1)
    match = (vectors.astype(np.float64) @ vectors.T.astype(np.float64))[i, j] >= similarity
    a, b = labels[i], labels[j]
    found = []
    for _ in range(draws):
        times = np.bincount(rng.integers(0, labels.max() + 1, labels.max() + 1), minlength=labels.max() + 1)
        same, different = np.where(a == b, times[a], 0), np.where(a != b, times[a] * times[b], 0)
        right, wrong = same[match].sum(), different[match].sum()
        precision, recall = right / max(right + wrong, 1), right / same.sum()
        f1 = 2 * right / (right + wrong + same.sum())
        found.append([precision, recall, f1, wrong / different.sum()])
    return np.array(found)


def test_figures_are_those_of_sorting_all_pairs() -> None:
    vectors, labels = clusters(30, 5, noise=1.0)
    similar = exact_similarities(vectors, vectors)
    i, j = np.triu_indices(len(labels), 1)
    order = np.argsort(-similar[i, j])
    same = (labels[i] == labels[j])[order].astype(np.float64)
    found = pair_figures(pair_histogram(vectors, labels, bins=BINS))
    assert list(found.values()) == pytest.approx(by_sorting(same, 1 - same), abs=2e-3)


def test_rates_that_no_pair_could_reach_are_not_told() -> None:
    few = PairHistogram(same=np.array([0, 5]), different=np.array([99, 1]))
    assert list(pair_figures(few)) == ["roc_auc", "pr_auc", "eer", "tmr@0.01"]
    fewer = PairHistogram(same=np.array([0, 5]), different=np.array([98, 1]))
    assert list(pair_figures(fewer)) == ["roc_auc", "pr_auc", "eer"]


@pytest.mark.parametrize("noise", [0.6, 1.0, 2.0])
def test_figures_of_a_few_edges_are_nearly_exact(noise: float, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(40, 6, noise=noise)
    histogram = pair_histogram(vectors, labels, bins=BINS)
    exact = pair_figures(histogram)
    pairs = class_pairs(vectors, labels, edges=edges_for(histogram, count=1024))
    monkeypatch.setattr(pair_intervals, "draw_weights", lambda classes, **_: iter([np.ones((3, classes))]))
    assert {name: part.tolist() for name, part in figure_draws(pairs, exact).items()} == {
        name: pytest.approx([value] * 3, abs=1e-12) for name, value in exact.items()
    }
    wrong = dict.fromkeys(exact, 0.0)  # what the edges alone give is what the draws are moved from
    moved = figure_draws(pairs, wrong)
    assert all((part == 0).all() for part in moved.values())


def test_few_edges_give_nearly_the_intervals_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(40, 5, noise=0.6)
    histogram = pair_histogram(vectors, labels, bins=BINS)
    many = bootstrap_pairs(vectors, labels, histogram=histogram)
    monkeypatch.setattr(pair_intervals, "_MOST_EDGES", 128)
    few = bootstrap_pairs(vectors, labels, histogram=histogram)
    assert few != many
    for name, (low, high) in many.items():
        assert few[name] == pytest.approx((low, high), abs=0.1 * (high - low)), name


def test_edges_stand_close_where_false_matches_are_rare() -> None:
    vectors, labels = clusters(60, 10, noise=1.5)
    histogram = pair_histogram(vectors, labels, bins=BINS)
    edges = edges_for(histogram, count=256)
    assert edges[0] == -1
    assert (np.diff(edges) > 0).all()
    assert 200 < len(edges) <= 256
    matching = histogram.different[::-1].cumsum()[::-1] / histogram.different.sum()
    rates = matching[np.rint((edges + 1) / 2 * len(matching)).astype(int)]
    assert ((rates > 5e-4) & (rates < 2e-3)).sum() >= 8


def test_a_histogram_that_is_made_is_taken() -> None:
    vectors, labels = clusters(10, 4, noise=1.0)
    identity = np.arange(40) // 2
    made = pair_histogram(vectors, labels, identity=identity)
    usual = bootstrap_pairs(vectors, labels, identity=identity, draws=50)
    assert bootstrap_pairs(vectors, labels, identity=identity, histogram=made, draws=50) == usual
    coarse = pair_histogram(vectors, labels, identity=identity, bins=BINS)
    once = bootstrap_pairs(vectors, labels, identity=identity, histogram=coarse, draws=50)
    assert bootstrap_pairs(vectors, labels, histogram=coarse, draws=50) != once
    assert bootstrap_pairs(vectors, labels, identity=identity, histogram=coarse, draws=50, seed=1) != once


def test_a_draw_without_a_same_pair_is_left_out() -> None:
    vectors, labels = clusters(4, 3, noise=1.0)
    labels[labels > 0] += np.arange((labels > 0).sum()) * 10  # one class has pairs, nine have not
    histogram = pair_histogram(vectors, labels, bins=BINS)
    drawn = pair_draws(vectors, labels, histogram=histogram)
    assert {np.isnan(part).any() for part in drawn.values()} == {True}
    for low, high in bootstrap_pairs(vectors, labels, histogram=histogram).values():
        assert 0 <= low <= high <= 1


def test_a_better_model_is_told_from_a_worse_one_by_paired_draws() -> None:
    vectors, labels = clusters(60, 5, noise=1.3)
    blurred, _ = clusters(60, 5, noise=1.4)
    after, before = (
        pair_draws(rows, labels, histogram=pair_histogram(rows, labels, bins=BINS))
        for rows in (vectors, blurred)
    )
    for name in ("roc_auc", "pr_auc"):
        low, high = percentile_interval(after[name] - before[name])
        assert 0 < low < high
        assert percentile_interval(after[name])[0] < percentile_interval(before[name])[1]


def test_interval_of_the_equal_error_rate_covers_the_truth() -> None:
    """The error of ever new classes of one kind, against the interval from forty of them."""
    truth = pair_figures(pair_histogram(*clusters(800, 4, noise=1.2, hub=0.3), bins=2**14))["eer"]
    inside = 0
    for trial in range(30):
        vectors, labels = clusters(40, 4, noise=1.2, hub=0.3, seed=100 + trial)
        histogram = pair_histogram(vectors, labels, bins=2**14)
        low, high = percentile_interval(
            pair_draws(vectors, labels, histogram=histogram, draws=200, seed=trial)["eer"]
        )
        inside += low <= truth <= high
    assert 25 <= inside <= 30


def test_both_kinds_of_pairs_are_needed() -> None:
    vectors, _ = clusters(4, 3, noise=1.0)
    with pytest.raises(EvaluationError, match="pairs of both kinds"):
        bootstrap_pairs(vectors, np.arange(12))
