"""How many pixels a picture may have, held inside of Pillow's decoders too.

A number enters for as long as a picture is opened; an error leaves as soon as a decoder has read that there
are more, before it takes memory for them. Pillow's own limit belongs to the whole process and to whoever else
uses Pillow in it: it is not changed, and it does not count meanwhile in this thread.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image


class _Limit(threading.local):
    most: int | None = None  # None: Pillow's own


class TooManyPixelsError(Image.DecompressionBombError):
    """A picture has more pixels than it may have.

    Attributes:
        size: its width and height.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__(f"{size[0]} x {size[1]} pixels")
        self.size = size


_limit = _Limit()
_pillows_check = Image._decompression_bomb_check


@contextmanager
def limited(most: int) -> Iterator[None]:
    """Let pictures that this thread opens inside have at most so many pixels, whatever Pillow's limit is.

    Raises:
        TooManyPixelsError: inside, when a decoder reads that a picture has more.
    """
    before, _limit.most = _limit.most, most
    try:
        yield
    finally:
        _limit.most = before


def _check(size: tuple[int, int], *args: Any, **options: Any) -> None:
    """In place of Pillow's check, which decoders call with the size that they have read."""
    most = _limit.most
    if most is None:
        _pillows_check(size, *args, **options)
    elif size[0] * size[1] > most:
        raise TooManyPixelsError(size)


Image._decompression_bomb_check = _check
