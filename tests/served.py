"""A small index that is served: in this process, or by the command as a user runs it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from starlette.testclient import TestClient

from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.serving.application import create_app
from lookalike.serving.desk import Desk
from lookalike.serving.settings import Settings
from lookalike.serving.worker import Server, configured
from painted import much_alike

LOCAL = "http://127.0.0.1:8000"
TOKEN = "0123456789abcdef-token"
PATIENCE = 60.0  # seconds; what is waited for comes in much less


def painted_index(place: Path, model: Path, *, things: int = 3) -> Path:
    """An index of some things, four pictures each, and a copy of the model, which a server may change."""
    table = much_alike(place / "painted", things=things)
    path, own = place / "painted.idx", place / "model"
    shutil.copytree(model, own)
    with Index.create(path, Model.load(own)) as index:
        index.update(table, source=place / "painted")
    return path


@contextmanager
def client(index: Path, **options: object) -> Iterator[TestClient]:
    """Ask a server in this process; faults are answers, as they are to others."""
    desk = Desk.open(Settings(index, **options))  # type: ignore[arg-type]
    try:
        app = create_app(desk)
        asking = TestClient(app, base_url=LOCAL, raise_server_exceptions=False, client=("127.0.0.1", 5000))
        with asking:
            yield asking
    finally:
        desk.close()


@contextmanager
def threaded(index: Path, **options: object) -> Iterator[str]:
    """The address of a server in a thread of this process."""
    desk = Desk.open(Settings(index, **options))  # type: ignore[arg-type]
    ready = threading.Event()
    server = Server(configured(desk), ready.set)
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        assert ready.wait(30)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
        desk.close()


@dataclass
class Served:
    """A server that runs, with the address that it printed."""

    process: subprocess.Popen[str]
    address: str

    def end(self) -> tuple[int, str, str]:
        """Wait for its end; exit code, the rest of stdout, and stderr."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextmanager
def running(index: Path, *options: str, log: Path | None = None) -> Iterator[Served]:
    """Run the command until the block ends.

    Args:
        log: where stderr goes, for servers that say much.
    """
    command = [sys.executable, "-m", "lookalike", "serve", str(index), *options]
    command += [] if "--port" in options else ["--port", "0"]
    with nullcontext(subprocess.PIPE) if log is None else log.open("w") as errors:
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            assert process.stdout is not None
            address = process.stdout.readline().strip()
            assert address, process.stderr.read() if process.stderr else "no address"
            yield Served(process, address)
        finally:
            process.kill()
            process.communicate()


def until(happened: Callable[[], bool]) -> None:
    """Wait for something that comes soon."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)


def children(process: int) -> list[int]:
    """The processes that a process has started, by their ids."""
    return list(map(int, Path(f"/proc/{process}/task/{process}/children").read_text().split()))


def is_alive(process: int) -> bool:
    """Whether there is such a process."""
    return Path(f"/proc/{process}").exists()


@contextmanager
def standing_still(processes: Sequence[int]) -> Iterator[None]:
    """Let some processes do nothing until the block ends."""
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        until(lambda: all(status(process, "State") == "T (stopped)" for process in processes))
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def status(process: int, name: str) -> str:
    """What the system knows of a process by a name."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{name}:"))
