"""Class bootstraps against slow ones that draw classes and judge again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike import intervals
from lookalike.errors import EvaluationError
from lookalike.intervals import (
    bootstrap_by_class,
    bootstrap_difference,
    bootstrap_figures,
    bootstrap_roc_auc,
    draw_weights,
    roc_auc_draws,
)
from lookalike.metrics import retrieval
from lookalike.pairs import class_pairs, pair_histogram, quantile_edges, roc_auc
from lookalike.records import Floats
from vectors_for_judging import clusters, exact_similarities


def slow_interval(
    values: NDArray[np.float64], labels: NDArray[np.int64], *, draws: int
) -> tuple[float, float]:
    rng = np.random.default_rng(77)
    rows = [np.flatnonzero((labels == label) & ~np.isnan(values)) for label in np.unique(labels)]
    rows = [part for part in rows if len(part)]
    means = []
    for _ in range(draws):
        drawn = np.concatenate([rows[at] for at in rng.integers(0, len(rows), len(rows))])
        means.append(values[drawn].mean())
    low, high = np.percentile(means, (2.5, 97.5))
    return float(low), float(high)


def test_interval_equals_a_slow_bootstrap() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(60), rng.integers(1, 9, 60))
    values = np.clip(rng.normal(0.5, 0.3, 60)[labels] + rng.normal(0, 0.1, len(labels)), 0, 1)
    values[labels == 7] = np.nan
    values[3] = np.nan
    low, high = bootstrap_by_class(values, labels, draws=4000)
    slow_low, slow_high = slow_interval(values, labels, draws=4000)
    width = slow_high - slow_low
    assert low == pytest.approx(slow_low, abs=0.06 * width)
    assert high == pytest.approx(slow_high, abs=0.06 * width)
    assert low < np.nanmean(values) < high


def test_interval_is_wider_than_that_of_independent_queries() -> None:
    labels = np.repeat(np.arange(40), 25)
    values = np.random.default_rng(0).random(40)[labels]
    low, high = bootstrap_by_class(values, labels)
    alone_low, alone_high = bootstrap_by_class(values, np.arange(1000))
    assert high - low > 3 * (alone_high - alone_low)


def test_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for trial in range(300):
        labels = np.repeat(np.arange(80), 5)
        values = rng.normal(0.4, 0.2, 80)[labels] + rng.normal(0, 0.2, 400)
        low, high = bootstrap_by_class(values, labels, draws=300, seed=trial)
        inside += low <= 0.4 <= high
    assert 0.90 <= inside / 300 <= 0.99


def test_confidence_and_seed_decide() -> None:
    labels = np.repeat(np.arange(30), 4)
    values = np.random.default_rng(0).random(120)
    usual = bootstrap_by_class(values, labels)
    assert bootstrap_by_class(values, labels) == usual
    assert bootstrap_by_class(values, labels, seed=1) != usual
    narrow = bootstrap_by_class(values, labels, confidence=0.5)
    assert usual[0] < narrow[0] < narrow[1] < usual[1]


def test_many_figures_get_the_draws_of_one() -> None:
    vectors, labels = clusters(25, 4, noise=1.0)
    labels[0] = 99
    found = retrieval(vectors, labels)
    together = bootstrap_figures(found.values, labels, draws=200, seed=3)
    assert list(together) == list(found.values)
    for name in found.values:
        alone = bootstrap_by_class(found.values[name], labels, draws=200, seed=3)
        assert together[name] == pytest.approx(alone, abs=1e-12)
        assert together[name][0] <= np.nanmean(found.values[name]) <= together[name][1]


def test_paired_difference_is_narrower() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(50), 4)
    hard = rng.random(50)[labels]
    before, after = hard + rng.normal(0, 0.02, 200), hard + 0.05 + rng.normal(0, 0.02, 200)
    after[5] = np.nan
    low, high = bootstrap_difference(after, before, labels)
    assert 0.03 < low < 0.05 < high < 0.07
    one, other = bootstrap_by_class(after, labels), bootstrap_by_class(before, labels)
    assert one[0] < other[1]  # the two intervals alone would not show it


def test_weights_draw_every_class_alike() -> None:
    parts = list(draw_weights(50, draws=2000, seed=0))
    weights = np.concatenate(parts)
    assert weights.shape == (2000, 50)
    assert (weights.sum(axis=1) == 50).all()
    assert weights.mean(axis=0) == pytest.approx(1.0, abs=0.12)
    assert weights.var() == pytest.approx(1 - 1 / 50, abs=0.03)


def test_weights_come_in_parts_that_fit_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intervals, "_MOST_COUNTS", 100)
    assert [len(part) for part in draw_weights(40, draws=5, seed=0)] == [2, 2, 1]
    assert [len(part) for part in draw_weights(400, draws=2, seed=0)] == [1, 1]


def slow_auc_draws(vectors: Floats, labels: NDArray[np.int64], *, draws: int) -> NDArray[np.float64]:
    """Classes drawn with replacement; a pair of classes counts as often as both were drawn."""
    rng = np.random.default_rng(8)
    similar = exact_similarities(vectors, vectors)
    i, j = np.triu_indices(len(labels), 1)
    order = np.argsort(similar[i, j])
    a, b = labels[i[order]], labels[j[order]]
    areas = []
    for _ in range(draws):
        times = np.bincount(rng.integers(0, labels.max() + 1, labels.max() + 1), minlength=labels.max() + 1)
        same, different = np.where(a == b, times[a], 0), np.where(a != b, times[a] * times[b], 0)
        areas.append((same * different.cumsum()).sum() / (same.sum() * different.sum()))
    return np.array(areas)


@pytest.mark.parametrize("noise", [0.8, 2.0])
def test_auc_interval_equals_a_slow_bootstrap(noise: float) -> None:
    vectors, labels = clusters(40, 5, noise=noise)
    low, high = bootstrap_roc_auc(vectors, labels, draws=3000)
    slow_low, slow_high = np.percentile(slow_auc_draws(vectors, labels, draws=3000), (2.5, 97.5))
    width = slow_high - slow_low
    assert low == pytest.approx(slow_low, abs=0.12 * width)
    assert high == pytest.approx(slow_high, abs=0.12 * width)
    assert low < roc_auc(pair_histogram(vectors, labels)) < high


def test_auc_of_equal_weights_is_the_auc(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(20, 6, noise=1.0)
    histogram = pair_histogram(vectors, labels)
    pairs = class_pairs(vectors, labels, edges=quantile_edges(histogram))
    monkeypatch.setattr(intervals, "draw_weights", lambda classes, **_: iter([np.ones((3, classes))]))
    assert roc_auc_draws(pairs) == pytest.approx([roc_auc(histogram)] * 3, abs=1e-3)


def test_few_edges_give_nearly_the_interval_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(40, 5, noise=0.6)
    many = bootstrap_roc_auc(vectors, labels)
    monkeypatch.setattr(intervals, "_AUC_EDGES", 64)
    few = bootstrap_roc_auc(vectors, labels)
    assert few != many
    assert few == pytest.approx(many, abs=0.03 * (many[1] - many[0]))


def test_auc_interval_takes_a_histogram_that_is_made() -> None:
    vectors, labels = clusters(20, 6, noise=1.0)
    identity = np.arange(120) // 2
    usual = bootstrap_roc_auc(vectors, labels, identity=identity)
    histogram = pair_histogram(vectors, labels, identity=identity)
    assert bootstrap_roc_auc(vectors, labels, identity=identity, histogram=histogram) == usual
    assert bootstrap_roc_auc(vectors, labels) != usual
    assert bootstrap_roc_auc(vectors, labels, seed=1, identity=identity) != usual


def test_draw_without_a_same_pair_is_left_out() -> None:
    vectors, labels = clusters(4, 3, noise=1.0)
    labels[labels > 0] += np.arange((labels > 0).sum()) * 10  # one class has pairs, nine have not
    assert np.isnan(roc_auc_draws(class_pairs(vectors, labels, edges=np.array([-1.0, 0.5])))).any()
    low, high = bootstrap_roc_auc(vectors, labels)
    assert 0 <= low <= high <= 1


@pytest.mark.parametrize(
    ("values", "labels"), [([0.5, np.nan], [0, 1]), ([np.nan], [0]), ([0.5, 1.0], [3, 3])]
)
def test_too_few_classes(values: Any, labels: Any) -> None:
    with pytest.raises(EvaluationError, match="too few classes for an interval"):
        bootstrap_by_class(np.array(values), np.array(labels))


def test_auc_interval_needs_both_kinds_of_pairs() -> None:
    vectors, _ = clusters(4, 3, noise=1.0)
    with pytest.raises(EvaluationError, match="pairs of both kinds"):
        bootstrap_roc_auc(vectors, np.arange(12))
