"""Vectors laid out in a plane, so that a person can look at them. Vectors enter, a place for each leaves.

Two ways: the plane in which the vectors differ most (PCA), which shows how far apart things are but only part
of it, and a layout in which neighbours stay neighbours (UMAP), where distances across the map say little. The
same vectors have the same places. Nothing is drawn here.
"""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError, MissingExtraError
from lookalike.records import Floats

Method = Literal["pca", "umap"]
METHODS: tuple[Method, ...] = ("pca", "umap")

BLOCK = 8192  # rows that are held in double precision at once
NEIGHBOURS = 15  # of a vector, which UMAP keeps near it
FLAT = 1e-12  # mean squared distance from the middle, below which vectors count as equal


@dataclass(frozen=True, slots=True)
class Plane:
    """The plane in which some vectors differ most.

    Attributes:
        middle: [d] their mean.
        directions: [d, 2], or [d, 1] where d is 1; each of unit length, its largest part positive.
        share: of all squared differences between them, the part that the plane shows, in [0, 1].
    """

    middle: NDArray[np.float64]
    directions: NDArray[np.float64]
    share: float

    @classmethod
    def of(cls, vectors: Floats) -> Plane:
        """Find it.

        Raises:
            EvaluationError: fewer than three vectors, or all are equal.
        """
        if len(vectors) < 3:
            raise _no_plane(f"{len(vectors)} of them", do="give three pictures or more")
        middle = vectors.mean(axis=0, dtype=np.float64)
        spread = np.zeros((len(middle), len(middle)))  # [d, d]
        for block in _blocks(vectors):
            centred = block - middle
            spread += centred.T @ centred
        values, directions = np.linalg.eigh(spread)  # rising
        total = float(values.sum())
        if total <= FLAT * len(vectors):
            raise _no_plane("vectors that are all equal", do="give pictures that differ, or another model")
        return cls(middle, _signed(directions[:, :-3:-1]), min(1.0, float(values[-2:].sum()) / total))

    def places(self, vectors: Floats) -> Floats:
        """[n, 2] float32: where vectors lie in it, these or others; those it was made of around (0, 0)."""
        places = np.zeros((len(vectors), 2), np.float32)
        start = 0
        for block in _blocks(vectors):
            width = self.directions.shape[1]
            places[start : start + len(block), :width] = (block - self.middle) @ self.directions
            start += len(block)
        return places


@dataclass(frozen=True, slots=True)
class Projection:
    """Where each of n vectors lies in a plane.

    Attributes:
        places: [n, 2] float32, x and y. Of "pca" in the unit of the vectors, around (0, 0).
        method: how they were laid out.
        share: of all squared differences between the vectors, the part that the plane shows, in [0, 1];
            None for "umap", which shows none in particular.
    """

    places: Floats
    method: Method
    share: float | None = None


def project(vectors: Floats, *, method: Method = "pca", seed: int = 0) -> Projection:
    """Lay vectors out in a plane.

    Memory beyond the vectors: two columns and d x d numbers for "pca"; the neighbours of each vector for
    "umap", which takes minutes for 100 000.

    Args:
        vectors: [n, d] float32, n >= 3.
        method: "pca" or "umap"; the second needs umap-learn.
        seed: of "umap".

    Raises:
        EvaluationError: another method, fewer than three vectors, or all are equal.
        MissingExtraError: "umap" without umap-learn.
        ValueError: vectors that are no [n, d] array of finite numbers.

    Reference:
        Pearson, On Lines and Planes of Closest Fit, 1901. McInnes et al., UMAP (arXiv:1802.03426), begun from
        the places of PCA instead of a random layout: Kobak & Linderman, Nature Biotechnology 39, 2021.

    >>> flat = np.array([[3, 0, 0], [-3, 0, 0], [0, 1, 0], [0, -1, 0]], np.float32)
    >>> project(flat).places.tolist()
    [[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]
    >>> project(flat).share
    1.0
    """
    require(method)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise ValueError(f"vectors must be [n, d] finite numbers, got shape {vectors.shape}")
    plane = Plane.of(vectors)
    places = plane.places(vectors)
    if method == "pca":
        return Projection(places, method, plane.share)
    return Projection(_neighbourly(vectors, places, seed=seed), method)


def require(method: str) -> None:
    """Find out before long work whether vectors can be laid out so.

    Raises:
        EvaluationError: there is no such method.
        MissingExtraError: "umap" without umap-learn.
    """
    if method not in METHODS:
        raise EvaluationError(
            "there is no such projection",
            where="method",
            saw=method,
            wanted=" or ".join(METHODS),
            do="name one of them",
        )
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise MissingExtraError("umap-learn", extra="map")


def _blocks(vectors: Floats) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(vectors), BLOCK):
        yield vectors[start : start + BLOCK].astype(np.float64)


def _signed(directions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each direction with its largest part positive: an eigenvector's sign is left open by its equation."""
    largest = np.abs(directions).argmax(axis=0)
    return directions * np.where(directions[largest, range(directions.shape[1])] < 0, -1.0, 1.0)


def _neighbourly(vectors: Floats, start: Floats, *, seed: int) -> Floats:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of parts that are not used here, and of what a small n means
        import umap

        layout = umap.UMAP(
            n_neighbors=min(NEIGHBOURS, len(vectors) - 1), init=start, random_state=seed, n_jobs=1
        )
        return np.ascontiguousarray(layout.fit_transform(vectors), dtype=np.float32)


def _no_plane(saw: str, *, do: str) -> EvaluationError:
    return EvaluationError(
        "vectors cannot be laid out in a plane", where="projection", saw=saw, wanted="three or more", do=do
    )
