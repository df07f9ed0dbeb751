"""Every retrieval figure against a double loop, against pytorch-metric-learning, and where it is known."""

from __future__ import annotations

import doctest
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pytorch_metric_learning.utils.accuracy_calculator import AccuracyCalculator
from sklearn import metrics as peer

from lookalike.errors import EvaluationError
from lookalike.judging import exact_rows, metrics, ranking, similarity
from lookalike.judging.metrics import Retrieval, retrieval, summarise
from lookalike.judging.relevance import Comparison, any_common, share_in_common
from lookalike.records import Floats
from vectors_for_judging import clusters, exact_similarities, unit

KS = (1, 2, 4, 8)

WAYS = {"estimated": (2.0, 48), "exact": (-1.0, 48), "exact, sorted": (-1.0, 0)}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the ways to the same ranks, forced on small data."""
    share, few = WAYS[request.param]
    monkeypatch.setattr(ranking, "_SHARE", share)
    monkeypatch.setattr(exact_rows, "_FEW", few)
    return str(request.param)


def ranking_by_hand(similar: NDArray[np.float64], relevant: list[bool], kept: list[bool]) -> list[int]:
    """Gallery rows, most alike first; of equals the irrelevant ones, then the earlier ones."""
    rows = [row for row in range(len(similar)) if kept[row]]
    return sorted(rows, key=lambda row: (-np.floor(similar[row] * 2**20 + 0.5), relevant[row], row))


def figures_by_hand(ranking: list[int], relevant: list[bool]) -> dict[str, float]:
    hits = [relevant[row] for row in ranking]
    total = sum(hits)
    if not total:
        return {}
    precision_at = [sum(hits[: rank + 1]) / (rank + 1) for rank in range(len(hits))]
    ranks = [rank + 1 for rank, hit in enumerate(hits) if hit]
    found = {f"recall@{k}": float(any(hits[:k])) for k in KS}
    found |= {f"precision@{k}": sum(hits[:k]) / k for k in KS}
    for k in KS:
        found[f"ap@{k}"] = sum(precision_at[rank - 1] for rank in ranks if rank <= k) / min(total, k)
        best = sum(1 / np.log2(1 + rank) for rank in range(1, min(total, k) + 1))
        found[f"ndcg@{k}"] = sum(1 / np.log2(1 + rank) for rank in ranks if rank <= k) / best
    return found | {
        "map": sum(precision_at[rank - 1] for rank in ranks) / total,
        "r_precision": sum(hits[:total]) / total,
        "map@r": sum(precision_at[rank - 1] for rank in ranks if rank <= total) / total,
        "mrr": 1 / ranks[0],
        "first_rank": ranks[0],
        "mean_rank": sum(ranks) / total,
    }


def check_by_hand(
    found: Retrieval, similar: NDArray[np.float64], labels: Any, gallery_labels: Any, kept: NDArray[np.bool_]
) -> None:
    for query in range(len(labels)):
        relevant = [bool(label == labels[query]) for label in gallery_labels]
        ranking = ranking_by_hand(similar[query], relevant, list(kept[query]))
        expected = figures_by_hand(ranking, relevant)
        assert found.relevant[query] == sum(relevant[row] for row in ranking)
        shown = {**found.values, "first_rank": found.first_rank, "mean_rank": found.mean_rank}
        for name, values in shown.items():
            assert values[query] == pytest.approx(expected.get(name, np.nan), nan_ok=True, abs=1e-12), name
        near = [row for row in found.neighbours[query].tolist() if row >= 0]
        assert near == ranking[: found.neighbours.shape[1]]
        assert np.isnan(found.similarities[query][len(near) :]).all()
        assert found.similarities[query][: len(near)] == pytest.approx(similar[query][near], abs=1e-6)


@pytest.mark.parametrize("noise", [0.2, 0.8, 3.0])
def test_self_retrieval_by_hand(noise: float, way: str) -> None:
    vectors, labels = clusters(9, 6, noise=noise)
    labels[0] = 99  # without a partner
    found = retrieval(vectors, labels, ks=KS)
    check_by_hand(found, exact_similarities(vectors, vectors), labels, labels, ~np.eye(54, dtype=bool))
    at_k = [f"{name}@{k}" for name in ("recall", "precision", "ap", "ndcg") for k in KS]
    assert list(found.values) == [*at_k, "map", "r_precision", "map@r", "mrr"]


@pytest.mark.parametrize("noise", [0.3, 1.0])
def test_scikit_learn_agrees(noise: float) -> None:
    vectors, labels = clusters(7, 8, noise=noise, seed=2)
    found = retrieval(vectors, labels, ks=(1, 5, 20))
    similar = exact_similarities(vectors, vectors)
    for query in range(len(labels)):
        others = np.arange(len(labels)) != query
        right = labels[others] == labels[query]
        precision = peer.average_precision_score(right, similar[query, others])
        assert found.values["map"][query] == pytest.approx(precision)
        for k in (5, 20):
            gain = peer.ndcg_score(right[None], similar[query, others][None], k=k)
            assert found.values[f"ndcg@{k}"][query] == pytest.approx(gain)


def tags_and_vectors(count: int, *, seed: int = 0) -> tuple[Floats, NDArray[np.int64]]:
    """Pictures with several of six tags, near to those with like tags."""
    rng = np.random.default_rng(seed)
    tags = (rng.random((count, 6)) < 0.3).astype(np.int64)
    return unit(tags @ rng.standard_normal((6, 12)) + 0.8 * rng.standard_normal((count, 12))), tags


@pytest.mark.parametrize("compare", [any_common, share_in_common])
def test_several_labels_by_hand(compare: Comparison, way: str) -> None:
    vectors, tags = tags_and_vectors(60)
    vectors[30:40] = vectors[:10]  # ties
    found = retrieval(vectors, tags, relevance=compare, ks=KS, neighbours=6)
    similar = np.floor(exact_similarities(vectors, vectors) * 2**20 + 0.5)
    for query in range(60):
        sets = [set(np.flatnonzero(row).tolist()) for row in tags]
        gains = [len(sets[query] & other) / max(1, len(sets[query] | other)) for other in sets]
        if compare is any_common:
            gains = [float(gain > 0) for gain in gains]
        rows = [row for row in range(60) if row != query]
        rows.sort(key=lambda row: (-similar[query, row], gains[row], row))
        assert found.neighbours[query].tolist() == rows[:6]
        expected = figures_by_hand(rows, [gain > 0 for gain in gains])
        best = sorted((gains[row] for row in rows), reverse=True)
        for k in KS if expected else ():
            dcg, ideal = (
                sum(gain / np.log2(2 + at) for at, gain in enumerate(order[:k]))
                for order in ([gains[row] for row in rows], best)
            )
            expected[f"ndcg@{k}"] = dcg / ideal
        for name, values in found.values.items():
            assert values[query] == pytest.approx(expected.get(name, np.nan), nan_ok=True), name


def test_equal_labels_are_a_comparison_too(way: str) -> None:
    vectors, labels = clusters(8, 6, noise=1.0)
    expected = retrieval(vectors, labels)
    found = retrieval(vectors, labels, relevance=lambda a, b: a[:, None] == b)
    for name, values in expected.values.items():
        assert np.array_equal(found.values[name], values), name
    assert np.array_equal(found.neighbours, expected.neighbours)


def test_graded_gains_equal_scikit_learn() -> None:
    vectors, tags = tags_and_vectors(80, seed=4)
    found = retrieval(vectors, tags, relevance=share_in_common, ks=(1, 10), neighbours=0)
    gains, similar = share_in_common(tags, tags), exact_similarities(vectors, vectors)
    for query in np.flatnonzero(found.relevant):
        others = np.arange(80) != query
        expected = peer.ndcg_score(gains[query, others][None], similar[query, others][None], k=10)
        assert found.values["ndcg@10"][query] == pytest.approx(expected)


@pytest.mark.parametrize("noise", [0.5, 4.0])
@pytest.mark.parametrize("neighbours", [0, 3])
def test_only_some_figures_are_the_same_figures(way: str, noise: float, neighbours: int) -> None:
    vectors, labels = clusters(10, 40, noise=noise)
    vectors[200:300] = vectors[:100]
    whole = retrieval(vectors, labels, ks=(1, 8), neighbours=neighbours)
    some = retrieval(
        vectors, labels, ks=(1, 8), figures=["map@r", "ndcg@8", "recall@1"], neighbours=neighbours
    )
    assert list(some.values) == ["recall@1", "ndcg@8", "map@r"]
    assert all(np.array_equal(values, whole.values[name]) for name, values in some.values.items())
    assert np.array_equal(some.neighbours, whole.neighbours)
    assert np.array_equal(some.similarities, whole.similarities)
    assert np.isnan(some.first_rank).all()
    assert np.isnan(some.mean_rank).all()
    deep = retrieval(vectors, labels, ks=(), figures={"mrr"}, neighbours=neighbours)
    assert np.array_equal(deep.mean_rank, whole.mean_rank)


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"figures": ["recall@3"]}, "there is no figure 'recall@3'; there are recall@1, "),
        ({"figures": ["mAP"]}, "'mAP'"),
        ({"ks": (4, 0)}, "cut-offs must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_asked(asked: dict[str, Any], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        judge_wrongly(**asked)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.integers(0, 3), min_size=1, max_size=12),
    st.lists(st.integers(0, 3), min_size=2, max_size=40),
    st.integers(0, 1000),
    st.integers(2, 6),
    st.booleans(),
)
def test_query_against_gallery_by_hand(
    labels: list[int], gallery_labels: list[int], seed: int, different: int, by_identity: bool
) -> None:
    rng = np.random.default_rng(seed)
    kinds = unit(rng.standard_normal((different, 3)))  # many equal vectors, so many ties
    queries, gallery = (
        kinds[rng.integers(0, different, len(labels))],
        kinds[rng.integers(0, different, len(gallery_labels))],
    )
    columns = int(rng.integers(1, 4))  # of codes, one of which is enough to be left out
    codes = rng.integers(0, 8 * columns, (len(labels), columns))
    gallery_codes = rng.integers(0, 8 * columns, (len(gallery_labels), columns))
    kept = (
        (codes[:, None] != gallery_codes[None]).all(axis=2)
        if by_identity
        else np.ones((len(labels), len(gallery_labels)), bool)
    )
    relevant = (np.array(labels)[:, None] == np.array(gallery_labels)[None]) & kept

    def judge() -> Retrieval:
        return retrieval(
            queries,
            np.array(labels),
            gallery=gallery,
            gallery_labels=np.array(gallery_labels),
            identity=codes if by_identity else None,
            gallery_identity=gallery_codes if by_identity else None,
            ks=KS,
            neighbours=5,
        )

    if not relevant.any() or len(set(gallery_labels)) < 2:
        with pytest.raises(EvaluationError, match="there is nothing to"):
            judge()
    else:
        check_by_hand(judge(), exact_similarities(queries, gallery), labels, gallery_labels, kept)


def test_pytorch_metric_learning_agrees() -> None:
    vectors, labels = clusters(20, 6, noise=0.9, seed=3)
    import torch

    theirs = AccuracyCalculator(
        include=(
            "precision_at_1",
            "r_precision",
            "mean_average_precision_at_r",
            "mean_reciprocal_rank",
            "mean_average_precision",
        ),
        k=len(vectors) - 1,
        device=torch.device("cpu"),
    ).get_accuracy(torch.tensor(vectors), torch.tensor(labels))
    ours = summarise(retrieval(vectors, labels))
    for name, other in {
        "precision@1": "precision_at_1",
        "recall@1": "precision_at_1",
        "r_precision": "r_precision",
        "map@r": "mean_average_precision_at_r",
        "mrr": "mean_reciprocal_rank",
        "map": "mean_average_precision",
    }.items():
        assert ours[name] == pytest.approx(theirs[other], abs=1e-6), name


def test_perfect_clusters_score_one() -> None:
    vectors, labels = clusters(12, 9, noise=0.05)
    assert set(summarise(retrieval(vectors, labels)).values()) == {1.0}


def test_random_vectors_score_chance() -> None:
    vectors = unit(np.random.default_rng(0).standard_normal((2000, 32)))
    figures = summarise(retrieval(vectors, np.arange(2000) % 10))
    chance = 199 / 1999
    for name in ("precision@1", "precision@8", "map", "r_precision"):
        assert figures[name] == pytest.approx(chance, abs=0.015), name
    assert figures["recall@8"] == pytest.approx(1 - (1 - chance) ** 8, abs=0.03)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dims", [3, 128, 1280])
def test_equal_embeddings_score_worst(seed: int, dims: int) -> None:
    one = unit(np.random.default_rng(seed).standard_normal((1, dims)))
    labels = np.repeat(np.arange(50), 3)
    found = retrieval(np.repeat(one, 150, axis=0), labels)
    figures = summarise(found)
    assert all(figures[name] == 0 for name in figures if name not in ("map", "mrr"))
    assert found.first_rank.tolist() == [148.0] * 150
    assert figures["mrr"] == 1 / 148
    assert figures["map"] == pytest.approx((1 / 148 + 2 / 149) / 2)
    assert (labels[found.neighbours] != labels[:, None]).all()


def test_collapsed_embeddings_score_worst_in_spite_of_noise() -> None:
    rng = np.random.default_rng(0)
    one = unit(rng.standard_normal((1, 128)))
    vectors = unit(one.repeat(90, axis=0) + rng.uniform(-1e-6, 1e-6, (90, 128)))
    assert len(np.unique(vectors, axis=0)) == 90
    found = retrieval(vectors, np.arange(90) % 30)
    assert found.first_rank.tolist() == [88.0] * 90
    assert np.unique(found.similarities).tolist() == [1.0]


def test_self_is_left_out_by_identity_and_not_by_rank() -> None:
    vectors = unit(np.array([[1, 0], [1, 0], [0, 1], [0.1, 1]]))
    labels = np.array(["cup", "hat", "cup", "hat"])
    found = retrieval(vectors, labels, ks=(1, 3), neighbours=3)
    assert found.neighbours[0].tolist() == [1, 3, 2]  # its copy under another label stays, itself is gone
    assert found.values["recall@1"].tolist() == [0, 0, 0, 0]
    by_content = retrieval(vectors, labels, identity=np.array([7, 7, 8, 9]), neighbours=3)
    assert by_content.neighbours.tolist() == [[3, 2, -1], [3, 2, -1], [3, 1, 0], [2, 0, 1]]
    assert by_content.relevant.tolist() == [1, 1, 1, 1]


def test_planted_copy_in_the_gallery_is_left_out() -> None:
    vectors, labels = clusters(5, 4, noise=2.0)
    other, other_labels = clusters(5, 4, noise=2.0, seed=1)
    gallery, gallery_labels = np.concatenate([other, vectors]), np.concatenate([other_labels, labels])
    codes = np.arange(20)
    leaking = retrieval(vectors, labels, gallery=gallery, gallery_labels=gallery_labels)
    clean = retrieval(
        vectors,
        labels,
        gallery=gallery,
        gallery_labels=gallery_labels,
        identity=codes,
        gallery_identity=np.concatenate([codes + 100, codes]),
    )
    assert leaking.values["recall@1"].mean() == 1
    assert (leaking.neighbours[:, 0] == codes + 20).all()
    assert not (clean.neighbours == codes[:, None] + 20).any()
    assert (clean.relevant == leaking.relevant - 1).all()


def test_labels_beyond_float_and_as_text() -> None:
    vectors, labels = clusters(8, 5, noise=1.0)
    expected = retrieval(vectors, labels)
    for other in (labels + 2**62, np.array([f"thing {label}" for label in labels]), labels.astype(object)):
        found = retrieval(vectors, other)
        assert all(np.array_equal(found.values[name], expected.values[name]) for name in expected.values)
        assert np.array_equal(found.neighbours, expected.neighbours)


@pytest.mark.parametrize("rows", [1, 5, 64])
def test_block_size_changes_nothing(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(20, 15, noise=1.0, dims=64)
    vectors[100:] = vectors[:200]
    whole = retrieval(vectors, labels)
    monkeypatch.setattr(similarity, "_MOST_ROWS", rows)
    parts = retrieval(vectors, labels)
    assert all(np.array_equal(parts.values[name], whole.values[name]) for name in whole.values)
    assert np.array_equal(parts.neighbours, whole.neighbours)
    assert np.array_equal(parts.similarities, whole.similarities)


@pytest.mark.parametrize("size", [700, 3000])
def test_neighbours_of_a_long_row(size: int) -> None:
    vectors, labels = clusters(size // 10, 10, noise=1.0, dims=8)
    found = retrieval(vectors[:50], labels[:50], gallery=vectors, gallery_labels=labels, neighbours=8)
    similar = exact_similarities(vectors[:50], vectors)
    for query in range(50):
        relevant = [bool(label == labels[query]) for label in labels]
        assert (
            found.neighbours[query].tolist() == ranking_by_hand(similar[query], relevant, [True] * size)[:8]
        )


def test_no_neighbours_on_request() -> None:
    vectors, labels = clusters(5, 4, noise=1.0)
    assert retrieval(vectors, labels, neighbours=0).neighbours.shape == (20, 0)


def test_k_beyond_the_gallery() -> None:
    vectors, labels = clusters(2, 3, noise=0.1)
    found = retrieval(vectors, labels, ks=(10,), neighbours=10)
    assert found.values["precision@10"].tolist() == [0.2] * 6
    assert (found.neighbours >= 0).sum(axis=1).tolist() == [5] * 6


def test_progress_reaches_the_end() -> None:
    vectors, labels = clusters(5, 4, noise=1.0)
    steps: list[tuple[int, int]] = []
    retrieval(vectors, labels, progress=lambda done, of: steps.append((done, of)))
    assert steps[-1] == (20, 20)


def judge_wrongly(**changes: Any) -> None:
    vectors, labels = clusters(4, 3, noise=1.0)
    given: dict[str, Any] = {"vectors": vectors, "labels": labels} | changes
    retrieval(given.pop("vectors"), given.pop("labels"), **given)


GALLERY: Floats = np.eye(16, dtype=np.float32)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"labels": np.zeros(12)}, "nothing to tell apart"),
        ({"labels": np.arange(12)}, "nothing to find"),
        ({"labels": np.arange(11)}, "vectors and labels do not match"),
        ({"vectors": np.full((12, 16), np.nan, dtype=np.float32)}, "not of unit length"),
        ({"identity": np.arange(3)}, "identity codes and vectors do not match"),
        ({"identity": np.zeros(12, dtype=np.int64)}, "nothing to find"),
        ({"gallery": GALLERY}, "vectors and labels do not match"),
        ({"gallery": GALLERY * 3, "gallery_labels": np.arange(16)}, "not of unit length - gallery, row 0"),
        ({"gallery": GALLERY, "gallery_labels": np.arange(16) + 50}, "nothing to find"),
        ({"gallery": GALLERY, "gallery_labels": np.arange(16), "gallery_identity": np.arange(2)}, "gallery"),
        ({"gallery": GALLERY, "gallery_labels": np.arange(16), "identity": np.arange(12)}, "saw 1 for"),
        (
            {"gallery": GALLERY, "gallery_labels": np.arange(16), "gallery_identity": np.arange(16)},
            "saw 0 for each query, 1 for each gallery item",
        ),
        ({"gallery": GALLERY[:8, :8], "gallery_labels": np.arange(8)}, "16 and 8 dimensions"),
        ({"relevance": lambda a, b: np.zeros((len(a), len(b)), bool)}, "nothing to find"),
        ({"relevance": lambda a, b: a == b[: len(a)]}, r"saw \[12\] bool, wanted \[12, 12\]"),
        ({"relevance": lambda a, b: np.full((len(a), len(b)), "yes")}, "does not fit queries and gallery"),
        ({"relevance": lambda a, b: np.full((len(a), len(b)), -1)}, "gains that cannot be added up"),
        ({"relevance": lambda a, b: np.full((len(a), len(b)), np.nan)}, "gains that cannot be added up"),
    ],
)
def test_what_cannot_be_judged_is_refused(changes: dict[str, Any], what: str) -> None:
    with pytest.raises(EvaluationError, match=what):
        judge_wrongly(**changes)


def test_example_is_true() -> None:
    result = doctest.testmod(metrics)
    assert (result.failed, result.attempted) == (0, 4)
