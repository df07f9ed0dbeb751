"""Open every picture of a table once and keep what its file and its pixels say.

A table enters; a Seen leaves for each picture that can be used, and a Skipped for each other. Every file is
decoded to its end, so a truncated one is found here and not in the middle of a run. No pixels are kept beyond
a grey print of 16 x 16. What is made of it is decided elsewhere (description, checkup).
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lookalike.errors import ImageError
from lookalike.models.embedding import content_hash
from lookalike.pictures.images import open_image, open_picture, read_image, skipped
from lookalike.pictures.prints import grey_print
from lookalike.records import Pixels, Progress, Skipped
from lookalike.tables.table import ImageTable

TARGET = 64  # shorter side to which JPEGs are decoded: all their data is read all the same

_CHUNK = 16


@dataclass(frozen=True, slots=True)
class Seen:
    """What a picture's file and pixels say.

    Attributes:
        size: width and height of the whole picture, upright.
        format, mode: Pillow's names.
        digest: hash of the file's content.
        blank: whether all pixels have one colour.
        spread: standard deviation of its colours, in levels of 0 to 255; from afar where it is a large JPEG.
        print: 16 x 16 grey values.
    """

    size: tuple[int, int]
    format: str
    mode: str
    digest: bytes
    blank: bool
    spread: float
    print: bytes


def look(
    table: ImageTable, *, progress: Progress | None = None
) -> tuple[dict[str, Seen], tuple[Skipped, ...]]:
    """Open every picture of a table once, on all processors.

    Args:
        progress: called with (done, total) files.

    Returns:
        Image to what was seen, of those that can be used; and the others, with their reasons.
    """
    images = table.frame["image"].unique(maintain_order=True).to_list()
    seen: dict[str, Seen] = {}
    left_out: list[Skipped] = []
    for done, (image, result) in enumerate(_look_at_all(table.root, images), start=1):
        if isinstance(result, Skipped):
            left_out.append(result)
        else:
            seen[image] = result
        if progress is not None:
            progress(done, len(images))
    return seen, tuple(left_out)


def _look_at_all(root: Path, images: Sequence[str]) -> Iterator[tuple[str, Seen | Skipped]]:
    chunks = [images[start : start + _CHUNK] for start in range(0, len(images), _CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for chunk, results in zip(
            chunks, pool.map(lambda part: [_look_at(root, i) for i in part], chunks), strict=True
        ):
            yield from zip(chunk, results, strict=True)


def _look_at(root: Path, image: str) -> Seen | Skipped:
    try:
        content = read_image(root / image)
        picture = open_picture(content, target=TARGET)
        blank = _is_blank(picture.pixels) and _is_blank(open_image(content))
    except ImageError as error:
        return skipped(error, image)
    return Seen(
        picture.size,
        picture.format,
        picture.mode,
        content_hash(content),
        blank,
        float(picture.pixels.std(axis=(0, 1)).max()),
        grey_print(picture.pixels),
    )


def _is_blank(pixels: Pixels) -> bool:
    return bool((pixels == pixels[0, 0]).all())
