"""Bring what an index holds of one table up to date, a durable batch at a time.

A table, a store with its writer and an embedder enter; the store is changed, and what was done leaves as an
Update. Whatever stops the work (a full disk, Ctrl-C, kill -9), all earlier batches stand, and the next run
does the rest. Picture files are read, never changed; searching is done elsewhere.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from lookalike.errors import SkipReason, StoreError
from lookalike.indexing.difference import Difference, Task, difference, heir_of, with_older_facts
from lookalike.indexing.schema import Changes, Item, Root, Unusable, Writer
from lookalike.indexing.store import Store, absolute
from lookalike.models.embedding import Chunk, Memory
from lookalike.pictures.finding import is_absent
from lookalike.pictures.images import Box
from lookalike.records import Embeddings, Floats, Progress, Skipped

if TYPE_CHECKING:
    from lookalike.tables.table import ImageTable

COMMIT_SECONDS = 2.0
COMMIT_ITEMS = 4096

# the file was read and will not do until it changes; for any other reason the next run may find it well
_CONTENT_REASONS = frozenset(
    {
        SkipReason.EMPTY,
        SkipReason.NOT_AN_IMAGE,
        SkipReason.TRUNCATED,
        SkipReason.TOO_LARGE,
        SkipReason.TOO_SMALL,
    }
)


class Embed(Protocol):
    """Turns pictures into vectors, in input order; `embedding.embed_chunks` of a model is one."""

    def __call__(
        self, paths: Sequence[Path], *, boxes: Sequence[Box | None], memory: Memory | None
    ) -> Iterator[Chunk]:
        """Embed; a vector that `memory` has for a content hash is used as it is."""


class Recent:
    """Vectors by content hash: what the store has, and what is not in it yet because its batch is open."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._recent: dict[bytes, Floats] = {}

    def get(self, digest: bytes) -> Floats | None:
        """The vector [d] of a picture, or None."""
        recent = self._recent.get(digest)
        return recent if recent is not None else self._store.vector_of(digest)

    def add(self, hashes: Sequence[bytes], vectors: Floats) -> None:
        """Take newly computed vectors [m, d]."""
        self._recent.update(zip(hashes, vectors, strict=True))

    def forget(self) -> None:
        """Keep memory small once the batch is in the store."""
        self._recent = {}


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
        skipped: pictures of the table that cannot be used; what is not readable now but was embedded
            before is kept, what has become unusable is taken out.
    """

    source: str
    added: int
    updated: int
    moved: int
    unchanged: int
    missing: int
    removed: int
    skipped: tuple[Skipped, ...]


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

    Raises:
        StoreError: the disk is full or fails, the embedder's vectors do not fit, or prune would remove
            everything because not one picture of the table is there.
    """
    todo = difference(store, root, table)
    if prune and todo.gone and not todo.present:
        raise _looks_unmounted(store, root, len(todo.gone))
    work = _Work(store, writer, todo, progress, commit_seconds)
    work.run(embed)
    gone = work.still_gone()
    if prune and gone:
        writer.apply(Changes(removals=gone))
    return Update(
        source=root.source,
        added=work.added,
        updated=work.updated + len(todo.relabels),
        moved=work.moved,
        unchanged=work.unchanged + todo.unchanged,
        missing=len(todo.missing) - work.moved_within - (len(gone) if prune else 0),
        removed=len(gone) if prune else 0,
        skipped=tuple(work.skipped),
    )


def called(source: str | Path) -> str:
    """What an index calls a source, wherever it is named from."""
    from lookalike.layouts import placed  # not above: it loads what reads tables, and a search needs none

    return placed(source)[0]


def drop_source(store: Store, writer: Writer, root: Root) -> int:
    """Forget a source with its pictures; those that are in another source's folder stay, as that folder's.

    Returns:
        The number of pictures that were removed.
    """
    items = [(item, absolute(root.path, item.path)) for item in store.items(root.id)]
    heirs = [heir_of(store, item, file) for item, file in items if not is_absent(file)]
    kept = [heir for heir in heirs if heir is not None]
    writer.apply(Changes(relabels=kept))
    writer.drop_root(root.id)
    return len(items) - len(kept)


