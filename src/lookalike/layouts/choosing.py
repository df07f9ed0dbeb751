"""What the columns of a `datasets` table are: the picture, its label, its attributes.

Enters: a schema, and the description of the columns that the library stores beside it. Leaves: a choice of
columns, and rows and pictures by that choice. Where two columns could be the picture or the label, the error
lists them. Not done here: finding and reading the files (shards).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from lookalike.errors import SkipReason, TableError
from lookalike.layouts.listing import AGAIN
from lookalike.layouts.protocol import PUBLISHED
from lookalike.layouts.unpacking import Absent, Encoded, File, Picture
from lookalike.tables.columns import COLUMNS

Description = Mapping[str, Any]  # a column's name to its description, as the library writes it

NO_LABEL_COLUMN = "no column is known to be the label: name one with hugging-face+label=COLUMN:FOLDER"
PREFIX = "published_"  # of attributes whose own name means something else in a table
_UNKNOWN = -1  # how test sets without answers are published


@dataclass(frozen=True)
class Choice:
    """Which column is what.

    Attributes:
        image: the pictures' column.
        label: the labels' column, or None.
        attributes: the other columns that are kept, with the names they get.
        names: for columns of numbered classes, the classes' names.
        left_out: columns that are neither text nor numbers.
    """

    image: str
    label: str | None
    attributes: Mapping[str, str]
    names: Mapping[str, tuple[str, ...]]
    left_out: tuple[str, ...]

    @property
    def columns(self) -> list[str]:
        """All columns that have to be read."""
        return [self.image, *([self.label] if self.label else []), *self.attributes]

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided that a user may want otherwise."""
        renamed = [f"{old} is called {new}" for old, new in self.attributes.items() if old != new]
        return (
            *left_out_note(self.left_out),
            *((f"columns whose name has a meaning in tables: {', '.join(renamed)}",) if renamed else ()),
            *(() if self.label else (NO_LABEL_COLUMN,)),
        )


def choose(
    schema: pl.Schema,
    description: Description,
    *,
    where: Path,
    image: str | None = None,
    label: str | None = None,
) -> Choice:
    """Find the picture and the label among the columns.

    The picture is the one column of the feature type Image, or of bytes with a path. The label is the column
    label, or else the one column of numbered classes; there may be none.

    Args:
        description: may be empty.
        where: the file, for errors.
        image, label: the columns, where the user has named them.

    Raises:
        TableError: there is no column of pictures, several columns could be it or the label, or a column
            that was named is not there or cannot be what it was named for.
    """
    pictures = picture_columns(schema, description)
    classes = [name for name in schema if _feature(description.get(name)) == "ClassLabel"]
    if image is None:
        image = _one(pictures, schema, where, what="image")
    elif image not in pictures and schema.get(image) not in (pl.Binary, pl.String):
        raise _not_that(image, schema, where, what="image", wanted=pictures)
    if label is None:
        own = "label" in schema and _is_plain(schema["label"])
        label = "label" if own else _one(classes, schema, where, what="label") if classes else None
    elif label not in schema or label == image:
        raise _not_that(label, schema, where, what="label", wanted=classes)
    rest = [name for name in schema if name not in (image, label)]
    kept = [name for name in rest if _is_plain(schema[name])]
    reserved = {*COLUMNS, PUBLISHED}
    attributes = {name: _free(name, kept) if name in reserved else name for name in kept}
    left_out = tuple(name for name in rest if name not in kept)
    return Choice(image, label, attributes, class_names(description, where=where), left_out)


def left_out_note(columns: Sequence[str]) -> tuple[str, ...]:
    """The sentence that says which columns no table holds; none where there are none."""
    left = ", ".join(columns)
    return (f"columns that are neither text nor numbers, and were left out: {left}",) if left else ()


def class_names(description: Description, *, where: Path) -> dict[str, tuple[str, ...]]:
    """The names of the classes of every column that numbers them.

    Args:
        where: the file, for errors.

    Raises:
        TableError: they are no list of names.
    """
    classes = {key: each.get("names") for key, each in description.items() if _feature(each) == "ClassLabel"}
    for key, names in classes.items():
        listed = isinstance(names, list)
        if names and not (listed and all(isinstance(name, (str, int)) for name in names)):
            what = f"the classes of the column {key} have no names"
            saw = "a list of other things" if listed else type(names).__name__
            raise TableError(what, where=where, saw=saw, wanted="a list of text", do=AGAIN)
    return {key: tuple(map(str, names)) for key, names in classes.items() if names}


def picture_columns(schema: pl.Schema, description: Description) -> list[str]:
    """The columns that hold pictures, by their kind and their description."""
    said = {name: _feature(description.get(name)) for name in schema}
    return [
        name
        for name, kind in schema.items()
        if can_hold(kind) and (said[name] == "Image" or (not said[name] and _holds_pictures(kind)))
    ]


def can_hold(kind: pl.DataType) -> bool:
    """Whether a column of this kind can have pictures: contents, paths, or a struct of bytes and path."""
    if not isinstance(kind, pl.Struct):
        return kind in (pl.Binary, pl.String)
    kinds = {field.name: field.dtype for field in kind.fields}
    wanted = {"bytes": pl.Binary, "path": pl.String}
    return bool(kinds) and all(kinds.get(name, pl.Null) in (each, pl.Null) for name, each in wanted.items())


