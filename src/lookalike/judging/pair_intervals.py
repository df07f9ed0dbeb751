"""Figures over all pairs, and how sure they are: a histogram and the pairs of each class enter.

What leaves are the figures of the histogram, and the same figures in every draw of the classes: pairs share
pictures and classes, so classes are drawn, and pairs are weighed by them; nothing is compared again. What a
class bootstrap cannot see is a kind of confusion that no pair of classes in the set shows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lookalike.judging.curves import average_precision, equal_error_rate, true_match_rate_at
from lookalike.judging.intervals import draw_weights, percentile_interval
from lookalike.judging.pairs import (
    ClassPairs,
    class_pairs,
    first_bin,
    lower_edges,
    pair_histogram,
    quantile_edges,
    roc_auc,
)
from lookalike.judging.similarity import Doubles, Ints, class_codes
from lookalike.records import Floats, Labels, PairHistogram

RATES = (0.01, 0.001)  # false-match rates at which the true-match rate is told
AT_THRESHOLD = ("precision", "recall", "f1", "false_match_rate")

_MOST_EDGES = 1024
_FEWEST_EDGES = 64
_MOST_CELLS = 2**23  # classes x edges
_RAREST = 1e-5  # false-match rate, down to which edges lie close


def pair_figures(histogram: PairHistogram) -> dict[str, float]:
    """Return the figures of all pairs, each in [0, 1].

    roc_auc; pr_auc, the average precision; eer, the equal error rate, of which lower is better; tmr@x, the
    share of same pairs that match where a share x of the different ones do, for every x in RATES that is
    more than one pair.

    Raises:
        EvaluationError: there are no same or no different pairs.

    >>> found = pair_figures(PairHistogram(same=np.array([0, 1, 3]), different=np.array([4, 1, 0])))
    >>> {name: round(value, 3) for name, value in found.items()}
    {'roc_auc': 0.975, 'pr_auc': 0.95, 'eer': 0.111}
    """
    filled = np.flatnonzero(histogram.same + histogram.different)  # empty bins would cost most of the time
    histogram = PairHistogram(histogram.same[filled], histogram.different[filled])
    rates = [rate for rate in RATES if rate * int(histogram.different.sum()) >= 1]
    return {
        "roc_auc": roc_auc(histogram),
        "pr_auc": average_precision(histogram),
        "eer": equal_error_rate(histogram),
        **{f"tmr@{rate:g}": true_match_rate_at(histogram, false_match_rate=rate) for rate in rates},
    }


def pair_draws(
    vectors: Floats,
    labels: Labels,
    *,
    identity: Ints | None = None,
    histogram: PairHistogram | None = None,
    threshold: float | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Doubles]:
    """Return the `pair_figures` of every draw of the classes, name to [draws].

    The draws are those of `intervals.draw_weights` over the classes as `class_codes` numbers them. NaN where
    a draw has no same pair.

    Args:
        vectors, labels, identity: as in `pair_histogram`.
        histogram: the `pair_histogram` of the same, where it is already made.
        threshold: a similarity; with it, AT_THRESHOLD is drawn too: what `calibration.metrics_at` says of it.

    Raises:
        EvaluationError: as in `pair_histogram`, or there are no same or no different pairs.
    """
    if histogram is None:
        histogram = pair_histogram(vectors, labels, identity=identity)
    exact = pair_figures(histogram)
    classes = len(np.unique(class_codes(labels)[0]))
    edges = edges_for(histogram, count=max(_FEWEST_EDGES, min(_MOST_EDGES, _MOST_CELLS // classes)))
    bins, edge = len(histogram.same), None
    if threshold is not None:
        first = first_bin(threshold, bins=bins)
        edge = float(lower_edges(bins)[first]) if first < bins else math.inf
        edges = np.union1d(edges, [edge] if first < bins else [])
    pairs = class_pairs(vectors, labels, edges=edges, identity=identity, bins=bins)
    return figure_draws(pairs, exact, edge=edge, draws=draws, seed=seed)


def bootstrap_pairs(
    vectors: Floats,
    labels: Labels,
    *,
    identity: Ints | None = None,
    histogram: PairHistogram | None = None,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return the percentile interval of each of the `pair_figures`, drawing classes with replacement.

    Args and raises: as in `pair_draws`.
    """
    drawn = pair_draws(vectors, labels, identity=identity, histogram=histogram, draws=draws, seed=seed)
    return {name: percentile_interval(part, confidence=confidence) for name, part in drawn.items()}


