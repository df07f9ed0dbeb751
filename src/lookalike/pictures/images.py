"""Open a picture as upright RGB pixels.

Enters: a path or the content of a file. Leaves: pixels [h, w, 3] uint8, or an ImageError that says why not.
Not done here: telling formats (formats), colours (colour), resizing (preprocess).
"""

from __future__ import annotations

import codecs
import io
import math
import stat
import struct
import threading
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from lookalike.errors import ImageError, SkipReason
from lookalike.pictures.colour import to_rgb, upright
from lookalike.pictures.finding import find_images, printable, reason_of
from lookalike.pictures.formats import HEIC, MAGIC, can_open_heic, hush_pillow, identify
from lookalike.pictures.pixel_limit import TooManyPixelsError, limited
from lookalike.pictures.raw import MissingDecoder
from lookalike.records import Box, Pixels, Skipped

__all__ = [
    "MAX_PIXELS",
    "Box",
    "Picture",
    "find_images",
    "open_image",
    "open_picture",
    "read_image",
    "skipped",
]

MAX_PIXELS = 200_000_000  # the largest camera sensors; 0.6 GB as RGB
MAX_BYTES = 1 << 30
MIN_SIDE = 2

_ORIENTATION_TAG = 0x0112
_DAMAGED_EXIF = (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, EOFError, struct.error)
_HUGE = threading.Lock()  # one at a time: memory belongs to the process
_HUGE_PIXELS = MAX_PIXELS // 2


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture, and what its file says of it.

    Attributes:
        pixels: [h, w, 3] uint8, contiguous and writable.
        format, mode: Pillow's names, for example JPEG and CMYK.
        size: width and height of the whole picture, upright.
    """

    pixels: Pixels
    format: str
    mode: str
    size: tuple[int, int]


@dataclass(frozen=True, slots=True)
class _Wish:
    target: int | None
    box: Box | None
    max_pixels: int


def open_image(
    source: Path | bytes, *, target: int | None = None, box: Box | None = None, max_pixels: int = MAX_PIXELS
) -> Pixels:
    """Decode a picture to upright RGB. Safe to call from several threads at once.

    The format is told by the content, not by the name. The EXIF orientation is applied, transparency is laid
    on white, the first frame of an animation is taken. 16-bit grey is scaled to 8 bits; 32-bit grey is read
    as 16-bit where its values fit, float grey as 0 to 1 or 0 to 255 where they fit, else both are stretched
    from their least to their greatest value.

    Args:
        source: a file, or the content of one.
        target: shorter side that is needed, in pixels; a JPEG may then be decoded at 1/2, 1/4 or 1/8 of its
            size, never with a shorter side (of the box, where there is one) below target. None: full size.
        box: left, top, right, bottom of the part that is wanted, in pixels of the upright full-size picture;
            clipped to the picture. At reduced size the part is widened to whole pixels.
        max_pixels: a picture with more is refused before it is decoded.

    Returns:
        [h, w, 3] uint8, contiguous and writable.

    Raises:
        ImageError: the picture cannot be used; `reason` says why.
    """
    wish = _Wish(target, box, max_pixels)
    if isinstance(source, bytes):
        return _open(io.BytesIO(source), source, len(source), wish).pixels
    try:
        size = _file_size(source)
        with source.open("rb") as file:
            return _open(file, source, size, wish).pixels
    except (OSError, ValueError) as error:
        raise _system_error(source, error) from error


def open_picture(
    content: bytes, *, target: int | None = None, box: Box | None = None, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Like `open_image`, with what is known besides the pixels."""
    return _open(io.BytesIO(content), content, len(content), _Wish(target, box, max_pixels))


def read_image(path: Path) -> bytes:
    """Read a picture's file whole, for hashing and for `open_image`.

    Raises:
        ImageError: it is missing, unreadable, not a regular file, or larger than MAX_BYTES.
    """
    try:
        size = _file_size(path)
        if size > MAX_BYTES:
            wanted = f"at most {MAX_BYTES:,} bytes"
            raise _error(path, SkipReason.TOO_LARGE, f"{size:,} bytes", wanted, "scale it down")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        raise _system_error(path, error) from error


def skipped(error: ImageError, path: str | Path) -> Skipped:
    """The record of a picture that was left out."""
    return Skipped(printable(path), error.reason, error.saw)


def _file_size(path: Path) -> int:
    facts = path.stat()
    if not stat.S_ISREG(facts.st_mode):  # opening a pipe would wait for its writer
        raise _error(path, SkipReason.UNREADABLE, "a folder, pipe or device", do="name a regular file")
    return facts.st_size


def _open(file: IO[bytes], source: Path | bytes, length: int, wish: _Wish) -> Picture:
    hush_pillow()
    if length == 0:
        raise _error(source, SkipReason.EMPTY, "0 bytes", do="restore or remove the file")
    prefix = file.read(16)
    try:
        with limited(wish.max_pixels):
            suffix = "" if isinstance(source, bytes) else source.suffix.lower()
            image = identify(file, prefix, suffix=suffix)
            if image is not None:
                return _decode(image, source, wish)
    except ImageError:
        raise
    except TooManyPixelsError as error:
        raise _too_large(source, error.size, max_pixels=wish.max_pixels) from error
    except MissingDecoder as error:
        raise _error(source, SkipReason.NOT_AN_IMAGE, str(error), do=error.command) from error
    except Exception as error:  # what decoders raise on damaged data is without end
        raise _damage(source, error) from error
    raise _unknown(source, prefix)


