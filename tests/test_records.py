from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from lookalike.records import SILENT, Embeddings, Match
from some_records import threshold


@pytest.mark.parametrize(
    ("vectors", "message"),
    [
        (np.eye(3, dtype=np.float64), "float32"),
        (np.ones(3, np.float32), r"\[n, d\]"),
        (np.eye(2, dtype=np.float32), "3 ids for 2 vectors"),
        (np.array([[1, 0], [0, 2], [1, 0]], np.float32), "vector 1 has length 2.0000"),
        (np.full((3, 2), np.nan, np.float32), "vector 0 has length nan"),
    ],
)
def test_embeddings_refuse_what_is_not_unit_rows(vectors: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Embeddings(np.array(["a", "b", "c"]), vectors)


@pytest.mark.parametrize(("ids", "twice"), [(["b", "a", "b"], "'b'"), ([3, 3, 1], "3")])
def test_embeddings_refuse_an_id_that_stands_twice(ids: list[object], twice: str) -> None:
    with pytest.raises(ValueError, match=f"ids must be unique, got {twice} twice"):
        Embeddings(np.array(ids), np.eye(3, dtype=np.float32))


def test_embeddings_keep_ids_with_rows() -> None:
    kept = Embeddings(np.array(["a", "b"]), np.eye(2, dtype=np.float32))
    assert len(kept) == 2


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (
            "precision=0.95",
            "at least 95% of matches are right (95% confidence, for things",
        ),
        ("false-match-rate=0.001", "at most 0.1% of different pairs match (95% confidence"),
        ("recall=0.9", "at least 90% of same pairs match (95% confidence, for things"),
        ("accuracy", "best accuracy: 98.9% of all pairs are told right (no promise beyond these pairs"),
        ("f1", "no promise beyond these pairs"),
    ],
)
def test_promise_says_what_it_rests_on(target: str, words: str) -> None:
    promise = threshold(target).promise
    assert words in promise
    assert "1,000 same and 50,000 different pairs of 320 val images of 40 classes" in promise


def test_a_promise_from_few_classes_says_so() -> None:
    few, many = (replace(threshold("precision=0.95"), classes=classes) for classes in (199, 200))
    assert "199 classes are few" in few.promise
    assert "are few" not in many.promise


@pytest.mark.parametrize(("similarity", "same"), [(0.69, False), (0.7, True), (0.71, True)])
def test_match_counts_equality_as_match(similarity: float, same: bool) -> None:
    assert Match(a="a", b="b", similarity=similarity, threshold=threshold("f1")).match is same


def test_silent_watcher_takes_everything() -> None:
    SILENT.say("anything")
    SILENT.stage("work")(1, 2)
