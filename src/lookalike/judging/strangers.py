"""Every labelled picture asked twice: with its own class in the gallery, and as a stranger without it.

Unit vectors and labels enter; how alike each query is to the nearest pictures of its own class and of all
other classes leaves, from one pass over the similarities. With its class a query finds the best of both
lists; without it, what the second list says: every class is left out of the gallery once, exactly. What a
query is taken for, and from which similarity on, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging.similarity import (
    GAP,
    LEFT_OUT,
    Doubles,
    Identities,
    Ints,
    check_identity,
    check_vectors,
    class_codes,
    compare,
    left_factor,
    right_factor,
    run_blocks,
)
from lookalike.records import Floats, Labels, Progress

STEPS = 2**20  # of similarity, as in retrieval; what is nearer to each other than that may tie
_OFFSET = 1.0 + GAP  # makes all codes positive
_NOBODY = -1


@dataclass(frozen=True)
class AskedTwice:
    """The nearest pictures of q queries in a gallery of g, in their own class and in the others.

    Attributes:
        own: [q, k] float64, similarities to the nearest pictures of the query's class, falling, rounded down
            to steps of 2^-20; -inf where the class has fewer in the query's gallery.
        others: [q, k] the same for all other classes together; equals by class, then by row.
        others_classes: [q, k] int64, whose pictures those are; -1 where there are fewer.
        others_rows: [q, k] int64, which rows of the set they are; -1 where there are fewer.
        classes: [q] int64, the query's class.
        others_met: [q] int64, pictures of other classes that the query was compared with.
        names: the label of each class.
        images: pictures that ask or answer.
    """

    own: Doubles
    others: Doubles
    others_classes: Ints
    others_rows: Ints
    classes: Ints
    others_met: Ints
    names: tuple[Any, ...]
    images: int


@dataclass(frozen=True)
class _Gallery:
    """The pictures that answer, class by class, so that a class is a slice of every row of similarities."""

    factor: Doubles
    rows: Ints
    classes: Ints
    bounds: Ints
    identities: Identities | None


def ask_twice(
    vectors: Floats,
    labels: Labels,
    *,
    queries: Ints | None = None,
    gallery: Ints | None = None,
    excluded: Ints | None = None,
    k: int = 1,
    progress: Progress | None = None,
) -> AskedTwice:
    """Find the nearest pictures of every query, those of its own class and those of all others apart.

    >>> z = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    >>> asked = ask_twice(z, np.array(["cup", "cup", "hat"]))
    >>> asked.own[:, 0].round(2), asked.others[:, 0].round(2)
    (array([ 0.8,  0.8, -inf]), array([0.6 , 0.96, 0.96]))

    As a known thing the second cup finds the hat (0.96 before 0.8); the hat can only be a stranger.

    Args:
        vectors, labels: [n, d] float32, rows of unit length, and [n] of any type.
        queries, gallery: rows that ask and rows that answer; None: all.
        excluded: [n] or [n, e] int64; rows that share a code (a picture, a content, a group) are no answers
            to each other. None: only a picture itself is left out.
        k: how many pictures to keep of either kind, >= 1.
        progress: called with (queries done, queries).

    Raises:
        EvaluationError: vectors that are not finite rows of unit length, or a gallery of one class.
    """
    check_vectors(vectors, labels)
    check_identity(excluded, len(vectors))
    every = np.arange(len(vectors))
    excluded = every if excluded is None else excluded
    queries, gallery = (every if rows is None else rows for rows in (queries, gallery))
    (codes,) = class_codes(labels)
    _check_classes(codes[gallery])
    asked = queries[np.argsort(codes[queries], kind="stable")]  # class by class, as the gallery stands
    found = _Found.empty(len(vectors), k)
    items = _prepare(vectors, codes, gallery, excluded)

    def ask(block: slice) -> None:
        rows = asked[block]
        left = left_factor(vectors[rows], steps=STEPS, offset=_OFFSET)
        similar = compare(left, items.factor, np.int64 if k > 1 else np.int32)
        if items.identities is not None:
            items.identities.leave_out(similar, excluded[rows])
        _take(similar, rows, codes[rows], items, found, k)

    run_blocks(ask, len(asked), row_bytes=(24 if k > 1 else 12) * len(gallery), progress=progress)
    return found.of(queries, codes, labels, images=len(np.union1d(queries, gallery)))


@dataclass(frozen=True)
class _Found:
    """What is filled in block by block, for the rows of the set: codes of similarities, LEFT_OUT for none."""

    own: Ints
    others: Ints
    classes: Ints
    rows: Ints
    met: Ints

    @classmethod
    def empty(cls, rows: int, k: int) -> _Found:
        own, others = (np.full((rows, k), LEFT_OUT, np.int64) for _ in range(2))
        classes, places = (np.full((rows, k), _NOBODY, np.int64) for _ in range(2))
        return cls(own, others, classes, places, np.zeros(rows, np.int64))

    def of(self, queries: Ints, codes: Ints, labels: Labels, *, images: int) -> AskedTwice:
        names = np.asarray(labels)[np.unique(codes, return_index=True)[1]].tolist()
        return AskedTwice(
            own=_similarities(self.own[queries]),
            others=_similarities(self.others[queries]),
            others_classes=self.classes[queries],
            others_rows=self.rows[queries],
            classes=codes[queries],
            others_met=self.met[queries],
            names=tuple(names),
            images=images,
        )


def _prepare(vectors: Floats, codes: Ints, gallery: Ints, excluded: Ints) -> _Gallery:
    rows = gallery[np.argsort(codes[gallery], kind="stable")]
    return _Gallery(
        factor=right_factor(vectors[rows]),
        rows=rows,
        classes=codes[rows],
        bounds=np.searchsorted(codes[rows], np.arange(int(codes.max()) + 2)),
        identities=Identities.of(excluded[rows]),
    )


def _take(similar: NDArray[Any], rows: Ints, codes: Ints, items: _Gallery, found: _Found, k: int) -> None:
    """Keep the k best of a block, [b, g], in each query's class and then outside of it; changes the block."""
    for code, part in _runs(codes):
        own = similar[part, items.bounds[code] : items.bounds[code + 1]]
        best = _falling(own, k)
        found.own[rows[part], : best.shape[1]] = best
        own[...] = LEFT_OUT
    found.met[rows] = np.count_nonzero(similar != LEFT_OUT, axis=1)
    places = _nearest(similar, k)
    best = np.take_along_axis(similar, places, axis=1)
    there = best != LEFT_OUT
    columns = slice(0, places.shape[1])
    found.others[rows, columns] = best
    found.classes[rows, columns] = np.where(there, items.classes[places], _NOBODY)
    found.rows[rows, columns] = np.where(there, items.rows[places], _NOBODY)


