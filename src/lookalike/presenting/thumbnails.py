"""Small copies of pictures, and letters of a size: what galleries and pages are put together from.

Files enter; small pictures leave, as pixels, as JPEG or as an address that a page can hold. A file that
cannot be opened gives a grey tile that says why, and raises nothing.
"""

from __future__ import annotations

import base64
import io
from functools import cache
from pathlib import Path

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from lookalike.errors import ImageError
from lookalike.pictures.images import Box, open_image
from lookalike.presenting.canvas import drawable

QUIET, EMPTY = "#6e6e73", "#e4e4e7"
JPEG_QUALITY = 85

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def thumbnail(path: str | Path, size: int, *, box: Box | None = None) -> bytes:
    """A picture, or the part in a box of it, at most `size` pixels wide and high, as JPEG; never enlarged.

    A file that cannot be opened gives a grey tile with the reason. Nothing is raised for it.
    """
    return _jpeg(small(Path(path), size, box=box))


def tile(reason: str, size: int) -> bytes:
    """The grey tile in place of a picture that cannot be opened, with the reason, as JPEG."""
    return _jpeg(_placeholder(reason, size))


def data_uri(path: str | Path, size: int, *, box: Box | None = None) -> str:
    """`thumbnail` as a data: address, for a page that stands alone."""
    return _address(thumbnail(path, size, box=box))


def jpeg_uri(image: Image.Image) -> str:
    """An image as a data: address."""
    return _address(_jpeg(image))


def _jpeg(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    return buffer.getvalue()


def _address(content: bytes) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def small(path: Path, size: int, *, box: Box | None = None) -> Image.Image:
    """A picture, or the part in a box of it, at most `size` pixels wide and high, upright; never enlarged."""
    try:
        image = Image.fromarray(open_image(path, target=size, box=box))
    except ImageError as error:
        return _placeholder(error.reason.value, size)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return image


def _placeholder(reason: str, size: int) -> Image.Image:
    image = Image.new("RGB", (size, size), EMPTY)
    draw, font = ImageDraw.Draw(image), font_of(max(8, size // 9))
    lines = [fitted(word, font, size - 4) for word in ("no picture:", *reason.split())]
    step = max(8, size // 9) * 4 // 3
    top = (size - step * len(lines)) / 2
    for number, line in enumerate(lines):
        draw.text((size / 2, top + number * step), line, fill=QUIET, font=font, anchor="ma")
    return image


def fitted(text: str, font: Font, width: float) -> str:
    """The text on one line, cut to a width in pixels."""
    shown = drawable(text, most=100)
    while len(shown) > 1 and font.getlength(shown) > width:
        shown = shown.removesuffix("…")[:-1] + "…"
    return shown


@cache
def font_of(points: int) -> Font:
    """matplotlib's own DejaVu Sans, which has more scripts than Pillow's; Pillow's where it is not found."""
    try:
        return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", points)
    except OSError:
        return ImageFont.load_default(points)
