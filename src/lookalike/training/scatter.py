"""How features spread within and between labels, as the closed-form head needs it.

Features and labels enter; the scatter W within labels, the scatter B of their means, and systems of W solved
leave. Where images are fewer than dimensions, W is kept by its root, and its systems are of n instead of D.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import TableError
from lookalike.records import Floats, Labels

Doubles = NDArray[np.float64]

CHUNK_ROWS = 4096


@dataclass(frozen=True)
class Whole:
    """W as it is, [D, D]."""

    matrix: Doubles

    @property
    def trace(self) -> float:
        """Of W."""
        return float(np.trace(self.matrix))

    def solve(self, ridge: float, right: Doubles) -> Doubles:
        """(W + ridge I)⁻¹ times [D, m]."""
        return np.asarray(np.linalg.solve(self.matrix + ridge * np.eye(len(self.matrix)), right))

    @cached_property
    def basis(self) -> tuple[Doubles, Doubles]:
        """Eigenvalues [D], falling, and eigenvectors [D, D]."""
        values, vectors = np.linalg.eigh(self.matrix)
        return values[::-1].clip(min=0.0), vectors[:, ::-1]


@dataclass(frozen=True)
class Rooted:
    """W = ZᵀZ by its root Z [n, D], where images are fewer than dimensions: systems of n instead of D."""

    root: Doubles
    wanted: int  # eigenvectors that may be asked for

    @property
    def trace(self) -> float:
        """Of W."""
        return float(np.square(self.root).sum())

    @cached_property
    def gram(self) -> Doubles:
        """ZZᵀ, [n, n]."""
        return self.root @ self.root.T

    def solve(self, ridge: float, right: Doubles) -> Doubles:
        """(W + ridge I)⁻¹ times [D, m].

        By Woodbury's identity it is (right - Zᵀ (ZZᵀ + ridge I)⁻¹ Z right) / ridge.
        """
        inner = np.linalg.solve(self.gram + ridge * np.eye(len(self.gram)), self.root @ right)
        return np.asarray((right - self.root.T @ inner) / ridge)

    @cached_property
    def basis(self) -> tuple[Doubles, Doubles]:
        """Eigenvalues, falling, and eigenvectors of W; as many of eigenvalue 0 as are wanted come last.

        Those are directions in which no image differs from its class; which of them is as good as another.
        """
        values, vectors = np.linalg.eigh(self.gram)
        kept = values > max(1e-12 * values[-1], np.finfo(np.float64).tiny)
        leading = ((self.root.T @ vectors[:, kept]) / np.sqrt(values[kept]))[:, ::-1]
        missing = min(self.wanted, self.root.shape[1]) - leading.shape[1]
        if missing <= 0:
            return values[kept][::-1], leading
        others = np.random.default_rng(0).standard_normal((self.root.shape[1], missing))
        others -= leading @ (leading.T @ others)
        basis = np.concatenate([leading, np.linalg.qr(others)[0]], axis=1)
        return np.append(values[kept][::-1], np.zeros(missing)), basis


@dataclass(frozen=True)
class Scatter:
    """How features spread: mean [D], W, and rows [m, D], m <= D, whose outer products sum to B."""

    power: float
    mean: Doubles
    within: Whole | Rooted
    between: Doubles
    solutions: int  # at most, of B v = e A v with e > 0


def scatter_of(features: Floats, labels: Labels, power: float, dim: int) -> Scatter:
    """Measure how features spread within and between labels.

    Args:
        features: [n, D] float32; labels: [n].
        power: of the signed power that comes first.
        dim: how many of W's eigenvectors may be asked for.

    Raises:
        TableError: all labels are equal.
    """
    names, codes, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(names) < 2:
        raise TableError(
            "fewer than two classes to learn from",
            where="labels of the training split",
            saw=f"{len(names)} in {len(features)} images",
            wanted="two or more",
            do="add images of another class, or split in another way",
        )
    n, width = features.shape
    rooted = n < width
    total, sums = np.zeros((0 if rooted else width, width)), np.zeros((len(names), width))
    for rows in chunks(np.argsort(codes, kind="stable")):  # class after class
        part = powered(features[rows], power)
        if not rooted:
            total += part.T @ part
        present, starts = np.unique(codes[rows], return_index=True)
        sums[present] += np.add.reduceat(part, starts)
    means, mean = sums / counts[:, None], sums.sum(0) / n
    between = (means - mean) * np.sqrt(counts / n)[:, None]
    if len(between) > width:
        between = np.linalg.qr(between, mode="r")
    within: Whole | Rooted
    if rooted:
        within = Rooted((powered(features, power) - means[codes]) / np.sqrt(n), wanted=dim)
    else:
        within = Whole((total - means.T @ sums) / n)
    return Scatter(power, mean, within, between, solutions=min(len(names) - 1, width))


def powered(features: Floats, power: float) -> Doubles:
    """sign(x)·|x|^power, rows of unit length: [n, D] float64."""
    wide = features.astype(np.float64)
    return unit(np.sign(wide) * np.abs(wide) ** power)


def unit(rows: Doubles) -> Doubles:
    """Rows of unit length; a row of zeros stays."""
    scaled: Doubles = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return scaled


def chunks(rows: NDArray[Any]) -> Iterator[NDArray[Any]]:
    """Some rows at a time."""
    for start in range(0, len(rows), CHUNK_ROWS):
        yield rows[start : start + CHUNK_ROWS]
