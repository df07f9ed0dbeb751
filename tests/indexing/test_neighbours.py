from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.indexing import neighbours
from lookalike.indexing.neighbours import Rows, nearest
from lookalike.records import Floats


def unit(rows: int, dim: int, *, seed: int, distinct: int | None = None) -> Floats:
    """Random unit rows; with `distinct`, that many vectors repeated in random order."""
    rng = np.random.default_rng(seed)
    vectors = rng.standard_normal((distinct or rows, dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors[rng.integers(0, len(vectors), rows)] if distinct else vectors


def by_hand(query: Floats, gallery: Floats, k: int, left_out: set[int]) -> tuple[list[int], list[float]]:
    """The definition, one row at a time: most alike first, then the lower row."""
    scored = []
    for row, vector in enumerate(gallery):
        if row not in left_out:
            similarity = np.float32(sum(float(x) * float(y) for x, y in zip(query, vector, strict=True)))
            scored.append((-float(similarity), row))
    best = sorted(scored)[:k]
    return [row for _, row in best], [-score for score, _ in best]


def barred(query: int, size: int, *, every: int) -> Rows:
    return np.arange(query % max(1, every), size, every, dtype=np.int64) if every else np.zeros(0, np.int64)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 60),
    dim=st.integers(2, 9),
    k=st.integers(1, 70),
    distinct=st.sampled_from([None, 1, 2, 5]),
    every=st.sampled_from([0, 1, 2, 7]),
    seed=st.integers(0, 1000),
)
def test_nearest_is_the_definition(
    size: int, dim: int, k: int, distinct: int | None, every: int, seed: int
) -> None:
    gallery = unit(size, dim, seed=seed, distinct=distinct)
    queries = np.concatenate([unit(3, dim, seed=seed + 1), gallery[:2]])
    left_out = [barred(query, size, every=every) for query in range(len(queries))]
    found = nearest(queries, gallery, k=k, left_out=left_out)
    assert len(found) == len(queries)
    for query, rows, answer in zip(queries, left_out, found, strict=True):
        wanted, similarities = by_hand(query, gallery, k, set(rows.tolist()))
        assert answer.rows.tolist() == wanted
        np.testing.assert_allclose(answer.similarities, similarities, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 60),
    k=st.integers(1, 30),
    distinct=st.sampled_from([None, 2, 5]),
    ends=st.tuples(st.floats(-1, 1, width=32), st.floats(-1, 1, width=32)).map(sorted),
    at_items=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_a_range_is_cut_out_of_the_definition(
    size: int, k: int, distinct: int | None, ends: list[float], *, at_items: bool, seed: int
) -> None:
    gallery = unit(size, 5, seed=seed, distinct=distinct)
    query = unit(1, 5, seed=seed + 1)
    (every,) = nearest(query, gallery, k=size)
    if at_items:  # an end that an item has exactly
        ends = sorted([float(every.similarities[0]), float(every.similarities[-1])])
    low, high = ends
    inside = (every.similarities >= low) & (every.similarities <= high)
    (found,) = nearest(query, gallery, k=k, lowest=low, highest=high)
    assert found.rows.tolist() == every.rows[inside].tolist()[:k]
    assert found.similarities.tolist() == every.similarities[inside].tolist()[:k]


@pytest.mark.parametrize("distinct", [1, 3])
@pytest.mark.parametrize("k", [1, 4, 9])
def test_equal_similarities_come_by_ascending_row_at_the_last_place_too(distinct: int, k: int) -> None:
    gallery = unit(5000, 16, seed=3, distinct=distinct)
    query = gallery[17]
    same = np.flatnonzero((gallery == query).all(axis=1))
    answer = nearest(query[None], gallery, k=k)[0]
    assert answer.rows.tolist() == same[:k].tolist()


@pytest.mark.parametrize("distinct", [None, 40])
def test_candidates_that_rounding_disturbed_change_nothing(
    monkeypatch: pytest.MonkeyPatch, distinct: int | None
) -> None:
    """FAISS may be off by rounding, in either direction, and break ties as it likes."""
    gallery, queries = unit(400, 16, seed=0, distinct=distinct), unit(20, 16, seed=1)
    rng = np.random.default_rng(2)

    def disturbed(queries: Floats, gallery: Floats, k: int, *, metric: int) -> tuple[Floats, Rows]:
        off = rng.uniform(-1, 1, (len(queries), len(gallery))) * neighbours._rounding(gallery.shape[1])
        coarse = (queries @ gallery.T + off).astype(np.float32)
        rows = np.argsort(-coarse, axis=1)[:, :k]
        return np.take_along_axis(coarse, rows, axis=1), rows

    monkeypatch.setattr("lookalike.indexing.neighbours.faiss.knn", disturbed)
    for query, answer in zip(queries, nearest(queries, gallery, k=5), strict=True):
        assert answer.rows.tolist() == by_hand(query, gallery, 5, set())[0]


