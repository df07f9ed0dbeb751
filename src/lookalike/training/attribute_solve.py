"""Pictures and attributes in one space, solved in one step: ridge regression to standardised attributes.

Features and attribute values enter; the two linear maps leave that give both a place in one space. Nothing is
trained by gradient and torch is not needed. How well untrained features do is prepared here too, as what
everything else is compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.attribute_metrics import between, judge, make_queries
from lookalike.records import Floats
from lookalike.tables.attribute_values import Values
from lookalike.training.closed_form import LinearHead, apply
from lookalike.training.graph import HeadGraph

Doubles = NDArray[np.float64]
Embed: TypeAlias = Callable[[Floats], Floats]

MOST_QUERIES = 500  # of each kind, on validation
_LEAST_DEVIATION = 0.05  # added to an attribute's deviation: one that hardly varies is not blown up
_CHUNK_ROWS = 4096


@dataclass(frozen=True)
class SharedSpace:
    """Two linear maps into one space.

    Attributes:
        image: of features.
        attributes: [2a, d] float32, of what is stated as present, then of what is stated as absent; a query
            is the sum of the rows that it states, to unit length.
    """

    image: LinearHead
    attributes: Floats

    def branch(self) -> HeadGraph:
        """The attribute side as it is exported: `indicators` in, unit rows out."""
        return HeadGraph(1.0, [(self.attributes, np.zeros(self.attributes.shape[1], np.float32))])


@dataclass(frozen=True, slots=True)
class Attempt:
    """Options that were tried, and what they reach on validation, in [0, 1]."""

    power: float
    shrinkage: float
    map: float


def indicators(values: Values) -> Floats:
    """What is stated, as numbers a network takes: [q, 2a], 1 where stated as present, then as absent."""
    return np.concatenate([values > 0, values < 0], axis=1).astype(np.float32)


def solve_attributes(
    features: Floats, values: Values, *, power: float, shrinkage: float, dim: int
) -> SharedSpace:
    """Find the space in which a picture lies where its attributes lie.

    Attributes are standardised: z = (±1 - mean) / (deviation + 0.05) over the training pictures, so that a
    rare one that is present weighs more than a common one. A picture is its prediction of z by ridge
    regression; a query is the z of what it states, and 0, the mean, for what it leaves open. Both to unit
    length. Values that the table does not state count as the mean.

    Args:
        features: [n, D] float32; their length does not matter.
        values: [n, a], 1 present, -1 absent, 0 not stated.
        power: of the signed power of the features, > 0.
        shrinkage: > 0; the ridge is shrinkage · trace(S) / D for the features' scatter S.
        dim: d, at most; of more attributes the leading directions of the predictions are kept.

    Returns:
        The two maps, with d = min(dim, a).

    Reference:
        Hoerl & Kennard, Ridge Regression, Technometrics 12(1), 1970.
    """
    return _solve(_moments(features, values, power), shrinkage=shrinkage, dim=dim)


def _solve(moments: _Moments, *, shrinkage: float, dim: int) -> SharedSpace:
    mean, scatter, cross, share = moments.mean, moments.scatter, moments.cross, moments.share
    deviation = np.sqrt(np.maximum(1.0 - share**2, 0.0)) + _LEAST_DEVIATION
    ridge = shrinkage * max(float(np.trace(scatter)), 1e-6) / len(scatter)
    weight = np.linalg.solve(scatter + ridge * np.eye(len(scatter)), cross / deviation)  # [D, a]
    basis = np.eye(len(share))
    if dim < len(share):
        basis = np.linalg.eigh(weight.T @ scatter @ weight)[1][:, ::-1][:, :dim]  # [a, d]
    queries = np.concatenate([np.diag((1.0 - share) / deviation), np.diag((-1.0 - share) / deviation)])
    head = LinearHead(
        moments.power, (weight @ basis).astype(np.float32), (-mean @ weight @ basis).astype(np.float32)
    )
    return SharedSpace(head, (queries @ basis).astype(np.float32))


def choose_attributes(
    features: Floats,
    values: Values,
    val_features: Floats,
    val_values: Values,
    *,
    dim: int,
    powers: Sequence[float],
    shrinkages: Sequence[float],
) -> tuple[SharedSpace, list[Attempt]]:
    """Solve with every power and shrinkage, and keep what is best on validation.

    Returns:
        The space, solved on the training features alone, and all attempts in order; of equals the first.
    """
    tried: list[tuple[SharedSpace, Attempt]] = []
    for power in powers:
        moments = _moments(features, values, power)
        for shrinkage in shrinkages:
            space = _solve(moments, shrinkage=shrinkage, dim=dim)
            reached = score_space(space, val_features, val_values)
            tried.append((space, Attempt(power, shrinkage, reached)))
    best = max(tried, key=lambda entry: entry[1].map)
    return best[0], [attempt for _, attempt in tried]


def score_space(space: SharedSpace, features: Floats, values: Values) -> float:
    """Mean average precision of a space on some pictures; see `score`."""
    return mean_of_kinds(score(apply(space.image, features), values, space.branch().apply))


def score(pictures: Floats, values: Values, embed: Embed) -> dict[str, float]:
    """Mean average precision of attribute queries, by kind of query; the same queries for the same values.

    Args:
        pictures: [n, d] unit rows.
        values: [n, a], of the pictures.
        embed: `indicators` [q, 2a] to [q, d] unit rows.

    Returns:
        Kind to mean average precision, in [0, 1]; the kinds of `make_queries`.
    """
    found = {}
    for kind, stated in make_queries(values, most=MOST_QUERIES, seed=0).items():
        queries = embed(indicators(stated))
        found[kind] = float(np.nanmean(judge(between(queries, pictures), stated, values)["map"]))
    return found


def mean_of_kinds(scores: Mapping[str, float]) -> float:
    """One number to choose by: the mean over the kinds of query; 0 where there are none."""
    return float(np.mean(list(scores.values()))) if scores else 0.0


def prototypes(features: Floats, values: Values) -> dict[str, Floats]:
    """What untrained features answer attributes with: the mean picture that has each, and that lacks it.

    Args:
        features: [n, D] unit rows of the untrained backbone, of the training pictures.
        values: [n, a].

    Returns:
        mean: [D], of all; prototypes: [2a, D], mean of those with an attribute and without, each less
        that mean; 0 where there are none.
    """
    mean = features.mean(axis=0)
    stated = indicators(values)  # [n, 2a]
    counts = np.maximum(stated.sum(axis=0), 1.0)[:, None]
    known = (stated.sum(axis=0) > 0)[:, None]
    means = (stated.T @ features) / counts
    return {"mean": mean, "prototypes": np.where(known, means - mean, 0.0).astype(np.float32)}


@dataclass(frozen=True)
class _Moments:
    """What a ridge regression needs of the features, raised to a power, and of the values.

    Attributes:
        mean: [D]; scatter: [D, D], about it; cross: [D, a], products with the centred values; share: [a],
            the mean of the stated values.
    """

    power: float
    mean: Doubles
    scatter: Doubles
    cross: Doubles
    share: Doubles


def _moments(features: Floats, values: Values, power: float) -> _Moments:
    known = np.maximum((values != 0).sum(axis=0), 1)
    share: Doubles = values.sum(axis=0, dtype=np.float64) / known
    width = features.shape[1]
    total, scatter, cross = np.zeros(width), np.zeros((width, width)), np.zeros((width, values.shape[1]))
    for start in range(0, len(features), _CHUNK_ROWS):
        part = slice(start, start + _CHUNK_ROWS)
        rows = _powered(features[part], power)
        total += rows.sum(axis=0)
        scatter += rows.T @ rows
        cross += rows.T @ np.where(values[part] != 0, values[part] - share, 0.0)
    mean = total / len(features)
    leftover = np.where(values != 0, values - share, 0.0).sum(axis=0)  # 0 but for rounding
    return _Moments(
        power,
        mean,
        scatter - len(features) * np.outer(mean, mean),
        cross - np.outer(mean, leftover),
        share,
    )


def _powered(features: Floats, power: float) -> Doubles:
    wide = features.astype(np.float64)
    raised = np.sign(wide) * np.abs(wide) ** power
    unit: Doubles = raised / np.maximum(np.linalg.norm(raised, axis=1, keepdims=True), 1e-12)
    return unit
