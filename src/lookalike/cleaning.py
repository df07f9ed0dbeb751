"""A manifest of what is usable, with one of each picture: an Examination enters, two files leave.

Left out are pictures that cannot be used or are of one colour, all but one of each group of copies and
near-duplicates of one label, and every picture that stands byte for byte under several labels: which of those
is right, a person must decide. What is left out is listed beside the manifest with its reason. No picture is
touched.
"""

from __future__ import annotations

import io
import os
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lookalike.errors import TableError
from lookalike.examination import Examination, preference
from lookalike.files import check_writable, write_atomically
from lookalike.findings_copies import contradicts, pairs_of
from lookalike.table import ImageTable

KINDS = (".csv", ".parquet")
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
    for row in np.flatnonzero(~found.usable).tolist():
        reasons[row] = ("cannot be used", None)
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
    unsafe = [image for image in frame["image"] if "\\" in image]
    if nested or unsafe:
        raise TableError(
            "a CSV cannot hold this table",
            where=path,
            saw=f"column {nested[0]} of {frame.schema[nested[0]]}" if nested else f"the name {unsafe[0]}",
            do=f"write Parquet: --manifest {path.stem}.parquet",
        )
    content = io.BytesIO()
    frame.write_csv(content)
    return content.getvalue()


def _from(folder: Path, picture: Path) -> str:
    try:
        return Path(os.path.relpath(picture, folder)).as_posix()
    except ValueError:  # on another drive
        return picture.as_posix()
