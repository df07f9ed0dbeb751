"""Figures of attribute queries against slower ways: loops, the figures of labels, all orders."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from lookalike.judging.attribute_metrics import (
    BLOCK,
    between,
    chance,
    judge,
    likeness,
    make_queries,
    means,
)
from lookalike.judging.metrics import retrieval
from lookalike.records import Floats
from lookalike.tables.attribute_values import Values, agree, undecided

KS = (1, 3, 10)


def some_values(n: int, a: int, *, seed: int, unknown: bool = False) -> Values:
    return np.random.default_rng(seed).integers(-1, 2, (n, a)).astype(np.int8) if unknown else (
        np.random.default_rng(seed).integers(0, 2, (n, a)).astype(np.int8) * 2 - 1
    )  # fmt: skip


def units(n: int, d: int, *, seed: int) -> Floats:
    rows = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    unit: Floats = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    return unit


def by_loop(similar: Floats, right: list[bool]) -> dict[str, float]:
    """The figures of one query, from their definitions; of equals the wrong ones come first."""
    order = sorted(range(len(right)), key=lambda item: (-similar[item], right[item]))
    ranked = [right[item] for item in order]
    total = sum(ranked)
    precision = [sum(ranked[:k]) / k for k in range(1, len(ranked) + 1)]
    figures = {f"precision@{k}": sum(ranked[:k]) / k for k in KS}
    figures["map"] = sum(p for p, hit in zip(precision, ranked, strict=True) if hit) / total
    figures["mean_precision"] = sum(precision[:total]) / total
    return figures


def test_figures_are_what_a_loop_finds_with_unknown_values_left_out() -> None:
    values = some_values(50, 4, seed=1, unknown=True)
    stated = some_values(BLOCK + 9, 4, seed=2, unknown=True)
    stated = stated[stated.any(axis=1)]
    similar = np.random.default_rng(3).integers(-4, 5, (len(stated), 50)).astype(np.float32) / 8  # with ties
    found = judge(similar.__getitem__, stated, values, ks=KS)
    right, unknown = agree(stated, values), undecided(stated, values)
    for q in range(len(stated)):
        if not right[q].any():
            assert all(np.isnan(figures[q]) for figures in found.values())
            continue
        kept = np.flatnonzero(~unknown[q])
        wanted = by_loop(similar[q, kept], right[q, kept].tolist())
        assert {name: figures[q] for name, figures in found.items()} == pytest.approx(wanted)


def test_full_queries_are_judged_as_labels_are() -> None:
    values = some_values(80, 3, seed=4)
    stated, codes = np.unique(values, axis=0, return_inverse=True)
    queries, pictures = units(len(stated), 6, seed=5), units(80, 6, seed=6)
    found = judge(lambda block: queries[block] @ pictures.T, stated, values, ks=(1, 5))
    labels = retrieval(
        queries, np.arange(len(stated)), gallery=pictures, gallery_labels=codes.ravel(), ks=(1, 5)
    )
    for name in ("precision@1", "precision@5", "map"):
        assert found[name] == pytest.approx(labels.values[name])


def test_a_picture_that_is_the_query_is_no_answer() -> None:
    values = np.array([[1, 1], [1, 1], [-1, 1]], np.int8)
    similar = np.array([[1.0, 0.5, 0.7]], np.float32)
    found = judge(similar.__getitem__, values[:1], values, ks=(1, 2), itself=np.array([0]))
    assert (found["precision@1"][0], found["map"][0]) == (0.0, 0.5)
    alone = judge(similar.__getitem__, values[2:], values, ks=(1,), itself=np.array([2]))
    assert np.isnan(alone["map"]).all()


def test_the_document_own_mean_average_precision() -> None:
    values = np.array([[1], [-1], [1], [-1], [1]], np.int8)
    similar = np.array([[0.9, 0.8, 0.7, 0.6, 0.5]], np.float32)
    found = judge(similar.__getitem__, np.array([[1]], np.int8), values)
    assert found["mean_precision"][0] == pytest.approx((1 / 1 + 1 / 2 + 2 / 3) / 3)
    assert found["map"][0] == pytest.approx((1 / 1 + 2 / 3 + 3 / 5) / 3)


@pytest.mark.parametrize("itself", [None, np.array([1, 2, 0])])
def test_chance_is_the_mean_over_all_orders(itself: np.ndarray | None) -> None:
    values = np.array([[1, 0], [1, -1], [-1, 1], [1, 1], [-1, 0], [-1, -1]], np.int8)
    stated = np.array([[1, 0], [0, 1], [1, -1]], np.int8)
    expected = chance(stated, values, ks=KS, itself=itself)
    orders = list(permutations(range(6)))
    totals = {name: np.zeros(3) for name in expected}
    for order in orders:
        similar = np.tile(np.array(order, np.float32) / 8, (3, 1))
        for name, figures in judge(similar.__getitem__, stated, values, ks=KS, itself=itself).items():
            totals[name] += figures
    for name, total in totals.items():
        assert expected[name] == pytest.approx(total / len(orders), nan_ok=True), name


def test_likeness_is_that_of_the_first_ten_others() -> None:
    pictures, features = units(30, 5, seed=9), units(30, 4, seed=10)
    rows = np.array([3, 17])
    similar = pictures[rows] @ pictures.T
    found = likeness(similar, rows, features)
    for place, row in enumerate(rows):
        others = sorted(set(range(30)) - {int(row)}, key=lambda item: -similar[place, item])[:10]
        wanted = np.mean([features[item] @ features[row] for item in others])
        assert found[place] == pytest.approx(wanted, abs=1e-6)
    few = likeness(similar[:, :18], rows, features[:18])
    assert few.shape == (2,)
    assert likeness(np.ones((1, 3), np.float32), np.array([0]), features[:3])[0] == pytest.approx(
        float(features[1:3] @ features[0] @ np.ones(2) / 2), abs=1e-6
    )


def test_chance_of_a_query_without_an_answer_is_not_a_number() -> None:
    values = np.array([[1, 1], [-1, 1]], np.int8)
    expected = chance(np.array([[0, -1]], np.int8), values)
    assert all(np.isnan(figures).all() for figures in expected.values())


def test_queries_are_answered_distinct_and_of_their_kind() -> None:
    values = some_values(60, 8, seed=7, unknown=True)
    values[:, 7] = -1
    queries = make_queries(values, most=200, seed=0)
    assert list(queries) == ["full", "one", "several"]
    for stated in queries.values():
        assert agree(stated, values).any(axis=1).all()
        assert len(np.unique(stated, axis=0)) == len(stated)
        assert stated.dtype == np.int8
    assert {row.tobytes() for row in queries["full"]} == {row.tobytes() for row in values}
    assert queries["one"].tolist() == np.eye(8, dtype=int)[:7].tolist()  # nobody has the last one
    count = (queries["several"] != 0).sum(axis=1)
    assert set(count.tolist()) == {2, 3, 4}
    assert (queries["several"] > 0).any(axis=1).all()
    assert (queries["several"] < 0).any()


def test_queries_depend_on_the_seed_alone_and_are_at_most_so_many() -> None:
    values = some_values(300, 10, seed=8)
    first, again, other = (make_queries(values, most=20, seed=seed) for seed in (0, 0, 1))
    assert all((first[kind] == again[kind]).all() for kind in first)
    assert any(
        (first[kind].shape != other[kind].shape) or (first[kind] != other[kind]).any() for kind in first
    )
    assert all(len(stated) <= 20 for stated in first.values())


def test_pictures_without_anything_present_ask_for_no_presence() -> None:
    assert set(make_queries(-np.ones((4, 3), np.int8), most=9, seed=0)) == {"full"}


def test_similarities_of_a_block_are_those_of_its_pairs_and_never_beyond_one() -> None:
    queries, pictures = units(5, 3, seed=1), np.concatenate([units(4, 3, seed=2), units(5, 3, seed=1)])
    found = between(queries, pictures * np.float32(1 + 1e-6))(slice(2, 4))
    wanted = [[min(1.0, sum(map(float, q * p))) for p in pictures] for q in queries[2:4]]
    assert found == pytest.approx(np.array(wanted), abs=1e-5)
    assert found.max() == 1.0
    assert means({"map": np.array([0.5, np.nan, 1.0])}) == {"map": 0.75}
