"""Bounds for a promise: wrong pairs by class enter; the share of errors and its upper confidence bound leave.

A binomial bound believes that pairs are independent. They share pictures, and pictures share classes, so the
number of pairs is first reduced to the number of independent trials that say as much. Which threshold is
then chosen is not decided here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.similarity import Doubles

_FEW_ERRORS = 3.0  # fewer independent errors do not show in what clusters errors come
_MOST_TRIALS = 1e7  # beyond which a bound gains nothing
_MOST_TIMES = 1e4
_MOST_TERMS = 20_000  # of a continued fraction; about the root of its arguments is needed


@dataclass(frozen=True)
class ErrorShare:
    """A share of errors at several thresholds, and how many independent trials it is worth.

    Attributes:
        share: [t] float64 in [0, 1], errors / trials.
        trials: [t] float64, the number of independent trials that would say as much; pairs that share
            pictures and classes say less than their number.
    """

    share: Doubles
    trials: Doubles

    def supports(self, limit: float, *, confidence: float) -> NDArray[np.bool_]:
        """Where the upper confidence bound is at most `limit`, [t]."""
        return self._certainty(np.full(len(self.share), limit)) >= confidence

    def bounds(self, *, confidence: float) -> Doubles:
        """The upper confidence bounds, [t] (one-sided; Clopper and Pearson, Biometrika 26(4), 1934)."""
        low, high = self.share, np.ones(len(self.share))
        for _ in range(40):
            middle = (low + high) / 2
            enough = self._certainty(middle) >= confidence
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return high

    def more_needed(self, limit: float, *, confidence: float) -> Doubles:
        """How many times the trials would support `limit` at the same share of errors, [t].

        Infinity where 10,000 times would not.
        """
        low, high = np.zeros(len(self.share)), np.full(len(self.share), math.log(_MOST_TIMES))
        for _ in range(30):
            middle = (low + high) / 2
            enough = self._times(np.exp(middle)).supports(limit, confidence=confidence)
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        possible = self._times(np.exp(high)).supports(limit, confidence=confidence)
        return np.where(possible, np.exp(high), np.inf)

    def at(self, index: int) -> ErrorShare:
        """One of the thresholds alone."""
        return ErrorShare(self.share[index : index + 1], self.trials[index : index + 1])

    def _times(self, factor: Doubles) -> ErrorShare:
        return ErrorShare(self.share, self.trials * factor)

    def _certainty(self, limits: Doubles) -> Doubles:
        """How sure it is that the true share is at most a limit, [t]; 0 where what was seen is above."""
        certainty = np.zeros(len(self.share))
        below = (self.share < limits) & (limits < 1.0)
        trials = self.trials[below]
        errors = self.share[below] * trials
        certainty[below] = regularised_beta(limits[below], errors + 1.0, trials - errors)
        return certainty


def error_share(
    errors: Doubles,
    trials: Doubles,
    pairs: Doubles,
    *,
    confidence: float,
    ends: int = 2,
    shared: Doubles | None = None,
) -> ErrorShare:
    """Return the share of errors among pairs, with its effective number of trials under a class bootstrap.

    The variance of the share when classes are drawn again (pairs weighed as in `figure_draws`) over that of
    a binomial share is the design effect, by which the number of pairs is divided. Where fewer than three
    independent errors have been seen, it is taken from the nearest threshold with more errors that has seen
    them: a few errors cannot show that errors come in clusters.

    Args:
        errors: [c, t] float64, wrong pairs of every class, rising along t.
        trials: [c, t] float64, all pairs of every class that could be wrong, counted in the same way.
        pairs: [t] float64, all pairs, each counted once.
        confidence: that the bound is made for; few classes widen it (Student's t with c - 1 degrees).
        ends: for how many classes a wrong pair counts: 2 for different pairs, 1 for pairs of one class.
        shared: [t] float64, the sum over all pairs of classes of their wrong pairs' number squared. Two
            classes' errors both hold what they share, so it is once too often in the variance; None leaves
            it there, which makes the bound wider.

    Reference:
        Korn and Graubard, Confidence Intervals for Proportions with Small Expected Number of Positive
        Counts Estimated from Survey Data, Survey Methodology 24(2), 1998; their rule has no carrying down.
        Aronow, Samii and Assenova, Cluster-Robust Variance Estimation for Dyadic Data, Political Analysis
        23(4), 2015: the variance without what is shared.
    """
    wrong = errors.sum(axis=0) / ends
    share = wrong / pairs
    effect = np.ones(len(share))
    spread = pairs * share * (1.0 - share)
    np.divide(_drawn_variance(errors - share * trials, shared), spread, out=effect, where=spread > 0)
    effect = np.maximum(effect, 1.0)
    variance = _drawn_variance(errors, shared)
    independent = np.zeros(len(share))
    np.divide(wrong**2, variance, out=independent, where=variance > 0)
    enough = independent >= _FEW_ERRORS
    first = int(np.argmax(enough) if enough.any() else np.argmax(independent))
    effect[:first] = np.maximum(effect[:first], effect[first])
    few = (student_quantile(confidence, len(errors) - 1) / NormalDist().inv_cdf(confidence)) ** 2
    return ErrorShare(share, np.minimum(pairs / (effect * few), _MOST_TRIALS))


@cache
def student_quantile(confidence: float, degrees: int) -> float:
    """The value that Student's t stays below with a probability, 0.5 < confidence < 1."""
    a, b = np.array([degrees / 2]), np.array([0.5])
    low, high = 0.0, 1.0  # of degrees / (degrees + t²), by which the beta function gives both tails
    for _ in range(60):
        middle = (low + high) / 2
        inside = regularised_beta(np.array([middle]), a, b)[0] < 2.0 * (1.0 - confidence)
        low, high = (middle, high) if inside else (low, middle)
    return math.sqrt(degrees * (1.0 - high) / high)


def regularised_beta(x: Doubles, a: Doubles, b: Doubles) -> Doubles:
    """The regularised incomplete beta function I_x(a, b), [t], for 0 < x < 1; 0 where b is not positive.

    Reference:
        Press et al., Numerical Recipes, 3rd ed., section 6.4: a continued fraction by Lentz's method.
    """
    proper = b > 0
    b = np.where(proper, b, 1.0)
    far = x > (a + 1.0) / (a + b + 2.0)  # there the fraction of the complement converges faster
    p, q, y = np.where(far, b, a), np.where(far, a, b), np.where(far, 1.0 - x, x)
    scale = _log_gamma(p + q) - _log_gamma(p) - _log_gamma(q) + p * np.log(y) + q * np.log1p(-y)
    value = np.exp(scale) / p * _beta_fraction(y, p, q)
    return np.where(proper, np.where(far, 1.0 - value, value), 0.0)


def _beta_fraction(x: Doubles, a: Doubles, b: Doubles) -> Doubles:
    upper = np.ones_like(x)
    lower = 1.0 / (1.0 - (a + b) * x / (a + 1.0))
    value = lower.copy()
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for term in (even, odd):
            lower = 1.0 / (1.0 + term * lower)
            upper = 1.0 + term / upper
            value *= lower * upper
        if np.all(np.abs(lower * upper - 1.0) < 1e-12):
            break
    return value


def _log_gamma(values: Doubles) -> Doubles:
    return np.array([math.lgamma(value) for value in values])


def _drawn_variance(sums: Doubles, shared: Doubles | None) -> Doubles:
    """Variance of the total when the c classes are drawn again, [t], of their [c, t] sums."""
    classes = len(sums)
    variance = np.asarray(np.var(sums, axis=0) * classes**2 / (classes - 1))
    return variance if shared is None else np.maximum(variance - shared, variance / 2)