def rows_of(frame: pl.DataFrame, choice: Choice, *, where: Path, first: int) -> pl.DataFrame:
    """The label, as text, and the attributes; classes by their names.

    Args:
        frame: [n] rows with the choice's columns.
        where, first: for errors: the file, and the number of the first row in it, from 1.

    Raises:
        TableError: a class has no name, or the label is neither text nor a whole number.
    """
    place = (where, first)
    label = _nulls(len(frame)) if choice.label is None else _label(frame[choice.label], choice, place)
    columns = [
        _named(frame[old], choice.names[old], place).alias(new) if old in choice.names
        else frame[old].alias(new)
        for old, new in choice.attributes.items()
    ]  # fmt: skip
    return pl.DataFrame([label.alias("label"), *columns])


def pictures_of(column: pl.Series) -> list[Picture]:
    """What a column of pictures holds: contents, paths, or nothing."""
    if column.dtype == pl.Binary:
        return [_picture(content, None) for content in column]
    if column.dtype == pl.String:
        return [_picture(None, path) for path in column]
    fields = {field.name for field in column.dtype.fields} if isinstance(column.dtype, pl.Struct) else set()
    contents = column.struct.field("bytes") if "bytes" in fields else [None] * len(column)
    paths = column.struct.field("path") if "path" in fields else [None] * len(column)
    return [_picture(content, path) for content, path in zip(contents, paths, strict=True)]


def text_of(column: pl.Series, *, where: Path) -> pl.Series:
    """Labels as text: whole numbers as they are written, nothing where there is an empty text.

    Raises:
        TableError: they are neither text nor whole numbers.
    """
    kind = column.dtype
    if not (kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null) or kind.is_integer()):
        raise TableError(
            f"the column {column.name} cannot be the label",
            where=where,
            saw=f"{kind}, for example {column.drop_nulls().to_list()[:1]}",
            wanted="text, or whole numbers",
            do="name another column with hugging-face+label=COLUMN:FOLDER",
        )
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _label(column: pl.Series, choice: Choice, place: tuple[Path, int]) -> pl.Series:
    if column.name in choice.names:
        return _named(column, choice.names[column.name], place)
    return text_of(column, where=place[0])


def _named(column: pl.Series, names: tuple[str, ...], place: tuple[Path, int]) -> pl.Series:
    if not column.dtype.is_integer():
        return text_of(column, where=place[0])  # names in place of numbers
    wrong = (column < _UNKNOWN) | (column >= len(names))
    if wrong.any():
        row = wrong.fill_null(value=False).arg_true()[0]
        raise TableError(
            f"a row of the column {column.name} has a class without a name",
            where=f"{place[0]}: row {place[1] + row}",
            saw=str(column[row]),
            wanted=f"0 to {len(names) - 1}",
            do="get the file again: it does not fit the description of its columns",
        )
    numbers = column.set(column == _UNKNOWN, None)
    return numbers.replace_strict(list(range(len(names))), names, default=None, return_dtype=pl.String)


def _nulls(length: int) -> pl.Series:
    return pl.Series([None] * length, dtype=pl.String)


def _picture(content: bytes | None, path: str | None) -> Picture:
    if content:
        return Encoded(content, path or "")
    if content is not None:
        return Absent(SkipReason.EMPTY, "0 bytes")
    if not path:
        return Absent(SkipReason.EMPTY, "the row has no picture")
    if "://" in path:
        return Absent(SkipReason.MISSING, f"it lies elsewhere: {path}")
    return File(path)


def _feature(description: Any) -> str:
    """The type of a feature; empty where it is a group of others."""
    kind = description.get("_type") if isinstance(description, dict) else None
    return kind if isinstance(kind, str) else ""


def _free(name: str, taken: Sequence[str]) -> str:
    """A name for an attribute whose own means something else in a table."""
    free = PREFIX + name
    while free in taken:
        free += "_"
    return free


def _holds_pictures(kind: pl.DataType) -> bool:
    """The library's own form, which sounds have too: a struct of bytes and path."""
    return isinstance(kind, pl.Struct) and {field.name for field in kind.fields} == {"bytes", "path"}


def _is_plain(kind: pl.DataType) -> bool:
    return kind.is_numeric() or kind.is_temporal() or kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum)


def _one(found: list[str], schema: pl.Schema, where: Path, *, what: str) -> str:
    if len(found) == 1:
        return found[0]
    columns = ", ".join(f"{name} ({kind})" for name, kind in schema.items())
    if not found:
        raise TableError(
            "there is no column of pictures",
            where=where,
            saw=columns or "no columns",
            wanted="one of the feature type Image, which is bytes with a path",
            do=f"if one of these holds pictures, name it: hugging-face+{what}=COLUMN:FOLDER",
        )
    raise TableError(
        f"several columns could be the {what}",
        where=where,
        saw=", ".join(found),
        wanted="one",
        do=f"name it: hugging-face+{what}={found[0]}:FOLDER",
    )


def _not_that(name: str, schema: pl.Schema, where: Path, *, what: str, wanted: list[str]) -> TableError:
    there = name in schema
    return TableError(
        f"the column {name} cannot be the {what}" if there else f"there is no column {name}",
        where=where,
        saw=str(schema[name]) if there else ", ".join(schema),
        wanted=f"the column of the {what}s",
        do=f"name {' or '.join(wanted)}" if wanted else "name another column",
    )
