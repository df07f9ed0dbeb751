"""Labelled pictures of an index to be compared with each other: all of them, or a fair part of many.

An index enters; vectors with their labels leave, drawn by whole labels with a seed, or a problem that says
why there is nothing to compare. Nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lookalike.indexing.index import Index
from lookalike.indexing.labelled import items_labelled, label_counts
from lookalike.judging.similarity import Ints
from lookalike.records import Floats
from lookalike.serving.problems import Problem

MOST = 5000  # pictures that are compared with each other
MOST_OF_LABEL = 500  # of one label, where not all pictures can be
SEED = 0


@dataclass(frozen=True)
class Sample:
    """Labelled pictures that are compared.

    Attributes:
        ids: [n]; labels: [n] text; hashes: n content hashes; vectors: [n, d], rows of unit length.
        of: how many labelled pictures there are.
    """

    ids: Ints
    labels: np.ndarray[tuple[int], np.dtype[np.str_]]
    hashes: Sequence[bytes]
    vectors: Floats
    of: int

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def identity(self) -> Ints:
        """[n], one code for each content: copies of one file make no pair."""
        return np.unique(np.array(self.hashes, object), return_inverse=True)[1].astype(np.int64)


def draw(index: Index, *, most: int = MOST, most_of_label: int = MOST_OF_LABEL) -> tuple[Sample, int]:
    """The labelled pictures of an index, or of many a part by whole labels; and the index' generation.

    A label of which there is more than `most_of_label` is a part of itself then, so that several fit.

    Raises:
        Problem: no picture has a label, or no two have one, or all have the same.
    """
    store = index.store
    with store.reading():
        counts = label_counts(store)
        _check(counts)
        generator = np.random.default_rng(SEED)
        wanted = _drawn(counts, generator, most=most, most_of_label=most_of_label)
        rows = _rows(items_labelled(store, wanted), wanted, generator)
        ids = np.array([number for number, _, _ in rows], np.int64)
        vectors, generation = store.vectors_of_ids(ids), store.generation()
    labels = np.array([label for _, label, _ in rows], np.str_)
    hashes = [content for _, _, content in rows]
    return Sample(ids, labels, hashes, vectors, sum(counts.values())), generation


def nothing(message: str, hint: str) -> Problem:
    """There is nothing that a threshold could be looked at with."""
    return Problem(409, "no_pairs", message, hint)


def _drawn(
    counts: dict[str, int], generator: np.random.Generator, *, most: int, most_of_label: int
) -> dict[str, int]:
    """Of each label that is drawn how many pictures; the first of them occurs twice."""
    if sum(counts.values()) <= most:
        return counts
    every = list(counts)
    names = [every[place] for place in generator.permutation(len(every)).tolist()]
    twice = next(name for name in names if counts[name] > 1)
    wanted: dict[str, int] = {}
    left = most
    for name in dict.fromkeys([twice, *names]):
        count = min(counts[name], most_of_label)
        if count <= left:
            wanted[name] = count
            left -= count
    return wanted


def _rows(
    rows: list[tuple[int, str, bytes]], wanted: dict[str, int], generator: np.random.Generator
) -> list[tuple[int, str, bytes]]:
    """Those of the rows that are taken: all of a label, or as many as are wanted of it."""
    places: dict[str, list[int]] = {}
    for place, (_, label, _) in enumerate(rows):
        places.setdefault(label, []).append(place)
    taken = [
        place
        for label in sorted(places)
        for place in (
            places[label]
            if len(places[label]) <= wanted[label]
            else generator.choice(places[label], wanted[label], replace=False).tolist()
        )
    ]
    return [rows[place] for place in sorted(taken)]


def _check(counts: dict[str, int]) -> None:
    if not counts:
        raise nothing(
            "No picture of this index has a label, so nothing tells which pairs are the same.",
            "Put each thing's pictures in a folder of its own, or label them in a manifest, and index again.",
        )
    if max(counts.values()) < 2:
        raise nothing(
            "No two pictures of this index share a label, so there is no pair of the same thing.",
            "Label several pictures of a thing alike, and index again.",
        )
    if len(counts) < 2:
        raise nothing(
            "All labelled pictures of this index have the same label, so no pair is different.",
            "Label pictures of another thing too, and index again.",
        )
