"""What goes wrong in a request, as an answer: `{"error": {"code", "message", "hint"}}` with a status.

Errors of the core, of validation and of the framework enter; JSON answers leave that name no path of this
machine. Nothing is logged here.
"""

from __future__ import annotations

import errno
import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from math import ceil
from pathlib import Path, PurePath
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from lookalike.errors import (
    BusyError,
    CalibrationError,
    DamageError,
    EvaluationError,
    ImageError,
    LookalikeError,
    MissingExtraError,
    ModelError,
    ReplacedError,
    SkipReason,
    StoreError,
)
from lookalike.serving.advice import advised
from lookalike.serving.observing import GONE
from lookalike.serving.value_words import Details, Schema, misfit


class ErrorText(BaseModel):
    """What went wrong, in words.

    Attributes:
        code: for a program; message: for a person; hint: what to do.
    """

    code: str
    message: str
    hint: str


class Failure(BaseModel):
    """The body of every answer that is an error."""

    error: ErrorText


class Problem(HTTPException):
    """A request that is answered with an error.

    Args:
        status: of HTTP; code, message, hint: as of `ErrorText`.
        headers: further ones of the answer.
    """

    def __init__(
        self, status: int, code: str, message: str, hint: str, *, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers=headers)  # one that FastAPI lets through as it is
        self.code, self.message, self.hint = code, message, hint

    def answer(self) -> JSONResponse:
        """The answer to send."""
        return JSONResponse(self.body(), status_code=self.status_code, headers=self.headers)

    def body(self) -> dict[str, dict[str, str]]:
        """The answer's content."""
        return {"error": {"code": self.code, "message": self.message, "hint": self.hint}}


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": Failure, "description": "The request cannot be answered; hint says what to do."},
    "503": {"model": Failure, "description": "Not now; ask again later."},
}


_STATUSES: tuple[tuple[type[LookalikeError], int, str], ...] = (  # the first that fits
    (BusyError, 409, "busy"),
    (DamageError, 503, "damaged"),
    (ImageError, 422, "picture"),
    (ModelError, 409, "model"),
    (CalibrationError, 422, "calibration"),
    (EvaluationError, 409, "evaluation"),
    (MissingExtraError, 503, "missing_part"),
    (LookalikeError, 422, "unusable"),
)
_PICTURES = {
    SkipReason.NOT_AN_IMAGE: (415, "not_a_picture"),
    SkipReason.TOO_LARGE: (413, "too_large"),
}
_FRAMEWORK = {
    404: ("not_found", "There is nothing at this address.", "GET /openapi.json lists what there is."),
    405: ("method", "This address does not answer that method.", "GET /openapi.json lists the methods."),
}
_AGAIN = "Send the same request again; what was done before is not done twice."
_FULL = {errno.ENOSPC, errno.EDQUOT}
_TOPS = {  # of what systems keep; an address of this API is none of them
    *("Applications", "Library", "Users", "Volumes", "app", "bin", "boot", "data", "dev", "etc", "home"),
    *("lib", "media", "mnt", "opt", "private", "proc", "root", "run", "sbin", "srv", "sys", "tmp", "usr"),
    *("var", "work", "workspace"),
}
NOWHERE: Mapping[Path, str] = {}
_ABSOLUTE = re.compile(r"""(?:(?<=[\s"'(=:,])|^)(?:/|[A-Za-z]:[\\/])[^\s"',;:)]*[^\s"',;:).]""")


def problem_of(error: LookalikeError, *, folders: Mapping[Path, str] = NOWHERE) -> Problem:
    """An error of the core as the answer to a request.

    Args:
        folders: known places of this machine, and what a command calls them; elsewhere in texts only their
            last names are left.
    """
    stored = _not_stored(error)
    if stored is not None:
        return stored
    status, code = next((status, code) for kind, status, code in _STATUSES if isinstance(error, kind))
    if isinstance(error, ImageError):
        status, code = _PICTURES.get(error.reason, (status, code))
    wanted = f"; wanted {error.wanted}" if error.wanted else ""
    named = f"{PurePath(error.where).name}: " if isinstance(error, ImageError) else ""  # one of several
    message = f"{named}{error.what}: {error.saw}{wanted}"
    hint = advised(error.do, folders)
    return Problem(status, code, without_places(message, folders), without_places(hint, folders))


