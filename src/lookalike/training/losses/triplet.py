"""Triplet losses: functions of embeddings [n, d] and labels [n] that return a scalar.

They work alone in any PyTorch loop. Which triplets are looked at is decided in triplets.py; how batches are
drawn, in batches.py.
"""

from __future__ import annotations

from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional

from lookalike.config_loss import TripletBatchHardConfig, TripletSemiHardConfig
from lookalike.errors import BatchError
from lookalike.training.distances import Distance, as_batch, as_rows
from lookalike.training.options import checked
from lookalike.training.triplets import Triplets, mine_batch_hard, mine_semi_hard

Margin = float | Literal["soft"]

_CHUNK_ELEMENTS = 1 << 18  # of rows gathered at a time: 1 MB of float32 for each side of the triplets
_SHORTEST = 1e-6  # distances are never divided by less


def triplet_semi_hard(
    embeddings: Tensor, labels: Tensor, *, margin: float = 1.0, distance: Distance = "euclidean"
) -> Tensor:
    """Ask every positive pair to be nearer, by a margin, than the nearest negative beyond it.

    Every ordered positive pair (a, p) meets the nearest negative with D_an > D_ap, or the farthest one where
    there is none: max(0, D_ap - D_an + margin), mean over the pairs.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        margin: > 0, in units of the distance.
        distance: euclidean ‖a - b‖, squared ‖a - b‖² (the paper's formula, with margin 0.2), cosine 1 - s.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: the margin or the distance is none of the above.

    Reference:
        Schroff et al., FaceNet, CVPR 2015 (arXiv:1503.03832), with the plain distance and the farthest
        negative as the way out, as in tfa.losses.TripletSemiHardLoss.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0., 1.], [-0.6, 0.8]])
    >>> round(triplet_semi_hard(z, torch.tensor([0, 0, 1, 1]), margin=0.5).item(), 4)
    0.119
    """
    asked = checked(TripletSemiHardConfig, margin=margin)
    rows, labels = as_batch(embeddings, labels, distance=distance)
    return mean_of_triplets(rows, mine_semi_hard(rows, labels), asked.margin, distance)


def triplet_batch_hard(
    embeddings: Tensor,
    labels: Tensor,
    *,
    margin: Margin = "soft",
    distance: Distance = "euclidean",
    skip_negatives: int = 0,
    skip_positives: int = 0,
) -> Tensor:
    """Ask every anchor's farthest positive to be nearer than its nearest negative.

    max(0, D_ap - D_an + margin) or, with a soft margin, log(1 + exp(D_ap - D_an)); mean over the anchors that
    have a positive.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        margin: > 0, in units of the distance, or "soft".
        distance: euclidean ‖a - b‖, squared ‖a - b‖², cosine 1 - s.
        skip_negatives: how many of each anchor's nearest negatives to leave out, as a guard against images
            that carry a wrong label; an anchor with no more than that keeps its farthest one.
        skip_positives: how many of its farthest positives to leave out; an anchor with no more than that
            keeps its nearest one.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: an option is none of the above.

    Reference:
        Hermans et al., In Defense of the Triplet Loss, 2017 (arXiv:1703.07737), equation 5.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0., 1.], [-0.6, 0.8]])
    >>> round(triplet_batch_hard(z, torch.tensor([0, 0, 1, 1])).item(), 4)
    0.4738
    """
    skips: dict[str, Any] = {"skip_negatives": skip_negatives, "skip_positives": skip_positives}
    asked = checked(TripletBatchHardConfig, margin=margin, **skips)
    rows, labels = as_batch(embeddings, labels, distance=distance)
    return mean_of_triplets(rows, mine_batch_hard(rows, labels, **skips), asked.margin, distance)


def triplet_loss(
    embeddings: Tensor, triplets: Triplets, *, margin: Margin = 0.1, distance: Distance = "euclidean"
) -> Tensor:
    """Ask the positive of each given triplet to be nearer to the anchor than its negative.

    Args:
        embeddings: [n, d] float.
        triplets: rows of embeddings, t >= 1 of them.
        margin: > 0, in units of the distance, or "soft" for log(1 + exp(D_ap - D_an)).
        distance: euclidean ‖a - b‖, squared ‖a - b‖², cosine 1 - s.

    Returns:
        Scalar, mean over the triplets.

    Raises:
        ConfigError: the margin or the distance is none of the above.
        BatchError: there is no triplet, or one names a row that is not there.
    """
    asked = checked(TripletBatchHardConfig, where="triplet_loss", margin=margin)
    _check_rows(triplets, len(embeddings))
    return mean_of_triplets(as_rows(embeddings, distance=distance), triplets, asked.margin, distance)


