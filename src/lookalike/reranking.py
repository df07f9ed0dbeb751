"""Answers in another order: a query and its candidates' vectors enter; a score for each candidate leaves.

All three ways look at the candidates alone, the few hundred that are most alike to the query, so that they
cost the same in an index of any size, and change nothing that is stored. What comes after the candidates
keeps its order. Similarities that are shown stay those to the query; nothing is searched here.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import LookalikeError
from lookalike.hits import Rerank
from lookalike.judging.similarity import Doubles
from lookalike.records import Floats

CANDIDATES = 200  # that are put into a new order
JOINED, ALPHA = 2, 1.0  # of query expansion; these and those below: best MAP@R on things kept for choosing
MATES, MATE_ALPHA = 5, 1.0  # of averaging
K1, K2, OWN = 10, 3, 0.3  # of k-reciprocal re-ranking

Flags = NDArray[np.bool_]


def rerank_named(name: str | None) -> Rerank | None:
    """The way of re-ranking that is called so; None for None.

    Raises:
        LookalikeError: none is.
    """
    if name is None or name in list(Rerank):
        return None if name is None else Rerank(name)
    raise LookalikeError(
        "there is no such way of re-ranking",
        where="rerank",
        saw=str(name),
        wanted=", ".join(Rerank),
        do="name one of them, or leave it out",
    )


def scores(query: Floats, candidates: Floats, *, by: Rerank) -> Doubles:
    """Score the candidates of a query anew, higher is better.

    Args:
        query: [d] float32, of unit length.
        candidates: [c, d] float32, unit rows, the most alike to the query first.

    Returns:
        [c] float64; scores of different queries, or ways, do not compare.
    """
    ways: dict[Rerank, Callable[[Floats, Floats], Doubles]] = {
        Rerank.ALPHA_QE: expansion_scores,
        Rerank.AVERAGING: averaging_scores,
        Rerank.K_RECIPROCAL: reciprocal_scores,
    }
    return ways[by](query, candidates)


def expansion_scores(
    query: Floats, candidates: Floats, *, joined: int = JOINED, alpha: float = ALPHA
) -> Doubles:
    """Cosine to the query's sum with its nearest, each weighted by its similarity to the power of alpha.

    Args:
        query, candidates: as in `scores`.
        joined: n nearest that are added to the query.
        alpha: >= 0; 0 weighs all alike, a large one the nearest alone. A similarity below 0 weighs nothing.

    Reference:
        Radenović, Tolias and Chum, Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 41(7),
        2019 (arXiv:1711.02512), section 5.2; among the candidates only, where the paper searches again.

    >>> pictures = np.array([[0.8, 0.6], [0.6, -0.8]], np.float32)
    >>> expansion_scores(np.array([1, 0], np.float32), pictures, joined=1, alpha=0.0).round(3)
    array([0.949, 0.316])
    """
    asked, others = query.astype(np.float64), candidates.astype(np.float64)
    near = others[:joined]  # [n, d]
    weights = _weights(near @ asked, alpha)  # [n]
    found: Doubles = others @ _to_unit((asked + weights @ near)[None])[0]
    return found


def averaging_scores(
    query: Floats, candidates: Floats, *, mates: int = MATES, alpha: float = MATE_ALPHA
) -> Doubles:
    """Cosine of the query to each candidate's sum with the candidates nearest to it.

    Args:
        query, candidates: as in `scores`.
        mates: n nearest other candidates that are added to each, weighted as in `expansion_scores`.

    Reference:
        Arandjelović and Zisserman, Three Things Everyone Should Know to Improve Object Retrieval, CVPR 2012,
        section 4 (database-side feature augmentation); weighted, and among the candidates only, where the
        paper goes through the whole gallery beforehand.
    """
    asked, others = query.astype(np.float64), candidates.astype(np.float64)
    alike = others @ others.T  # [c, c]
    nearest = _neighbours(alike)[:, 1 : 1 + mates]  # [c, n], without itself
    weights = _weights(np.take_along_axis(alike, nearest, axis=1), alpha)  # [c, n]
    joined = others + np.einsum("cn,cnd->cd", weights, others[nearest])
    return _to_unit(joined) @ asked


def reciprocal_scores(
    query: Floats, candidates: Floats, *, k1: int = K1, k2: int = K2, own: float = OWN
) -> Doubles:
    """How much a candidate's neighbourhood overlaps with the query's, and how alike they are themselves.

    Neighbours count where both are among the k1 nearest of each other; a neighbour's own such neighbours are
    taken in where two thirds of them are there already.

    Args:
        query, candidates: as in `scores`; neighbours are sought among them.
        k1: nearest that may be reciprocal; k2: nearest, itself included, over whose neighbourhoods each one's
            is averaged; about as many as there are pictures of a thing.
        own: weight in [0, 1] of the similarity itself against the overlap.

    Returns:
        [c] float64, in [-1, 0]: minus the paper's final distance.

    Reference:
        Zhong, Zheng, Cao and Li, Re-ranking Person Re-identification with k-Reciprocal Encoding, CVPR 2017
        (arXiv:1701.08398), equations 3 to 12; a pair's distance is 1 - cosine over the largest of its row.
    """
    every = np.concatenate([query[None], candidates]).astype(np.float64)  # [m, d], the query is row 0
    alike = every @ every.T  # [m, m]
    apart = np.maximum(1.0 - alike, 0.0)
    apart /= np.maximum(apart.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    nearest = _neighbours(alike)
    members = _expanded(_reciprocal(nearest, k1), _reciprocal(nearest, _half(k1)))
    encoded = np.where(members, np.exp(-apart), 0.0)
    encoded /= encoded.sum(axis=1, keepdims=True)  # itself is always a member
    encoded = encoded[nearest[:, :k2]].mean(axis=1)  # [m, m]
    common = np.minimum(encoded[0], encoded[1:]).sum(
        axis=1
    )  # [c]; rows sum to 1, so all of both is 2 - common
    overlap = common / (2.0 - common)
    found: Doubles = -((1.0 - own) * (1.0 - overlap) + own * apart[0, 1:])
    return found


def _half(k1: int) -> int:
    return (k1 + 1) // 2


def _neighbours(alike: Doubles) -> NDArray[np.int64]:
    """[m, m] each one's neighbours, the most alike first, itself before all; of equals the earlier one."""
    marked = alike.copy()
    np.fill_diagonal(marked, np.inf)
    return np.argsort(-marked, axis=1, kind="stable")


def _reciprocal(nearest: NDArray[np.int64], k: int) -> Flags:
    """[m, m] whether two are among the k nearest of each other; each is of itself."""
    near = np.zeros(nearest.shape, np.bool_)
    np.put_along_axis(near, nearest[:, : k + 1], values=True, axis=1)
    mutual: Flags = near & near.T
    return mutual


def _expanded(members: Flags, halves: Flags) -> Flags:
    """Take in the half-size neighbourhoods of members that mostly lie inside already."""
    shared = members.astype(np.float64) @ halves.T.astype(np.float64)  # [i, c]: of c's, how many are i's
    taken = members & (shared > 2.0 / 3.0 * halves.sum(axis=1))
    grown: Flags = members | (taken.astype(np.float64) @ halves.astype(np.float64) > 0.0)
    return grown


def _weights(alike: Doubles, alpha: float) -> Doubles:
    """Similarity to the power of alpha; one below 0 weighs nothing."""
    weights: Doubles = np.where(alike > 0.0, np.maximum(alike, 0.0) ** alpha, 0.0)
    return weights


def _to_unit(rows: Doubles) -> Doubles:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Doubles = rows / np.maximum(lengths, np.finfo(np.float64).tiny)
    return unit
