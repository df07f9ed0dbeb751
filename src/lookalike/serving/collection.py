"""What the index holds, a page at a time: items as the API tells of them, filtered, and labels.

A filter and a place to go on from enter; items by rising id leave, with how many there are in all. What a
filter finds is kept for the next page, until the index changes. Pictures are not opened.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.indexing.browsing import count_labels, items_after, labels_after
from lookalike.indexing.schema import Item
from lookalike.indexing.selection import Selection, selected
from lookalike.indexing.store import Store
from lookalike.indexing.stored_items import items
from lookalike.records import Box, Look
from lookalike.serving.names import Names

MOST_BYTES = 32 * 1024 * 1024  # of ids that filters found
_KEPT_TOTALS = 256

Asked = tuple[str, str, str]  # where, folder, label; each empty: not asked for
Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Told:
    """An item as the API tells of it.

    Attributes:
        name: see Names; box: the part of the picture that it is; attributes: by name.
        look: width, height, format and blank, where they are known.
        copies: of one item alone: the ids of the others with the same content.
    """

    item: Item
    name: str
    box: Box | None
    attributes: dict[str, Any]
    look: Look | None
    copies: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Some items by rising id; `next`: the id to go on after, None at the end; `total`: of all pages."""

    items: tuple[Told, ...]
    next: int | None
    total: int


class Collection:
    """Reads pages; safe to use from several threads."""

    def __init__(self, store: Store, names: Names, *, most_bytes: int = MOST_BYTES) -> None:
        self._store, self._names, self._most = store, names, most_bytes
        self._generation = -1
        self._found: OrderedDict[Asked, Ids] = OrderedDict()  # the one used last at the end
        self._totals: dict[str, int] = {}  # of labels by how they begin; of items under ""

    def page(self, *, after: int, limit: int, where: str = "", folder: str = "", label: str = "") -> Page:
        """The first items with an id above `after` that fit; each of where, folder and label has to.

        Raises:
            StoreError: the filter is not understood or names a column that nothing has, or nothing of the
                index lies in the folder.
        """
        with self._store.reading():
            self._follow()
            if not (where or folder or label):
                found, total = items_after(self._store, after, limit=limit + 1), self._size()
            else:
                ids = self._ids((where, folder, label))
                start = int(np.searchsorted(ids, after, side="right"))
                known = items(self._store, ids[start : start + limit + 1].tolist())
                found, total = [known[number] for number in sorted(known)], len(ids)
            told = self._told(found[:limit])
        last = told[-1].item.id if len(found) > limit else None
        return Page(tuple(told), last, total)

    def items(self, ids: Iterable[int]) -> dict[int, Told]:
        """The items among `ids` that exist."""
        with self._store.reading():
            told = self._told(list(items(self._store, ids).values()))
        return {entry.item.id or 0: entry for entry in told}

    def item(self, number: int) -> Told | None:
        """One item with its copies; None: there is none of this id."""
        with self._store.reading():
            found = list(items(self._store, [number]).values())
            for entry in self._told(found):
                same = self._store.ids_of(entry.item.hash)
                copies = tuple(other for other in same if other != number)
                return Told(entry.item, entry.name, entry.box, entry.attributes, entry.look, copies)
        return None

    def labels(self, *, start: str, after: str, limit: int) -> tuple[list[tuple[str, int]], int]:
        """The first labels behind `after` that begin with `start`, with their counts; and how many do."""
        with self._store.reading():
            self._follow()
            found = labels_after(self._store, after, start=start, limit=limit)
            key = f"label {start}"
            if key not in self._totals:
                self._totals[key] = count_labels(self._store, start=start)
            return found, self._totals[key]

    def _follow(self) -> None:
        """Forget what was found where the index has changed since."""
        generation = self._store.generation()
        if generation != self._generation or len(self._totals) >= _KEPT_TOTALS:
            self._generation = generation
            self._found.clear()
            self._totals.clear()

    def _size(self) -> int:
        if "" not in self._totals:
            self._totals[""] = self._store.size()
        return self._totals[""]

    def _ids(self, asked: Asked) -> Ids:
        found = self._found.get(asked)
        if found is None:
            found = self._found[asked] = self._select(*asked)
        self._found.move_to_end(asked)
        while sum(ids.nbytes for ids in self._found.values()) > self._most and len(self._found) > 1:
            self._found.popitem(last=False)
        return found

    def _select(self, where: str, folder: str, label: str) -> Ids:
        place = self._names.folder(folder) if folder else None
        ids = selected(self._store, Selection(where=where, folder=place))
        if not label:
            return ids
        text = label.replace("'", "''")
        with_label = selected(self._store, Selection(where=f"label = '{text}'"))  # apart: nothing joins texts
        return np.intersect1d(ids, with_label, assume_unique=True)

    def _told(self, found: Sequence[Item]) -> list[Told]:
        names = self._names.of(item.id or 0 for item in found)
        looks = self._store.looks({item.hash for item in found})
        return [
            Told(item, names[item.id or 0], box_of(item), json.loads(item.attributes), looks.get(item.hash))
            for item in found
        ]


def box_of(item: Item) -> Box | None:
    """The part of its picture that an item is; None: all of it."""
    if not item.box:
        return None
    left, top, right, bottom = map(int, item.box.split(","))
    return left, top, right, bottom
