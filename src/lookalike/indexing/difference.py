"""What an index has to do so that it says again what lies on the disk.

A table of pictures and a store enter; what to embed, what has a new label and what is missing leave, mostly
as numbers, so that ten million pictures take little memory. Everything is derived by comparing the two sides,
nothing is remembered between runs. Files are looked at (size and time), never opened; nothing is written.
"""

from __future__ import annotations

import os
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.errors import SkipReason
from lookalike.indexing.listing import Listed, Listing, Part, box_text
from lookalike.indexing.schema import Item, Root, Unusable
from lookalike.indexing.stamps import ABSENT, BARRED, handle_of, stamps_of
from lookalike.indexing.store import Store, absolute, names_below, real_place
from lookalike.indexing.stored_items import PAGE, between, folders, items, places_in
from lookalike.indexing.tasks import NO_ITEM, Stamp, Tasks
from lookalike.pictures.finding import is_gone, keeps_added
from lookalike.records import Skipped

if TYPE_CHECKING:
    from lookalike.tables.table import ImageTable

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
        gone: ids of those that are certainly no more: the file is not there, or a manifest dropped it. The
            manifest of pictures that were added one by one may have grown since it was read: it drops none.
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
        with handle_of(self._root.path) as handle:
            for part in self._listing.parts():
                self._compare_part(part, self._stamps(part, handle))
        self._find_strangers()
        self._look_closer()
        self._found.tasks.sort()
        self._reuse_other_parts()
        self._find_gone()
        self._found.skipped = [entry for _, entry in sorted(self._skipped, key=lambda pair: pair[0])]
        self._found.forgotten = list(self._forgotten.values())
        return self._found

    def _compare_part(self, part: Part, stamps: Sequence[Stamp]) -> None:
        columns = (part.paths, part.boxes, stamps, part.labels, part.attributes)
        now = [
            (path, box, size, time, label, attributes)
            for path, box, (size, time), label, attributes in zip(*columns, strict=True)
        ]
        known = between(self._store, self._root.id, part.first, part.after)
        if now == [item[:-1] for item in known]:  # as it mostly is: nothing came, went or changed
            self._found.unchanged += len(now)
            return
        left = {item[:2]: item for item in known}
        for row, stamp, entry in zip(part.rows, stamps, now, strict=True):
            item = left.pop(entry[:2], None)
            if item is None:
                self._strangers.add(row, stamp)
            elif item[:-1] == entry:
                self._found.unchanged += 1
            elif item[2:4] == stamp:
                self._doubtful.add(row, stamp, item[-1])
            elif stamp == ABSENT:
                self._lose(item[-1])
            elif stamp != BARRED:
                self._found.tasks.add(row, stamp, item[-1])
        self._unclaimed.update((item[-1], place) for place, item in left.items())

    def _stamps(self, part: Part, handle: int | None) -> list[Stamp]:
        """What each file of a part is now."""
        stamps, failed = stamps_of(self._listing, part, handle)
        self._skipped += [(part.rows[place], skipped) for place, skipped in failed.items()]
        self._found.present += sum(stamp not in (ABSENT, BARRED) for stamp in stamps)
        for place, unusable in self._unusable_of(part).items():
            if _is_settled(unusable, stamps[place]):
                file = self._listing.file(part.paths[place])
                self._skip(part.rows[place], file, unusable.reason, unusable.detail)
                stamps[place] = BARRED
        return stamps

    def _skip(self, row: int, file: str, reason: SkipReason, detail: str) -> None:
        self._skipped.append((row, Skipped(file, reason, detail)))

    def _lose(self, number: int) -> None:
        self._found.missing += 1
        self._found.gone.append(number)

    def _unusable_of(self, part: Part) -> dict[int, Unusable]:
        """The places in a part of what could not be used before."""
        if not self._names:
            return {}
        places = [place for place, path in enumerate(part.paths) if path.rpartition("/")[2] in self._names]
        keys = [_key(listed) for listed in self._listing.at([part.rows[place] for place in places])]
        for key in keys:
            self._forgotten.pop(key, None)
        return {
            place: self._unusable[key]
            for place, key in zip(places, keys, strict=True)
            if key in self._unusable
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
                if stamp == ABSENT:
                    if is_own:
                        self._lose(item)
                    elif item == NO_ITEM:
                        self._skip(row, entry.file, SkipReason.MISSING, "no such file")
                elif stamp != BARRED:
                    (self._found.tasks if item == NO_ITEM else self._doubtful).add(row, stamp, item)

    def _items_near_strangers(self) -> dict[Key, int]:
        """The items that lie in a folder in which a stranger lies, the root's own before others'."""
        if not self._strangers or not (self._others or self._unclaimed):
            return {}
        wanted = self._listing.places(self._strangers.rows())
        found: dict[Key, int] = {}
        for other in self._others:
            for folder in folders(self._store, other.id):
                place = real_place(absolute(other.path, folder))
                entries = places_in(self._store, other.id, folder) if place in wanted else ()
                found |= {_key_in(place, path, box): number for number, path, box in entries}
        real: dict[str, str] = {}
        for number, (path, box) in self._unclaimed.items():
            folder = path.rpartition("/")[0]
            if folder not in real:
                real[folder] = real_place(os.path.dirname(absolute(self._root.path, path)))  # noqa: PTH120
            if real[folder] in wanted:
                found[_key_in(real[folder], path, box)] = number
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
        is_manifest = self._root.source != self._root.path and not keeps_added(self._root.path)
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
    return _key_in(listed.place, listed.path, box_text(listed.box))


def _key_in(place: str, path: str, box: str) -> Key:
    return os.path.join(place, path.rpartition("/")[2]), box  # noqa: PTH118 - once a picture


def _stored_key(root: str, path: str, box: str) -> Key:
    """One name for a file, through whatever links its folder was named; a linked file is one of its own."""
    folder, name = os.path.split(absolute(root, path))
    return os.path.join(real_place(folder), name), box  # noqa: PTH118


def _is_settled(unusable: Unusable, stamp: Stamp) -> bool:
    """A format may become readable by a new Pillow, and asking costs no decoding; the rest stays unusable."""
    return (unusable.size, unusable.mtime_ns) == stamp and unusable.reason != SkipReason.NOT_AN_IMAGE
