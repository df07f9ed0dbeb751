"""How sure a figure is: values with their classes, or pairs by class, enter; intervals leave.

Classes are what a data set samples, so classes are what is drawn again: pictures of one class succeed and
fail together, and pairs share pictures. Nothing is compared again: draws weigh sums that are made once. What
a class bootstrap cannot see is a kind of confusion that no pair of classes in the set shows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from lookalike.errors import EvaluationError
from lookalike.pairs import ClassPairs, class_pairs, pair_histogram, quantile_edges, roc_auc
from lookalike.records import Floats, Labels, PairHistogram
from lookalike.similarity import Doubles, Ints, class_codes

_MOST_COUNTS = 2**22  # of one array of a bootstrap
_AUC_EDGES = 1024
_MOST_CELLS = 2**24  # classes x edges


def bootstrap_by_class(
    values: Doubles, labels: Labels, *, draws: int = 1000, confidence: float = 0.95, seed: int = 0
) -> tuple[float, float]:
    """Return the percentile interval of the mean of per-query values, drawing classes with replacement.

    Args:
        values: [q] float64; NaN is left out, as it is of the mean.
        labels: [q] of any type.

    Raises:
        EvaluationError: no value, or all of one label: nothing to draw from.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13; clusters drawn whole.
    """
    figures = bootstrap_figures({"value": values}, labels, draws=draws, confidence=confidence, seed=seed)
    return figures["value"]


def bootstrap_figures(
    values: Mapping[str, Doubles],
    labels: Labels,
    *,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> dict[str, tuple[float, float]]:
    """Return `bootstrap_by_class` of several figures of the same queries, from the same draws.

    Args:
        values: name to [q] float64, NaN for the same queries in all of them.

    Raises:
        EvaluationError: as in `bootstrap_by_class`.
    """
    table = np.stack(list(values.values()), axis=1)  # [q, f]
    judged = ~np.isnan(table).any(axis=1)
    (classes,) = class_codes(np.asarray(labels)[judged])
    count = _check_classes(classes)
    sums = np.zeros((count, table.shape[1] + 1))  # of each figure, and how many
    np.add.at(sums, classes, np.column_stack([table[judged], np.ones(len(classes))]))
    drawn = np.concatenate([weights @ sums for weights in draw_weights(count, draws=draws, seed=seed)])
    means = drawn[:, :-1] / drawn[:, -1:]
    return {name: _percentiles(means[:, at], confidence) for at, name in enumerate(values)}


def bootstrap_difference(
    values: Doubles,
    others: Doubles,
    labels: Labels,
    *,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the interval of mean(values) - mean(others), for two judgements of the same queries.

    Queries that are hard for both cancel out, so it is narrower than two intervals suggest. An interval
    that holds 0 does not show a difference.

    Args:
        values, others: [q] float64 in the same order; queries that are NaN in one are left out of both.

    Raises:
        EvaluationError: as in `bootstrap_by_class`.
    """
    return bootstrap_by_class(values - others, labels, draws=draws, confidence=confidence, seed=seed)


def bootstrap_roc_auc(
    vectors: Floats,
    labels: Labels,
    *,
    identity: Ints | None = None,
    histogram: PairHistogram | None = None,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Return the percentile interval of the ROC AUC over all pairs, drawing classes with replacement.

    Args:
        vectors, labels, identity: as in `pair_histogram`.
        histogram: the `pair_histogram` of the same, where it is already made.

    Raises:
        EvaluationError: as in `pair_histogram`, or there are no same or no different pairs.
    """
    if histogram is None:
        histogram = pair_histogram(vectors, labels, identity=identity)
    classes = len(np.unique(class_codes(labels)[0]))
    edges = quantile_edges(histogram, count=max(64, min(_AUC_EDGES, _MOST_CELLS // classes)))
    pairs = class_pairs(vectors, labels, edges=edges, identity=identity, bins=len(histogram.same))
    coarse = roc_auc(PairHistogram(pairs.same.sum(axis=0), pairs.different.sum(axis=0) // 2))
    drawn = roc_auc_draws(pairs, draws=draws, seed=seed) + (roc_auc(histogram) - coarse)
    return _percentiles(np.clip(drawn, 0.0, 1.0), confidence)


def roc_auc_draws(pairs: ClassPairs, *, draws: int = 1000, seed: int = 0) -> Doubles:
    """Return the ROC AUC of every draw, [draws]; two models with one seed get the same draws.

    A class drawn m times brings its same pairs m times, and a pair of classes a, b its different pairs
    m_a + m_b - 1 times: the product m_a m_b to first order (its Hajek projection), so that sums by class
    suffice. NaN where a draw has no same pair.
    """
    same = pairs.same.astype(np.float64)
    different = pairs.different.astype(np.float64)
    base = different.sum(axis=0) / 2

    def judge(weights: Doubles) -> Doubles:
        right, wrong = weights @ same, weights @ different - base  # [w, e]
        below = np.cumsum(wrong, axis=1) - wrong / 2
        total = right.sum(axis=1) * wrong.sum(axis=1)
        area = np.full(len(weights), np.nan)
        np.divide((right * below).sum(axis=1), total, out=area, where=total > 0)
        clipped: Doubles = np.clip(area, 0.0, 1.0)
        return clipped

    return np.concatenate([judge(part) for part in draw_weights(len(same), draws=draws, seed=seed)])


def draw_weights(classes: int, *, draws: int, seed: int) -> Iterator[Doubles]:
    """Yield how often every class is drawn, [w, c] float64 a part, `draws` rows in all."""
    rng = np.random.default_rng(seed)
    rows = max(1, _MOST_COUNTS // classes)
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        drawn = rng.integers(0, classes, size=(count, classes)) + np.arange(count)[:, None] * classes
        counts = np.bincount(drawn.ravel(), minlength=count * classes)
        yield counts.reshape(count, classes).astype(np.float64)


def _percentiles(drawn: Doubles, confidence: float) -> tuple[float, float]:
    tail = (1.0 - confidence) / 2
    low, high = np.nanquantile(drawn, (tail, 1.0 - tail))
    return float(low), float(high)


def _check_classes(classes: Ints) -> int:
    count = int(classes.max()) + 1 if len(classes) else 0
    if count < 2:
        raise EvaluationError(
            "there are too few classes for an interval",
            where="labels",
            saw=f"{count} with a figure",
            wanted="at least 2",
            do="judge on pictures of several things",
        )
    return count
