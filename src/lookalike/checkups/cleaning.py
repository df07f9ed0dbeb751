"""A manifest of what is usable, with one of each picture: an Examination enters, two files leave.

Left out are pictures that cannot be used or are of one colour, all but one of each group of copies and
near-duplicates of one label, and every picture that stands byte for byte under several labels: which of those
is right, a person must decide. What is left out is listed beside the manifest with its reason. No picture is
touched.
"""

from __future__ import annotations

import io
import os
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lookalike.checkups.examination import Examination, preference
from lookalike.checkups.findings_copies import contradicts, pairs_of
from lookalike.errors import TableError
from lookalike.files import check_writable, write_atomically
from lookalike.tables.columns import COLUMNS, tidy
from lookalike.tables.csv_file import read_csv
from lookalike.tables.table import ImageTable

KINDS = (".csv", ".parquet")
MANIFEST = "clean.csv"  # what a manifest is called where nothing speaks against it
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A picture that is not in the manifest: why, and where there is one, the picture it is about."""

    image: str
    label: str | None
    reason: str
    other: str = ""


@dataclass(frozen=True)
class Cleaned:
    """What is left of a table, and what is not.

    Attributes:
        table: the rows that stay, in their order.
        left_out: the rows that do not, in theirs.
    """

    table: ImageTable
    left_out: tuple[LeftOut, ...]


def clean(found: Examination) -> Cleaned:
    """Choose what stays of a table (see the module); of copies, the one in test, then val, then train."""
    reasons: dict[int, tuple[str, int | None]] = {}
    why = {entry.path: str(entry.reason) for entry in found.description.skipped}
    for row in np.flatnonzero(~found.usable).tolist():
        reasons[row] = (f"cannot be used: {why.get(found.ids[row], 'see describe')}", None)
    blank = set(found.description.blank)
    for row, image in enumerate(found.table.frame["image"]):
        if image in blank:
            reasons.setdefault(row, ("one colour", None))
    for group in found.copies:
        _judge_copies(found, group, reasons)
    _judge_near(found, reasons)
    kept = np.array([row for row in range(len(found.table)) if row not in reasons], np.int64)
    left_out = tuple(
        LeftOut(found.ids[row], found.labels[row], reason, "" if other is None else found.ids[other])
        for row, (reason, other) in sorted(reasons.items())
    )
    return Cleaned(found.table.take(kept), left_out)


def _judge_copies(
    found: Examination, group: tuple[int, ...], reasons: dict[int, tuple[str, int | None]]
) -> None:
    if contradicts(found, group):
        for place, row in enumerate(group):
            reasons.setdefault(row, ("equal to a picture of another label", group[place - 1]))
        return
    for row in group[1:]:
        reasons.setdefault(row, ("equal to", group[0]))


def _judge_near(found: Examination, reasons: dict[int, tuple[str, int | None]]) -> None:
    """Go by preference; who is a near-duplicate of one that stays does not. Chains do not pull all along."""
    partners: defaultdict[int, list[int]] = defaultdict(list)
    for place in pairs_of(found, across_labels=False):
        a, b = int(found.near.first[place]), int(found.near.second[place])
        partners[a].append(b)
        partners[b].append(a)
    ranks = preference(found.table)
    for row in sorted(partners, key=lambda row: ranks[row]):
        if row in reasons:
            continue
        for other in partners[row]:
            if ranks[other] > ranks[row]:
                reasons.setdefault(other, ("near-duplicate of", row))


def suggested(table: ImageTable, *, data: str) -> str:
    """What to call the manifest of a table: a name that can hold it and is not that of the data."""
    own = re.fullmatch(r"clean(\d*)(\.left_out)?\.(csv|parquet)", Path(data).name, re.IGNORECASE)
    name = Path(f"clean{int(own[1] or 1) + 1}.csv" if own else MANIFEST)
    try:
        _csv(table, name)
    except TableError:
        return str(name.with_suffix(".parquet"))
    return str(name)


def check_manifest(path: Path, *, data: Path) -> None:
    """Find out before the work whether a manifest and the list beside it can be written.

    Raises:
        TableError: it is neither CSV nor Parquet, or it is what is looked at.
        LookalikeError: its folder is missing, read-only or full.
    """
    if path.suffix.lower() not in KINDS:
        raise TableError(
            "a manifest cannot be written in this format",
            where=path,
            saw=path.suffix or "no extension",
            wanted=" or ".join(KINDS),
            do=f"name it {path.stem}.csv",
        )
    if os.path.abspath(data) in map(os.path.abspath, (path, beside(path))):  # noqa: PTH100 - links stay
        raise TableError(
            "the manifest would take the place of what is looked at",
            where=path,
            saw="the name of DATA",
            do=f"name it {path.stem}_clean{path.suffix}",
        )
    check_writable(path)


def beside(path: Path) -> Path:
    """Where the list of what was left out is written."""
    return path.with_name(f"{path.stem}.left_out.csv")


def write_manifest(cleaned: Cleaned, path: Path) -> None:
    """Write what stays as CSV or Parquet, and the list of what does not beside it.

    Raises:
        TableError: nothing stays; or a CSV cannot hold a column or a name.
        LookalikeError: a file cannot be written.
    """
    if not len(cleaned.table):
        do = "restore the pictures, or decide which labels are right"
        saw = f"{len(cleaned.left_out):,} left out"
        raise TableError("nothing is left for a manifest", where=path, saw=saw, do=do)
    if path.suffix.lower() == ".parquet":
        cleaned.table.save(path)
    else:
        write_atomically(path, _csv(cleaned.table, path))
    columns = {
        name: [getattr(entry, name) for entry in cleaned.left_out] for name in LeftOut.__dataclass_fields__
    }
    listed = pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))
    write_atomically(beside(path), listed.write_csv().encode())


def _csv(table: ImageTable, path: Path) -> bytes:
    """The table with its pictures named from the manifest's folder."""
    folder = Path(os.path.abspath(path)).parent  # noqa: PTH100 - links are not resolved
    frame = table.frame.with_columns(pl.Series("image", [_from(folder, place) for place in table.paths]))
    if "box" in frame.columns:
        frame = frame.with_columns(pl.col("box").cast(pl.List(pl.String)).list.join(" "))
    nested = [name for name, kind in frame.schema.items() if kind.is_nested() or kind == pl.Binary]
    if nested:
        raise _no_csv(path, f"column {nested[0]} of {frame.schema[nested[0]]}")
    content = io.BytesIO()
    frame.write_csv(content)
    _check_read_again(path, content.getvalue(), frame)
    return content.getvalue()


def _check_read_again(path: Path, content: bytes, frame: pl.DataFrame) -> None:
    """Refuse what a reader of the manifest would take for something else, such as a label " a" or 1.5."""
    try:
        again, _ = tidy(path, read_csv(path, content, text=COLUMNS)[0])
    except TableError as error:
        raise _no_csv(path, f"{error.what}: {error.saw}") from error
    for name in [name for name in ("image", "label", "group") if name in again.columns]:
        changed = frame[name].ne_missing(again[name])
        if changed.any():
            raise _no_csv(path, f"the {name} {frame[name].filter(changed)[0]!r}")


def _no_csv(path: Path, saw: str) -> TableError:
    do = f"write Parquet: --manifest {path.stem}.parquet"
    return TableError("a CSV cannot hold this table", where=path, saw=saw, do=do)


def _from(folder: Path, picture: Path) -> str:
    try:
        return Path(os.path.relpath(picture, folder)).as_posix()
    except ValueError:  # on another drive
        return picture.as_posix()
