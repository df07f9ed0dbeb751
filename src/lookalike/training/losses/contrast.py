"""Softmax losses over the rows of a batch: supervised contrastive and NT-Xent.

Embeddings [n, d] and labels [n] enter, a scalar leaves. Two views of one picture are two rows of one label.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from lookalike.config_loss import NtXentConfig, SupervisedContrastiveConfig
from lookalike.training.losses.rows import Block, Gallery, Terms, compare, softmax_
from lookalike.training.options import checked


def supervised_contrastive(
    embeddings: Tensor, labels: Tensor, *, temperature: float = 0.1, gallery: Gallery | None = None
) -> Tensor:
    """Make every anchor's positives likely among all other rows.

    Every anchor costs the mean over its positives of -log(exp(s_ip / temperature) / Σ exp(s_ia /
    temperature)), the sum over all rows but the anchor itself; mean over the anchors that have a positive.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        temperature: > 0; small values look at the hardest rows only.
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar > 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: the temperature is out of range.

    Reference:
        Khosla et al., Supervised Contrastive Learning, NeurIPS 2020 (arXiv:2004.11362), equation 2 (L_out).

    >>> round(supervised_contrastive(torch.eye(4), torch.tensor([0, 0, 1, 1])).item(), 4) # log 3
    1.0986
    """
    asked = checked(SupervisedContrastiveConfig, temperature=temperature)
    terms = partial(_supervised_contrastive, temperature=asked.temperature)
    return compare(embeddings, labels, terms, gallery=gallery)


def nt_xent(
    embeddings: Tensor, labels: Tensor, *, temperature: float = 0.1, gallery: Gallery | None = None
) -> Tensor:
    """Make every positive likely among the anchor's negatives.

    Every ordered positive pair costs -log(exp(s_ip / temperature) / (exp(s_ip / temperature) + Σ_N exp(s_in /
    temperature))); mean over these pairs. Other positives do not compete, as they do in
    `supervised_contrastive`; with two rows a label the two are equal.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        temperature: > 0; small values look at the hardest negatives only.
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar > 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: the temperature is out of range.

    Reference:
        Chen et al., SimCLR, ICML 2020 (arXiv:2002.05709), equation 1, for any number of positives.

    >>> round(nt_xent(torch.eye(4), torch.tensor([0, 0, 1, 1])).item(), 4) # log 3
    1.0986
    """
    asked = checked(NtXentConfig, temperature=temperature)
    return compare(embeddings, labels, partial(_nt_xent, temperature=asked.temperature), gallery=gallery)


def _supervised_contrastive(block: Block, *, temperature: float) -> Terms:
    real = block.real.to(block.similarity.dtype)
    share = real / real.sum(1, keepdim=True).clamp_(min=1)  # [b, w], of each positive
    pulled = (block.positives() * share).sum(1, keepdim=True).div_(temperature)
    logits = block.similarity.div_(temperature).scatter_(1, block.own, -torch.inf)
    losses = softmax_(logits).sub_(pulled).mul_(block.some)
    slopes = logits.mul_(block.some).scatter_add_(1, block.mates, -share)
    return Terms(losses, slopes.div_(temperature), block.some.sum())


def _nt_xent(block: Block, *, temperature: float) -> Terms:
    pull = block.positives().div_(temperature)  # [b, w]
    push = block.without_same(block.similarity.div_(temperature), -torch.inf)  # [b, g]
    gap = softmax_(push) - pull
    factor = gap.sigmoid().mul_(block.real).div_(temperature)  # [b, w]
    slopes = push.mul_(factor.sum(1, keepdim=True)).scatter_(1, block.mates, -factor)
    return Terms(functional.softplus(gap).mul_(block.real), slopes, block.real.sum())
