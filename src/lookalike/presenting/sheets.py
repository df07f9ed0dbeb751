"""Many small pictures as one: a sheet of square tiles, row after row, as pages and other viewers read it.

Files enter; one image leaves. A picture keeps its proportions in the middle of its tile, on white; a file
that cannot be opened is a grey tile that says why.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from lookalike.models.embedding import map_in_order
from lookalike.pictures.images import Box
from lookalike.presenting.thumbnails import small
from lookalike.records import Progress

GROUND = "#ffffff"
QUALITIES = (80, 60, 40, 20)  # of a JPEG, until it is small enough


def across(count: int) -> int:
    """How many tiles of a square sheet stand in a row.

    >>> [across(count) for count in (1, 4, 5, 9, 10)]
    [1, 2, 3, 3, 4]
    """
    return math.isqrt(max(count, 1) - 1) + 1


def sheet(
    paths: Sequence[Path], *, tile: int, boxes: Sequence[Box | None] = (), progress: Progress | None = None
) -> Image.Image:
    """Lay small pictures out as a square of tiles.

    Args:
        paths: n files.
        tile: side of a tile in pixels.
        boxes: per file the part to show, or None; none: whole pictures.

    Returns:
        An RGB image of ceil(sqrt(n)) tiles by as many; those behind the last picture are white.
    """
    columns = across(len(paths))
    made = Image.new("RGB", (columns * tile, columns * tile), GROUND)
    parts = list(zip(paths, boxes or [None] * len(paths), strict=True))
    pictures = map_in_order(lambda part: small(part[0], tile, box=part[1]), parts)
    for place, picture in enumerate(pictures):
        free = tile - picture.width, tile - picture.height
        corner = place % columns * tile + free[0] // 2, place // columns * tile + free[1] // 2
        made.paste(picture, corner)
        if progress is not None:
            progress(place + 1, len(paths))
    return made


def jpeg(image: Image.Image, *, most: int) -> bytes:
    """An image as JPEG of at most so many bytes where a lower quality can bring that, never below 20."""
    for quality in QUALITIES:
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=quality)
        if buffer.tell() <= most:
            break
    return buffer.getvalue()
