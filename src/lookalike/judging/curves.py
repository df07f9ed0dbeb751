"""Curves over the threshold: a histogram of pairs enters; ROC, precision and recall, and rates leave.

A pair matches at a threshold when its similarity >= the threshold. Thresholds are lower edges of bins, where
counts are exact: all pairs of a bin match together, so ties are never split in the system's favour. Nothing
is chosen here; `calibration` does that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.judging.pairs import both_kinds, lower_edges
from lookalike.judging.similarity import Doubles
from lookalike.records import PairHistogram


@dataclass(frozen=True)
class Curve:
    """What a threshold gives, for many thresholds.

    Attributes:
        similarity: [t] float64, thresholds, falling.
        same, different: [t] float64, same and different pairs that match.
        recall, false_match_rate: [t] float64 in [0, 1], the shares of all same and different pairs; rising.
    """

    similarity: Doubles
    same: Doubles
    different: Doubles
    recall: Doubles
    false_match_rate: Doubles

    @property
    def precision(self) -> Doubles:
        """[t] in [0, 1], the share of matches that are right; 0 where nothing matches."""
        return self.same / np.maximum(self.same + self.different, 1.0)

    @property
    def f1(self) -> Doubles:
        """[t] in [0, 1], the harmonic mean of precision and recall."""
        precision, recall = self.precision, self.recall
        return 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)


def threshold_curve(histogram: PairHistogram, *, points: int | None = None) -> Curve:
    """Return what every threshold gives.

    Args:
        points: keep about so many thresholds, at even steps of recall + false-match rate; None: all edges
            above bins that hold pairs, which is exact.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    same, different = both_kinds(histogram)
    filled = np.flatnonzero(same + different)[::-1]  # falling
    right, wrong = np.cumsum(same[filled]), np.cumsum(different[filled])
    recall, rate = right / right[-1], wrong / wrong[-1]
    kept = np.arange(len(filled))
    if points is not None and points < len(filled):
        kept = np.unique(np.searchsorted(recall + rate, np.linspace(recall[0] + rate[0], 2.0, points)))
    similarity = lower_edges(len(same))[filled[kept]]
    return Curve(similarity, right[kept], wrong[kept], recall[kept], rate[kept])


def roc_curve(histogram: PairHistogram, *, points: int | None = 1000) -> tuple[Doubles, Doubles, Doubles]:
    """Return false-match rate, true-match rate and threshold, each [t], from (0, 0) to (1, 1).

    The first threshold is infinity: nothing matches.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    curve = threshold_curve(histogram, points=points)
    return (
        np.append(0.0, curve.false_match_rate),
        np.append(0.0, curve.recall),
        np.append(np.inf, curve.similarity),
    )


def precision_recall_curve(
    histogram: PairHistogram, *, points: int | None = 1000
) -> tuple[Doubles, Doubles, Doubles]:
    """Return precision, recall and threshold, each [t], from the highest threshold that matches anything.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    curve = threshold_curve(histogram, points=points)
    return curve.precision, curve.recall, curve.similarity


def average_precision(histogram: PairHistogram) -> float:
    """The area under precision over recall of all pairs, as a sum of steps.

    Chance is the share of same pairs.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    curve = threshold_curve(histogram)
    return float(np.diff(curve.recall, prepend=0.0) @ curve.precision)


def average_precision_error(histogram: PairHistogram) -> float:
    """The most by which `average_precision` can differ from the value of the unbinned similarities.

    Before a bin with s same and w different pairs there are S and W. The bin counts its same pairs with
    precision (S + s) / (S + s + W + w); whatever its order, none has more than (S + s) / (S + s + W), and
    the i-th no less than (S + i) / (S + i + W + w), which is concave in i.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    curve = threshold_curve(histogram)
    right, every = curve.same, curve.same + curve.different
    own = np.diff(right, prepend=0.0)
    wrong = np.diff(curve.different, prepend=0.0)
    first = right - own + 1.0
    above = right / np.maximum(every - wrong, 1.0) - curve.precision
    below = (curve.precision - first / (every - own + 1.0)) / 2
    return float(max(own @ above, own @ below) / right[-1])


def equal_error_rate(histogram: PairHistogram) -> float:
    """The error at the threshold where as many different pairs match as same pairs are missed, as shares.

    Between two thresholds the rates are joined by straight lines, as in a ROC plot.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    rate, missed = _around_equal_errors(histogram)
    excess = rate - missed  # from below 0 to above
    return float(rate[0] - excess[0] / (excess[1] - excess[0]) * (rate[1] - rate[0]))


def equal_error_rate_error(histogram: PairHistogram) -> float:
    """The most by which `equal_error_rate` can differ from the value of the unbinned similarities.

    Counts are exact on both sides of the bin where the two errors meet, so that they meet between these.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    error, (rate, missed) = equal_error_rate(histogram), _around_equal_errors(histogram)
    return float(max(error - max(rate[0], missed[1]), min(rate[1], missed[0]) - error))


def _around_equal_errors(histogram: PairHistogram) -> tuple[Doubles, Doubles]:
    """False-match rate and missed share, [2] each, before and after they become equal."""
    rate, recall, _ = roc_curve(histogram, points=None)
    missed = 1.0 - recall
    after = int(np.argmax(rate >= missed))
    return rate[after - 1 : after + 1], missed[after - 1 : after + 1]


def true_match_rate_at(histogram: PairHistogram, *, false_match_rate: float) -> float:
    """The share of same pairs found at the lowest threshold that keeps a false-match rate.

    The thresholds are edges of bins: with finer ones it can only be higher, by less than the next bin holds.

    Args:
        false_match_rate: a ceiling on the share of different pairs that match, in [0, 1].

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    rate, recall, _ = roc_curve(histogram, points=None)
    return float(recall[np.searchsorted(rate, false_match_rate, side="right") - 1])
