"""Losses that smooth a figure of retrieval until it can be differentiated: average precision and recall@k.

Embeddings [n, d] and labels [n] enter, a scalar leaves. Ranks are made of sigmoids instead of steps; they
need [b, w, g] numbers for b anchors with w positives among g rows, so blocks are kept small.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from lookalike.config_loss import RecallAtKConfig, SmoothApConfig
from lookalike.training.losses.rows import Block, Gallery, Terms, compare
from lookalike.training.options import checked

_Ranked = Callable[[Tensor, Block], Tensor]  # similarities [b, g] to losses [b, 1]


def smooth_ap(
    embeddings: Tensor, labels: Tensor, *, temperature: float = 0.01, gallery: Gallery | None = None
) -> Tensor:
    """Raise a smoothed average precision: every row asks for its positives among all other rows.

    With σ_pj = sigmoid((s_aj - s_ap) / temperature), the positive p of anchor a ranks 1 + Σ_j σ_pj among the
    rows j other than a and p, and as many counted among positives alone. AP is the mean over p of the rank
    among positives / the rank among all; the loss is the mean of 1 - AP over anchors that have a positive.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        temperature: > 0, in units of similarity; small values are nearer to the true AP, with less gradient.
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar in [0, 1) in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: the temperature is out of range.

    Reference:
        Brown et al., Smooth-AP, ECCV 2020 (arXiv:2007.12163). Its code counts the anchor itself as a
        positive that is always found first; here it is left out, as it is when retrieval is judged.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0.6, 0.8], [-0.6, 0.8]])
    >>> round(smooth_ap(z, torch.tensor([0, 0, 1, 1])).item(), 4)
    0.2917
    """
    asked = checked(SmoothApConfig, temperature=temperature)
    ranked = partial(_one_minus_ap, temperature=asked.temperature)
    return compare(embeddings, labels, partial(_terms, ranked=ranked), gallery=gallery, cubic=True)


def recall_at_k(
    embeddings: Tensor,
    labels: Tensor,
    *,
    ks: Sequence[int] = (1, 2, 4, 8, 16),
    temperature: float = 0.01,
    gallery: Gallery | None = None,
) -> Tensor:
    """Raise a smoothed recall@k: positives should rank within the first k.

    With ranks r_p as in `smooth_ap`, among all rows: 1 - min(k, Σ_p sigmoid((k - r_p) / k)) / min(k, |P|),
    mean over the ks and the anchors that have a positive. Made for large batches.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        ks: >= 1 each, at least one; together they reach positives of any rank.
        temperature: of the ranks, > 0, in units of similarity.
        gallery: further embeddings [m, d] and labels [m] that the batch's rows are compared with too.

    Returns:
        Scalar in [0, 1] in float32, or float64 for float64 embeddings, not 0 for a perfect ranking since
        sigmoids are below 1; its gradient is finite for identical, opposite and zero rows. It can be
        differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
        ConfigError: ks is empty, holds a k that is < 1 or not whole, or the temperature is out of range.

    Reference:
        Patel et al., Recall@k Surrogate Loss with Large Batches and Similarity Mixup, CVPR 2022
        (arXiv:2108.11179), as its code computes it: k is also the temperature of its own
        step, and min(k, |P|) the divisor. Without the similarity mixup.
    """
    asked = checked(RecallAtKConfig, ks=ks, temperature=temperature)
    ranked = partial(_one_minus_recall, ks=asked.ks, temperature=asked.temperature)
    return compare(embeddings, labels, partial(_terms, ranked=ranked), gallery=gallery, cubic=True)


def _terms(block: Block, *, ranked: _Ranked) -> Terms:
    with torch.enable_grad():
        similarity = block.similarity.requires_grad_()
        losses = (ranked(similarity, block) * block.some).sum()
    (slopes,) = torch.autograd.grad(losses, similarity)
    return Terms(losses.detach(), slopes, block.some.sum())


def _one_minus_ap(similarity: Tensor, block: Block, *, temperature: float) -> Tensor:
    above = _above(similarity, block, temperature)  # [b, w, g]
    mates = block.mates[:, None, :].expand(-1, block.mates.shape[1], -1)  # [b, w, w]
    precision = (1 + above.gather(2, mates).sum(2)) / (1 + above.sum(2))  # [b, w]
    return 1 - (precision * block.real).sum(1, keepdim=True) / block.real.sum(1, keepdim=True).clamp(min=1)


def _one_minus_recall(similarity: Tensor, block: Block, *, ks: Sequence[int], temperature: float) -> Tensor:
    ranks = 1 + _above(similarity, block, temperature).sum(2)  # [b, w]
    places = similarity.new_tensor(ks)
    within = ((places - ranks[:, :, None]) / places).sigmoid() * block.real[:, :, None]  # [b, w, k]
    possible = torch.minimum(block.real.sum(1, keepdim=True).clamp(min=1), places)  # [b, k]
    return 1 - (torch.minimum(within.sum(1), places) / possible).mean(1, keepdim=True)


def _above(similarity: Tensor, block: Block, temperature: float) -> Tensor:
    """[b, w, g] in [0, 1]: how far each row is ranked above each positive; 0 for the two themselves."""
    near = similarity.gather(1, block.mates)[:, :, None]
    above = ((similarity[:, None, :] - near) / temperature).sigmoid()
    return above.scatter(2, block.own[:, None, :].expand(near.shape), 0.0).scatter(
        2, block.mates[:, :, None], 0.0
    )
