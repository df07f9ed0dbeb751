"""Which triplets a batch offers: the hard and semi-hard ones, and how hard all of them are.

Embeddings and labels enter; index tensors (anchor, positive, negative) or counts leave. Everything is exact,
needs O(n^2) memory and never forms the n^3 triplets. Gentler ways to pick stand in mining.py; what is learned
from the triplets, in losses/.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from lookalike.training.distances import (
    Distance,
    anchor_blocks,
    as_batch,
    classes_of,
    distances_between,
    exclude_same,
    nearest_of,
    positives_of,
    ranked_blocks,
    sorted_rows,
)
from lookalike.training.options import check_whole

# Above this many positives an anchor, sorting all negatives once is cheaper than one pass over them for each.
_WIDEST_PASSES = 64


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
    rows, labels = as_batch(embeddings.detach(), labels, distance="euclidean")
    positives = positives_of(labels)
    negatives = torch.empty_like(positives)
    for part, own, ranking in ranked_blocks(rows):
        mates = positives[part]  # [b, w]
        negatives[part] = nearest_beyond(ranking, ranking.gather(1, mates), own, mates)
    anchors = torch.arange(len(labels), device=labels.device)[:, None]
    real = positives != anchors
    return Triplets(anchors.expand_as(positives)[real], positives[real], negatives[real])


def mine_batch_hard(
    embeddings: Tensor, labels: Tensor, *, skip_negatives: int = 0, skip_positives: int = 0
) -> Triplets:
    """Pick, for every anchor, its farthest positive and its nearest negative.

    Args:
        embeddings: [n, d] float; no gradient is followed. Distances are euclidean.
        labels: [n] int64; at least one label must occur twice, and there must be two labels.
        skip_negatives: how many of each anchor's nearest negatives to leave out, as a guard against images
            that carry a wrong label; an anchor with no more than that keeps its farthest one.
        skip_positives: how many of its farthest positives to leave out; an anchor with no more than that
            keeps its nearest one.

    Returns:
        One triplet an anchor; anchors whose label occurs once are left out. Of equals any one may be taken.

    Raises:
        BatchError: no label occurs twice, all labels are equal, or the shapes do not fit.
        ConfigError: a number to skip is negative or not whole.

    Reference:
        Hermans et al., In Defense of the Triplet Loss, 2017 (arXiv:1703.07737), equation 5.
    """
    check_whole(
        least=0, where="mine_batch_hard", skip_negatives=skip_negatives, skip_positives=skip_positives
    )
    rows, labels = as_batch(embeddings.detach(), labels, distance="euclidean")
    order, sizes = classes_of(labels)
    anchors = torch.arange(len(labels), device=labels.device)
    smallest, largest = (int(size) for size in sizes.aminmax())
    if smallest == largest:
        ranked = rows.index_select(0, order)
        hardest = _hardest_of_equal_classes(ranked, largest, skip_positives, skip_negatives)
        found = torch.empty_like(hardest).index_copy_(1, order, order.take(hardest))
        return Triplets(anchors, found[0], found[1])
    farthest, nearest = _hardest(rows, positives_of(labels), skip_positives, skip_negatives)
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
    rows, labels = as_batch(embeddings, labels, distance=distance)
    positives = positives_of(labels)
    hard = within = triplets = 0
    for part, own in anchor_blocks(rows):
        mates = positives[part]  # [b, w]
        real = mates != own
        distances = distances_between(rows[part], rows, distance)  # [b, n]
        positive_distances = distances.gather(1, mates)
        exclude_same(distances, own, mates, torch.inf)
        ranked = sorted_rows(distances)
        hard += int(torch.searchsorted(ranked, positive_distances, right=True)[real].sum())
        within += int(torch.searchsorted(ranked, positive_distances + margin, right=True)[real].sum())
        partners = real.sum(1)
        triplets += int((partners * (len(labels) - 1 - partners)).sum())
    return TripletKinds(1.0 - within / triplets, (within - hard) / triplets, hard / triplets, triplets)


def _hardest(rows: Tensor, positives: Tensor, skip_positives: int, skip_negatives: int) -> Tensor:
    """[2, n] the farthest positive and the nearest negative of each row; itself where it has no positive."""
    hardest = torch.empty(2, len(rows), dtype=torch.int64, device=rows.device)
    for part, own, ranking in ranked_blocks(rows):
        mates = positives[part]  # [b, w]
        partners = (mates != own).sum(1)
        near = ranking.gather(1, mates).masked_fill_(mates == own, -torch.inf).neg_()
        hardest[0, part] = mates.gather(1, _least(near, skip_positives, partners)[:, None])[:, 0]
        exclude_same(ranking, own, mates, torch.inf)
        hardest[1, part] = _least(ranking, skip_negatives, len(rows) - 1 - partners)
    return hardest


def _hardest_of_equal_classes(rows: Tensor, size: int, skip_positives: int, skip_negatives: int) -> Tensor:
    """The same for rows in the order of their labels, each of which occurs `size` times.

    The classes are square blocks along the diagonal then, and are reached without lists of partners.
    """
    n = len(rows)
    hardest = torch.empty(2, n, dtype=torch.int64, device=rows.device)
    for part, own, ranking in ranked_blocks(rows, multiple=size):
        ranking.diagonal(part.start).fill_(-torch.inf)
        shape, strides = (len(own) // size, size, size), (size * n + size, n, 1)
        classes = ranking.as_strided(shape, strides, part.start)
        farthest = _least(classes.reshape(-1, size).neg_(), skip_positives, size - 1)  # [b], within the class
        hardest[0, part] = farthest.view(-1, size).add_(own[::size]).view(-1)
        classes.fill_(torch.inf)
        hardest[1, part] = _least(ranking, skip_negatives, n - size)
    return hardest


def nearest_beyond(ranking: Tensor, thresholds: Tensor, own: Tensor, mates: Tensor) -> Tensor:
    """[b, w] index of the nearest negative beyond each threshold, or of the farthest where none is.

    `ranking` [b, n] is spent; own [b, 1] and mates [b, .] say which of its entries are no negatives.
    """
    exclude_same(ranking, own, mates, torch.inf)
    by_passes = thresholds.shape[1] <= _WIDEST_PASSES
    found = (_first_above_by_passes if by_passes else _first_above_by_sorting)(ranking, thresholds)
    none = found < 0
    if none.any():
        exclude_same(ranking, own, mates, -torch.inf)
        found = torch.where(none, nearest_of(ranking.neg_())[:, None], found)
    return found


def _first_above_by_passes(ranking: Tensor, thresholds: Tensor) -> Tensor:
    """[b, w] index of the least entry of each row above each threshold; -1 where there is none."""
    above = torch.empty_like(ranking)
    found = torch.empty_like(thresholds, dtype=torch.int64)
    for k in range(thresholds.shape[1]):
        torch.sub(ranking, thresholds[:, k : k + 1], out=above)
        torch.threshold_(above, 0.0, torch.inf)  # far faster than where(); > 0 iff the entry is above
        nearest = nearest_of(above)
        none = above.gather(1, nearest[:, None])[:, 0].isinf()
        found[:, k] = nearest.masked_fill_(none, -1)
    return found


def _first_above_by_sorting(ranking: Tensor, thresholds: Tensor) -> Tensor:
    """The same in O(n^2 log n), however many thresholds there are."""
    ranked, order = ranking.sort(dim=1)
    place = torch.searchsorted(ranked, thresholds, right=True).clamp_(max=ranking.shape[1] - 1)
    return order.gather(1, place).masked_fill_(ranked.gather(1, place).isinf(), -1)


def _least(matrix: Tensor, skip: int, counts: Tensor | int) -> Tensor:
    """[b] index of each row's least entry after `skip` lesser ones, or of the greatest of its `counts`."""
    if not skip:
        return nearest_of(matrix)
    order = matrix.topk(min(skip + 1, matrix.shape[1]), largest=False).indices
    if isinstance(counts, int):
        return order[:, min(skip, counts - 1)]
    return order.gather(1, (counts - 1).clamp_(0, skip)[:, None])[:, 0]
