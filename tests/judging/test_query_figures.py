"""Figures of single queries from ranks, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lookalike.judging.exact_rows import Ranked, no_neighbours
from lookalike.judging.query_figures import Figures, rank_means
from lookalike.judging.relevance import RightItems


def ranked(*ranks: list[int], gains: list[float] | None = None) -> Ranked:
    starts = np.concatenate([[0], np.cumsum([len(of) for of in ranks])])
    every = np.array([rank for of in ranks for rank in of], dtype=np.int64)
    right = RightItems(starts, np.arange(len(every)), None if gains is None else np.array(gains))
    return Ranked(right, right, every, *no_neighbours(len(ranks), 0))


def test_figures_by_hand() -> None:
    figures = Figures.asked((1, 3), None)
    found = dict(zip(figures.names, figures.of(ranked([1, 3, 10], [], [2])).T, strict=True))
    expected: dict[str, list[float]] = {
        "recall@1": [1, 0],
        "recall@3": [1, 1],
        "precision@1": [1, 0],
        "precision@3": [2 / 3, 1 / 3],
        "ap@1": [1, 0],
        "ap@3": [(1 + 2 / 3) / 3, 1 / 2],
        "ndcg@1": [1, 0],
        "ndcg@3": [1.5 / (1 + 1 / np.log2(3) + 0.5), 1 / np.log2(3)],
        "map": [(1 + 2 / 3 + 3 / 10) / 3, 1 / 2],
        "r_precision": [2 / 3, 0],
        "map@r": [(1 + 2 / 3) / 3, 0],
        "mrr": [1, 1 / 2],
    }
    assert list(found) == list(expected)
    for name, values in expected.items():
        assert found[name].tolist() == pytest.approx([values[0], np.nan, values[1]], nan_ok=True), name
    first, mean = rank_means(ranked([1, 3, 10], [], [2]))
    assert first.tolist() == pytest.approx([1, np.nan, 2], nan_ok=True)
    assert mean.tolist() == pytest.approx([14 / 3, np.nan, 2], nan_ok=True)


def test_gains_by_hand() -> None:
    (value,) = Figures.asked((3,), ["ndcg@3"]).of(ranked([2, 3, 9], gains=[1.0, 0.5, 3.0]))[:, 0]
    log = np.log2
    assert value == pytest.approx((1 / log(3) + 0.5 / 2) / (3 + 1 / log(3) + 0.5 / 2))


def test_a_perfect_order_is_one_to_the_last_bit() -> None:
    figures = Figures.asked((1, 7, 100), None)
    values = figures.of(ranked(list(range(1, 201)), list(range(1, 101))))
    names = [name for name in figures.names if not name.startswith("precision")]
    assert {values[row, figures.names.index(name)] for name in names for row in (0, 1)} == {1.0}


@pytest.mark.parametrize(
    ("names", "depth"),
    [
        (None, None),
        (["map"], None),
        (["mrr", "map@r"], None),
        (["map@r", "recall@1"], 8),
        (["r_precision"], 8),
    ],
)
def test_only_some_figures_need_every_rank(names: list[str] | None, depth: int | None) -> None:
    assert Figures.asked((1, 8), names).depth == depth
