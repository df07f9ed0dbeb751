"""Connections that begin to ask and never end do not stay."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from lookalike.serving import heads
from served import painted_index, threaded


@pytest.fixture(scope="module")
def address(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with threaded(painted_index(tmp_path_factory.mktemp("heads"), tiny_folder)) as found:
        yield found


def connected(address: str) -> socket.socket:
    place = urlsplit(address)
    return socket.create_connection((place.hostname, place.port), timeout=20)


def everything(connection: socket.socket) -> bytes:
    """All that comes until the other side closes."""
    told = b""
    try:
        while piece := connection.recv(65_536):
            told += piece
    except ConnectionResetError:
        pass
    return told


def test_a_head_without_end_is_refused(address: str) -> None:
    with connected(address) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ")
        try:
            for _ in range(40):
                connection.sendall(b"a" * 50_000)
        except (BrokenPipeError, ConnectionResetError):
            return
        assert "The head of the request has more than 65,536 bytes." in refused(connection)


def refused(connection: socket.socket) -> str:
    head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400")
    error = json.loads(body)["error"]
    assert set(error) == {"code", "message", "hint"}
    return str(error["message"])


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTTP/1.1\r\nHost: "], ids=["silent", "half"])
def test_a_head_that_does_not_come_is_given_up(
    address: str, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heads, "HEAD_SECONDS", 0.05)
    with connected(address) as connection:
        connection.sendall(begun)
        assert everything(connection) == b""


def test_a_long_body_is_no_long_head_and_others_follow(address: str) -> None:
    ask = b"POST /v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    body = b'{"token": "a"}' + b" " * 300_000
    close = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    with connected(address) as connection:
        for _ in range(2):
            connection.sendall(ask + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        connection.sendall(close)
        told = everything(connection)
    assert told.count(b"HTTP/1.1 204") == 2
    assert told.count(b"HTTP/1.1 200") == 1


def test_what_is_no_http_is_refused(address: str) -> None:
    with connected(address) as connection:
        connection.sendall(b"\x16\x03\x01 this is no HTTP\r\n\r\n")
        assert refused(connection) == "This is no HTTP request: there is no such method."


def test_who_does_not_read_is_given_up(
    monkeypatch: pytest.MonkeyPatch, tiny_folder: Path, tmp_path: Path
) -> None:
    monkeypatch.setattr(heads, "WRITE_SECONDS", 0.2)
    monkeypatch.setattr(heads, "SLOWEST", 1e9)
    with threaded(painted_index(tmp_path, tiny_folder)) as address:
        place = urlsplit(address)
        asking = socket.socket()
        asking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        asking.settimeout(20)
        asking.connect((place.hostname, place.port))
        ask = f"GET /openapi.json HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()

        def ask_on() -> None:
            while True:  # nothing of it is read
                asking.sendall(ask * 50)
                time.sleep(0.05)

        with pytest.raises(OSError):  # noqa: PT011 - which one is the system's affair
            ask_on()
        asking.close()