def test_an_answer_is_the_same_alone_and_in_a_batch() -> None:
    gallery = unit(3000, 32, seed=0, distinct=700)
    queries = unit(100, 32, seed=1)
    together = nearest(queries, gallery, k=5)
    for query, answer in zip(queries, together, strict=True):
        alone = nearest(query[None], gallery, k=5)[0]
        assert alone.rows.tolist() == answer.rows.tolist()
        assert alone.similarities.tobytes() == answer.similarities.tobytes()


def test_many_left_out_rows_do_not_shorten_the_answer() -> None:
    gallery = unit(500, 8, seed=5)
    query = gallery[3]
    ranked = nearest(query[None], gallery, k=500)[0].rows
    answer = nearest(query[None], gallery, k=4, left_out=[ranked[:100]])[0]
    assert answer.rows.tolist() == ranked[100:104].tolist()


def test_all_left_out_gives_an_empty_answer() -> None:
    gallery = unit(5, 4, seed=0)
    answer = nearest(gallery[:1], gallery, k=3, left_out=[np.arange(5)])[0]
    assert len(answer.rows) == len(answer.similarities) == 0


def test_an_empty_gallery_gives_empty_answers() -> None:
    found = nearest(unit(2, 4, seed=0), np.zeros((0, 4), np.float32), k=3)
    assert [len(answer.rows) for answer in found] == [0, 0]


def test_no_queries_give_no_answers() -> None:
    assert nearest(np.zeros((0, 4), np.float32), unit(3, 4, seed=0), k=3) == []


def test_similarity_never_leaves_its_range() -> None:
    gallery = unit(50, 3, seed=1) * np.float32(1.0005)
    found = nearest(np.concatenate([gallery, -gallery]), gallery, k=50)
    ends = np.array([[answer.similarities[0], answer.similarities[-1]] for answer in found])
    assert ends.max() == 1.0
    assert ends.min() == -1.0


def test_small_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    gallery, queries = unit(200, 8, seed=0), unit(30, 8, seed=1)
    left_out = [np.array([row]) for row in range(30)]
    whole = nearest(queries, gallery, k=3, left_out=left_out)
    monkeypatch.setattr(neighbours, "BLOCK_FLOATS", 1)
    for one, other in zip(whole, nearest(queries, gallery, k=3, left_out=left_out), strict=True):
        assert one.rows.tolist() == other.rows.tolist()


def test_k_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        nearest(unit(1, 4, seed=0), unit(3, 4, seed=0), k=0)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(64, 700),
    k=st.integers(1, 3),
    asked=st.integers(1, 9),
    distinct=st.sampled_from([None, 3, 40]),
    products=st.sampled_from([1, 1 << 9, 1 << 20]),
    most=st.sampled_from([5, 1 << 22]),
    seed=st.integers(0, 1000),
)
def test_a_large_gallery_is_answered_as_a_small_one(
    size: int, k: int, asked: int, distinct: int | None, products: int, most: int, seed: int
) -> None:
    """By products of matrices, in parts, or not at all where too much is as alike as the sample's best."""
    gallery, queries = unit(size, 5, seed=seed, distinct=distinct), unit(asked, 5, seed=seed + 1)
    left_out = [np.arange(query % 2, dtype=np.int64) for query in range(asked)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "SPARE", 1)
        patch.setattr(neighbours, "SAMPLED", size + 1)  # too large for any: FAISS proposes
        wanted = nearest(queries, gallery, k=k, left_out=left_out)
        less = {"FEWEST_TOGETHER": 1, "SAMPLED": 4, "PRODUCTS": products, "MOST_PROPOSED": most}
        for name, value in less.items():
            patch.setattr(neighbours, name, value)
        found = nearest(queries, gallery, k=k, left_out=left_out)
    for ours, theirs in zip(found, wanted, strict=True):
        assert ours.rows.tolist() == theirs.rows.tolist()
        assert ours.similarities.tolist() == theirs.similarities.tolist()


def test_a_sample_that_misses_the_best_misleads_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbours, "FEWEST_TOGETHER", 1)
    gallery, query = unit(2000, 6, seed=3), unit(1, 6, seed=4)
    gallery[::16] = -query  # all that is sampled is most unlike
    (found,) = nearest(query, gallery, k=20)
    assert found.rows.tolist() == by_hand(query[0], gallery, 20, set())[0]
    calls: list[int] = []
    monkeypatch.setattr("lookalike.indexing.neighbours.faiss.knn", lambda *_, **__: calls.append(1))
    assert len(nearest(query, unit(2000, 6, seed=5), k=20)[0].rows) == 20
    assert not calls
