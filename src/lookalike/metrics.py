"""Retrieval figures: unit vectors and labels enter; figures and neighbours of every query leave.

Exact and in bounded memory: every query is compared with the whole gallery, block by block. Of items that
are equally alike the irrelevant ones rank first, so ties count against the system; similarities are compared
in steps of 2^-20, and items nearer to each other than that may tie. Intervals and figures over pairs are made
elsewhere, and nothing is averaged here except by `summarise`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.records import Floats, Labels, Progress
from lookalike.similarity import (
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

Codes = NDArray[np.int32]

STEPS = 2**20
_OFFSET = 1.0 + GAP  # added to every similarity, so that all codes are positive
_FEW = 48  # for up to so many relevant items counting is faster than sorting


@dataclass(frozen=True)
class Retrieval:
    """What every query found.

    >>> z = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], dtype=np.float32)
    >>> retrieval(z, np.array(["cup", "cup", "hat", "cup"])).values["map"].round(3)
    array([0.833, 0.583,   nan, 0.583])

    The first finds cups at ranks 1 and 3, (1/1 + 2/3) / 2; the others find the hat first, (1/2 + 2/3) / 2.
    With R relevant items at ranks r_1 < ... < r_R: recall@k = [r_1 <= k]; precision@k = #{r_i <= k} / k,
    also where the gallery has fewer than k items; map = mean of i / r_i; r_precision = #{r_i <= R} / R;
    map@r = (sum of i / r_i over r_i <= R) / R; mrr = 1 / r_1.

    Attributes:
        values: name to [q] float64 in [0, 1], higher is better, NaN for a query without a relevant item:
            recall@k and precision@k for each k, map, r_precision, map@r, mrr.
        relevant: [q] int64, R, without what is left out of the query's ranking.
        first_rank, mean_rank: [q] float64, >= 1, lower is better: of the best and of all relevant items.
        neighbours: [q, m] int64 gallery rows, most alike first; -1 where there are fewer than m.
        similarities: [q, m] float32 in [-1, 1], of the neighbours, to 1e-6; NaN where there are fewer.

    Reference:
        r_precision, map@r: Musgrave et al., A Metric Learning Reality Check, ECCV 2020 (arXiv:2003.08505);
        recall@k: the share of queries with a hit, as in Jegou et al., TPAMI 33(1), 2011.
    """

    values: dict[str, Doubles]
    relevant: Ints
    first_rank: Doubles
    mean_rank: Doubles
    neighbours: Ints
    similarities: Floats


@dataclass(frozen=True)
class _Side:
    """The queries, or the gallery, as given."""

    vectors: Floats
    labels: Labels
    identity: Ints | None


@dataclass(frozen=True)
class _Gallery:
    """A gallery that stands class by class, so that a class is a slice of every row of similarities.

    Attributes:
        factor: [g, d + 1], the right factor of the exact product.
        order: [g] int64, the row in the caller's gallery.
        bounds: [c + 1] int64; class c is bounds[c] to bounds[c + 1].
    """

    factor: Doubles
    order: Ints
    bounds: Ints
    identities: Identities | None


def retrieval(
    vectors: Floats,
    labels: Labels,
    *,
    gallery: Floats | None = None,
    gallery_labels: Labels | None = None,
    identity: Ints | None = None,
    gallery_identity: Ints | None = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    neighbours: int = 8,
    progress: Progress | None = None,
) -> Retrieval:
    """Rank the gallery for every query; an item is relevant when it has the query's label.

    Args:
        vectors: [q, d] float32, rows of unit length: the queries.
        labels: [q] of any type.
        gallery: [g, d] float32, rows of unit length; None: the queries are each other's gallery.
        gallery_labels: [g], with `gallery`.
        identity: [q] or [q, e] int64; gallery items that share a code with the query (row, content, group)
            are left out of its ranking. None: only the query itself, where the queries are the gallery.
        gallery_identity: [g] or [g, e] int64, with `gallery`.
        ks: cut-offs, >= 1.
        neighbours: how many gallery rows to keep for each query.
        progress: called with (queries done, q).

    Raises:
        EvaluationError: vectors that are not finite rows of unit length, sides that do not fit together,
            fewer than two labels in the gallery, or no query with a relevant item.
    """
    if gallery is None:
        identity = np.arange(len(vectors)) if identity is None else identity
        items = queries = _Side(vectors, labels, identity)
    else:
        queries = _Side(vectors, labels, identity)
        items = _Side(gallery, np.array([]) if gallery_labels is None else gallery_labels, gallery_identity)
    _check(queries, where="vectors")
    _check(items, where="gallery")
    _check_fit(queries, items)
    return _retrieve(queries, items, ks=tuple(ks), neighbours=neighbours, progress=progress)


def summarise(found: Retrieval) -> dict[str, float]:
    """Average every figure over the queries that have a relevant item."""
    judged = found.relevant > 0
    return {name: float(values[judged].mean()) for name, values in found.values.items()}


def _retrieve(
    queries: _Side, items: _Side, *, ks: tuple[int, ...], neighbours: int, progress: Progress | None
) -> Retrieval:
    codes, item_codes = class_codes(queries.labels, items.labels)
    _check_classes(item_codes)
    gallery = _prepare(items, item_codes, classes=int(codes.max()) + 1)
    count, names = len(codes), _names(ks)
    figures = np.full((count, len(names)), np.nan)
    relevant = np.zeros(count, dtype=np.int64)
    near = np.full((count, neighbours), -1, dtype=np.int64)
    similarities = np.full((count, neighbours), np.nan, dtype=np.float32)

    def judge(block: slice) -> None:
        for at, row in enumerate(_compare(queries, block, gallery), start=block.start):
            own = slice(*gallery.bounds[codes[at] : codes[at] + 2])
            ranks = _ranks(row, own)
            relevant[at] = len(ranks)
            if len(ranks):
                figures[at] = _figures(ranks, ks)
            nearest = _nearest(row, own, gallery.order, neighbours)
            near[at, : len(nearest)] = gallery.order[nearest]
            similarities[at, : len(nearest)] = row[nearest] / STEPS - _OFFSET

    run_blocks(judge, count, row_bytes=12 * len(item_codes), progress=progress)
    _check_found(relevant)
    values = dict(zip(names, figures.T.copy(), strict=True))
    first, mean = values.pop("first_rank"), values.pop("mean_rank")
    return Retrieval(values, relevant, first, mean, near, similarities)


def _prepare(items: _Side, codes: Ints, *, classes: int) -> _Gallery:
    order = np.argsort(codes, kind="stable")
    return _Gallery(
        factor=right_factor(items.vectors[order]),
        order=order,
        bounds=np.searchsorted(codes[order], np.arange(classes + 1)),
        identities=None if items.identity is None else Identities.of(items.identity[order]),
    )


def _compare(queries: _Side, block: slice, gallery: _Gallery) -> Codes:
    """Similarities of a block of queries to the gallery, [b, g], rounded to whole steps."""
    rounding = _OFFSET + 0.5 / STEPS
    left = left_factor(queries.vectors[block], steps=STEPS, offset=rounding)
    similar = compare(left, gallery.factor, np.int32)
    if queries.identity is not None and gallery.identities is not None:
        gallery.identities.leave_out(similar, queries.identity[block])
    return similar


def _ranks(row: Codes, own: slice) -> Ints:
    """Ranks of a query's relevant items, rising from 1, behind all irrelevant ones that are as alike.

    Args:
        row: [g] similarities.
        own: where in the row the items of the query's label stand.
    """
    relevant = np.sort(row[own])
    relevant = relevant[np.searchsorted(relevant, LEFT_OUT, side="right") :]
    if not len(relevant):
        return np.empty(0, dtype=np.int64)
    if len(relevant) <= _FEW:
        as_alike = np.array([np.count_nonzero(row >= code) for code in relevant])
    else:
        rivals = np.sort(row[row >= relevant[0]])
        as_alike = len(rivals) - np.searchsorted(rivals, relevant)
    relevant_as_alike = len(relevant) - np.searchsorted(relevant, relevant)
    place = np.arange(len(relevant), 0, -1)
    return (as_alike - relevant_as_alike + place)[::-1]


def _names(ks: tuple[int, ...]) -> tuple[str, ...]:
    at_k = tuple(f"{name}@{k}" for name in ("recall", "precision") for k in ks)
    return (*at_k, "map", "r_precision", "map@r", "mrr", "first_rank", "mean_rank")


def _figures(ranks: Ints, ks: tuple[int, ...]) -> list[float]:
    """The figures of one query, in the order of `_names`."""
    total = len(ranks)
    found = np.searchsorted(ranks, (*ks, total), side="right").tolist()  # relevant items up to k, and up to R
    precisions = np.arange(1, total + 1) / ranks
    return [
        *(float(hits > 0) for hits in found[:-1]),
        *(hits / k for hits, k in zip(found[:-1], ks, strict=True)),
        precisions.mean(),
        found[-1] / total,
        precisions[: found[-1]].sum() / total,
        1.0 / ranks[0],
        ranks[0],
        ranks.mean(),
    ]


def _nearest(row: Codes, own: slice, order: Ints, count: int) -> Ints:
    """Positions of the most similar items, at most `count`; of equals the irrelevant, then the earlier."""
    at_least = _floor(row, count)
    candidates = np.flatnonzero(row >= max(at_least, LEFT_OUT + 1))
    relevant = (candidates >= own.start) & (candidates < own.stop)
    return candidates[np.lexsort((order[candidates], relevant, -row[candidates]))[:count]]


def _floor(row: Codes, count: int) -> int:
    """A similarity that at least `count` items reach, and few more: of the best of many short stretches."""
    width = len(row) // (16 * count) if count else 0
    if width < 2:
        return LEFT_OUT
    best = row[: len(row) // width * width].reshape(-1, width).max(axis=1)
    return int(np.partition(best, -count)[-count])


def _check(side: _Side, *, where: str) -> None:
    check_vectors(side.vectors, side.labels, where=where)
    check_identity(side.identity, len(side.vectors), where=f"identity of {where}")


def _check_fit(queries: _Side, items: _Side) -> None:
    if queries.vectors.shape[1] != items.vectors.shape[1]:
        raise EvaluationError(
            "queries and gallery cannot be compared",
            where="gallery",
            saw=f"{queries.vectors.shape[1]} and {items.vectors.shape[1]} dimensions",
            do="embed both with one model",
        )
    own, others = (0 if side.identity is None else side.identity[:1].size for side in (queries, items))
    if own != others:
        raise EvaluationError(
            "the identity codes of the two sides do not fit",
            where="identity",
            saw=f"{own} for each query, {others} for each gallery item",
            do="pass identity and gallery_identity",
        )


def _check_classes(gallery_codes: Ints) -> None:
    if gallery_codes.min() == gallery_codes.max():
        raise EvaluationError(
            "there is nothing to tell apart",
            where="labels",
            saw=f"{len(gallery_codes):,} gallery items of one label",
            wanted="at least two labels",
            do="judge on pictures of several things",
        )


def _check_found(relevant: Ints) -> None:
    if not relevant.any():
        raise EvaluationError(
            "there is nothing to find",
            where="labels",
            saw=f"{len(relevant):,} queries, none with another item of its label",
            wanted="labels that occur at least twice",
            do="judge a split with several pictures of a thing, or label more",
        )
