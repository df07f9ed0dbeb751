"""How sure a figure is: values of queries with their classes enter; draws and intervals of their means leave.

Classes are what a data set samples, so classes are what is drawn again: pictures of one class succeed and
fail together. Nothing is compared again: draws weigh sums that are made once, and with one seed all figures,
and all models, are judged by the same draws. Figures over pairs stand in a room of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.errors import EvaluationError
from lookalike.judging.similarity import Doubles, Ints, class_codes
from lookalike.records import Labels

_MOST_COUNTS = 2**22  # of one array of a bootstrap


@dataclass(frozen=True)
class ClassSums:
    """The values of queries, added up by class: what a bootstrap of their means draws from.

    Attributes:
        names: of the f figures.
        sums: [c, f] float64, of the values that are known.
        counts: [c, f] float64, how many are.
    """

    names: tuple[str, ...]
    sums: Doubles
    counts: Doubles

    @classmethod
    def of(cls, values: Mapping[str, Doubles], classes: Ints, *, count: int) -> ClassSums:
        """Add up.

        Args:
            values: name to [q] float64; NaN is left out, of each figure by itself.
            classes: [q] int64, of `count` classes numbered from 0; some may have no query.
        """
        sums, counts = np.zeros((2, count, len(values)))
        for at, column in enumerate(values.values()):
            known = ~np.isnan(column)
            sums[:, at] = np.bincount(classes[known], weights=column[known], minlength=count)
            counts[:, at] = np.bincount(classes[known], minlength=count)
        return cls(tuple(values), sums, counts)

    @property
    def means(self) -> Doubles:
        """[c, f] mean of every class; NaN where a class has no value."""
        return _ratio(self.sums, self.counts)

    def macro(self, names: Sequence[str]) -> ClassSums:
        """Some of the figures as means of the classes' means, in which every class weighs the same."""
        chosen = [self.names.index(name) for name in names]
        known = self.counts[:, chosen] > 0
        sums = np.where(known, self.means[:, chosen], 0.0)
        return ClassSums(tuple(f"macro_{name}" for name in names), sums, known.astype(np.float64))

    def values(self) -> dict[str, float]:
        """The mean of every figure; NaN where there is no value."""
        means = _ratio(self.sums.sum(axis=0), self.counts.sum(axis=0))
        return dict(zip(self.names, means.tolist(), strict=True))

    def drawn(self, *, draws: int, seed: int) -> dict[str, Doubles]:
        """The mean of every figure in each draw of the classes, name to [draws].

        NaN where a draw has no value. Two models with one seed get the same draws.
        """
        parts = [
            _ratio(weights @ self.sums, weights @ self.counts)
            for weights in draw_weights(len(self.sums), draws=draws, seed=seed)
        ]
        return dict(zip(self.names, np.concatenate(parts).T.copy(), strict=True))


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
    judged = ~np.isnan(np.stack(list(values.values()))).any(axis=0)
    (classes,) = class_codes(np.asarray(labels)[judged])
    count = check_classes(classes)
    known = {name: column[judged] for name, column in values.items()}
    drawn = ClassSums.of(known, classes, count=count).drawn(draws=draws, seed=seed)
    return {name: percentile_interval(part, confidence=confidence) for name, part in drawn.items()}


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


def percentile_interval(drawn: Doubles, *, confidence: float = 0.95) -> tuple[float, float]:
    """The middle part of the draws of a figure, or of a difference.

    Args:
        drawn: [draws]; NaN, of draws without a value, is left out; not all of them.
    """
    tail = (1.0 - confidence) / 2
    low, high = np.nanquantile(drawn, (tail, 1.0 - tail))
    return float(low), float(high)


def draw_weights(classes: int, *, draws: int, seed: int) -> Iterator[Doubles]:
    """Yield how often every class is drawn, [w, c] float64 a part, `draws` rows in all."""
    rng = np.random.default_rng(seed)
    rows = max(1, _MOST_COUNTS // classes)
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        drawn = rng.integers(0, classes, size=(count, classes)) + np.arange(count)[:, None] * classes
        counts = np.bincount(drawn.ravel(), minlength=count * classes)
        yield counts.reshape(count, classes).astype(np.float64)


def check_classes(classes: Ints) -> int:
    """How many classes these are, numbered from 0.

    Raises:
        EvaluationError: fewer than two, of which nothing can be drawn.
    """
    count = len(np.unique(classes))
    if count < 2:
        raise EvaluationError(
            "there are too few classes for an interval",
            where="labels",
            saw=f"{count} with a figure",
            wanted="at least 2",
            do="judge on pictures of several things",
        )
    return count


def _ratio(sums: Doubles, counts: Doubles) -> Doubles:
    means = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
