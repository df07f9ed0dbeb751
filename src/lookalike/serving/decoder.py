"""One process that decodes pictures of anybody's making: files enter on stdin, pixels or small JPEGs leave.

It is started by `decoding` with its limits as JSON in its first argument, knows the pictures room and nothing
else of the project, opens no index and no network, and writes no file. What a damaged or hostile picture does
to it stays here: it is killed and another one is started.

A message is two lengths, a JSON object and raw bytes, in both directions.
"""

from __future__ import annotations

import io
import json
import os
import signal
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from lookalike.errors import ImageError, SkipReason
from lookalike.pictures.images import open_image, open_picture, read_image
from lookalike.pictures.preprocess import Preprocess, prepare
from lookalike.pictures.prints import look_of
from lookalike.records import Box, Pixels

Message = tuple[dict[str, Any], bytes]

SPARE_BYTES = 1 << 30  # of memory, beside the pixels
BYTES_A_PIXEL = 24  # a picture of 16 bits a channel with its copies in other colours
SHOWN_PIXELS = 4_000_000  # of a picture that is looked at; a larger one is made smaller
_LENGTHS = struct.Struct("<II")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a process may do.

    Attributes:
        preprocess: of the model that prepared pictures are for, as plain values.
        max_pixels: of one picture.
        seconds: for one picture, after which the process ends itself should nobody else have ended it.
    """

    preprocess: Mapping[str, Any]
    max_pixels: int
    seconds: float

    def to_json(self) -> str:
        """As text, which `Limits(**json.loads(text))` reads."""
        return json.dumps(asdict(self))


def write_message(file: IO[bytes], header: Mapping[str, Any], body: bytes = b"") -> None:
    """Send a message."""
    head = json.dumps(header).encode()
    file.write(_LENGTHS.pack(len(head), len(body)) + head)
    file.write(body)
    file.flush()


def read_message(file: IO[bytes]) -> Message | None:
    """Wait for a message; None where the other side is gone, in the middle of one too."""
    lengths = file.read(_LENGTHS.size)
    if len(lengths) < _LENGTHS.size:
        return None
    head, body = _LENGTHS.unpack(lengths)
    content = file.read(head + body)
    return (json.loads(content[:head]), content[head:]) if len(content) == head + body else None


def answer(limits: Limits, header: Mapping[str, Any], body: bytes) -> Message:
    """Do what a message asks for; what is wrong with the picture is an answer too."""
    try:
        content = body if header["path"] is None else read_image(Path(header["path"]))
        box: Box | None = tuple(header["box"]) if header["box"] else None
        match header["do"]:
            case "pixels":
                return {}, _pixels(limits, content, box)
            case "prepare":
                return _prepared(limits, content, box)
            case "view":
                return _viewed(limits, content, box, target=header["size"])
            case _:
                return {}, _small(limits, content, box, size=header["size"], quality=header["quality"])
    except ImageError as error:
        beats = {"what": error.what, "saw": error.saw, "wanted": error.wanted, "do": error.do}
        return {"reason": error.reason.value, **beats}, b""
    except MemoryError:
        beats = {"what": "the picture cannot be used", "wanted": "", "do": "scale it down"}
        return {"reason": SkipReason.TOO_LARGE.value, "saw": "more than fits the memory", **beats}, b""


def _pixels(limits: Limits, content: bytes, box: Box | None) -> bytes:
    preprocess = Preprocess.from_json(limits.preprocess)
    opened = open_image(content, target=preprocess.decode_target, box=box, max_pixels=limits.max_pixels)
    return prepare(opened, preprocess).tobytes()


def _prepared(limits: Limits, content: bytes, box: Box | None) -> Message:
    preprocess = Preprocess.from_json(limits.preprocess)
    picture = open_picture(content, target=preprocess.decode_target, box=box, max_pixels=limits.max_pixels)
    look = look_of(picture, content, box=box)
    pixels = prepare(picture.pixels, preprocess)
    return {"look": {**asdict(look), "print": look.print.hex()}}, pixels.tobytes()


def _viewed(limits: Limits, content: bytes, box: Box | None, *, target: int) -> Message:
    shown = _within(open_image(content, target=target, box=box, max_pixels=limits.max_pixels))
    return {"shown": shown.shape}, _pixels(limits, content, box) + shown.tobytes()


def _within(pixels: Pixels) -> Pixels:
    height, width = pixels.shape[:2]
    if height * width <= SHOWN_PIXELS:
        return pixels
    scale = (SHOWN_PIXELS / (height * width)) ** 0.5
    size = max(2, round(width * scale)), max(2, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))


def _small(limits: Limits, content: bytes, box: Box | None, *, size: int, quality: int) -> bytes:
    image = Image.fromarray(open_image(content, target=size, box=box, max_pixels=limits.max_pixels))
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0, optimize=True)
    return buffer.getvalue()


def _bound(limits: Limits) -> None:
    """No more memory than the largest picture takes, and no copy of it on the disk after a crash."""
    with suppress(ImportError, OSError, ValueError):  # not on every system
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        most = pages * resource.getpagesize() + SPARE_BYTES + limits.max_pixels * BYTES_A_PIXEL
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _end_within(seconds: float) -> None:
    """Have the system end this process after so many seconds, inside of a decoder too; 0: never mind."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)


def serve(limits: Limits, requests: IO[bytes], answers: IO[bytes]) -> None:
    """Answer until the other side is gone."""
    write_message(answers, {"ready": True})
    while (message := read_message(requests)) is not None:
        _end_within(limits.seconds)
        answered = answer(limits, *message)
        _end_within(0)
        write_message(answers, *answered)


def main() -> None:
    """Serve on stdin and stdout; who started this process stops it, not a signal to all of them."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a decoder prints is no answer
    limits = Limits(**json.loads(sys.argv[1]))
    _bound(limits)
    with suppress(BrokenPipeError):
        serve(limits, sys.stdin.buffer, answers)


if __name__ == "__main__":
    main()
