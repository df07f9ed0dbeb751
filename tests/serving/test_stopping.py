"""Two workers that are told to stop while many ask: what was taken is answered whole, and nothing is left."""

from __future__ import annotations

import http.client
import itertools
import json
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from pictures import content
from scenes import scene
from served import (
    PATIENCE,
    Served,
    children,
    is_alive,
    painted_index,
    running,
    standing_still,
    status,
    until,
)

ASKERS = 6
ENOUGH = 4  # answers that each has before the server is told to stop
WAITING = 8  # questions that nobody has taken when it is told to


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("stopped"), tiny_folder)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def served(index: Path, log: Path) -> Iterator[Served]:
    with running(index, "--workers", "2", log=log) as found:
        yield found


class Asker:
    """Asks again and again, every other time by a new picture, until nobody takes the connection.

    Attributes:
        answers: status and code of each answer that was whole.
        faults: what became of a question that was taken and not answered to its end.
    """

    def __init__(self, address: str, *, number: int) -> None:
        self.answers: list[tuple[int, str]] = []
        self.faults: list[str] = []
        self._number, self._stays = number, number % 2 == 0  # or a connection for each question
        self._asking = http.client.HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            for turn in itertools.count():
                self._ask(turn)
        except ConnectionRefusedError:
            pass
        except (OSError, http.client.HTTPException) as error:
            self.faults.append(repr(error))
        finally:
            self._asking.close()

    def _ask(self, turn: int) -> None:
        try:
            self._asking.request("POST", "/v1/search", *question(1000 * self._number + turn))
            answer = self._asking.getresponse()
        except ConnectionResetError as error:
            if self._stays:
                raise
            raise ConnectionRefusedError from error  # the system had it, and no worker took it any more
        told = json.loads(answer.read())
        self.answers.append((answer.status, told.get("error", {}).get("code", "")))
        if not self._stays:
            self._asking.close()


def question(seed: int) -> tuple[bytes, dict[str, str]]:
    """The body and headers of a search: by a picture that is new to the index, or by an item."""
    if seed % 2 == 0:
        return b'{"query": [{"id": 1}]}', {"Content-Type": "application/json"}
    head = b'--x\r\nContent-Disposition: form-data; name="picture"\r\n\r\n'
    body = head + content(scene(seed, 24, 24), "PNG") + b"\r\n--x--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=x"}


def test_no_answer_is_cut_off_when_two_workers_stop_under_load(served: Served, log: Path) -> None:
    workers = children(served.process.pid)
    askers = [Asker(served.address, number=number) for number in range(ASKERS)]
    until(lambda: all(len(each.answers) >= ENOUGH or each.faults for each in askers))
    served.process.send_signal(signal.SIGTERM)
    for each in askers:
        each.join()
    assert served.end()[:2] == (0, "")
    assert [fault for each in askers for fault in each.faults] == []
    assert {answer for each in askers for answer in each.answers} <= {(200, ""), (503, "stopping")}
    assert len(workers) == 2
    assert not any(map(is_alive, workers))
    said = log.read_text()
    assert "Traceback" not in said
    assert " error " not in said


def test_questions_that_waited_to_be_taken_are_answered_by_workers_that_stop(served: Served) -> None:
    workers = children(served.process.pid)
    with standing_still(workers):
        asked = [ask(served.address) for _ in range(WAITING)]
        served.process.send_signal(signal.SIGTERM)
        until(lambda: all(map(is_told_to_end, workers)))
    for each in asked:
        with each, each.makefile("rb") as answer:
            assert answer.readline() == b"HTTP/1.1 200 OK\r\n"
    assert served.end()[:2] == (0, "")
    assert not any(map(is_alive, workers))


def ask(address: str) -> socket.socket:
    """Send a question, and do not wait for its answer."""
    place = urlsplit(address)
    sending = socket.create_connection((place.hostname, place.port), timeout=PATIENCE)
    sending.sendall(f"GET /v1/info HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode())
    return sending


def is_told_to_end(process: int) -> bool:
    """Whether a process that stands still will find SIGTERM when it goes on."""
    return bool(int(status(process, "ShdPnd"), 16) >> (signal.SIGTERM - 1) & 1)
