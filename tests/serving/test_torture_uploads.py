"""Everything that can be wrong with an upload is answered with what to do, and the server goes on."""

from __future__ import annotations

import gzip
import io
import json
import re
import socket
import struct
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2 as httpx
import pytest
from PIL import Image

from lookalike.serving import guard, limits
from pictures import chunk, content, heic, noise, png, smooth
from served import painted_index, threaded

LIMIT = 2_000_000
BOUNDARY = "x-boundary"
KIND = f"multipart/form-data; boundary={BOUNDARY}"
Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("torture")


@pytest.fixture(scope="module")
def address(tiny_folder: Path, place: Path) -> Iterator[str]:
    index = painted_index(place, tiny_folder)
    (place / "temporary").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(place / "temporary"))
        patch.setattr(tempfile, "tempdir", None)
        yield from serving(index)


def serving(index: Path) -> Iterator[str]:
    with threaded(index, max_bytes=LIMIT, max_files=4, max_pixels=4_000_000, decode_seconds=5.0) as found:
        yield found


@pytest.fixture
def asking(address: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=address, timeout=30) as client:
        yield client
        answer = client.post("/v1/search", json={"query": [{"id": 1}], "k": 2})  # the server lives
        assert answer.status_code == 200
        assert len(answer.json()["hits"]) == 2


def refused(answer: httpx.Response, *statuses: int) -> str:
    """What is said, in all its parts, without a path of the server."""
    assert answer.status_code in statuses, answer.text
    error = answer.json()["error"]
    assert set(error) == {"code", "message", "hint"}
    assert all(error.values())
    assert "Traceback" not in answer.text
    assert not re.search(r"/(tmp|home|root|work|usr)/", answer.text)
    assert answer.headers["x-content-type-options"] == "nosniff"
    return str(error["message"])


def bomb(width: int, height: int) -> bytes:
    """A small PNG that says how large it is, and is."""
    rows = zlib.compress((b"\0" + bytes(width)) * height, 9)
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def part(body: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="picture"; filename="a.png"\r\n\r\n'
    return head.encode() + body


def zipped(size: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(size))
    return file.getvalue()


SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script><image href="file:///etc/passwd"/></svg>'
BAD = {
    "empty.png": (b"", (422,)),
    "text.jpg": (b"this is text", (415,)),
    "html.png": (b"<!doctype html><script>alert(1)</script>", (415,)),
    "script.svg": (SVG, (415,)),
    "zip.png": (zipped(50_000_000), (415,)),
    "gzip.png": (gzip.compress(bytes(10_000_000)), (415,)),
    "script.eps": (content(noise(), "EPS"), (415,)),
    "cut.jpg": (content(noise(), "JPEG")[:300], (422,)),
    "cut.png": (content(noise(), "PNG")[:200], (422,)),
    "cut.heic": (heic(smooth(40, 50))[:200], (422,)),
    "header.png": (png(20_000, 20_000), (413,)),
    "bomb.png": (bomb(20_000, 20_000), (413,)),
    "line.png": (png(4_000_000, 1), (413, 422)),
    "one.png": (content(Image.new("RGB", (1, 1)), "PNG"), (422,)),
    "odd.png": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), (422,)),
    "text chunk.png": (png(8, 8, chunks=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(9_000_000)))), (422,)),
}


@pytest.mark.parametrize("name", sorted(BAD))
@pytest.mark.parametrize("verb", ["search", "match", "identify"])
def test_bad_pictures_are_refused(asking: httpx.Client, name: str, verb: str) -> None:
    body, statuses = BAD[name]
    files = [("picture", (name, body, "image/png"))]
    files += [("picture", ("good.png", content(noise(), "PNG"), "image/png"))] if verb == "match" else []
    answer = asking.post(f"/v1/{verb}", files=files)
    refused(answer, *statuses)


def test_embed_says_which_were_left_out(asking: httpx.Client) -> None:
    files = [("picture", (name, BAD[name][0])) for name in ("html.png", "bomb.png")]
    files.insert(1, ("picture", ("good.png", content(noise(), "PNG"))))
    found = asking.post("/v1/embed", files=files).json()
    assert [entry["name"] for entry in found["embeddings"]] == ["good.png"]
    assert [(entry["name"], entry["reason"]) for entry in found["skipped"]] == [
        ("html.png", "not an image"),
        ("bomb.png", "too large"),
    ]


def test_a_name_is_text_and_no_path(asking: httpx.Client, place: Path) -> None:
    name = "../../<script>alert(1)</script>.png"
    answer = asking.post("/v1/search", files=[("picture", (name, content(noise(), "PNG")))])
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["query"] == "script>.png"


