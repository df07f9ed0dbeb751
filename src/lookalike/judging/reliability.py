"""Whether probabilities keep their word: a map and other pairs enter; said beside so leaves.

The pairs must not be those that the map was fitted on. Nothing is fitted or drawn here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.intervals import draw_weights
from lookalike.judging.pairs import ClassPairs, both_kinds, lower_edges
from lookalike.judging.probability import Probability, centres_of, total_of
from lookalike.judging.similarity import Doubles, Ints
from lookalike.records import PairHistogram

_Z = 1.959964  # of a two-sided 95 % interval


@dataclass(frozen=True)
class Reliability:
    """What was said beside what was so, for pairs in order of their probability.

    Attributes:
        predicted: [b] mean probability of the pairs of a bin.
        observed: [b] share of them that are the same.
        low, high: [b] the 95 % interval of the share.
        pairs: [b] int64, pairs of a bin, >= 1.
        prior: share of same pairs among all, at which the probabilities were taken.
        by_class: whether the intervals are a bootstrap over classes; else binomial, as if pairs that share
            pictures were independent, which is too narrow.
    """

    predicted: Doubles
    observed: Doubles
    low: Doubles
    high: Doubles
    pairs: Ints
    prior: float
    by_class: bool

    @property
    def error(self) -> float:
        """Mean |predicted - observed| over the bins, each weighing the same; 0 is best."""
        return float(np.abs(self.predicted - self.observed).mean())


def reliability_of(
    probability: Probability, pairs: PairHistogram | ClassPairs, *, bins: int = 10, seed: int = 0
) -> Reliability:
    """Compare probabilities with what was so, on pairs that they were not fitted on.

    Probabilities are taken at the share of same pairs among these, so that it is the map that is judged and
    not the mix of pairs.

    Args:
        pairs: by class gives intervals that hold; a histogram gives binomial ones, which are too narrow.
        bins: equal steps of the probability; those without pairs are left out.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    by_class = isinstance(pairs, ClassPairs)
    total = total_of(pairs) if isinstance(pairs, ClassPairs) else pairs
    same, different = both_kinds(total)
    every = same + different
    prior = float(same.sum() / every.sum())
    edges = pairs.edges if isinstance(pairs, ClassPairs) else lower_edges(len(same))
    said = probability.at(centres_of(edges), prior=prior)
    place = np.minimum((said * bins).astype(np.int64), bins - 1)
    counts = _summed(every, place, bins)
    kept = counts > 0
    right = _summed(same, place, bins)[kept]
    low, high = (
        _drawn_interval(pairs, place, bins, kept, seed=seed)
        if isinstance(pairs, ClassPairs)
        else _wilson(right, counts[kept])
    )
    return Reliability(
        _summed(every * said, place, bins)[kept] / counts[kept],
        right / counts[kept],
        low,
        high,
        np.rint(counts[kept]).astype(np.int64),
        prior,
        by_class,
    )


def _drawn_interval(
    pairs: ClassPairs, place: Ints, bins: int, kept: NDArray[np.bool_], *, seed: int, draws: int = 1000
) -> tuple[Doubles, Doubles]:
    """The 95 % interval of every kept bin's share when classes are drawn again (see `figure_draws`)."""
    same, different = (
        np.stack([_summed(row, place, bins)[kept] for row in part.astype(np.float64)])
        for part in (pairs.same, pairs.different)
    )
    base = different.sum(axis=0) / 2
    drawn = []
    for weights in draw_weights(len(same), draws=draws, seed=seed):
        right, wrong = weights @ same, np.maximum(weights @ different - base, 0.0)
        every = right + wrong
        drawn.append(np.divide(right, every, out=np.full_like(right, np.nan), where=every > 0))
    ends = np.nanquantile(np.concatenate(drawn), (0.025, 0.975), axis=0)
    return ends[0], ends[1]


def _wilson(right: Doubles, every: Doubles) -> tuple[Doubles, Doubles]:
    """Wilson's 95 % interval of a share, JASA 22, 1927."""
    share, spread = right / every, _Z**2 / every
    middle = (share + spread / 2) / (1.0 + spread)
    reach = np.sqrt(share * (1.0 - share) * spread + spread**2 / 4) / (1.0 + spread)
    return middle - reach, middle + reach


def _summed(values: Doubles, place: Ints, bins: int) -> Doubles:
    return np.asarray(np.bincount(place, weights=values, minlength=bins), np.float64)
