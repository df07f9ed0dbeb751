"""Pictures are decoded in processes of their own, which may be killed: files enter, pixels or JPEGs leave.

A picture that takes too long, or ends its process, is an ImageError like any other that cannot be used, and
another process takes the place of the one that is gone. What is done with pixels is decided elsewhere; files
are read where they are named by a path, and never written.
"""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np

from lookalike.errors import ImageError, SkipReason
from lookalike.models.explanation import SHOWN
from lookalike.pictures.preprocess import Preprocess
from lookalike.records import Box, Look, Pixels
from lookalike.serving.decoder import Limits, Message, read_message, write_message
from lookalike.serving.problems import Problem
from lookalike.serving.settings import Settings

START_SECONDS = 60.0  # for a process to come up on a machine that is busy
PATIENCE = 3.0  # times the limit of one picture, that is waited for a process to be free
_LATER = 2.0  # times the limit, after which a process whose starter is gone ends itself
_ENVIRONMENT = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A picture as a model takes it.

    Attributes:
        pixels: [size, size, 3] uint8.
        look: what it is at a glance.
    """

    pixels: Pixels
    look: Look


class Decoders:
    """Some processes that decode, each one picture at a time; safe to use from several threads.

    Processes start when they are first needed, or with `warm`.

    Attributes:
        failures: how many pictures took too long or ended their process.
    """

    def __init__(self, preprocess: Preprocess, settings: Settings, *, count: int | None = None) -> None:
        self.failures = 0
        self._size = preprocess.size
        self._seconds = settings.decode_seconds
        self._limits = Limits(preprocess.to_json(), settings.max_pixels, _LATER * settings.decode_seconds)
        self._workers = [_Worker(self._limits) for _ in range(count or os.cpu_count() or 1)]
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            self._free.put(worker)

    @property
    def processes(self) -> tuple[int, ...]:
        """The ids of the processes that run."""
        return tuple(worker.process for worker in self._workers if worker.process is not None)

    def warm(self) -> None:
        """Start all processes, without waiting for them to come up."""
        for worker in self._workers:
            worker.start()

    def pixels(self, source: bytes | Path, *, name: str = "", box: Box | None = None) -> Pixels:
        """Decode a picture for the model: [size, size, 3] uint8; arguments and errors as of `prepared`."""
        return self._pixels(self._ask({"do": "pixels"}, source, name=name, box=box)[1])

    def prepared(self, source: bytes | Path, *, name: str = "", box: Box | None = None) -> Prepared:
        """Decode a picture for the model, and look at it.

        Args:
            source: the content of a file, or a file.
            name: what it is called in an error.
            box: the part to look at.

        Raises:
            ImageError: the picture cannot be used, takes too long, or ended the decoder.
            Problem: no decoder became free.
        """
        header, body = self._ask({"do": "prepare"}, source, name=name, box=box)
        look = {**header["look"], "print": bytes.fromhex(header["look"]["print"])}
        return Prepared(self._pixels(body), Look(**look))

    def viewed(
        self, source: bytes | Path, *, name: str = "", box: Box | None = None
    ) -> tuple[Pixels, Pixels]:
        """Decode a picture to be drawn, [h, w, 3], and for the model, [size, size, 3]; errors as above."""
        header, body = self._ask({"do": "view", "size": SHOWN}, source, name=name, box=box)
        height, width, _ = header["shown"]
        start = 3 * self._size**2
        shown = np.frombuffer(body, np.uint8, offset=start).reshape(height, width, 3)
        return shown, self._pixels(body[:start])

    def small(self, source: bytes | Path, size: int, *, name: str = "", box: Box | None = None) -> bytes:
        """A picture as JPEG, at most `size` pixels wide and high, never enlarged; errors as above."""
        from lookalike.presenting.thumbnails import JPEG_QUALITY  # not above: it loads what draws plots

        asked = {"do": "small", "size": size, "quality": JPEG_QUALITY}
        return self._ask(asked, source, name=name, box=box)[1]

    def close(self) -> None:
        """End all processes, those that are at work too."""
        for worker in self._workers:
            worker.close()

    def _pixels(self, body: bytes) -> Pixels:
        return np.frombuffer(body, np.uint8).reshape(self._size, self._size, 3)

    def _ask(self, asked: Mapping[str, Any], source: bytes | Path, *, name: str, box: Box | None) -> Message:
        body = b"" if isinstance(source, Path) else source
        header = {**asked, "path": str(source) if isinstance(source, Path) else None, "box": box}
        name = name or header["path"] or f"a picture of {len(body):,} bytes"
        with self._worker() as worker:
            answered, was_late = worker.ask(header, body, seconds=self._seconds), worker.was_late
        if isinstance(answered, str):
            self.failures += 1
            raise _unusable(answered, where=name, late=was_late, seconds=self._seconds)
        if "reason" in answered[0]:
            beats = {key: answered[0][key] for key in ("what", "saw", "wanted", "do")}
            raise ImageError(reason=SkipReason(answered[0]["reason"]), where=name, **beats)
        return answered

    @contextmanager
    def _worker(self) -> Iterator[_Worker]:
        try:
            worker = self._free.get(timeout=PATIENCE * self._seconds)
        except queue.Empty:
            raise Problem(
                503,
                "busy",
                "All decoders of pictures are at work.",
                "Ask again in a few seconds.",
                headers={"Retry-After": "5"},
            ) from None
        try:
            yield worker
        finally:
            self._free.put(worker)


class _Worker:
    """A place for one process after the other; used by one thread at a time, closed by any.

    Attributes:
        was_late: whether the last picture took too long.
    """

    def __init__(self, limits: Limits) -> None:
        self.was_late = False
        self._command = [sys.executable, "-P", "-m", "lookalike.serving.decoder", limits.to_json()]
        self._process: _Process | None = None
        self._is_closed = False
        self._lock = threading.Lock()

    @property
    def process(self) -> int | None:
        """The id of the process of the moment."""
        return self._process.id if self._process is not None and self._process.is_running else None

    def start(self) -> _Process | None:
        """Have a process; None once it was closed."""
        with self._lock:
            if self._is_closed:
                return None
            if self._process is None or not self._process.is_running:
                if self._process is not None:
                    self._process.end()
                self._process = _Process(self._command)
            return self._process

    def ask(self, header: Mapping[str, Any], body: bytes, *, seconds: float) -> Message | str:
        """What the process answers, or how it ended."""
        process = self.start()
        if process is None:
            return "the server stops"
        if not process.is_ready:
            with process.ended_after(START_SECONDS):
                process.wait_until_ready()
        with process.ended_after(seconds):
            answered = process.ask(header, body)
        self.was_late = process.was_late
        return answered if answered is not None else process.end()

    def close(self) -> None:
        """End the process, and start no other."""
        with self._lock:
            self._is_closed = True
            if self._process is not None:
                self._process.end()


class _Process:
    """A process that decodes.

    Attributes:
        was_late: whether it was killed because it took too long.
        is_ready: whether it came up.
    """

    def __init__(self, command: Sequence[str]) -> None:
        self.was_late = False
        self.is_ready = False
        self._process = subprocess.Popen(  # noqa: S603 - no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_ENVIRONMENT},
        )

    @property
    def id(self) -> int:
        """The system's number of it."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether it did not end."""
        return self._process.poll() is None

    def wait_until_ready(self) -> None:
        """Wait for it to come up."""
        self.is_ready = self._told() is not None

    def ask(self, header: Mapping[str, Any], body: bytes) -> Message | None:
        """What it answers; None where it ended."""
        try:
            write_message(cast("IO[bytes]", self._process.stdin), header, body)
        except (OSError, ValueError):  # it is gone, or was closed meanwhile
            return None
        return self._told()

    @contextmanager
    def ended_after(self, seconds: float) -> Iterator[None]:
        """It is killed where it is still asked after so long, which ends every wait for it."""
        first = threading.Lock()  # for who comes first: the answer, or the end

        def end() -> None:
            if first.acquire(blocking=False):
                self.was_late = True
                self._process.kill()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            first.acquire(blocking=False)
            timer.cancel()

    def end(self) -> str:
        """End it, and say how it ended."""
        self._process.kill()
        code = self._process.wait()
        for file in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not sent yet cannot be
                cast("IO[bytes]", file).close()
        return f"the decoder ended with {signal.Signals(-code).name if code < 0 else f'code {code}'}"

    def _told(self) -> Message | None:
        try:
            return read_message(cast("IO[bytes]", self._process.stdout))
        except (OSError, ValueError):  # closed meanwhile
            return None


def _unusable(ended: str, *, where: str, late: bool, seconds: float) -> ImageError:
    if late:
        return ImageError(
            "the picture takes too long to decode",
            reason=SkipReason.TOO_LARGE,
            where=where,
            saw=f"more than {seconds:g} seconds",
            do="scale it down, or save it in another format",
        )
    return ImageError(
        "the picture cannot be used",
        reason=SkipReason.UNREADABLE,
        where=where,
        saw=ended,
        do="save it again in another format",
    )
