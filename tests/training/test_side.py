"""Records between the stages: what does not find each other while a training is judged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl

from lookalike.judging.metrics import retrieval
from lookalike.tables.table import ImageTable
from lookalike.training.side import Side
from vectors_for_judging import unit


def side(**columns: list[str | None]) -> Side:
    frame = pl.DataFrame({"image": list("abcdef"), "label": ["x", "x", "x", "y", "y", "y"], **columns})
    features = unit(np.random.default_rng(0).standard_normal((6, 4)))
    hashes = (b"0", b"0", b"2", b"3", b"4", b"5")
    return Side(ImageTable(Path("/data"), frame), np.array(frame["label"].to_list()), features, hashes, ())


def left_out(of: Side) -> set[str]:
    """Pairs of pictures that do not find each other."""
    found = retrieval(of.features, of.labels, identity=of.identity, neighbours=6)
    names = "abcdef"
    return {
        names[a] + names[b]
        for a in range(6)
        for b in range(a + 1, 6)
        if b not in found.neighbours[a].tolist()
    }


def test_copies_do_not_find_each_other() -> None:
    assert left_out(side()) == {"ab"}


def test_pictures_of_one_group_do_not_find_each_other() -> None:
    assert left_out(side(group=["g", None, None, "g", "h", "h"])) == {"ab", "ad", "ef"}


def test_two_queries_do_not_find_each_other() -> None:
    asked = side(role=["query", "gallery", None, "query", "gallery", None])
    assert left_out(asked) == {"ab", "ad", "be"}


def test_some_rows_keep_all_that_is_known_of_them() -> None:
    whole = side(group=["g", None, None, "g", "h", "h"])
    views = np.arange(6 * 2 * 4, dtype=np.float32).reshape(6, 2, 4)
    whole = replace(whole, views=views, categories=np.array(list("uuvvww")))
    some = whole.take(np.array([4, 0, 3]))
    assert some.table.frame["image"].to_list() == ["e", "a", "d"]
    assert (some.labels.tolist(), some.hashes) == (["y", "x", "y"], (b"4", b"0", b"3"))
    assert np.array_equal(some.features, np.stack([whole.features[row] for row in (4, 0, 3)]))
    assert some.views is not None
    assert some.views[:, 0, 0].tolist() == [32, 0, 24]
    assert some.categories is not None
    assert some.categories.tolist() == ["w", "u", "v"]
    assert left_out(whole.take(np.array([0, 1, 2, 3, 4, 5]))) == left_out(whole)
