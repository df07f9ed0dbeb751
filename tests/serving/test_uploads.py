"""Reading uploads: what is whole is taken apart as it came, the rest is refused, and nothing is written."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI, Request
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from lookalike.serving.problems import answer_problems
from lookalike.serving.settings import Settings
from lookalike.serving.uploads import MAX_ASK, plain_name, read_upload

MOST = 3_000_000
BOUNDARY = "x-boundary"


@pytest.fixture(scope="module")
def asking() -> Iterator[TestClient]:
    app = FastAPI()
    answer_problems(app, {})
    limits = Settings(Path("a.idx"), max_bytes=MOST, max_files=3)

    @app.post("/")
    async def read(request: Request) -> dict[str, Any]:
        upload = await read_upload(request, limits, fields=["label"])
        sizes = [[file.name, file.content.hex()[:40], len(file.content)] for file in upload.files]
        return {"files": sizes, "ask": upload.ask, "fields": upload.fields}

    with TestClient(app, raise_server_exceptions=False) as found:
        yield found


def code(answer: Any) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"].endswith(".")
    assert error["hint"]
    return answer.status_code, error["code"]


def raw(asking: TestClient, body: bytes, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> Any:
    return asking.post("/", content=body, headers={"Content-Type": kind})


def part(name: str, content: bytes, *, more: str = "") -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{more}\r\n\r\n'
    return head.encode() + content + b"\r\n"


END = f"--{BOUNDARY}--\r\n".encode()


def test_pictures_question_and_fields_are_told_apart(asking: TestClient) -> None:
    answer = asking.post(
        "/",
        files=[("picture", ("a.png", b"\x89PNG")), ("picture", ("Ü.jpg", b"\xff\xd8"))],
        data={"ask": '{"k": 3}', "label": "Wal"},
    )
    assert answer.json() == {
        "files": [["a.png", "89504e47", 4], ["Ü.jpg", "ffd8", 2]],
        "ask": {"k": 3},
        "fields": {"label": "Wal"},
    }


def test_json_alone_is_a_question(asking: TestClient) -> None:
    assert asking.post("/", json={"k": 3}).json() == {"files": [], "ask": {"k": 3}, "fields": {}}


@settings(max_examples=25, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=3), st.integers(1, 40))
def test_whatever_bytes_come_in_whatever_pieces(asking: TestClient, files: list[bytes], size: int) -> None:
    body = b"".join(part("picture", content, more='; filename="a"') for content in files) + END
    if BOUNDARY.encode() in b"".join(files):
        return
    pieces = (body[start : start + size] for start in range(0, len(body), size))
    answer = asking.post(
        "/", content=pieces, headers={"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    )
    assert [entry[2] for entry in answer.json()["files"]] == [len(content) for content in files]


def test_large_uploads_are_not_written(asking: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def written(*_arguments: object, **_options: object) -> None:
        raise AssertionError("something is written")

    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile", "mkstemp"):
        monkeypatch.setattr(tempfile, name, written)
    answer = asking.post("/", files=[("picture", ("a.png", bytes(MOST)))])
    assert answer.json()["files"][0][2] == MOST


def test_one_byte_more_is_too_much(asking: TestClient) -> None:
    answer = asking.post("/", files=[("picture", ("a.png", bytes(MOST + 1)))])
    assert code(answer) == (413, "too_large")
    assert "--max-bytes sets the limit" in answer.json()["error"]["hint"]
    both = [("picture", ("a.png", bytes(MOST // 2 + 1)))] * 2
    assert code(asking.post("/", files=both)) == (413, "too_large")


def test_too_many_pictures_or_parts(asking: TestClient) -> None:
    assert code(asking.post("/", files=[("picture", ("a.png", b"1"))] * 4)) == (413, "too_many")
    assert code(raw(asking, part("picture", b"") * 5000 + END)) == (413, "too_many")


def test_questions_are_limited(asking: TestClient) -> None:
    assert code(asking.post("/", data={"ask": " " * (MAX_ASK + 1)}, files={})) == (415, "content_type")
    answer = raw(asking, part("ask", b" " * (MAX_ASK + 1)) + END)
    assert code(answer) == (413, "too_large")
    assert "no option changes this limit" in answer.json()["error"]["hint"]
    assert code(raw(asking, b" " * (MAX_ASK + 1), "application/json")) == (413, "too_large")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", "ends before its last boundary"),
        (END[:-6], ""),
        (part("picture", b"12345")[:-4], "ends before its last boundary"),
        (part("picture", b"12345"), "ends before its last boundary"),
        (b"this is no multipart", "boundary"),
        (part("picture", b"1").replace(b"Content-Disposition", b"Bad Header\x00"), "invalid character"),
        (f"--{BOUNDARY}\r\n".encode() + b"a: b\r\n" * 500 + b"\r\n1\r\n" + END, "header count"),
        (f"--{BOUNDARY}\r\nX: ".encode() + b"a" * 100_000, "header size"),
    ],
    ids=["empty", "cut end", "cut part", "no end", "text", "bad header", "many headers", "long header"],
)
def test_what_is_not_whole_is_refused(asking: TestClient, body: bytes, wanted: str) -> None:
    answer = raw(asking, body)
    assert code(answer) == (400, "not_whole")
    assert wanted in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        ("multipart/form-data", (400, "not_whole")),
        ("multipart/form-data; boundary=" + "b" * 300, (400, "not_whole")),
        ("text/plain", (415, "content_type")),
        ("application/x-www-form-urlencoded", (415, "content_type")),
        ("multipart/mixed; boundary=x-boundary", (415, "content_type")),
        ("", (415, "content_type")),
    ],
)
def test_other_kinds_of_bodies_are_refused(asking: TestClient, kind: str, wanted: tuple[int, str]) -> None:
    assert code(raw(asking, part("picture", b"1") + END, kind)) == wanted


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (part("file", b"1"), (422, "unknown_part")),
        (part("picture", b"1").replace(b'name="picture"', b""), (422, "unknown_part")),
        (part("ask", b"{}") * 2, (422, "part_twice")),
        (part("label", b"\xff"), (422, "invalid")),
        (part("ask", b"\xff"), (400, "not_json")),
        (part("ask", b'{"k": NaN}'), (400, "not_json")),
        (part("ask", b'{"k": "\\ud800"}'), (400, "not_json")),
        (part("ask", b"[" * 100_000), (400, "not_json")),
        (part("ask", b"{"), (400, "not_json")),
        (part("ask", b"[1]"), (422, "invalid")),
    ],
    ids=["unknown", "nameless", "twice", "label", "utf-8", "nan", "surrogate", "deep", "cut", "list"],
)
def test_parts_that_are_not_understood(asking: TestClient, body: bytes, wanted: tuple[int, str]) -> None:
    assert code(raw(asking, body + END)) == wanted


@pytest.mark.parametrize("body", [b"{", b"", b"nonsense", b'{"a": Infinity}', json.dumps([1]).encode()])
def test_a_body_that_is_no_question(asking: TestClient, body: bytes) -> None:
    assert raw(asking, body, "application/json").status_code in (400, 422)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("/etc/passwd", "passwd"),
        ("..", "picture"),
        ("a\nb\u202e.png", "ab.png"),
        ("  ", "picture"),
        ("C:\\x\\y.png", "y.png"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("<img src=x>.png", "<img src=x>.png"),
    ],
)
def test_names_of_files_are_names_alone(name: str, wanted: str) -> None:
    assert plain_name(name) == wanted
