"""A picture from afar: its grey print, and what can be said of it at a glance.

Decoded pixels enter, with the content that they come from; a small picture, a grey print or a Look leaves. It
takes a small share of what decoding took, so that it can be had on the way whenever a picture is decoded.
Two pictures are compared elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from lookalike.pictures.images import Picture, open_image
from lookalike.records import Box, Floats, Look, Pixels

SIDE = 32  # of a small picture
PRINT = 16  # side of a grey print
BLANK_LEVELS = 8  # of 255: what is nearer than that to one colour everywhere shows nothing
LUMA = np.array([0.299, 0.587, 0.114], np.float32)

_SAMPLES = 32  # pixels along each side of a print's value that are looked at; more change it by a rounding


def small_picture(pixels: Pixels, side: int = SIDE) -> Pixels:
    """A picture of any size as [side, side, 3], each pixel the mean of what it covers; sides stretched."""
    return np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BOX))


def grey_print(pixels: Pixels) -> bytes:
    """A picture as 16 x 16 grey values, row by row; of a large one only every few rows and columns count."""
    down, across = (max(1, length // (PRINT * _SAMPLES)) for length in pixels.shape[:2])
    sampled = np.ascontiguousarray(pixels[down // 2 :: down, across // 2 :: across])
    grey: Pixels = np.rint(small_picture(sampled, PRINT) @ LUMA).astype(np.uint8)
    return grey.tobytes()


def print_vectors(prints: Sequence[bytes]) -> Floats:
    """Grey prints as [n, 256] float32 unit vectors whose cosine is their correlation.

    A print of one grey has no direction; its vector is that of no other picture's likeness: all in one place.
    """
    values = np.frombuffer(b"".join(prints), np.uint8).reshape(-1, PRINT * PRINT).astype(np.float32)
    return centred(values)


def centred(values: Floats) -> Floats:
    """Rows [n, v] less their means, as unit vectors; rows of one value lie all in one place. In place."""
    values -= values.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    flat = lengths[:, 0] == 0
    values[flat, 0] = lengths[flat, 0] = 1.0
    unit: Floats = values / lengths
    return unit


def look_of(picture: Picture, content: bytes, *, box: Box | None = None) -> Look:
    """What can be said of a picture at a glance.

    Args:
        picture: the decoded picture, or its part in `box`; at reduced size too.
        content: the file that it was decoded from.
        box: the part that the pixels are of; None: all of it.

    Raises:
        ImageError: a JPEG that looks blank at reduced size cannot be decoded at full size.
    """
    print_ = grey_print(picture.pixels)
    blank = max(print_) - min(print_) <= BLANK_LEVELS and _is_blank(picture.pixels)
    if blank and picture.format == "JPEG":  # at reduced size a thin line is lost
        blank = _is_blank(open_image(content, box=box))
    width, height = _size(picture.size, box)
    return Look(width, height, picture.format, len(content), blank, print_)


def _is_blank(pixels: Pixels) -> bool:
    colours = pixels.reshape(-1, 3)
    return int(np.max(colours.max(axis=0) - colours.min(axis=0))) <= BLANK_LEVELS


def _size(full: tuple[int, int], box: Box | None) -> tuple[int, int]:
    left, top, right, bottom = box or (0, 0, *full)
    return min(right, full[0]) - max(left, 0), min(bottom, full[1]) - max(top, 0)
