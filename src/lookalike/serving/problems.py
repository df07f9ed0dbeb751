"""What goes wrong in a request, as an answer: `{"error": {"code", "message", "hint"}}` with a status.

Errors of the core, of validation and of the framework enter; JSON answers leave that name no path of this
machine. Nothing is logged here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from lookalike.errors import (
    BusyError,
    CalibrationError,
    DamageError,
    EvaluationError,
    ImageError,
    LookalikeError,
    MissingExtraError,
    ModelError,
    SkipReason,
)


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
_ABSOLUTE = re.compile(r"""(?:(?<=[\s"'(=:,])|^)(?:/|[A-Za-z]:[\\/])[^\s"',;:)]*[^\s"',;:).]""")


def problem_of(error: LookalikeError, *, folders: Sequence[Path] = ()) -> Problem:
    """An error of the core as the answer to a request.

    Args:
        folders: known places of this machine; in texts only their last names are left.
    """
    status, code = next((status, code) for kind, status, code in _STATUSES if isinstance(error, kind))
    if isinstance(error, ImageError):
        status, code = _PICTURES.get(error.reason, (status, code))
    wanted = f"; wanted {error.wanted}" if error.wanted else ""
    message = f"{error.what}: {error.saw}{wanted}"
    return Problem(status, code, without_places(message, folders), without_places(error.do, folders))


def without_places(text: str, folders: Sequence[Path] = ()) -> str:
    """A text in which absolute paths are replaced by their last names.

    >>> without_places("no such file /home/a/b.png; see C:\\\\x\\\\y.txt")
    'no such file b.png; see y.txt'
    """
    for folder in sorted({str(folder) for folder in folders}, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(folder, Path(folder).name)
    return _ABSOLUTE.sub(lambda found: re.split(r"[/\\]", found[0].rstrip("/\\"))[-1], text)


def answer_problems(app: FastAPI, folders: Sequence[Path]) -> None:
    """Have an application answer everything that goes wrong in the one form; folders as in `problem_of`."""

    def answer(_request: Request, error: Exception) -> JSONResponse:
        return as_problem(error, folders=folders).answer()

    for kind in (LookalikeError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, answer)


def as_problem(error: Exception, *, folders: Sequence[Path] = ()) -> Problem:
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


def invalid_values(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """What a check of values found, as one problem that names the first of them.

    Args:
        errors: as pydantic's `ValidationError.errors()` gives them.
    """
    first = errors[0]
    place = ".".join(str(part) for part in first["loc"]) or "body"
    saw = "" if first["type"] == "missing" else f": saw {_short(first.get('input'))}"
    more = f" ({len(errors) - 1} more like it)" if len(errors) > 1 else ""
    if first["type"] == "json_invalid":
        return Problem(400, "not_json", f"The body is not JSON: {first['msg']}.", "Send valid JSON.")
    return Problem(422, "invalid", f"{place}{saw}: {first['msg']}{more}", _hint(first, place))


def _hint(error: Mapping[str, Any], place: str) -> str:
    if error["type"] == "extra_forbidden":
        return f"Leave {place} out; GET /openapi.json lists what is understood."
    return f"Mend {place}; GET /openapi.json says what it may be."


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
