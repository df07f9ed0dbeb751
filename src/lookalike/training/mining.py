"""Gentler ways to pick from a batch than its hardest triplets, and the pairs of multi-similarity.

Embeddings and labels enter; triplets, or masks of pairs, leave. Hardest triplets teach a network the odd and
the mislabelled images first; what is picked here leaves more of a batch at rest. Everything is exact and
needs O(n^2) memory. The hard and semi-hard triplets are made in triplets.py, and can be had from here too.
"""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from lookalike.config_loss import MultiSimilarityConfig, TripletDistanceWeightedConfig
from lookalike.training.distances import (
    anchor_blocks,
    as_batch,
    distances_between,
    exclude_same,
    nearest_of,
    positives_of,
    ranked_blocks,
)
from lookalike.training.options import check_option, checked
from lookalike.training.triplets import (
    TripletKinds,
    Triplets,
    mine_batch_hard,
    mine_semi_hard,
    nearest_beyond,
    triplet_kinds,
)

__all__ = [
    "PairMasks",
    "TripletKinds",
    "Triplets",
    "mine_batch_hard",
    "mine_distance_weighted",
    "mine_easy_positive",
    "mine_multi_similarity",
    "mine_semi_hard",
    "triplet_kinds",
]

EasyNegatives = Literal["semi_hard", "hard"]

_FLATTEST = 1e-6  # 1 - D²/4, 0 for opposite points of the sphere, is never taken for less


class PairMasks(NamedTuple):
    """Which pairs (anchor, other) of a batch to learn from: [n, n] bool each, rows are anchors."""

    positive: Tensor
    negative: Tensor


def mine_easy_positive(
    embeddings: Tensor, labels: Tensor, *, negatives: EasyNegatives = "semi_hard"
) -> Triplets:
    """Pick, for every anchor, its nearest positive and one negative.

    Images of a class need not all gather in one place, only each find one of its own nearby.

    Args:
        embeddings: [n, d] float; no gradient is followed. Distances are euclidean.
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        negatives: semi_hard: the nearest that is farther than the positive, or the farthest where none is;
            hard: the nearest.

    Returns:
        One triplet an anchor; anchors whose label occurs once are left out. Of equals any one may be taken.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: the negatives have no such name.

    Reference:
        Xuan et al., Improved Embeddings with Easy Positive Triplet Mining, WACV 2020 (arXiv:1904.04370),
        which drops an anchor without a farther negative: here it keeps its farthest one, so that no batch
        is left without triplets.
    """
    check_option(negatives, EasyNegatives, name="negatives")
    rows, labels = as_batch(embeddings.detach(), labels, distance="euclidean")
    positives = positives_of(labels)
    nearest, others = positives[:, 0].clone(), positives[:, 0].clone()
    for part, own, ranking in ranked_blocks(rows):
        mates = positives[part]  # [b, w]
        easiest = nearest_of(ranking.gather(1, mates).masked_fill_(mates == own, torch.inf))[:, None]
        nearest[part] = mates.gather(1, easiest)[:, 0]
        if negatives == "hard":
            exclude_same(ranking, own, mates, torch.inf)
            others[part] = nearest_of(ranking)
        else:
            reach = ranking.gather(1, nearest[part, None])  # [b, 1]
            others[part] = nearest_beyond(ranking, reach, own, mates)[:, 0]
    anchors = torch.arange(len(labels), device=labels.device)
    some = nearest != anchors
    return Triplets(anchors[some], nearest[some], others[some])


