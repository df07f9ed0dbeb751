"""What an index has to do so that it says again what lies on the disk.

A table of pictures and a store enter; what to embed, what has a new label and what is missing leave, mostly
as numbers, so that ten million pictures take little memory. Everything is derived by comparing the two sides,
nothing is remembered between runs. Files are looked at (size and time), never opened; nothing is written.
"""

from __future__ import annotations

import os
import stat
from array import array
from collections.abc import Container, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.errors import SkipReason
from lookalike.indexing.known import PAGE, Place, between, items, places
from lookalike.indexing.listing import Listed, Listing, Part, box_text
from lookalike.indexing.schema import Item, Root, Unusable
from lookalike.indexing.store import Store, absolute, names_below, real_place
from lookalike.indexing.tasks import NO_ITEM, Stamp, Tasks
from lookalike.pictures.finding import is_gone, printable
from lookalike.records import Skipped

if TYPE_CHECKING:
    from lookalike.tables.table import ImageTable

_ABSENT, _BARRED = (-1, 0), (-2, 0)  # in place of a stamp: no such file; one that cannot be used

Key = tuple[str, str]  # a file's absolute path, its folder's links resolved, and the part of it


@dataclass
class Difference:
    """Disk minus store, and store minus disk.

    Attributes:
        tasks: new pictures, and those whose file has another size or time, in the table's order.
        relabels: pictures whose label or attributes changed and nothing else.
        said: the columns that the table has; what it says nothing of another source may have said.
        listed: number of the table's pictures; present: of those whose file is there.
        unchanged: number of pictures that are as they were.
        missing: number of items that the table no longer has, or whose file is not there.
        gone: ids of those that are certainly no more: the file is not there, or a manifest dropped it.
        handed_over: items that a manifest dropped and that a folder among the other roots holds.
        skipped: pictures that cannot be used, known before or seen now.
        forgotten: unusable pictures that are not there any more.
    """

    tasks: Tasks
    relabels: Tasks
    said: frozenset[str]
    listed: int
    present: int = 0
    unchanged: int = 0
    missing: int = 0
    gone: array[int] = field(default_factory=lambda: array("q"))
    handed_over: list[Item] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    forgotten: list[Unusable] = field(default_factory=list)


def difference(store: Store, root: Root, table: ImageTable) -> Difference:
    """Compare a table with the items that the store has of it.

    A file that another root has already is compared with that root's item, so no picture is in the index
    twice. That item keeps its label; one that has none becomes this root's with the label that this table
    gives it. Of rows with the same picture and box the first counts.
    """
    return _Comparison(store, root, Listing(root, table)).run()


def heir_of(store: Store, item: Item, file: str) -> Item | None:
    """The item as one of another root, a folder that holds its file and has no item of it."""
    if item.box or set(store.ids_at(Path(file))) - {item.id}:
        return None
    for root in store.roots():
        below = [name for name in names_below(root.path, Path(file)) if not name.startswith(("/", "../"))]
        if root.id != item.root and root.source == root.path and below:
            return replace(item, root=root.id, path=min(below))
    return None


