"""Re-ranking against the formulas of the papers, written down a second time with loops and sets."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.errors import LookalikeError
from lookalike.hits import Rerank
from lookalike.records import Floats
from lookalike.reranking import (
    averaging_scores,
    expansion_scores,
    reciprocal_scores,
    rerank_named,
    scores,
)


def drawn(count: int, *, dim: int = 5, seed: int = 0) -> tuple[Floats, Floats]:
    """A query and candidates around it, the most alike first."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(count + 1, dim)) + 0.8
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    query, others = rows[0], rows[1:]
    return query, others[np.argsort(-(others @ query), kind="stable")]


def unit(values: list[float]) -> list[float]:
    length = math.sqrt(sum(value * value for value in values))
    return [value / length for value in values]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def joined_with(own: list[float], others: list[list[float]], alpha: float) -> list[float]:
    total = list(own)
    for other in others:
        alike = dot(own, other)
        weight = alike**alpha if alike > 0 else 0.0
        total = [value + weight * more for value, more in zip(total, other, strict=True)]
    return unit(total)


def slow_expansion(query: list[float], rows: list[list[float]], joined: int, alpha: float) -> list[float]:
    expanded = joined_with(query, rows[:joined], alpha)
    return [dot(expanded, row) for row in rows]


def slow_averaging(query: list[float], rows: list[list[float]], mates: int, alpha: float) -> list[float]:
    found = []
    for place, row in enumerate(rows):
        others = sorted((n for n in range(len(rows)) if n != place), key=lambda n: (-dot(row, rows[n]), n))
        found.append(dot(query, joined_with(row, [rows[n] for n in others[:mates]], alpha)))
    return found


def slow_reciprocal(query: list[float], rows: list[list[float]], k1: int, k2: int, own: float) -> list[float]:
    """Zhong et al., equations 3 to 12, with sets."""
    every = [query, *rows]
    count = len(every)
    apart = [[max(1.0 - dot(a, b), 0.0) for b in every] for a in every]
    apart = [[value / max(row) for value in row] for row in apart]
    order = [
        sorted(range(count), key=lambda n, i=i: (n != i, -dot(every[i], every[n]), n))  # type: ignore[misc]
        for i in range(count)
    ]

    def mutual(i: int, k: int) -> set[int]:
        return {n for n in order[i][: k + 1] if i in order[n][: k + 1]}

    encoded = []
    for i in range(count):
        members = mutual(i, k1)
        grown = set(members)
        for candidate in members:
            half = mutual(candidate, (k1 + 1) // 2)
            if len(members & half) > 2 / 3 * len(half):
                grown |= half
        weights = {n: math.exp(-apart[i][n]) for n in grown}
        encoded.append({n: weight / sum(weights.values()) for n, weight in weights.items()})
    averaged = [
        [sum(encoded[n].get(j, 0.0) for n in order[i][:k2]) / min(k2, count) for j in range(count)]
        for i in range(count)
    ]
    found = []
    for i in range(1, count):
        least = sum(map(min, averaged[0], averaged[i]))
        most = sum(map(max, averaged[0], averaged[i]))
        found.append(-((1 - own) * (1 - least / most) + own * apart[0][i]))
    return found


def plain(vectors: Floats) -> list[list[float]]:
    rows: list[list[float]] = vectors.astype(np.float64).tolist()
    return rows


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("joined", "alpha"), [(1, 3.0), (4, 0.0), (50, 2.5)])
def test_expansion_is_the_formula(seed: int, joined: int, alpha: float) -> None:
    query, candidates = drawn(12, seed=seed)
    wanted = slow_expansion(plain(query[None])[0], plain(candidates), joined, alpha)
    assert expansion_scores(query, candidates, joined=joined, alpha=alpha) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("mates", "alpha"), [(1, 3.0), (4, 0.0), (50, 2.5)])
def test_averaging_is_the_formula(seed: int, mates: int, alpha: float) -> None:
    query, candidates = drawn(12, seed=seed)
    wanted = slow_averaging(plain(query[None])[0], plain(candidates), mates, alpha)
    assert averaging_scores(query, candidates, mates=mates, alpha=alpha) == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("k1", "k2", "own"), [(1, 1, 0.3), (4, 2, 0.3), (5, 3, 0.0), (20, 6, 0.7)])
def test_reciprocal_is_the_formula(seed: int, k1: int, k2: int, own: float) -> None:
    query, candidates = drawn(15, seed=seed)
    wanted = slow_reciprocal(plain(query[None])[0], plain(candidates), k1, k2, own)
    assert reciprocal_scores(query, candidates, k1=k1, k2=k2, own=own) == pytest.approx(wanted, abs=1e-9)


@given(st.integers(1, 30), st.integers(0, 10**6), st.sampled_from(list(Rerank)))
@settings(max_examples=60, deadline=None)
def test_scores_are_finite_whatever_comes(count: int, seed: int, by: Rerank) -> None:
    query, candidates = drawn(count, dim=2, seed=seed)
    candidates[count // 2 :] = query  # copies of the query, and of each other
    found = scores(query, candidates, by=by)
    assert found.shape == (count,)
    assert np.isfinite(found).all()


def test_candidates_that_cancel_out_have_a_score_all_the_same() -> None:
    query = np.array([1, 0], np.float32)
    candidates = np.array([[0, 1], [0, -1]], np.float32)
    for by in Rerank:
        assert np.isfinite(scores(query, candidates, by=by)).all()


def test_a_thing_seen_from_afar_is_brought_near_by_what_lies_between() -> None:
    """The query, a near view and a far view of one thing; a stranger is nearer than the far view."""
    degrees = {"near": 30, "stranger": -50, "far": 55}
    angles = np.deg2rad(list(degrees.values()))
    candidates = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    query = np.array([1, 0], np.float32)
    found = expansion_scores(query, candidates, joined=1, alpha=1.0)
    assert found[2] > found[1]


def test_ways_are_named() -> None:
    assert rerank_named(None) is None
    assert rerank_named("alpha-qe") is Rerank.ALPHA_QE
    assert rerank_named(Rerank.AVERAGING) is Rerank.AVERAGING
    with pytest.raises(LookalikeError) as error:
        rerank_named("better")
    assert str(error.value) == (
        "there is no such way of re-ranking - rerank - saw better, "
        "wanted alpha-qe, k-reciprocal, averaging - name one of them, or leave it out"
    )
