"""A model that left the cache is made again when an index is asked or served, and who waits is told."""

from __future__ import annotations

import json
import logging
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from commands import Run
from lookalike.errors import LookalikeError, StoreError
from lookalike.indexing.index import Index
from lookalike.indexing.ready import open_ready
from lookalike.models import model as models
from lookalike.models.model import GRAPH, Model, fingerprint_of, write_facts
from lookalike.serving import supervising, worker
from lookalike.serving.observing import LOGGER
from lookalike.serving.settings import Settings
from painted import much_alike

MAKING = "Making the untrained efficientnet_lite0 once, for all later runs"


@pytest.fixture(autouse=True)
def _log_of_before() -> Iterator[None]:
    """A server logs to the stderr of its test, which is closed afterwards."""
    loggers = [logging.getLogger(name) for name in (LOGGER, "uvicorn.error", "python_multipart")]
    before = [(logger, logger.handlers, logger.propagate, logger.level) for logger in loggers]
    yield
    for logger, handlers, propagate, level in before:
        logger.handlers, logger.propagate = handlers, propagate
        logger.setLevel(level)


@pytest.fixture
def index(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An index of the default model, which is not in the cache any more."""
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))

    def make(_spec: object, folder: Path) -> None:
        shutil.copytree(tiny.folder, folder)

    monkeypatch.setattr(models, "_make_untrained", make)
    path, table = tmp_path / "a.idx", much_alike(tmp_path / "pictures", things=2)
    with Index.create(path, Model.load("default")) as made:
        made.update(table, source=tmp_path / "pictures")
    shutil.rmtree(tmp_path / "cache")
    return path


def test_it_is_told_once(index: Path) -> None:
    told: list[str] = []
    for _ in range(2):
        with open_ready(index, say=told.append) as opened:
            assert len(opened) == 8
            assert opened.model.folder.is_dir()
    (line,) = told
    assert line.startswith(MAKING)


def test_an_index_whose_model_is_not_found_is_closed(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_spec: object, _folder: Path) -> None:
        raise LookalikeError("no weights", where="here", saw="nothing", do="wait")

    monkeypatch.setattr(models, "_make_untrained", fail)
    closed: list[Path] = []
    monkeypatch.setattr("lookalike.indexing.store.Store.close", lambda store: closed.append(store.path))
    with pytest.raises(LookalikeError, match="no weights"):
        open_ready(index)
    assert closed == [index]


@pytest.mark.parametrize("command", ["search", "identify"])
def test_commands_tell_it_on_stderr(index: Path, run: Run, command: str) -> None:
    picture = index.with_name("pictures") / "thing00" / "0.png"
    _, out, err = run(command, index, picture, "--json")
    assert MAKING in err
    assert MAKING not in out
    assert MAKING not in run(command, index, picture)[2]


def answered(settings: Settings, listening: socket.socket) -> None:
    """One process that answers, and ends as soon as it could."""

    class Ended(worker.Server):
        def run(self, sockets: list[socket.socket] | None = None) -> None:
            assert sockets == [listening]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "Server", Ended)
        worker.answer(settings, listening, ready=lambda: None)


def supervised(settings: Settings, listening: socket.socket) -> None:
    """Two processes, of which not even the first is started."""

    def no_worker(*_: object) -> None:
        raise InterruptedError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervising, "Worker", no_worker)
        with pytest.raises(InterruptedError):
            supervising.supervise(settings, listening, ready=lambda: None)


@pytest.mark.parametrize("serve", [answered, supervised], ids=["one", "two"])
@pytest.mark.parametrize("log", ["text", "json"])
def test_a_server_tells_it_in_its_log(
    index: Path, capfd: pytest.CaptureFixture[str], serve: Callable[..., None], log: Any
) -> None:
    for times in (1, 0):
        with socket.create_server(("127.0.0.1", 0)) as listening:
            serve(Settings(index, log=log), listening)
        out, err = capfd.readouterr()
        assert out == ""
        assert err.count(MAKING) == times
        if times and log == "json":
            assert json.loads(err)["message"].startswith(MAKING)


def test_a_model_that_only_the_worker_finds_broken_is_told(
    tiny: Model, tmp_path: Path, capfd: pytest.CaptureFixture[str], run: Run
) -> None:
    (tiny.folder / GRAPH).write_bytes(b"no graph at all")
    broken = fingerprint_of(tiny.folder / GRAPH, tiny.facts["preprocess"])
    write_facts(tiny.folder, {**tiny.facts, "fingerprint": broken})
    path = tmp_path / "a.idx"
    Index.create(path, Model.load(tiny.folder)).close()
    code, out, err = run("serve", path, "--port", "0", "--workers", "2")
    assert (code, out) == (2, "")
    assert "error: onnxruntime cannot open the graph" in err


def test_a_missing_index_starts_no_worker(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.raises(StoreError, match=r"no\.idx"):
        supervising.supervise(Settings(tmp_path / "no.idx"), listening, ready=lambda: None)
