"""All pairs of vectors that are at least so much alike: unit vectors enter, pairs of rows leave, none missed.

Vectors are first written in fewer directions, the strongest of the set, and what is lost is kept as one
length a row. Two rows cannot be more alike than the product of their short forms plus that of their lost
lengths, so a pair below that is out for certain; the few others are compared in full. Memory is bounded by
the short forms, a block, and the number of pairs that are asked for. What pairs mean is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.similarity import cosine, run_blocks
from lookalike.records import Floats, Progress

Rows = NDArray[np.int64]

_SAMPLE = 4096  # rows that choose the directions
_LOST = 0.12  # of the squared length may be lost in the mean: it is what the bound is too high by
_STEP = 16  # the number of directions is a multiple of this
_COLUMNS = 4096  # compared with a block of rows at once
_DENSE = 1 / 50  # share of a block beyond which comparing all of it in full is cheaper than pair by pair
_PAIRS = 4096  # compared in full at once
_ROUNDING = 1e-4  # more than float32 sums of products of unit vectors can be off


@dataclass(frozen=True, slots=True)
class AlikePairs:
    """Pairs of rows, the most alike first, equal ones by rows.

    Attributes:
        first, second: [m] int64 rows, first < second.
        similarities: [m] float32 cosine.
        floor: every pair at or above this is here: what was asked for, or more where there were too many;
            above 1 where the pairs of similarity 1 alone were too many.
    """

    first: Rows
    second: Rows
    similarities: Floats
    floor: float

    def __len__(self) -> int:
        return len(self.first)


def alike_pairs(
    vectors: Floats, *, at_least: float, most: int, progress: Progress | None = None
) -> AlikePairs:
    """Find all pairs of rows whose similarity is at least a given one.

    Args:
        vectors: [n, d] float32, rows of unit length.
        at_least: cosine, in (0, 1].
        most: pairs that are kept, >= 1. Where there are more, the most alike are, and `floor` says from
            where on none is missing; of equally alike ones below it, some are.
        progress: called with (rows done, rows).
    """
    kept = _Kept(most, at_least)
    short = _shortened(vectors) if len(vectors) else vectors

    def work(block: slice) -> list[tuple[Rows, Rows, Floats]]:
        parts = []
        for start in range(block.start, len(vectors) if kept.floor <= 1 else 0, _COLUMNS):
            columns = slice(start, min(start + _COLUMNS, len(vectors)))
            parts.append(_pairs_of_block(vectors, short, block, columns, at_least=kept.floor))
        return parts

    def take(parts: list[tuple[Rows, Rows, Floats]]) -> None:
        for part in parts:
            kept.add(*part)

    run_blocks(work, len(vectors), row_bytes=_COLUMNS * 16, take=take, progress=progress)
    return kept.all()


def across_pairs(
    vectors: Floats,
    some: Rows,
    others: Rows,
    *,
    at_least: float,
    most: int,
    progress: Progress | None = None,
) -> AlikePairs:
    """Find all pairs of one of some rows with one of others whose similarity is at least a given one.

    Args:
        vectors: [n, d] float32, rows of unit length.
        some, others: rows, none of them in both.
        at_least, most, progress: as of `alike_pairs`; progress counts `some`.
    """
    kept = _Kept(most, at_least)

    def work(block: slice) -> list[tuple[Rows, Rows, Floats]]:
        parts = []
        for start in range(0, len(others) if kept.floor <= 1 else 0, _COLUMNS):
            columns = others[start : start + _COLUMNS]
            near = vectors[some[block]] @ vectors[columns].T >= kept.floor - _ROUNDING
            first, second = np.nonzero(near)
            parts.append(_compared(vectors, some[block][first], columns[second], at_least=kept.floor))
        return parts

    def take(parts: list[tuple[Rows, Rows, Floats]]) -> None:
        for part in parts:
            kept.add(*part)

    run_blocks(work, len(some), row_bytes=_COLUMNS * 16, take=take, progress=progress)
    return kept.all()


class _Kept:
    """The pairs found so far; where they become too many, the floor rises."""

    def __init__(self, most: int, floor: float) -> None:
        self.most, self.floor = most, floor
        self._parts: list[tuple[Rows, Rows, Floats]] = []
        self._count = 0

    def add(self, first: Rows, second: Rows, similarities: Floats) -> None:
        self._parts.append((first, second, similarities))
        self._count += len(first)
        if self._count > 2 * self.most:
            self._cut()

    def all(self) -> AlikePairs:
        if self._count > self.most:
            self._cut()
        return AlikePairs(*self._ranked(), self.floor)

    def _cut(self) -> None:
        first, second, similarities = self._ranked()
        above = float(np.nextafter(similarities[self.most], np.float32(2)))
        self.floor = max(self.floor, above)  # a block that was begun below it may add pairs that lie lower
        self._parts = [(first[: self.most], second[: self.most], similarities[: self.most])]
        self._count = self.most

    def _ranked(self) -> tuple[Rows, Rows, Floats]:
        first, second, similarities = self._joined()
        order = np.lexsort((second, first, -similarities))
        return first[order], second[order], similarities[order]

    def _joined(self) -> tuple[Rows, Rows, Floats]:
        empty = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)
        first, second, similarities = zip(empty, *self._parts, strict=True)
        return np.concatenate(first), np.concatenate(second), np.concatenate(similarities)


def _shortened(vectors: Floats) -> Floats:
    """[n, k + 1] whose products are never below the similarities, up to rounding; or the vectors themselves.

    Directions are the eigenvectors of the second moments of some of the rows; that they are orthonormal is
    all that the bound needs. The last column is the length of what they leave out.
    """
    some = vectors[:: max(1, len(vectors) // _SAMPLE)].astype(np.float64)
    powers, directions = np.linalg.eigh(some.T @ some / len(some))
    explained = np.cumsum(powers[::-1])
    wanted = int(np.searchsorted(explained, (1 - _LOST) * explained[-1])) + 1
    count = -(-wanted // _STEP) * _STEP
    if 2 * count >= vectors.shape[1]:
        return vectors
    basis = directions[:, ::-1][:, :count].astype(np.float32)
    short = np.empty((len(vectors), count + 1), np.float32)
    np.matmul(vectors, basis, out=short[:, :count])
    lengths = np.einsum("ij,ij->i", short[:, :count], short[:, :count])
    short[:, count] = np.sqrt(np.maximum(1.0 - lengths, 0.0) + _ROUNDING / 4)
    return short


def _pairs_of_block(
    vectors: Floats, short: Floats, block: slice, columns: slice, *, at_least: float
) -> tuple[Rows, Rows, Floats]:
    """The pairs of a block of rows with a block of the same or later rows."""
    limit = at_least - _ROUNDING
    near = short[block] @ short[columns].T >= limit
    if np.count_nonzero(near) > _DENSE * near.size and short is not vectors:
        near = vectors[block] @ vectors[columns].T >= limit
    first, second = np.divmod(np.flatnonzero(near), near.shape[1])
    first, second = first + block.start, second + columns.start
    later = first < second
    first, second = first[later], second[later]
    return _compared(vectors, first, second, at_least=at_least)


def _compared(vectors: Floats, one: Rows, other: Rows, *, at_least: float) -> tuple[Rows, Rows, Floats]:
    """Those of some pairs that are alike enough, first < second."""
    first, second = np.minimum(one, other), np.maximum(one, other)
    parts = [
        cosine(vectors[first[start : start + _PAIRS]], vectors[second[start : start + _PAIRS]])
        for start in range(0, len(first), _PAIRS)
    ]
    similarities = np.concatenate(parts) if parts else np.zeros(0, np.float32)
    enough = similarities >= at_least
    return first[enough], second[enough], similarities[enough]
