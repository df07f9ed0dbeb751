"""Losses over pairs of one batch: contrastive, multi-similarity and circle.

Embeddings [n, d] and labels [n] enter, a scalar leaves. How a batch is compared with itself, and with a
gallery, stands in rows.py.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from lookalike.config_loss import CircleConfig, ContrastiveConfig, MultiSimilarityConfig
from lookalike.training.distances import as_batch
from lookalike.training.losses.rows import (
    Block,
    Gallery,
    Terms,
    by_similarity_,
    compare,
    distances_,
    further_rows,
    log1p_sum_exp_,
    softmax_,
)
from lookalike.training.options import checked


def contrastive(
    embeddings: Tensor, labels: Tensor, *, margin: float = 0.5, gallery: Gallery | None = None
) -> Tensor:
    """Draw same-label pairs together, and push others apart until they are a margin away.

    The mean of d² over the ordered positive pairs, plus the mean of max(0, margin - d)² over those ordered
    negative pairs that are nearer than the margin: among the many negatives of a batch, most cost nothing.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        margin: euclidean distance > 0 beyond which a negative costs nothing; unit rows are at most 2 apart.
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: the margin is out of range.

    Reference:
        Hadsell et al., Dimensionality Reduction by Learning an Invariant Mapping, CVPR 2006, equation 4,
        without its factor 1/2; means over positive and over active negative pairs as in
        pytorch-metric-learning, whose default does not square the distance.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0.6, 0.8], [-0.6, 0.8]])
    >>> round(contrastive(z, torch.tensor([0, 0, 1, 1])).item(), 4)
    0.9672
    """
    asked = checked(ContrastiveConfig, margin=margin)
    apart = compare(embeddings, labels, partial(_apart, margin=asked.margin), gallery=gallery)
    return apart + _together(embeddings, labels, gallery)


def multi_similarity(
    embeddings: Tensor,
    labels: Tensor,
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    epsilon: float | None = 0.1,
    gallery: Gallery | None = None,
) -> Tensor:
    """Pull hard positives above a base similarity and push hard negatives below it.

    Every anchor costs log(1 + Σ exp(-alpha (s - base))) / alpha over its positives and
    log(1 + Σ exp(beta (s - base))) / beta over its negatives; mean over all n anchors. Only negatives more
    alike than the least alike positive less epsilon count, and positives less alike than the most alike
    negative plus epsilon; an anchor without a positive then costs nothing.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        alpha, beta: sharpness of pull and push, > 0.
        base: cosine similarity that divides near from far, in (-1, 1); λ in the paper.
        epsilon: slack of the pair mining, >= 0; None takes all pairs.
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: an option is out of range.

    Reference:
        Wang et al., Multi-Similarity Loss with General Pair Weighting for Deep Metric Learning, CVPR 2019
        (arXiv:1904.06627), section 4.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0.6, 0.8], [-0.6, 0.8]])
    >>> round(multi_similarity(z, torch.tensor([0, 0, 1, 1])).item(), 4)
    0.4018
    """
    asked = checked(MultiSimilarityConfig, alpha=alpha, beta=beta, base=base, epsilon=epsilon)
    terms = partial(_multi_similarity, **asked.arguments)
    return compare(embeddings, labels, terms, gallery=gallery)


def circle(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: float = 0.4,
    gamma: float = 80.0,
    gallery: Gallery | None = None,
) -> Tensor:
    """Weight every similarity by how far it still is from where it should be.

    Every anchor costs log(1 + Σ_N exp(gamma α_n (s_n - margin)) Σ_P exp(-gamma α_p (s_p - 1 + margin))) with
    α_p = max(0, 1 + margin - s_p) and α_n = max(0, s_n + margin), which carry no gradient; mean over the
    anchors that have a positive.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        margin: relaxation, in (0, 1); positives are drawn above 1 - margin, negatives below margin.
        gamma: scale, > 0. The paper takes margin 0.4 and gamma 80 for fine-grained retrieval, 0.25 and 256
            for faces.
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: margin or gamma is out of range.

    Reference:
        Sun et al., Circle Loss, CVPR 2020 (arXiv:2002.10857), section 3.2.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0.6, 0.8], [-0.6, 0.8]])
    >>> round(circle(z, torch.tensor([0, 0, 1, 1])).item(), 4)
    44.0004
    """
    asked = checked(CircleConfig, margin=margin, gamma=gamma)
    terms = partial(_circle, **asked.arguments)
    return compare(embeddings, labels, terms, gallery=gallery)


def _together(embeddings: Tensor, labels: Tensor, gallery: Gallery | None) -> Tensor:
    """The mean of d² = 2 - 2 s over the positive pairs, from the sum of each label's rows: O(n d)."""
    rows, labels = as_batch(embeddings, labels, distance="euclidean")
    columns = rows
    if gallery is not None:
        others, further = further_rows(gallery, rows)
        columns, labels = torch.cat((rows, others)), torch.cat((labels, further))
    _, places, sizes = labels.unique(return_inverse=True, return_counts=True)
    sums = columns.new_zeros(len(sizes), columns.shape[1]).index_add(0, places, columns)
    own = places[: len(rows)]
    similarities = ((sums[own] - rows) * rows).sum()
    mean: Tensor = similarities / (sizes[own] - 1).sum()
    return 2 - 2 * mean


