"""Lay one small picture over another and say how much they differ where they differ most.

Small pictures enter, [m, 32, 32, 3] each; one number a pair leaves. The second picture is moved, turned,
scaled and mirrored onto the first, and its brightness and contrast are fitted, so an edited copy comes out
near 0; what is black or white only in the brighter or darker one counts as fitting. What is left is measured
in the worst of 16 blocks: two medals that differ in their number differ
there, though nearly all of them is the same. Which pairs are worth the work is decided by the callers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lookalike.pictures.prints import LUMA, PRINT, SIDE
from lookalike.records import Floats, Pixels

BLOCKS = 4  # along a side; the worst of them counts

_STEPS = ((16, 10), (32, 8))  # (side, steps): from coarse to fine, so that far shifts are found
_IDENTITY = np.array([1, 0, 0, 0, 1, 0], np.float32)
_REACH = np.array([0.25, 0.15, 0.25, 0.15, 0.25, 0.25], np.float32)  # how far a map may lie from it
_STEP = 0.2  # the most a coefficient moves at once
_DAMPING = 1e-3
_LEAST_OF_BLOCK = 0.25  # of a block must lie inside the other picture, or it does not count
_DARKEST, _BRIGHTEST = 4.0, 251.0  # what lies beyond may have been cut off
_LEAST_FITTED = 0.25  # of a picture must lie between them, or all of it is fitted
_MOST_GAIN = 3.0

Maps = NDArray[np.float32]  # [m, 6]: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5, from -1 to 1 across


class _Grid(NamedTuple):
    """The centres of side x side pixels, [side²] each, from -1 to 1."""

    side: int
    x: Floats
    y: Floats


def differences(first: Pixels, second: Pixels, *, mirrored: bool = True) -> Floats:
    """How much two small pictures differ in the block where they differ most, once laid over each other.

    Either is laid over the other, and the better of the two counts, so their order does not matter.

    Args:
        first, second: [m, 32, 32, 3] each, m >= 1.
        mirrored: whether a mirror image is laid over as one; without it, it differs.

    Returns:
        [m] float32, >= 0: root mean square over the worst of 16 blocks, in standard deviations of the
        pictures. 0 for the same picture, about 1.4 for pictures that have nothing to do with each other.

    Reference:
        Lucas and Kanade, An Iterative Image Registration Technique, IJCAI 1981, with an affine map and
        brightness and contrast as further unknowns, coarse to fine, damped.
    """
    return np.minimum(_one_way(first, second, mirrored=mirrored), _one_way(second, first, mirrored=mirrored))


def are_mirrored(first: Pixels, second: Pixels) -> NDArray[np.bool_]:
    """[m] whether small pictures are more alike when one of them is mirrored."""
    there, back = _grey(first), _grey(second)
    mirrored: NDArray[np.bool_] = _correlation(there, back[:, :, ::-1]) > _correlation(there, back)
    return mirrored


def _one_way(first: Pixels, second: Pixels, *, mirrored: bool) -> Floats:
    if mirrored:
        second = np.where(are_mirrored(first, second)[:, None, None, None], second[:, :, ::-1], second)
    there, back = _grey(first), _grey(second)
    maps = np.tile(_IDENTITY, (len(first), 1))
    for side, steps in _STEPS:
        maps = _fitted(_reduced(there, side), _reduced(back, side), maps, steps=steps)
    return _worst_block(first, second, maps)


def _grey(pixels: Pixels) -> Floats:
    grey: Floats = pixels.astype(np.float32) @ LUMA
    return grey


def _reduced(grey: Floats, side: int) -> Floats:
    """[m, side, side] means of blocks."""
    block = grey.shape[1] // side
    means: Floats = grey.reshape(-1, side, block, side, block).mean(axis=(2, 4))
    return means


def _correlation(a: Floats, b: Floats) -> Floats:
    vectors = []
    for grey in (a, b):
        flat = _reduced(grey, PRINT).reshape(len(grey), -1)
        flat = flat - flat.mean(axis=1, keepdims=True)
        vectors.append(flat / np.maximum(np.linalg.norm(flat, axis=1, keepdims=True), 1e-6))
    correlation: Floats = (vectors[0] * vectors[1]).sum(axis=1)
    return correlation


def _grid(side: int) -> _Grid:
    along = (np.arange(side, dtype=np.float32) - (side - 1) / 2) / (side / 2)
    x, y = np.meshgrid(along, along)
    return _Grid(side, x.ravel().astype(np.float32), y.ravel().astype(np.float32))


def _fitted(first: Floats, second: Floats, maps: Maps, *, steps: int) -> Maps:
    """Move the maps so that second, read through them, comes near gain * first + offset."""
    pairs, side = len(first), first.shape[1]
    grid = _grid(side)
    down, right = (np.asarray(slope) for slope in np.gradient(second, 2 / side, axis=(1, 2)))
    wanted = first.reshape(pairs, -1)
    damping = np.diag([_DAMPING / 8] * 6 + [0.0, 0.0])
    for _ in range(steps):
        (seen, along, across), inside = _through(maps, grid, (second, right, down))
        columns = (along * grid.x, along * grid.y, along, across * grid.x, across * grid.y, across)
        slopes = np.stack([*columns, -wanted, -np.ones_like(seen)], axis=2) * inside[..., None]  # [m, p, 8]
        system = np.einsum("mpi,mpj->mij", slopes, slopes, optimize=True).astype(np.float64)
        system += damping * np.trace(system, axis1=1, axis2=2)[:, None, None] + 1e-6 * np.eye(8)
        target = -np.einsum("mpi,mp->mi", slopes, seen * inside).astype(np.float64)
        moved = np.linalg.solve(system, target[..., None])[:, :6, 0]
        maps = maps + np.clip(moved, -_STEP, _STEP).astype(np.float32)
        maps = np.clip(maps, _IDENTITY - _REACH, _IDENTITY + _REACH)
    return maps


def _through(maps: Maps, grid: _Grid, layers: tuple[Floats, ...]) -> tuple[list[Floats], Floats]:
    """Read [m, side, side] layers at the mapped pixel centres, between pixels in proportion.

    Returns:
        [m, side²] for each layer, and [m, side²] 1 where the place lies inside, else 0.
    """
    side, half, middle = grid.side, grid.side / 2, (grid.side - 1) / 2
    x = (maps[:, :1] * grid.x + maps[:, 1:2] * grid.y + maps[:, 2:3]) * half + middle
    y = (maps[:, 3:4] * grid.x + maps[:, 4:5] * grid.y + maps[:, 5:6]) * half + middle
    inside = ((x >= 0) & (x <= side - 1) & (y >= 0) & (y <= side - 1)).astype(np.float32)
    x, y = np.clip(x, 0, side - 1.001), np.clip(y, 0, side - 1.001)
    left, top = x.astype(np.int64), y.astype(np.int64)
    x, y, corner = x - left, y - top, top * side + left
    read = []
    for layer in layers:
        flat = layer.reshape(len(layer), -1)
        upper = _at(flat, corner) * (1 - x) + _at(flat, corner + 1) * x
        lower = _at(flat, corner + side) * (1 - x) + _at(flat, corner + side + 1) * x
        read.append(upper * (1 - y) + lower * y)
    return read, inside


def _at(flat: Floats, places: NDArray[np.int64]) -> Floats:
    return np.take_along_axis(flat, places, axis=1)


def _worst_block(first: Pixels, second: Pixels, maps: Maps) -> Floats:
    colours = tuple(second[..., channel].astype(np.float32) for channel in range(3))
    read, inside = _through(maps, _grid(SIDE), colours)
    weight = inside[..., None]  # [m, p, 1]
    a, b = _levelled(first.reshape(len(first), -1, 3).astype(np.float32), np.stack(read, axis=2), weight)
    squares = (((a - b) ** 2) * weight).sum(axis=2)  # [m, p]
    total, count = _by_block(squares), 3 * _by_block(inside)
    block = 3 * (SIDE // BLOCKS) ** 2
    counted = count >= _LEAST_OF_BLOCK * block
    means = np.where(counted, total / np.maximum(count, 1), 0.0)
    worst: Floats = np.sqrt(means.max(axis=1)).astype(np.float32)
    return worst


def _levelled(a: Floats, b: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """[m, p, 3] each, b in the brightness and contrast of a, both in standard deviations of a.

    Levels near black and white say nothing of brightness, because light that is added or taken is cut off
    there; so they are not fitted, and what would lie beyond them in either picture is drawn back to them.
    """
    within = ((a > _DARKEST) & (a < _BRIGHTEST) & (b > _DARKEST) & (b < _BRIGHTEST)).all(
        axis=2, keepdims=True
    )
    fitted = np.where(within, weight, 0.0)
    few = fitted.sum(axis=1, keepdims=True) < _LEAST_FITTED * weight.sum(axis=1, keepdims=True)
    fitted = np.where(few, weight, fitted)
    (mean_a, spread_a), (mean_b, spread_b) = _moments(a, fitted), _moments(b, fitted)
    gain = np.clip(spread_a / spread_b, 1 / _MOST_GAIN, _MOST_GAIN)
    offset = mean_a - gain * mean_b
    low, high = np.maximum(0.0, offset), np.minimum(255.0, 255.0 * gain + offset)
    spread = _moments(a, weight)[1]
    return np.clip(a, low, high) / spread, np.clip(gain * b + offset, low, high) / spread


def _moments(colours: Floats, weight: Floats) -> tuple[Floats, Floats]:
    """Mean and standard deviation, [m, 1, 1] each, over all colours of what weighs."""
    count = np.maximum(3 * weight.sum(axis=1, keepdims=True), 1)
    mean = (colours * weight).sum(axis=(1, 2), keepdims=True) / count
    spread = np.sqrt((((colours - mean) * weight) ** 2).sum(axis=(1, 2), keepdims=True) / count)
    return mean, np.maximum(spread, 1e-3)


def _by_block(values: Floats) -> Floats:
    size = SIDE // BLOCKS
    sums: Floats = values.reshape(-1, BLOCKS, size, BLOCKS, size).sum(axis=(2, 4))
    return sums.reshape(len(values), -1)
