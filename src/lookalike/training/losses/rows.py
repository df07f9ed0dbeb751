"""Each row of a batch compared with all others, some rows at a time: the frame of the losses over pairs.

Embeddings, labels and a loss's own terms enter; the mean of the terms leaves, its gradient made in the same
pass, so that nothing larger than a few blocks is held whatever the loss needs on the way. A gallery of
further rows (a memory of earlier batches, for example) may be compared with as well. What is learned from
the comparison stands in pairwise.py, weighted.py, contrast.py and ranking.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from lookalike.errors import BatchError
from lookalike.training.distances import as_batch

Gallery = tuple[Tensor, Tensor]  # embeddings [m, d] and labels [m]

# Of a block of similarities: 2 MB of float32. Smaller ones stay in the cache better, but every operation on a
# block waits for all threads, which costs much on processors that are busy with other things too.
_BLOCK_ELEMENTS = 1 << 19
_CUBIC_TEMPORARIES = 4  # what autograd holds of [b, w, g] within a block


class Block(NamedTuple):
    """Some anchors against all columns: the batch's n rows, then the gallery's."""

    similarity: Tensor  # [b, g] cosine; terms may overwrite it
    mates: Tensor  # [b, w] int64 columns of the anchor's label; its own column where it has fewer
    real: Tensor  # [b, w] bool: False where a mate is only the anchor itself
    own: Tensor  # [b, 1] int64 the anchor's own column

    @property
    def some(self) -> Tensor:
        """[b, 1] bool: the anchors that have a positive."""
        return self.real.any(1, keepdim=True)

    def positives(self) -> Tensor:
        """[b, w] similarity to the mates."""
        return self.similarity.gather(1, self.mates)

    def without_same(self, matrix: Tensor, value: float) -> Tensor:
        """Set a matrix's [b, g] entries of the anchor's label, its own among them, in place."""
        return matrix.scatter_(1, self.mates, value).scatter_(1, self.own, value)


class Terms(NamedTuple):
    """What a loss makes of a block."""

    losses: Tensor  # any shape; summed up
    slopes: Tensor  # [b, g] derivative of that sum by the similarities
    counted: Tensor | int  # how many the mean is taken over


def compare(
    embeddings: Tensor,
    labels: Tensor,
    terms: Callable[[Block], Terms],
    *,
    gallery: Gallery | None = None,
    cubic: bool = False,
) -> Tensor:
    """Return the mean of a loss's terms over a batch.

    Args:
        embeddings: [n, d] float, rows of unit length (not checked).
        labels: [n] int64.
        terms: what a block of anchors costs; called once a block, outside of autograd.
        gallery: further rows [m, d] with their labels, that the batch's rows are compared with too.
        cubic: terms need [b, w, g] on the way, so blocks are made smaller.

    Returns:
        Scalar in float32, or float64 for float64 embeddings. It can be differentiated once.

    Raises:
        BatchError: no row has a positive, all labels are equal, or the shapes do not fit.
    """
    rows, labels = as_batch(embeddings, labels, distance="euclidean")
    others = None
    if gallery is not None:
        others, further = further_rows(gallery, rows)
        labels = torch.cat((labels, further))
    mates = mates_of(labels, anchors=len(rows))
    depth = _CUBIC_TEMPORARIES * mates.shape[1] if cubic else 1
    return cast(Tensor, _Comparison.apply(rows, others, mates, terms, depth))


def mates_of(labels: Tensor, *, anchors: int) -> Tensor:
    """List the columns [a, w] int64 that share the label of each of the first rows, its own left out.

    w is the most that an anchor has; an anchor with fewer is filled up with its own column.

    Raises:
        BatchError: no anchor has any, or all labels are equal.
    """
    labels = labels.contiguous()
    order = labels.argsort(stable=True)
    ranked, asked = labels[order], labels[:anchors]
    first = torch.searchsorted(ranked, asked)
    last = torch.searchsorted(ranked, asked, right=True)
    width = int((last - first).max()) - 1 if anchors else 0
    if width in (0, len(labels) - 1) or not anchors:
        raise BatchError(
            "a batch without a pair to learn from",
            where="labels",
            saw=f"{len(labels)} rows, {'all of one label' if width > 0 else 'no label twice'}",
            wanted="two labels or more, one of them twice or more",
            do="draw P x K batches with P >= 2 and K >= 2, for example with ClassBatches",
        )
    places = torch.arange(len(labels), device=labels.device)
    rank = torch.empty_like(order).scatter_(0, order, places)[:anchors] - first  # [a], place within its class
    column = torch.arange(width, device=labels.device)
    column = first[:, None] + column + (column >= rank[:, None])  # [a, w], skipping the anchor itself
    return torch.where(
        column < last[:, None], order[column.clamp_(max=len(labels) - 1)], places[:anchors, None]
    )


def softmax_(logits: Tensor) -> Tensor:
    """Turn rows [b, g] into their softmax in place and return their log-sum-exp [b, 1].

    Entries of -inf count as not there; a row of nothing else becomes zeros, its log-sum-exp -inf.
    """
    limits = torch.finfo(logits.dtype)
    peak = logits.amax(1, keepdim=True)
    total = logits.sub_(peak.clamp(min=limits.min)).exp_().sum(1, keepdim=True).clamp_(min=limits.tiny)
    logits.mul_(total.reciprocal())
    return peak.add_(total.log_())


def log1p_sum_exp_(logits: Tensor, peak: Tensor) -> Tensor:
    """Return log(1 + Σ exp(logits + peak)) [b, 1]; rows [b, g] become its derivative, in place.

    The peak [b, 1] is >= 0 and was taken off the logits already, which are then <= 0.
    """
    total = logits.exp_().sum(1, keepdim=True) + peak.neg().exp_()
    logits.mul_(total.reciprocal())
    return total.log_().add_(peak)


def distances_(similarity: Tensor) -> Tensor:
    """Turn similarities of unit rows into distances sqrt(2 - 2 s), in place.

    Distances that the rounding of s hides (in float32: below 0.001) are given as that floor.
    """
    return similarity.mul_(-2).add_(2).clamp_(min=_shortest(similarity) ** 2).sqrt_()


def by_similarity_(slopes: Tensor, lengths: Tensor) -> Tensor:
    """Turn derivatives by distances into derivatives by similarities, in place.

    They are 0 where the rounding of s hides the distance: the derivative of the root is infinite at 0.
    """
    hidden = lengths <= _shortest(lengths) * (1 + 1e-6)
    return slopes.div_(lengths).neg_().masked_fill_(hidden, 0.0)


def _shortest(like: Tensor) -> float:
    return float((8 * torch.finfo(like.dtype).eps) ** 0.5)


class _Comparison(torch.autograd.Function):
    """Terms over blocks of anchors, with the gradient made while a block is in the cache.

    Only the gradients [n, d] and [m, d] are kept for the way back.
    """

    @staticmethod
    def forward(
        ctx: Any,
        rows: Tensor,
        gallery: Tensor | None,
        mates: Tensor,
        terms: Callable[[Block], Terms],
        depth: int,
    ) -> Tensor:
        columns = rows if gallery is None else torch.cat((rows, gallery))
        reached = len(columns) if ctx.needs_input_grad[1] else len(rows)  # columns that take a gradient
        gradient = torch.zeros_like(columns[:reached]) if any(ctx.needs_input_grad) else None
        total, count = rows.new_zeros(()), rows.new_zeros(())
        places = torch.arange(len(rows), device=rows.device)[:, None]
        with torch.autocast(rows.device.type, enabled=False):
            for part in _parts(len(rows), len(columns) * depth):
                own, mine = places[part], rows[part]
                block = Block(mine @ columns.T, mates[part], mates[part] != own, own)
                losses, slopes, counted = terms(block)
                total += losses.sum()
                count += counted
                if gradient is not None:
                    gradient[part].addmm_(slopes, columns)
                    gradient.addmm_(slopes[:, :reached].T, mine)
        count.clamp_(min=1)
        ctx.rows = len(rows)
        ctx.gradient = None if gradient is None else gradient.div_(count)
        return total.div_(count)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # create_graph: the gradient is a constant here, a second would be wrong
            raise RuntimeError("losses over pairs can be differentiated once: leave out create_graph")
        scaled = upstream * ctx.gradient
        own = scaled[: ctx.rows] if ctx.needs_input_grad[0] else None
        return own, scaled[ctx.rows :] if ctx.needs_input_grad[1] else None, None, None, None


def further_rows(gallery: Gallery, rows: Tensor) -> Gallery:
    """Check a gallery and return its rows [m, d], in the precision of a batch's, and its labels [m] int64.

    Raises:
        BatchError: they do not fit together, or not to the batch.
    """
    others, labels = as_batch(*gallery, distance="euclidean")
    if others.shape[1] != rows.shape[1]:
        raise BatchError(
            "gallery and batch do not fit together",
            where="gallery",
            saw=f"rows of length {others.shape[1]} beside {rows.shape[1]}",
            do="embed both with the same network",
        )
    return others.to(rows), labels.to(rows.device)


def _parts(rows: int, columns: int) -> list[slice]:
    size = max(1, _BLOCK_ELEMENTS // columns)
    return [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
