"""What a server tells of itself: an id and a log line for each request, figures, and whether it is ready."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from lookalike.errors import StoreError
from lookalike.serving import observing
from lookalike.serving.observing import LOGGER, Metrics, start_logging
from served import client, painted_index


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("observed"), tiny_folder)


@pytest.fixture
def asking(index: Path) -> Iterator[TestClient]:
    with client(index) as found:
        yield found


@pytest.fixture
def written(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What the log says since it was last asked; loggers are as before afterwards."""
    before = [
        (logger, logger.handlers, logger.propagate, logger.level)
        for logger in map(logging.getLogger, (LOGGER, "uvicorn.error", "python_multipart"))
    ]
    yield lambda: capsys.readouterr().err
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


def values(page: str) -> dict[tuple[str, ...], float]:
    """Samples by their name and labels."""
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


# log


def test_a_line_of_json_for_each_request(asking: TestClient, written: Callable[[], str]) -> None:
    start_logging("json")
    asked = asking.get(
        "/v1/items?label=secret", headers={"X-Request-Id": "abc-1", "Authorization": "Bearer secret"}
    )
    (line,) = written().splitlines()
    told = json.loads(line)
    assert set(told) == {
        *("time", "level", "message", "request", "client", "method", "path", "status", "ms", "bytes"),
    }
    assert (told["method"], told["path"], told["status"]) == ("GET", "/v1/items", 200)
    assert told["bytes"] == len(asked.content)
    assert told["request"] == asked.headers["x-request-id"] == "abc-1"
    assert "secret" not in line


def test_a_line_of_text_cannot_be_broken(asking: TestClient, written: Callable[[], str]) -> None:
    start_logging("text")
    asking.get("/v1/a%0Ab%1b[2J", headers={"X-Request-Id": "no good id"})
    (line,) = written().splitlines()
    assert " info request request=" in line
    assert "no good id" not in line
    assert "\x1b" not in line
    assert "status=404" in line


def test_watches_are_not_logged_but_their_failures_are(
    asking: TestClient, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_logging("text")
    for path in ("/healthz", "/readyz", "/metrics", "/static/main.js", "/v1/thumb/1"):
        assert asking.get(path).status_code == 200
    assert written() == ""
    _break(monkeypatch)
    assert asking.get("/readyz").status_code == 503
    assert "path=/readyz status=503" in written()


def test_a_fault_is_logged_with_its_request(
    asking: TestClient, written: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_logging("json")

    def fault(_desk: object) -> object:
        raise RuntimeError("the inside")

    monkeypatch.setattr("lookalike.serving.routes_page._info", fault)
    answer = asking.get("/v1/info")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "fault"
    assert "the inside" not in answer.text
    first, second = map(json.loads, written().splitlines())
    assert "RuntimeError: the inside" in first["trace"]
    assert first["request"] == second["request"] == answer.headers["x-request-id"]
    assert second["status"] == 500


# health


def _break(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_index: object) -> int:
        raise StoreError("the index is gone", where="/srv/a.idx", saw="nothing", do="look")

    monkeypatch.setattr("lookalike.indexing.index.Index.__len__", broken)


def test_alive_and_ready(asking: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asking.get("/healthz").json() == {"status": "ok"}
    assert asking.get("/readyz").json() == {"status": "ready"}
    _break(monkeypatch)
    assert asking.get("/healthz").status_code == 200
    answer = asking.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "not_ready"
    assert "/srv" not in answer.text


# figures


def test_requests_are_counted_by_route_and_status(asking: TestClient) -> None:
    asking.get("/v1/info")
    asking.get("/v1/info")
    asking.get("/v1/info", headers={"Host": "evil.example"})
    asking.get("/nothing/here")
    asking.get("/nothing/there")
    asking.request("BREW", "/v1/info")
    page = asking.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain")
    found = values(page.text)
    assert found["lookalike_requests_total", "GET", "/v1/info", "200"] == 2
    assert found["lookalike_requests_total", "GET", "other", "403"] == 1
    assert found["lookalike_requests_total", "GET", "other", "404"] == 2
    assert found["lookalike_requests_total", "other", "/v1/info", "405"] == 1
    assert found["lookalike_request_seconds_count", "/v1/info"] == 3
    assert found["lookalike_items",] == 12


def test_the_parts_count_too() -> None:
    metrics = Metrics(items=lambda: 7)
    metrics.waiting(3)
    metrics.batch(1)
    metrics.batch(40)
    metrics.undecoded("truncated")
    content, kind = metrics.page()
    found = values(content.decode())
    assert kind.startswith("text/plain")
    assert found["lookalike_items",] == 7
    assert found["lookalike_queue_length",] == 3
    assert (found["lookalike_batch_size_count",], found["lookalike_batch_size_sum",]) == (2, 41)
    assert found["lookalike_batch_size_bucket", "32.0"] == 1
    assert found["lookalike_decode_failures_total", "truncated"] == 1


def test_several_processes_count_together(tmp_path: Path) -> None:
    code = (
        "import sys; from lookalike.serving.observing import Metrics\n"
        "metrics = Metrics(items=lambda: 5)\n"
        "metrics.answered('/a', 'GET', 200, 0.1); metrics.waiting(2)\n"
        "sys.stdout.write(metrics.page()[0].decode())"
    )
    own = {**os.environ, observing.SHARED_FOLDER: str(tmp_path)}
    run = [sys.executable, "-W", "error", "-c", code]
    pages = [
        subprocess.run(run, env=own, capture_output=True, text=True, check=True).stdout for _ in range(3)
    ]
    counts = [values(page)["lookalike_requests_total", "GET", "/a", "200"] for page in pages]
    assert counts == [1, 2, 3]
    assert values(pages[-1])["lookalike_items",] == 5
