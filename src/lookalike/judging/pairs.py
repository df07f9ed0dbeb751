"""Figures over all pairs: unit vectors and labels enter, histograms and the curves read off them leave.

Every unordered pair is counted once, as "same" (one label) or "different"; pairs with one identity are left
out. A pair matches at a threshold when its similarity >= the threshold. Counts are exact at every bin edge;
within a bin nothing is known, and `roc_auc_error` says what that can cost. Choosing a threshold and intervals
are left to other rooms.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging.similarity import (
    GAP,
    LEFT_OUT,
    Doubles,
    Identities,
    Ints,
    check_identity,
    check_vectors,
    class_codes,
    compare,
    left_factor,
    right_factor,
    run_blocks,
)
from lookalike.records import Floats, Labels, PairHistogram, Progress

BINS = 2**22
FEWEST_BINS = 1024
_OFFSET = 1.0 + GAP


@dataclass(frozen=True)
class ClassPairs:
    """The pairs of every class, by similarity: what a bootstrap over classes draws from.

    Attributes:
        edges: [e] float64, rising from -1; column i holds similarities from edges[i] up to the next edge.
        same: [c, e] int64, pairs within the class.
        different: [c, e] int64, pairs of the class with others; a pair counts for both of its classes.
    """

    edges: Doubles
    same: Ints
    different: Ints


@dataclass(frozen=True)
class _Set:
    """Vectors that stand class by class, ready to be compared with each other.

    Attributes:
        vectors: [n, d].
        factor: [n, d + 1], the right factor of the exact product.
        classes: [n] int64, rising from 0.
        identity: [n] or [n, e] int64 and its lookup; None where only a row itself is left out.
    """

    vectors: Floats
    factor: Doubles
    classes: Ints
    identity: Ints | None
    identities: Identities | None

    def __len__(self) -> int:
        return len(self.vectors)


def pair_histogram(
    vectors: Floats,
    labels: Labels,
    *,
    identity: Ints | None = None,
    bins: int = BINS,
    progress: Progress | None = None,
) -> PairHistogram:
    """Count the same-label and the different-label pairs of a set by similarity.

    Args:
        vectors: [n, d] float32, rows of unit length.
        labels: [n] of any type.
        identity: [n] or [n, e] int64; pairs with one code in any column are left out.
        bins: a power of two, >= 1024. A similarity that is an edge lies in the bin above it; what lies
            above 1 or below -1 by rounding counts in the last and the first bin.
        progress: called with (rows done, n).

    Raises:
        EvaluationError: vectors that are not finite rows of unit length, or labels or codes that do not
            fit them.
    """
    pairs = _prepare(vectors, labels, identity)
    gap = _gap(bins)
    every, same = np.zeros((2, bins + 2 * gap), dtype=np.int64)

    def count(block: slice) -> tuple[Ints, Ints]:
        codes = _compare(pairs, block, later=True, bins=bins)
        return np.bincount(codes.ravel(), minlength=len(every)), _same(codes, pairs, block, first=block.start)

    def add(part: tuple[Ints, Ints]) -> None:
        np.add(every, part[0], out=every)
        np.add.at(same, part[1], 1)  # few: a histogram of its own for every block would cost more

    run_blocks(count, len(pairs), row_bytes=16 * len(pairs), take=add, progress=progress)
    different = every - same
    same[LEFT_OUT] = different[LEFT_OUT] = 0
    return PairHistogram(same=_without_gap(same, gap), different=_without_gap(different, gap))


def class_pairs(
    vectors: Floats,
    labels: Labels,
    *,
    edges: Doubles,
    identity: Ints | None = None,
    bins: int = BINS,
    progress: Progress | None = None,
) -> ClassPairs:
    """Count the pairs of every class by similarity, in a few intervals.

    Args:
        vectors, labels, identity, progress: as in `pair_histogram`.
        edges: [e] float64, edges of `pair_histogram(..., bins=bins)`, rising, the first -1; e < 32,768.

    Raises:
        EvaluationError: as in `pair_histogram`.
    """
    pairs = _prepare(vectors, labels, identity)
    columns = _columns(edges, bins)
    width = len(edges) + 1  # the last column takes what is left out
    counts = np.zeros((2, int(pairs.classes[-1]) + 1, width), dtype=np.int64)

    def count(block: slice) -> tuple[int, Ints]:
        codes = _compare(pairs, block, later=False, bins=bins)
        classes = pairs.classes[block]
        cells = columns.take(codes) + (classes - classes[0])[:, None] * width  # [b, n]
        same = _same(cells, pairs, block, first=0)
        size = (int(classes[-1] - classes[0]) + 1) * width
        parts = [np.bincount(part.ravel(), minlength=size).reshape(-1, width) for part in (cells, same)]
        return int(classes[0]), np.stack(parts)

    def add(part: tuple[int, Ints]) -> None:
        first, found = part
        counts[:, first : first + found.shape[1]] += found

    run_blocks(count, len(pairs), row_bytes=26 * len(pairs), take=add, progress=progress)
    every, same = counts[:, :, :-1]
    return ClassPairs(edges, same // 2, every - same)  # a pair of one class was met from both of its ends


def lower_edges(bins: int) -> Doubles:
    """The lower edge of every bin, [b] float64: -1 + 2 i / b."""
    edges: Doubles = np.arange(bins, dtype=np.float64) * (2.0 / bins) - 1.0
    return edges


def first_bin(similarity: float, *, bins: int) -> int:
    """The first bin whose pairs are all at least so alike, in [0, bins]; `bins`: none is."""
    return int(np.clip(np.ceil((similarity + 1.0) * (bins / 2)), 0, bins))


def quantile_edges(histogram: PairHistogram, *, count: int = 1024) -> Doubles:
    """Edges, the first -1, between which about equally many pairs lie, both kinds weighing the same."""
    same, different = both_kinds(histogram)
    share = (same.cumsum() / same.sum() + different.cumsum() / different.sum()) / 2
    starts = np.searchsorted(share, np.arange(1, count) / count) + 1
    starts = np.unique(np.concatenate([[0], starts[starts < len(share)]]))
    edges: Doubles = lower_edges(len(share))[starts]
    return edges


def roc_auc(histogram: PairHistogram) -> float:
    """How often a same pair is more alike than a different pair, over all of both; 0.5 is chance.

    Pairs of one bin count half, as ties do; `roc_auc_error` bounds what that leaves open.

    Raises:
        EvaluationError: there are no same or no different pairs.

    >>> roc_auc(PairHistogram(same=np.array([0, 1, 3]), different=np.array([4, 1, 0])))
    0.975
    """
    same, different = both_kinds(histogram)
    below = np.cumsum(different) - different / 2  # with half of the bin
    return min(1.0, float(same @ below / (same.sum() * different.sum())))


def roc_auc_error(histogram: PairHistogram) -> float:
    """The most by which `roc_auc` can differ from the value of the unbinned similarities."""
    same, different = (part / part.sum() for part in both_kinds(histogram))
    return float(same @ different) / 2


def both_kinds(histogram: PairHistogram) -> tuple[Doubles, Doubles]:
    """The counts of same and of different pairs, [b] float64.

    Raises:
        EvaluationError: there are none of one kind.
    """
    same, different = histogram.same.astype(np.float64), histogram.different.astype(np.float64)
    if not same.any() or not different.any():
        raise EvaluationError(
            "pairs of both kinds are needed",
            where="labels",
            saw=f"{int(same.sum()):,} same and {int(different.sum()):,} different pairs",
            wanted="at least one of each",
            do="judge on at least two labels, one of which occurs twice",
        )
    return same, different


def _prepare(vectors: Floats, labels: Labels, identity: Ints | None) -> _Set:
    check_vectors(vectors, labels)
    check_identity(identity, len(vectors))
    (codes,) = class_codes(labels)
    order = np.argsort(codes, kind="stable")
    vectors, codes = vectors[order], codes[order]
    identity = None if identity is None else identity[order]
    lookup = None if identity is None else Identities.of(identity)
    return _Set(vectors, right_factor(vectors), codes, identity, lookup)


def _compare(pairs: _Set, block: slice, *, later: bool, bins: int) -> Ints:
    """Bins of the pairs of a block of rows with all rows, or with later rows only; [b, g]."""
    first = block.start if later else 0
    left = left_factor(pairs.vectors[block], steps=bins // 2, offset=_OFFSET)
    codes = compare(left, pairs.factor[first:], np.int64)
    square = codes[:, block.start - first : block.stop - first]  # the block with itself
    earlier = np.tri(len(left), dtype=bool) if later else np.eye(len(left), dtype=bool)
    square[earlier] = LEFT_OUT
    if pairs.identity is not None and pairs.identities is not None:
        pairs.identities.leave_out(codes, pairs.identity[block], first=first)
    return codes


def _same(cells: Ints, pairs: _Set, block: slice, *, first: int) -> Ints:
    """The entries of a block whose pair has one label; column 0 is row `first` of the set."""
    own = pairs.classes[block]
    start = max(int(np.searchsorted(pairs.classes, own[0], side="left")), first)
    stop = int(np.searchsorted(pairs.classes, own[-1], side="right"))
    band = cells[:, start - first : stop - first]
    same: Ints = band[own[:, None] == pairs.classes[None, start:stop]]
    return same


def _columns(edges: Doubles, bins: int) -> NDArray[np.int16]:
    """The column of every code: the last edge not above it."""
    gap = _gap(bins)
    steps = np.zeros(bins + 2 * gap, dtype=np.int16)
    steps[np.rint((edges[1:] + 1.0) * (bins / 2)).astype(np.int64) + gap] = 1
    columns = np.cumsum(steps, dtype=np.int16)
    columns[LEFT_OUT] = len(edges)
    return columns


def _gap(bins: int) -> int:
    """How many bins the comparison has below -1, and above 1."""
    if bins < FEWEST_BINS or bins & (bins - 1):
        raise ValueError(f"bins must be a power of two, at least {FEWEST_BINS}, got {bins}")
    return int(bins * GAP / 2)


def _without_gap(counts: Ints, gap: int) -> Ints:
    kept = counts[gap:-gap].copy()
    kept[0] += counts[:gap].sum()
    kept[-1] += counts[-gap:].sum()
    return kept
