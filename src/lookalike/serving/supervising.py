"""Several processes that answer at one address: started together, replaced when one dies, stopped gracefully.

Settings and a listening socket enter; this process only watches. Each of the others opens the index itself.
"""

from __future__ import annotations

import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from lookalike.errors import LookalikeError
from lookalike.indexing.made_by import find_model
from lookalike.indexing.store import Store
from lookalike.serving.observing import LOGGER, SHARED_FOLDER, start_logging
from lookalike.serving.settings import Settings
from lookalike.serving.worker import GRACE_SECONDS, REPORT, SETTINGS, SOCKET, started

LOOK_SECONDS = 0.1  # between two looks at the processes
PIECE = 65_536  # bytes of a report read at once
SHORT_LIFE = 5.0  # seconds; one that dies sooner is not replaced at once
KILL_AFTER = GRACE_SECONDS + 15  # work in the background is given up, too

_log = logging.getLogger(LOGGER)


class Worker:
    """A process that answers, from outside."""

    def __init__(self, settings: Settings, listening: socket.socket, counts: Path) -> None:
        self.begun = time.monotonic()
        self._report, told = os.pipe()
        number = listening.fileno()
        own = {
            SETTINGS: settings.to_json(),
            SOCKET: str(number),
            REPORT: str(told),
            SHARED_FOLDER: str(counts),
        }
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "lookalike.serving.worker"],
                env={**os.environ, **own},
                stdin=subprocess.PIPE,  # never written: its end tells the worker that nobody watches any more
                pass_fds=(number, told),
                start_new_session=True,  # Ctrl-C comes to this process alone
            )
        finally:
            os.close(told)

    @property
    def ended(self) -> bool:
        """Whether it does not run any more."""
        return self.process.poll() is not None

    def wait_until_ready(self, stop: threading.Event) -> None:
        """Wait until it answers requests, or somebody wishes to end.

        Raises:
            LookalikeError: it cannot.
        """
        told = b""
        while not told.endswith(b"\n") and not stop.is_set():
            if select.select([self._report], [], [], LOOK_SECONDS)[0]:
                piece = os.read(self._report, PIECE)
                if not piece:
                    break
                told += piece
        values = json.loads(told) if told else {}
        if "error" in values:
            beats = values["error"]
            raise LookalikeError(beats.pop("what"), **beats)
        if not values and not stop.is_set():
            raise _died(self.process.wait())

    def last_words(self) -> str:
        """What it said of its end, where it knew; only for one that ended."""
        said = os.read(self._report, PIECE).decode("utf-8").splitlines()
        error = json.loads(said[-1]).get("error", {}) if said else {}
        return f"{error['what']} - {error['where']} - saw {error['saw']}" if error else ""

    def end(self) -> None:
        """Ask it to end."""
        if not self.ended:
            self.process.terminate()

    def wait(self, until: float) -> None:
        """Wait for its end, at the latest until a moment; then it is made to."""
        try:
            self.process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.close()

    def close(self) -> None:
        """Let go of the pipes to it."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
            os.close(self._report)


def supervise(settings: Settings, listening: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serve by several processes until somebody asks to end; arguments and errors as of `worker.answer`."""
    start_logging(settings.log)
    count = _have_model(settings)
    with _wish_to_end() as stop, tempfile.TemporaryDirectory(prefix="lookalike-counts-") as counts:
        workers: list[Worker] = []
        try:
            for _ in range(settings.workers):
                workers.append(Worker(settings, listening, Path(counts)))
            for worker in workers:
                worker.wait_until_ready(stop)
            if not stop.is_set():
                ready()
                _log.info(started(settings, count))
            while not stop.wait(LOOK_SECONDS):
                for place, worker in enumerate(workers):
                    if worker.ended:
                        workers[place] = _replaced(worker, settings, listening, Path(counts), stop)
        finally:
            listening.close()  # what came until now waits for the workers, which take it before they end
            _end_all(workers)


def _have_model(settings: Settings) -> int:
    """See that there is the index's model before several processes look for it at once; how many pictures."""
    with closing(Store(settings.index)) as store:
        find_model(store, say=_log.info)
        return store.size()


def _replaced(
    worker: Worker, settings: Settings, listening: socket.socket, counts: Path, stop: threading.Event
) -> Worker:
    from prometheus_client import multiprocess

    _log.error("a worker ended by itself; another one starts", extra={"values": _end_of(worker)})
    multiprocess.mark_process_dead(worker.process.pid, str(counts))  # type: ignore[no-untyped-call]
    worker.close()
    stop.wait(max(0.0, worker.begun + SHORT_LIFE - time.monotonic()))
    return worker if stop.is_set() else Worker(settings, listening, counts)


def _end_of(worker: Worker) -> dict[str, object]:
    return {"process": worker.process.pid, "exit": worker.process.returncode, "said": worker.last_words()}


def _end_all(workers: list[Worker]) -> None:
    for worker in workers:
        worker.end()
    until = time.monotonic() + KILL_AFTER
    for worker in workers:
        worker.wait(until)


@contextmanager
def _wish_to_end() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set, within."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _died(code: int) -> LookalikeError:
    return LookalikeError(
        "a worker process ended before it answered",
        where="lookalike serve --workers",
        saw=f"exit code {code}",
        do="see the lines above; or try without --workers",
    )
