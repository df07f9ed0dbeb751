"""Pictures that are sent to be added: checked by decoding them, embedded, and stored before it is answered.

The contents of files enter; items leave that a crash of the machine cannot take away any more. Requests of
this process take turns, other processes are waited for a little. Where the pictures lie, and what is kept of
them, is the index's business (indexing.adding).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from lookalike.errors import BusyError, ImageError
from lookalike.indexing.adding import (
    Seen,
    Stored,
    checked_label,
    finish_adding,
    remove_items,
    store_pictures,
)
from lookalike.indexing.index import Index
from lookalike.models.embedding import content_hash, map_in_order
from lookalike.pictures.images import skipped
from lookalike.records import Floats, Pixels, Skipped
from lookalike.serving.decoding import Decoders, Prepared
from lookalike.serving.observing import Metrics
from lookalike.serving.uploads import File

PATIENCE_SECONDS = 2.0  # that another writer is waited for
_PAUSE_SECONDS = 0.05

A = TypeVar("A")
Embedder = Callable[[Pixels], Floats]  # prepared pictures [n, h, w, 3] to unit rows [n, d]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the pictures of one request, each by its place among them, from 0.

    Attributes:
        added: place and id of each new item; known: the same of what the index, or an earlier place, had.
        skipped: place and reason of what cannot be used.
    """

    added: tuple[tuple[int, int], ...]
    known: tuple[tuple[int, int], ...]
    skipped: tuple[tuple[int, Skipped], ...]


class Adding:
    """Adds to an index and removes from it; safe to use from several threads."""

    def __init__(
        self,
        index: Index,
        decoders: Decoders,
        metrics: Metrics,
        *,
        embed: Embedder | None = None,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """Finish what an earlier process was killed in, unless another one writes.

        Args:
            embed: None is the index's model.
            patience: seconds that another writer is waited for.

        Raises:
            LookalikeError: the manifest of added pictures cannot be read, or the disk is full or fails.
        """
        self._index, self._decoders, self._metrics, self._patience = index, decoders, metrics, patience
        self._embed = embed if embed is not None else index.model.embed_pixels
        self._turn = threading.Lock()
        with suppress(BusyError):
            finish_adding(index)

    def add(self, files: Sequence[File], *, label: str | None) -> Sent:
        """Add pictures; what this returns is durable.

        Raises:
            ImageError: not one of them can be used; why the first cannot.
            StoreError: another process writes, or the disk is full or fails; then nothing was added. Or the
                label cannot be kept, or the model gave no vectors.
        """
        label = checked_label(label)
        contents = [content_hash(file.content) for file in files]
        unseen = {
            content: file
            for content, file in zip(contents, files, strict=True)
            if not self._index.same_content(content)
        }
        seen = self._see(unseen)
        flaws = {content: error for content, error in seen.items() if isinstance(error, ImageError)}
        if contents and flaws.keys() == {*contents}:
            raise flaws[contents[0]]
        new = [picture for picture in seen.values() if isinstance(picture, Seen)]
        stored = self._in_turn(lambda: store_pictures(self._index, new, label=label))
        return self._sent(files, contents, stored, flaws)

    def remove(self, number: int) -> bool:
        """Take an item out of the index; its file stays. Whether there was one.

        Raises:
            StoreError: another process writes, or the disk is full or fails; then nothing was removed.
        """
        return self._in_turn(lambda: remove_items(self._index, [number])) > 0

    def _see(self, files: Mapping[bytes, File]) -> dict[bytes, Seen | ImageError]:
        """Decode and embed contents that the index does not have."""
        prepared = dict(zip(files, map_in_order(self._prepared, list(files.values())), strict=True))
        usable = {content: each for content, each in prepared.items() if isinstance(each, Prepared)}
        vectors = self._embed(np.stack([each.pixels for each in usable.values()])) if usable else ()
        seen: dict[bytes, Seen | ImageError] = {
            content: Seen(files[content].content, content, vector, each.look, files[content].name)
            for (content, each), vector in zip(usable.items(), vectors, strict=True)
        }
        return seen | {content: each for content, each in prepared.items() if isinstance(each, ImageError)}

    def _prepared(self, file: File) -> Prepared | ImageError:
        try:
            return self._decoders.prepared(file.content, name=file.name)
        except ImageError as error:
            self._metrics.undecoded(error.reason.value)
            return error

    def _sent(
        self,
        files: Sequence[File],
        contents: Sequence[bytes],
        stored: Mapping[bytes, Stored],
        flaws: Mapping[bytes, ImageError],
    ) -> Sent:
        added, known = dict[bytes, tuple[int, int]](), list[tuple[int, int]]()
        for place, content in enumerate(contents):
            entry = stored.get(content)
            if entry is not None and entry.is_new and content not in added:
                added[content] = place, entry.id
            elif content not in flaws:
                ids = [entry.id] if entry is not None else self._index.same_content(content)
                known += [(place, number) for number in ids[:1]]
        left_out = [
            (place, skipped(flaws[content], files[place].name))
            for place, content in enumerate(contents)
            if content in flaws
        ]
        return Sent(tuple(added.values()), tuple(known), tuple(left_out))

    def _in_turn(self, work: Callable[[], A]) -> A:
        """Write when nobody else does; another process is waited for a little."""
        until = time.monotonic() + self._patience
        with self._turn:
            while True:
                try:
                    return work()
                except BusyError:
                    if time.monotonic() >= until:
                        raise
                    time.sleep(_PAUSE_SECONDS)
