"""Pairs of vectors that are alike, among many: unit vectors enter, nearly all of their alike pairs leave.

Rows are split among a few of them, drawn by lot, each going to the one it is most alike; the parts are split
again until they are small, and within a small part all pairs are compared. Alike rows mostly go the same way,
and where a split parts them, one of several such trees does not. A tree costs n log n, memory n. What is
missed is measured by the benchmark; for sets that can be compared in full there is `alike`.

Reference:
    Dasgupta and Freund, Random projection trees and low dimensional manifolds, STOC 2008, with rows in place
    of random directions.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lookalike.checkups.alike import AlikePairs
from lookalike.judging.similarity import cosine, plain_products
from lookalike.models.embedding import map_in_order
from lookalike.records import Floats, Progress

Rows = NDArray[np.int64]

TREES = 16
NEAREST = 16  # pairs that a row may bring from one tree, the most alike

_LEAF = 512  # rows that are compared in full
_FIRST, _WAYS = 64, 32  # parts of the whole, and of a part
_STEP = 8192  # rows that are looked at at once
_ROUNDING = 1e-6  # of a product; what is found is judged once more, exactly
_EVEN = 0.9  # of a part that goes one way: nothing parts it, it is cut by its order


def forest_pairs(
    vectors: Floats,
    *,
    at_least: float,
    most: int | None = None,
    trees: int = TREES,
    nearest: int = NEAREST,
    seed: int = 0,
    progress: Progress | None = None,
) -> AlikePairs:
    """Find nearly all pairs of rows whose similarity is at least a given one.

    Args:
        vectors: [n, d] float32, rows of unit length.
        at_least: cosine, in (0, 1].
        most: pairs that are kept, as of `alike_pairs`; None: all.
        trees: more of them miss less and take longer, both in proportion.
        nearest: of a part in which there are more than this many pairs a row, the most alike of each row
            are taken.
        progress: called with (rows done in all trees, rows of all trees).

    Returns:
        Pairs whose `floor` is `at_least`, or more where there were too many, though a few below 1 may be
        missing.
    """
    count = len(vectors)
    codes, floor = np.zeros(0, np.int64), at_least
    for tree in range(trees):
        parts = [codes]
        for rows, found in _tree(vectors, (seed, tree), floor, nearest):
            parts += [first * count + second for first, second in found]
            if progress is not None:
                progress(tree * count + rows, trees * count)
        codes = np.unique(np.concatenate(parts))
        if most is not None and len(codes) > (most if tree == trees - 1 else 2 * most):
            ranked = _ranked(vectors, codes, at_least)
            if len(ranked) > most:
                floor = max(floor, float(np.nextafter(ranked.similarities[most], np.float32(2))))
            codes = np.sort(ranked.first[:most] * count + ranked.second[:most])
        if floor > 1:
            break  # no pair can be more alike
    return _ranked(vectors, codes, at_least, floor)


def _tree(
    vectors: Floats, seeds: tuple[int, ...], at_least: float, nearest: int
) -> Iterator[tuple[int, list[tuple[Rows, Rows]]]]:
    """Rows done so far, and the pairs of one more part of the whole."""
    cells = _split(vectors, np.arange(len(vectors)), ways=_FIRST, rng=np.random.default_rng([*seeds, 0]))

    def work(number: int) -> list[tuple[Rows, Rows]]:
        rng = np.random.default_rng([*seeds, number + 1])
        rows = cells[number]
        own = vectors[rows]  # side by side: what follows looks at them many times
        leaves = _leaves(own, np.arange(len(rows)), rng)
        found = [_pairs_within(own[leaf], leaf, at_least, nearest) for leaf in leaves]
        return [(rows[first], rows[second]) for first, second in found]

    done = 0
    with plain_products():
        for cell, found in zip(cells, map_in_order(work, range(len(cells))), strict=True):
            done += len(cell)
            yield done, found


def _split(vectors: Floats, rows: Rows, *, ways: int, rng: np.random.Generator) -> list[Rows]:
    """The rows by which of a few of them they are most alike, or by their order where that parts nothing."""
    if len(rows) <= _LEAF:
        return [rows]
    pivots = vectors[rng.choice(rows, min(ways, 2 * len(rows) // _LEAF + 1), replace=False)].T
    nearest = np.empty(len(rows), np.uint8)  # sorted in a fraction of the time that wider numbers take
    for start in range(0, len(rows), _STEP):
        part = slice(start, start + _STEP)
        nearest[part] = np.argmax(vectors[rows[part]] @ pivots, axis=1)
    counts = np.bincount(nearest)
    if counts.max() > _EVEN * len(rows):
        return np.array_split(rows, -(-len(rows) // _LEAF))
    sorted_rows = rows[np.argsort(nearest, kind="stable")]
    return [part for part in np.split(sorted_rows, np.cumsum(counts)[:-1]) if len(part)]


def _leaves(vectors: Floats, rows: Rows, rng: np.random.Generator) -> Iterator[Rows]:
    waiting = [rows]
    while waiting:
        part = waiting.pop()
        if len(part) <= _LEAF:
            yield part
        else:
            waiting += _split(vectors, part, ways=_WAYS, rng=rng)


def _pairs_within(own: Floats, rows: Rows, at_least: float, nearest: int) -> tuple[Rows, Rows]:
    """The pairs of a small part, first < second as `rows` rise; of too many the most alike of each row."""
    products = own @ own.T
    near = products >= at_least - _ROUNDING
    if np.count_nonzero(near) > (nearest + 1) * len(rows):  # each is near to itself
        np.fill_diagonal(products, -1.0)
        kept = np.argpartition(-products, min(nearest, len(rows) - 1), axis=1)[:, :nearest]
        chosen = np.zeros_like(near)
        np.put_along_axis(chosen, kept, values=True, axis=1)
        near &= chosen | chosen.T
    first, second = np.divmod(np.flatnonzero(near), len(rows))
    once = first < second
    return rows[first[once]], rows[second[once]]


def _ranked(vectors: Floats, codes: Rows, at_least: float, floor: float | None = None) -> AlikePairs:
    first, second = np.divmod(codes, max(len(vectors), 1))
    similarities = np.empty(len(codes), np.float32)
    for start in range(0, len(codes), _STEP):
        part = slice(start, start + _STEP)
        similarities[part] = cosine(vectors[first[part]], vectors[second[part]])
    order = np.lexsort((second, first, -similarities))
    order = order[similarities[order] >= at_least]
    return AlikePairs(first[order], second[order], similarities[order], at_least if floor is None else floor)
