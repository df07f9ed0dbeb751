"""Do what a difference asks for: embed, and store what was embedded a durable batch at a time.

A store with its writer, a Difference and an embedder enter; the store is changed. Whatever stops the work (a
full disk, Ctrl-C, kill -9), all earlier batches stand, and a batch is never older than the time between two
commits. What has to be done is decided by difference; which of it is removed, by upkeep.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from lookalike.errors import SkipReason, StoreError
from lookalike.indexing.difference import Difference
from lookalike.indexing.punctual import punctual
from lookalike.indexing.schema import Changes, Item, Root, Unusable, Writer
from lookalike.indexing.store import Store, absolute
from lookalike.indexing.stored_items import PAGE, items, with_content
from lookalike.indexing.tasks import Task, with_older_facts
from lookalike.models.embedding import Chunk, Memory
from lookalike.pictures.finding import is_gone
from lookalike.pictures.images import Box
from lookalike.records import Embeddings, Floats, Progress, Skipped

COMMIT_SECONDS = 1.5  # with the time that storing takes, what is lost at most is two seconds
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


class Work:
    """The counters and the open batch of one run.

    Attributes:
        gone: ids of items that are gone and were not found again under another name.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        root: Root,
        todo: Difference,
        *,
        progress: Progress | None,
        commit_seconds: float,
    ) -> None:
        self._store, self._writer, self._todo, self._root = store, writer, todo, root
        self._progress, self._commit_seconds = progress, commit_seconds
        self._batch = Changes(relabels=todo.handed_over, forgotten=todo.forgotten)
        self._committed = time.monotonic()
        self._memory = Recent(store)
        self._others = {other.id: other.path for other in store.roots() if other.id != root.id}
        self._left: dict[bytes, list[int]] = {}  # items whose file is gone, by content; of the open batch
        self.gone = set(todo.gone)
        self.skipped = list(todo.skipped)
        self.added = self.updated = self.moved = self.moved_within = self.unchanged = self.spoiled = 0

    def run(self, embed: Embed) -> None:
        """Do all tasks; what was done before something went wrong is stored."""
        self._tell(0)
        try:
            for start in range(0, len(self._todo.relabels), COMMIT_ITEMS):
                part = slice(start, start + COMMIT_ITEMS)
                self._batch.relabels.extend(task.item for task in self._todo.relabels.at(part))
                self._flush()
            for start in range(0, len(self._todo.tasks), PAGE):
                self._embed(embed, self._todo.tasks.at(slice(start, start + PAGE)), done=start)
        finally:
            self._flush()

    def _embed(self, embed: Embed, tasks: Sequence[Task], *, done: int) -> None:
        files, boxes = [task.file for task in tasks], [task.box for task in tasks]
        chunks = punctual(embed(files, boxes=boxes, memory=self._memory), patience=self._patience)
        with closing(chunks):
            for chunk in chunks:
                if chunk is not None:
                    self._take(chunk, tasks)
                    done += len(chunk.rows) + len(chunk.skipped)
                    self._tell(done)
                if self._patience() == 0.0 or len(self._batch.puts) >= COMMIT_ITEMS:
                    self._flush()

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            total = self._todo.listed
            self._progress(total - len(self._todo.tasks) + done, total)

    def _patience(self) -> float | None:
        """Seconds until the open batch has to be stored; None: there is none."""
        if self._batch.is_empty:
            return None
        return max(0.0, self._committed + self._commit_seconds - time.monotonic())

    def _flush(self) -> None:
        if not self._batch.is_empty:
            self._writer.apply(self._batch)
            self._batch = Changes()
            self._left = {}
            self._memory.forget()
        self._committed = time.monotonic()

    def _take(self, chunk: Chunk, tasks: Sequence[Task]) -> None:
        _check_vectors(chunk, [tasks[row] for row in chunk.rows], self._store.dim)
        if self._batch.is_empty:
            self._committed = time.monotonic()
        for row, content, vector in zip(chunk.rows, chunk.hashes, chunk.vectors, strict=True):
            self._take_vector(tasks[row], content, vector)
        seen = zip(chunk.hashes, chunk.looks, strict=True) if chunk.looks else ()
        self._batch.looks.extend((content, look) for content, look in seen if look is not None)
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
        left = self._left_of(item.hash)
        if not left:
            return None
        number = left.pop()
        if number in self.gone:
            self.gone.remove(number)
            self.moved_within += 1
            return replace(item, id=number)
        older = items(self._store, [number])[number]
        return replace(with_older_facts(item, older, self._todo.said), id=number)

    def _left_of(self, content: bytes) -> list[int]:
        """Items with a content whose file is gone, those of other roots before the root's own."""
        if not self.gone and not self._others:
            return []
        if content not in self._left:
            known = with_content(self._store, content)
            elsewhere = [
                number
                for number, root, path in known
                if root != self._root.id and is_gone(absolute(self._others[root], path))
            ]
            self._left[content] = elsewhere + [number for number, _, _ in known if number in self.gone]
        return self._left[content]

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
                self.spoiled += 1


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
