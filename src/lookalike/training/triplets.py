"""Which triplets a batch offers: distances, the triplets worth learning from, and how hard all of them are.

Embeddings and labels enter; index tensors (anchor, positive, negative) or counts leave. Everything is exact,
needs O(n^2) memory and never forms the n^3 triplets. What is learned from the triplets stands in losses.py.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor

from lookalike.errors import BatchError, ConfigError

Distance = Literal["euclidean", "squared", "cosine"]

# Above this many positives an anchor, sorting all negatives once is cheaper than one pass over them for each.
_WIDEST_PASSES = 64
_BLOCK_ELEMENTS = 1 << 18  # of a block of distances: 1 MB of float32


class Triplets(NamedTuple):
    """Rows of a batch that belong together: [t] int64 each, sorted by anchor."""

    anchor: Tensor
    positive: Tensor
    negative: Tensor


@dataclass(frozen=True, slots=True)
class TripletKinds:
    """How hard the valid triplets (anchor, positive, negative) of a batch are, as shares that sum to 1."""

    easy: float  # d_an > d_ap + margin: the loss is 0, the triplet is "correct"
    semi_hard: float  # d_ap < d_an <= d_ap + margin
    hard: float  # d_an <= d_ap; equal distances count as hard
    triplets: int  # how many there are


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
    return _distances(rows, rows, distance)


def mine_semi_hard(embeddings: Tensor, labels: Tensor) -> Triplets:
    """Pick, for every ordered positive pair, the nearest negative that is farther than the positive.

    Where no negative is farther, the farthest negative is taken. Distances are euclidean, ranked to within
    the rounding of float32 (or of float64 for such embeddings); of equal distances any one may be taken.

    Args:
        embeddings: [n, d] float; no gradient is followed.
        labels: [n] int64; at least one label must occur twice, and there must be two labels.

    Returns:
        One triplet a positive pair: sum over labels of c (c - 1) triplets, c = how often a label occurs.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.

    Reference:
        Schroff et al., FaceNet, CVPR 2015 (arXiv:1503.03832), section 3.2; tfa.losses.TripletSemiHardLoss.
    """
    rows, positives = as_rows(embeddings.detach(), labels, distance="euclidean"), positives_of(labels)
    negatives = torch.empty_like(positives)
    for part, own, ranking in _ranked_blocks(rows):
        mates = positives[part]  # [b, w]
        thresholds = ranking.gather(1, mates)
        _exclude_same(ranking, own, mates, torch.inf)
        first_above = _first_above_by_passes if mates.shape[1] <= _WIDEST_PASSES else _first_above_by_sorting
        above = first_above(ranking, thresholds)
        _use_farthest_where_none(above, ranking, own, mates)
        negatives[part] = above
    anchors = torch.arange(len(labels), device=labels.device)[:, None]
    real = positives != anchors
    return Triplets(anchors.expand_as(positives)[real], positives[real], negatives[real])


def mine_batch_hard(embeddings: Tensor, labels: Tensor) -> Triplets:
    """Pick, for every anchor, its farthest positive and its nearest negative.

    Args:
        embeddings: [n, d] float; no gradient is followed. Distances are euclidean.
        labels: [n] int64; at least one label must occur twice, and there must be two labels.

    Returns:
        One triplet an anchor; anchors whose label occurs once are left out. Of equals any one may be taken.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.

    Reference:
        Hermans et al., In Defense of the Triplet Loss, 2017 (arXiv:1703.07737), equation 5.
    """
    rows, positives = as_rows(embeddings.detach(), labels, distance="euclidean"), positives_of(labels)
    farthest, nearest = positives[:, 0].clone(), positives[:, 0].clone()
    for part, own, ranking in _ranked_blocks(rows):
        mates = positives[part]  # [b, w]
        thresholds = ranking.gather(1, mates).masked_fill_(mates == own, -torch.inf)
        farthest[part] = mates.gather(1, thresholds.argmax(1, keepdim=True))[:, 0]
        _exclude_same(ranking, own, mates, torch.inf)
        nearest[part] = _argmin(ranking)
    anchors = torch.arange(len(labels), device=labels.device)
    some = farthest != anchors
    return Triplets(anchors[some], farthest[some], nearest[some])


@torch.no_grad()
def triplet_kinds(
    embeddings: Tensor, labels: Tensor, *, margin: float, distance: Distance = "euclidean"
) -> TripletKinds:
    """Count how many of all valid triplets are easy, semi-hard and hard.

    Args:
        embeddings: [n, d] float.
        labels: [n] int64.
        margin: of the loss, in units of its distance, >= 0; 0 for a soft margin.
        distance: the loss's own.

    Returns:
        Shares over all sum of c (c - 1) (n - c) triplets, in O(n^2 log n) time.

    Raises:
        BatchError: there is no valid triplet, or the shapes do not fit.
        ConfigError: the distance has no such name.
    """
    rows, positives = as_rows(embeddings, labels, distance=distance), positives_of(labels)
    hard = within = triplets = 0
    for part, own in _blocks(rows):
        mates = positives[part]  # [b, w]
        real = mates != own
        distances = _distances(rows[part], rows, distance)  # [b, n]
        positive_distances = distances.gather(1, mates)
        _exclude_same(distances, own, mates, torch.inf)
        ranked = _sorted_rows(distances)
        hard += int(torch.searchsorted(ranked, positive_distances, right=True)[real].sum())
        within += int(torch.searchsorted(ranked, positive_distances + margin, right=True)[real].sum())
        partners = real.sum(1)
        triplets += int((partners * (len(labels) - 1 - partners)).sum())
    return TripletKinds(1.0 - within / triplets, (within - hard) / triplets, hard / triplets, triplets)


def positives_of(labels: Tensor) -> Tensor:
    """List each row's partners, the other rows of its label: [n, w] int64.

    w is the most partners that a row has; a row with fewer is filled up with itself.

    Raises:
        BatchError: no label occurs twice, or all labels are equal.
    """
    n, labels = len(labels), labels.contiguous()
    order = labels.argsort(stable=True)
    ranked = labels[order]
    first = torch.searchsorted(ranked, labels)
    last = torch.searchsorted(ranked, labels, right=True)
    width = int((last - first).max()) - 1 if n else 0
    if width in (0, n - 1):
        raise BatchError(
            "a batch without a pair to learn from",
            where="labels",
            saw=f"{n} rows, {'all of one label' if n and width else 'no label twice'}",
            wanted="two labels or more, one of them twice or more",
            do="draw P x K batches with P >= 2 and K >= 2, for example with ClassBatches",
        )
    places = torch.arange(n, device=labels.device)
    rank = torch.empty_like(order).scatter_(0, order, places).sub_(first)  # [n], a row's place in its class
    column = torch.arange(width, device=labels.device)
    column = first[:, None] + column + (column >= rank[:, None])  # [n, w], skipping the row itself
    return torch.where(column < last[:, None], order[column.clamp_(max=n - 1)], places[:, None])


def as_rows(embeddings: Tensor, labels: Tensor | None = None, *, distance: Distance) -> Tensor:
    """Check the inputs and return the rows [n, d] that distances are measured between.

    They are float32 at least, and of unit length for the cosine distance.

    Raises:
        BatchError: embeddings are not [n, d], or labels not [n].
        ConfigError: the distance has no such name.
    """
    if distance not in get_args(Distance):
        near = difflib.get_close_matches(str(distance), get_args(Distance), n=1, cutoff=0.5)
        raise ConfigError(
            "unknown distance",
            where="distance",
            saw=repr(distance),
            wanted=" or ".join(get_args(Distance)),
            do=f"did you mean {near[0]}?" if near else "choose one of these",
        )
    if embeddings.ndim != 2 or (labels is not None and labels.shape != embeddings.shape[:1]):
        raise BatchError(
            "embeddings and labels do not fit together",
            where="embeddings, labels",
            saw=f"{list(embeddings.shape)} and {'none' if labels is None else list(labels.shape)}",
            wanted="[n, d] and [n]",
            do="pass one label for each row of embeddings",
        )
    rows = embeddings if embeddings.dtype == torch.float64 else embeddings.float()
    return torch.nn.functional.normalize(rows, dim=1, eps=1e-6) if distance == "cosine" else rows


def _ranked_blocks(rows: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Some anchors at a time, their places [b, 1], and [b, n] that ranks as each anchor's distances do."""
    lengths = torch.linalg.vector_norm(rows, dim=1).square_()
    for part, own in _blocks(rows):
        with torch.autocast(rows.device.type, enabled=False):  # ranking in half precision would not be exact
            # ‖a - b‖² without ‖a‖², which is the same all along a row
            ranking = torch.addmm(lengths[None, :], rows[part], rows.T, alpha=-2)
        yield part, own, ranking


