"""Read the text files in which data sets list their pictures: one row a line, columns by blanks or a mark.

Enters: a file and what its columns are. Leaves: a Listing whose values have the kinds that were asked for;
a line that does not fit is an error that names it. Not done here: what the columns mean (the layouts).
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

import polars as pl

from lookalike.errors import TableError
from lookalike.pictures.formats import EXTENSIONS

Kinds = Mapping[str, type[pl.DataType]]

_WORDS: dict[Any, str] = {pl.String: "text", pl.Float64: "a number"}
_PICTURE = r"(?i)\.(" + "|".join(sorted(extension[1:] for extension in EXTENSIONS)) + ")$"
_SHOWN = 60
AGAIN = "unpack the data set again, or get this file again: it may be cut short or of another version"


@dataclass(frozen=True)
class Listing:
    """The rows of a file.

    Attributes:
        path: the file.
        frame: the columns that were asked for, in that order, without nulls.
        first: the number of the line in which the first row stands, from 1.
        unit: what a row is called in errors.
    """

    path: Path
    frame: pl.DataFrame
    first: int
    unit: str = "line"

    def refuse(self, wrong: pl.Series, what: str, *, column: str, wanted: str, do: str = AGAIN) -> None:
        """Raise an error that names the first row in which `wrong` is true, where there is one.

        Raises:
            TableError: there is one.
        """
        rows = wrong.fill_null(value=True).arg_true()
        if len(rows):
            more = f" and {len(rows) - 1:,} more {self.unit}s" if len(rows) > 1 else ""
            saw = f"{column} {self.frame[column][rows[0]]!r}{more}"
            raise TableError(what, where=self.at(rows[0]), saw=saw, wanted=wanted, do=do)

    def refuse_twice(self, column: str) -> None:
        """Raise an error where two rows have the same value in a column.

        Raises:
            TableError: two have.
        """
        values = self.frame[column]
        if not values.is_duplicated().any():
            return
        again = (~values.is_first_distinct()).arg_true()[0]
        before = (values == values[again]).arg_true()[0] + self.first
        wanted = f"once only; it stands in {self.unit} {before} already"
        raise TableError(
            f"a file lists one {column} twice",
            where=self.at(again),
            saw=repr(values[again]),
            wanted=wanted,
            do="keep one of the two: they may contradict each other",
        )

    def check_images(self, column: str) -> None:
        """Look whether a column names pictures, each of them once.

        Raises:
            TableError: a name is not that of a picture, or stands twice.
        """
        named = self.frame[column].str.contains(_PICTURE)
        wanted = "a name that ends as a picture's, such as .jpg"
        self.refuse(~named, "a line names no picture", column=column, wanted=wanted)
        self.refuse_twice(column)

    def at(self, row: int) -> str:
        """Where a row stands, for an error."""
        return f"{self.path}: {self.unit} {self.first + row}"

    def join(self, other: Listing, column: str) -> Listing:
        """The same rows, with the columns that another file has for them.

        Raises:
            TableError: the two files do not list the same.
        """
        for here, there in ((self, other), (other, self)):
            lone = ~here.frame[column].is_in(there.frame[column].implode())
            wanted = (
                f"it in {there.path.name}, which has {len(there.frame):,} rows; here are {len(here.frame):,}"
            )
            here.refuse(lone, "two files do not list the same", column=column, wanted=wanted)
        if self.frame[column].equals(other.frame[column]):
            return replace(self, frame=self.frame.hstack(other.frame.drop(column)))
        joined = self.frame.join(other.frame, on=column, how="left", maintain_order="left")
        return replace(self, frame=joined)


def read_listing(
    path: Path, columns: Kinds, *, skip: int = 0, counted: bool = False, mark: str = " ", rest: bool = False
) -> Listing:
    """Read the rows of a text file in UTF-8, with or without BOM, with line ends of any system.

    Args:
        path: the file.
        columns: name and kind of each, in the file's order.
        skip: lines before the first row.
        counted: the first line is the number of rows.
        mark: what parts the columns; a blank stands for any number of blanks and tabs.
        rest: the last column is all that is left of the line, blanks as well.

    Raises:
        TableError: the file is missing or cannot be read, has no rows or not as many as it says, or a line
            has too few or too many columns or a value of another kind.
    """
    text = _read_text(path)
    if mark == " ":
        text = _single_blanks(text)
    text = text.rstrip("\n")
    lines = text.split("\n")
    rows = pl.Series(lines[skip:], dtype=pl.String)
    if not len(rows) or not text.strip():
        raise TableError(
            "a file lists nothing", where=path, saw=f"{len(text)} bytes", wanted="rows", do=AGAIN
        )
    if rest:
        rows = rows.str.replace(mark, "\t", literal=True, n=len(columns) - 1)
        mark = "\t"
    _check_widths(path, rows, columns, mark=mark, first=skip + 1)
    if counted:
        _check_count(path, lines[0], len(rows))
    content = "\n".join(rows).encode() if rest else text.split("\n", skip)[skip].encode()
    return Listing(path, _parse(path, content, rows, columns, mark=mark, first=skip + 1), skip + 1)


def read_heading(path: Path, *, line: int, mark: str = " ") -> list[str]:
    """The words of one line, from 1, of a text file.

    Raises:
        TableError: the file is missing, cannot be read, or has not so many lines.
    """
    lines = _read(path, most=1 << 16).decode("utf-8-sig", "replace").splitlines()
    if len(lines) < line:
        wanted = f"the names of columns in line {line}"
        raise TableError(
            "a file is cut short", where=path, saw=f"{len(lines)} lines", wanted=wanted, do=AGAIN
        )
    words = lines[line - 1].split() if mark == " " else lines[line - 1].split(mark)
    return [word.strip() for word in words]


def check_heading(path: Path, names: Sequence[str], *, line: int) -> None:
    """Look whether a line names the columns that are wanted.

    Raises:
        TableError: it does not.
    """
    found = read_heading(path, line=line)
    if found != list(names):
        raise TableError(
            "a file has other columns",
            where=f"{path}: line {line}",
            saw=_shortened(" ".join(found)),
            wanted=" ".join(names),
            do=AGAIN,
        )


def _read(path: Path, *, most: int = -1) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(most)
    except OSError as error:
        raise missing("file", path, error) from error


def missing(kind: str, path: Path, error: OSError) -> TableError:
    """The error for a file or folder that is not there or cannot be opened."""
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return TableError(
            f"a {kind} of the data set is missing",
            where=path,
            saw=f"no such {kind}",
            do="unpack the whole data set there; archives inside it as well",
        )
    saw = error.strerror or str(error)
    return TableError(f"a {kind} of the data set cannot be read", where=path, saw=saw, do="check its rights")


def _read_text(path: Path) -> str:
    content = _read(path)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise TableError(
            "a file is no UTF-8 text",
            where=f"{path}: line {line}",
            saw=f"byte {content[error.start]:#04x}",
            do="save it as UTF-8; it may be another kind of file",
        ) from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _single_blanks(text: str) -> str:
    text = text.replace("\t", " ")
    while "  " in text:
        text = text.replace("  ", " ")
    return text.replace(" \n", "\n").replace("\n ", "\n").strip(" ")


def _check_widths(path: Path, rows: pl.Series, columns: Kinds, *, mark: str, first: int) -> None:
    counts = rows.str.count_matches(mark, literal=True)
    wrong = ((counts != len(columns) - 1) | (rows == "")).arg_true()
    if len(wrong):
        raise TableError(
            "a line has other columns",
            where=f"{path}: line {first + wrong[0]}",
            saw=repr(_shortened(rows[wrong[0]])),
            wanted=f"{len(columns)}: {_shortened(', '.join(columns))}",
            do=AGAIN,
        )


def _check_count(path: Path, line: str, count: int) -> None:
    if line.strip() != str(count):
        raise TableError(
            "a file has another number of rows than its first line says",
            where=path,
            saw=f"{count:,} rows below {_shortened(line)!r}",
            wanted="as many rows as the first line says",
            do=AGAIN,
        )


def _parse(
    path: Path, content: bytes, rows: pl.Series, columns: Kinds, *, mark: str, first: int
) -> pl.DataFrame:
    frame = pl.read_csv(
        io.BytesIO(content),
        separator=mark,
        has_header=False,
        quote_char=None,
        schema=dict(columns),
        ignore_errors=True,  # a value of another kind becomes null, and is named below
    )
    for (name, kind), nulls in zip(columns.items(), frame.null_count().row(0), strict=True):
        if nulls:
            _refuse_value(path, rows, name, kind, frame[name].is_null(), first=first)
    return frame


def _refuse_value(
    path: Path, rows: pl.Series, name: str, kind: Any, wrong: pl.Series, *, first: int
) -> NoReturn:
    row = wrong.arg_true()[0]
    raise TableError(
        "a value is of the wrong kind",
        where=f"{path}: line {first + row}",
        saw=repr(_shortened(rows[row])),
        wanted=f"{name} to be {_WORDS.get(kind, 'a whole number')}",
        do=AGAIN,
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
