"""Lay one small picture over another and say how much they differ where they differ most.

Small pictures enter, [m, 32, 32, 3] each; one number a pair leaves. The second picture is moved, turned,
scaled and mirrored onto the first, and its brightness and contrast are fitted, so an edited copy comes out
near 0; what is black or white only in the brighter or darker one counts as fitting. What is left is measured
in the worst of 16 blocks: two medals that differ in their number differ
there, though nearly all of them is the same. Of grey prints alone it can be told, a hundred times as fast,
that two pictures are not one. Which pairs are worth the work is decided by the callers.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lookalike.pictures.prints import LUMA, PRINT, SIDE
from lookalike.records import Floats, Pixels

BLOCKS = 4  # along a side; the worst of them counts

_COARSE, _FINE = 10, 8  # steps at 16 x 16, then at 32 x 32, so that far shifts are found
# Copies correlate by 1 - slack * difference² at least; 0.5 would do if coarse fits were perfect.
_GLANCES = ((8, 5, 2.8), (PRINT, 10, 1.9))  # (side, steps, slack) of prints
_SLACK = 1.9  # of small pictures after the coarse steps
_FAINT = 24  # levels between the darkest and the brightest of a print, below which it tells nothing
_IDENTITY = np.array([1, 0, 0, 0, 1, 0], np.float32)
_REACH = np.array([0.25, 0.15, 0.25, 0.15, 0.25, 0.25], np.float32)  # how far a map may lie from it
_STEP = 0.2  # the most a coefficient moves at once
_DAMPING = 1e-3
_LEAST_OF_BLOCK = 0.25  # of a block must lie inside the other picture, or it does not count
_DARKEST, _BRIGHTEST = 4.0, 251.0  # what lies beyond may have been cut off
_LEAST_FITTED = 0.25  # of a picture must lie between them, or all of it is fitted
_MOST_GAIN = 3.0

Maps = NDArray[np.float32]  # [m, 6]: x' = m0 x + m1 y + m2, y' = m3 x + m4 y + m5, from -1 to 1 across
Products = NDArray[np.float64]  # [m, 9, 9]: sums of products of two rows each, see `_fitted`


class _Grid(NamedTuple):
    """The centres of side x side pixels, [side²] each, from -1 to 1."""

    side: int
    x: Floats
    y: Floats


def differences(first: Pixels, second: Pixels, *, mirrored: bool = True, within: float = np.inf) -> Floats:
    """How much two small pictures differ in the block where they differ most, once laid over each other.

    Either is laid over the other, and the better of the two counts, so their order does not matter.

    Args:
        first, second: [m, 32, 32, 3] each, m >= 1.
        mirrored: whether a mirror image is laid over as one; without it, it differs.
        within: up to which a difference is of interest; the work on pairs that clearly differ by more is
            broken off.

    Returns:
        [m] float32, >= 0: root mean square over the worst of 16 blocks, in standard deviations of the
        pictures. 0 for the same picture, about 1.4 for pictures that have nothing to do with each other,
        infinite where the work was broken off.

    Reference:
        Lucas and Kanade, An Iterative Image Registration Technique, IJCAI 1981, with an affine map and
        brightness and contrast as further unknowns, coarse to fine, damped.
    """
    ways = [_facing(a, b, mirrored=mirrored) for a, b in ((first, second), (second, first))]
    begun = [_begun(a, b) for a, b in ways]
    likeness = np.maximum(*(found for _, found in begun))
    left = np.flatnonzero(likeness >= 1 - _SLACK * within**2)
    worst = np.full(len(first), np.inf, np.float32)
    if len(left):
        ended = [_ended(a[left], b[left], maps[left]) for (a, b), (maps, _) in zip(ways, begun, strict=True)]
        worst[left] = np.minimum(*ended)
    return worst


def may_be_one(
    first: Pixels, second: Pixels, *, difference: float, mirrored: bool = True
) -> NDArray[np.bool_]:
    """Whether two pictures may differ by so little, going by their grey prints.

    Prints are laid over each other either way. Over all of a picture, pictures differ by no more than in
    their worst block, so copies come out with a high correlation; a slack leaves room for what so coarse a
    fit misses.

    Args:
        first, second: [m, 256] grey prints each, m >= 1.
        difference: up to which pictures count as one, see `differences`.
        mirrored: whether a mirror image is one too.

    Returns:
        [m]; True where a print is so faint that nothing can be told. False where pictures are clearly apart,
        which is right but for a few of a thousand copies that are cropped or lit strongly.
    """
    there, back = (prints.reshape(-1, PRINT, PRINT).astype(np.float32) for prints in (first, second))
    if mirrored:
        flipped = back[:, :, ::-1]
        turned = _correlation(there, flipped) > _correlation(there, back)
        back = np.where(turned[:, None, None], flipped, back)
    faint = np.minimum(np.ptp(first, axis=1), np.ptp(second, axis=1)) < _FAINT
    left = np.flatnonzero(~faint)
    for side, steps, slack in _GLANCES:
        if not len(left):
            break
        a, b = _reduced(there[left], side), _reduced(back[left], side)
        maps = np.tile(_IDENTITY, (len(left), 1))
        likeness = np.maximum(_fitted(a, b, maps, steps=steps)[1], _fitted(b, a, maps, steps=steps)[1])
        left = left[likeness >= 1 - slack * difference**2]
    may: NDArray[np.bool_] = faint
    may[left] = True
    return may


def are_mirrored(first: Pixels, second: Pixels) -> NDArray[np.bool_]:
    """[m] whether small pictures are more alike when one of them is mirrored."""
    there, back = _grey(first), _grey(second)
    mirrored: NDArray[np.bool_] = _correlation(there, back[:, :, ::-1]) > _correlation(there, back)
    return mirrored


def _facing(first: Pixels, second: Pixels, *, mirrored: bool) -> tuple[Pixels, Pixels]:
    """Both, the second mirrored where that is more like the first."""
    if not mirrored:
        return first, second
    return first, np.where(are_mirrored(first, second)[:, None, None, None], second[:, :, ::-1], second)


def _begun(first: Pixels, second: Pixels) -> tuple[Maps, Floats]:
    """The maps after all coarse steps and a fine one, and the correlation before that one."""
    there, back = _grey(first), _grey(second)
    maps = np.tile(_IDENTITY, (len(first), 1))
    maps, _ = _fitted(_reduced(there, PRINT), _reduced(back, PRINT), maps, steps=_COARSE)
    return _fitted(there, back, maps, steps=1)


def _ended(first: Pixels, second: Pixels, maps: Maps) -> Floats:
    maps, _ = _fitted(_grey(first), _grey(second), maps, steps=_FINE - 1)
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


def _fitted(first: Floats, second: Floats, maps: Maps, *, steps: int) -> tuple[Maps, Floats]:
    """Move the maps so that second, read through them, comes near gain * first + offset.

    Returns:
        The maps, and [m] float32, the highest correlation that was met on the way.
    """
    pairs, side = len(first), first.shape[1]
    grid, wanted, likeness = _grid(side), first.reshape(pairs, -1), np.full(pairs, -1.0, np.float32)
    down, right = (np.asarray(slope) for slope in np.gradient(second, 2 / side, axis=(1, 2)))
    layers = np.stack([second, right, down], axis=3).astype(np.float32)
    rows = np.empty((pairs, 9, side * side), np.float32)  # six slopes, first and 1 both negative, second
    for _ in range(steps):
        read, inside = _through(maps, grid, layers)
        np.multiply(read[..., 1], inside, out=rows[:, 2])
        np.multiply(read[..., 2], inside, out=rows[:, 5])
        for place, (slope, along) in enumerate(((2, grid.x), (2, grid.y), (5, grid.x), (5, grid.y))):
            np.multiply(rows[:, slope], along, out=rows[:, place if slope == 2 else place + 1])
        np.multiply(wanted, -inside, out=rows[:, 6])
        np.negative(inside, out=rows[:, 7])
        np.multiply(read[..., 0], inside, out=rows[:, 8])
        products = (rows @ rows.transpose(0, 2, 1)).astype(np.float64)
        likeness = np.maximum(likeness, _correlation_of(products))
        maps = _moved(maps, products)
    return maps, likeness


def _moved(maps: Maps, products: Products) -> Maps:
    """The maps after a step of Gauss and Newton."""
    system, target = products[:, :8, :8], -products[:, :8, 8:]
    damping = np.diag([_DAMPING / 8] * 6 + [0.0, 0.0])
    system = system + damping * np.trace(system, axis1=1, axis2=2)[:, None, None] + 1e-6 * np.eye(8)
    moved = np.clip(np.linalg.solve(system, target)[:, :6, 0], -_STEP, _STEP)
    return np.clip(maps + moved.astype(np.float32), _IDENTITY - _REACH, _IDENTITY + _REACH)


def _correlation_of(products: Products) -> Floats:
    """[m] float32 correlation of first and second where both are, of the sums of their products."""
    count = np.maximum(products[:, 7, 7], 1.0)
    first, second = products[:, 6, 7] / count, -products[:, 7, 8] / count  # means
    both = -products[:, 6, 8] / count - first * second
    spreads = (products[:, 6, 6] / count - first**2) * (products[:, 8, 8] / count - second**2)
    correlation: Floats = (both / np.sqrt(np.maximum(spreads, 1e-6))).astype(np.float32)
    return correlation


def _through(maps: Maps, grid: _Grid, layers: Floats) -> tuple[Floats, Floats]:
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


def _worst_block(first: Pixels, second: Pixels, maps: Maps) -> Floats:
    read, inside = _through(maps, _grid(SIDE), second.astype(np.float32))
    weight = inside[..., None]  # [m, p, 1]
    a, b = _levelled(first.reshape(len(first), -1, 3).astype(np.float32), read, weight)
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
