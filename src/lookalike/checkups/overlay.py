"""Lay one small picture over another and say how much they differ.

Small pictures enter, [m, 32, 32, 3] each; one number a pair leaves. The second picture is moved, turned,
scaled and mirrored onto the first, and its brightness and contrast are fitted, so an edited copy comes out
near 0; what is black or white only in the brighter or darker one counts as fitting. What is left is measured
in the worst of 16 blocks: two medals that differ in their number differ there, though nearly all of them is
the same. A heart, once moved and lit, fits every other heart, so the less there is to see in pictures, the
less may be left of them; unless they lie on each other as they are. Of grey prints alone it can be told, a
hundred times as fast, that two pictures are not one. Which pairs are worth the work, the callers decide.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lookalike.checkups.fitting import IDENTITY, Maps, fitted, grid_of, through
from lookalike.pictures.prints import LUMA, PRINT, SIDE
from lookalike.records import Floats, Pixels

BLOCKS = 4  # along a side; the worst of them counts

_COARSE, _FINE = 10, 8  # steps at 16 x 16, then at 32 x 32, so that far shifts are found
# Copies correlate by 1 - slack * difference² at least; 0.5 would do if coarse fits were perfect.
_GLANCES = ((8, 5, 2.8), (PRINT, 10, 1.9))  # (side, steps, slack) of prints
_SLACK = 1.9  # of small pictures after the coarse steps
_FAINT = 24  # levels between the darkest and the brightest of a print, below which it tells nothing
_LEAST_OF_BLOCK = 0.25  # of a block must lie inside the other picture, or it does not count
_DARKEST, _BRIGHTEST = 4.0, 251.0  # what lies beyond may have been cut off
_LEAST_FITTED = 0.25  # of a picture must lie between them, or all of it is fitted
_MOST_GAIN = 3.0
# What is left over all of a picture, so many times, counts as what is left in its worst block ...
_AS_IT_LIES = 1.8  # ... where nothing is moved or lit
_OF_DETAIL = 0.14  # ... divided by the detail there is to see, where the pictures are moved
_LIES = 0.2  # up to which pictures that differ by so little as they lie need not be moved
_PLAIN = 0.05  # slope a pixel, in standard deviations, up to which a place shows nothing


def differences(first: Pixels, second: Pixels, *, mirrored: bool = True, within: float = np.inf) -> Floats:
    """How much two small pictures differ where they differ most, once laid over each other.

    Either is laid over the other, and the better of the two counts, so their order does not matter. Pictures
    with little detail differ by more than their worst block does, unless they lie alike without being moved.

    Args:
        first, second: [m, 32, 32, 3] each, m >= 1.
        mirrored: whether a mirror image is laid over as one; without it, it differs.
        within: up to which a difference is of interest; the work on pairs that clearly differ by more is
            broken off.

    Returns:
        [m] float32, >= 0: root mean square over the worst of 16 blocks, in standard deviations of the
        pictures. 0 for the same picture, 1.4 and more for pictures that have nothing to do with each other,
        infinite where the work was broken off.
    """
    ways = [_facing(a, b, mirrored=mirrored) for a, b in ((first, second), (second, first))]
    found = _as_they_lie(*ways[0])
    left = np.flatnonzero(found > _LIES)
    if len(left):
        found[left] = np.minimum(found[left], _moved([(a[left], b[left]) for a, b in ways], within))
        found[left[found[left] > within]] = np.inf
    return found


def _as_they_lie(first: Pixels, second: Pixels) -> Floats:
    """[m] how much two pictures differ if neither is moved nor lit; the order does not matter."""
    a, b = (each.reshape(len(each), -1, 3).astype(np.float32) for each in (first, second))
    spread = np.minimum(a.std(axis=(1, 2)), b.std(axis=(1, 2)))
    blocks = _by_block(((a - b) ** 2).sum(axis=2)) / (3 * (SIDE // BLOCKS) ** 2)
    worst, mean = np.sqrt(blocks.max(axis=1)), np.sqrt(blocks.mean(axis=1))
    found: Floats = np.maximum(worst, _AS_IT_LIES * mean) / np.maximum(spread, 1e-3)
    return found.astype(np.float32)


def _moved(ways: list[tuple[Pixels, Pixels]], within: float) -> Floats:
    """[m] how much two pictures differ once moved and lit, infinite where that was broken off."""
    begun = [_begun(a, b) for a, b in ways]
    likeness = np.maximum(*(found for _, found in begun))
    left = np.flatnonzero(likeness >= 1 - _SLACK * within**2)
    differing = np.full(len(likeness), np.inf, np.float32)
    if len(left):
        detail = np.minimum(*(_detail(a[left]) for a, _ in ways))
        ended = [
            _ended(a[left], b[left], maps[left], detail)
            for (a, b), (maps, _) in zip(ways, begun, strict=True)
        ]
        differing[left] = np.minimum(*ended)
    return differing


def _detail(pixels: Pixels) -> Floats:
    """[m] how much there is to see in a picture: how strong what is finer than a few pixels is, in standard
    deviations, times the share of it that is not plain."""
    grey = _grey(pixels)
    grey /= np.maximum(grey.std(axis=(1, 2), keepdims=True), 1e-3)
    down, right = np.gradient(grey, axis=(1, 2))
    shown = (np.hypot(down, right) > _PLAIN).mean(axis=(1, 2))
    around = grey[:, :-2, 1:-1] + grey[:, 2:, 1:-1] + grey[:, 1:-1, :-2] + grey[:, 1:-1, 2:]
    fine = (4 * grey[:, 1:-1, 1:-1] - around) / 8
    detail: Floats = shown * np.sqrt((fine**2).mean(axis=(1, 2)))
    return np.maximum(detail, 1e-3).astype(np.float32)


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
        maps = np.tile(IDENTITY, (len(left), 1))
        likeness = np.maximum(fitted(a, b, maps, steps=steps)[1], fitted(b, a, maps, steps=steps)[1])
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
    maps = np.tile(IDENTITY, (len(first), 1))
    maps, _ = fitted(_reduced(there, PRINT), _reduced(back, PRINT), maps, steps=_COARSE)
    return fitted(there, back, maps, steps=1)


def _ended(first: Pixels, second: Pixels, maps: Maps, detail: Floats) -> Floats:
    maps, _ = fitted(_grey(first), _grey(second), maps, steps=_FINE - 1)
    worst, mean = _left(first, second, maps)
    differing: Floats = np.maximum(worst, _OF_DETAIL * mean / detail)
    return differing


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


def _left(first: Pixels, second: Pixels, maps: Maps) -> tuple[Floats, Floats]:
    """[m] each: what is left in the worst block, and over all that lies on each other."""
    read, inside = through(maps, grid_of(SIDE), second.astype(np.float32))
    weight = inside[..., None]  # [m, p, 1]
    a, b = _levelled(first.reshape(len(first), -1, 3).astype(np.float32), read, weight)
    squares = (((a - b) ** 2) * weight).sum(axis=2)  # [m, p]
    total, count = _by_block(squares), 3 * _by_block(inside)
    block = 3 * (SIDE // BLOCKS) ** 2
    counted = count >= _LEAST_OF_BLOCK * block
    means = np.where(counted, total / np.maximum(count, 1), 0.0)
    mean = total.sum(axis=1) / np.maximum(count.sum(axis=1), 1)
    return np.sqrt(means.max(axis=1)).astype(np.float32), np.sqrt(mean).astype(np.float32)


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
