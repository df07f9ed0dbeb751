"""Whether pictures that look alike from afar are one: files enter, how much their pixels differ leaves.

Most pairs are told apart by their grey prints, and nothing is opened for them. Every picture that is needed
is opened once, on all processors, and kept as a small picture, as many as memory is set aside for; pairs of
small pictures are laid over each other. For the last pixel pictures are decoded in full and compared by a
hash. Which pairs are worth the work, and how much may differ, is decided by the callers.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lookalike.checkups.overlay import are_mirrored, differences, may_be_one
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
_PRINTS = 128  # pairs of prints that are
_SMALLS = 100_000  # small pictures that are kept: 3 kB each
_FILES = 8  # that a worker opens at once


@dataclass
class Opened:
    """What was met while opening, by row: pictures that cannot be opened any more, and small pictures."""

    skipped: dict[int, Skipped] = field(default_factory=dict)
    smalls: dict[int, Pixels] = field(default_factory=dict)

    def forget(self) -> None:
        """Drop the small pictures that were opened first, where there are too many."""
        for row in list(self.smalls)[: max(0, len(self.smalls) - _SMALLS)]:
            del self.smalls[row]


def maybe_copies(
    prints: Pixels,
    first: Rows,
    second: Rows,
    *,
    difference: float = DIFFERENCE,
    mirrored: bool = True,
    progress: Progress | None = None,
) -> NDArray[np.bool_]:
    """[m] whether the pictures of each pair may be one by their grey prints, see `overlay.may_be_one`.

    Args:
        prints: [n, 256], by row.
        first, second, mirrored, progress: as of `pixel_differences`.
        difference: up to which two pictures are one.
    """
    may = np.zeros(len(first), np.bool_)
    parts = [slice(at, at + _PRINTS) for at in range(0, len(first), _PRINTS)]

    def work(part: slice) -> NDArray[np.bool_]:
        a, b = prints[first[part]], prints[second[part]]
        return may_be_one(a, b, difference=difference, mirrored=mirrored)

    with plain_products():
        for part, found in zip(parts, map_in_order(work, parts), strict=True):
            may[part] = found
            if progress is not None:
                progress(min(part.stop, len(first)), len(first))
    return may


def pixel_differences(
    places: Places,
    first: Rows,
    second: Rows,
    *,
    opened: Opened,
    mirrored: bool = True,
    within: float = np.inf,
    progress: Progress | None = None,
) -> tuple[Floats, NDArray[np.bool_]]:
    """Lay the pictures of each pair over each other.

    Args:
        places: gives the files of rows.
        first, second: [m] int64 rows; pairs of one row are best together.
        opened: takes the pictures that cannot be opened; small pictures that it has are not opened again.
        mirrored: whether a mirror image is one picture too.
        within: up to which a difference is of interest, as of `overlay.differences`.
        progress: called with (pairs done, pairs), also where a picture was opened and no pair is done.

    Returns:
        [m] float32, see `overlay.differences`, infinite too where a picture cannot be opened; and [m] whether
        one is the mirror image of the other.
    """
    found, turned = np.full(len(first), np.inf, np.float32), np.zeros(len(first), np.bool_)
    for start in range(0, len(first), _SLAB):
        slab = slice(start, start + _SLAB)
        rows = np.unique(np.concatenate([first[slab], second[slab]]))
        smalls = _smalls(
            places, rows, opened, tell=partial(progress, start, len(first)) if progress else None
        )
        known = np.array(sorted(smalls), np.int64)
        usable = start + np.flatnonzero(np.isin(first[slab], known) & np.isin(second[slab], known))
        chunks = [usable[at : at + _CHUNK] for at in range(0, len(usable), _CHUNK)]

        def work(chunk: Rows, smalls: dict[int, Pixels] = smalls) -> tuple[Rows, Floats, NDArray[np.bool_]]:
            a, b = (np.stack([smalls[row] for row in rows[chunk].tolist()]) for rows in (first, second))
            flips = are_mirrored(a, b) if mirrored else np.zeros(len(chunk), np.bool_)
            return chunk, differences(a, b, mirrored=mirrored, within=within), flips

        with plain_products():
            for chunk, part, flips in map_in_order(work, chunks):
                found[chunk], turned[chunk] = part, flips
                if progress is not None:
                    progress(int(chunk[-1]) + 1, len(first))
    return found, turned


def _smalls(
    places: Places, rows: Rows, opened: Opened, *, tell: Callable[[], None] | None
) -> dict[int, Pixels]:
    """The small pictures of rows, without those that cannot be opened; `tell` is called after each file."""
    wanted = rows.tolist()
    missing = [row for row in wanted if row not in opened.smalls and row not in opened.skipped]
    for row, small in _each(_small, places, np.array(missing, np.int64), opened):
        if small is not None:
            opened.smalls[row] = small
        if tell is not None:
            tell()
    found = {row: opened.smalls[row] for row in wanted if row in opened.smalls}
    opened.forget()
    return found


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
