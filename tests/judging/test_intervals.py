"""Class bootstraps against slow ones that draw classes and judge again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging import intervals
from lookalike.judging.intervals import (
    ClassSums,
    bootstrap_by_class,
    bootstrap_difference,
    bootstrap_figures,
    draw_weights,
    percentile_interval,
)
from lookalike.judging.metrics import retrieval
from vectors_for_judging import clusters


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


def test_interval_covers_what_other_classes_would_find_in_the_same_gallery() -> None:
    """Of 800 classes one half of the pictures is the gallery; 100 classes are drawn to ask for the others."""
    vectors, labels = clusters(800, 4, noise=1.2, seed=0)
    order = np.argsort(labels, kind="stable")
    asking, gallery = order[0::4], np.concatenate([order[1::4], order[2::4]])
    found = retrieval(
        vectors[asking], labels[asking], gallery=vectors[gallery], gallery_labels=labels[gallery], ks=(8,)
    )
    rng = np.random.default_rng(0)
    for name in ("recall@8", "map"):
        values, inside = found.values[name], 0
        for trial in range(300):
            drawn = values[rng.integers(0, 800, 100)]
            low, high = bootstrap_by_class(drawn, np.arange(100), draws=300, seed=trial)
            inside += low <= values.mean() <= high
        assert 0.90 <= inside / 300 <= 0.98


def test_interval_is_too_short_where_hardly_any_query_fails() -> None:
    """What docs/figures.md says of a true recall@1 of 98 %: the interval of many a set ends at 100 %."""
    rng, values, ends = np.random.default_rng(0), [], []
    labels = np.repeat(np.arange(60), 4)
    for trial in range(200):
        share = rng.beta(0.2, 9.8, 60)[labels]  # of failures, which come in few classes
        values.append((rng.random(240) >= share).astype(float))
        ends.append(bootstrap_by_class(values[-1], labels, draws=200, seed=trial))
    assert np.mean([low <= 0.98 <= high for low, high in ends]) < 0.92
    assert bootstrap_by_class(np.ones(240), labels) == (1.0, 1.0)


@pytest.mark.parametrize(("dims", "least", "most"), [(16, 0.82, 0.96), (64, 0.9, 0.98)])
def test_interval_leaves_out_that_the_gallery_could_be_another(dims: int, least: float, most: float) -> None:
    """Whole sets drawn anew, of 100 classes that lie close (16 dimensions) or apart; see docs/figures.md."""
    judged, count = ("recall@1", "map@r"), 80
    values, inside = np.zeros((count, 2)), np.zeros((count, 2, 2))
    for trial in range(count):
        vectors, labels = clusters(100, 4, noise=1.2, dims=dims, seed=trial)
        found = retrieval(vectors, labels, ks=(1,), figures=judged, neighbours=0).values
        values[trial] = [found[name].mean() for name in judged]
        drawn = bootstrap_figures({name: found[name] for name in judged}, labels, draws=200, seed=trial)
        inside[trial] = [drawn[name] for name in judged]
    truth = values.mean(axis=0)
    covered = ((inside[:, :, 0] <= truth) & (truth <= inside[:, :, 1])).mean(axis=0)
    assert (least <= covered).all()
    assert (covered <= most).all()


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


@pytest.mark.parametrize(
    ("values", "labels"), [([0.5, np.nan], [0, 1]), ([np.nan], [0]), ([0.5, 1.0], [3, 3])]
)
def test_too_few_classes(values: Any, labels: Any) -> None:
    with pytest.raises(EvaluationError, match="too few classes for an interval"):
        bootstrap_by_class(np.array(values), np.array(labels))


def test_draws_of_all_figures_are_those_of_one() -> None:
    rng = np.random.default_rng(0)
    classes = rng.integers(0, 12, 100)
    values = {"a": rng.random(100), "b": rng.random(100)}
    values["b"][::3] = np.nan
    sums = ClassSums.of(values, classes, count=15)  # three classes without a query
    drawn = sums.drawn(draws=40, seed=4)
    weights = np.concatenate(list(draw_weights(15, draws=40, seed=4)))
    for name, column in values.items():
        known = ~np.isnan(column)
        times = weights[:, classes[known]]
        assert drawn[name] == pytest.approx((times * column[known]).sum(axis=1) / times.sum(axis=1))
        assert sums.values()[name] == pytest.approx(np.nanmean(column))


def test_macro_average_weighs_classes_alike() -> None:
    classes = np.array([0, 0, 0, 1, 2])
    values = np.array([1.0, 1.0, 0.0, 0.0, np.nan])
    sums = ClassSums.of({"x": values, "y": values}, classes, count=3)
    assert sums.means[:, 0] == pytest.approx([2 / 3, 0.0, np.nan], nan_ok=True)
    macro = sums.macro(["y"])
    assert macro.names == ("macro_y",)
    assert macro.values() == pytest.approx({"macro_y": 1 / 3})
    weights = np.concatenate(list(draw_weights(3, draws=200, seed=0)))
    with np.errstate(invalid="ignore"):
        by_hand = weights @ [2 / 3, 0.0, 0.0] / (weights @ [1.0, 1.0, 0.0])
    assert macro.drawn(draws=200, seed=0)["macro_y"] == pytest.approx(by_hand, nan_ok=True)
    assert np.isnan(by_hand).any()  # draws of the third class alone


def test_interval_of_a_difference_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(6)
    inside = told = 0
    for trial in range(200):
        classes = np.repeat(np.arange(60), 5)
        hard = rng.normal(0.4, 0.3, 60)[classes]
        before = hard + rng.normal(0, 0.2, 300)
        after = hard + rng.normal(0.1, 0.1, 60)[classes] + rng.normal(0, 0.2, 300)
        drawn = ClassSums.of({"after": after, "before": before}, classes, count=60).drawn(
            draws=300, seed=trial
        )
        low, high = percentile_interval(drawn["after"] - drawn["before"])
        inside += low <= 0.1 <= high
        told += low > 0
    assert 0.90 <= inside / 200 <= 0.99
    assert told / 200 > 0.9  # where two intervals of their own would overlap


def test_equal_values_differ_by_exactly_nothing() -> None:
    classes = np.repeat(np.arange(10), 3)
    values = np.random.default_rng(0).random(30)
    drawn = ClassSums.of({"a": values, "b": values.copy()}, classes, count=10).drawn(draws=100, seed=0)
    assert percentile_interval(drawn["a"] - drawn["b"]) == (0.0, 0.0)