def _not_stored(error: LookalikeError) -> Problem | None:
    """What keeps an index from being written to, as others are told; None: something else."""
    if isinstance(error, ReplacedError):
        return Problem(
            503, "not_ready", "The index was replaced.", "Have the server restarted; it does not write to it."
        )
    cause = error.__cause__
    name = getattr(cause, "sqlite_errorname", "")
    if isinstance(error, BusyError) or name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        hint = f"Wait until it has finished. {_AGAIN}"
        headers = {"Retry-After": "5"}
        return Problem(409, "busy", "Another process is writing to the index.", hint, headers=headers)
    if type(error) not in (LookalikeError, StoreError):  # the others say themselves what is wrong
        return None
    if name == "SQLITE_FULL" or (isinstance(cause, OSError) and cause.errno in _FULL):
        message = "The disk of the server is full: nothing was changed."
        return Problem(507, "disk_full", message, f"Have some space freed there. {_AGAIN}")
    if isinstance(cause, (OSError, sqlite3.Error)):
        hint = f"Have its disk and the rights to the index's folder checked. {_AGAIN}"
        said = cause.strerror if isinstance(cause, OSError) else str(cause)
        message = f"The server cannot read or write this: {said}. Nothing was changed."
        return Problem(503, "not_stored", message, hint)
    return None


def without_places(text: str, folders: Collection[Path] = ()) -> str:
    """A text in which paths of this machine are replaced by their last names.

    Those are known folders, what lies below them, and absolute ones as systems have them; whether they exist
    is not looked at, for an answer would tell it. An address of the API stays.

    >>> without_places("no such file /home/a/b.png; see C:\\\\x\\\\y.txt")
    'no such file b.png; see y.txt'
    """
    relative = {place for folder in folders if not folder.is_absolute() for place in folder.parents}
    known = {place for place in {*folders, *relative} if len(place.parts) > 1}
    for place in sorted(known, key=lambda place: len(str(place)), reverse=True):
        before = "" if place.is_absolute() else r"(?<![\w/\\.-])"
        last = place.name.replace("\\", r"\\")
        text = re.sub(rf"{before}{re.escape(str(place))}(?![\w-])", last, text)
    tops = _TOPS | {place.parts[1] for place in known if place.is_absolute()}

    def last_name(found: re.Match[str]) -> str:
        parts = re.split(r"[/\\]", found[0].rstrip("/\\"))
        return found[0] if parts[0] == "" and parts[1:2] and parts[1] not in tops else parts[-1]

    return _ABSOLUTE.sub(last_name, text)


def only_read() -> Problem:
    """The problem of a request that would change something where nothing may be changed."""
    hint = "Have it started to be written to: lookalike serve INDEX --writable"
    return Problem(403, "read_only", "This server only reads.", hint)


def seconds_of(count: float) -> str:
    """A time to wait, in words.

    >>> seconds_of(0.2), seconds_of(7.4)
    ('1 second', '8 seconds')
    """
    whole = max(1, ceil(count))
    return f"{whole} second" if whole == 1 else f"{whole} seconds"


def answer_problems(app: FastAPI, folders: Mapping[Path, str]) -> None:
    """Have an application answer everything that goes wrong in the one form; folders as in `problem_of`."""

    async def answer(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, RequestValidationError):
            return invalid_values(error.errors(), body=_body(request)).answer()
        return as_problem(error, folders=folders).answer()  # at once: no thread may be free

    async def gone(_request: Request, _error: Exception) -> Response:
        return Response(status_code=GONE)  # nobody reads it; the log does

    app.add_exception_handler(ClientDisconnect, gone)
    for kind in (LookalikeError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def _body(request: Request) -> Schema:
    """The description of the body that is asked for; empty where there is none."""
    api, route = request.app.openapi(), request.scope["route"].path_format
    operation = api["paths"].get(route, {}).get(request.method.lower(), {})
    kinds = operation.get("requestBody", {}).get("content", {})
    shared = api.get("components", {}).get("schemas", {})
    return {**kinds.get("application/json", {}).get("schema", {}), "$defs": shared}


def as_problem(error: Exception, *, folders: Mapping[Path, str] = NOWHERE) -> Problem:
    """Anything that was raised while a request was answered, as its answer."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, LookalikeError):
        return problem_of(error, folders=folders)
    if isinstance(error, RequestValidationError):
        return invalid_values(error.errors())
    if isinstance(error, HTTPException):
        usual = ("not_understood", f"{error.detail}.", "GET /openapi.json says what is understood.")
        code, message, hint = _FRAMEWORK.get(error.status_code, usual)
        return Problem(error.status_code, code, message, hint, headers=error.headers)
    return Problem(
        500,
        "fault",
        "This is a fault of lookalike, not yours.",
        "Please report it; the server's log has the lines that say where, by the answer's X-Request-Id.",
    )


def invalid_values(errors: Sequence[Details], *, body: Schema | None = None) -> Problem:
    """What a check of values found, as one problem; errors and body as of `misfit`."""
    first = errors[0]
    if first["type"] == "json_invalid":
        said = first.get("ctx", {}).get("error", first["msg"])
        message = f"The body is not JSON: {said}, at letter {first['loc'][-1]}."
        return Problem(400, "not_json", message, "Send valid JSON.")
    told = misfit(errors, body=body)
    return Problem(422, "invalid", told.message, told.hint)
