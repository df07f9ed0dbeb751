"""Bring what an index holds of one table up to date, a durable batch at a time.

A table, a store with its writer and an embedder enter; the store is changed, and what was done leaves as an
Update. Whatever stops the work (a full disk, Ctrl-C, kill -9), all earlier batches stand, and the next run
does the rest. Picture files are read, never changed; searching is done elsewhere.
"""

from __future__ import annotations

import os
import shlex
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from lookalike.errors import StoreError
from lookalike.indexing.batches import COMMIT_SECONDS as COMMIT_SECONDS
from lookalike.indexing.batches import Embed as Embed
from lookalike.indexing.batches import Recent as Recent
from lookalike.indexing.batches import Work
from lookalike.indexing.difference import difference, heir_of
from lookalike.indexing.schema import Changes, NewPlace, Root, Writer
from lookalike.indexing.store import Store, absolute
from lookalike.indexing.stored_items import PAGE, items, places
from lookalike.pictures.finding import empty_place, is_gone
from lookalike.records import Progress, Skipped

if TYPE_CHECKING:
    from lookalike.tables.table import ImageTable


@dataclass(frozen=True, slots=True)
class Update:
    """What bringing an index up to date with one table did.

    Attributes:
        source: the folder or manifest.
        added: pictures that the index did not have.
        updated: pictures whose content, box, label or attributes changed.
        moved: pictures that are under a new name, the file under the old one being gone; of any source.
        unchanged: pictures that are as they were, those only touched among them.
        missing: items that the table does not have any more, or whose file is gone; still searched.
        removed: those of them that were taken out, with prune.
        spoiled: items that were taken out because their file cannot be used any more; they are in skipped.
        away: folders that are empty now, as where a disk is not mounted: what is missing below them was kept
            with prune.
        skipped: pictures of the table that cannot be used; what is not readable now but was embedded
            before is kept, what has become unusable is taken out.
        present: whether any picture of the table is there.
        gone: ids of the missing ones whose file is certainly not there or that a manifest dropped.
    """

    source: str
    added: int
    updated: int
    moved: int
    unchanged: int
    missing: int
    removed: int
    spoiled: int
    skipped: tuple[Skipped, ...]
    away: tuple[str, ...] = ()
    present: bool = True
    gone: array[int] = field(default_factory=lambda: array("q"), repr=False, compare=False)


def bring_up_to_date(
    store: Store,
    writer: Writer,
    root: Root,
    table: ImageTable,
    *,
    embed: Embed,
    prune: bool = False,
    progress: Progress | None = None,
    commit_seconds: float = COMMIT_SECONDS,
) -> Update:
    """Embed what is new or changed, note what is missing, and with prune remove what is gone.

    What is missing below a folder that is there and empty may lie on a disk that is not mounted: it is kept.
    What moved to a source that is brought up to date later is missing here, and with prune removed before it
    is found there: with several sources, prune after all of them, by `remove_gone`.

    Raises:
        StoreError: the disk is full or fails, the embedder's vectors do not fit, or prune would remove
            everything because not one picture of the table is there.
    """
    todo = difference(store, root, table)
    if prune and todo.gone and not todo.present:
        raise _looks_unmounted(store, root, len(todo.gone))
    work = Work(store, writer, root, todo, progress=progress, commit_seconds=commit_seconds)
    work.run(embed)
    done = Update(
        source=root.source,
        added=work.added,
        updated=work.updated + len(todo.relabels),
        moved=work.moved,
        unchanged=work.unchanged + todo.unchanged,
        missing=todo.missing - work.moved_within,
        removed=0,
        spoiled=work.spoiled,
        skipped=tuple(work.skipped),
        present=todo.present > 0,
        gone=array("q", sorted(work.gone)),
    )
    return _without_gone(store, writer, root, done) if prune else done


def settled(store: Store, done: Update) -> Update:
    """What an update says once others were brought up to date too: what these found again is not missing."""
    roots, left = {root.id: root for root in store.roots() if root.source == done.source}, array("q")
    for page in _pages(done.gone):
        for number, item in items(store, page).items():
            root = roots.get(item.root)
            if root and (root.source != root.path or is_gone(absolute(root.path, item.path))):
                left.append(number)
    return replace(done, missing=done.missing - len(done.gone) + len(left), gone=left)


