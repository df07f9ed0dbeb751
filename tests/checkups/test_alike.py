"""All pairs above a similarity: the same as comparing everything with everything, in less."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.checkups import alike
from lookalike.checkups.alike import AlikePairs, across_pairs, alike_pairs
from lookalike.judging.similarity import cosine
from lookalike.records import Floats


def unit(vectors: NDArray[np.floating[Any]]) -> Floats:
    rows: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return rows


def flat(rows: int, dims: int, *, inner: int, seed: int = 0) -> Floats:
    """Rows that lie nearly in a few directions, as embeddings do."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(inner, dims))
    return unit(rng.normal(size=(rows, inner)) @ basis + 0.5 * rng.normal(size=(rows, dims)))


def slowly(vectors: Floats, at_least: float) -> dict[tuple[int, int], float]:
    first, second = np.triu_indices(len(vectors), 1)
    similarities = cosine(vectors[first], vectors[second])
    enough = np.flatnonzero(similarities >= at_least)
    rows = zip(first[enough].tolist(), second[enough].tolist(), strict=True)
    return dict(zip(rows, similarities[enough].tolist(), strict=True))


def as_dict(pairs: AlikePairs) -> dict[tuple[int, int], float]:
    rows = zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)
    return dict(zip(rows, pairs.similarities.tolist(), strict=True))


@pytest.mark.parametrize("inner", [4, 60])
@pytest.mark.parametrize("at_least", [0.3, 0.9])
def test_all_pairs_are_found(inner: int, at_least: float) -> None:
    vectors = flat(150, 64, inner=inner)
    vectors[7] = vectors[3]
    expected = slowly(vectors, at_least)
    assert (3, 7) in expected
    found = alike_pairs(vectors, at_least=at_least, most=10**6)
    assert as_dict(found) == expected
    assert found.floor == at_least
    assert np.all(np.diff(found.similarities) <= 0)


def test_planted_pairs_just_above_the_limit_are_not_lost_by_shortening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(alike, "_COLUMNS", 128)
    vectors = flat(300, 128, inner=10)
    rng = np.random.default_rng(1)
    for place in range(100):  # pairs whose difference lies in what shortening drops, too
        across = rng.normal(size=128)
        across -= across @ vectors[place] * vectors[place]
        side = np.sqrt(1 - 0.8501**2)
        vectors[299 - place] = 0.8501 * vectors[place] + side * across / np.linalg.norm(across)
    vectors = unit(vectors)
    assert alike._shortened(vectors).shape[1] < 64
    found = alike_pairs(vectors, at_least=0.85, most=10**6)
    assert {(place, 299 - place) for place in range(100)} <= set(as_dict(found))
    assert as_dict(found) == slowly(vectors, 0.85)


def test_the_short_forms_never_say_less_than_the_vectors() -> None:
    vectors = flat(300, 256, inner=20)
    short = alike._shortened(vectors)
    assert short.shape[1] < 256
    assert np.all(short @ short.T >= vectors @ vectors.T - 1e-5)


def test_vectors_without_strong_directions_are_compared_in_full() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(200, 64)))
    assert alike._shortened(vectors) is vectors


def test_where_there_are_too_many_the_most_alike_stay_and_the_floor_says_from_where() -> None:
    vectors = flat(150, 64, inner=4)
    every = alike_pairs(vectors, at_least=0.3, most=10**6)
    few = alike_pairs(vectors, at_least=0.3, most=100)
    assert len(every) > 1000
    assert few.floor > 0.3
    assert list(as_dict(few).items()) == list(as_dict(every).items())[:100]
    assert all(s in few.similarities for s in every.similarities if s >= few.floor)


def test_of_too_many_equal_pairs_the_first_stay() -> None:
    vectors = unit(np.repeat(np.eye(8, 16), 5, axis=0))  # 80 pairs of similarity 1
    found = alike_pairs(vectors, at_least=0.5, most=30)
    assert found.floor > 1.0
    assert list(as_dict(found)) == list(as_dict(alike_pairs(vectors, at_least=0.5, most=80)))[:30]


@pytest.mark.parametrize("rows", [0, 1])
def test_too_few_rows_have_no_pairs(rows: int) -> None:
    found = alike_pairs(np.ones((rows, 1), np.float32), at_least=0.5, most=10)
    assert (len(found), found.floor) == (0, 0.5)


def test_progress_ends_with_all_rows() -> None:
    heard: list[tuple[int, int]] = []
    alike_pairs(
        flat(50, 16, inner=3),
        at_least=0.5,
        most=10**4,
        progress=lambda done, total: heard.append((done, total)),
    )
    assert heard[-1] == (50, 50)


def test_a_block_that_was_begun_before_the_floor_rose_does_not_lower_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def all_begin_at_once(work: Any, rows: int, *, take: Any, **_: object) -> None:
        for part in [work(slice(start, start + 10)) for start in range(0, rows, 10)]:
            take(part)

    monkeypatch.setattr(alike, "run_blocks", all_begin_at_once)
    vectors = flat(40, 64, inner=4)
    vectors[:10] = unit(np.linspace(0, 0.5, 10)[:, None] * vectors[20] + vectors[:1])
    every = alike_pairs(vectors, at_least=0.3, most=10**6)
    found = alike_pairs(vectors, at_least=0.3, most=20)
    assert list(as_dict(found).items()) == list(as_dict(every).items())[:20]
    assert all(s in found.similarities for s in every.similarities if s >= found.floor)


@pytest.mark.parametrize("most", [10**6, 20])
def test_pairs_across_are_those_of_all_pairs_with_one_end_on_each_side(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alike, "_COLUMNS", 16)
    vectors = flat(90, 24, inner=4)
    some, others = np.arange(0, 90, 3), np.arange(1, 90, 3)
    one_side = set(some.tolist()), set(others.tolist())
    wanted = {
        pair: similarity
        for pair, similarity in slowly(vectors, 0.8).items()
        if any(pair[0] in here and pair[1] in there for here, there in (one_side, one_side[::-1]))
    }
    found = across_pairs(vectors, some, others, at_least=0.8, most=most)
    assert len(wanted) > 30
    expected = dict(sorted(wanted.items(), key=lambda entry: (-entry[1], entry[0]))[:most])
    assert as_dict(found) == expected
    assert (found.floor == 0.8) is (most > len(wanted))