def _check_rows(triplets: Triplets, rows: int) -> None:
    named = torch.cat([part.flatten() for part in triplets])
    if not len(named) or int(named.min()) < 0 or int(named.max()) >= rows:
        raise BatchError(
            "the triplets do not fit the embeddings",
            where="triplets",
            saw=f"rows {int(named.min())} to {int(named.max())}" if len(named) else "none",
            wanted=f"one triplet or more, of rows 0 to {rows - 1}",
            do="mine them from the same batch",
        )


def mean_of_triplets(
    rows: Tensor, triplets: Triplets, margin: Margin, distance: Distance, *, temperature: float = 1.0
) -> Tensor:
    """The mean loss of triplets among rows that were checked; a temperature divides a soft margin's gaps."""
    return cast("Tensor", _TripletLoss.apply(rows, triplets, margin, distance, temperature))


class _TripletLoss(torch.autograd.Function):
    """The mean loss of given triplets, with its gradient made in the same pass over the gathered rows.

    Faster than the same formula in separate operations, and in bounded memory: rows are gathered in chunks,
    and nothing but the gradient [n, d] is kept for the way back.
    """

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, triplets: Triplets, margin: Margin, distance: Distance, temperature: float
    ) -> Tensor:
        dims, count = rows.shape[1], len(triplets.anchor)
        gradient = torch.zeros_like(rows) if ctx.needs_input_grad[0] else None
        loss = rows.new_zeros(())
        step = max(1, _CHUNK_ELEMENTS // dims)
        for start in range(0, count, step):
            anchor, positive, negative = (part[start : start + step] for part in triplets)
            ends = torch.cat((positive, negative))
            every = _is_every_row(anchor, rows)
            differences = rows.index_select(0, ends).view(2, -1, dims)
            differences.sub_(rows if every else rows.index_select(0, anchor))
            distances, factors = _lengths(differences, distance)  # [2, t]
            losses, slope = _penalty(distances[0] - distances[1], margin, temperature)
            loss += losses.sum()
            if gradient is not None:
                slope.div_(count)
                factors.mul_(torch.stack((slope, -slope)))
                pulls = torch.add(*differences.mul_(factors[..., None]))  # [t, d]
                gradient = gradient.sub_(pulls) if every else gradient.index_add_(0, anchor, pulls, alpha=-1)
                gradient.index_add_(0, ends, differences.view(-1, dims))
        ctx.gradient = gradient
        return loss.div_(count)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None, None]:
        refuse_second_derivative()
        return upstream * ctx.gradient, None, None, None, None


def _is_every_row(anchor: Tensor, rows: Tensor) -> bool:
    """Whether the anchors are all rows, once each and in their order: nothing to gather."""
    n = len(rows)
    return len(anchor) == n and torch.equal(anchor, torch.arange(n, device=anchor.device))


def _lengths(differences: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Distances [...] of differences [..., d], and the factors that make a row its distance's gradient."""
    lengths = torch.linalg.vector_norm(differences, dim=-1)
    if distance == "euclidean":
        return lengths.clamp_(min=_SHORTEST), lengths.reciprocal()
    if distance == "squared":
        return lengths.square_(), torch.full_like(lengths, 2.0)
    return lengths.square_().div_(2), torch.ones_like(lengths)  # 1 - s on unit rows


def _penalty(gaps: Tensor, margin: Margin, temperature: float) -> tuple[Tensor, Tensor]:
    """The loss [t] of D_ap - D_an [t], and its slope."""
    if margin == "soft":
        gaps = gaps / temperature
        return functional.softplus(gaps), gaps.sigmoid().div_(temperature)
    losses = (gaps + margin).clamp_(min=0.0)
    return losses, losses.sign()


def refuse_second_derivative() -> None:
    """Stop a backward pass with create_graph: the gradient is a constant there, a second would be wrong."""
    if torch.is_grad_enabled():
        raise RuntimeError("triplet losses can be differentiated once: leave out create_graph")
