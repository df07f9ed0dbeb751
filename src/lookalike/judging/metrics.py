"""Retrieval figures: unit vectors and labels enter; figures and neighbours of every query leave.

Exact and in bounded memory: every query is compared with the whole gallery, block by block. Of items that
are equally alike the irrelevant ones rank first, so ties count against the system; similarities are compared
in steps of 2^-20, and items nearer to each other than that may tie. Ranks are made by `ranking`, intervals
and figures over pairs elsewhere, and nothing is averaged here except by `summarise`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.errors import EvaluationError
from lookalike.judging.query_figures import Figures, rank_means
from lookalike.judging.ranking import MOST_ROWS, Ranker
from lookalike.judging.relevance import ByComparison, ByLabel, Comparison, Relevance
from lookalike.judging.similarity import (
    Doubles,
    Identities,
    Ints,
    check_identity,
    check_vectors,
    class_codes,
    run_blocks,
)
from lookalike.records import Floats, Labels, Progress

_ROW_BYTES = 16  # that an item of the gallery takes for each query of a block


@dataclass(frozen=True)
class Retrieval:
    """What every query found.

    >>> z = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1]], dtype=np.float32)
    >>> found = retrieval(z, np.array(["cup", "cup", "hat", "cup"]), ks=(2,))
    >>> found.values["map"].round(3)
    array([0.833, 0.583,   nan, 0.583])
    >>> found.values["ap@2"].round(3), found.values["ndcg@2"].round(3)
    (array([0.5 , 0.25,  nan, 0.25]), array([0.613, 0.387,   nan, 0.387]))

    The first finds cups at ranks 1 and 3, (1/1 + 2/3) / 2; the others find the hat first, (1/2 + 2/3) / 2.
    Up to rank 2 that is (1/1) / 2 and (1/2) / 2; and 1 and 1 / log2(3) of the best, 1 + 1 / log2(3).
    With R relevant items at ranks r_1 < ... < r_R: recall@k = [r_1 <= k]; precision@k = #{r_i <= k} / k,
    also where the gallery has fewer than k items; ap@k = (sum of i / r_i over r_i <= k) / min(R, k);
    ndcg@k = DCG@k over that of the best order, DCG@k = sum of g_i / log2(1 + r_i) over r_i <= k with
    gains g_i, 1 unless a comparison gives others; map = mean of i / r_i; r_precision = #{r_i <= R} / R;
    map@r = (sum of i / r_i over r_i <= R) / R; mrr = 1 / r_1.

    Attributes:
        values: name to [q] float64 in [0, 1], higher is better, NaN for a query without a relevant item:
            recall@k, precision@k, ap@k and ndcg@k for each k, map, r_precision, map@r, mrr.
        relevant: [q] int64, R, without what is left out of the query's ranking.
        first_rank, mean_rank: [q] float64, >= 1, lower is better: of the best and of all relevant items;
            NaN for all where only figures were asked for that do not need every rank.
        neighbours: [q, m] int64 gallery rows, most alike first; -1 where there are fewer than m.
        similarities: [q, m] float32 in [-1, 1], of the neighbours, to 1e-6; NaN where there are fewer.

    Reference:
        r_precision, map@r: Musgrave et al., A Metric Learning Reality Check, ECCV 2020 (arXiv:2003.08505);
        recall@k: the share of queries with a hit, as in Jegou et al., TPAMI 33(1), 2011;
        ndcg@k: Jarvelin and Kekalainen, ACM TOIS 20(4), 2002, with the logarithm's base 2 for all ranks.
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


def retrieval(
    vectors: Floats,
    labels: Labels,
    *,
    gallery: Floats | None = None,
    gallery_labels: Labels | None = None,
    identity: Ints | None = None,
    gallery_identity: Ints | None = None,
    relevance: Comparison | None = None,
    ks: Sequence[int] = (1, 2, 4, 8),
    figures: Collection[str] | None = None,
    neighbours: int = 8,
    progress: Progress | None = None,
) -> Retrieval:
    """Rank the gallery for every query; an item is relevant when it has the query's label.

    Args:
        vectors: [q, d] float32, rows of unit length: the queries.
        labels: [q] of any type; with `relevance` also [q, ...].
        gallery: [g, d] float32, rows of unit length; None: the queries are each other's gallery.
        gallery_labels: [g], with `gallery`.
        identity: [q] or [q, e] int64; gallery items that share a code with the query (row, content, group)
            are left out of its ranking. None: only the query itself, where the queries are the gallery.
        gallery_identity: [g] or [g, e] int64, with `gallery`.
        relevance: what is relevant in place of an equal label: given labels of some queries, [b, ...], and of
            the gallery, [g, ...], it returns [b, g]: whether, or by numbers >= 0 how much. Numbers are gains
            of ndcg@k; all above 0 are relevant. Called from several threads, for `any_common` and
            `share_in_common` of `lookalike.judging.relevance` among others.
        ks: cut-offs, >= 1.
        figures: names of the values to make; None: all. Without map and mrr there is less to do.
        neighbours: how many gallery rows to keep for each query.
        progress: called with (queries done, q).

    Raises:
        EvaluationError: vectors that are not finite rows of unit length, sides that do not fit together,
            fewer than two labels in the gallery, a comparison that gives no [b, g] of such values, or no
            query with a relevant item.
        ValueError: a cut-off below 1, or a name of a figure that there is not.
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
    asked = Figures.asked(ks, figures)
    ranker = Ranker(
        queries.vectors,
        items.vectors,
        _relevance(queries, items, relevance),
        _identity(queries, items),
        neighbours=neighbours,
        depth=asked.depth,
    )
    return _retrieve(ranker, asked, progress=progress)


def summarise(found: Retrieval) -> dict[str, float]:
    """Average every figure over the queries that have a relevant item."""
    judged = found.relevant > 0
    return {name: float(values[judged].mean()) for name, values in found.values.items()}


def _relevance(queries: _Side, items: _Side, compare: Comparison | None) -> Relevance:
    if compare is not None:
        return ByComparison(compare, queries.labels, items.labels)
    codes, item_codes = class_codes(queries.labels, items.labels)
    _check_classes(item_codes)
    return ByLabel.among(codes, item_codes)


def _identity(queries: _Side, items: _Side) -> tuple[Ints, Identities] | None:
    if queries.identity is None or items.identity is None:
        return None
    return queries.identity, Identities.of(items.identity)


def _retrieve(ranker: Ranker, asked: Figures, *, progress: Progress | None) -> Retrieval:
    count, kept = len(ranker.queries), (len(ranker.queries), ranker.neighbours)
    figures, ranks = np.empty((count, len(asked.names))), np.full((count, 2), np.nan)
    relevant = np.zeros(count, dtype=np.int64)
    near, similarities = np.empty(kept, dtype=np.int64), np.empty(kept, dtype=np.float32)

    def judge(block: slice) -> None:
        ranked = ranker.rank(block)
        relevant[block] = ranked.right.total
        figures[block] = asked.of(ranked)
        near[block], similarities[block] = ranked.neighbours, ranked.similarities
        if asked.depth is None:
            ranks[block] = np.stack(rank_means(ranked), axis=1)

    row_bytes = _ROW_BYTES * len(ranker.gallery)
    run_blocks(judge, count, row_bytes=row_bytes, most_rows=MOST_ROWS, progress=progress)
    _check_found(relevant)
    values = dict(zip(asked.names, figures.T.copy(), strict=True))
    first, mean = ranks.T.copy()
    return Retrieval(values, relevant, first, mean, near, similarities)


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
