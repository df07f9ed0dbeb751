"""What the columns of a manifest mean: a frame as it was read enters, the same in one form leaves.

Columns image, label, split, role, group and box are put in one form; the others are attributes and stay as
they are. Nothing is guessed: a column or row that could mean two things is an error that names it. Not done
here: reading files (manifest), looking whether pictures are there (table).
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NoReturn

import polars as pl

from lookalike.errors import TableError
from lookalike.pictures.formats import EXTENSIONS as PICTURES

COLUMNS = ("image", "label", "split", "role", "group", "box")
SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
ROLES = {"query": "query", "gallery": "gallery"}

_URL = r"(?i)^([a-z][a-z0-9+.-]+://|data:)"
_WINDOWS_PATH = r"^([A-Za-z]:[\\/]|\\\\)"
_ON_WINDOWS = os.name == "nt"
_PICTURE = r"(?i)\.(" + "|".join(sorted(extension[1:] for extension in PICTURES)) + ")$"
_NUMBER = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
_BOX = r"^[\[(]?\s*-?\d+(?:[\s,;]+-?\d+){3}\s*[\])]?$"
_SHOWN = 3


def tidy(path: Path, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Put the columns in one form.

    Args:
        path: where the frame is from, for errors.
        frame: with a column image, and one row or more.

    Returns:
        The frame: image and label (String, null where there is none), where the frame has them split (train,
        val or test), role (query, gallery or null), group and box (four Int64), then the attributes; and
        notes on what looks odd, one sentence each.

    Raises:
        TableError: a column or row cannot be used.
    """
    images, notes = _images(path, frame["image"])
    columns = [images, _nulls("label", len(frame))]
    if "label" in frame.columns:
        columns[1] = _labels(path, frame["label"])
        _refuse_swapped(path, images, columns[1])
    for name, read in _OPTIONAL.items():
        if name in frame.columns and frame[name].null_count() < len(frame):
            columns.append(read(path, frame[name]))
    attributes = [frame[name] for name in frame.columns if name not in COLUMNS]
    for column in attributes:
        if "Binary" in str(column.dtype):  # also inside a list or struct
            _refuse_kind(path, column, wanted="text, numbers or dates", do="convert the column")
    return pl.DataFrame([*columns, *attributes]), notes


def _nulls(name: str, length: int) -> pl.Series:
    return pl.Series(name, [None] * length, dtype=pl.String)


def _images(path: Path, column: pl.Series) -> tuple[pl.Series, tuple[str, ...]]:
    if column.dtype != pl.String:
        _refuse_kind(path, column, wanted="paths as text", do="name the column with the paths image")
    empty = column.is_null() | (column == "")
    if empty.any():
        _refuse_row(path, column, empty, "a row names no picture", do="fill in its path or remove the row")
    urls = column.str.contains(_URL)
    if urls.any():
        _refuse_row(path, column, urls, "a row names a URL", do="download the pictures and name the files")
    if not _ON_WINDOWS and (foreign := column.str.contains(_WINDOWS_PATH)).any():
        do = "make the paths relative to the manifest, or bring the pictures here and name them as they lie"
        _refuse_row(path, column, foreign, "a row names a path of Windows", do=do)
    notes = []
    if (spaced := column.str.contains(r"^\s|\s$")).any():
        first = column.filter(spaced)[0]
        notes = [
            f"paths in {path} that begin or end with a space, as they stand: {spaced.sum():,}: {first!r}"
        ]
    tidied = column.str.replace_all("\\", "/", literal=True).str.replace_all(r"/(\./)+|/{2,}", "/")
    return tidied.str.replace(r"^(\./)+", ""), tuple(notes)


def _labels(path: Path, column: pl.Series) -> pl.Series:
    known = column.drop_nulls()
    if column.dtype.is_float():
        _refuse_numbers(path, known, whole=bool((known % 1 == 0).all()))
    labels = as_text(path, column)
    known = labels.drop_nulls()
    if known.str.contains(_NUMBER).all() and known.str.contains(".", literal=True).any():
        _refuse_numbers(path, known, whole=known.str.contains(r"^[+-]?\d+(\.0*)?$").all())
    return labels


def _refuse_numbers(path: Path, known: pl.Series, *, whole: bool) -> NoReturn:
    """Refuse labels that are all numbers with a fraction: a class has no half."""
    shown = ", ".join(map(str, known.unique(maintain_order=True).head(_SHOWN)))
    if whole:
        do = "write 1 for 1.0 (pandas: astype('Int64'); polars: cast(pl.Int64))"
    else:
        do = "call the column with the classes label; if these are names of classes, put a letter before them"
    raise TableError(
        "the labels are numbers with a decimal point",
        where=f"{path}: column label",
        saw=shown or "none that is known",
        wanted="names, or whole numbers",
        do=do,
    )


