"""Read a CSV: bytes enter; a frame leaves, or an error that names the line and what is wrong with it.

The separator is read off the header; every other row must have as many fields as that. Columns that are
named stay text, the others become what all their rows allow. What columns mean is decided in columns.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection
from pathlib import Path

import polars as pl

from lookalike.errors import TableError

_MARKS = (",", ";", "\t", "|")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_HEAD = 2**20  # bytes in which the header must end
_SHOWN = 60  # characters of a row
_SAVE = "save it again as UTF-8 CSV (spreadsheets call it CSV UTF-8)"
_STARTS = (
    (b"\xff\xfe", "UTF-16 text", _SAVE),
    (b"\xfe\xff", "UTF-16 text", _SAVE),
    (b"PK\x03\x04", "a ZIP archive, as spreadsheets are", "export it as CSV from the spreadsheet program"),
)


def read_csv(path: Path, content: bytes, *, text: Collection[str]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Read a CSV with a header; fields stand apart by the same of , ; tab | throughout.

    Args:
        path: where it is from, for errors.
        content: the file, with or without a byte order mark.
        text: names of columns that stay text, whatever they look like.

    Returns:
        The frame, names stripped of spaces, and notes: what was left out.

    Raises:
        TableError: it is empty, no UTF-8 text, or a row does not have the fields of the header.
    """
    _refuse_other_kinds(path, content)
    content = content.removeprefix(_BYTE_ORDER_MARK).lstrip(b"\r\n")
    if not content.strip():
        raise _error(
            "the file is empty", path, saw="no text", do="add a header with a column image, and rows"
        )
    mark, header = _header(path, content)
    names = [name.strip() for name in header]
    refuse_twice(path, [name for name in names if name])
    try:
        frame = pl.read_csv(
            content,
            separator=mark,
            schema_overrides={name: pl.String for name in header if name.strip() in text},
            infer_schema_length=None,  # all rows decide
        )
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        _refuse_lines(path, content, mark, len(names))
        saw = str(error).strip().split("\n", 1)[0]
        raise _error("the file cannot be read as CSV", path, saw=saw, do=_SAVE) from error
    if frame[:, -1].null_count():  # as a field that is missing is
        _refuse_lines(path, content, mark, len(names))
    return _tidy(path, frame, names)


def refuse_twice(path: Path, names: list[str]) -> None:
    """Refuse columns of one name.

    Raises:
        TableError: there are some.
    """
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _error("a column stands twice", path, saw=", ".join(twice), do="rename or remove one of them")


def _refuse_other_kinds(path: Path, content: bytes) -> None:
    for start, kind, do in _STARTS:
        if content.startswith(start):
            raise _error("the file is no CSV in UTF-8", path, saw=kind, do=do)
    if b"\x00" in content[:_HEAD].split(b"\n", 1)[0]:
        saw = "zero bytes, as in UTF-16 text and in files that are no text"
        raise _error("the file is no CSV in UTF-8", path, saw=saw, do=_SAVE)
    if b"\r" in content[:_HEAD] and b"\n" not in content[:_HEAD]:
        do = "save it again with the line ends of Windows or Unix"
        raise _error("the lines of the file have no end", path, saw="carriage returns alone", do=do)


def _header(path: Path, content: bytes) -> tuple[str, list[str]]:
    """The separator and the fields of the first row, as they stand."""
    head = content[:_HEAD].decode("utf-8", "replace")
    rows: dict[str, list[str]] = {}
    for mark in _MARKS:
        try:
            rows[mark] = next(csv.reader(io.StringIO(head, newline=""), delimiter=mark), [])
        except csv.Error as error:
            raise _error("the header cannot be read", path, saw=str(error), do=_SAVE) from error
    best = max(rows, key=lambda mark: ("image" in [name.strip() for name in rows[mark]], len(rows[mark])))
    return best, rows[best]


def _tidy(path: Path, frame: pl.DataFrame, names: list[str]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Give the columns their names; leave out what has none, and rows without a single field."""
    nameless = [place for place, name in enumerate(names) if not name]
    filled = sum(frame[:, place].null_count() < len(frame) for place in nameless)
    notes = [f"columns of {path} without a name, which were left out: {filled:,}"] if filled else []
    empty = frame.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if empty.any():
        notes.append(f"empty lines of {path}, which were left out: {empty.sum():,}")
        frame = frame.filter(~empty)
    frame = frame[:, [place for place, name in enumerate(names) if name]]
    frame.columns = [name for name in names if name]
    return frame, tuple(notes)


def _refuse_lines(path: Path, content: bytes, mark: str, fields: int) -> None:
    """Refuse the first row that another program would read otherwise; most files have none.

    Raises:
        TableError: it is not UTF-8, has a quote that is never closed, or more or fewer fields.
    """
    _refuse_other_encodings(path, content)
    text = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", newline="")
    reader = csv.reader(text, delimiter=mark, strict=True)
    try:
        for row in reader:
            if row and len(row) != fields:
                raise TableError(
                    "a row has other fields than the header",
                    where=f"{path}: line {reader.line_num}",
                    saw=f"{len(row)} in {mark.join(row)[:_SHOWN]!r}",
                    wanted=str(fields),
                    do=f"complete it, and put double quotes around a field that contains {mark!r}",
                )
    except csv.Error as error:
        do = "close the double quotes, and double those within a field"
        where = f"{path}: line {reader.line_num}"
        raise _error("a row cannot be read", where, saw=str(error), do=do) from error


def _refuse_other_encodings(path: Path, content: bytes) -> None:
    try:
        content.decode()
    except UnicodeDecodeError as error:
        first = content.rfind(b"\n", 0, error.start) + 1
        line = content[first:].split(b"\n", 1)[0]
        saw = f"{content[error.start : error.start + 1]!r} in {line[:_SHOWN]!r}"
        number = content.count(b"\n", 0, first) + 1
        raise _error("the file is not UTF-8", f"{path}: line {number}", saw=saw, do=_SAVE) from error


def _error(what: str, where: object, *, saw: str, do: str) -> TableError:
    return TableError(what, where=where, saw=saw, do=do)