def _blocks(rows: Tensor) -> Iterator[tuple[slice, Tensor]]:
    places = torch.arange(len(rows), device=rows.device)[:, None]
    size = max(1, _BLOCK_ELEMENTS // len(rows))
    for start in range(0, len(rows), size):
        part = slice(start, start + size)
        yield part, places[part]


def _exclude_same(ranking: Tensor, own: Tensor, mates: Tensor, value: float) -> None:
    """Set the entries of same-label pairs, each anchor with itself among them, in place."""
    ranking.scatter_(1, mates, value).scatter_(1, own, value)


def _first_above_by_passes(ranking: Tensor, thresholds: Tensor) -> Tensor:
    """[n, w] index of the least entry of each row above each threshold; -1 where there is none."""
    above = torch.empty_like(ranking)
    found = torch.empty_like(thresholds, dtype=torch.int64)
    for k in range(thresholds.shape[1]):
        torch.sub(ranking, thresholds[:, k : k + 1], out=above)
        torch.threshold_(above, 0.0, torch.inf)  # far faster than where(); > 0 iff the entry is above
        nearest = _argmin(above)
        none = above.gather(1, nearest[:, None])[:, 0].isinf()
        found[:, k] = nearest.masked_fill_(none, -1)
    return found


def _first_above_by_sorting(ranking: Tensor, thresholds: Tensor) -> Tensor:
    """The same in O(n^2 log n), however many thresholds there are."""
    ranked, order = ranking.sort(dim=1)
    place = torch.searchsorted(ranked, thresholds, right=True).clamp_(max=ranking.shape[1] - 1)
    return order.gather(1, place).masked_fill_(ranked.gather(1, place).isinf(), -1)


def _use_farthest_where_none(negatives: Tensor, ranking: Tensor, own: Tensor, mates: Tensor) -> None:
    """Replace -1 by the row's farthest negative, in place; `ranking` is spent."""
    none = negatives < 0
    if none.any():
        _exclude_same(ranking, own, mates, -torch.inf)
        negatives.copy_(torch.where(none, _argmin(ranking.neg_())[:, None], negatives))


def _distances(rows: Tensor, others: Tensor, distance: Distance) -> Tensor:
    """[b, d] and [n, d] to [b, n]."""
    with torch.autocast(rows.device.type, enabled=False):
        own, theirs = rows.square().sum(1), others.square().sum(1)
        squared = own[:, None] + torch.addmm(theirs[None, :], rows, others.T, alpha=-2)
    floor = (8 * torch.finfo(rows.dtype).eps * theirs.detach().max()).clamp_(min=1e-12)
    squared = torch.maximum(squared, floor)  # under the root: the gradient of sqrt at 0 is infinite
    if distance == "euclidean":
        return squared.sqrt()
    return squared if distance == "squared" else squared / 2  # 1 - s on unit rows


def _argmin(matrix: Tensor) -> Tensor:
    if matrix.device.type != "cpu":
        return matrix.argmin(1)
    return torch.from_numpy(matrix.numpy().argmin(1))  # vectorised, where torch's is not


def _sorted_rows(matrix: Tensor) -> Tensor:
    if matrix.device.type != "cpu":
        return matrix.sort(dim=1).values
    return torch.from_numpy(np.sort(matrix.numpy(), axis=1))  # vectorised, where torch's is not
