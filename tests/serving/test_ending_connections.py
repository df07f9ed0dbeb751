"""Connections that are answered before all was sent, or that never end: all is told, and none stays."""

from __future__ import annotations

import json
import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import served
from lookalike.serving import heads
from lookalike.serving.worker import Server
from served import painted_index, threaded, until

CHUNKED = b"Transfer-Encoding: chunked\r\n"
JSON = b"Content-Type: application/json\r\n"
PATIENCE = 20  # seconds that a socket waits: what is waited for comes in much less
LONG = 3600.0


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return painted_index(tmp_path_factory.mktemp("ending"), tiny_folder)


@pytest.fixture(scope="module")
def address(index: Path) -> Iterator[str]:
    with threaded(index) as found:
        yield found


def connected(address: str) -> socket.socket:
    place = urlsplit(address)
    return socket.create_connection((place.hostname, place.port), timeout=PATIENCE)


def head(line: str, *headers: bytes) -> bytes:
    return line.encode() + b" HTTP/1.1\r\nHost: localhost\r\n" + b"".join(headers) + b"\r\n"


def everything(connection: socket.socket) -> bytes:
    """All that comes until the other side says that nothing will; a reset is no such word."""
    told = b""
    while piece := connection.recv(65_536):
        told += piece
    return told


def error(answer: bytes) -> tuple[bytes, dict[str, str]]:
    """Status and error of the one answer that came."""
    assert answer.count(b"HTTP/1.1 4") == 1, answer
    first, _, body = answer.partition(b"\r\n\r\n")
    found: dict[str, str] = json.loads(body)["error"]
    assert all(found.values())
    return first.split()[1], found


# what stands around a body


@pytest.mark.parametrize(
    "endless",
    [
        b"0\r\n" + b"x1: aaaa\r\n" * 100_000,
        b"0\r\nx1: " + b"a" * 1_000_000,
        b"1;" + b"a" * 1_000_000,
        b"0" * 10**6,
    ],
    ids=["trailers", "trailer", "extension", "length"],
)
def test_what_stands_around_a_body_has_an_end(
    address: str, endless: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "REST_SECONDS", LONG)
    with connected(address) as connection:
        connection.sendall(head("POST /v1/session", JSON, CHUNKED) + endless)
        status, found = error(everything(connection))
    assert status == b"400"
    assert found["message"] == "Trailers and chunk extensions have more than 65,536 bytes."
    assert "larger chunks" in found["hint"]


def test_trailers_after_an_answer_have_an_end(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "REST_SECONDS", LONG)
    with connected(address) as connection:
        connection.sendall(head("GET /healthz", CHUNKED) + b"1\r\na\r\n0\r\n" + b"x1: aaaa\r\n" * 100_000)
        told = everything(connection)
    assert told.startswith(b"HTTP/1.1 200")
    assert told.count(b"HTTP/1.1 ") == 1


def test_a_body_of_the_smallest_chunks_and_some_trailers_are_taken(address: str) -> None:
    chunks = b"".join(b"1\r\n%c\r\n" % byte for byte in b'{"token": "abc"}' + b" " * 50_000)
    ask = head("POST /v1/session", JSON, CHUNKED) + chunks + b"0\r\nHost: elsewhere\r\nx2: b\r\n\r\n"
    with connected(address) as connection:
        connection.sendall(ask * 2 + head("GET /healthz", b"Connection: close\r\n"))
        told = everything(connection)
    assert [told.count(b"HTTP/1.1 %d" % status) for status in (204, 200)] == [2, 1], told


# what comes after the answer


