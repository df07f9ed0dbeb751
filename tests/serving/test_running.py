"""The command serve as a user runs it: a line when ready, a graceful end, and what keeps it from starting."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import signal
import socket
import time
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from lookalike.cli import app
from lookalike.errors import MissingExtraError
from lookalike.indexing.index import Index
from lookalike.serving import running as running_module
from lookalike.serving.running import address_of, serve
from lookalike.serving.settings import Settings
from lookalike.serving.supervising import Worker
from lookalike.serving.worker import started
from lookalike.tables.table import ImageTable
from painted import paint
from served import PATIENCE, TOKEN, children, is_alive, painted_index, running, until


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("run"), tiny_folder)


def get(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"{address}{path}", timeout=PATIENCE) as answer:
        text = answer.read().decode()
    return json.loads(text) if text.startswith("{") else text


def found(address: str, picture: bytes) -> list[str]:
    """The names of the pictures most alike to an upload, its own copies among them."""
    part = b'--x\r\nContent-Disposition: form-data; name="%b"\r\n\r\n%b\r\n'
    body = part % (b"picture", picture) + part % (b"ask", b'{"copies": true}') + b"--x--\r\n"
    request = urllib.request.Request(
        f"{address}v1/search", data=body, headers={"Content-Type": "multipart/form-data; boundary=x"}
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return [hit["name"] for hit in json.load(answer)["hits"]]


def half_asked(address: str) -> tuple[socket.socket, bytes]:
    """A request that is being sent, and what is still missing of it."""
    place = urlsplit(address)
    body = json.dumps({"token": "x" * 50}).encode()
    sending = socket.create_connection((place.hostname, place.port), timeout=PATIENCE)
    head = f"POST /v1/session HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: {len(body)}\r\n"
    sending.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode() + body[:10])
    return sending, body[10:]


def test_it_says_one_line_when_ready_and_ends_when_running_requests_are_answered(index: Path) -> None:
    with running(index, "--log", "json") as served:
        assert served.address.startswith("http://127.0.0.1:")
        assert get(served.address, "v1/info")["items"] == 12
        sending, rest = half_asked(served.address)
        get(served.address, "healthz")  # by then the half request has come
        served.process.send_signal(signal.SIGTERM)
        until(lambda: not accepts(served.address))
        assert served.process.poll() is None
        sending.sendall(rest)
        assert sending.recv(100).startswith(b"HTTP/1.1 204")
        sending.close()
        code, out, err = served.end()
    assert (code, out) == (0, "")
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["path"] for line in lines if line["message"] == "request"] == ["/v1/info", "/v1/session"]
    assert not [line for line in lines if line["level"] not in ("info", "warning")]
    assert "12 pictures, read-only; Ctrl-C ends the server" in [line["message"] for line in lines]


def accepts(address: str) -> bool:
    place = urlsplit(address)
    try:
        socket.create_connection((place.hostname, place.port), timeout=1).close()
    except OSError:
        return False
    return True


def test_ctrl_c_ends_it_well(index: Path) -> None:
    with running(index, "--token", TOKEN) as served:
        assert served.address.endswith(f"/#token={TOKEN}")
        served.process.send_signal(signal.SIGINT)
        code, out, err = served.end()
    assert (code, out) == (0, "")
    assert "Traceback" not in err


def test_what_a_writer_adds_meanwhile_is_found(index: Path, tiny_folder: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.idx"
    shutil.copy(index, own)
    colours = np.random.default_rng(9).integers(0, 256, 48)
    paint(tmp_path / "more", "new", colours, noise=0, seed=0)
    with running(own) as served:
        assert get(served.address, "v1/info")["items"] == 12
        with Index.open(own) as writing:
            writing.update(ImageTable.read(tmp_path / "more"), source=tmp_path / "more")
        assert get(served.address, "v1/info")["items"] == 13
        assert found(served.address, (tmp_path / "more" / "new.png").read_bytes())[0] == "more/new.png"


def test_several_workers_count_together_and_are_replaced(index: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running(index, "--workers", "2", log=log) as served:
        for _ in range(6):
            assert get(served.address, "v1/info")["items"] == 12
        assert 'lookalike_requests_total{method="GET",route="/v1/info",status="200"} 6.0' in get(
            served.address, "metrics"
        )
        first = children(served.process.pid)
        assert len(first) == 2
        os.kill(first[0], signal.SIGKILL)
        until(lambda: len(set(children(served.process.pid)) - set(first)) == 1)
        assert "a worker ended by itself" in log.read_text()
        assert log.read_text().count("12 pictures, read-only; Ctrl-C ends the server") == 1
        assert get(served.address, "healthz") == {"status": "ok"}
        served.process.send_signal(signal.SIGTERM)
        assert served.end()[0] == 0
        until(lambda: not any(map(is_alive, first)))
    assert "Traceback" not in log.read_text()


def test_workers_end_when_nobody_watches_them_any_more(index: Path) -> None:
    with running(index, "--workers", "2") as served:
        workers = children(served.process.pid)
        served.process.kill()
        until(lambda: not any(map(is_alive, workers)))


# what keeps it from starting


def refused(*arguments: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert app(["serve", *arguments], standalone_mode=False) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    line = shown.err.strip()
    assert "\n" not in line
    assert line.startswith("error: ")
    assert line.count(" - ") >= 3
    return line


def test_a_port_that_is_taken(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        line = refused(str(index), "--port", str(port), capsys=capsys)
    assert f"127.0.0.1 port {port} - saw another program listens there" in line
    assert line.endswith("--port 0")


def test_options_that_are_not_understood(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app(["serve", str(index), "--log", "xml"], standalone_mode=False) == 2
    line = capsys.readouterr().err
    assert "'--log': 'xml' is not one of 'text', 'json'" in line
    assert "Value error" not in line


def test_what_is_started_is_told_in_words() -> None:
    assert started(Settings(Path("a.idx")), 1) == "1 picture, read-only; Ctrl-C ends the server"
    assert (
        started(Settings(Path("a.idx"), writable=True), 1200)
        == "1,200 pictures, writable; Ctrl-C ends the server"
    )


def test_an_address_that_is_not_ours(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(str(index), "--host", "192.0.2.1", "--port", "0", "--insecure", capsys=capsys)
    assert "the server cannot listen - 192.0.2.1 port 0" in line
    assert "nobody.invalid port 0" in refused(
        str(index), "--host", "nobody.invalid", "--port", "0", "--insecure", capsys=capsys
    )


def test_an_index_or_model_that_is_not_there(
    index: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert str(tmp_path / "no.idx") in refused(str(tmp_path / "no.idx"), "--port", "0", capsys=capsys)
    place = tmp_path / "with a model"
    place.mkdir()
    with Index.open(index) as opened:
        own = painted_index(place, opened.model.folder)
    shutil.rmtree(place / "model")
    assert "the index's model cannot be opened" in refused(str(own), "--port", "0", capsys=capsys)


def test_a_worker_that_cannot_start_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / "no.idx"
    assert str(missing) in refused(str(missing), "--port", "0", "--workers", "2", capsys=capsys)


def test_the_last_words_of_a_worker_are_kept(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        worker = Worker(Settings(tmp_path / "no.idx"), listening, tmp_path)
        until(lambda: worker.ended)
        assert str(tmp_path / "no.idx") in worker.last_words()
        worker.wait(time.monotonic())
        worker.close()


def test_an_open_server_without_a_token(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refused(str(index), "--host", "0.0.0.0", capsys=capsys)
    assert "--token" in line
    assert "--insecure" in line


def test_a_machine_without_the_parts(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else object())
    with pytest.raises(MissingExtraError, match=r"uvicorn - .*pip install 'lookalike\[serve\]'"):
        serve(Settings(index), ready=print)


def test_a_system_without_shared_sockets(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Windows:
        name = "nt"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running_module, "os", Windows)
        line = refused(str(index), "--workers", "2", capsys=capsys)
    assert "several worker processes cannot share a port" in line


def test_a_worker_that_dies_at_once_is_told(
    index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.executable", shutil.which("false"))
    line = refused(str(index), "--port", "0", "--workers", "2", capsys=capsys)
    assert "a worker process ended before it answered - lookalike serve --workers - saw exit code 1" in line


@pytest.mark.parametrize(
    ("host", "token", "wanted"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:81/"),
        ("::1", None, "http://[::1]:81/"),
        ("0.0.0.0", "a#b/c&d" * 3, "http://127.0.0.1:81/#token=" + "a%23b%2Fc%26d" * 3),
        ("localhost", None, "http://localhost:81/"),
    ],
)
def test_the_address_can_be_opened(host: str, token: str | None, wanted: str) -> None:
    assert address_of(Settings(Path("a.idx"), host=host, token=token), port=81) == wanted
