"""Losses over pairs as loops over their formulas, with options for the tests of the fast ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import strategies as st
from torch import Tensor

from lookalike.training.losses import (
    circle,
    contrastive,
    hap2s_exponential,
    hap2s_polynomial,
    multi_similarity,
    nt_xent,
    recall_at_k,
    smooth_ap,
    supervised_contrastive,
)

Loss = Callable[..., Tensor]

# mild options, under which values and slopes are neither 0 nor huge
MILD: dict[Loss, dict[str, Any]] = {
    contrastive: {"margin": 0.9},
    multi_similarity: {"alpha": 1.5, "beta": 4.0, "base": 0.4, "epsilon": 0.2},
    circle: {"margin": 0.3, "gamma": 4.0},
    hap2s_exponential: {"sigma": 0.4, "margin": "soft"},
    hap2s_polynomial: {"alpha": 3.0, "margin": 0.3},
    supervised_contrastive: {"temperature": 0.5},
    nt_xent: {"temperature": 0.4},
    smooth_ap: {"temperature": 0.3},
    recall_at_k: {"ks": (1, 2, 4), "temperature": 0.2},
}

# the sharpest options that papers use, and beyond
SHARP: dict[Loss, dict[str, Any]] = {
    contrastive: {"margin": 2.0},
    multi_similarity: {"alpha": 50.0, "beta": 500.0},
    circle: {"margin": 0.25, "gamma": 2000.0},
    hap2s_exponential: {"sigma": 1e-3, "margin": 0.3},
    hap2s_polynomial: {"alpha": 500.0},
    supervised_contrastive: {"temperature": 1e-3},
    nt_xent: {"temperature": 1e-3},
    smooth_ap: {"temperature": 1e-4},
    recall_at_k: {"temperature": 1e-4},
}

EVERY = pytest.mark.parametrize("loss", list(MILD), ids=lambda loss: loss.__name__)

batches = st.tuples(
    st.lists(st.integers(0, 3), min_size=3, max_size=9).filter(lambda y: len(y) > len(set(y)) > 1),
    st.lists(st.integers(0, 4), max_size=5),
    st.integers(0, 10_000),
)


class Anchor:
    """What one row sees: similarities to its positives and to its negatives."""

    def __init__(self, place: int, z: Tensor, y: Tensor, n: int) -> None:
        others = [j for j in range(len(y)) if j != place]
        similar = {j: float(z[place] @ z[j]) for j in others}
        self.positives = [similar[j] for j in others if y[j] == y[place]]
        self.negatives = [similar[j] for j in others if y[j] != y[place]]
        self.n = n


def anchors(z: Tensor, y: Tensor, gallery: tuple[Tensor, Tensor] | None) -> list[Anchor]:
    more_z, more_y = gallery if gallery else (z[:0], y[:0])
    return [Anchor(i, torch.cat((z, more_z)), torch.cat((y, more_y)), len(y)) for i in range(len(y))]


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def apart(s: float) -> float:
    return math.sqrt(2 - 2 * s)


def slow_contrastive(all_: list[Anchor], *, margin: float) -> float:
    far = [max(0.0, margin - apart(s)) ** 2 for a in all_ for s in a.negatives]
    return mean([2 - 2 * s for a in all_ for s in a.positives]) + mean([cost for cost in far if cost > 0])


def slow_multi_similarity(
    all_: list[Anchor], *, alpha: float, beta: float, base: float, epsilon: float | None
) -> float:
    total = 0.0
    for a in all_:
        positives, negatives = a.positives, a.negatives
        if epsilon is not None:
            positives = [s for s in a.positives if s < max(a.negatives) + epsilon]
            negatives = [s for s in a.negatives if s > min(a.positives, default=9.0) - epsilon]
        total += math.log(1 + sum(math.exp(-alpha * (s - base)) for s in positives)) / alpha
        total += math.log(1 + sum(math.exp(beta * (s - base)) for s in negatives)) / beta
    return total / len(all_)


def slow_circle(all_: list[Anchor], *, margin: float, gamma: float) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        near = sum(math.exp(-gamma * max(0.0, 1 + margin - s) * (s - (1 - margin))) for s in a.positives)
        far = sum(math.exp(gamma * max(0.0, s + margin) * (s - margin)) for s in a.negatives)
        terms.append(math.log(1 + near * far))
    return mean(terms)


def slow_hap2s(
    all_: list[Anchor], near: Callable[[float], float], far: Callable[[float], float], margin: Any
) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        gap = 0.0
        for similarities, weight, sign in ((a.positives, near, 1), (a.negatives, far, -1)):
            weights = [weight(apart(s)) for s in similarities]
            total = sum(w * apart(s) for w, s in zip(weights, similarities, strict=True))
            gap += sign * total / sum(weights)
        terms.append(math.log(1 + math.exp(gap)) if margin == "soft" else max(0.0, gap + margin))
    return mean(terms)


def slow_hap2s_exponential(all_: list[Anchor], *, sigma: float, margin: Any) -> float:
    return slow_hap2s(all_, lambda d: math.exp(d / sigma), lambda d: math.exp(-d / sigma), margin)


def slow_hap2s_polynomial(all_: list[Anchor], *, alpha: float, margin: Any) -> float:
    return slow_hap2s(all_, lambda d: (1 + d) ** alpha, lambda d: (1 + d) ** (-2 * alpha), margin)


def slow_supervised_contrastive(all_: list[Anchor], *, temperature: float) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        total = sum(math.exp(s / temperature) for s in a.positives + a.negatives)
        terms.append(mean([-math.log(math.exp(s / temperature) / total) for s in a.positives]))
    return mean(terms)


def slow_nt_xent(all_: list[Anchor], *, temperature: float) -> float:
    terms = []
    for a in all_:
        far = sum(math.exp(s / temperature) for s in a.negatives)
        terms += [
            -math.log(math.exp(s / temperature) / (math.exp(s / temperature) + far)) for s in a.positives
        ]
    return mean(terms)


def step(difference: float, temperature: float) -> float:
    return 1 / (1 + math.exp(-difference / temperature))


def smooth_rank(place: int, ranked: list[float], temperature: float) -> float:
    others = [s for j, s in enumerate(ranked) if j != place]
    return 1 + sum(step(s - ranked[place], temperature) for s in others)


def slow_smooth_ap(all_: list[Anchor], *, temperature: float) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        everything = a.positives + a.negatives
        precisions = [
            smooth_rank(p, a.positives, temperature) / smooth_rank(p, everything, temperature)
            for p in range(len(a.positives))
        ]
        terms.append(1 - mean(precisions))
    return mean(terms)


def slow_recall_at_k(all_: list[Anchor], *, ks: tuple[int, ...], temperature: float) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        everything, count = a.positives + a.negatives, len(a.positives)
        ranks = [smooth_rank(p, everything, temperature) for p in range(count)]
        found = [min(k, sum(step((k - rank) / k, 1) for rank in ranks)) / min(k, count) for k in ks]
        terms.append(1 - mean(found))
    return mean(terms)


SLOW: dict[Loss, Callable[..., float]] = {loss: globals()[f"slow_{loss.__name__}"] for loss in MILD}
