"""The file attributes.csv beside the folders of a tree: what is known of every label.

Enters: a folder tree's frame. Leaves: the same rows with the file's columns as attributes. What the columns
mean is not decided here; a manifest has its attributes in columns of its own and needs no such file.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lookalike.errors import TableError
from lookalike.tables.columns import COLUMNS
from lookalike.tables.csv_file import read_csv

FILE = "attributes.csv"
KEYS = ("label", "class")  # the column that names the folder; the first that is there


def join_attributes(folder: Path, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Add the columns of folder/attributes.csv to the rows of their label.

    The file has a column label (or class) with the names of folders, and any others. It may name folders that
    are not there; a label that it does not name has null in every attribute. A file without such a column is
    something else and is left alone.

    Args:
        frame: with a column label.

    Returns:
        The frame, in its order, and notes: labels that the file does not name.

    Raises:
        TableError: the file cannot be read, names a label twice, or has a column that a table has already.
    """
    path = folder / FILE
    if not path.is_file():
        return frame, ()
    attributes, notes = _read(path)
    key = next((name for name in KEYS if name in attributes.columns), None)
    if key is None:
        return frame, ()
    attributes = attributes.rename({key: "label"})
    twice = attributes.filter(pl.col("label").is_duplicated())["label"]
    if len(twice):
        raise _error("a label stands twice", path, saw=f"{twice[0]!r}", do="keep one row of each")
    taken = [name for name in attributes.columns if name in COLUMNS and name != "label"]
    if taken:
        do = "rename it; what differs from picture to picture belongs into a manifest"
        raise _error("a column has a name that means something else", path, saw=taken[0], do=do)
    unnamed = sorted(set(frame["label"].drop_nulls()) - set(attributes["label"].drop_nulls()))
    shown = ", ".join(unnamed[:5]) + (" ..." if len(unnamed) > 5 else "")
    note = f"labels that {path} does not name, so without attributes: {len(unnamed):,}: {shown}"
    joined = frame.join(attributes, on="label", how="left", maintain_order="left")
    return joined, (*notes, note) if unnamed else notes


def _read(path: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        saw = error.strerror or str(error)
        raise _error("the file of attributes cannot be read", path, saw=saw, do="check its rights") from error
    return read_csv(path, content, text=KEYS)  # a folder may be called 0030


def _error(what: str, where: Path, *, saw: str, do: str) -> TableError:
    return TableError(what, where=where, saw=saw, do=do)