def remove_gone(store: Store, done: Update) -> Update:
    """Take out what an update found gone and no later one of another source found again.

    What is missing below a folder that is there and empty is kept, as with prune.

    Returns:
        What the update says now.

    Raises:
        StoreError: another process writes, the disk is full or fails, or no picture of the table is there.
    """
    done = settled(store, done)
    if not done.gone:
        return done
    root = next(root for root in store.roots() if root.source == done.source)
    if not done.present:
        raise _looks_unmounted(store, root, len(done.gone))
    with store.writing() as writer:
        return _without_gone(store, writer, root, done)


def in_words(updates: Sequence[Update]) -> str:
    """What updates did, all of them together."""
    counts = {
        "added": sum(done.added for done in updates),
        "updated": sum(done.updated for done in updates),
        "moved": sum(done.moved for done in updates),
        "removed": sum(done.removed for done in updates),
        "no longer usable": sum(done.spoiled for done in updates),
        "unchanged": sum(done.unchanged for done in updates),
        "missing from disk": sum(done.missing for done in updates),
    }
    told = [f"{count:,} {name}" for name, count in counts.items() if count]
    return ", ".join(told) or "nothing to do"


def called(source: str | Path) -> str:
    """What an index calls a source, wherever it is named from."""
    from lookalike.layouts import placed  # not above: it loads what reads tables, and a search needs none

    return placed(source)[0]


def root_of(writer: Writer, place: Path, source: str | Path | None) -> Root:
    """The root of a folder and a source, added where it is new; source None: the folder itself."""
    path = os.path.abspath(place)  # noqa: PTH100 - links are left as they are
    origin = called(source) if source is not None else path
    return Root(writer.add_root(path, origin), path, origin)


def drop_source(store: Store, writer: Writer, root: Root) -> int:
    """Forget a source with its pictures; those that are in another source's folder stay, as that folder's.

    Either all of it happens or nothing.

    Returns:
        The number of pictures that were removed.
    """
    numbers, kept = [number for number, _, _ in places(store, root.id)], list[NewPlace]()
    may_inherit = any(other.id != root.id and other.source == other.path for other in store.roots())
    for page in _pages(numbers if may_inherit else []):
        files = [(item, absolute(root.path, item.path)) for item in items(store, page).values()]
        heirs = [heir_of(store, item, file) for item, file in files if not is_gone(file)]
        kept += [(heir.root, heir.path, heir.id) for heir in heirs if heir is not None]
    writer.drop_root(root.id, heirs=kept)
    return len(numbers) - len(kept)


def _without_gone(store: Store, writer: Writer, root: Root, done: Update) -> Update:
    removed, away = _remove(store, writer, root, done.gone)
    return replace(done, missing=done.missing - removed, removed=removed, away=away, gone=array("q"))


def _remove(store: Store, writer: Writer, root: Root, gone: Sequence[int]) -> tuple[int, tuple[str, ...]]:
    """Take items out of the index, but for those below an empty folder; how many, and these folders."""
    removed, away = 0, set[str]()
    empty_above = cache(empty_place)
    for page in _pages(gone):
        removals = []
        for item in items(store, page).values():
            folder, _ = os.path.split(absolute(root.path, item.path))
            if empty := empty_above(os.path.join(folder, "")):  # noqa: PTH118 - the same for a whole folder
                away.add(empty)
            else:
                removals.append(item)
        writer.apply(Changes(removals=removals))
        removed += len(removals)
    return removed, tuple(sorted(away))


def _pages(numbers: Sequence[int]) -> Iterator[Sequence[int]]:
    return (numbers[start : start + PAGE] for start in range(0, len(numbers), PAGE))


def _looks_unmounted(store: Store, root: Root, count: int) -> StoreError:
    return StoreError(
        "not one picture is there, nothing was removed",
        where=root.source,
        saw=f"{count} indexed pictures, none of them on the disk",
        wanted="at least one, as a sign that the disk is mounted",
        do=f"mount it; if all are truly gone, forget them: lookalike index {shlex.quote(str(store.path))} "
        f"--drop {shlex.quote(root.source)}",
    )
