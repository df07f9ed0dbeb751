"""A client that goes away while its question waits: nobody begins to answer it, and others are answered."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from prometheus_client.parser import text_string_to_metric_families

from lookalike.models.model import Model
from lookalike.serving.decoding import Decoders
from lookalike.serving.following import Follower
from pictures import content
from scenes import scene
from served import PATIENCE, painted_index, threaded, until

FIRST, GONE, LAST = 1, 2, 3  # who asks; also seeds of pictures, and ids of items
STAGES = {
    "decoding": (Decoders, "pixels"),
    "embedding": (Model, "embed_pixels"),
    "searching": (Follower, "follow"),  # the first thing that is done there
}
WAYS = ("search", "match", "embed", "identify")


@dataclass
class Gate:
    """Stands before a function: whoever comes waits until it is opened.

    Attributes:
        begun: how often the function was begun.
        is_open: let them pass.
    """

    begun: int = 0
    is_open: threading.Event = field(default_factory=threading.Event)

    def before(self, function: Any) -> Any:
        def gated(*arguments: Any, **options: Any) -> Any:
            self.begun += 1
            assert self.is_open.wait(PATIENCE)
            return function(*arguments, **options)

        return gated


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("waiting"), tiny_folder)


@pytest.fixture
def gate(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """Before the stage that the test names; one thread works at each."""
    made, (place, name) = Gate(), STAGES[request.param]
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    monkeypatch.setattr(place, name, made.before(getattr(place, name)))
    yield made
    made.is_open.set()


@pytest.fixture
def asking(index: Path, gate: Gate) -> Iterator[Asking]:
    with threaded(index) as address, ThreadPoolExecutor() as others:
        yield Asking(address, others)
        gate.is_open.set()


@dataclass
class Asking:
    """Questions to a server."""

    address: str
    others: ThreadPoolExecutor

    def begin(self, way: str, body: bytes, kind: str) -> http.client.HTTPConnection:
        """Send a question and do not wait for its answer."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=PATIENCE)
        connection.request("POST", f"/v1/{way}", body, {"Content-Type": kind})
        return connection

    def later(self, way: str, body: bytes, kind: str) -> Future[int]:
        """The status of an answer that comes in time."""

        def status() -> int:
            connection = self.begin(way, body, kind)
            answer = connection.getresponse()
            answer.read()
            connection.close()
            return answer.status

        return self.others.submit(status)

    def figure(self, name: str, **labels: str) -> float:
        """What the server counts by a name."""
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=PATIENCE)
        connection.request("GET", "/metrics")
        page = connection.getresponse().read().decode()
        connection.close()
        samples = (sample for family in text_string_to_metric_families(page) for sample in family.samples)
        return sum(
            each.value for each in samples if each.name == name and labels.items() <= each.labels.items()
        )


def picture(seed: int, *, way: str = "search") -> tuple[bytes, str]:
    """The body of a question by pictures that the index does not know, and its type."""
    part = b'--x\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n%b\r\n'
    seeds = (seed, seed + 100) if way == "match" else (seed,)
    parts = [part % content(scene(each, 24, 24), "PNG") for each in seeds]
    return b"".join(parts) + b"--x--\r\n", "multipart/form-data; boundary=x"


def item(number: int) -> tuple[bytes, str]:
    return b'{"query": [{"id": %d}]}' % number, "application/json"


def leave_while_waiting(asking: Asking, way: str, question: tuple[bytes, str]) -> None:
    """Ask behind somebody else, go away, and see that the server has noticed."""
    connection = asking.begin(way, *question)
    until(lambda: asking.figure("lookalike_queue_length") > 0)
    connection.close()
    until(lambda: asking.figure("lookalike_requests_total", route=f"/v1/{way}", status="499") == 1)


@pytest.mark.parametrize(
    ("gate", "asked"), [*((stage, picture) for stage in STAGES), ("searching", item)], indirect=["gate"]
)
def test_what_nobody_waits_for_goes_no_further(
    asking: Asking, gate: Gate, asked: Callable[[int], tuple[bytes, str]]
) -> None:
    first = asking.later("search", *asked(FIRST))
    until(lambda: gate.begun == 1)
    leave_while_waiting(asking, "search", asked(GONE))
    gate.is_open.set()
    assert first.result(PATIENCE) == 200
    assert asking.later("search", *asked(LAST)).result(PATIENCE) == 200
    assert gate.begun == 2


@pytest.mark.parametrize("gate", ["decoding"], indirect=True)
@pytest.mark.parametrize("way", WAYS)
def test_no_way_of_asking_works_for_who_went_away(asking: Asking, gate: Gate, way: str) -> None:
    first = asking.later("embed", *picture(FIRST))
    until(lambda: gate.begun == 1)
    leave_while_waiting(asking, way, picture(GONE, way=way))
    gate.is_open.set()
    assert first.result(PATIENCE) == 200
    assert asking.later("embed", *picture(LAST)).result(PATIENCE) == 200
    assert gate.begun == 2


@pytest.mark.parametrize("gate", ["embedding"], indirect=True)
def test_others_are_answered_while_one_waits(asking: Asking, gate: Gate) -> None:
    slow = asking.later("search", *picture(FIRST))
    until(lambda: gate.begun == 1)
    assert asking.later("search", *item(LAST)).result(PATIENCE) == 200
    assert not slow.done()
    gate.is_open.set()
    assert slow.result(PATIENCE) == 200