def test_pictures_of_other_types_than_they_say_are_taken_for_what_they_are(asking: httpx.Client) -> None:
    picture = ("a.exe", content(noise(), "PNG"), "application/x-msdownload")
    assert asking.post("/v1/search", files=[("picture", picture)]).status_code == 200


@pytest.mark.parametrize("pieces", [True, False], ids=["as it comes", "with a length"])
def test_a_body_of_100_mb(asking: httpx.Client, pieces: bool) -> None:
    head = part(b"")
    zeros = bytes(1 << 20)
    before = _memory()

    def body() -> Iterator[bytes]:
        yield head
        for _ in range(100):
            yield zeros

    length = {} if pieces else {"Content-Length": str(len(head) + 100 * len(zeros))}
    headers = {"Content-Type": KIND, **length}
    answer = asking.post("/v1/search", content=body(), headers=headers)
    assert "bytes" in refused(answer, 413)
    assert _memory() - before < 60_000_000


def _memory() -> int:
    """The most that this process ever held, server and client together."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+)", status)[1])  # type: ignore[index]


def test_a_body_that_says_it_is_small(address: str, asking: httpx.Client) -> None:
    told = raw(address, b"Content-Type: application/json\r\nContent-Length: 5\r\n\r\n" + b'{"a":1}' * 1000)
    assert told.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"99999999999999999999", b"5\r\nContent-Length: 6"])
def test_lengths_that_make_no_sense(address: str, asking: httpx.Client, length: bytes) -> None:
    told = raw(address, b"Content-Type: application/json\r\nContent-Length: " + length + b"\r\n\r\n{}")
    assert re.match(rb"HTTP/1.1 4\d\d", told)


def test_a_slow_body(address: str, asking: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    patient = limits.Body

    def hasty(*arguments: object, seconds: float, **options: object) -> object:
        return patient(*arguments, seconds=0.05, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(guard, "Body", hasty)
    told = raw(address, b"Content-Type: application/json\r\nContent-Length: 500\r\n\r\n{")
    monkeypatch.undo()
    assert told.startswith(b"HTTP/1.1 408")
    assert set(json.loads(told.partition(b"\r\n\r\n")[2])["error"]) == {"code", "message", "hint"}


def raw(address: str, rest: bytes) -> bytes:
    """What is answered to a search whose headers and body are as given, until the other side closes."""
    place = urlsplit(address)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        head = f"POST /v1/search HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n"
        connection.sendall(head.encode() + rest)
        told = b""
        try:
            while piece := connection.recv(65_536):
                told += piece
        except ConnectionResetError:
            pass
    return told


def test_a_client_that_goes_away(address: str, asking: httpx.Client) -> None:
    place = urlsplit(address)
    for _ in range(5):
        with socket.create_connection((place.hostname, place.port)) as connection:
            head = f"POST /v1/search HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Type: {KIND}\r\n"
            connection.sendall(f"{head}Content-Length: 500\r\n\r\n--{BOUNDARY}\r\n".encode())


def test_thousands_of_parts(asking: httpx.Client) -> None:
    answer = asking.post("/v1/search", content=part(b"x\r\n") * 5000, headers={"Content-Type": KIND})
    assert "more than 4 pictures" in refused(answer, 413)


def test_a_truncated_form(asking: httpx.Client) -> None:
    body = part(content(noise(), "PNG"))
    answer = asking.post("/v1/search", content=body, headers={"Content-Type": KIND})
    assert "before its last boundary" in refused(answer, 400)


@pytest.mark.parametrize("kind", ["image/png", "text/html", "multipart/form-data", "application/xml", "\x80"])
def test_bodies_of_other_types(asking: httpx.Client, kind: str) -> None:
    picture = content(noise(), "PNG")
    headers = {"Content-Type": kind.encode("latin-1")}
    refused(asking.post("/v1/search", content=picture, headers=headers), 400, 415)  # type: ignore[arg-type]


def test_many_bad_ones_at_once(asking: httpx.Client, address: str) -> None:
    statuses: list[int] = []

    def send(name: str) -> None:
        with httpx.Client(base_url=address, timeout=60) as own:
            statuses.append(own.post("/v1/search", files=[("picture", (name, BAD[name][0]))]).status_code)

    threads = [threading.Thread(target=send, args=(name,)) for name in sorted(BAD)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(statuses) == len(BAD)
    assert set(statuses) <= {413, 415, 422, 503}


def test_nothing_was_written(asking: httpx.Client, place: Path) -> None:
    before = sorted(path.name for path in place.rglob("*"))
    large = content(smooth(800, 800), "BMP")
    assert LIMIT > len(large) > 1_500_000
    answer = asking.post("/v1/search", files=[("picture", ("a.bmp", large))])
    assert answer.status_code == 200
    assert sorted(path.name for path in place.rglob("*")) == before
    assert list((place / "temporary").iterdir()) == []
