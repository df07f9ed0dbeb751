"""Exact nearest neighbours: unit vectors go in, each query's most alike rows of a gallery come out.

Candidates are proposed in float32; their similarities are then computed again in a way that depends on
the two vectors alone, so an answer is the same whether a query comes alone or in a batch, and equal
vectors tie exactly. Ids, labels and thresholds are not known here, and nothing approximate is done.

For several queries at once a large gallery proposes by one product of matrices: what is at least as alike as
the best few of a sample, of which there are few. FAISS, which puts all values through a heap, proposes for
few queries, for a small gallery, and where a sample says too little.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import chain

import faiss
import numpy as np
from numpy.typing import NDArray

from lookalike.indexing.threads import threads_for
from lookalike.judging.similarity import cosine
from lookalike.records import Floats

Rows = NDArray[np.int64]

SPARE = 8  # candidates beyond k: room for what is left out, and a gap that shows the k-th is settled
BLOCK_FLOATS = 1 << 22  # candidate values, or a sample's similarities, in memory at once
BLOCK_QUERIES = 1024
UNIT_ROUNDOFF = 2.0**-24  # of float32
SAMPLED = 16  # one row of so many is in the sample
FEWEST_TOGETHER = 8  # queries from which on the product costs less than FAISS's loop over the gallery
FEWEST_SAMPLED = 4  # times as many rows are sampled as are proposed
PRODUCTS = 1 << 20  # values of a product of matrices in memory at once
MOST_PROPOSED = 1 << 22  # values that are kept: many more than a fair sample leaves


@dataclass(frozen=True, slots=True)
class Neighbours:
    """One query's answer, most alike first, equal similarities by ascending row.

    Attributes:
        rows: [m] int64 gallery rows, m <= k.
        similarities: [m] float32 cosine, in [-1, 1], higher is more alike.
    """

    rows: Rows
    similarities: Floats


def rows_of(ids: Rows, wanted: Sequence[Collection[int]]) -> list[Rows]:
    """For each query the rows of those wanted ids that exist; `ids` are rising."""
    counts = [len(entry) for entry in wanted]
    asked = np.fromiter(chain.from_iterable(wanted), np.int64, sum(counts))
    query = np.repeat(np.arange(len(counts)), counts)
    rows = np.searchsorted(ids, asked)
    found = np.append(ids, -1)[rows] == asked
    ends = np.searchsorted(query[found], np.arange(1, len(counts)))
    return np.split(rows[found], ends)


def nearest(
    queries: Floats,
    gallery: Floats,
    *,
    k: int,
    left_out: Sequence[Rows] | None = None,
    lowest: float = -1.0,
    highest: float = 1.0,
) -> list[Neighbours]:
    """Find each query's k most alike gallery rows, exactly.

    Args:
        queries: [q, d] float32, rows of unit length.
        gallery: [g, d] float32, rows of unit length, contiguous.
        k: answers wanted, >= 1; fewer come back where the gallery has fewer.
        left_out: per query the gallery rows that may not be answered, in any order; None leaves out none.
        lowest, highest: only rows whose similarity lies in this range, ends included, are answers.

    Returns:
        q answers. Among equal similarities the lower row comes first, at the k-th place too.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    if len(gallery) == 0:
        return [_nothing()] * len(queries)
    left_out = left_out if left_out is not None else [np.zeros(0, np.int64)] * len(queries)
    fetch = min(k + SPARE, len(gallery))
    most = BLOCK_QUERIES, BLOCK_FLOATS // (fetch * gallery.shape[1]), BLOCK_FLOATS * SAMPLED // len(gallery)
    step = max(1, min(most))
    answers: list[Neighbours] = []
    for start in range(0, len(queries), step):
        part = slice(start, start + step)
        answers += _nearest_block(queries[part], gallery, left_out[part], k, fetch, highest)
    return answers if lowest <= -1.0 else [_at_least(lowest, answer) for answer in answers]


def _nearest_block(
    queries: Floats, gallery: Floats, left_out: Sequence[Rows], k: int, fetch: int, highest: float
) -> list[Neighbours]:
    coarse, rows = _proposed(queries, gallery, fetch)  # [q, f] both
    exact = cosine(queries[:, None, :], gallery[rows])  # [q, f]
    exact[_is_left_out(rows, left_out, len(gallery)) | (exact > highest)] = -np.inf
    order = np.lexsort((rows, -exact), axis=-1)[:, :k]
    rows, exact = np.take_along_axis(rows, order, axis=1), np.take_along_axis(exact, order, axis=1)
    # a row that was not fetched is at most this alike, rounding included
    unseen = coarse[:, -1] + 2 * _rounding(gallery.shape[1])
    settled = (exact[:, -1] > unseen) | (fetch == len(gallery))
    kept = np.isfinite(exact).sum(axis=1)  # what is left out was sorted to the end
    exact = np.clip(exact, -1.0, 1.0)
    return [
        Neighbours(rows[q, : kept[q]], exact[q, : kept[q]])
        if settled[q]
        else _nearest_one(query, gallery, left_out[q], k, highest)
        for q, query in enumerate(queries)
    ]


