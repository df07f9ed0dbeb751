"""Records between the stages: what does not find each other while a training is judged."""

from __future__ import annotations

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
