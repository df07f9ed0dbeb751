"""Which attributes a picture is compared with: its own, some of its own, and others that are wrong for it.

Values [n, a] enter and leave: 1 present, -1 absent, 0 not stated. Everything is drawn from a generator that
the caller seeds. Networks and losses are elsewhere.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lookalike.tables.attribute_values import Values

TRIES = 16  # draws of a random negative before some attributes are flipped instead


def mask_some(values: Values, *, share: float, rng: np.random.Generator) -> Values:
    """Leave some rows with a few of their attributes only, as those ask who search.

    A row that is masked keeps 1 to a of its attributes, log-uniformly, so that short queries are as common as
    long ones. Attributes that are present and those that are absent have equal chances as groups: where few
    are present, a query would state nothing but absences otherwise.

    Args:
        values: [n, a], something stated in every row.
        share: of rows that are masked, in [0, 1].

    Returns:
        [n, a]; something is stated in every row.
    """
    n, a = values.shape
    weights = np.zeros(values.shape)
    groups: list[NDArray[np.bool_]] = [np.greater(values, 0), np.less(values, 0)]
    for group in groups:
        weights += group / np.maximum(group.sum(axis=1, keepdims=True), 1)
    kept = np.rint(np.exp(rng.uniform(0.0, np.log(a), size=n))).astype(np.int64)
    with np.errstate(divide="ignore"):
        keys = np.log(weights) + rng.gumbel(size=values.shape)  # the largest k: k drawn by weight
    place = np.argsort(np.argsort(-keys, axis=1), axis=1)
    whole: NDArray[np.bool_] = np.greater_equal(rng.random(n), share)
    masked: Values = np.where((place < kept[:, None]) | whole[:, None], values, np.int8(0))
    return masked


def draw_negatives(
    positives: Values, pool: Values, *, hard_share: float, flips: int, rng: np.random.Generator
) -> tuple[Values, NDArray[np.bool_]]:
    """Draw attributes that differ from the positive's; they state what the positive states, and no more.

    A random negative has the values of a random row of the pool, which keeps the statistics of the data: no
    beards on women. What that row does not state is left as in the positive. A hard negative is the positive
    with 1 to `flips` of its stated attributes turned round. Where 16 random rows in turn agree with the
    positive in all that it states, the negative is a hard one.

    Args:
        positives: [n, a], something stated in every row.
        pool: [m, a], of the training pictures.
        hard_share: of hard negatives, in [0, 1].
        flips: >= 1.

    Returns:
        [n, a] negatives, each different from its positive; [n] bool, which of them are hard.
    """
    hard = rng.random(len(positives)) < hard_share
    negatives = positives.copy()
    for _ in range(TRIES):
        same = np.flatnonzero((negatives == positives).all(axis=1) & ~hard)
        if not len(same):
            break
        drawn = pool[rng.integers(len(pool), size=len(same))]
        stated = (positives[same] != 0) & (drawn != 0)
        negatives[same] = np.where(stated, drawn, positives[same])
    hard |= (negatives == positives).all(axis=1)
    negatives[hard] = flip(positives[hard], most=flips, rng=rng)
    return negatives, hard


def flip(values: Values, *, most: int, rng: np.random.Generator) -> Values:
    """Turn round 1 to `most` stated attributes of each row, as many as there are.

    Args:
        values: [n, a], something stated in every row.
    """
    count = np.minimum(rng.integers(1, most + 1, size=len(values)), (values != 0).sum(axis=1))
    keys = np.where(values != 0, rng.random(values.shape), 2.0)
    place = np.argsort(np.argsort(keys, axis=1), axis=1)
    flipped: Values = np.where(place < count[:, None], -values, values).astype(np.int8)
    return flipped
