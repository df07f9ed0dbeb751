"""What batches of embeddings are like: how they lie, how alike their pairs are, how hard their triplets.

Detached embeddings [n, d] and labels [n] on the CPU enter, numbers and histograms leave, in bounded memory
and without a random number of torch's. Which batches are looked at is monitor.py's business.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial

import numpy as np
import torch
from torch import Tensor

from lookalike.config import LossConfig
from lookalike.records import PairHistogram
from lookalike.training.alarms import Hinge, hinge_of
from lookalike.training.distances import Distance, as_rows
from lookalike.training.mining import mine_distance_weighted, mine_easy_positive
from lookalike.training.triplets import Triplets, mine_batch_hard, mine_semi_hard, triplet_kinds

BINS = 64  # of cosine similarity over [-1, 1]
MOST_ROWS = 512  # that are looked at together, in whole classes

NO_HINGE = Hinge(0.0, "euclidean")  # no triplet is semi-hard then

Miner = Callable[[Tensor, Tensor], Triplets]
ALL_TRIPLETS = "triplet_batch_all"
SUMS = ("_kinds", "_active", "_pairs", "_similarity", "_rows")  # what a Tally adds up


def spread(embeddings: Tensor) -> float:
    """How evenly rows lie around the sphere: 1 in all directions alike, 0 all on one point.

    The standard deviation of each dimension over the rows, its mean over the d dimensions, times sqrt(d).

    Args:
        embeddings: [n, d] float, rows of unit length.

    Reference:
        Chen and He, Exploring Simple Siamese Representation Learning, CVPR 2021 (arXiv:2011.10566), figure 2.
    """
    deviations = embeddings.double().std(dim=0, correction=0)
    return float(deviations.mean()) * math.sqrt(embeddings.shape[1])


def effective_rank(embeddings: Tensor) -> float:
    """How many directions rows make use of, in [1, min(n, d)]: exp of the entropy of the singular values.

    They are divided by their sum. Rows are not centred, so that rows on one point have rank 1.

    Args:
        embeddings: [n, d] float, not all 0.

    Reference:
        Roy and Vetterli, The Effective Rank, EUSIPCO 2007, definition 1.
    """
    rows = embeddings.double()
    gram = rows.T @ rows if rows.shape[0] >= rows.shape[1] else rows @ rows.T
    values = torch.linalg.eigvalsh(gram).clamp_(min=0.0).sqrt_()
    return float(torch.special.entr(values / values.sum()).sum().exp())


def similarity_counts(embeddings: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Count all pairs of rows by cosine similarity in BINS equal bins over [-1, 1].

    A similarity that is an edge lies in the bin above it; what rounding puts outside, in the bin beside it.

    Returns:
        [2, BINS] int64 pairs, of different labels and of one label; [2] float64 sums of their similarities.
    """
    n = len(embeddings)
    upper = torch.triu(embeddings @ embeddings.T, diagonal=1).clamp_(-1.0, 1.0)  # [n, n], each pair once
    same = upper[torch.triu(labels[:, None] == labels[None, :], diagonal=1)]
    counts = torch.stack([torch.histc(part, BINS, min=-1.0, max=1.0) for part in (upper, same)]).long()
    counts[0, BINS // 2] -= n * (n + 1) // 2  # the zeros on and below the diagonal
    counts[0] -= counts[1]
    sums = torch.stack([part.sum(dtype=torch.float64) for part in (upper, same)])
    sums[0] -= sums[1]
    return counts, sums


def active_share(embeddings: Tensor, labels: Tensor, *, mine: Miner, hinge: Hinge) -> float:
    """The share of mined triplets whose loss is above 0: the others teach nothing.

    Args:
        embeddings: [n, d] float.
        labels: [n] int64, with a pair.
        mine: embeddings and labels to triplets, as the loss does.
        hinge: the loss's own.
    """
    mined = mine(embeddings, labels)
    rows = as_rows(embeddings, distance=hinge.distance)
    ends = (torch.linalg.vector_norm(rows[mined.anchor] - rows[end], dim=1) for end in mined[1:])
    positive, negative = (_as_distance(length, hinge.distance) for length in ends)
    return float((positive - negative + hinge.margin > 0).double().mean())


def miner_of(loss: LossConfig) -> Miner | None:
    """How a triplet loss picks its triplets; None for one that takes them all, and for other losses."""
    if loss.name not in MINERS:
        return None
    options = {name: value for name, value in loss.arguments.items() if name not in NOT_OF_MINING}
    return partial(MINERS[loss.name], **options)


def _mine_distance_weighted(embeddings: Tensor, labels: Tensor, **options: float) -> Triplets:
    """With the same draws every time, and none of torch's own."""
    generator = torch.Generator(embeddings.device).manual_seed(0)
    return mine_distance_weighted(embeddings, labels, generator=generator, **options)


MINERS: Mapping[str, Callable[..., Triplets]] = {
    "triplet_semi_hard": mine_semi_hard,
    "triplet_batch_hard": mine_batch_hard,
    "triplet_easy_positive": mine_easy_positive,
    "triplet_distance_weighted": _mine_distance_weighted,
}
NOT_OF_MINING = {"margin", "distance", "temperature"}  # a loss's other options are its miner's


def whole_classes(labels: Tensor, *, most: int, seed: int) -> Tensor:
    """Rows of whole classes, drawn at random by the seed, until `most` rows are reached; all where they fit.

    A class is kept whole, because a row without its partners has no pair; the last one may be cut.
    """
    if len(labels) <= most:
        return torch.arange(len(labels))
    codes = np.unique(labels.numpy(), return_inverse=True)[1]
    order = np.random.default_rng(seed).permutation(codes.max() + 1)
    return torch.from_numpy(np.sort(np.argsort(order[codes], kind="stable")[:most]))


def has_pairs(labels: Tensor) -> bool:
    """Whether a batch holds a pair of one label and a pair of two."""
    return 1 < len(set(labels.tolist())) < len(labels)


def _as_distance(lengths: Tensor, distance: Distance) -> Tensor:
    """Euclidean lengths in the loss's own measure."""
    if distance == "euclidean":
        return lengths
    return lengths.square() if distance == "squared" else lengths.square() / 2  # 1 - s on unit rows


class Tally:
    """Adds up what some batches of embeddings are like; a split's row of numbers leaves.

    Args:
        loss: whose margin and distance say which triplets are easy; the margin is 0 where it has none.
        active: whether to count the loss's own terms too: it mines a second time.
    """

    def __init__(self, loss: LossConfig, *, active: bool = True) -> None:
        self._hinge = hinge_of(loss)
        self._miner = miner_of(loss) if self._hinge and active else None
        self._all = loss.name == ALL_TRIPLETS and active
        self._kinds = torch.zeros(3, dtype=torch.float64)  # easy, semi-hard, hard triplets
        self._active = torch.zeros(2, dtype=torch.float64)  # shares of batches, batches
        self._pairs = torch.zeros(2, BINS, dtype=torch.int64)  # of different labels, of one label
        self._similarity = torch.zeros(2, dtype=torch.float64)  # sums over these pairs
        self._rows = torch.empty(0)  # [n, d], the first of them

    def add(self, embeddings: Tensor, labels: Tensor) -> None:
        """Look at a batch: [n, d] float32 and [n], both on the CPU."""
        pairs, sums = similarity_counts(embeddings, labels)
        self._pairs += pairs
        self._similarity += sums
        room = MOST_ROWS - len(self._rows)
        self._rows = torch.cat((self._rows, embeddings[:room]))
        if has_pairs(labels):
            self._add_triplets(embeddings, labels)

    def _add_triplets(self, embeddings: Tensor, labels: Tensor) -> None:
        hinge = self._hinge or NO_HINGE
        kinds = triplet_kinds(embeddings, labels, margin=hinge.margin, distance=hinge.distance)
        shares = torch.tensor([kinds.easy, kinds.semi_hard, kinds.hard], dtype=torch.float64)
        self._kinds += shares * kinds.triplets
        if self._miner is not None:
            share = active_share(embeddings, labels, mine=self._miner, hinge=hinge)
            self._active += torch.tensor([share, 1.0])
        elif self._all:
            self._active += torch.tensor([1.0 - kinds.easy, 1.0])

    def row(self, split: str) -> dict[str, float]:
        """Name to number, names beginning with the split; NaN where no batch had what it takes.

        "active" is there for the losses of which it is known.
        """
        easy, semi_hard, hard = (self._kinds / self._kinds.sum()).tolist()
        different, same = (self._similarity / self._pairs.sum(1)).tolist()
        active = {"active": float(self._active[0] / self._active[1])} if self._miner or self._all else {}
        values = {
            "easy": easy,
            "semi_hard": semi_hard,
            "hard": hard,
            **active,
            "same_similarity": same,
            "different_similarity": different,
            "spread": spread(self._rows) if len(self._rows) else math.nan,
            "effective_rank": effective_rank(self._rows) if len(self._rows) else math.nan,
        }
        return {f"{split}_{name}": value for name, value in values.items()}

    def histogram(self) -> PairHistogram:
        """All pairs that were looked at."""
        different, same = self._pairs.numpy().copy()
        return PairHistogram(same=same, different=different)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {name: getattr(self, name).clone() for name in SUMS}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a checkpoint."""
        for name in SUMS:
            setattr(self, name, state[name].clone())
