"""Pictures of a table that something has to be done about, kept as numbers until their turn comes.

Rows of a listing enter, with what their files' size and time are now and the items that they were; records
of a few leave at a time, so that ten million new pictures take little memory. What has to be done is decided
by difference, and done by upkeep.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Container
from dataclasses import dataclass, replace
from pathlib import Path

from lookalike.indexing.listing import Listed, Listing, attributes_text, box_text
from lookalike.indexing.schema import Item, Root
from lookalike.indexing.store import Store
from lookalike.indexing.stored_items import items
from lookalike.pictures.images import Box

NO_ITEM = -1

Stamp = tuple[int, int]  # a file's size in bytes, and its time of change in nanoseconds


@dataclass(frozen=True, slots=True)
class Task:
    """A picture to embed or to note: the item it will be (its hash may not be known) and the one it was."""

    file: Path
    box: Box | None
    item: Item
    before: Item | None


class Tasks:
    """Pictures in the order in which they were added; records of them are made on demand."""

    def __init__(self, store: Store, root: Root, listing: Listing, *, alone: bool) -> None:
        self._store, self._root, self._listing = store, root, listing
        self._said = None if alone else listing.said
        self._rows, self._sizes, self._times, self._before = (array("q") for _ in range(4))

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, row: int, stamp: Stamp, before: int = NO_ITEM) -> None:
        """Take a row of the listing, its file's size and time, and the item that it was."""
        self._rows.append(row)
        self._sizes.append(stamp[0])
        self._times.append(stamp[1])
        self._before.append(before)

    def rows(self) -> array[int]:
        """The rows of the listing."""
        return self._rows

    def numbers(self, part: slice) -> list[tuple[int, Stamp, int]]:
        """Row, stamp and item of consecutive tasks, as `add` takes them."""
        stamps = zip(self._sizes[part], self._times[part], strict=True)
        return list(zip(self._rows[part], stamps, self._before[part], strict=True))

    def sort(self) -> None:
        """Put them in the order of the table."""
        order = sorted(range(len(self)), key=self._rows.__getitem__)
        columns = (self._rows, self._sizes, self._times, self._before)
        self._rows, self._sizes, self._times, self._before = (
            array("q", [column[place] for place in order]) for column in columns
        )

    def new(self) -> list[tuple[int, int]]:
        """Place and row of those that were no item."""
        numbers = enumerate(zip(self._rows, self._before, strict=True))
        return [(place, row) for place, (row, before) in numbers if before == NO_ITEM]

    def claim(self, place: int, before: int) -> None:
        """Say which item the task at a place was."""
        self._before[place] = before

    def at(self, part: slice) -> list[Task]:
        """The records of consecutive tasks."""
        numbers = self.numbers(part)
        before = items(self._store, [number for _, _, number in numbers if number != NO_ITEM])
        listed = self._listing.at([row for row, _, _ in numbers])
        return [
            self._task(entry, stamp, before.get(number))
            for entry, (_, stamp, number) in zip(listed, numbers, strict=True)
        ]

    def _task(self, listed: Listed, stamp: Stamp, before: Item | None) -> Task:
        now = item_now(listed, self._root, stamp, before, self._said)
        return Task(Path(listed.file), listed.box, now, before)


def item_now(
    listed: Listed, root: Root, stamp: Stamp, before: Item | None, said: Container[str] | None
) -> Item:
    """The item that a listed file is; with `said` None, a single source, what it does not say is not so."""
    size, mtime_ns = stamp
    box = box_text(listed.box)
    now = Item(root.id, listed.path, box, size, mtime_ns, b"", listed.label, listed.attributes)
    if before is None:
        return now
    now = replace(now, hash=before.hash, id=before.id)
    if said is None:
        return now
    merged = with_older_facts(now, before, said if before.root == root.id else frozenset())
    if before.root != root.id and (before.label is not None or listed.label is None):
        return replace(before, size=size, mtime_ns=mtime_ns, attributes=merged.attributes)
    return merged


def with_older_facts(now: Item, older: Item, said: Container[str]) -> Item:
    """`now`, with what `older` knows and the source of `now`, with the columns `said`, says nothing of."""
    label = older.label if now.label is None and "label" not in said else now.label
    if older.attributes in ("{}", now.attributes):
        return replace(now, label=label)
    kept = {name: value for name, value in json.loads(older.attributes).items() if name not in said}
    attributes = attributes_text({**kept, **json.loads(now.attributes)})
    return replace(now, label=label, attributes=attributes)
