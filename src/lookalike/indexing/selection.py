"""Which items of an index may be answers: a filter, a folder and a range of similarities enter; ids leave.

Every item that fits is found, exactly. Searching among them is the index's business.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import StoreError
from lookalike.indexing.column_names import COLUMNS, spelled, stored, stored_names
from lookalike.indexing.filters import Filter
from lookalike.indexing.store import Store, names_below
from lookalike.pictures.finding import printable


@dataclass(frozen=True, slots=True)
class Selection:
    """What an answer has to be, beside being alike.

    Attributes:
        where: a filter, see `Filter.parse`; empty: every item.
        folder: only pictures below this folder; None: anywhere.
        lowest, highest: the range of similarities, both ends in it.
    """

    where: str = ""
    folder: Path | None = None
    lowest: float = -1.0
    highest: float = 1.0

    def __post_init__(self) -> None:
        if not -1.0 <= self.lowest <= self.highest <= 1.0:
            raise StoreError(
                "there is no similarity in this range",
                where="between",
                saw=f"{self.lowest:g} to {self.highest:g}",
                wanted="from -1 to 1, the lower end first",
                do="for example --between 0.6 0.95",
            )

    @property
    def is_all(self) -> bool:
        """Whether every item may be an answer, as far as its facts go."""
        return not self.where and self.folder is None


ALL = Selection()


def selected(store: Store, selection: Selection) -> NDArray[np.int64]:
    """The ids of the items that fit, rising.

    Raises:
        StoreError: the filter is not understood, names a column that no item has, or no item
            lies in the folder.
    """
    conditions: list[str] = []
    values: list[object] = []
    if selection.where:
        asked = Filter.parse(selection.where)
        for column in dict.fromkeys(asked.condition.columns()):
            _check_column(store, column, asked.text)
        conditions.append(asked.condition.sql())
        values += asked.condition.values()
    if selection.folder is not None:
        inside, own = _inside(store, selection.folder)
        _check_folder(store, selection.folder, inside, own)
        conditions.append(inside)
        values += own
    return store.ids_where(" AND ".join(conditions) or "1", values)


def is_known(store: Store, folder: Path) -> bool:
    """Whether any item lies in a folder, at any depth."""
    return store.has_where(*_inside(store, folder))


def _check_column(store: Store, column: str, text: str) -> None:
    """Refuse a column that nobody has: a misspelt one would make an empty answer that looks true."""
    if column in COLUMNS or store.has_where(f"{stored(column)} IS NOT NULL", [*stored_names(column)]):
        return
    known = [*COLUMNS, *store.attribute_names()]
    near = difflib.get_close_matches(column, known, n=1)
    raise StoreError(
        "no picture of the index has this column",
        where=text,
        saw=column,
        wanted=", ".join(map(spelled, known[:12])) + (" …" if len(known) > 12 else ""),
        do=f"did you mean {spelled(near[0])}?" if near else "index a manifest that has it, or leave it out",
    )


def _check_folder(store: Store, folder: Path, condition: str, values: list[object]) -> None:
    """Refuse a folder of which the index has nothing: a misspelt one would make an answer that looks true."""
    if not store.has_where(condition, values):
        raise StoreError(
            "nothing of the index lies in this folder",
            where=printable(folder),
            saw="no picture" if folder.is_dir() else "no such folder",
            wanted="a folder in " + ", ".join(root.path for root in store.roots()[:3]),
            do="check its name, or index it: lookalike index INDEX FOLDER",
        )


def _inside(store: Store, folder: Path) -> tuple[str, list[object]]:
    """The condition, with its values, under which an item lies in a folder."""
    below = list(_below(store, folder))
    condition = f"({' OR '.join(condition for condition, _ in below) or '0'})"
    return condition, [value for _, part in below for value in part]


def _below(store: Store, folder: Path) -> Iterator[tuple[str, list[object]]]:
    """For every root the conditions, with their values, under which an item of it lies in a folder."""
    for root in store.roots():
        for name in sorted(names_below(root.path, folder)):
            steps = name.split("/")
            if {*steps} <= {".", ".."}:  # the folder holds the root, this many steps up
                beyond = "../" * (steps.count("..") + 1)
                yield "(root = ? AND path NOT LIKE '/%' AND path NOT LIKE ?)", [root.id, f"{beyond}%"]
            else:
                start = name.rstrip("/")
                yield "(root = ? AND path >= ? AND path < ?)", [root.id, f"{start}/", f"{start}0"]
