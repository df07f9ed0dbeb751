"""What a request brings: pictures and a question, as multipart or as JSON, held in memory, never on disk.

A request enters; its pictures with their names and what is asked leave, or a problem that says what is wrong
with the body. Bytes, pictures and parts are counted as they come. Decoding pictures is done elsewhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any, NoReturn

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from lookalike.serving.limits import ASK_LESS, SEND_LESS
from lookalike.serving.problems import Problem
from lookalike.serving.settings import Settings

MAX_ASK = 1_000_000  # bytes of a question, or of any other part that is no picture
PICTURE, ASK = "picture", "ask"
LONGEST_NAME = 255
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class File:
    """A picture that was sent; `name` as its sender calls it, without folders."""

    name: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Upload:
    """All that a request brought.

    Attributes:
        files: its pictures, in order; none where the body was JSON.
        ask: the question, a JSON object; empty where none was sent.
        fields: other parts by name, as text.
    """

    files: tuple[File, ...]
    ask: dict[str, Any]
    fields: dict[str, str]


async def read_upload(request: Request, settings: Settings, *, fields: Collection[str] = ()) -> Upload:
    """Read the body of a request.

    Args:
        fields: names of further parts that are understood.

    Raises:
        Problem: the body is of another kind (415), not whole or not understood (400), has too many bytes or
            pictures (413), or parts that are not known (422).
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind == b"application/json":
        return Upload((), _object(await _whole(request)), {})
    if kind != b"multipart/form-data":
        raise Problem(
            415,
            "content_type",
            "The body is neither multipart/form-data nor application/json.",
            "Send pictures as parts named picture, or a question as JSON.",
        )
    boundary = options.get(b"boundary", b"")
    if not boundary:
        _not_whole("its Content-Type names no boundary")
    parts = _Parts(settings, {PICTURE, ASK, *fields})
    await parts.read(request, boundary)
    return parts.upload()


async def _whole(request: Request) -> bytes:
    held = bytearray()
    async for chunk in request.stream():
        held += chunk
        if len(held) > MAX_ASK:
            raise _too_large("The question", MAX_ASK, ASK_LESS)
    return bytes(held)


class _Parts:
    """Takes a multipart body apart as it comes.

    Attributes:
        known: names of parts that are understood.
    """

    def __init__(self, settings: Settings, known: set[str]) -> None:
        self.known = known
        self._settings = settings
        self._files: list[File] = []
        self._texts: dict[str, bytes] = {}
        self._header = [bytearray(), bytearray()]  # name and value
        self._name, self._file_name = "", ""
        self._disposition = b""
        self._content = bytearray()
        self._total, self._count = 0, 0
        self._ended = False

    async def read(self, request: Request, boundary: bytes) -> None:
        """Feed the body to the parser."""
        try:
            parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin,
                    "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                    "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take,
                    "on_part_end": self._end,
                    "on_end": self._end_all,
                },
            )
            async for chunk in request.stream():
                if chunk:
                    parser.write(chunk)
            parser.finalize()
        except FormParserError as error:
            _not_whole(str(error).partition(" at ")[0].lower(), cause=error)
        if not self._ended:
            _not_whole("it ends before its last boundary")

    def upload(self) -> Upload:
        """What came."""
        texts = {name: _text(name, content) for name, content in self._texts.items() if name != ASK}
        return Upload(tuple(self._files), _object(self._texts.get(ASK, b"{}")), texts)

    def _begin(self) -> None:
        self._count += 1
        most = self._settings.max_files + len(self.known)  # no part but pictures comes twice
        if self._count > most:
            raise _too_many(f"more than {most} parts", self._settings)
        self._disposition = b""
        self._content = bytearray()
        self._header = [bytearray(), bytearray()]

    def _end_header(self) -> None:
        name, value = self._header
        if name.lower() == b"content-disposition":
            self._disposition = bytes(value)
        self._header = [bytearray(), bytearray()]

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._disposition.decode("latin-1"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        self._file_name = plain_name(options.get(b"filename", b"").decode("utf-8", "replace"))
        if self._name not in self.known:
            raise Problem(
                422,
                "unknown_part",
                f"The body has a part named {self._name[:40]!r}.",
                f"Name each part one of {', '.join(sorted(self.known))}.",
            )
        if self._name in self._texts:
            raise Problem(422, "part_twice", f"The part {self._name} is there twice.", "Send it once.")
        if self._name == PICTURE and len(self._files) == self._settings.max_files:
            raise _too_many(f"more than {self._settings.max_files} pictures", self._settings)

    def _take(self, data: bytes, start: int, end: int) -> None:
        self._total += end - start
        self._content += memoryview(data)[start:end]
        if self._total > self._settings.max_bytes:
            raise _too_large("The upload", self._settings.max_bytes, SEND_LESS)
        if self._name != PICTURE and len(self._content) > MAX_ASK:
            raise _too_large(f"The part {self._name}", MAX_ASK, ASK_LESS)

    def _end(self) -> None:
        if self._name == PICTURE:
            self._files.append(File(self._file_name, bytes(self._content)))
        else:
            self._texts[self._name] = bytes(self._content)
        self._content = bytearray()

    def _end_all(self) -> None:
        self._ended = True


def plain_name(name: str) -> str:
    """A file's name without folders and without what a terminal would obey; "picture" where nothing is left.

    >>> plain_name("C:\\\\a\\\\b.png"), plain_name("../../etc/passwd"), plain_name("")
    ('b.png', 'passwd', 'picture')
    """
    last = re.split(r"[/\\]", _UNSEEN.sub("", name))[-1].strip()
    return (last if last.strip(".") else "")[-LONGEST_NAME:] or PICTURE


def _object(content: bytes) -> dict[str, Any]:
    try:
        text = content.decode("utf-8")
        value = json.loads(text, parse_constant=_no_number)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise Problem(
            400, "not_json", f"The question is not JSON: {_reason(error)}.", "Send valid JSON."
        ) from error
    if not isinstance(value, dict):
        raise Problem(
            422,
            "invalid",
            f"The question is {json.dumps(value)[:40]}, not a JSON object.",
            'Send an object, for example {"query": [{"id": 1}]}.',
        )
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeError):
        return "it is not UTF-8 text"
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)


def _text(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem(422, "invalid", f"The part {name} is not UTF-8 text.", "Send it as UTF-8.") from error


def _not_whole(reason: str, *, cause: Exception | None = None) -> NoReturn:
    raise Problem(
        400,
        "not_whole",
        f"The body is not a whole multipart/form-data: {reason}.",
        "Send it as a form does: curl -F picture=@cat.jpg",
    ) from cause


def _too_large(what: str, most: int, hint: str) -> Problem:
    return Problem(413, "too_large", f"{what} has more than {most:,} bytes.", hint)


def _too_many(what: str, settings: Settings) -> Problem:
    return Problem(
        413,
        "too_many",
        f"The upload has {what}.",
        f"Send at most {settings.max_files} pictures in one request.",
    )