class _Comparison:
    """One comparison, and what is not settled yet on the way.

    Attributes:
        strangers: rows of whose path and box the root has no item; doubtful: rows and the items they are,
            to be compared in all they say; unclaimed: items of the root that no row is, with path and box.
    """

    def __init__(self, store: Store, root: Root, listing: Listing) -> None:
        self._store, self._root, self._listing = store, root, listing
        roots = store.roots()
        self._others = [other for other in roots if other.id != root.id]
        alone = not self._others
        tasks, relabels, self._doubtful, self._strangers = (
            Tasks(store, root, listing, alone=alone) for _ in range(4)
        )
        self._found = Difference(tasks, relabels, listing.said, len(listing))
        self._unclaimed: dict[int, tuple[str, str]] = {}
        self._skipped: list[tuple[int, Skipped]] = []
        known = [(_stored_key(root.path, entry.path, entry.box), entry) for entry in store.unusable(root.id)]
        self._unusable = dict(known)
        self._forgotten = dict(known)
        self._names = {os.path.basename(key[0]) for key in self._unusable}  # noqa: PTH119

    def run(self) -> Difference:
        """Compare part by part, then look for the rest where it may have been before."""
        for part in self._listing.parts():
            self._compare_part(part)
        self._find_strangers()
        self._look_closer()
        self._found.tasks.sort()
        self._reuse_other_parts()
        self._find_gone()
        self._found.skipped = [entry for _, entry in sorted(self._skipped, key=lambda pair: pair[0])]
        self._found.forgotten = list(self._forgotten.values())
        return self._found

    def _compare_part(self, part: Part) -> None:
        known = between(self._store, self._root.id, part.first, part.after)
        unusable = self._unusable_of(part)
        columns = (part.rows, part.paths, part.files, part.boxes, part.labels, part.attributes)
        for row, path, file, box, label, attributes in zip(*columns, strict=True):
            item = known.pop((path, box), None)
            stamp = self._stamp(row, file, unusable.get(row))
            if item is None:
                self._strangers.add(row, stamp)
            elif item[2:4] == stamp:
                if item[4:6] == (label, attributes):
                    self._found.unchanged += 1
                else:
                    self._doubtful.add(row, stamp, item[-1])
            elif stamp == _ABSENT:
                self._lose(item[-1])
            elif stamp != _BARRED:
                self._found.tasks.add(row, stamp, item[-1])
        self._unclaimed.update((item[-1], place) for place, item in known.items())

    def _stamp(self, row: int, file: str, unusable: Unusable | None) -> Stamp:
        try:
            facts = os.stat(file)  # noqa: PTH116 - Path() costs twice the system's call, once a picture
        except (FileNotFoundError, NotADirectoryError):
            return _ABSENT
        except ValueError:  # a null byte
            self._skip(row, printable(file), SkipReason.BAD_NAME, "no name that can be stored")
            return _BARRED
        except OSError as error:  # it may be there: what is known of it stays
            self._skip(row, file, SkipReason.UNREADABLE, error.strerror or str(error))
            return _BARRED
        if stat.S_ISDIR(facts.st_mode):
            return _ABSENT
        self._found.present += 1
        stamp = facts.st_size, facts.st_mtime_ns
        if unusable is not None and _is_settled(unusable, stamp):
            self._skip(row, file, unusable.reason, unusable.detail)
            return _BARRED
        return stamp

    def _skip(self, row: int, file: str, reason: SkipReason, detail: str) -> None:
        self._skipped.append((row, Skipped(file, reason, detail)))

    def _lose(self, number: int) -> None:
        self._found.missing += 1
        self._found.gone.append(number)

    def _unusable_of(self, part: Part) -> dict[int, Unusable]:
        """The rows that could not be used before."""
        rows = [
            row
            for row, path in zip(part.rows, part.paths, strict=True)
            if self._names and path.rpartition("/")[2] in self._names
        ]
        keys = [_key(listed) for listed in self._listing.at(rows)]
        for key in keys:
            self._forgotten.pop(key, None)
        return {
            row: self._unusable[key] for row, key in zip(rows, keys, strict=True) if key in self._unusable
        }

    def _find_strangers(self) -> None:
        """Rows that are items of other roots, or of this one by another way to the file, are not new."""
        known = self._items_near_strangers()
        for start in range(0, len(self._strangers), PAGE):
            numbers = self._strangers.numbers(slice(start, start + PAGE))
            listed = self._listing.at([row for row, _, _ in numbers])
            for (row, stamp, _), entry in zip(numbers, listed, strict=True):
                item = known.get(_key(entry), NO_ITEM) if known else NO_ITEM
                is_own = self._unclaimed.pop(item, None) is not None
                if stamp == _ABSENT:
                    if is_own:
                        self._lose(item)
                    elif item == NO_ITEM:
                        self._skip(row, entry.file, SkipReason.MISSING, "no such file")
                elif stamp != _BARRED:
                    (self._found.tasks if item == NO_ITEM else self._doubtful).add(row, stamp, item)

    def _items_near_strangers(self) -> dict[Key, int]:
        """The items that lie in a folder in which a stranger lies, the root's own before others'."""
        if not self._strangers or not (self._others or self._unclaimed):
            return {}
        wanted = self._listing.places(self._strangers.rows())
        found: dict[Key, int] = {}
        for other in self._others:
            _note_near(found, wanted, other.path, places(self._store, other.id))
        own = ((number, *place) for number, place in self._unclaimed.items())
        _note_near(found, wanted, self._root.path, own)
        return found

    def _look_closer(self) -> None:
        for start in range(0, len(self._doubtful), PAGE):
            part = slice(start, start + PAGE)
            for number, task in zip(self._doubtful.numbers(part), self._doubtful.at(part), strict=True):
                before = task.before
                if before is None or (before.size, before.mtime_ns) != number[1]:
                    self._found.tasks.add(*number)
                elif task.item != before:
                    self._found.relabels.add(*number)
                else:
                    self._found.unchanged += 1

    def _reuse_other_parts(self) -> None:
        """A picture whose box changed stays the same item."""
        by_path: dict[str, list[int]] = {}
        for number in sorted(self._unclaimed, reverse=True):
            by_path.setdefault(self._unclaimed[number][0], []).append(number)
        new = self._found.tasks.new() if by_path else []
        paths = self._listing.paths([row for _, row in new])
        for (place, _), path in zip(new, paths, strict=True):
            if numbers := by_path.get(path):
                self._found.tasks.claim(place, numbers[-1])
                del self._unclaimed[numbers.pop()]

    def _find_gone(self) -> None:
        is_manifest = self._root.source != self._root.path
        may_inherit = is_manifest and any(other.source == other.path for other in self._others)
        for number, (path, _) in self._unclaimed.items():
            file = absolute(self._root.path, path)
            absent = is_gone(file)
            item = items(self._store, [number])[number] if may_inherit and not absent else None
            heir = heir_of(self._store, item, file) if item is not None else None
            if heir is not None:
                self._found.handed_over.append(heir)
            elif is_manifest or absent:
                self._lose(number)
            else:
                self._found.missing += 1


def _key(listed: Listed) -> Key:
    name = listed.path.rpartition("/")[2]
    return os.path.join(listed.place, name), box_text(listed.box)  # noqa: PTH118 - once a picture


def _stored_key(root: str, path: str, box: str) -> Key:
    """One name for a file, through whatever links its folder was named; a linked file is one of its own."""
    folder, name = os.path.split(absolute(root, path))
    return os.path.join(real_place(folder), name), box  # noqa: PTH118


def _note_near(found: dict[Key, int], wanted: Container[str], root: str, entries: Iterable[Place]) -> None:
    """Note the items that lie in one of the folders that are wanted."""
    real: dict[str, str] = {}
    for number, path, box in entries:
        folder, _, name = path.rpartition("/")
        place = real.get(folder)
        if place is None:
            place = real[folder] = real_place(os.path.dirname(absolute(root, path)))  # noqa: PTH120
        if place in wanted:
            found[os.path.join(place, name), box] = number  # noqa: PTH118


def _is_settled(unusable: Unusable, stamp: Stamp) -> bool:
    """A format may become readable by a new Pillow, and asking costs no decoding; the rest stays unusable."""
    return (unusable.size, unusable.mtime_ns) == stamp and unusable.reason != SkipReason.NOT_AN_IMAGE
