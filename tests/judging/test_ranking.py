"""Estimated and exact ranks are the same ranks, whatever the estimates are off by."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lookalike.judging import ranking, similarity
from lookalike.judging.exact_rows import reached_by
from lookalike.judging.metrics import Retrieval, retrieval
from lookalike.judging.similarity import estimate, estimate_error
from lookalike.records import Floats
from vectors_for_judging import clusters, exact_similarities, unit


def crowded(dims: int) -> tuple[Floats, Any]:
    """Many copies, many that differ in the last bits only, and many plain ones."""
    rng = np.random.default_rng(dims)
    vectors, labels = clusters(20, 20, noise=1.5, dims=dims)
    vectors[200:280] = vectors[:80]
    vectors[280:320] = unit(vectors[:1] + rng.uniform(-3e-6, 3e-6, (40, dims)))
    vectors[320:360] = unit(vectors[1:2] + rng.uniform(-3e-5, 3e-5, (40, dims)))
    return vectors, labels


def assert_equal(a: Retrieval, b: Retrieval) -> None:
    for name, values in a.values.items():
        assert np.array_equal(values, b.values[name], equal_nan=True), name
    for name in ("relevant", "first_rank", "mean_rank", "neighbours", "similarities"):
        assert np.array_equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("dims", [2, 16, 300])
@pytest.mark.parametrize("figures", [None, ("recall@1", "ap@8", "map@r")])
def test_both_ways_agree_among_many_that_are_nearly_equal(
    dims: int, figures: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, labels = crowded(dims)
    identity = np.stack([np.arange(400), np.arange(400) % 150], axis=1)
    found = {}
    for way, share in (("estimated", 2.0), ("exact", -1.0), ("as it comes", ranking._SHARE)):
        monkeypatch.setattr(ranking, "_SHARE", share)
        found[way] = retrieval(vectors, labels, identity=identity, figures=figures)
    monkeypatch.undo()
    if figures:
        for of in found.values():
            of.first_rank[:] = of.mean_rank[:] = 0
    assert_equal(found["estimated"], found["exact"])
    assert_equal(found["as it comes"], found["exact"])


@pytest.mark.parametrize("seed", range(2))
def test_estimates_may_be_off_by_all_their_error(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = crowded(16)
    monkeypatch.setattr(ranking, "_SHARE", -1.0)
    expected = retrieval(vectors, labels)
    rng = np.random.default_rng(seed)

    def worst(left: Floats, right: Floats) -> Floats:
        off = rng.choice([-0.98, 0.98], size=(len(left), len(right))) * estimate_error(16)
        return (left.astype(np.float64) @ right.T.astype(np.float64) + off).astype(np.float32)

    monkeypatch.setattr(ranking, "_SHARE", 2.0)
    monkeypatch.setattr(ranking, "estimate", worst)
    monkeypatch.setattr(similarity, "_MOST_WORKERS", 1)
    assert_equal(retrieval(vectors, labels), expected)


@pytest.mark.parametrize("dims", [2, 128, 2048])
def test_estimates_keep_within_their_error(dims: int) -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((50, dims)))
    gap = np.abs(estimate(vectors, vectors) - exact_similarities(vectors, vectors)).max()
    assert 0 < gap < estimate_error(dims)


def test_so_many_items_reach_what_is_said() -> None:
    similar = np.random.default_rng(0).standard_normal((20, 3000)).astype(np.float32)
    counts = np.arange(1, 21)
    reached = (similar >= reached_by(similar, counts)[:, None]).sum(axis=1)
    assert (reached >= counts).all()
    assert (reached <= 2 * counts + 2).all()
    assert np.isneginf(reached_by(similar, np.full(20, 200))).all()


def test_one_query_alone_and_an_empty_ranking() -> None:
    vectors, labels = clusters(5, 400, noise=0.3)
    alone = retrieval(vectors[:1], labels[:1], gallery=vectors[1:], gallery_labels=labels[1:])
    among = retrieval(vectors, labels)
    assert alone.values["map"][0] == among.values["map"][0]
    identity = np.zeros((len(labels), 1), dtype=np.int64)  # the first query may have no answer at all
    identity[:, 0] = np.arange(len(labels))
    codes = np.stack([identity[:, 0], np.zeros(len(labels), dtype=np.int64)], axis=1)
    queries = np.stack([identity[:, 0], np.where(np.arange(len(labels)) < 96, 0, 1)], axis=1)
    found = retrieval(
        vectors, labels, gallery=vectors, gallery_labels=labels, identity=queries, gallery_identity=codes
    )
    assert (found.neighbours[:96] == -1).all()
    assert (found.relevant[:96] == 0).all()
    assert np.array_equal(found.values["map"][96:], among.values["map"][96:])