def _decode(image: Image.Image, source: Path | bytes, wish: _Wish) -> Picture:
    full, mode = image.size, image.mode
    _check_size(source, full, max_pixels=wish.max_pixels)
    if wish.target is not None:
        _draft(image, wish.target, wish.box)
    _load(image)
    orientation = _orientation(image)
    full = _turned(full, orientation)
    pixels = upright(to_rgb(image), orientation)
    if wish.box is not None:
        pixels = _cut(pixels, wish.box, source, full=full)
    return Picture(np.ascontiguousarray(pixels), image.format or "", mode, full)


def _check_size(source: Path | bytes, size: tuple[int, int], *, max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        raise _too_large(source, size, max_pixels=max_pixels)
    if min(size) < MIN_SIDE:
        raise _too_small(source, f"{width} x {height} pixels")


def _draft(image: Image.Image, target: int, box: Box | None) -> None:
    """Ask the JPEG decoder for a reduced size; the other decoders have none."""
    if not isinstance(image, JpegImageFile):
        return
    width, height = image.size
    whole = (0, 0, width, height)
    left, top, right, bottom = _clip(box, _turned(image.size, _orientation(image))) if box else whole
    scale = max(1, min(right - left, bottom - top) // target)
    image.draft(None, (math.ceil(width / scale), math.ceil(height / scale)))


def _load(image: Image.Image) -> None:
    with _HUGE if image.width * image.height > _HUGE_PIXELS else nullcontext():
        image.load()


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION_TAG, 1)
    except _DAMAGED_EXIF:
        return 1  # the pixels are good
    return value if value in range(1, 9) else 1


def _turned(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    return (size[1], size[0]) if orientation >= 5 else size


def _clip(box: Box, full: tuple[int, int]) -> Box:
    return max(box[0], 0), max(box[1], 0), min(box[2], full[0]), min(box[3], full[1])


def _cut(pixels: Pixels, box: Box, source: Path | bytes, *, full: tuple[int, int]) -> Pixels:
    left, top, right, bottom = _clip(box, full)
    if min(right - left, bottom - top) < MIN_SIDE:
        raise _too_small(source, f"box {box} in {full[0]} x {full[1]} pixels")
    height, width = pixels.shape[:2]
    rows = slice(top * height // full[1], -(-bottom * height // full[1]))  # outwards: -(-a // b) rounds up
    columns = slice(left * width // full[0], -(-right * width // full[0]))
    return pixels[rows, columns]


def _damage(source: Path | bytes, error: Exception) -> ImageError:
    if isinstance(error, OSError) and error.errno is not None:
        return _system_error(source, error)
    if isinstance(error, MemoryError):
        saw = str(error) or "more pixels than memory"
        return _error(source, SkipReason.TOO_LARGE, saw, do="scale it down")
    saw = str(error) or type(error).__name__
    return _error(source, SkipReason.TRUNCATED, saw, do="restore the file from where it came from")


def _unknown(source: Path | bytes, prefix: bytes) -> ImageError:
    if HEIC.match(prefix) and not can_open_heic():
        saw, do = "HEIC, which needs pillow-heif", "pip install pillow-heif"
        return _error(source, SkipReason.NOT_AN_IMAGE, saw, do=do)
    if MAGIC.match(prefix):
        saw = f"only the beginning of a picture: {_legible(prefix)}"
        return _error(source, SkipReason.TRUNCATED, saw, do="restore the file from where it came from")
    saw = f"content that begins with {_legible(prefix)}"
    return _error(source, SkipReason.NOT_AN_IMAGE, saw, "JPEG, PNG, WebP, ...", "remove or convert the file")


def _legible(prefix: bytes) -> str:
    """Text as text on one line, anything else as hexadecimal numbers."""
    text = " ".join(codecs.getincrementaldecoder("utf-8-sig")("replace").decode(prefix).split())
    return f'"{text}"' if text.isprintable() and "\ufffd" not in text else prefix.hex(" ")


def _too_large(source: Path | bytes, size: tuple[int, int], *, max_pixels: int) -> ImageError:
    saw, wanted = f"{size[0]} x {size[1]} pixels", f"at most {max_pixels:,} pixels"
    return _error(source, SkipReason.TOO_LARGE, saw, wanted, "scale it down")


def _too_small(source: Path | bytes, saw: str) -> ImageError:
    wanted = f"sides of at least {MIN_SIDE} pixels"
    return _error(source, SkipReason.TOO_SMALL, saw, wanted, "remove the picture")


def _system_error(source: Path | bytes, error: OSError | ValueError) -> ImageError:
    reason = reason_of(error) if isinstance(error, OSError) else SkipReason.MISSING
    saw = getattr(error, "strerror", None) or str(error)
    return _error(source, reason, saw, do="check the path and its permissions")


def _error(source: Path | bytes, reason: SkipReason, saw: str, wanted: str = "", do: str = "") -> ImageError:
    where = f"a picture of {len(source):,} bytes" if isinstance(source, bytes) else printable(source)
    what = "the picture cannot be used"
    return ImageError(what, reason=reason, where=where, saw=printable(saw), wanted=wanted, do=do)
