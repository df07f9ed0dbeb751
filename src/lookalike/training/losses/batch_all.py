"""The triplet loss over every valid triplet of a batch, its mean and its gradient, in O(n^2) memory.

Embeddings [n, d] and labels [n] enter, a scalar leaves. For one anchor, a triplet is active when its negative
lies within the margin of its positive, so all that the mean and the gradient need is how many positives each
negative is active with, and how many negatives each positive: two counts for each pair, never the n^3
triplets. A soft margin has no such shortcut, every triplet being active, and is not offered.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor

from lookalike.config_loss import TripletBatchAllConfig
from lookalike.training.distances import (
    Distance,
    anchor_blocks,
    as_batch,
    distances_between,
    exclude_same,
    positives_of,
    sorted_rows,
)
from lookalike.training.losses.triplet import refuse_second_derivative
from lookalike.training.options import checked

# Above this many positives an anchor, looking each distance up is cheaper than one pass for each positive.
_WIDEST_PASSES = 64


def triplet_batch_all(
    embeddings: Tensor, labels: Tensor, *, margin: float = 0.2, distance: Distance = "euclidean"
) -> Tensor:
    """Ask every positive to be nearer, by a margin, than every negative; learn from those that are not.

    max(0, D_ap - D_an + margin) over all valid triplets (a, p, n); mean over the active ones, whose loss is
    > 0. What the easy ones would add to the count does not dilute the rest.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        margin: > 0, in units of the distance.
        distance: euclidean ‖a - b‖, squared ‖a - b‖², cosine 1 - s. Distances below 0.001 (in float32, on
            unit rows) count as that.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; 0 where no triplet is active. Its gradient
        is finite for identical, opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: the margin or the distance is none of the above.

    Reference:
        Hermans et al., In Defense of the Triplet Loss, 2017 (arXiv:1703.07737), equation 6, with the mean
        over the triplets with a loss > 0 of their section 3.2 (BA≠0).

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0., 1.], [-0.6, 0.8]])
    >>> round(triplet_batch_all(z, torch.tensor([0, 0, 1, 1]), margin=0.5).item(), 4)
    0.238
    """
    asked = checked(TripletBatchAllConfig, margin=margin)
    rows, labels = as_batch(embeddings, labels, distance=distance)
    return cast("Tensor", _BatchAll.apply(rows, positives_of(labels), asked.margin, distance))


class _BatchAll(torch.autograd.Function):
    """The mean over active triplets, with its gradient made in the same pass over blocks of anchors."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, positives: Tensor, margin: float, distance: Distance) -> Tensor:
        pull = _Pull(rows) if ctx.needs_input_grad[0] else None
        total = rows.new_zeros((), dtype=torch.float64)
        active = torch.zeros((), dtype=torch.int64, device=rows.device)
        for part, own in anchor_blocks(rows):
            mates = positives[part]  # [b, w]
            distances = distances_between(rows[part], rows, distance)  # [b, n]
            near = distances.gather(1, mates)
            limits = (near + margin).masked_fill_(mates == own, 0.0)  # no distance is below 0
            exclude_same(distances, own, mates, torch.finfo(rows.dtype).max)
            by_passes = mates.shape[1] <= _WIDEST_PASSES
            negatives, shares = (_active_by_passes if by_passes else _active_by_sorting)(distances, limits)
            total += (negatives * limits).sum(dtype=torch.float64)
            total -= torch.dot(shares.view(-1), distances.view(-1))
            active += negatives.to(torch.int64).sum()
            if pull is not None:
                pull.add(part, _slopes(shares, negatives, distances, near, mates, distance))
        active.clamp_(min=1)
        ctx.gradient = None if pull is None else pull.gradient().div_(active)
        return (total / active).to(rows.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        refuse_second_derivative()
        return upstream * ctx.gradient, None, None, None


class _Pull:
    """Σ_ij m_ij (z_i - z_j), as the gradient of both ends, summed up over blocks of rows of m [n, n]."""

    def __init__(self, rows: Tensor) -> None:
        self._rows = rows
        self._sums = rows.new_zeros(len(rows), 1)
        self._others = torch.zeros_like(rows)

    def add(self, part: slice, weights: Tensor) -> None:
        """Add the block of m [b, n] that belongs to some rows."""
        self._sums[part] += weights.sum(1, keepdim=True)
        self._sums += weights.sum(0)[:, None]
        with torch.autocast(weights.device.type, enabled=False):
            self._others[part].addmm_(weights, self._rows)
            self._others.addmm_(weights.T, self._rows[part])

    def gradient(self) -> Tensor:
        """The sum [n, d]."""
        return self._rows.mul(self._sums).sub_(self._others)


def _active_by_passes(distances: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
    """How many distances lie below each limit [b, w], and how many limits above each distance [b, n]."""
    shares = torch.zeros_like(distances)
    below = torch.empty_like(distances)
    counts = torch.empty_like(limits)
    for k in range(limits.shape[1]):
        torch.lt(distances, limits[:, k : k + 1], out=below)
        counts[:, k] = below.sum(1)
        shares += below
    return counts, shares


def _active_by_sorting(distances: Tensor, limits: Tensor) -> tuple[Tensor, Tensor]:
    """The same in O(n^2 log n), however many limits there are."""
    counts = torch.searchsorted(sorted_rows(distances), limits).to(limits.dtype)
    reached = torch.searchsorted(sorted_rows(limits), distances, right=True)
    return counts, reached.neg_().add_(limits.shape[1]).to(limits.dtype)


def _slopes(
    shares: Tensor, negatives: Tensor, distances: Tensor, near: Tensor, mates: Tensor, distance: Distance
) -> Tensor:
    """[b, n] how strongly each difference z_a - z_j enters the gradient; `shares` is spent."""
    if distance == "euclidean":
        return shares.div_(distances).neg_().scatter_(1, mates, negatives / near)
    scale = 2.0 if distance == "squared" else 1.0
    return shares.mul_(-scale).scatter_(1, mates, negatives * scale)
