"""What an index has to do so that it says again what lies on the disk.

A table of pictures and a store enter; a list of tasks leaves: what to embed, what has a new label, what is
missing. Everything is derived by comparing the two sides, nothing is remembered between runs. Files are
looked at (size and time), never opened; nothing is written here.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.errors import SkipReason
from lookalike.indexing.schema import Item, Root, Unusable
from lookalike.indexing.store import Store, absolute, names_below, real_place
from lookalike.pictures.finding import is_absent, printable
from lookalike.pictures.images import Box
from lookalike.records import Skipped

if TYPE_CHECKING:
    from lookalike.tables.table import ImageTable

NOT_ATTRIBUTES = frozenset({"image", "label", "split", "role", "group", "box"})

Key = tuple[str, str]  # a file's absolute path, its folder's links resolved, and the part of it


@dataclass(frozen=True, slots=True)
class Task:
    """A picture to embed: the item it will be (its hash is not known yet) and the one it was."""

    file: Path
    box: Box | None
    item: Item
    before: Item | None


@dataclass
class Difference:
    """Disk minus store, and store minus disk.

    Attributes:
        listed: number of the table's pictures; present: those of them whose file is there.
        tasks: new pictures, and those whose file has another size or time.
        relabels: pictures whose label or attributes changed and nothing else.
        unchanged: number of pictures that are as they were.
        missing: items that the table no longer has, or whose file is not there.
        gone: those of them that are certainly no more: the file is not there, or a manifest dropped it.
        handed_over: items that a manifest dropped and that a folder among the other roots holds.
        elsewhere: gone items of other roots that may be what is new here.
        said: the columns that the table has; what it says nothing of another source may have said.
        skipped: pictures that cannot be used, known before or seen now.
        forgotten: unusable pictures that are not there any more.
    """

    listed: int = 0
    present: int = 0
    tasks: list[Task] = field(default_factory=list)
    relabels: list[Item] = field(default_factory=list)
    unchanged: int = 0
    missing: list[Item] = field(default_factory=list)
    gone: list[Item] = field(default_factory=list)
    handed_over: list[Item] = field(default_factory=list)
    elsewhere: list[Item] = field(default_factory=list)
    said: frozenset[str] = frozenset()
    skipped: list[Skipped] = field(default_factory=list)
    forgotten: list[Unusable] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Listed:
    path: str  # as the store names it
    file: str  # absolute
    key: Key
    box: Box | None
    label: str | None
    attributes: str


def difference(store: Store, root: Root, table: ImageTable) -> Difference:
    """Compare a table with the items that the store has of it.

    A file that another root has already is compared with that root's item, so no picture is in the index
    twice. That item keeps its label; one that has none becomes this root's with the label that this table
    gives it. Of rows with the same picture and box the first counts.
    """
    place = cache(real_place)
    roots = sorted(store.roots(), key=lambda of: of.id == root.id)  # its own items win
    items = [(of, item) for of in roots for item in store.items(of.id)]
    known = {_key(place, of, item): item for of, item in items}
    own = {(item.path, item.box): item for of, item in items if of.id == root.id}
    unusable = {_key(place, root, entry): entry for entry in store.unusable(root.id)}
    result, seen = Difference(said=_said(table)), set[Key]()
    alone = len(roots) == 1
    for listed in _listing(root, table, place):
        if listed.key not in seen:
            seen.add(listed.key)
            item = own.get((listed.path, listed.key[1])) or known.get(listed.key)
            if item is not None and item.root == root.id:
                own.pop((item.path, item.box))
            _compare(listed, root, item, unusable.get(listed.key), result, alone=alone)
    result.listed = len(seen)
    result.forgotten += [entry for key, entry in unusable.items() if key not in seen]
    _reuse_other_parts(result, own)
    _find_gone(result, store, root, own.values())
    _find_elsewhere(result, root, known)
    return result


def with_older_facts(now: Item, older: Item, said: Container[str]) -> Item:
    """`now`, with what `older` knows and the source of `now`, with the columns `said`, says nothing of."""
    label = older.label if now.label is None and "label" not in said else now.label
    if older.attributes in ("{}", now.attributes):
        return replace(now, label=label)
    kept = {name: value for name, value in json.loads(older.attributes).items() if name not in said}
    return replace(now, label=label, attributes=_json({**kept, **json.loads(now.attributes)}))


def heir_of(store: Store, item: Item, file: str) -> Item | None:
    """The item as one of another root, a folder that holds its file and has no item of it."""
    if item.box or set(store.ids_at(Path(file))) - {item.id}:
        return None
    for root in store.roots():
        below = [name for name in names_below(root.path, Path(file)) if not name.startswith(("/", "../"))]
        if root.id != item.root and root.source == root.path and below:
            return replace(item, root=root.id, path=min(below))
    return None


def box_text(box: Box | None) -> str:
    """A box as the store keeps it."""
    return ",".join(map(str, box)) if box else ""


def _key(place: Callable[[str], str], root: Root, entry: Item | Unusable) -> Key:
    return _placed(place, absolute(root.path, entry.path)), entry.box


def _placed(place: Callable[[str], str], file: str) -> str:
    """One name for a file, through whatever links its folder was named; a linked file is one of its own."""
    folder, name = os.path.split(file)
    return os.path.join(place(folder), name)  # noqa: PTH118 - Path() costs five times as much, once a picture


def _said(table: ImageTable) -> frozenset[str]:
    """The columns that say something: a label that not one row has is none."""
    frame = table.frame
    labelled = "label" in frame.columns and frame["label"].null_count() < len(frame)
    return frozenset(frame.columns) if labelled else frozenset(frame.columns) - {"label"}


def _listing(root: Root, table: ImageTable, place: Callable[[str], str]) -> Iterator[_Listed]:
    frame = table.frame
    attributes = [name for name in frame.columns if name not in NOT_ATTRIBUTES]
    labels = frame["label"].to_list() if "label" in frame.columns else [None] * len(frame)
    rows = frame.select(attributes).iter_rows(named=True) if attributes else ({} for _ in labels)
    for image, label, box, row in zip(frame["image"].to_list(), labels, table.boxes, rows, strict=True):
        whole = absolute(root.path, image)
        key = (_placed(place, whole), box_text(box))
        path = os.path.normpath(image).replace(os.sep, "/")
        label = None if label is None else str(label)
        yield _Listed(path, os.path.normpath(whole), key, box, label, _attributes_text(row))


def _attributes_text(row: Mapping[str, object]) -> str:
    return _json({name: value for name, value in row.items() if value is not None and _is_json(value)})


def _json(attributes: Mapping[str, object]) -> str:
    return json.dumps(attributes, ensure_ascii=False, sort_keys=True, default=str)


def _is_json(value: object) -> bool:
    """JSON has no word for NaN and infinity; such an attribute counts as not known."""
    return not isinstance(value, float) or math.isfinite(value)


def _compare(
    listed: _Listed,
    root: Root,
    item: Item | None,
    unusable: Unusable | None,
    result: Difference,
    *,
    alone: bool,
) -> None:
    try:
        listed.file.encode()
        facts = os.stat(listed.file)  # noqa: PTH116 - Path() costs twice the system's call, once a picture
    except (FileNotFoundError, NotADirectoryError):
        if item is None:
            result.skipped.append(Skipped(listed.file, SkipReason.MISSING, "no such file"))
        elif item.root == root.id:
            result.missing.append(item)
            result.gone.append(item)
        return
    except ValueError:  # not UTF-8, or with a null byte
        entry = Skipped(printable(listed.file), SkipReason.BAD_NAME, "no name that can be stored")
        result.skipped.append(entry)
        return
    except OSError as error:  # it may be there: what is known of it stays
        result.skipped.append(Skipped(listed.file, SkipReason.UNREADABLE, error.strerror or str(error)))
        return
    _compare_facts(listed, root, facts, item, unusable, result, alone=alone)


def _compare_facts(
    listed: _Listed,
    root: Root,
    facts: os.stat_result,
    item: Item | None,
    unusable: Unusable | None,
    result: Difference,
    *,
    alone: bool,
) -> None:
    result.present += 1
    stamp = (facts.st_size, facts.st_mtime_ns)
    if unusable is not None and _is_settled(unusable, stamp):
        result.skipped.append(Skipped(listed.file, unusable.reason, unusable.detail))
        return
    now = _item_now(listed, root, stamp, item, None if alone else result.said)
    if item is None or (item.size, item.mtime_ns) != stamp:
        result.tasks.append(Task(Path(listed.file), listed.box, now, item))
    elif now != item:
        result.relabels.append(now)
    else:
        result.unchanged += 1


def _is_settled(unusable: Unusable, stamp: tuple[int, int]) -> bool:
    """A format may become readable by a new Pillow, and asking costs no decoding; the rest stays unusable."""
    return (unusable.size, unusable.mtime_ns) == stamp and unusable.reason != SkipReason.NOT_AN_IMAGE


def _item_now(
    listed: _Listed, root: Root, stamp: tuple[int, int], item: Item | None, said: frozenset[str] | None
) -> Item:
    """The item that a listed file is; with `said` None, a single source, what it does not say is not so."""
    size, mtime_ns = stamp
    text = box_text(listed.box)
    now = Item(root.id, listed.path, text, size, mtime_ns, b"", listed.label, listed.attributes)
    if item is None:
        return now
    now = replace(now, hash=item.hash, id=item.id)
    if said is None:
        return now
    merged = with_older_facts(now, item, said if item.root == root.id else frozenset())
    if item.root != root.id and (item.label is not None or listed.label is None):
        return replace(item, size=size, mtime_ns=mtime_ns, attributes=merged.attributes)
    return merged


def _reuse_other_parts(result: Difference, own: dict[tuple[str, str], Item]) -> None:
    """A picture whose box changed stays the same item."""
    by_path: dict[str, list[tuple[str, str]]] = {}
    for key in own:
        by_path.setdefault(key[0], []).append(key)
    for place, task in enumerate(result.tasks):
        keys = by_path.get(task.item.path)
        if task.before is None and keys:
            before = own.pop(keys.pop(0))
            result.tasks[place] = replace(task, before=before, item=replace(task.item, id=before.id))


def _find_gone(result: Difference, store: Store, root: Root, own: Iterable[Item]) -> None:
    is_manifest = root.source != root.path
    for item in own:
        file = absolute(root.path, item.path)
        absent = is_absent(file)
        heir = heir_of(store, item, file) if is_manifest and not absent else None
        if heir is not None:
            result.handed_over.append(heir)
            continue
        result.missing.append(item)
        if is_manifest or absent:
            result.gone.append(item)


def _find_elsewhere(result: Difference, root: Root, known: Mapping[Key, Item]) -> None:
    """Files that moved from one root to another keep their size, so few have to be asked for."""
    sizes = {task.item.size for task in result.tasks if task.before is None}
    result.elsewhere = [
        item
        for (file, _), item in known.items()
        if item.root != root.id and item.size in sizes and is_absent(file)
    ]