class _Work:
    """The counters and the open batch of one run."""

    def __init__(
        self, store: Store, writer: Writer, todo: Difference, progress: Progress | None, commit_seconds: float
    ) -> None:
        self._store, self._writer, self._todo = store, writer, todo
        self._progress, self._commit_seconds = progress, commit_seconds
        self._batch = Changes(relabels=[*todo.relabels, *todo.handed_over], forgotten=todo.forgotten)
        self._committed = self._ticked = time.monotonic()
        self._memory = Recent(store)
        self._gone, self._elsewhere = _by_content(todo.gone), _by_content(todo.elsewhere)
        self.skipped = list(todo.skipped)
        self.added = self.updated = self.moved = self.moved_within = self.unchanged = 0

    def run(self, embed: Embed) -> None:
        """Do all tasks; what was done before something went wrong is stored."""
        tasks = self._todo.tasks
        self._tell(0)
        files, boxes = [task.file for task in tasks], [task.box for task in tasks]
        done = 0
        try:
            with _closing(embed(files, boxes=boxes, memory=self._memory)) as chunks:
                for chunk in chunks:
                    self._take(chunk)
                    done += len(chunk.rows) + len(chunk.skipped)
                    self._tell(done)
                    if self._is_due():
                        self._flush()
        finally:
            self._flush()

    def still_gone(self) -> list[Item]:
        """Items that are gone and were not found again under another name."""
        return [item for items in self._gone.values() for item in items]

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            total = self._todo.listed
            self._progress(total - len(self._todo.tasks) + done, total)

    def _is_due(self) -> bool:
        """Whether the batch would be too old after another chunk that takes as long as the last one."""
        now = time.monotonic()
        waited, last = now - self._committed, now - self._ticked
        self._ticked = now
        return waited + last >= self._commit_seconds or len(self._batch.puts) >= COMMIT_ITEMS

    def _flush(self) -> None:
        if not self._batch.is_empty:
            self._writer.apply(self._batch)
            self._batch = Changes()
            self._memory.forget()
        self._committed = time.monotonic()

    def _take(self, chunk: Chunk) -> None:
        tasks = self._todo.tasks
        _check_vectors(chunk, [tasks[row] for row in chunk.rows], self._store.dim)
        for row, content, vector in zip(chunk.rows, chunk.hashes, chunk.vectors, strict=True):
            self._take_vector(tasks[row], content, vector)
        for row, skipped in chunk.skipped:
            self._take_skipped(tasks[row], skipped)

    def _take_vector(self, task: Task, content: bytes, vector: Floats) -> None:
        item, before = replace(task.item, hash=content), task.before
        if before is None:
            item = self._moved(item) or item
            self.added += item.id is None
            self.moved += item.id is not None
        elif item == replace(before, size=item.size, mtime_ns=item.mtime_ns):
            self.unchanged += 1
        else:
            self.updated += 1
        self._batch.puts.append((item, vector))

    def _moved(self, item: Item) -> Item | None:
        """The item that this content had where it is gone now; what another source knew of it stays."""
        if within := self._gone.get(item.hash):
            self.moved_within += 1
            return replace(item, id=within.pop().id)
        if elsewhere := self._elsewhere.get(item.hash):
            older = elsewhere.pop()
            return replace(with_older_facts(item, older, self._todo.said), id=older.id)
        return None

    def _take_skipped(self, task: Task, skipped: Skipped) -> None:
        self.skipped.append(skipped)
        if skipped.reason in _CONTENT_REASONS:
            item = task.item
            entry = Unusable(
                item.root, item.path, item.box, item.size, item.mtime_ns, skipped.reason, skipped.detail
            )
            self._batch.unusable.append(entry)
            if task.before is not None:
                self._batch.removals.append(task.before)


def _by_content(items: Sequence[Item]) -> dict[bytes, list[Item]]:
    found: dict[bytes, list[Item]] = {}
    for item in items:
        found.setdefault(item.hash, []).append(item)
    return found


@contextmanager
def _closing(chunks: Iterator[Chunk]) -> Iterator[Iterator[Chunk]]:
    """An embedder that is left early stops its threads now, not when it is collected."""
    try:
        yield chunks
    finally:
        if isinstance(chunks, Generator):
            chunks.close()


def _check_vectors(chunk: Chunk, tasks: Sequence[Task], dim: int) -> None:
    try:
        Embeddings(np.arange(len(tasks)), chunk.vectors)
        if chunk.vectors.shape[1] != dim:
            raise ValueError(f"{chunk.vectors.shape[1]} values a vector")
    except ValueError as error:
        raise StoreError(
            "the model gave vectors that cannot be stored",
            where=tasks[0].file if tasks else "no picture",
            saw=str(error),
            wanted=f"{dim} finite values of unit length",
            do="train or export the model again; what was embedded before is kept",
        ) from error


def _looks_unmounted(store: Store, root: Root, count: int) -> StoreError:
    return StoreError(
        "not one picture is there, nothing was removed",
        where=root.source,
        saw=f"{count} indexed pictures, none of them on the disk",
        wanted="at least one, as a sign that the disk is mounted",
        do=f"mount it; if all are truly gone, delete {store.path} and its -wal and -shm files",
    )
