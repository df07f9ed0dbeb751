"""Whether pictures that look alike from afar are one: files enter, how much their pixels differ leaves.

Every picture that is needed is opened once a slab of pairs, on all processors, and kept as a small picture;
pairs of small pictures are laid over each other. For the last pixel pictures are decoded in full and compared
by a hash. Which pairs are worth the work, and how much may differ, is decided by the callers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lookalike.checkups.overlay import are_mirrored, differences
from lookalike.errors import ImageError
from lookalike.judging.similarity import plain_products
from lookalike.models.embedding import HASH_BYTES, map_in_order
from lookalike.pictures.images import Box, open_image, skipped
from lookalike.pictures.prints import small_picture
from lookalike.records import Floats, Pixels, Progress, Skipped

Rows = NDArray[np.int64]
Place = tuple[Path, Box | None]  # a file, and the part of it that is looked at
Made = TypeVar("Made")
Places = Callable[[Sequence[int]], Sequence[Place]]  # the files, and the parts of them, of some rows

DIFFERENCE = 0.4  # at most: one picture

_TARGET = 128  # shorter side to which JPEGs are decoded and small pictures enlarged: 4 pixels for one
_SLAB = 16_384  # pairs whose pictures are kept at once
_CHUNK = 64  # pairs that are compared at once
_FILES = 8  # that a worker opens at once


@dataclass
class Opened:
    """What was met while opening: pictures that cannot be opened any more, by row."""

    skipped: dict[int, Skipped] = field(default_factory=dict)


def pixel_differences(
    places: Places,
    first: Rows,
    second: Rows,
    *,
    opened: Opened,
    mirrored: bool = True,
    progress: Progress | None = None,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Lay the pictures of each pair over each other.

    Args:
        places: gives the files of rows.
        first, second: [m] int64 rows; pairs of one row are best together.
        opened: takes the pictures that cannot be opened.
        mirrored: whether a mirror image is one picture too.
        progress: called with (pairs done, pairs).

    Returns:
        [m] float32, see `overlay.differences`, infinite where a picture cannot be opened; and [m] whether one
        is the mirror image of the other.
    """
    found, turned = np.full(len(first), np.inf, np.float32), np.zeros(len(first), np.bool_)
    for start in range(0, len(first), _SLAB):
        slab = slice(start, start + _SLAB)
        rows = np.unique(np.concatenate([first[slab], second[slab]]))
        smalls = {row: small for row, small in _each(_small, places, rows, opened) if small is not None}
        usable = start + np.flatnonzero(np.isin(first[slab], [*smalls]) & np.isin(second[slab], [*smalls]))
        chunks = [usable[at : at + _CHUNK] for at in range(0, len(usable), _CHUNK)]

        def work(chunk: Rows, smalls: dict[int, Pixels] = smalls) -> tuple[Rows, Floats, NDArray[np.bool_]]:
            a, b = (np.stack([smalls[row] for row in rows[chunk].tolist()]) for rows in (first, second))
            flips = are_mirrored(a, b) if mirrored else np.zeros(len(chunk), np.bool_)
            return chunk, differences(a, b, mirrored=mirrored), flips

        with plain_products():
            for chunk, part, flips in map_in_order(work, chunks):
                found[chunk], turned[chunk] = part, flips
                if progress is not None:
                    progress(int(chunk[-1]) + 1, len(first))
    return found, turned


def pixel_hashes(
    places: Places, rows: Rows, *, opened: Opened, progress: Progress | None = None
) -> dict[int, bytes]:
    """The hash of the upright pixels of each row's picture, decoded in full; without those that cannot be."""
    hashes: dict[int, bytes] = {}
    for done, (row, digest) in enumerate(_each(_hash, places, rows, opened), start=1):
        if digest is not None:
            hashes[row] = digest
        if progress is not None:
            progress(done, len(rows))
    return hashes


def _each(
    make: Callable[[Path, Box | None], Made], places: Places, rows: Rows, opened: Opened
) -> Iterator[tuple[int, Made | None]]:
    """What is made of each row's picture, None where it cannot be opened."""
    chunks = [rows[start : start + _FILES].tolist() for start in range(0, len(rows), _FILES)]

    def work(chunk: Sequence[int]) -> list[Made | Skipped]:
        return [_or_skipped(make, path, box) for path, box in places(chunk)]

    for chunk, results in zip(chunks, map_in_order(work, chunks), strict=True):
        for row, made in zip(chunk, results, strict=True):
            if isinstance(made, Skipped):
                opened.skipped[row] = made
                yield row, None
            else:
                yield row, made


def _or_skipped(make: Callable[[Path, Box | None], Made], path: Path, box: Box | None) -> Made | Skipped:
    try:
        return make(path, box)
    except ImageError as error:
        return skipped(error, path)


def _small(path: Path, box: Box | None) -> Pixels:
    pixels = open_image(path, target=_TARGET, box=box)
    height, width = pixels.shape[:2]
    if min(height, width) >= _TARGET:
        return small_picture(pixels)
    # the means of one and a bit pixels each would come out ragged
    size = max(width, _TARGET), max(height, _TARGET)
    return small_picture(np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)))


def _hash(path: Path, box: Box | None) -> bytes:
    pixels = open_image(path, box=box)
    key = ",".join(map(str, pixels.shape)).encode()
    return hashlib.blake2b(pixels.data, digest_size=HASH_BYTES, key=key).digest()
