"""Every query against the gallery with and without its class, by loops over exact similarities."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging import similarity
from lookalike.judging.strangers import STEPS, AskedTwice, ask_twice
from lookalike.records import Floats
from vectors_for_judging import clusters, exact_similarities

Ints = NDArray[np.int64]


def by_hand(
    vectors: Floats, labels: Ints, queries: Ints, gallery: Ints, excluded: Ints, k: int
) -> tuple[list[list[float]], list[list[float]], list[int]]:
    """Similarities to the k nearest of the own class and of the others, and how many others there are."""
    similar = np.floor(exact_similarities(vectors, vectors) * STEPS) / STEPS
    codes = excluded.reshape(len(excluded), -1)
    own: list[list[float]] = []
    others: list[list[float]] = []
    met: list[int] = []
    for query in queries:
        there = [row for row in gallery if not np.any(codes[row] == codes[query])]
        for part, is_own in ((own, True), (others, False)):
            rows = [row for row in there if (labels[row] == labels[query]) == is_own]
            values = sorted(similar[query, row] for row in rows)[::-1]
            part.append([*values[:k], *[-np.inf] * (k - len(values))])
        met.append(sum(labels[row] != labels[query] for row in there))
    return own, others, met


def check(asked: AskedTwice, expected: tuple[list[list[float]], list[list[float]], list[int]]) -> None:
    assert np.array_equal(asked.own, expected[0])
    assert np.array_equal(asked.others, expected[1])
    assert np.array_equal(asked.others_met, expected[2])


@pytest.mark.parametrize("k", [1, 2, 5, 70])
def test_nearest_of_either_kind_are_those_of_a_loop(k: int) -> None:
    vectors, labels = clusters(9, 7, noise=0.9, dims=6, seed=1)
    labels[labels == 3] = np.where(np.arange((labels == 3).sum()) == 0, 3, 4)  # one class of one picture
    every = np.arange(63)
    asked = ask_twice(vectors, labels, k=k)
    check(asked, by_hand(vectors, labels, every, every, every, k))
    assert [asked.names[code] for code in asked.classes] == labels.tolist()
    assert asked.images == 63


@pytest.mark.parametrize("k", [1, 3])
def test_roles_and_exclusions_are_kept(k: int) -> None:
    vectors, labels = clusters(6, 8, noise=0.9, dims=5, seed=2)
    rng = np.random.default_rng(0)
    queries, gallery = np.sort(rng.permutation(48)[:20]), rng.permutation(48)[:35]
    excluded = np.column_stack([np.arange(48), rng.integers(0, 12, 48)])
    asked = ask_twice(vectors, labels, queries=queries, gallery=gallery, excluded=excluded, k=k)
    check(asked, by_hand(vectors, labels, queries, gallery, excluded, k))
    assert asked.images == len({*queries.tolist(), *gallery.tolist()})


def test_rows_and_classes_are_those_of_the_similarities() -> None:
    vectors, labels = clusters(5, 6, noise=0.9, dims=5, seed=3)
    names = np.array([f"thing {label}" for label in labels])
    asked = ask_twice(vectors, names, k=4)
    exact = exact_similarities(vectors, vectors)
    for query in range(30):
        rows = asked.others_rows[query]
        assert np.allclose(exact[query, rows], asked.others[query], atol=2 / STEPS)
        assert [asked.names[code] for code in asked.others_classes[query]] == names[rows].tolist()
        assert names[query] not in names[rows]


def test_equals_come_by_class_then_by_row_and_where_there_are_none_nobody() -> None:
    vectors = np.tile(np.array([1, 0], np.float32), (5, 1))
    asked = ask_twice(vectors, np.array(["b", "a", "b", "a", "c"]), k=6)
    assert asked.others_rows.tolist() == [
        [1, 3, 4, -1, -1, -1],
        [0, 2, 4, -1, -1, -1],
        [1, 3, 4, -1, -1, -1],
        [0, 2, 4, -1, -1, -1],
        [1, 3, 0, 2, -1, -1],
    ]
    assert (asked.others_classes[:, -1] == -1).all()
    assert np.isneginf(asked.own[4]).all()


def test_blocks_and_progress_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = clusters(8, 9, noise=0.9, dims=5, seed=4)
    whole = ask_twice(vectors, labels, k=3)
    monkeypatch.setattr(similarity, "_MOST_ROWS", 7)
    told: list[tuple[int, int]] = []
    parts = ask_twice(vectors, labels, k=3, progress=lambda done, total: told.append((done, total)))
    for name in ("own", "others", "others_classes", "others_rows", "classes", "others_met"):
        assert np.array_equal(getattr(whole, name), getattr(parts, name))
    assert told[-1] == (72, 72)
    assert len(told) == 11


@pytest.mark.parametrize(
    ("labels", "gallery", "saw"),
    [
        (np.zeros(6, np.int64), None, "a gallery of 6 pictures of 1 class"),
        (np.arange(6), np.array([2]), "a gallery of 1 pictures of 1 class"),
        (np.arange(6), np.array([], np.int64), "a gallery of 0 pictures of 0 class"),
    ],
)
def test_one_class_has_no_strangers(labels: Ints, gallery: Ints | None, saw: str) -> None:
    with pytest.raises(
        EvaluationError, match=f"nobody can be a stranger - labels - saw {saw}, wanted at least"
    ):
        ask_twice(np.eye(6, dtype=np.float32), labels, gallery=gallery)


def test_vectors_and_codes_are_checked() -> None:
    with pytest.raises(EvaluationError, match="not of unit length"):
        ask_twice(np.ones((3, 4), np.float32), np.arange(3))
    with pytest.raises(EvaluationError, match="identity codes and vectors do not match"):
        ask_twice(np.eye(3, dtype=np.float32), np.arange(3), excluded=np.arange(2))