def _proposed(queries: Floats, gallery: Floats, fetch: int) -> tuple[Floats, Rows]:
    """The best `fetch` rows of each query in float32, the best first: similarities and rows, [q, f] both."""
    if len(queries) >= FEWEST_TOGETHER and len(gallery) >= SAMPLED * FEWEST_SAMPLED * fetch:
        found = _above_sample(queries, gallery, fetch)
        if found is not None:
            return found
    with threads_for(len(queries) * gallery.size):
        coarse, rows = faiss.knn(queries, gallery, fetch, metric=faiss.METRIC_INNER_PRODUCT)
    return coarse, rows


def _above_sample(queries: Floats, gallery: Floats, fetch: int) -> tuple[Floats, Rows] | None:
    """The same by products of matrices; None where so much is above the sample's best that it is slow."""
    sample = np.ascontiguousarray((gallery[::SAMPLED] @ queries.T).T)  # [q, g / SAMPLED]
    least = np.partition(sample, -fetch, axis=1)[:, -fetch]  # [q]; at least f rows are as alike
    least -= np.float32(2 * _rounding(gallery.shape[1]))  # a product may round otherwise in another shape
    kept: list[tuple[Rows, Rows, Floats]] = []
    step, count = max(1, PRODUCTS // len(queries)), 0
    for start in range(0, len(gallery), step):
        values = (gallery[start : start + step] @ queries.T).ravel()  # [rows * q]
        places = np.flatnonzero((values.reshape(-1, len(queries)) >= least).ravel())
        row, query = np.divmod(places, len(queries))
        kept.append((query, row + start, values[places]))
        count += len(places)
        if count > MOST_PROPOSED:
            return None
    query, rows, coarse = map(np.concatenate, zip(*kept, strict=True))
    order = np.lexsort((-coarse, query))
    starts = np.searchsorted(query, np.arange(len(queries)), sorter=order)
    best = order[starts[:, None] + np.arange(fetch)]  # [q, f]
    return coarse[best], rows[best]


def _at_least(lowest: float, found: Neighbours) -> Neighbours:
    kept = int(np.count_nonzero(found.similarities >= lowest))
    return Neighbours(found.rows[:kept], found.similarities[:kept])


def _nearest_one(query: Floats, gallery: Floats, left_out: Rows, k: int, highest: float) -> Neighbours:
    """The slow way, for a query whose k-th place is nearly tied or crowded by rows that are left out."""
    coarse = gallery @ query  # [g]
    rounding = 2 * _rounding(gallery.shape[1])
    coarse[left_out] = -np.inf
    coarse[coarse > highest + rounding] = -np.inf
    unsure = int(np.count_nonzero(coarse > highest - rounding))  # their exact similarity may be too high
    wanted = min(k + unsure, int(np.isfinite(coarse).sum()))
    if wanted == 0:
        return _nothing()
    last = np.partition(coarse, -wanted)[-wanted]
    rows = np.flatnonzero(coarse >= last - rounding)
    exact = np.concatenate(
        [cosine(query, gallery[part]) for part in np.array_split(rows, 1 + len(rows) // BLOCK_QUERIES)]
    )
    rows, exact = rows[exact <= highest], exact[exact <= highest]
    order = np.lexsort((rows, -exact))[:k]
    return Neighbours(rows[order], np.clip(exact[order], -1.0, 1.0))


def _is_left_out(rows: Rows, left_out: Sequence[Rows], size: int) -> NDArray[np.bool_]:
    """[q, f]: a query and a row become one number, so that one look-up answers for all queries."""
    counts = [len(entry) for entry in left_out]
    if not any(counts):
        return np.zeros(rows.shape, np.bool_)
    barred = np.repeat(np.arange(len(rows)), counts) * size + np.concatenate(left_out)
    return np.isin(np.arange(len(rows))[:, None] * size + rows, barred)


def _rounding(dim: int) -> float:
    """How far a float32 dot product of unit vectors may lie from the true one, in any order of summing."""
    return (dim + 2) * UNIT_ROUNDOFF


def _nothing() -> Neighbours:
    return Neighbours(np.zeros(0, np.int64), np.zeros(0, np.float32))