def _refuse_swapped(path: Path, images: pl.Series, labels: pl.Series) -> None:
    """Refuse labels that are names of picture files beside images that are not."""
    if images.str.contains(_PICTURE).any() or 2 * labels.str.contains(_PICTURE).sum() <= len(labels):
        return
    raise _error(
        path,
        "the columns image and label are mixed up",
        saw=f"image {images[0]!r} and label {labels.drop_nulls()[0]!r}",
        do="exchange their names in the header",
    )


def as_text(path: Path, column: pl.Series) -> pl.Series:
    """A column's values as text without spaces around it; an empty text is null.

    Raises:
        TableError: they are neither text nor whole numbers.
    """
    kind = column.dtype
    if not (kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null) or kind.is_integer()):
        _refuse_kind(path, column, wanted="text or whole numbers", do="convert the column")
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _splits(path: Path, column: pl.Series) -> pl.Series:
    return split_names(
        path, as_text(path, column), do="write train, val or test in every row, or remove the column"
    )


def split_names(path: Path, column: pl.Series, *, do: str) -> pl.Series:
    """The split that every value of a String column names, in any case: "Valid" is val.

    Raises:
        TableError: a value names none; a null does not either.
    """
    names = _one_of(SPLITS, column)
    if names.null_count():
        _refuse_row(path, column, names.is_null(), f"a row has no known {column.name}", do=do)
    return names.alias("split")


def _roles(path: Path, column: pl.Series) -> pl.Series:
    text = as_text(path, column)
    roles = _one_of(ROLES, text)
    unknown = roles.is_null() & text.is_not_null()
    if unknown.any():
        meant = difflib.get_close_matches(text.filter(unknown)[0].lower(), ROLES, n=1)
        do = f"did you mean {meant[0]}? " if meant else ""
        do += "write query, gallery or nothing (both); a column of other things needs another name"
        _refuse_row(path, column, unknown, "a row has no known role", do=do)
    return roles


def _one_of(names: Mapping[str, str], text: pl.Series) -> pl.Series:
    return text.str.to_lowercase().replace_strict(names, default=None, return_dtype=pl.String)


def _boxes(path: Path, column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        wrong = ~text.str.contains(_BOX) & (text != "")
        boxes = text.set(text == "", None).str.extract_all(r"-?\d+").cast(pl.List(pl.Int64), strict=False)
    else:
        inner = getattr(column.dtype, "inner", None)
        if inner is None or not inner.is_integer():
            wanted = "four whole numbers: left, top, right, bottom"
            _refuse_kind(path, column, wanted=wanted, do="convert the column")
        boxes = column.cast(pl.List(pl.Int64), strict=False)  # null where a number has too many digits
        wrong = boxes.list.len() != 4
    if not wrong.any():
        left, top, right, bottom = (boxes.list.get(place, null_on_oob=True) for place in range(4))
        wrong = boxes.is_not_null() & ~((left < right) & (top < bottom)).fill_null(value=False)
    if wrong.any():
        do = "write left, top, right, bottom in pixels, left < right and top < bottom"
        _refuse_row(path, column, wrong, "a row's box is none", do=do)
    return boxes.alias("box")


_OPTIONAL: dict[str, Callable[[Path, pl.Series], pl.Series]] = {
    "split": _splits,
    "role": _roles,
    "group": as_text,
    "box": _boxes,
}


def _refuse_kind(path: Path, column: pl.Series, *, wanted: str, do: str) -> NoReturn:
    raise TableError(
        f"the column {column.name} is of the wrong kind",
        where=path,
        saw=f"{column.dtype}, for example {column.drop_nulls().to_list()[:1]}",
        wanted=wanted,
        do=do,
    )


def _refuse_row(path: Path, column: pl.Series, wrong: pl.Series, what: str, *, do: str) -> NoReturn:
    row = wrong.fill_null(value=False).arg_true()[0]
    rows = int(wrong.sum())
    more = f" and {rows - 1:,} more rows" if rows > 1 else ""
    raise TableError(what, where=f"{path}: row {row + 1}", saw=f"{column[row]!r}{more}", do=do)


def _error(path: Path, what: str, *, saw: str, do: str) -> TableError:
    return TableError(what, where=path, saw=saw, do=do)