def _runs(codes: Ints) -> Iterator[tuple[int, slice]]:
    """The classes of a block and where their rows stand; they stand together."""
    starts = np.flatnonzero(np.diff(codes, prepend=_NOBODY))
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(codes)], strict=True):
        yield int(codes[start]), slice(start, stop)


def _falling(values: NDArray[Any], k: int) -> NDArray[Any]:
    """The k largest of each row, falling; fewer where there are fewer columns."""
    if values.shape[1] > k:
        values = np.partition(values, values.shape[1] - k, axis=1)[:, -k:]
    return np.sort(values, axis=1)[:, ::-1]


def _nearest(similar: NDArray[Any], k: int) -> Ints:
    """Columns of the k largest of each row, falling, equals by column; [b, min(k, g)]."""
    if k == 1:
        return np.asarray(similar.argmax(axis=1)[:, None])
    count = similar.shape[1]
    ranked = similar * count - np.arange(count)  # no two are equal
    best = _falling(ranked, k)
    columns: Ints = -best % count
    return columns


def _similarities(codes: Ints) -> Doubles:
    return np.where(codes == LEFT_OUT, -np.inf, codes / STEPS - _OFFSET)


def _check_classes(codes: Ints) -> None:
    if not len(codes) or codes.min() == codes.max():
        raise EvaluationError(
            "nobody can be a stranger",
            where="labels",
            saw=f"a gallery of {len(codes):,} pictures of {len(np.unique(codes))} class",
            wanted="at least two classes",
            do="give pictures of several things",
        )
