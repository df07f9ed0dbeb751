"""Move one grey picture onto another: both enter, maps that lay the second over the first leave.

A map is affine; brightness and contrast are fitted with it. Steps begin at the maps that are given and end
where a pair lies still. How much is left between two pictures, and what that means, is judged elsewhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lookalike.records import Floats

IDENTITY = np.array([1, 0, 0, 0, 1, 0], np.float32)

_REACH = np.array([0.25, 0.15, 0.25, 0.15, 0.25, 0.25], np.float32)  # how far a map may lie from it
_STEP = 0.2  # the most a coefficient moves at once
_STILL = 1e-3  # a pair whose map moves by less is left where it is: 1/60 of a pixel at 32 x 32
_DAMPING = 1e-3

Rows = NDArray[np.int64]
Maps = NDArray[np.float32]  # [m, 6]: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5, from -1 to 1 across
Products = NDArray[np.float64]  # [m, 9, 9]: sums of products of two rows each, see `_products`


class Grid(NamedTuple):
    """The centres of side x side pixels, [side²] each, from -1 to 1."""

    side: int
    x: Floats
    y: Floats


def grid_of(side: int) -> Grid:
    """The grid of a picture of side x side pixels."""
    along = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / (side / 2)
    x, y = np.meshgrid(along, along)
    return Grid(side, x.ravel().astype(np.float32), y.ravel().astype(np.float32))


def fitted(first: Floats, second: Floats, maps: Maps, *, steps: int) -> tuple[Maps, Floats]:
    """Move the maps so that second, read through them, comes near gain * first + offset.

    Args:
        first, second: [m, side, side] grey.
        maps: [m, 6] where to begin; they stay as they are.
        steps: at most.

    Returns:
        The maps, and [m] float32, the highest correlation that was met on the way.

    Reference:
        Lucas and Kanade, An Iterative Image Registration Technique, IJCAI 1981, with an affine map and
        brightness and contrast as further unknowns, damped.
    """
    pairs, side = len(first), first.shape[1]
    grid, maps, likeness = grid_of(side), maps.copy(), np.full(pairs, -1.0, np.float32)
    down, right = (np.asarray(slope) for slope in np.gradient(second, 2 / side, axis=(1, 2)))
    layers = np.stack([second, right, down], axis=3).astype(np.float32)
    wanted, moving = first.reshape(pairs, -1), np.arange(pairs)
    for _ in range(steps):
        products = _products(wanted, layers, maps[moving], grid)
        likeness[moving] = np.maximum(likeness[moving], _correlation_of(products))
        moved = _moved(maps[moving], products)
        far = np.abs(moved - maps[moving]).max(axis=1) > _STILL
        maps[moving] = moved
        if not far.all():
            moving, wanted, layers = moving[far], wanted[far], layers[far]
            if not len(moving):
                break
    return maps, likeness


def _products(wanted: Floats, layers: Floats, maps: Maps, grid: Grid) -> Products:
    """Of six slopes, the first picture and 1, both negative, and the second one, where both are."""
    rows = np.empty((len(maps), 9, grid.side**2), np.float32)
    read, inside = through(maps, grid, layers)
    np.multiply(read[..., 1], inside, out=rows[:, 2])
    np.multiply(read[..., 2], inside, out=rows[:, 5])
    for place, (slope, along) in enumerate(((2, grid.x), (2, grid.y), (5, grid.x), (5, grid.y))):
        np.multiply(rows[:, slope], along, out=rows[:, place if slope == 2 else place + 1])
    np.multiply(wanted, -inside, out=rows[:, 6])
    np.negative(inside, out=rows[:, 7])
    np.multiply(read[..., 0], inside, out=rows[:, 8])
    products: Products = (rows @ rows.transpose(0, 2, 1)).astype(np.float64)
    return products


def _moved(maps: Maps, products: Products) -> Maps:
    """The maps after a step of Gauss and Newton."""
    system, target = products[:, :8, :8], -products[:, :8, 8:]
    damping = np.diag([_DAMPING / 8] * 6 + [0.0, 0.0])
    system = system + damping * np.trace(system, axis1=1, axis2=2)[:, None, None] + 1e-6 * np.eye(8)
    moved = np.clip(np.linalg.solve(system, target)[:, :6, 0], -_STEP, _STEP)
    return np.clip(maps + moved.astype(np.float32), IDENTITY - _REACH, IDENTITY + _REACH)


def _correlation_of(products: Products) -> Floats:
    """[m] float32 correlation of first and second where both are, of the sums of their products."""
    count = np.maximum(products[:, 7, 7], 1.0)
    first, second = products[:, 6, 7] / count, -products[:, 7, 8] / count  # means
    both = -products[:, 6, 8] / count - first * second
    spreads = (products[:, 6, 6] / count - first**2) * (products[:, 8, 8] / count - second**2)
    correlation: Floats = (both / np.sqrt(np.maximum(spreads, 1e-6))).astype(np.float32)
    return correlation


def through(maps: Maps, grid: Grid, layers: Floats) -> tuple[Floats, Floats]:
    """Read [m, side, side, k] layers at the mapped pixel centres, between pixels in proportion.

    Returns:
        [m, side², k], and [m, side²] 1 where the place lies inside, else 0.
    """
    side, flat = grid.side, layers.reshape(-1, layers.shape[-1])
    centres = np.stack([grid.x, grid.y, np.ones_like(grid.x)])
    places = maps.reshape(-1, 2, 3) @ centres * np.float32(side / 2) + np.float32((side - 1) / 2)  # [m, 2, p]
    within: NDArray[np.bool_] = (places >= 0) & (places <= side - 1)
    inside = np.logical_and(within[:, 0], within[:, 1]).astype(np.float32)
    np.clip(places, 0, np.float32(side - 1.001), out=places)
    corner = places.astype(np.int32)
    x, y = np.moveaxis(places - corner, 1, 0)[..., None]
    start = np.arange(0, len(maps) * side * side, side * side, dtype=np.int32)[:, None]
    at = start + corner[:, 1] * np.int32(side) + corner[:, 0]
    upper, lower = (
        _between(flat.take(row, axis=0), flat.take(row + 1, axis=0), x) for row in (at, at + side)
    )
    return _between(upper, lower, y), inside


def _between(low: Floats, high: Floats, share: Floats) -> Floats:
    """low + share * (high - low), in place of high."""
    high -= low
    high *= share
    high += low
    return high
