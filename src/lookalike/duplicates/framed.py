"""Plain borders: the pixels of two copies enter, the size of what one shows within its frame leaves.

A frame is of one colour on all four sides, and what lies within is the other picture, which has none: a thing
on white stays as it is beside another copy on white. In doubt there is no frame: for example where a picture
is itself plain, and of that colour, along an edge. What is kept is decided elsewhere.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from lookalike.checkups.overlay import differences
from lookalike.pictures.prints import SIDE
from lookalike.records import Pixels

Size = tuple[int, int]  # width and height

_PLAIN = 16  # grey levels that a colour may be off, and still be that of the border
_SPECKS = 0.02  # of a line may be off by more: a JPEG spreads what lies beside it
_THINNEST, _LEAST_WITHIN = 0.01, 0.5  # of a side
_SAME_SHAPE = 0.03  # by which the ratio of the sides, or a size, may be off
_ONE = 0.2  # difference, up to which what is within is the other picture


def may_frame(large: Size, small: Size) -> bool:
    """Whether a picture has room for a frame around another one, in the size in which that one is there."""
    return all(_LEAST_WITHIN * a <= b <= (1 - 2 * _THINNEST) * a for a, b in zip(large, small, strict=True))


def size_within(large: Pixels, small: Pixels) -> Size | None:
    """The width and height of what a picture shows within its frame, if that is another one that has none.

    Args:
        large, small: [h, w, 3].
    """
    box = _within(large)
    if box is None or _within(small) is not None:
        return None
    left, top, right, bottom = box
    across, down = (right - left) / small.shape[1], (bottom - top) / small.shape[0]
    if abs(across / down - 1) > _SAME_SHAPE:
        return None
    part, other = (_reduced(Image.fromarray(pixels)) for pixels in (large[top:bottom, left:right], small))
    if differences(part, other, mirrored=False, within=_ONE)[0] > _ONE:
        return None
    is_as_large = abs(across - 1) <= _SAME_SHAPE
    return (small.shape[1], small.shape[0]) if is_as_large else (right - left, bottom - top)


def _within(pixels: Pixels) -> tuple[int, int, int, int] | None:
    """Left, top, right and bottom of what a plain border leaves; None where there is none."""
    height, width = pixels.shape[:2]
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    off = np.abs(pixels.astype(np.int16) - np.median(edge, axis=0).astype(np.int16)).max(axis=2) > _PLAIN
    rows, columns = (np.flatnonzero(off.mean(axis=axis) > _SPECKS) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return None
    left, top, right, bottom = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
    thinnest = min(left / width, 1 - right / width, top / height, 1 - bottom / height)
    within = min((right - left) / width, (bottom - top) / height)
    return (left, top, right, bottom) if thinnest >= _THINNEST and within >= _LEAST_WITHIN else None


def _reduced(image: Image.Image) -> Pixels:
    """[1, 32, 32, 3]."""
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BOX))[None]
