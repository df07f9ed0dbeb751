"""What gradient training minimises: functions of embeddings [n, d] and labels [n] that return a scalar.

They work alone in any PyTorch loop. Which triplets are looked at is decided in triplets.py; how batches are
drawn, in batches.py.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.nn import functional

from lookalike.config import LossConfig
from lookalike.errors import ConfigError
from lookalike.training.triplets import Distance, Triplets, as_rows, mine_batch_hard, mine_semi_hard

__all__ = ["Distance", "Loss", "make_loss", "triplet_batch_hard", "triplet_loss", "triplet_semi_hard"]

Loss = Callable[[Tensor, Tensor], Tensor]
Margin = float | Literal["soft"]

_CHUNK_ELEMENTS = 1 << 22  # of rows gathered at a time: 16 MB of float32 for each side of the triplets
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
    _check_margin(margin, soft=False)
    rows = as_rows(embeddings, labels, distance=distance)
    return _mean(rows, mine_semi_hard(rows, labels), margin, distance)


def triplet_batch_hard(
    embeddings: Tensor, labels: Tensor, *, margin: Margin = "soft", distance: Distance = "euclidean"
) -> Tensor:
    """Ask every anchor's farthest positive to be nearer than its nearest negative.

    max(0, D_ap - D_an + margin) or, with a soft margin, log(1 + exp(D_ap - D_an)); mean over the anchors that
    have a positive.

    Args:
        embeddings: [n, d] float32 or bfloat16, rows of unit length (not checked: this is the hot path).
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        margin: > 0, in units of the distance, or "soft".
        distance: euclidean ‖a - b‖, squared ‖a - b‖², cosine 1 - s.

    Returns:
        Scalar >= 0 in float32, or float64 for float64 embeddings; its gradient is finite for identical,
        opposite and zero rows. It can be differentiated once.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: the margin or the distance is none of the above.

    Reference:
        Hermans et al., In Defense of the Triplet Loss, 2017 (arXiv:1703.07737), equation 5.

    >>> z = torch.tensor([[1., 0.], [0.8, 0.6], [0., 1.], [-0.6, 0.8]])
    >>> round(triplet_batch_hard(z, torch.tensor([0, 0, 1, 1])).item(), 4)
    0.4738
    """
    _check_margin(margin, soft=True)
    rows = as_rows(embeddings, labels, distance=distance)
    return _mean(rows, mine_batch_hard(rows, labels), margin, distance)


def triplet_loss(
    embeddings: Tensor, triplets: Triplets, *, margin: Margin = 1.0, distance: Distance = "euclidean"
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
    """
    _check_margin(margin, soft=True)
    return _mean(as_rows(embeddings, distance=distance), triplets, margin, distance)


def make_loss(config: LossConfig) -> Loss:
    """Return the loss that a run file asks for, as a function of embeddings and labels."""
    if config.name == "triplet_batch_hard":
        return partial(triplet_batch_hard, margin=config.margin, distance=config.distance)
    _check_margin(config.margin, soft=False)
    return partial(triplet_semi_hard, margin=cast("float", config.margin), distance=config.distance)


def _mean(rows: Tensor, triplets: Triplets, margin: Margin, distance: Distance) -> Tensor:
    return cast("Tensor", _TripletLoss.apply(rows, triplets, margin, distance))


class _TripletLoss(torch.autograd.Function):
    """The mean loss of given triplets, with its gradient made in the same pass over the gathered rows.

    Faster than the same formula in separate operations, and in bounded memory: rows are gathered in chunks,
    and nothing but the gradient [n, d] is kept for the way back.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, triplets: Triplets, margin: Margin, distance: Distance) -> Tensor:
        dims = rows.shape[1]
        gradient = torch.zeros_like(rows) if ctx.needs_input_grad[0] else None
        loss = rows.new_zeros(())
        chunks = (torch.split(part, max(1, _CHUNK_ELEMENTS // dims)) for part in triplets)
        for anchor, positive, negative in zip(*chunks, strict=True):
            ends = torch.cat((positive, negative))
            differences = rows.index_select(0, ends).view(2, -1, dims).sub_(rows.index_select(0, anchor))
            distances, factors = _lengths(differences, distance)  # [2, t]
            losses, slope = _penalty(distances[0] - distances[1], margin)
            loss += losses.sum()
            if gradient is not None:
                factors.mul_(torch.stack((slope, -slope)))
                differences.mul_(factors.div_(len(triplets.anchor))[..., None])  # [2, t, d]
                gradient.index_add_(0, ends, differences.view(-1, dims))
                gradient.index_add_(0, anchor, differences.sum(0), alpha=-1)
        ctx.gradient = gradient
        return loss.div_(len(triplets.anchor))

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        if torch.is_grad_enabled():  # create_graph: the gradient is a constant here, a second would be wrong
            raise RuntimeError("triplet losses can be differentiated once: leave out create_graph")
        return upstream * ctx.gradient, None, None, None


def _lengths(differences: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Distances [...] of differences [..., d], and the factors that make a row its distance's gradient."""
    lengths = torch.linalg.vector_norm(differences, dim=-1)
    if distance == "euclidean":
        return lengths.clamp_(min=_SHORTEST), lengths.reciprocal()
    if distance == "squared":
        return lengths.square_(), torch.full_like(lengths, 2.0)
    return lengths.square_().div_(2), torch.ones_like(lengths)  # 1 - s on unit rows


def _penalty(gaps: Tensor, margin: Margin) -> tuple[Tensor, Tensor]:
    """The loss [t] of D_ap - D_an [t], and its slope."""
    if margin == "soft":
        return functional.softplus(gaps), gaps.sigmoid()
    losses = (gaps + margin).clamp_(min=0.0)
    return losses, (losses > 0).to(gaps.dtype)


def _check_margin(margin: object, *, soft: bool) -> None:
    if (soft and margin == "soft") or (isinstance(margin, int | float) and margin > 0):
        return
    raise ConfigError(
        "the margin does not fit the loss",
        where="loss.margin",
        saw=repr(margin),
        wanted="a number > 0, or soft" if soft else "a number > 0",
        do="set a number such as 0.2; soft belongs to triplet_batch_hard",
    )