def test_a_slow_body_after_the_answer_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "REST_SECONDS", 0.1)
    with connected(address) as connection:
        connection.sendall(head("GET /healthz", b"Content-Length: 1000000\r\n"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        drip(connection)


def drip(connection: socket.socket, byte: bytes = b"a") -> None:
    """Send a byte now and then, until nobody takes it."""
    with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012 - one of many is refused
        for _ in range(150):
            connection.sendall(byte)
            time.sleep(0.02)


def test_a_long_body_after_the_answer_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "REST_SECONDS", LONG)
    monkeypatch.setattr(heads, "REST_BYTES", 1_000_000)
    with connected(address) as connection:
        connection.sendall(head("GET /healthz", b"Content-Length: 1000000000\r\n"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413")
        with pytest.raises((BrokenPipeError, ConnectionResetError)):  # noqa: PT012 - one of many is refused
            for _ in range(150):
                connection.sendall(bytes(1_000_000))


def test_a_connection_serves_on_when_the_rest_has_come(address: str) -> None:
    with connected(address) as connection:
        connection.sendall(head("POST /v1/nothing", b"Content-Length: 300000\r\n"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 404")
        connection.sendall(bytes(300_000) + head("GET /healthz", b"Connection: close\r\n"))
        assert everything(connection).startswith(b"HTTP/1.1 200")


def test_it_does_not_stay_when_nothing_follows_the_rest(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.1)
    with connected(address) as connection:
        connection.sendall(head("POST /v1/nothing", b"Content-Length: 3\r\n"))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 404")
        connection.sendall(b"abc")
        assert everything(connection) == b""


# refusals are read


@pytest.mark.parametrize(
    ("path", "size", "status", "code"),
    [
        ("/v1/search", 40_000_000, 413, "too_large"),
        ("/v1/nothing", 15_000_000, 404, "not_found"),
        ("/v1/items", 15_000_000, 403, "foreign_page"),
    ],
    ids=["large", "nowhere", "foreign"],
)
def test_a_refusal_is_read_by_who_sends_all_first(
    address: str, path: str, size: int, status: int, code: str
) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    headers |= {"Origin": "https://elsewhere.example"} if status == 403 else {}
    ask = urllib.request.Request(address + path, data=bytes(size), headers=headers)
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(ask, timeout=PATIENCE)
    assert caught.value.code == status
    assert json.load(caught.value)["error"]["code"] == code
    caught.value.close()


@pytest.mark.parametrize(
    "headers",
    [(b"Content-Length: 30000000\r\n",), (b"Content-Length: 30000000\r\n", b"Connection: close\r\n")],
    ids=["kept", "closed"],
)
def test_a_refusal_is_read_from_a_bare_socket(address: str, headers: tuple[bytes, ...]) -> None:
    with connected(address) as connection:
        connection.sendall(head("POST /v1/search", JSON, *headers) + bytes(30_000_000))
        connection.shutdown(socket.SHUT_WR)
        status, found = error(everything(connection))
    assert (status, found["code"]) == (b"413", "too_large")
    assert "1,000,000 bytes" in found["message"]
    assert "--max-bytes" not in found["hint"]


def test_what_follows_no_http_does_not_lose_its_refusal(address: str) -> None:
    with connected(address) as connection:
        connection.sendall(b"this is no HTTP\r\n" + bytes(5_000_000))
        status, _ = error(everything(connection))
        assert status == b"400"


def test_who_stays_after_the_last_answer_is_given_up(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "REST_SECONDS", 0.1)
    with connected(address) as connection:
        connection.sendall(head("GET /healthz", b"Content-Length: 9\r\n", b"Connection: close\r\n"))
        assert everything(connection).startswith(b"HTTP/1.1 200")
        drip(connection)


# a server that stops


def test_a_kept_connection_has_a_moment_to_ask_once_more(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers: list[Server] = []

    class Kept(Server):
        def __init__(self, *given: object) -> None:
            super().__init__(*given)  # type: ignore[arg-type]
            servers.append(self)

    monkeypatch.setattr(heads, "LAST_SECONDS", 3.0)
    monkeypatch.setattr(served, "Server", Kept)
    with threaded(index) as address:
        asking = HTTPConnection(urlsplit(address).netloc, timeout=PATIENCE)
        for is_last in (False, True):
            asking.request("GET", "/healthz")
            answer = asking.getresponse()
            answer.read()
            assert (answer.status, answer.getheader("connection")) == (200, "close" if is_last else None)
            servers[0].should_exit = True
            until(lambda: not is_taken(address))


def is_taken(address: str) -> bool:
    """Whether the server listens."""
    try:
        connected(address).close()
    except ConnectionRefusedError:
        return False
    return True


# what is said of what is no request


@pytest.mark.parametrize(
    ("ask", "message", "hint"),
    [
        (
            head("POST /v1/session", CHUNKED, b"Content-Length: 4\r\n"),
            "Content-Length can't be",
            "RFC 9112",
        ),
        (head("BREW /"), "there is no such method", "GET, POST"),
        (b"\x16\x03\x01\x02\x00\x01", "there is no such method", "not by https"),
        (head("GET /\x01"), "the address cannot be read", "%XX"),
        (head("CONNECT a:1"), "the address cannot be read", "%XX"),
        (head("GET /", b"Ho st: a\r\n"), "Invalid header token", "RFC 9112"),
    ],
    ids=["two lengths", "method", "https", "address", "connect", "header"],
)
def test_what_is_wrong_is_said(address: str, ask: bytes, message: str, hint: str) -> None:
    with connected(address) as connection:
        connection.sendall(ask)
        _, found = error(everything(connection))
    assert found["message"].startswith(f"This is no HTTP request: {message}")
    assert hint in found["hint"]


def test_a_wish_for_a_websocket_is_no_news(address: str, caplog: pytest.LogCaptureFixture) -> None:
    wish = (b"Upgrade: websocket\r\n", b"Connection: Upgrade\r\n")
    with caplog.at_level(logging.WARNING), connected(address) as connection:
        connection.sendall(head("GET /healthz", *wish))
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_nothing_follows_a_refusal(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with connected(address) as connection:
        connection.sendall(head("GET /openapi.json") + b"this is no HTTP\r\n\r\n")
        status, _ = error(everything(connection))
    assert status == b"400"
    assert "fault" not in caplog.text


def test_who_leaves_before_the_answer_is_no_fault(address: str, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(30):
        with connected(address) as connection:
            connection.sendall(head("GET /healthz"))
            connection.shutdown(socket.SHUT_WR)
            everything(connection)
    assert "fault" not in caplog.text
