"""How far apart the rows of a batch are, and which of them belong together.

Embeddings and labels enter, checked once; partners, distances and blocks of both leave, some anchors at a
time, so that nothing larger than [n, n] is ever held. What is picked from them stands in triplets.py and
mining.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from lookalike.errors import BatchError
from lookalike.training.options import check_option

Distance = Literal["euclidean", "squared", "cosine"]

_BLOCK_ELEMENTS = 1 << 18  # of a block of distances: 1 MB of float32


def pairwise_distances(embeddings: Tensor, *, distance: Distance = "euclidean") -> Tensor:
    """Measure how far every row is from every other one.

    Args:
        embeddings: [n, d] float; of unit length where similarities are meant (cosine divides by the length).
        distance: euclidean ‖a - b‖, squared ‖a - b‖², or cosine 1 - s, in [0, 2].

    Returns:
        [n, n], > 0, smaller = more alike, with a finite gradient everywhere. Distances that the rounding of
        a·b hides (in float32 on unit rows: below 0.001) are given as that floor, and carry no gradient.

    Raises:
        ConfigError: the distance has no such name.
    """
    rows = as_rows(embeddings, distance=distance)
    return distances_between(rows, rows, distance)


def classes_of(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the rows of a batch by label: their order [n] int64, and the size of each class [P] int64.

    Raises:
        BatchError: no label occurs twice, or all labels are equal.
    """
    n = len(labels)
    ranked, order = labels.sort(stable=True)
    sizes = ranked.unique_consecutive(return_counts=True)[1]
    if len(sizes) in (0, 1, n):
        raise BatchError(
            "a batch without a pair to learn from",
            where="labels",
            saw=f"{n} rows, {'all of one label' if 1 == len(sizes) < n else 'no label twice'}",
            wanted="two labels or more, one of them twice or more",
            do="draw P x K batches with P >= 2 and K >= 2, for example with ClassBatches",
        )
    return order, sizes


def positives_of(labels: Tensor) -> Tensor:
    """List each row's partners, the other rows of its label: [n, w] int64.

    w is the most partners that a row has; a row with fewer is filled up with itself.

    Raises:
        BatchError: no label occurs twice, or all labels are equal.
    """
    order, sizes = classes_of(labels)
    last = sizes.cumsum(0).repeat_interleave(sizes)  # [n], where the class of each place in `order` ends
    first = last - sizes.repeat_interleave(sizes)
    place = torch.arange(len(order), device=order.device)
    partners = first[:, None] + torch.arange(int(sizes.max()) - 1, device=order.device)  # [n, w], by place
    partners += partners >= place[:, None]  # skipping the row itself
    partners = torch.where(partners < last[:, None], partners, place[:, None])
    return torch.empty_like(partners).index_copy_(0, order, order[partners])


def as_batch(embeddings: Tensor, labels: Tensor, *, distance: Distance) -> tuple[Tensor, Tensor]:
    """Check a batch and return its rows [n, d], as `as_rows` does, and its labels [n] int64.

    Raises:
        BatchError: embeddings are not [n, d], or labels not [n] whole numbers.
        ConfigError: the distance has no such name.
    """
    rows = as_rows(embeddings, distance=distance)
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.is_complex():
        raise BatchError(
            "labels are not whole numbers",
            where="labels",
            saw=str(labels.dtype) if isinstance(labels, Tensor) else type(labels).__name__,
            wanted="a tensor of whole numbers, the same one for all rows of a label",
            do="number the labels, for example by numpy.unique(labels, return_inverse=True)",
        )
    if labels.shape != embeddings.shape[:1]:
        raise _misshapen(embeddings, labels)
    return rows, labels.long()


def as_rows(embeddings: Tensor, *, distance: Distance) -> Tensor:
    """Check embeddings and return the rows [n, d] that distances are measured between.

    They are float32 at least, and of unit length for the cosine distance.

    Raises:
        BatchError: embeddings are not [n, d].
        ConfigError: the distance has no such name.
    """
    check_option(distance, Distance, name="distance")
    if embeddings.ndim != 2:
        raise _misshapen(embeddings, None)
    rows = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    return torch.nn.functional.normalize(rows, dim=1, eps=1e-6) if distance == "cosine" else rows


def _misshapen(embeddings: Tensor, labels: Tensor | None) -> BatchError:
    return BatchError(
        "embeddings and labels do not fit together",
        where="embeddings, labels",
        saw=f"{list(embeddings.shape)} and {'none' if labels is None else list(labels.shape)}",
        wanted="[n, d] and [n]",
        do="pass one label for each row of embeddings",
    )


def ranked_blocks(rows: Tensor, *, multiple: int = 1) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Some anchors at a time, their places [b, 1], and [b, n] that ranks as each anchor's distances do.

    The last is written over by the next block.
    """
    lengths = torch.linalg.vector_norm(rows, dim=1).square_()
    ranking = rows.new_empty(0)
    for part, own in anchor_blocks(rows, multiple=multiple):
        if len(ranking) != len(own):
            ranking = rows.new_empty(len(own), len(rows))
        # ‖a - b‖² without ‖a‖², which is the same all along a row; with out=, never in half precision
        torch.addmm(lengths, rows[part], rows.T, alpha=-2, out=ranking)
        yield part, own, ranking


def anchor_blocks(rows: Tensor, *, multiple: int = 1) -> Iterator[tuple[slice, Tensor]]:
    """Some anchors at a time, a multiple of so many: their slice, and their places [b, 1]."""
    places = torch.arange(len(rows), device=rows.device)[:, None]
    size = max(1, _BLOCK_ELEMENTS // len(rows) // multiple) * multiple
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield part, places[part]


def exclude_same(ranking: Tensor, own: Tensor, mates: Tensor, value: float) -> None:
    """Set the entries of same-label pairs, each anchor with itself among them, in place."""
    ranking.scatter_(1, mates, value).scatter_(1, own, value)


def distances_between(rows: Tensor, others: Tensor, distance: Distance) -> Tensor:
    """[b, d] and [n, d] to [b, n]."""
    with torch.autocast(rows.device.type, enabled=False):
        own, theirs = rows.square().sum(1), others.square().sum(1)
        squared = torch.addmm(theirs[None, :], rows, others.T, alpha=-2).add_(own[:, None])
    floor = (8 * torch.finfo(rows.dtype).eps * theirs.detach().max()).clamp_(min=1e-12)
    squared.clamp_(min=floor)  # under the root: the gradient of sqrt at 0 is infinite
    if distance == "euclidean":
        return squared.sqrt_()
    return squared if distance == "squared" else squared.div_(2)  # 1 - s on unit rows


def nearest_of(matrix: Tensor) -> Tensor:
    """[b] index of each row's least entry."""
    if matrix.device.type != "cpu":
        return matrix.argmin(1)
    return torch.from_numpy(matrix.numpy().argmin(1))  # vectorised, where torch's is not


def sorted_rows(matrix: Tensor) -> Tensor:
    """Each row in rising order."""
    if matrix.device.type != "cpu":
        return matrix.sort(dim=1).values
    return torch.from_numpy(np.sort(matrix.numpy(), axis=1))  # vectorised, where torch's is not