def figure_draws(
    pairs: ClassPairs,
    exact: dict[str, float],
    *,
    edge: float | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> dict[str, Doubles]:
    """Return the figures of every draw, from counts at a few edges.

    A class drawn m times brings its same pairs m times, and a pair of classes a, b its different pairs
    m_a + m_b - 1 times: the product m_a m_b to first order (its Hajek projection), so that sums by class
    suffice. Between edges the counts are taken to rise evenly; by what that misses of the exact figures, all
    draws are moved.

    Args:
        exact: the figures of the set itself.
        edge: one of the edges, or infinity; with it, AT_THRESHOLD is drawn too, for pairs at or above it.
    """
    same, different = (
        np.cumsum(part[:, ::-1], axis=1, dtype=np.float64) for part in (pairs.same, pairs.different)
    )
    base = different.sum(axis=0) / 2
    column = None if edge is None else len(pairs.edges) - int(np.searchsorted(pairs.edges, edge))

    def judge(weights: Doubles) -> dict[str, Doubles]:
        rates = _Rates.of(weights @ same, weights @ different - base)
        return rates.figures(list(exact)) | ({} if column is None else rates.at(column))

    itself = judge(np.ones((1, len(same))))
    moved = {name: exact[name] - value[0] if name in exact else 0.0 for name, value in itself.items()}
    parts = [judge(weights) for weights in draw_weights(len(same), draws=draws, seed=seed)]
    return {
        name: np.clip(np.concatenate([part[name] for part in parts]) + shift, 0.0, 1.0)
        for name, shift in moved.items()
    }


def edges_for(histogram: PairHistogram, *, count: int) -> Doubles:
    """At most `count` edges, the first -1: close where pairs are many, and where false matches are rare."""
    rare = count // 4
    matching = histogram.different[::-1].cumsum()  # different pairs at or above each bin, from the highest
    wanted = np.geomspace(_RAREST, max(RATES), rare) * matching[-1]
    places = len(matching) - 1 - np.searchsorted(matching, wanted)
    edges = lower_edges(len(matching))[places]
    found: Doubles = np.unique(np.concatenate([edges, quantile_edges(histogram, count=count - rare)]))
    return found


@dataclass(frozen=True)
class _Rates:
    """How many pairs match as the threshold falls, in w draws; the first column is before any does.

    Attributes:
        same: [w, e + 1] float64, weighed pairs; rate, recall: [w, e + 1] in [0, 1], shares of the different
            and of the same pairs. A draw without a same or a different pair has NaN.
    """

    same: Doubles
    different: Doubles
    recall: Doubles
    rate: Doubles

    @classmethod
    def of(cls, same: Doubles, different: Doubles) -> _Rates:
        """Take [w, e] counts, rising but for what the projection got wrong in rare places."""
        same = np.pad(same, ((0, 0), (1, 0)))
        different = np.maximum.accumulate(np.pad(different, ((0, 0), (1, 0))), axis=1)
        known = (same[:, -1:] > 0) & (different[:, -1:] > 0)
        recall, rate = np.full((2, *same.shape), np.nan)
        np.divide(same, same[:, -1:], out=recall, where=known)
        np.divide(different, different[:, -1:], out=rate, where=known)
        return cls(same, different, recall, rate)

    def figures(self, names: list[str]) -> dict[str, Doubles]:
        """Each of the figures, [w]."""
        found = {"roc_auc": self._roc_auc(), "pr_auc": self._pr_auc(), "eer": self._eer()}
        rates = [name for name in names if name not in found]
        return {**found, **{name: self._recall_at(float(name.partition("@")[2])) for name in rates}}

    def at(self, column: int) -> dict[str, Doubles]:
        """AT_THRESHOLD where the pairs of a column match, [w]."""
        right, wrong, recall = self.same[:, column], self.different[:, column], self.recall[:, column]
        precision = right / np.maximum(right + wrong, np.finfo(np.float64).tiny) + 0 * recall  # NaN as that
        f1 = 2 * right / (right + wrong + self.same[:, -1]) + 0 * recall
        return dict(zip(AT_THRESHOLD, (precision, recall, f1, self.rate[:, column]), strict=True))

    def _roc_auc(self) -> Doubles:
        return np.asarray((np.diff(self.rate, axis=1) * _middle(self.recall)).sum(axis=1))

    def _pr_auc(self) -> Doubles:
        right, wrong = _middle(self.same), _middle(self.different)
        precision = right / np.maximum(right + wrong, np.finfo(np.float64).tiny)
        return np.asarray((np.diff(self.recall, axis=1) * precision).sum(axis=1))

    def _eer(self) -> Doubles:
        excess = self.rate + self.recall - 1.0  # rises from -1 to 1
        after = np.argmax(excess >= 0, axis=1)
        return self._between(self.rate, excess, after, at=0.0)

    def _recall_at(self, limit: float) -> Doubles:
        after = np.argmax(self.rate > limit, axis=1)
        return self._between(self.recall, self.rate, after, at=limit)

    def _between(self, values: Doubles, scale: Doubles, after: Ints, *, at: float) -> Doubles:
        """Values where the scale reaches `at`, on straight lines; NaN where the rates are."""
        rows, after = np.arange(len(after)), np.maximum(after, 1)
        low, high = scale[rows, after - 1], scale[rows, after]
        share = (at - low) / (high - low)
        before = values[rows, after - 1]
        return np.asarray(before + share * (values[rows, after] - before))


def _middle(columns: Doubles) -> Doubles:
    return np.asarray((columns[:, 1:] + columns[:, :-1]) / 2)
