"""Histograms of all pairs against loops over pairs, and the AUC against scikit-learn."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lookalike.errors import EvaluationError
from lookalike.judging import pairs, similarity
from lookalike.judging.pairs import (
    ClassPairs,
    class_pairs,
    lower_edges,
    pair_histogram,
    quantile_edges,
    roc_auc,
    roc_auc_error,
)
from lookalike.records import PairHistogram
from vectors_for_judging import clusters, pairs_by_hand, unit


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=40), st.integers(0, 99), st.sampled_from([1024, 2**15])
)
def test_histogram_by_hand(labels: list[int], seed: int, bins: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(rng.standard_normal((8, 3)))[rng.integers(0, 8, len(labels))]
    identity = rng.integers(0, 30, (len(labels), 2))
    for codes in (None, identity[:, 0], identity):
        found = pair_histogram(vectors, np.array(labels), identity=codes, bins=bins)
        similar, same, _ = pairs_by_hand(vectors, np.array(labels), codes)
        places = np.clip(np.floor((similar + 1) * bins / 2), 0, bins - 1).astype(int)
        for kind, chosen in ((found.same, same), (found.different, ~same)):
            assert kind.sum() == chosen.sum()
            assert np.array_equal(kind, np.bincount(places[chosen], minlength=bins))


def test_pairs_beyond_one_count_in_the_outer_bins() -> None:
    long = np.array([[1.0009, 0], [1.0009, 0], [-1.0009, 0]], dtype=np.float32)
    found = pair_histogram(long, np.array([0, 0, 1]), bins=1024)
    assert (found.same[-1], found.different[0]) == (1, 2)
    assert found.same.sum() + found.different.sum() == 3


def test_edge_counts_as_above() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    found = pair_histogram(vectors, np.array([0, 1, 1]), bins=1024)
    assert found.different[512] == 1  # similarity 0 lies in the bin whose lower edge is 0
    assert lower_edges(1024)[512] == 0.0
    assert lower_edges(1024)[[0, -1]].tolist() == [-1.0, 1.0 - 2 / 1024]


@pytest.mark.parametrize("rows", [1, 7])
def test_block_size_changes_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(9, 9, noise=1.0)
    identity = np.column_stack([np.arange(81) // 2, np.arange(81) % 7])
    whole = pair_histogram(vectors, labels, identity=identity)
    by_class = class_pairs(vectors, labels, edges=quantile_edges(whole, count=50), identity=identity)
    monkeypatch.setattr(similarity, "_MOST_ROWS", rows)
    parts = pair_histogram(vectors, labels, identity=identity)
    assert np.array_equal(parts.same, whole.same)
    assert np.array_equal(parts.different, whole.different)
    again = class_pairs(vectors, labels, edges=by_class.edges, identity=identity)
    assert np.array_equal(again.same, by_class.same)
    assert np.array_equal(again.different, by_class.different)


@pytest.mark.parametrize("with_identity", [False, True])
def test_class_pairs_by_hand(with_identity: bool) -> None:
    vectors, labels = clusters(6, 7, noise=1.0)
    labels[:3] = 50  # classes of unequal size
    identity = np.arange(42) // 3 if with_identity else None
    edges = np.array([-1.0, -0.25, 0.0, 0.3125, 0.75])
    found = class_pairs(vectors, labels, edges=edges, identity=identity, bins=1024)
    names = list(dict.fromkeys(labels.tolist()))
    expected = ClassPairs(edges, np.zeros_like(found.same), np.zeros_like(found.different))
    order = [int(code) for code in similarity.class_codes(labels)[0]]
    similar, same, rows = pairs_by_hand(vectors, labels, identity)
    for value, alike, (i, j) in zip(similar, same, rows, strict=True):
        column = int(np.searchsorted(edges, value, side="right")) - 1
        if alike:
            expected.same[order[i], column] += 1
        else:
            expected.different[order[i], column] += 1
            expected.different[order[j], column] += 1
    assert len(names) == len(found.same)
    assert np.array_equal(found.same, expected.same)
    assert np.array_equal(found.different, expected.different)


def test_class_pairs_add_up_to_the_histogram() -> None:
    vectors, labels = clusters(30, 8, noise=0.8)
    whole = pair_histogram(vectors, labels)
    found = class_pairs(vectors, labels, edges=quantile_edges(whole))
    starts = np.rint((found.edges + 1) * len(whole.same) / 2).astype(int)
    assert np.array_equal(found.same.sum(axis=0), np.add.reduceat(whole.same, starts))
    assert np.array_equal(found.different.sum(axis=0), 2 * np.add.reduceat(whole.different, starts))


def test_quantile_edges_hold_even_shares() -> None:
    vectors, labels = clusters(30, 8, noise=0.8)
    whole = pair_histogram(vectors, labels)
    edges = quantile_edges(whole, count=100)
    starts = np.rint((edges + 1) * len(whole.same) / 2).astype(int)
    share = (
        np.add.reduceat(whole.same / whole.same.sum() + whole.different / whole.different.sum(), starts) / 2
    )
    assert edges[0] == -1
    assert len(edges) == 100
    assert share.max() < 0.012


@pytest.mark.parametrize("noise", [0.3, 0.9, 2.0])
def test_auc_equals_scikit_learn(noise: float) -> None:
    vectors, labels = clusters(25, 8, noise=noise, dims=128)
    similar, same, _ = pairs_by_hand(vectors, labels)
    histogram = pair_histogram(vectors, labels)
    assert roc_auc(histogram) == pytest.approx(
        roc_auc_score(same, similar), abs=roc_auc_error(histogram) + 1e-12
    )
    assert roc_auc_error(histogram) < 1e-6


@pytest.mark.parametrize("bins", [1024, 4096])
def test_auc_error_is_a_bound(bins: int) -> None:
    vectors, labels = clusters(15, 6, noise=1.0, dims=4)
    similar, same, _ = pairs_by_hand(vectors, labels)
    histogram = pair_histogram(vectors, labels, bins=bins)
    assert abs(roc_auc(histogram) - roc_auc_score(same, similar)) <= roc_auc_error(histogram)
    assert roc_auc_error(histogram) > 1e-6


def test_auc_where_it_is_known() -> None:
    perfect, labels = clusters(10, 5, noise=0.05)
    assert roc_auc(pair_histogram(perfect, labels)) == 1.0
    assert roc_auc(pair_histogram(np.repeat(perfect[:1], 50, axis=0), labels)) == 0.5
    shuffled = np.random.default_rng(0).permutation(1000) % 10
    random = unit(np.random.default_rng(1).standard_normal((1000, 16)))
    assert roc_auc(pair_histogram(random, shuffled)) == pytest.approx(0.5, abs=0.01)


def test_labels_of_any_type_give_one_histogram() -> None:
    vectors, labels = clusters(8, 5, noise=1.0)
    expected = pair_histogram(vectors, labels)
    for other in (labels + 2**62, np.array([f"thing {label}" for label in labels])):
        assert np.array_equal(pair_histogram(vectors, other).same, expected.same)


def test_all_ten_thousand_choose_two_are_counted() -> None:
    vectors, labels = clusters(100, 20, noise=1.0)
    found = pair_histogram(vectors, labels)
    assert found.same.sum() == 100 * 190
    assert found.same.sum() + found.different.sum() == 2000 * 1999 // 2


@pytest.mark.parametrize("bins", [1000, 512, 0])
def test_bins_are_a_power_of_two(bins: int) -> None:
    vectors, labels = clusters(2, 2, noise=1.0)
    with pytest.raises(ValueError, match="power of two"):
        pair_histogram(vectors, labels, bins=bins)


@pytest.mark.parametrize("labels", [np.zeros(6), np.arange(6)])
def test_one_kind_of_pairs_has_no_auc(labels: np.ndarray) -> None:
    vectors, _ = clusters(3, 2, noise=1.0)
    histogram = pair_histogram(vectors, labels)
    for judge in (roc_auc, roc_auc_error, quantile_edges):
        with pytest.raises(EvaluationError, match="pairs of both kinds are needed"):
            judge(histogram)


def test_vectors_are_checked() -> None:
    vectors, labels = clusters(3, 2, noise=1.0)
    with pytest.raises(EvaluationError, match="not of unit length"):
        pair_histogram(vectors * 2, labels)
    with pytest.raises(EvaluationError, match="do not match"):
        class_pairs(vectors, labels[:-1], edges=np.array([-1.0]))
    with pytest.raises(EvaluationError, match="identity codes"):
        pair_histogram(vectors, labels, identity=np.arange(2))


def test_progress_reaches_the_end() -> None:
    vectors, labels = clusters(5, 4, noise=1.0)
    steps: list[tuple[int, int]] = []
    pair_histogram(vectors, labels, progress=lambda done, of: steps.append((done, of)))
    class_pairs(vectors, labels, edges=np.array([-1.0]), progress=lambda done, of: steps.append((done, of)))
    assert steps == [(20, 20), (20, 20)]


def test_auc_of_hand_made_counts() -> None:
    counts = PairHistogram(same=np.array([0, 1, 3]), different=np.array([4, 1, 0]))
    assert roc_auc(counts) == pytest.approx((1 * (4 + 0.5) + 3 * 5) / (4 * 5))
    assert roc_auc_error(counts) == pytest.approx(0.5 * 1 * 1 / (4 * 5))


def test_example_is_true() -> None:
    result = doctest.testmod(pairs)
    assert (result.failed, result.attempted) == (0, 1)
