"""Everything that goes wrong is answered in one form, and no path of the server is in it."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from fastapi.exceptions import RequestValidationError
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
    ReplacedError,
    SkipReason,
    StoreError,
)
from lookalike.serving.problems import Problem, as_problem, invalid_values, problem_of, without_places

BEATS = {"where": "/srv/a.idx", "saw": "this", "wanted": "that", "do": "do so"}


@pytest.mark.parametrize(
    ("kind", "status", "code"),
    [
        (BusyError, 409, "busy"),
        (DamageError, 503, "damaged"),
        (StoreError, 422, "unusable"),
        (ModelError, 409, "model"),
        (CalibrationError, 422, "calibration"),
        (EvaluationError, 409, "evaluation"),
        (LookalikeError, 422, "unusable"),
    ],
)
def test_errors_of_the_core_have_a_status(kind: type[LookalikeError], status: int, code: str) -> None:
    problem = as_problem(kind("it went wrong", **BEATS))
    assert (problem.status_code, problem.code) == (status, code)
    if kind is not BusyError:
        assert problem.message == "it went wrong: this; wanted that"
        assert problem.hint == "do so"


def stored(cause: Exception) -> tuple[int, str]:
    """How an error while storing is answered."""
    error = StoreError("it went wrong", **BEATS)
    error.__cause__ = cause
    problem = as_problem(error)
    assert "/srv" not in problem.message
    assert "Send the same request again" in problem.hint
    return problem.status_code, problem.code


def of_sqlite(name: str) -> sqlite3.Error:
    error = sqlite3.OperationalError("said so")
    error.sqlite_errorname = name
    return error


def test_what_cannot_be_stored_is_told_by_its_kind() -> None:
    for name in ("SQLITE_BUSY", "SQLITE_BUSY_SNAPSHOT", "SQLITE_LOCKED"):
        assert stored(of_sqlite(name)) == (409, "busy")
    assert stored(of_sqlite("SQLITE_FULL")) == (507, "disk_full")
    assert stored(OSError(errno.ENOSPC, "full")) == (507, "disk_full")
    assert stored(of_sqlite("SQLITE_READONLY")) == (503, "not_stored")
    assert stored(OSError(errno.EIO, "bad disk")) == (503, "not_stored")
    assert as_problem(BusyError("busy", **BEATS)).headers == {"Retry-After": "5"}
    replaced = as_problem(ReplacedError("it was replaced", **BEATS))
    assert (replaced.status_code, replaced.code) == (503, "not_ready")
    assert replaced.message == "The index was replaced."
    assert "restarted" in replaced.hint


def test_a_picture_is_named_and_options_are_called_as_here() -> None:
    error = ImageError("no", reason=SkipReason.TRUNCATED, where="b.png", saw="half", do="send it whole")
    assert problem_of(error).message == "b.png: no: half"
    option = LookalikeError("no", where="x", saw="y", do="give --where or leave out --threshold")
    assert problem_of(option).hint == "give where or leave out threshold"
    command = LookalikeError("no", where="x", saw="y", do="lookalike doctor a.idx --repair")
    assert problem_of(command).hint == "lookalike doctor a.idx --repair"


def test_relative_places_and_addresses_of_the_api() -> None:
    places = [Path("secret/sub/a.idx"), Path("../up/b.idx"), Path("a.idx")]
    assert without_places("see secret/sub/a.idx.lock", places) == "see a.idx.lock"
    assert without_places("no folder secret/sub.", places) == "no folder sub."
    assert without_places("see ../up/b.idx", places) == "see b.idx"
    kept = "GET /v1/folders lists them; GET /openapi.json; other-secret/sub/a.idx"
    assert without_places(kept, places) == kept
    assert without_places("in /odd/place/x.png", [Path("/odd/a.idx")]) == "in x.png"


def test_a_missing_part_is_said() -> None:
    problem = problem_of(MissingExtraError("umap", extra="map"))
    assert (problem.status_code, problem.code) == (503, "missing_part")
    assert "pip install 'lookalike[map]'" in problem.hint


@pytest.mark.parametrize("reason", list(SkipReason), ids=str)
def test_pictures_have_the_status_of_their_reason(reason: SkipReason) -> None:
    wanted = {SkipReason.NOT_AN_IMAGE: 415, SkipReason.TOO_LARGE: 413}.get(reason, 422)
    assert problem_of(ImageError("no", reason=reason, **BEATS)).status_code == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("see /srv/data/a.png, then go", "see a.png, then go"),
        ("see '/srv/data/a.png'.", "see 'a.png'."),
        ("no file (/tmp/x/)", "no file (x)"),
        ("lookalike index /srv/a.idx --model=/srv/m", "lookalike index a.idx --model=m"),
        ("C:\\Users\\me\\a.png is gone", "a.png is gone"),
        ("/srv/my pictures/cats/1.png", "my pictures/cats/1.png"),
        ("3/4 of and/or 1 / 2 stay as they are", "3/4 of and/or 1 / 2 stay as they are"),
    ],
)
def test_paths_of_the_server_are_left_out(text: str, wanted: str) -> None:
    assert without_places(text, [Path("/srv/my pictures")]) == wanted


def test_a_folder_that_is_the_root_of_all_changes_nothing_else() -> None:
    assert without_places("a and b / c", [Path("/")]) == "a and b / c"


def test_values_that_do_not_fit_are_named() -> None:
    errors: list[dict[str, Any]] = [
        {"type": "less_than", "loc": ("body", "k"), "msg": "no", "input": 9, "ctx": {"lt": 5}},
        {"type": "missing", "loc": ("body", "b"), "msg": "Field required", "input": {}},
    ]
    problem = invalid_values(errors)
    assert problem.status_code == 422
    assert problem.message == "k in the body: saw 9; wanted less than 5 (1 more like it)"
    assert invalid_values(errors[1:]).message == "b in the body: it is missing"
    union = [{"type": "x", "loc": ("query", "band", "str-enum[Band]"), "msg": "no", "input": "x"}]
    assert invalid_values(union).message == 'band in the query string: saw "x"; wanted no'


def test_what_is_not_json_is_not_understood() -> None:
    error = RequestValidationError([{"type": "json_invalid", "loc": ("body", 1), "msg": "JSON decode error"}])
    problem = as_problem(error)
    assert (problem.status_code, problem.code) == (400, "not_json")
    assert problem.message == "The body is not JSON: JSON decode error, at letter 1."


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (405, "method"), (418, "not_understood")])
def test_the_frameworks_errors_have_the_same_form(status: int, code: str) -> None:
    problem = as_problem(HTTPException(status, "because", headers={"Allow": "GET"}))
    assert (problem.status_code, problem.code) == (status, code)
    assert problem.answer().headers["allow"] == "GET"
    assert set(problem.body()["error"]) == {"code", "message", "hint"}


def test_a_fault_says_nothing_of_the_inside() -> None:
    problem = as_problem(RuntimeError("secret of /srv"))
    assert problem.status_code == 500
    assert "secret" not in str(problem.body())
    own = Problem(400, "a", "b", "c")
    assert as_problem(own) is own
