"""Raw files of cameras: told by their content, and shown by the preview that the camera put into them.

A file enters; its preview leaves as a Pillow image, which is what people see of such a file everywhere. Only
where a camera left none, the sensor's values are developed, at half their size. Not done here: developing as
a photographer would.
"""

from __future__ import annotations

import importlib
import io
import re
import struct
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

if TYPE_CHECKING:
    from types import ModuleType

# fmt: off
EXTENSIONS = frozenset((
    ".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef", ".mos",
    ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2", ".srf", ".srw", ".x3f",
))
# fmt: on

MAGIC = re.compile(
    rb"FUJIFILMCCD-RAW|II\*\0....CR|IIRO|IIRS|MMOR|IIU\0|FOVb|II\x1a\0\0\0HEAPCCDR|\0MRM|....ftypcrx ",
    re.DOTALL,
)
_TIFF = re.compile(rb"II\*\0|MM\0\*")
_DAMAGED = (SyntaxError, OSError, ValueError, TypeError, KeyError, IndexError, struct.error)

# tags of a TIFF's first directory, and what only a camera's raw file has in them
_KIND, _COMPRESSION, _COLOURS, _MAKER, _DNG_VERSION = 254, 259, 262, 271, 50706
_REDUCED = 1
_SENSOR_COMPRESSIONS = frozenset({32767, 32769, 32770, 34713, 65535})
_SENSOR_COLOURS = frozenset({32803, 34892})

_START_OF_SCAN, _END_OF_IMAGE = b"\xff\xda", b"\xff\xd9"  # marks in a JPEG
_ORIENTATION_TAG = 0x0112
_ORIENTATIONS = {3: 3, 5: 8, 6: 6}  # LibRaw's turn: EXIF's


class MissingDecoder(Exception):
    """A format is known, and the package that decodes it is not installed.

    Attributes:
        command: what installs it.
    """

    def __init__(self, saw: str, command: str) -> None:
        super().__init__(saw)
        self.command = command


def is_raw(file: IO[bytes], prefix: bytes) -> bool:
    """Whether a file is a camera's raw file. Most of these are TIFFs; the first directory tells.

    Args:
        file: at any position.
        prefix: its first 16 bytes.
    """
    if MAGIC.match(prefix):
        return True
    if not _TIFF.match(prefix):
        return False
    tags: dict[int, Any] = {}
    with suppress(*_DAMAGED):
        tags = _first_directory(file, prefix)
    return (
        _DNG_VERSION in tags
        or tags.get(_COLOURS) in _SENSOR_COLOURS
        or tags.get(_COMPRESSION) in _SENSOR_COMPRESSIONS
        or (tags.get(_KIND) == _REDUCED and _MAKER in tags)
    )


def open_preview(file: IO[bytes]) -> Image.Image:
    """A raw file's preview, with its EXIF orientation; where there is none, the sensor's values developed.

    Raises:
        MissingDecoder: rawpy is not installed.
        Exception: whatever LibRaw raises on a damaged file.
    """
    rawpy = _rawpy()
    file.seek(0)
    with rawpy.imread(file) as raw:
        try:
            found = raw.extract_thumb()
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError):
            return Image.fromarray(raw.postprocess(half_size=True, use_camera_wb=True))
        orientation = _ORIENTATIONS.get(raw.sizes.flip, 1)
    is_file = found.format == rawpy.ThumbFormat.JPEG
    image = _opened(found.data) if is_file else Image.fromarray(found.data)
    image.getexif().setdefault(_ORIENTATION_TAG, orientation)
    return image


def _opened(content: bytes) -> Image.Image:
    if content.rfind(_END_OF_IMAGE) < content.rfind(
        _START_OF_SCAN
    ):  # LibRaw fills what is missing with zeros
        raise OSError("the preview is cut off")
    return Image.open(io.BytesIO(content))


def _first_directory(file: IO[bytes], prefix: bytes) -> dict[int, Any]:
    directory = ImageFileDirectory_v2(prefix[:8])
    file.seek(directory.next)
    directory.load(file)
    return {tag: directory.get(tag) for tag in (_KIND, _COMPRESSION, _COLOURS, _MAKER, _DNG_VERSION)
            if tag in directory}  # fmt: skip


def _rawpy() -> ModuleType:
    try:
        return importlib.import_module("rawpy")
    except ImportError as error:
        raise MissingDecoder(
            "a camera's raw file, which needs rawpy", "pip install 'lookalike[raw]'"
        ) from error
