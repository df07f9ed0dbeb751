"""A table's pictures as an index names them: each once, by a name that links to its folder do not change.

A root and a table enter; a Listing leaves, which keeps columns and makes records of a few pictures at a time,
so that ten million take little memory. Files are not looked at; what the store has is not known here.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lookalike.indexing.schema import Root
from lookalike.indexing.store import real_place
from lookalike.pictures.images import Box

if TYPE_CHECKING:
    import polars as pl

    from lookalike.tables.table import ImageTable

NOT_ATTRIBUTES = frozenset({"image", "label", "split", "role", "group", "box"})
PART = 16_384  # pictures compared at once

_ODD = r"(?:^|/)\.{1,2}(?:/|$)|//|./$|^$"  # what a path is cleaned of
_encode = json.JSONEncoder(ensure_ascii=False, sort_keys=True, default=str).encode


@dataclass(frozen=True, slots=True)
class Listed:
    """One picture of a table.

    Attributes:
        path: as the store names it; file: absolute.
        place: the file's folder, links resolved.
        attributes: JSON object.
    """

    path: str
    file: str
    place: str
    box: Box | None
    label: str | None
    attributes: str


@dataclass(frozen=True, slots=True)
class Part:
    """Consecutive pictures in the order of their paths, as parallel lists.

    Attributes:
        first, after: of all paths those from `first` up to before `after` belong here; None: to the end.
    """

    first: str
    after: str | None
    rows: list[int]
    paths: list[str]
    boxes: list[str]
    labels: list[str | None]
    attributes: list[str]


class Listing:
    """The pictures of a table, those with the same file and box once: the first counts.

    Attributes:
        said: the columns that say something; a label that not one row has is none.
    """

    def __init__(self, root: Root, table: ImageTable) -> None:
        self._root = root
        self._prefix = os.path.join(root.path, "")  # noqa: PTH118 - Path() drops the slash
        self.said = _said(table.frame)
        self._frame, self._places = _columns(root, table.frame)
        names = [name for name in table.frame.columns if name not in NOT_ATTRIBUTES]
        attributes = table.frame.select(names)
        is_whole = not names or len(self) == len(table)
        self._attributes = attributes if is_whole else attributes[self._frame["row"]]
        self._order = _order(self._frame["path"])

    def __len__(self) -> int:
        return len(self._frame)

    def parts(self, size: int = PART) -> Iterator[Part]:
        """All pictures in the order of their paths, about `size` at a time; rows of one path together.

        Together the parts cover all paths there could be; without a picture there is one part without rows.
        """
        first, start = "", 0
        while start < len(self) or start == 0:
            end = self._end(start + size)
            after = self._path_at(end) if end < len(self) else None
            yield self._part(first, after, self._order[start:end])
            first, start = after or "", end

    def at(self, rows: Sequence[int]) -> list[Listed]:
        """The pictures of some rows, in that order."""
        frame = self._frame[list(rows)]
        paths = frame["path"].to_list()
        boxes = frame["box"].to_list() if "box" in frame.columns else [None] * len(frame)
        labels, texts = _labels(frame), self._texts(list(rows))
        return [
            Listed(path, self.file(path), self._places[place], box and tuple(box), label, text)
            for path, place, box, label, text in zip(paths, frame["place"], boxes, labels, texts, strict=True)
        ]

    def paths(self, rows: Sequence[int]) -> list[str]:
        """The paths of some rows."""
        return self._frame["path"][list(rows)].to_list()

    def places(self, rows: Sequence[int]) -> set[str]:
        """The folders in which the pictures of some rows lie, links resolved."""
        return {self._places[place] for place in self._frame["place"][list(rows)].unique()}

    def _end(self, end: int) -> int:
        while 0 < end < len(self) and self._path_at(end) == self._path_at(end - 1):
            end += 1
        return end

    def _path_at(self, place: int) -> str:
        return str(self._frame["path"][int(self._order[place])])

    def _part(self, first: str, after: str | None, rows: NDArray[np.int64]) -> Part:
        frame = self._frame[rows]
        paths = frame["path"].to_list()
        texts = [""] * len(frame)
        if "box" in frame.columns:
            texts = [box_text(box) for box in frame["box"].to_list()]
        return Part(first, after, rows.tolist(), paths, texts, _labels(frame), self._texts(rows))

    def file(self, path: str) -> str:
        """A picture's file by its path; absolute."""
        if path[0] in "/.":
            return os.path.normpath(os.path.join(self._root.path, path))  # noqa: PTH118 - five times as fast
        return self._prefix + path

    def _texts(self, rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The attributes of each row as the store keeps them; many rows have the same."""
        if not self._attributes.columns:
            return ["{}"] * len(rows)
        known: dict[tuple[object, ...], str] = {}
        texts = []
        for row in self._attributes[rows].iter_rows():
            try:
                text = known.get(row)
                if text is None:
                    text = known[row] = self._text(row)
            except TypeError:  # a list among them
                text = self._text(row)
            texts.append(text)
        return texts

    def _text(self, row: tuple[object, ...]) -> str:
        return attributes_text(dict(zip(self._attributes.columns, row, strict=True)))


def box_text(box: Sequence[int] | None) -> str:
    """A box as the store keeps it."""
    return ",".join(map(str, box)) if box else ""


def attributes_text(values: Mapping[str, object]) -> str:
    """Attributes as the store keeps them, without those that are not known.

    JSON has no word for NaN and infinity; such an attribute counts as not known.
    """
    return _encode({name: value for name, value in values.items() if value is not None and _is_json(value)})


def _is_json(value: object) -> bool:
    return not isinstance(value, float) or math.isfinite(value)


def _said(frame: pl.DataFrame) -> frozenset[str]:
    labelled = "label" in frame.columns and frame["label"].null_count() < len(frame)
    return frozenset(frame.columns) if labelled else frozenset(frame.columns) - {"label"}


def _columns(root: Root, frame: pl.DataFrame) -> tuple[pl.DataFrame, list[str]]:
    """Row, path, folder's number in the list of places, box and label, each picture once; and the places."""
    import polars as pl  # not above: a search needs none

    images = frame["image"]
    folders = images.str.extract("^(.*/)").fill_null("")
    names = folders.unique(maintain_order=True)
    real = [real_place(os.path.join(root.path, name)) for name in names]  # noqa: PTH118
    places = list(dict.fromkeys(real))
    numbers = {place: number for number, place in enumerate(places)}
    codes = pl.Series([numbers[place] for place in real], dtype=pl.Int64)
    path, place = _normal(images).alias("path"), folders.replace_strict(names, codes).alias("place")
    columns = frame.select(path, place, pl.col("^(label|box)$")).with_row_index("row")
    if "box" in columns.columns or len(places) < len(names) or columns["path"].n_unique() < len(columns):
        key = ["place", pl.col("path").str.extract("([^/]*)$"), *columns.select(pl.col("^box$")).columns]
        columns = columns.unique(key, keep="first", maintain_order=True)
    return columns, places


def _normal(images: pl.Series) -> pl.Series:
    """Paths without what leads nowhere: "./", "//" and what ".." takes back."""
    odd = images.str.contains(_ODD).arg_true()
    if len(odd) == 0:
        return images
    return images.scatter(odd, [os.path.normpath(image).replace(os.sep, "/") for image in images[odd]])


def _order(paths: pl.Series) -> NDArray[np.int64]:
    if paths.is_sorted():
        return np.arange(len(paths), dtype=np.int64)
    return paths.arg_sort().to_numpy().astype(np.int64)


def _labels(frame: pl.DataFrame) -> list[str | None]:
    if "label" not in frame.columns:
        return [None] * len(frame)
    return [None if label is None else str(label) for label in frame["label"].to_list()]
