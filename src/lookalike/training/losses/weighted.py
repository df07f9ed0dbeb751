"""Hard-aware point-to-set losses: every anchor's weighted distance to its positives and to its negatives.

Embeddings [n, d] and labels [n] enter, a scalar leaves. Unlike batch-hard triplets, all pairs take part; hard
ones weigh more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from lookalike.config_loss import Hap2sExponentialConfig, Hap2sPolynomialConfig
from lookalike.training.losses.rows import (
    Block,
    Gallery,
    Terms,
    by_similarity_,
    compare,
    distances_,
    softmax_,
)
from lookalike.training.losses.triplet import Margin
from lookalike.training.options import checked

_Weights = Callable[[Tensor], tuple[Tensor, Tensor]]  # distances to log-weights and their derivative


def hap2s_exponential(
    embeddings: Tensor,
    labels: Tensor,
    *,
    sigma: float = 0.5,
    margin: Margin = "soft",
    gallery: Gallery | None = None,
) -> Tensor:
    """Ask every anchor's positives, far ones first, to be nearer than its negatives, near ones first.

    d(i, P) = Σ w_j d_ij / Σ w_j over the positives with w_j = exp(d_ij / sigma), d(i, N) the same over the
    negatives with w_j = exp(-d_ij / sigma); then max(0, d(i, P) - d(i, N) + margin) or, with a soft margin,
    log(1 + exp(d(i, P) - d(i, N))); mean over the anchors that have a positive.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        sigma: > 0; towards 0 only the hardest pair counts (batch-hard), large values weigh all alike.
        margin: > 0, in units of the euclidean distance, or "soft".
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows, and goes through the weights. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: sigma is out of range, or the margin neither a number > 0 nor "soft".

    Reference:
        Yu et al., Hard-Aware Point-to-Set Deep Metric for Person Re-identification, ECCV 2018
        (arXiv:1807.11206), the variant HAP2S_E.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0.6, 0.8], [-0.6, 0.8]])
    >>> round(hap2s_exponential(z, torch.tensor([0, 0, 1, 1])).item(), 4)
    0.7587
    """
    asked = checked(Hap2sExponentialConfig, sigma=sigma, margin=margin)
    rate = 1 / asked.sigma
    weights = partial(_exponential, rate=rate), partial(_exponential, rate=-rate)
    return _hap2s(embeddings, labels, weights, asked.margin, gallery)


def hap2s_polynomial(
    embeddings: Tensor,
    labels: Tensor,
    *,
    alpha: float = 10.0,
    margin: Margin = "soft",
    gallery: Gallery | None = None,
) -> Tensor:
    """Do what `hap2s_exponential` does with weights (1 + d)^alpha, and (1 + d)^(-2 alpha) over negatives.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        alpha: > 0; large values let only the hardest pair count, towards 0 all weigh alike.
        margin: > 0, in units of the euclidean distance, or "soft".
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows, and goes through the weights. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: alpha is out of range, or the margin neither a number > 0 nor "soft".

    Reference:
        Yu et al., ECCV 2018 (arXiv:1807.11206), the variant HAP2S_P.
    """
    asked = checked(Hap2sPolynomialConfig, alpha=alpha, margin=margin)
    weights = partial(_polynomial, power=asked.alpha), partial(_polynomial, power=-2 * asked.alpha)
    return _hap2s(embeddings, labels, weights, asked.margin, gallery)


def _hap2s(
    embeddings: Tensor,
    labels: Tensor,
    weights: tuple[_Weights, _Weights],
    margin: Margin,
    gallery: Gallery | None,
) -> Tensor:
    terms = partial(_terms, near=weights[0], far=weights[1], margin=margin)
    return compare(embeddings, labels, terms, gallery=gallery)


def _terms(block: Block, *, near: _Weights, far: _Weights, margin: Margin) -> Terms:
    lengths = distances_(block.similarity)  # [b, g]
    mates = lengths.gather(1, block.mates)  # [b, w]
    to_positives, pull = _to_set(mates, near, lambda logits: logits.masked_fill_(~block.real, -torch.inf))
    to_negatives, push = _to_set(lengths, far, lambda logits: block.without_same(logits, -torch.inf))
    gap = to_positives - to_negatives  # [b, 1]
    if margin == "soft":
        losses, factor = functional.softplus(gap), gap.sigmoid()
    else:
        losses = (gap + margin).clamp_(min=0.0)
        factor = (losses > 0).to(gap.dtype)
    factor *= block.some
    slopes = push.mul_(-factor).scatter_(1, block.mates, pull.mul_(factor))
    return Terms(losses.mul_(block.some), by_similarity_(slopes, lengths), block.some.sum())


def _to_set(lengths: Tensor, weights: _Weights, only: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """The weighted mean [b, 1] of distances [b, g], and its derivative by each."""
    logits, rates = weights(lengths)
    shares = only(logits)
    softmax_(shares)
    mean = torch.einsum("bg,bg->b", shares, lengths)[:, None]
    return mean, shares.mul_((lengths - mean).mul_(rates).add_(1))


def _exponential(lengths: Tensor, *, rate: float) -> tuple[Tensor, Tensor]:
    return lengths * rate, lengths.new_tensor(rate)


def _polynomial(lengths: Tensor, *, power: float) -> tuple[Tensor, Tensor]:
    return lengths.log1p().mul_(power), (1 + lengths).reciprocal_().mul_(power)
