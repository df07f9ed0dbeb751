"""Promises against the truth: over 1,000 calibrations each on things drawn anew from a large population."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pytest
from numpy.typing import NDArray

from lookalike.judging.calibration import kept_threshold
from lookalike.judging.pairs import ClassPairs
from lookalike.judging.target import Target
from vectors_for_judging import clusters

THINGS, IMAGES = 60, 4  # of a calibration
TRIALS = 1000

Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Population:
    """Very many things, and how alike all their pictures are.

    Attributes:
        edges: [e] rising from -1.
        same: [c, e] pairs of a thing's pictures by similarity.
        different: [c, c, e] pairs of two things' pictures, each at both of its places.
    """

    edges: NDArray[np.float64]
    same: Counts
    different: Counts

    @classmethod
    def of(cls, *, things: int, noise: float, hub: float) -> Population:
        vectors, labels = clusters(things, IMAGES, noise=noise, dims=32, seed=10**6, hub=hub)
        similar = vectors.astype(np.float64) @ vectors.T.astype(np.float64)
        first, second = np.nonzero(~np.eye(len(labels), dtype=bool))  # each pair from both of its ends
        similar, a, b = similar[first, second], labels[first], labels[second]
        inside = np.quantile(similar[a == b], np.linspace(0.0, 0.99, 60))
        between = np.quantile(similar[a != b], 1.0 - np.geomspace(1e-4, 0.3, 40))
        cuts = np.concatenate([[-1.0], np.unique(np.concatenate([inside, between]))])
        bins = np.searchsorted(cuts, similar, side="right") - 1
        cells = (a * things + b) * len(cuts) + bins
        pairs = np.bincount(cells, minlength=things**2 * len(cuts)).reshape(things, things, -1)
        own = np.arange(things)
        same = pairs[own, own] // 2
        pairs[own, own] = 0
        return cls(cuts, same, pairs)

    @cached_property
    def reached(self) -> NDArray[np.float64]:
        """The true shares of same and of different pairs that match at every edge, [2, e]."""
        counts = np.stack([self.same.sum(axis=0), self.different.sum(axis=(0, 1))])
        above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1]
        return np.asarray(above / above[:, :1])

    def sample(self, rng: np.random.Generator) -> ClassPairs:
        """The pairs of some things, drawn without putting back."""
        drawn = rng.choice(len(self.same), THINGS, replace=False)
        same, different = self.same[drawn], self.different[np.ix_(drawn, drawn)].sum(axis=1)
        last = int(np.flatnonzero((same + different).any(axis=0))[-1]) + 1  # above it nothing matches
        return ClassPairs(self.edges[:last], same[:, :last], different[:, :last])

    def errors(self, target: Target, similarity: float) -> float:
        """The true share of errors at a threshold, at the mix of pairs of a sample."""
        found, rate = (share[int(np.searchsorted(self.edges, similarity))] for share in self.reached)
        right, wrong = found * THINGS * 6, rate * THINGS * (THINGS - 1) / 2 * IMAGES**2
        precision_errors = wrong / max(right + wrong, 1e-12)
        errors = {"precision": precision_errors, "recall": 1.0 - found, "false-match-rate": rate}
        return float(errors[target.name])


POPULATIONS = {
    "even": Population.of(things=300, noise=0.7, hub=0.0),
    "uneven": Population.of(things=300, noise=0.35, hub=0.8),  # some are confused with many others
}


def naive(pairs: ClassPairs, target: Target) -> float:
    """The usual rule: the threshold that just reaches the target on the pairs at hand."""
    same = np.cumsum(pairs.same.sum(axis=0)[::-1])[::-1]
    wrong = np.cumsum(pairs.different.sum(axis=0)[::-1])[::-1] / 2
    shares = {
        "precision": wrong / np.maximum(same + wrong, 1),
        "recall": 1.0 - same / same[0],
        "false-match-rate": wrong / wrong[0],
    }[target.name]
    kept = np.flatnonzero(shares <= target.limit)
    return float(pairs.edges[kept[-1] if target.name == "recall" else kept[0]])


@pytest.mark.parametrize("name", POPULATIONS)
@pytest.mark.parametrize("text", ["precision=0.95", "recall=0.8", "false-match-rate=0.01"])
def test_promise_holds_in_truth_in_95_of_100_calibrations(name: str, text: str) -> None:
    population, target = POPULATIONS[name], Target.parse(text)
    rng = np.random.default_rng(0)
    answered = broken = naively_broken = 0
    for _ in range(TRIALS):
        pairs = population.sample(rng)
        naively_broken += population.errors(target, naive(pairs, target)) > target.limit
        kept = kept_threshold(pairs, target, confidence=0.95)
        if kept is not None:  # else it refuses
            answered += 1
            broken += population.errors(target, kept[0]) > target.limit
    assert answered > 0.5 * TRIALS
    assert broken <= 0.05 * answered
    assert naively_broken > 0.1 * TRIALS  # so the test can fail; half, where thresholds lie close together