def mine_distance_weighted(
    embeddings: Tensor,
    labels: Tensor,
    *,
    cutoff: float = 0.5,
    farthest: float = 1.4,
    generator: torch.Generator | None = None,
) -> Triplets:
    """Draw a negative for every ordered positive pair, so that all distances come up alike.

    On a sphere of many dimensions nearly all points are about √2 apart: drawn evenly, negatives are easy,
    and the few near ones are never seen. Each is drawn with a weight of 1 over the density of its distance,
    q(D) ~ D^(d-2) (1 - D²/4)^((d-3)/2).

    Args:
        embeddings: [n, d] float; no gradient is followed. Distances are euclidean, on the unit sphere.
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        cutoff: in [0, 2]; nearer negatives are weighted as if they lay there, so that no noise is singled
            out.
        farthest: in (0, 2]; negatives at or beyond are not drawn, unless an anchor has no nearer one: it
            then draws from all evenly.
        generator: of the draws; None: torch's own.

    Returns:
        One triplet a positive pair: sum over labels of c (c - 1) triplets, c = how often a label occurs.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: the cutoff or the farthest distance lies outside its range.

    Reference:
        Wu et al., Sampling Matters in Deep Embedding Learning, ICCV 2017 (arXiv:1706.07567), section 4.1;
        the farthest distance is that of its authors' code.
    """
    asked = checked(
        TripletDistanceWeightedConfig, where="mine_distance_weighted", cutoff=cutoff, farthest=farthest
    )
    rows, labels = as_batch(embeddings.detach(), labels, distance="cosine")
    positives = positives_of(labels)
    draws = torch.rand(positives.shape, generator=generator, dtype=torch.float64, device=rows.device)
    draws = draws.to(rows.dtype)  # the same draws in every precision
    negatives = torch.empty_like(positives)
    for part, own in anchor_blocks(rows):
        distances = distances_between(rows[part], rows, "euclidean")
        beyond = ~(distances < asked.farthest)  # or not a number
        weights = _inverse_density(distances, rows.shape[1], asked.cutoff).masked_fill_(beyond, -torch.inf)
        sums = _negative_weights(weights, own, positives[part]).cumsum_(1)
        total = sums[:, -1:]
        reach = torch.minimum(draws[part] * total, total.nextafter(torch.zeros_like(total)))  # < total
        negatives[part] = torch.searchsorted(sums, reach, right=True)
    anchors = torch.arange(len(labels), device=labels.device)[:, None]
    real = positives != anchors
    return Triplets(anchors.expand_as(positives)[real], positives[real], negatives[real])


def mine_multi_similarity(embeddings: Tensor, labels: Tensor, *, epsilon: float | None = 0.1) -> PairMasks:
    """Keep the pairs that are not yet told apart: each side is measured against the other's hardest.

    A negative is kept where s_an > min over P(a) of s_ap - epsilon; a positive where s_ap < max over N(a) of
    s_an + epsilon.

    Args:
        embeddings: [n, d] float; no gradient is followed. Similarities are cosines.
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        epsilon: >= 0, a margin in similarity; larger keeps more pairs, None all.

    Returns:
        Masks that are nowhere both True; an anchor without a positive keeps no pair.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: epsilon is out of range.

    Reference:
        Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning, CVPR 2019
        (arXiv:1904.06627), equations 11 and 12.
    """
    asked = checked(MultiSimilarityConfig, where="mine_multi_similarity", epsilon=epsilon)
    slack = math.inf if asked.epsilon is None else asked.epsilon
    rows, labels = as_batch(embeddings.detach(), labels, distance="cosine")
    positives = positives_of(labels)
    masks = torch.zeros(2, len(rows), len(rows), dtype=torch.bool, device=rows.device)
    for part, own in anchor_blocks(rows):
        mates = positives[part]  # [b, w]
        similarity = rows.new_empty(len(own), len(rows))
        torch.mm(rows[part], rows.T, out=similarity)  # with out=, never in half precision
        near = similarity.gather(1, mates).masked_fill_(mates == own, torch.inf)
        exclude_same(similarity, own, mates, -torch.inf)
        hardest = similarity.amax(1, keepdim=True)
        masks[0, part].scatter_(1, mates, near < hardest + slack)
        torch.gt(similarity, near.amin(1, keepdim=True) - slack, out=masks[1, part])
    return PairMasks(masks[0], masks[1])


def _inverse_density(distances: Tensor, dims: int, cutoff: float) -> Tensor:
    """Log of 1 / q(D), up to a constant, of distances [b, n] on a sphere; they are spent."""
    distances.clamp_(min=cutoff)
    caps = distances.square().div_(-4).add_(1.0).clamp_(min=_FLATTEST)
    return distances.log_().mul_(2.0 - dims).sub_(caps.log_().mul_((dims - 3) / 2))


def _negative_weights(log_weights: Tensor, own: Tensor, mates: Tensor) -> Tensor:
    """Weights [b, n] >= 0 with at least one > 0 in each row, 0 for same-label pairs; the input is spent."""
    exclude_same(log_weights, own, mates, -torch.inf)
    peak = log_weights.amax(1, keepdim=True)
    none = peak.isinf()
    weights = log_weights.sub_(peak.masked_fill(none, 0.0)).exp_().masked_fill_(none, 1.0)
    exclude_same(weights, own, mates, 0.0)
    return weights
