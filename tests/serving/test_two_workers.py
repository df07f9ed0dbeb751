"""Two workers behind one address: each knows what was saved elsewhere, and one of them may be killed."""

from __future__ import annotations

import json
import os
import signal
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from commands import Run
from lookalike.models.model import Model
from served import PATIENCE, Served, children, painted_index, running, standing_still, until


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("two"), tiny_folder)


@pytest.fixture(scope="module")
def served(index: Path) -> Iterator[Served]:
    with running(index, "--workers", "2", "--writable", log=index.with_name("log")) as found:
        yield found


def ask(served: Served, path: str, ask: dict[str, Any] | None = None, *, method: str = "POST") -> Any:
    """The answer to a question that is asked over a connection of its own."""
    body = None if ask is None else json.dumps(ask).encode()
    request = urllib.request.Request(
        f"{served.address}{path}",
        data=body,
        method="GET" if ask is None else method,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


@contextmanager
def alone(served: Served, worker: int) -> Iterator[None]:
    """Let one worker take all questions: the others stand still."""
    with standing_still([other for other in children(served.process.pid) if other != worker]):
        yield


def thresholds(served: Served) -> dict[str, float]:
    found = ask(served, "v1/info")["thresholds"]
    return {name: threshold["similarity"] for name, threshold in found.items()}


def judged_by(served: Served) -> float | None:
    """The similarity from which on the answers of a search match."""
    found: float | None = ask(served, "v1/search", {"query": [{"id": 1}]})["threshold"]
    return found


@pytest.mark.parametrize(("saver", "similarity"), [(0, 0.61), (1, 0.62)], ids=["first", "second"])
def test_a_threshold_that_one_worker_saved_holds_for_both(
    served: Served, saver: int, similarity: float
) -> None:
    workers = children(served.process.pid)
    assert len(workers) == 2
    for worker in workers:
        with alone(served, worker):
            assert judged_by(served) != similarity
    with alone(served, workers[saver]):
        ask(served, "v1/thresholds/default", {"similarity": similarity}, method="PUT")
    for worker in workers:
        with alone(served, worker):
            until(lambda: judged_by(served) == similarity)
            pair = {"a": {"id": 1}, "b": {"id": 5}}
            assert ask(served, "v1/match", pair)["threshold"]["similarity"] == similarity
            assert thresholds(served)["default"] == similarity


def test_a_threshold_that_a_command_made_holds_for_both(served: Served, index: Path, run: Run) -> None:
    model = index.with_name("model")
    workers = children(served.process.pid)
    for worker in workers:
        with alone(served, worker):
            assert "strict" not in thresholds(served)
    assert run("calibrate", model, index.with_name("painted"), "--name", "strict")[0] == 0
    made = Model.load(model).require_threshold("strict").similarity
    for worker in workers:
        with alone(served, worker):
            until(lambda: thresholds(served).get("strict") == made)
            asked = {"query": [{"id": 1}], "threshold": "strict"}
            assert ask(served, "v1/search", asked)["threshold"] == made


def test_one_worker_answers_while_the_other_is_replaced(served: Served) -> None:
    killed, other = children(served.process.pid)
    os.kill(killed, signal.SIGKILL)

    def is_replaced() -> bool:
        assert ask(served, "healthz") == {"status": "ok"}
        assert len(ask(served, "v1/search", {"query": [{"id": 1}]})["hits"]) == 10
        now = set(children(served.process.pid))
        assert other in now
        return len(now - {killed, other}) == 1

    until(is_replaced)
    (new,) = set(children(served.process.pid)) - {other}
    with alone(served, new):
        assert ask(served, "healthz") == {"status": "ok"}
        assert ask(served, "v1/info")["items"] == 12
