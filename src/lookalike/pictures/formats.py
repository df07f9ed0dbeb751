"""What is known of image formats: their extensions, their first bytes, and Pillow's decoder for a content.

Enters: names and bytes. Leaves: a Pillow image whose header is read. Not done here: decoding pixels (images),
and formats that Pillow opens by starting another program (EPS, WMF).
"""

from __future__ import annotations

import importlib
import io
import logging
import re
import struct
import warnings
from contextlib import suppress
from typing import IO

from PIL import Image

from lookalike.pictures import raw

# fmt: off
EXTENSIONS = frozenset((
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".webp", ".bmp", ".dib", ".tif",
    ".tiff", ".avif", ".heic", ".heif", ".hif", ".jp2", ".j2k", ".jpx", ".jpf", ".j2c", ".ico", ".icns",
    ".tga", ".psd", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".qoi", ".dds", ".pcx", ".sgi", ".xbm", ".xpm",
)) | raw.EXTENSIONS
# fmt: on

# First bytes that no text and no other common file has; weaker ones (BM, P6) need their extension.
MAGIC = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|RIFF....WEBP|II\*\0|MM\0\*|8BPS\0|qoif"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|DDS \x7c\0\0\0|BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0"
    rb"|....ftyp(avi[fs]|hei[cxms]|hev[cxms]|mif1|msf1)",
    re.DOTALL,
)
HEIC = re.compile(rb"....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)", re.DOTALL)

# Pillow starts other programs for the first two, and only recognises the others without decoding them.
_REFUSED_FORMATS = frozenset({"EPS", "WMF", "MPEG", "BUFR", "GRIB", "HDF5"})

_QUIET = ("ignore", None, UserWarning, re.compile(r"PIL\."), 0)


def identify(file: IO[bytes], prefix: bytes, *, suffix: str) -> Image.Image | None:
    """Open a picture's header with the decoder that its content asks for; None: no decoder knows it.

    This is what Image.open does, without its check of the size, which warns, and by a limit that belongs to
    the whole process: the caller has one of its own.

    Args:
        file: at any position.
        prefix: its first 16 bytes.
        suffix: the extension, lower case with the dot; counts only for a format that has no mark.

    Raises:
        MissingDecoder: it is a camera's raw file, and rawpy is not installed.
    """
    if raw.is_raw(file, prefix):
        return raw.open_preview(file)
    if HEIC.match(prefix):
        can_open_heic()
    tried = set(_REFUSED_FORMATS)
    for load_plugins in (Image.preinit, Image.init):
        load_plugins()
        for name in [name for name in Image.OPEN if name not in tried]:
            tried.add(name)
            with suppress(SyntaxError, IndexError, TypeError, struct.error):
                if _accepts(name, prefix, suffix):
                    file.seek(0)
                    return Image.OPEN[name][0](file, "")
    return identify(file, prefix, suffix=".tga") if suffix != ".tga" and _ends_as_targa(file) else None


def _ends_as_targa(file: IO[bytes]) -> bool:
    mark = b"TRUEVISION-XFILE.\0"
    file.seek(max(0, file.seek(0, io.SEEK_END) - len(mark)))
    return file.read() == mark


def _accepts(name: str, prefix: bytes, suffix: str) -> bool:
    accept = Image.OPEN[name][1]
    if accept is None:  # no test of the content (TGA): believed only where the extension says so
        return Image.EXTENSION.get(suffix) == name
    verdict = accept(prefix)
    return bool(verdict) and not isinstance(verdict, str)  # a text says why this Pillow cannot


def can_open_heic() -> bool:
    """Add the decoder of HEIC to Pillow's; whether it is installed."""
    try:
        importlib.import_module("pillow_heif").register_heif_opener()
    except ImportError:  # there are systems without a wheel of it
        return False
    return True


def hush_pillow() -> None:
    """Keep Pillow's remarks on damaged metadata off stderr.

    Warning filters belong to the process and not to a thread, so this one stays; it covers neither
    DecompressionBombWarning nor DeprecationWarning. It is set again where a caller has reset the filters.
    """
    if _QUIET not in warnings.filters:
        warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    logger = logging.getLogger("PIL")
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
