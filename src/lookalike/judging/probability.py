"""How likely a pair is the same at a similarity: labelled pairs by class enter, a rising map leaves.

The map is made in one of two ways, isotonic or logistic: by the one that says more about classes that it was
not fitted on. It speaks of pairs mixed as those it was made on, or of another share of same pairs that is
given. Which similarity counts as a match is calibration's business; nothing is stored here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from lookalike.errors import CalibrationError
from lookalike.judging.pairs import ClassPairs, both_kinds
from lookalike.judging.similarity import Doubles
from lookalike.records import PairHistogram

Kind = Literal["isotonic", "logistic"]

FOLDS = 5  # of the classes, to choose between the two kinds
_STEPS = 100  # of Newton's method, of which a dozen are the rule


@dataclass(frozen=True, slots=True)
class Probability:
    """How likely a pair is the same, for every similarity.

    Attributes:
        similarities: [t] rising; what lies between two of them is joined by a straight line of log-odds,
            what lies beyond the ends is as at the end.
        log_odds: [t] finite, never falling: log(p / (1 - p)) of the probability p at these similarities.
        prior: share of same pairs among those it was fitted on, in (0, 1).
        kind: how it was fitted, "isotonic" or "logistic".
    """

    similarities: tuple[float, ...]
    log_odds: tuple[float, ...]
    prior: float
    kind: str

    def at(self, similarities: ArrayLike, *, prior: float | None = None) -> Doubles:
        """The probability at each similarity, float64 in (0, 1), of the shape that was given.

        Args:
            similarities: cosines; a higher one never gives a lower probability.
            prior: share of same pairs among those that are asked about; None: as among the pairs of the
                calibration. Twice the odds of a same pair are twice the odds at every similarity.

        Raises:
            CalibrationError: the prior is not between 0 and 1.

        >>> map = Probability((0.0, 1.0), (-2.0, 2.0), prior=0.5, kind="logistic")
        >>> map.at([0.0, 0.5, 2.0]).round(3).tolist()
        [0.119, 0.5, 0.881]
        >>> map.at([0.5], prior=0.1).round(3).tolist()
        [0.1]
        """
        odds = np.interp(np.asarray(similarities, np.float64), self.similarities, self.log_odds)
        if prior is not None:
            check_prior(prior)
            odds = odds + _log_odds(prior) - _log_odds(self.prior)
        return _share(odds)

    def reached(self, probability: float) -> float | None:
        """The lowest float32 similarity in [-1, 1] whose probability is at least this; None where none is.

        >>> map = Probability((0.0, 1.0), (-2.0, 2.0), prior=0.5, kind="logistic")
        >>> map.reached(0.5), map.reached(0.01), map.reached(0.99)
        (0.5, -1.0, None)
        """
        low, high = np.float32(-1.0), np.float32(1.0)
        if self.at(high) < probability:
            return None
        if self.at(low) >= probability:
            return float(low)
        while (middle := np.float32((float(low) + float(high)) / 2)) not in (low, high):
            low, high = (low, middle) if self.at(middle) >= probability else (middle, high)
        return float(high)


def fit_probability(pairs: ClassPairs, *, images: int, kind: Kind | None = None) -> Probability:
    """Fit the map from similarity to the probability that a pair is the same.

    No probability is surer than n + 1 of n + 2, for n pictures: pairs that share a picture are no independent
    trials, so the pictures are counted, not the pairs. Nor is one that rests on m pairs surer than m + 1 of
    m + 2.

    Args:
        pairs: of every class, by similarity.
        images: n, that the pairs were made of.
        kind: None takes the more honest one by the squared error (Brier score) on classes left out of the
            fit.

    Raises:
        EvaluationError: there are no same or no different pairs.

    Reference:
        Zadrozny and Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates, KDD
        2002 (isotonic). Platt, Probabilistic Outputs for Support Vector Machines, 1999, with its smoothed
        targets (logistic).
    """
    same, different = both_kinds(total_of(pairs))
    chosen = kind or more_honest(pairs, images=images)
    return _FITS[chosen](centres_of(pairs.edges), same, different, images)


def more_honest(pairs: ClassPairs, *, images: int) -> Kind:
    """The kind of map with the lower squared error on classes that it was not fitted on.

    Isotonic only where it gains more than one standard error over classes: of few classes it learns chance.
    """
    logistic, isotonic = (squared_errors(pairs, images=images, kind=kind) for kind in _FITS)
    gain = logistic - isotonic
    spread = math.sqrt(len(gain) * float(np.var(gain, ddof=1))) if len(gain) > 1 else math.inf
    return "isotonic" if gain.sum() > spread else "logistic"


def squared_errors(pairs: ClassPairs, *, images: int, kind: Kind, folds: int = FOLDS) -> Doubles:
    """The squared errors of probabilities of a class's pairs when it is left out of the fit, summed; [c].

    A fifth of the classes is left out at a time. A different pair counts half for either of its classes, also
    of the fit. 0 for classes without which the others leave no pairs of both kinds to fit on.
    """
    centres, classes = centres_of(pairs.edges), len(pairs.same)
    part = np.arange(classes) * folds // classes  # neighbours together: names of a family begin alike
    errors = np.zeros(classes)
    for fold in np.unique(part):
        own = part == fold
        same, different = pairs.same[~own].sum(axis=0), pairs.different[~own].sum(axis=0) / 2
        if same.any() and different.any():
            said = _FITS[kind](centres, same, different, images).at(centres)
            errors[own] = pairs.same[own] @ (1.0 - said) ** 2 + pairs.different[own] @ said**2 / 2
    return errors


def check_prior(prior: float) -> None:
    """Refuse a share of same pairs that is none.

    Raises:
        CalibrationError: it is not between 0 and 1.
    """
    if not 0.0 < prior < 1.0:
        raise CalibrationError(
            "the share of same pairs does not fit",
            where="prior",
            saw=f"{prior:g}",
            wanted="between 0 and 1, both left out",
            do="for example --prior 0.01, where one pair of a hundred is the same",
        )


def pool_adjacent(shares: Doubles, weights: Doubles) -> Doubles:
    """The rising sequence nearest to `shares` by weighted squares, [t]: isotonic regression.

    Neighbours that fall are pooled to their weighted mean until none falls.

    Reference: Ayer et al., An Empirical Distribution Function for Sampling with Incomplete Information,
        Annals of Mathematical Statistics 26(4), 1955.

    >>> pool_adjacent(np.array([0.0, 0.6, 0.4, 1.0]), np.array([1.0, 1.0, 3.0, 1.0])).round(3).tolist()
    [0.0, 0.45, 0.45, 1.0]
    """
    means: list[float] = []
    sizes: list[tuple[float, int]] = []  # weight, entries
    for share, weight in zip(shares.tolist(), weights.tolist(), strict=True):
        mean, size = share, (weight, 1)
        while means and means[-1] >= mean:
            before, own = means.pop(), sizes.pop()
            mean = (before * own[0] + mean * size[0]) / (own[0] + size[0])
            size = own[0] + size[0], own[1] + size[1]
        means.append(mean)
        sizes.append(size)
    return np.repeat(means, [entries for _, entries in sizes])


def total_of(pairs: ClassPairs) -> PairHistogram:
    """All pairs by similarity, each counted once."""
    return PairHistogram(same=pairs.same.sum(axis=0), different=pairs.different.sum(axis=0) // 2)


def centres_of(edges: Doubles) -> Doubles:
    """The middle of every bin; the last one ends at 1."""
    centres: Doubles = (edges + np.append(edges[1:], 1.0)) / 2
    return centres


def _isotonic(centres: Doubles, same: Doubles, different: Doubles, images: int) -> Probability:
    every = same + different
    filled = every > 0
    fitted = _less_sure(pool_adjacent(same[filled] / every[filled], every[filled]), every[filled])
    places = centres[filled]
    ends = np.ones(len(fitted), bool)  # of a pool: what lies inside adds nothing
    ends[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    sure = 1.0 / (images + 2)
    odds = _log_odds(np.clip(fitted[ends], sure, 1.0 - sure))
    return Probability(_numbers(places[ends]), _numbers(odds), _prior(same, different), "isotonic")


def _less_sure(fitted: Doubles, every: Doubles) -> Doubles:
    """No pool of m pairs is surer than m + 1 of m + 2, however right they all are; still rising."""
    starts = np.flatnonzero(np.append(True, np.diff(fitted) != 0))
    pools = np.repeat(np.add.reduceat(every, starts), np.diff(np.append(starts, len(fitted))))
    rising: Doubles = np.maximum.accumulate(np.minimum(fitted, 1.0 - 1.0 / (pools + 2)))
    return rising


def _logistic(centres: Doubles, same: Doubles, different: Doubles, images: int) -> Probability:
    slope, offset = fit_logistic(centres, same, different)
    most = math.log(images + 1)
    places = np.array([-1.0, 1.0])
    if slope > 0:  # the line bends where it meets a bound
        bends = (np.array([-most, most]) - offset) / slope
        places = np.unique(np.clip(np.concatenate([places, bends]), -1.0, 1.0))
    else:
        slope, offset = 0.0, float(_log_odds(_prior(same, different)))
    odds = np.clip(slope * places + offset, -most, most)
    return Probability(_numbers(places), _numbers(odds), _prior(same, different), "logistic")


_FITS: dict[Kind, Callable[[Doubles, Doubles, Doubles, int], Probability]] = {
    "logistic": _logistic,
    "isotonic": _isotonic,
}


def fit_logistic(similarities: Doubles, same: Doubles, different: Doubles) -> tuple[float, float]:
    """Slope and offset of log-odds over similarity, of the largest likelihood with Platt's targets.

    A same pair counts as (N + 1) / (N + 2) of one, for N same pairs, and a different pair as 1 / (N + 2): so
    they are finite where one similarity parts all pairs.

    Args:
        similarities: [t], of bins; same, different: [t] how many pairs lie there, some of either kind.

    Reference:
        Lin, Lin and Weng, A Note on Platt's Probabilistic Outputs for Support Vector Machines, Machine
        Learning 68, 2007: Newton's method that goes back half a step until it gains.
    """
    total = same.sum(), different.sum()
    every = same + different
    right = same * (total[0] + 1) / (total[0] + 2) + different / (total[1] + 2)
    design = np.stack([similarities, np.ones_like(similarities)])  # [2, t]

    def loss(line: Doubles) -> float:
        odds = line @ design
        return float(every @ np.logaddexp(0.0, odds) - right @ odds)

    line = np.array([0.0, math.log((total[0] + 1) / (total[1] + 1))])
    for _ in range(_STEPS):
        said = _share(line @ design)
        slope = design @ (every * said - right)
        bend = (design * (every * said * (1.0 - said))) @ design.T + 1e-12 * np.eye(2)
        step = np.linalg.solve(bend, slope)
        while loss(line - step) > loss(line) and np.abs(step).max() > 1e-12:
            step = step / 2
        line = line - step
        if np.abs(step).max() < 1e-9:
            break
    return float(line[0]), float(line[1])


def _prior(same: Doubles, different: Doubles) -> float:
    return float(same.sum() / (same.sum() + different.sum()))


def _log_odds(share: ArrayLike) -> Doubles:
    share = np.asarray(share, np.float64)
    odds: Doubles = np.log(share) - np.log1p(-share)
    return odds


def _share(odds: Doubles) -> Doubles:
    """The share of given log-odds."""
    share: Doubles = np.exp(-np.logaddexp(0.0, -odds))
    return share


def _numbers(values: Doubles) -> tuple[float, ...]:
    return tuple(values.tolist())
