"""Pictures that the tests make: content of known pixels, whole and damaged."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pillow_heif
import pytest
from PIL import Image

from lookalike.errors import ImageError, SkipReason
from lookalike.pictures.images import MAX_PIXELS, open_image


def noise(height: int = 24, width: int = 31) -> Image.Image:
    rng = np.random.default_rng(height * width)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def smooth(height: int, width: int) -> Image.Image:
    rows, columns = np.mgrid[0:height, 0:width]
    return Image.fromarray(
        np.stack((rows * 255 // height, columns * 255 // width, rows * 0), 2).astype(np.uint8)
    )


def content(image: Image.Image, kind: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def heic(image: Image.Image, *, orientation: int = 1) -> bytes:
    pillow_heif.register_heif_opener()
    return content(image, "HEIF", quality=95, exif=exif(orientation).tobytes())


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def png(width: int, height: int, *, chunks: bytes = b"") -> bytes:
    """A PNG whose header promises a size and whose pixels are absent."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunks + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def reason(source: Path | bytes, *, max_pixels: int = MAX_PIXELS) -> SkipReason:
    with pytest.raises(ImageError) as caught:
        open_image(source, max_pixels=max_pixels)
    assert caught.value.do
    return caught.value.reason
