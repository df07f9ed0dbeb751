"""Small DNG files, as a camera writes them: a mosaic of sensor values, and a JPEG preview beside it."""

from __future__ import annotations

import io
import struct

import numpy as np
from PIL import Image

from lookalike.records import Pixels

BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
_CODES = {BYTE: "B", ASCII: "B", SHORT: "H", LONG: "I", RATIONAL: "II", SRATIONAL: "ii"}
SENSOR = 64  # side of the mosaic
SUB_IFDS, STRIP_OFFSETS = 330, 273

Entries = dict[int, tuple[int, list[int]]]  # tag: type and values


def dng(preview: Pixels | None, *, orientation: int = 1) -> bytes:
    """A DNG whose preview is the given picture [h, w, 3]; None: it has none.

    Args:
        orientation: of the whole file, an EXIF orientation; the preview itself says none.
    """
    mosaic = np.full((SENSOR, SENSOR), 20_000, "<u2").tobytes()
    jpeg = b"" if preview is None else _jpeg(preview)
    main = _main(orientation) | ({} if preview is None else {SUB_IFDS: (LONG, [0])})
    other = None if preview is None else _reduced(preview, len(jpeg))
    data_at = 8 + _length(main) + (_length(other) if other else 0)
    main[STRIP_OFFSETS] = (LONG, [data_at])
    if other:
        main[SUB_IFDS] = (LONG, [8 + _length(main)])
        other[STRIP_OFFSETS] = (LONG, [data_at + len(mosaic)])
    written = _written(main, 8) + (_written(other, 8 + _length(main)) if other else b"")
    return b"II*\0" + struct.pack("<I", 8) + written + mosaic + jpeg


def _main(orientation: int) -> Entries:
    return {
        254: (LONG, [0]),
        256: (LONG, [SENSOR]),
        257: (LONG, [SENSOR]),
        258: (SHORT, [16]),
        259: (SHORT, [1]),
        262: (SHORT, [32803]),  # colour filter array
        271: (ASCII, [*b"Maker\0"]),
        272: (ASCII, [*b"Camera\0"]),
        STRIP_OFFSETS: (LONG, [0]),
        274: (SHORT, [orientation]),
        277: (SHORT, [1]),
        278: (LONG, [SENSOR]),
        279: (LONG, [2 * SENSOR * SENSOR]),
        33421: (SHORT, [2, 2]),
        33422: (BYTE, [0, 1, 1, 2]),
        50706: (BYTE, [1, 4, 0, 0]),  # DNGVersion
        50708: (ASCII, [*b"Maker Camera\0"]),
        50721: (SRATIONAL, [1, 1, 0, 1, 0, 1, 0, 1, 1, 1, 0, 1, 0, 1, 0, 1, 1, 1]),
    }


def _reduced(preview: Pixels, length: int) -> Entries:
    height, width = preview.shape[:2]
    return {
        254: (LONG, [1]),
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [8, 8, 8]),
        259: (SHORT, [7]),  # JPEG
        262: (SHORT, [6]),
        STRIP_OFFSETS: (LONG, [0]),
        277: (SHORT, [3]),
        278: (LONG, [height]),
        279: (LONG, [length]),
    }


def _jpeg(pixels: Pixels) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95, subsampling=0)
    return file.getvalue()


def _packed(kind: int, values: list[int]) -> bytes:
    code = _CODES[kind]
    return struct.pack("<" + code * (len(values) // len(code)), *values)


def _length(entries: Entries) -> int:
    long = [packed for kind, values in entries.values() if len(packed := _packed(kind, values)) > 4]
    return 2 + 12 * len(entries) + 4 + sum(len(packed) + len(packed) % 2 for packed in long)


def _written(entries: Entries, at: int) -> bytes:
    rows, beyond = b"", b""
    after = at + 2 + 12 * len(entries) + 4
    for tag, (kind, values) in sorted(entries.items()):
        packed = _packed(kind, values)
        count = len(values) // len(_CODES[kind])
        if len(packed) <= 4:
            place = packed.ljust(4, b"\0")
        else:
            place = struct.pack("<I", after + len(beyond))
            beyond += packed + b"\0" * (len(packed) % 2)
        rows += struct.pack("<HHI", tag, kind, count) + place
    return struct.pack("<H", len(entries)) + rows + b"\0\0\0\0" + beyond
