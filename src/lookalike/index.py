"""An index: pictures brought up to date by difference, and searched exactly.

A path and a model make it; tables of pictures bring it up to date; unit vectors are answered with hits. What
is stored and how is the store's business, decoding and embedding the embedder's. Nothing approximate is done
here, and no file but the index is ever changed.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from lookalike.database import new_index_command
from lookalike.embedding import Memory, embed_chunks
from lookalike.errors import ModelError, StoreError
from lookalike.model import DEFAULT, Model, cache_folder
from lookalike.neighbours import Neighbours, nearest, rows_of
from lookalike.records import Embeddings, Floats, Hit, Hits, Progress
from lookalike.schema import Root, Writer
from lookalike.shortening import shorten
from lookalike.store import Facts, IndexInfo, Snapshot, Store
from lookalike.upkeep import COMMIT_SECONDS, Embed, Recent, Update, bring_up_to_date, called, drop_source

if TYPE_CHECKING:
    from lookalike.table import ImageTable


class Index:
    """An open index; a context manager that closes it."""

    def __init__(self, store: Store, model: Model | None = None) -> None:
        self._store = store
        self._model = model
        self._held: Snapshot | None = None
        if model is not None:
            self._check_model(model)

    @classmethod
    def open(cls, path: str | Path, *, model: Model | None = None) -> Index:
        """Open an index; its own model is loaded when it is needed, unless one is given.

        Raises:
            StoreError: there is no index, it is of another format version, or another model made it.
        """
        store = Store(Path(path))
        try:
            return cls(store, model)
        except StoreError:
            store.close()
            raise

    @classmethod
    def create(cls, path: str | Path, model: Model, *, created: datetime | None = None) -> Index:
        """Make an empty index for a model's embeddings; `created` None is now.

        Raises:
            StoreError: something lies at the path, or nothing can be written there.
        """
        facts = {
            "fingerprint": model.fingerprint,
            "dim": str(model.dim),
            "model": _absolute(model.folder),
            "model_name": model.name,
            "created": (created or datetime.now(UTC)).isoformat(timespec="seconds"),
        }
        return cls(Store.create(Path(path), facts), model)

    def close(self) -> None:
        """Let go of the file."""
        self._store.close()

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return self._store.info().items

    @property
    def path(self) -> Path:
        """The index file."""
        return self._store.path

    @property
    def sources(self) -> tuple[str, ...]:
        """The folders and manifests that the index was made from, in the order in which they were added."""
        return tuple(root.source for root in self._store.roots())

    @property
    def model(self) -> Model:
        """The model whose embeddings the index holds.

        Raises:
            StoreError: it is not where it was, or was trained again since.
        """
        if self._model is None:
            model = self._find_model()
            self._check_model(model)
            self._model = model
        return self._model

    def update(
        self,
        table: ImageTable,
        *,
        source: str | Path | None = None,
        embed: Embed | None = None,
        prune: bool = False,
        progress: Progress | None = None,
        commit_seconds: float = COMMIT_SECONDS,
    ) -> Update:
        """Bring the index up to date with a table: only new and changed pictures are embedded.

        A file counts as changed when its size or time did, and is embedded when its content is new too.

        Args:
            table: the pictures that the index should hold of this source.
            source: what the table was read from, as `ImageTable.read` takes it; None is the table's root.
            embed: the embedder; None is the index's model.
            prune: remove items whose file is gone or that the manifest dropped; without it they are only
                counted. Files that may be there but cannot be looked at are never removed.
            progress: called with (done, total) pictures; begins with those that were up to date.
            commit_seconds: what is done is stored this often; a crash loses no more than that.

        Raises:
            StoreError: another process writes, the disk is full, read-only or fails, the model gave vectors
                that are not of unit length, or prune found not one of the pictures (an unmounted disk).
        """
        embed = embed if embed is not None else partial(embed_chunks, self.model)
        with self._store.writing() as writer:
            self._note_model_folder(writer)
            return bring_up_to_date(
                self._store,
                writer,
                _root(writer, table.root, source),
                table,
                embed=embed,
                prune=prune,
                progress=progress,
                commit_seconds=commit_seconds,
            )

    def drop(self, source: str | Path) -> int:
        """Forget a source with its pictures; those that lie in another source's folder stay, as that one's.

        Returns:
            The number of pictures that were removed; 0 where the index has no such source.
        """
        with self._store.writing() as writer:
            roots = [root for root in self._store.roots() if root.source == called(source)]
            return sum(drop_source(self._store, writer, root) for root in roots)

    def search(
        self,
        vectors: Floats,
        *,
        k: int = 10,
        names: Sequence[str] | None = None,
        leave_out: Sequence[Collection[int]] | None = None,
        threshold: str = DEFAULT,
    ) -> list[Hits]:
        """Find the k most alike items of each query, exactly, among all that is stored at this moment.

        Args:
            vectors: [q, d] float32, rows of unit length.
            k: answers wanted, >= 1; an index with fewer items gives fewer.
            names: [q] what each query is called in its Hits; None: empty.
            leave_out: per query the ids that may not be answered: the query itself, where it is an item.
            threshold: the name of one of the model's thresholds.

        Returns:
            q Hits, equal similarities by ascending id; `match` is None where there is no threshold.

        Raises:
            StoreError: the index is damaged, or its model is not to be found.
            ModelError: the model has no threshold of another name than the default.
        """
        Embeddings(np.arange(len(vectors)), vectors)
        if vectors.shape[1] != self._store.dim:
            raise ValueError(f"queries have {vectors.shape[1]} dimensions, the index {self._store.dim}")
        limit = self.model.limit(threshold)
        with self._store.reading():
            held = self._snapshot()
            left_out = rows_of(held.ids, leave_out) if leave_out is not None else None
            found = nearest(vectors, held.vectors, k=k, left_out=left_out)
            answers = [held.ids[entry.rows].tolist() for entry in found]
            facts = self._store.facts({item for ids in answers for item in ids})
        return [
            Hits(name, _hits(ids, entry, facts, limit), limit)
            for name, ids, entry in zip(names or [""] * len(vectors), answers, found, strict=True)
        ]

    def memory(self) -> Memory:
        """The stored vectors by content hash, so that a picture the index knows need not be decoded."""
        return Recent(self._store)

    def same_content(self, content: bytes | None, file: Path | None = None) -> list[int]:
        """The items with a content hash, and those of a file: what a query may not be answered with."""
        copies = self._store.ids_of(content) if content is not None else ()
        return sorted({*copies, *(self._store.ids_at(file) if file is not None else ())})

    def item(self, number: int) -> tuple[Facts, Floats]:
        """An item's facts and its vector [d].

        Raises:
            StoreError: there is no such item.
        """
        with self._store.reading():
            facts = self._store.facts([number]).get(number)
            vector = self._store.vector(number)
        if facts is None or vector is None:
            raise StoreError(
                "there is no such item",
                where=self.path,
                saw=f"id {number}",
                wanted="an id that a search of this index gave",
                do="search again: ids of removed items are never given twice",
            )
        return facts, vector

    def info(self) -> IndexInfo:
        """Count what the index holds, and say what made it."""
        return self._store.info()

    def _snapshot(self) -> Snapshot:
        """The vectors of this moment, read again only when something was stored since."""
        if self._held is None or self._held.generation != self._store.generation():
            self._held = None  # let go before reading: one matrix in memory, not two
            self._held = self._store.snapshot()
        return self._held

    def _check_model(self, model: Model) -> None:
        meta = self._store.meta()
        if meta["fingerprint"] == model.fingerprint:
            return
        data = " ".join(shlex.quote(source) for source in self.sources) or "DATA"
        raise StoreError(
            "the index was made by another model",
            where=self.path,
            saw=f"model {model.name}, fingerprint {model.fingerprint[:12]}",
            wanted=f"model {meta['model_name']}, fingerprint {meta['fingerprint'][:12]}",
            do=f"use that model, or embed again: {new_index_command(self.path, data=data)} "
            f"--model {shlex.quote(str(model.folder))}",
        )

    def _find_model(self) -> Model:
        meta = self._store.meta()
        folder = Path(meta["model"])
        try:
            model, dim = Model.load(folder), int(meta["dim"])
            return shorten(model, dim) if dim in model.dimensions else model
        except ModelError as error:
            if folder.is_relative_to(_absolute(cache_folder())):  # a cache may be emptied
                return Model.load(DEFAULT)
            raise StoreError(
                "the index's model cannot be opened",
                where=folder,
                saw=f"{error.what} ({error.saw})",
                wanted=f"fingerprint {meta['fingerprint'][:12]}",
                do=f"say where it is now: lookalike index {shlex.quote(str(self.path))} --model FOLDER",
            ) from error

    def _note_model_folder(self, writer: Writer) -> None:
        """A model that was moved and given by its new place is found there from now on."""
        if self._model is not None:
            folder = _absolute(self._model.folder)
            if folder != self._store.meta()["model"]:
                writer.note("model", folder)


def _root(writer: Writer, place: Path, source: str | Path | None) -> Root:
    path = _absolute(place)
    origin = called(source) if source is not None else path
    return Root(writer.add_root(path, origin), path, origin)


def _absolute(path: str | Path) -> str:
    return os.path.abspath(path)  # noqa: PTH100 - Path.absolute() keeps ".."


def _hits(
    ids: Sequence[int], found: Neighbours, facts: Mapping[int, Facts], threshold: float | None
) -> tuple[Hit, ...]:
    hits = []
    for rank, (item, similarity) in enumerate(zip(ids, found.similarities.tolist(), strict=True), start=1):
        match = None if threshold is None else similarity >= threshold
        hits.append(Hit(rank, item, facts[item].path, facts[item].label, similarity, match))
    return tuple(hits)