def _apart(block: Block, *, margin: float) -> Terms:
    """max(0, margin - d)² over the negative pairs, those that cost something counted."""
    lengths = block.without_same(distances_(block.similarity), torch.inf)  # [b, g]
    short = (margin - lengths).clamp_(min=0.0)
    slopes = by_similarity_(short.mul(-2), lengths)
    count = torch.count_nonzero(short)
    return Terms(short.square_(), slopes, count)


def _multi_similarity(
    block: Block, *, alpha: float, beta: float, base: float, epsilon: float | None
) -> Terms:
    pull, kept = block.positives(), block.real  # [b, w]
    push = block.without_same(block.similarity, -torch.inf)  # [b, g]
    hardest = push.amax(1, keepdim=True)
    floor = torch.zeros_like(hardest)
    if epsilon is not None:
        kept = kept & (pull < hardest + epsilon)
        least = pull.masked_fill(~block.real, torch.inf).amin(1, keepdim=True)
        floor = torch.minimum(least - epsilon, hardest + 1)  # without a positive: above every negative
        torch.threshold_(push.sub_(floor), 0.0, -torch.inf)
    peak = ((hardest - base) * beta).clamp_(min=0.0)
    pushed = log1p_sum_exp_(push.mul_(beta).add_((floor - base) * beta - peak), peak)
    pull = ((base - pull) * alpha).masked_fill_(~kept, -torch.inf)
    peak = pull.amax(1, keepdim=True).clamp_(min=0.0)
    pulled = log1p_sum_exp_(pull.sub_(peak), peak)
    return Terms(pulled / alpha + pushed / beta, push.scatter_(1, block.mates, -pull), len(push))


def _circle(block: Block, *, margin: float, gamma: float) -> Terms:
    pull = block.positives()  # [b, w]
    pull_rate = (1 + margin - pull).clamp_(min=0.0).mul_(-gamma)
    pull = ((pull - 1 + margin) * pull_rate).masked_fill_(~block.real, -torch.inf)
    push_rate = (block.similarity + margin).clamp_(min=0.0)  # [b, g]
    push = block.without_same(block.similarity.sub_(margin).mul_(push_rate).mul_(gamma), -torch.inf)
    gap = softmax_(pull) + softmax_(push)  # -inf without a positive
    losses, factor = functional.softplus(gap), gap.sigmoid_()
    slopes = push.mul_(push_rate).mul_(factor * gamma)
    slopes.scatter_(1, block.mates, pull.mul_(pull_rate).mul_(factor))
    return Terms(losses, slopes, block.some.sum())
