"""The search among many: against all pairs, in full."""

from __future__ import annotations

import numpy as np
import pytest

from lookalike.duplicates.forest import forest_pairs
from lookalike.records import Floats


def clustered(count: int, seed: int = 0) -> Floats:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((count // 30, 16), np.float32)
    vectors = centres[rng.integers(0, len(centres), count)]
    vectors += 0.4 * rng.standard_normal((count, 16), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def all_pairs(vectors: Floats, at_least: float) -> set[tuple[int, int]]:
    near = np.triu(vectors.astype(np.float64) @ vectors.T, 1) >= at_least
    return set(zip(*(ends.tolist() for ends in np.nonzero(near)), strict=True))


def pairs(vectors: Floats, **options: float) -> list[tuple[int, int]]:
    found = forest_pairs(vectors, at_least=0.95, **options)  # type: ignore[arg-type]
    return list(zip(found.first.tolist(), found.second.tolist(), strict=True))


def test_nearly_all_pairs_are_found_once_and_no_other() -> None:
    vectors = clustered(4000)
    wanted, found = all_pairs(vectors, 0.95), pairs(vectors)
    assert len(wanted) > 500
    assert len(found) == len(set(found))
    assert set(found) <= wanted
    assert len(found) >= 0.99 * len(wanted)
    assert len(found) > len(pairs(vectors, trees=1))


def test_pairs_come_ranked_and_the_same_each_time() -> None:
    vectors = clustered(3000)
    found = forest_pairs(vectors, at_least=0.95)
    assert np.all(np.diff(found.similarities) <= 0)
    assert np.all(found.first < found.second)
    np.testing.assert_allclose(
        found.similarities, (vectors[found.first] * vectors[found.second]).sum(axis=1), atol=1e-6
    )
    assert pairs(vectors) == pairs(vectors)


def test_what_nothing_parts_ends_all_the_same() -> None:
    vectors = np.tile(clustered(60)[:1], (2000, 1))
    found = forest_pairs(vectors, at_least=0.95, trees=1, nearest=4)
    assert 0 < len(found) <= 2000 * 4


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_rows(count: int) -> None:
    vectors = np.ones((count, 1), np.float32)
    assert pairs(vectors) == ([(0, 1)] if count == 2 else [])


def test_progress_ends_at_all_rows_of_all_trees() -> None:
    told: list[tuple[int, int]] = []
    forest_pairs(clustered(1500), at_least=0.9, trees=2, progress=lambda *at: told.append(at))
    assert told[-1] == (3000, 3000)
    assert told == sorted(told)


def test_of_too_many_the_most_alike_are_kept() -> None:
    vectors = clustered(3000)
    whole = forest_pairs(vectors, at_least=0.95)
    found = forest_pairs(vectors, at_least=0.95, most=100)
    assert len(found) == 100
    assert found.floor > 0.95
    np.testing.assert_array_equal(found.similarities, whole.similarities[:100])


def test_of_equal_rows_a_given_number_is_kept() -> None:
    found = forest_pairs(np.tile(clustered(60)[:1], (2000, 1)), at_least=0.95, most=50)
    assert (len(found), found.floor > 0.999) == (50, True)


def test_equal_rows_are_pairs_at_the_highest_similarity() -> None:
    vectors = clustered(2000, seed=3)
    vectors[1000:1200] = vectors[:200]
    found = forest_pairs(vectors, at_least=1.0 - 3e-7)  # their own product may round to less than 1
    together = set(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert together >= {(row, 1000 + row) for row in range(200)}
