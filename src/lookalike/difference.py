"""What an index has to do so that it says again what lies on the disk.

A table of pictures and a store enter; a list of tasks leaves: what to embed, what has a new label, what is
missing. Everything is derived by comparing the two sides, nothing is remembered between runs. Files are
looked at (size and time), never opened; nothing is written here.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.errors import SkipReason
from lookalike.finding import printable
from lookalike.images import Box
from lookalike.records import Skipped
from lookalike.schema import Item, Root, Unusable
from lookalike.store import Store, absolute

if TYPE_CHECKING:
    from lookalike.table import ImageTable

NOT_ATTRIBUTES = frozenset({"image", "label", "split", "group", "box"})

Key = tuple[str, str]  # a file's absolute path, and the part of it


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
    skipped: list[Skipped] = field(default_factory=list)
    forgotten: list[Unusable] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Listed:
    path: str  # as the store names it
    file: str  # absolute
    box: Box | None
    label: str | None
    attributes: str

    @property
    def key(self) -> Key:
        return self.file, box_text(self.box)


def difference(store: Store, root: Root, table: ImageTable) -> Difference:
    """Compare a table with the items that the store has of it.

    A file that another root has already is compared with that root's item, which keeps its label; so no
    picture is in the index twice. Of rows with the same picture and box the first counts.
    """
    known = {_key(of, item): item for of in store.roots() for item in store.items(of.id)}
    unusable = {_key(root, entry): entry for entry in store.unusable(root.id)}
    result, seen = Difference(), set[Key]()
    for listed in _listing(root, table):
        if listed.key not in seen:
            seen.add(listed.key)
            _compare(listed, root, known.get(listed.key), unusable.get(listed.key), result)
    own = {key: item for key, item in known.items() if item.root == root.id and key not in seen}
    result.listed = len(seen)
    result.forgotten += [entry for key, entry in unusable.items() if key not in seen]
    _reuse_other_parts(result, own)
    _find_gone(result, root, own)
    return result


def box_text(box: Box | None) -> str:
    """A box as the store keeps it."""
    return ",".join(map(str, box)) if box else ""


def _key(root: Root, entry: Item | Unusable) -> Key:
    return os.path.normpath(absolute(root.path, entry.path)), entry.box


def _listing(root: Root, table: ImageTable) -> Iterator[_Listed]:
    frame = table.frame
    attributes = [name for name in frame.columns if name not in NOT_ATTRIBUTES]
    labels = frame["label"].to_list() if "label" in frame.columns else [None] * len(frame)
    rows = frame.select(attributes).iter_rows(named=True) if attributes else ({} for _ in labels)
    for image, label, box, row in zip(frame["image"].to_list(), labels, table.boxes, rows, strict=True):
        file = os.path.normpath(absolute(root.path, image))
        path = os.path.normpath(image).replace(os.sep, "/")
        yield _Listed(path, file, box, None if label is None else str(label), _attributes_text(row))


def _attributes_text(row: Mapping[str, object]) -> str:
    filled = {name: value for name, value in row.items() if value is not None and _is_json(value)}
    return json.dumps(filled, ensure_ascii=False, sort_keys=True, default=str)


def _is_json(value: object) -> bool:
    """JSON has no word for NaN and infinity; such an attribute counts as not known."""
    return not isinstance(value, float) or math.isfinite(value)


def _compare(
    listed: _Listed, root: Root, item: Item | None, unusable: Unusable | None, result: Difference
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
    _compare_facts(listed, root, facts, item, unusable, result)


def _compare_facts(
    listed: _Listed,
    root: Root,
    facts: os.stat_result,
    item: Item | None,
    unusable: Unusable | None,
    result: Difference,
) -> None:
    result.present += 1
    stamp = (facts.st_size, facts.st_mtime_ns)
    if unusable is not None and _is_settled(unusable, stamp):
        result.skipped.append(Skipped(listed.file, unusable.reason, unusable.detail))
        return
    now = _item_now(listed, root, stamp, item)
    if item is None or (item.size, item.mtime_ns) != stamp:
        result.tasks.append(Task(Path(listed.file), listed.box, now, item))
    elif now != item:
        result.relabels.append(now)
    else:
        result.unchanged += 1


def _is_settled(unusable: Unusable, stamp: tuple[int, int]) -> bool:
    """A format may become readable by a new Pillow, and asking costs no decoding; the rest stays unusable."""
    return (unusable.size, unusable.mtime_ns) == stamp and unusable.reason != SkipReason.NOT_AN_IMAGE


def _item_now(listed: _Listed, root: Root, stamp: tuple[int, int], item: Item | None) -> Item:
    size, mtime_ns = stamp
    if item is None:
        text = box_text(listed.box)
        return Item(root.id, listed.path, text, size, mtime_ns, b"", listed.label, listed.attributes)
    if item.root != root.id:
        return replace(item, size=size, mtime_ns=mtime_ns)
    return replace(
        item, path=listed.path, size=size, mtime_ns=mtime_ns, label=listed.label, attributes=listed.attributes
    )


def _reuse_other_parts(result: Difference, own: dict[Key, Item]) -> None:
    """A picture whose box changed stays the same item."""
    by_path: dict[str, list[Key]] = {}
    for key, item in own.items():
        by_path.setdefault(item.path, []).append(key)
    for place, task in enumerate(result.tasks):
        keys = by_path.get(task.item.path)
        if task.before is None and keys:
            before = own.pop(keys.pop(0))
            result.tasks[place] = replace(task, before=before, item=replace(task.item, id=before.id))


def _find_gone(result: Difference, root: Root, own: Mapping[Key, Item]) -> None:
    is_manifest = root.source != root.path
    for (file, _), item in own.items():
        result.missing.append(item)
        if is_manifest or _is_absent(file):
            result.gone.append(item)


def _is_absent(file: str) -> bool:
    """Whether there is certainly no such file; one that may not be looked at is not absent."""
    try:
        os.stat(file)  # noqa: PTH116
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False
