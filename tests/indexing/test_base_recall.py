"""Recall against a slow recomputation, and the interval against known ones."""

from __future__ import annotations

import faiss
import numpy as np
import pytest

from based_store import DIM, clustered
from lookalike.indexing.base_recall import FAISS, FETCHES, ExactAnswers, choose_effort, interval_of, recall_of
from lookalike.indexing.probing import probed
from lookalike.records import Floats

ROWS = 900


def parts(vectors: Floats) -> ExactAnswers:
    """The exact answers to every tenth vector, gathered in uneven parts."""
    ids = np.arange(len(vectors)) + 5
    exact = ExactAnswers(ids[::10], vectors[::10])
    for part in (slice(0, 7), slice(7, 7), slice(7, 400), slice(400, None)):
        exact.take(ids[part], vectors[part])
    return exact


def lists_of(vectors: Floats, *, lists: int = 20) -> faiss.IndexIVFScalarQuantizer:
    index = faiss.IndexIVFScalarQuantizer(
        faiss.IndexFlatIP(DIM), DIM, lists, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT
    )
    index.train(vectors)
    index.add_with_ids(vectors, np.arange(len(vectors)) + 5)
    return index


def test_exact_answers_are_those_of_a_full_sort() -> None:
    vectors = clustered(ROWS)
    exact = parts(vectors)
    right, wanted = exact.right()
    similarity = vectors @ vectors.T
    np.fill_diagonal(similarity, -2)
    assert (wanted == 10).all()
    for row, query in enumerate(range(0, ROWS, 10)):
        assert set(right[row]) - {-2} == set(np.argsort(-similarity[query])[:10] + 5)


def test_all_copies_of_the_tenth_are_right_answers() -> None:
    vectors = clustered(ROWS)
    vectors[100:130] = vectors[0]
    right, wanted = parts(vectors).right()
    assert set(right[0]) - {-2} == set(range(105, 135))
    assert wanted[0] == 10


def test_a_query_with_too_many_copies_to_know_them_all_is_not_judged() -> None:
    vectors = clustered(ROWS)
    vectors[100:200] = vectors[0]
    exact = parts(vectors)
    assert exact.right()[1][0] == 0
    assert exact.right()[1][1] == 10
    assert choose_effort(lists_of(vectors), exact, recall=0.9).queries == 39  # of 90, 11 are copies


def test_where_all_are_copies_nothing_can_be_missed() -> None:
    vectors = np.repeat(clustered(1), 300, axis=0)
    effort = choose_effort(lists_of(vectors, lists=5), parts(vectors), recall=0.9)
    assert (effort.probes, effort.queries, effort.low, effort.high) == (1, 0, 0.0, 1.0)


def test_recall_is_what_counting_by_hand_says() -> None:
    vectors = clustered(ROWS, spread=3.0)
    exact, index = parts(vectors), lists_of(vectors)
    values = recall_of(index, exact, np.arange(len(exact.ids)), probes=2)
    right, _ = exact.right()
    effort = FAISS.SearchParametersIVF(nprobe=2)
    for place, fetch in enumerate(FETCHES):
        by_hand = []
        for row, query in enumerate(exact.vectors):
            _, ids = probed(index, query[None], fetch + 1, effort=effort)
            others = [number for number in ids[0] if number != exact.ids[row]][:fetch]
            by_hand.append(len(set(others) & set(right[row])) / 10)
        assert values[place].tolist() == pytest.approx(by_hand)
    assert 0.2 < values[0].mean() <= values[-1].mean() < 1.0


def test_a_higher_recall_takes_more_effort_and_is_measured_elsewhere() -> None:
    vectors = clustered(ROWS, spread=3.0)
    exact, index = parts(vectors), lists_of(vectors)
    low, high = (choose_effort(index, exact, recall=wanted) for wanted in (0.6, 0.97))
    assert low.probes < high.probes
    assert low.queries == high.queries == 45
    values = recall_of(index, exact, np.arange(1, 90, 2), probes=high.probes)[FETCHES.index(high.fetch)]
    assert high.recall == pytest.approx(values.mean())
    assert high.low < high.recall < high.high or high.recall == high.high == 1.0


def test_what_cannot_be_reached_is_the_most_there_is_and_said() -> None:
    vectors = clustered(4000, spread=3.0)
    exact, index = parts(vectors), lists_of(vectors, lists=400)
    effort = choose_effort(index, exact, recall=1.0)
    assert effort.probes == 100  # a quarter of the lists
    assert effort.high < 1.0


def test_the_interval_of_equal_queries_is_that_of_so_many_trials() -> None:
    """No error in 100 queries: 1 - 0.025 ** (1 / 100) may still be missed."""
    low, high = interval_of(np.ones(100))
    assert low == pytest.approx(0.025 ** (1 / 100), abs=1e-6)
    assert high == 1.0


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    chance = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        values = chance.binomial(10, chance.beta(9, 1, 200)) / 10  # the mean is 0.9, queries differ
        low, high = interval_of(values)
        covered += low <= 0.9 <= high
    assert 53 <= covered <= 60


def test_no_query_has_no_recall() -> None:
    vectors = clustered(ROWS)
    values = recall_of(lists_of(vectors), parts(vectors), np.zeros(0, np.int64), probes=2)
    assert values.shape == (len(FETCHES), 0)
