"""Lay one small picture over another and say how much they differ where they differ most.

Small pictures enter, [m, 32, 32, 3] each; one number a pair leaves. The second picture is moved, turned,
scaled and mirrored onto the first, and its brightness and contrast are fitted, so an edited copy comes out
near 0. What is left is measured in the worst of 16 blocks: two medals that differ in their number differ
there, though nearly all of them is the same. Which pairs are worth the work is decided by the callers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lookalike.records import Floats, Pixels

SIDE = 32  # of a small picture
PRINT = 16  # side of a grey print
BLOCKS = 4  # along a side; the worst of them counts

_STEPS = ((16, 10), (32, 8))  # (side, steps): from coarse to fine, so that far shifts are found
_IDENTITY = np.array([1, 0, 0, 0, 1, 0], np.float32)
_REACH = np.array([0.25, 0.15, 0.25, 0.15, 0.25, 0.25], np.float32)  # how far a map may lie from it
_STEP = 0.2  # the most a coefficient moves at once
_DAMPING = 1e-3
_LEAST_OF_BLOCK = 0.25  # of a block must lie inside the other picture, or it does not count
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Maps = NDArray[np.float32]  # [m, 6]: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5, from -1 to 1 across


class _Grid(NamedTuple):
    """The centres of side x side pixels, [side²] each, from -1 to 1."""

    side: int
    x: Floats
    y: Floats


def small_picture(pixels: Pixels, side: int = SIDE) -> Pixels:
    """A picture of any size as [side, side, 3], each pixel the mean of what it covers; sides stretched."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))


def grey_print(pixels: Pixels) -> bytes:
    """A picture as 16 x 16 grey values, row by row."""
    grey: Pixels = np.rint(small_picture(pixels, PRINT) @ _LUMA).astype(np.uint8)
    return grey.tobytes()


def print_vectors(prints: Sequence[bytes]) -> Floats:
    """Grey prints as [n, 256] float32 unit vectors whose cosine is their correlation.

    A print of one grey has no direction; its vector is that of no other picture's likeness: all in one place.
    """
    values = np.frombuffer(b"".join(prints), np.uint8).reshape(-1, PRINT * PRINT).astype(np.float32)
    values -= values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    flat = lengths[:, 0] == 0
    values[flat, 0] = lengths[flat, 0] = 1.0
    unit: Floats = values / lengths
    return unit


def differences(first: Pixels, second: Pixels) -> Floats:
    """How much two small pictures differ in the block where they differ most, once laid over each other.

    Either is laid over the other, and the better of the two counts, so their order does not matter.

    Args:
        first, second: [m, 32, 32, 3] each, m >= 1.

    Returns:
        [m] float32, >= 0: root mean square over the worst of 16 blocks, in standard deviations of the
        pictures. 0 for the same picture, about 1.4 for pictures that have nothing to do with each other.

    Reference:
        Lucas and Kanade, An Iterative Image Registration Technique, IJCAI 1981, with an affine map and
        brightness and contrast as further unknowns, coarse to fine, damped.
    """
    return np.minimum(_one_way(first, second), _one_way(second, first))


def are_mirrored(first: Pixels, second: Pixels) -> NDArray[np.bool_]:
    """[m] whether small pictures are more alike when one of them is mirrored."""
    there, back = _grey(first), _grey(second)
    mirrored: NDArray[np.bool_] = _correlation(there, back[:, :, ::-1]) > _correlation(there, back)
    return mirrored


def _one_way(first: Pixels, second: Pixels) -> Floats:
    there, back, mirrored = _grey(first), _grey(second), are_mirrored(first, second)
    back = np.where(mirrored[:, None, None], back[:, :, ::-1], back)
    second = np.where(mirrored[:, None, None, None], second[:, :, ::-1], second)
    maps = np.tile(_IDENTITY, (len(first), 1))
    for side, steps in _STEPS:
        maps = _fitted(_reduced(there, side), _reduced(back, side), maps, steps=steps)
    return _worst_block(first, second, maps)


def _grey(pixels: Pixels) -> Floats:
    grey: Floats = pixels.astype(np.float32) @ _LUMA
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
    a = _standard(first.reshape(len(first), -1, 3).astype(np.float32), weight)
    b = _standard(np.stack(read, axis=2), weight)
    squares = (((a - b) ** 2) * weight).sum(axis=2)  # [m, p]
    total, count = _by_block(squares), 3 * _by_block(inside)
    block = 3 * (SIDE // BLOCKS) ** 2
    counted = count >= _LEAST_OF_BLOCK * block
    means = np.where(counted, total / np.maximum(count, 1), 0.0)
    worst: Floats = np.sqrt(means.max(axis=1)).astype(np.float32)
    return worst


def _standard(colours: Floats, weight: Floats) -> Floats:
    """[m, p, 3] with mean 0 and standard deviation 1 over all colours of what weighs."""
    count = 3 * weight.sum(axis=1, keepdims=True)
    count = np.maximum(count, 1)
    centred = colours - (colours * weight).sum(axis=(1, 2), keepdims=True) / count
    spread = np.sqrt(((centred * weight) ** 2).sum(axis=(1, 2), keepdims=True) / count)
    standard: Floats = centred / np.maximum(spread, 1e-3)
    return standard


def _by_block(values: Floats) -> Floats:
    size = SIDE // BLOCKS
    sums: Floats = values.reshape(-1, BLOCKS, size, BLOCKS, size).sum(axis=(2, 4))
    return sums.reshape(len(values), -1)
