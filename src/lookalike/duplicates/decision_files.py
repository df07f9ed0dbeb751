"""Decisions on pairs as a file: CSV or JSON, with paths for people and content hashes for indexes.

Rows enter and leave; a row that is wrong is an error that names it. What a decision means is not known here.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

from lookalike.duplicates.agreement import moment_of
from lookalike.duplicates.moving import Changed, look_at
from lookalike.errors import TableError
from lookalike.files import write_atomically
from lookalike.indexing.schema import VERDICTS, Decision, Verdict
from lookalike.models.embedding import HASH_BYTES

FORMATS = (".csv", ".json")
NEEDED = ("first", "second", "verdict")


@dataclass(frozen=True, slots=True)
class Row:
    """One decision in a file.

    Attributes:
        first, second: paths; empty where no picture with this content is known.
        first_hash, second_hash: of the contents, in hexadecimal digits; may be empty where there is a path.
        made: ISO 8601, without a zone in UTC; or empty.
    """

    first: str
    second: str
    verdict: str
    made: str = ""
    first_hash: str = ""
    second_hash: str = ""


COLUMNS = tuple(field.name for field in fields(Row))


def check_format(path: Path, *, do: str = "") -> None:
    """Refuse a file that decisions are not kept in.

    Args:
        do: what to do; empty: give a file that is to be written another name.

    Raises:
        TableError: it ends neither in .csv nor in .json.
    """
    if path.suffix.lower() not in FORMATS:
        raise _wrong(
            path,
            "decisions are not kept in files of this format",
            saw=path.suffix or "no extension",
            wanted=" or ".join(FORMATS),
            do=do or f"name it {path.stem}.csv",
        )


def write_rows(rows: Iterable[Row], path: Path) -> None:
    """Write decisions as CSV or JSON, whole or not at all.

    Raises:
        TableError: the file is of another format.
        LookalikeError: it cannot be written.
    """
    check_format(path)
    values = [asdict(row) for row in rows]
    if path.suffix.lower() == ".json":
        write_atomically(path, (json.dumps(values, indent=2, ensure_ascii=False) + "\n").encode())
        return
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    table.writeheader()
    table.writerows(values)
    write_atomically(path, text.getvalue().encode())


def read_rows(path: Path) -> list[Row]:
    """Read what `write_rows` wrote, or a file with the columns first, second and verdict alone.

    Raises:
        TableError: the file cannot be read, or a row of it is wrong; the message names the row.
    """
    check_format(path, do="name a file that lookalike decisions INDEX --export FILE.csv wrote")
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        saw = getattr(error, "strerror", None) or "a file that is not UTF-8"
        raise _wrong(path, "the decisions cannot be read", saw=saw, do="name a file that can") from error
    rows = _of_json(path, content) if path.suffix.lower() == ".json" else _of_csv(path, content)
    return [_row(path, number, values) for number, values in enumerate(rows, start=1)]


def decision_of(row: Row, path: Path, *, made: str) -> Decision:
    """A row as a decision; a content without a hash is read from its file, relative ones beside `path`.

    Args:
        made: when, where the row does not say.

    Raises:
        TableError: a file that has to be read is not there, or one content is called different.
    """
    first, second = hashes_of(row, path)
    if first == second and row.verdict == "different":
        raise _wrong(
            path,
            "one content cannot be different from itself",
            saw=f"{row.first or row.first_hash} and {row.second or row.second_hash} with equal bytes",
            wanted="two contents to tell apart",
            do="remove this decision, or make it keep-both: then both copies stay",
        )
    return Decision.of(first, second, cast("Verdict", row.verdict), made=row.made or made)


def hashes_of(row: Row, path: Path) -> tuple[bytes, bytes]:
    """The content hashes of a row, read from the files where it does not say them.

    Raises:
        TableError: a file that has to be read is not there.
    """
    first, second = (
        bytes.fromhex(digest) if digest else _read_hash(place, path)
        for place, digest in ((row.first, row.first_hash), (row.second, row.second_hash))
    )
    return first, second


def place_of(name: str, path: Path) -> Path:
    """The file that a row of `path` names."""
    return path.absolute().parent / name


def _read_hash(name: str, path: Path) -> bytes:
    try:
        return bytes.fromhex(look_at(place_of(name, path), links=True).hash)
    except (OSError, Changed) as error:
        saw = getattr(error, "strerror", None) or str(error)
        do = "put the path right, relative to the file, or give its hash"
        raise _wrong(
            path, "a picture that was decided on cannot be read", saw=f"{name}: {saw}", do=do
        ) from error


def _of_csv(path: Path, content: str) -> list[Mapping[str, Any]]:
    try:
        table = csv.DictReader(io.StringIO(content, newline=""), strict=True)
        rows: list[Mapping[str, Any]] = list(table)
    except csv.Error as error:
        raise _wrong(path, "the decisions cannot be read", saw=str(error), do="write it as CSV") from error
    missing = [name for name in NEEDED if name not in (table.fieldnames or ())]
    if missing:
        saw = f"columns {', '.join(table.fieldnames or ())}"
        what = f"the decisions have no column {missing[0]}"
        raise _wrong(
            path, what, saw=saw, wanted=", ".join(COLUMNS), do="put the names of the columns at the top"
        )
    return rows


def _of_json(path: Path, content: str) -> list[Mapping[str, Any]]:
    try:
        rows = json.loads(content)
    except (ValueError, RecursionError) as error:
        do = "write it as JSON"
        raise _wrong(path, "the decisions cannot be read", saw=str(error), do=do) from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        do = "name what lookalike decisions INDEX --export wrote"
        raise _wrong(path, "the decisions are not a list of objects", saw=content[:40], do=do)
    return rows


def _row(path: Path, number: int, values: Mapping[str, Any]) -> Row:
    texts = {name: values.get(name) or "" for name in COLUMNS}
    odd = next((name for name, text in texts.items() if not isinstance(text, str)), None)
    if odd is not None:
        raise _wrong_row(path, number, odd, repr(texts[odd])[:80], "a text")
    row = Row(**texts)
    if row.verdict not in VERDICTS:
        raise _wrong_row(path, number, "verdict", repr(row.verdict), ", ".join(VERDICTS))
    if row.made and moment_of(row.made) == -math.inf:
        raise _wrong_row(path, number, "made", repr(row.made), "a time as ISO 8601, or nothing")
    for side in ("first", "second"):
        digest = texts[f"{side}_hash"]
        if digest and (len(digest) != 2 * HASH_BYTES or set(digest) - set("0123456789abcdef")):
            raise _wrong_row(
                path, number, f"{side}_hash", repr(digest), f"{2 * HASH_BYTES} hexadecimal digits"
            )
        if not digest and not texts[side]:
            raise _wrong_row(path, number, side, "nothing", "a path or a hash")
    return row


def _wrong_row(path: Path, number: int, column: str, saw: str, wanted: str) -> TableError:
    what, do = "a decision is not understood", "put it right, or remove it"
    return TableError(what, where=f"{path}: decision {number}, {column}", saw=saw, wanted=wanted, do=do)


def _wrong(path: Path, what: str, *, saw: str, do: str, wanted: str = "") -> TableError:
    return TableError(what, where=path, saw=saw.partition("\n")[0][:200], wanted=wanted, do=do)
