"""What blocks holds few threads: others are answered meanwhile, and a client that leaves frees none early."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from lookalike.serving import routes_adding
from lookalike.serving.adding import Adding
from served import painted_index, threaded

PATIENCE = 20.0  # seconds; what is waited for comes in much less
MANY = 60  # more than there are threads for requests


class Held:
    """Work that does not end until it is let go, and how much of it ran at once."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.running = self.most = self.begun = 0
        self._lock = threading.Lock()

    def work(self, *_: object, **__: object) -> bool:
        with self._lock:
            self.begun += 1
            self.running += 1
            self.most = max(self.most, self.running)
        self.go.wait(PATIENCE)
        with self._lock:
            self.running -= 1
        return False


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def index(tiny_folder: Path, tmp_path: Path) -> Path:
    return painted_index(tmp_path, tiny_folder, things=1)


def until(true: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def status_of(address: str, *, method: str = "GET") -> int:
    try:
        with urlopen(Request(address, method=method), timeout=PATIENCE) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def counted(address: str, line: str) -> bool:
    with urlopen(f"{address}/metrics", timeout=PATIENCE) as answer:
        return line in answer.read().decode("utf-8").splitlines()


def leave(address: str, content: bytes) -> None:
    """Send a picture and go away without waiting for an answer."""
    host, _, port = address.removeprefix("http://").partition(":")
    body = (
        b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n%b\r\n--x--\r\n'
        % content
    )
    head = (
        f"POST /v1/items HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as sent:
        sent.sendall(head.encode("ascii") + body)


def test_a_server_is_ready_while_removals_wait(
    index: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Adding, "remove", held.work)
    with threaded(index, writable=True) as address, ThreadPoolExecutor(MANY) as clients:
        waiting = [clients.submit(status_of, f"{address}/v1/items/1", method="DELETE") for _ in range(MANY)]
        until(lambda: held.running == routes_adding._AT_ONCE)
        try:
            assert status_of(f"{address}/readyz") == 200
            assert status_of(f"{address}/v1/items/999999") == 404
            assert not any(each.done() for each in waiting)
        finally:
            held.go.set()
        assert {each.result() for each in waiting} == {404}


def test_a_client_that_leaves_frees_no_thread_that_still_works(
    index: Path, held: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Adding, "add", held.work)
    most = routes_adding._AT_ONCE
    with threaded(index, writable=True) as address:
        try:
            for _ in range(most):
                leave(address, b"any")
            gone = f'lookalike_requests_total{{method="POST",route="/v1/items",status="499"}} {most}.0'
            until(lambda: counted(address, gone))
            until(lambda: held.begun == most)
            leave(address, b"one more")
            until(lambda: counted(address, gone.replace(f"{most}.0", f"{most + 1}.0")))
            assert held.begun == held.most == most
        finally:
            held.go.set()
