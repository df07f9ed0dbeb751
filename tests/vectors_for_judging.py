"""Vectors with a known structure, for the tests of the judging rooms."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lookalike.records import Floats


def unit(rows: NDArray[np.floating]) -> Floats:
    """Rows divided by their length."""
    lengths = np.linalg.norm(rows, axis=-1, keepdims=True)
    return np.asarray(rows / lengths, dtype=np.float32)


def clusters(
    classes: int, images: int, *, noise: float, dims: int = 16, seed: int = 0, hub: float = 0.0
) -> tuple[Floats, NDArray[np.int64]]:
    """Shuffled pictures around random centres; with `hub` some classes are spread wider than others."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.repeat(np.arange(classes), images))
    spread = noise * (1.0 + hub * rng.exponential(size=classes))
    directions = unit(rng.standard_normal((len(labels), dims)))
    return unit(
        unit(rng.standard_normal((classes, dims)))[labels] + spread[labels, None] * directions
    ), labels


def exact_similarities(a: Floats, b: Floats) -> NDArray[np.float64]:
    """[a, b] inner products of the rows rounded to 2^-25, one by one in whole numbers."""
    whole = [np.rint(rows.astype(np.float64) * 2.0**25).astype(np.int64) for rows in (a, b)]
    return np.array([[int(x @ y) for y in whole[1]] for x in whole[0]], dtype=np.float64) * 2.0**-50


def pairs_by_hand(
    vectors: Floats, labels: NDArray[np.int64], identity: NDArray[np.int64] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.bool_], list[tuple[int, int]]]:
    """Similarity of every unordered pair, whether its labels are the same, and its rows."""
    similar = exact_similarities(vectors, vectors)
    rows = [
        (i, j)
        for i in range(len(labels))
        for j in range(i + 1, len(labels))
        if identity is None or not np.any(identity[i] == identity[j])
    ]
    return (
        np.array([similar[i, j] for i, j in rows]),
        np.array([labels[i] == labels[j] for i, j in rows], dtype=bool),
        rows,
    )
