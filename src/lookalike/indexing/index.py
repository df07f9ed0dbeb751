"""An index: pictures brought up to date by difference, and searched.

A path and a model make it; tables of pictures bring it up to date; unit vectors are answered with hits. What
is stored and how is the store's business, decoding and embedding the embedder's. No file but the index, and
the base that is derived from it, is ever changed.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from lookalike.errors import StoreError
from lookalike.indexing.answering import Answering
from lookalike.indexing.base_file import BaseNote, Storage
from lookalike.indexing.base_upkeep import refresh_base
from lookalike.indexing.candidates import Answer, Wanted, check_queries
from lookalike.indexing.keeping_fast import FastKeeper
from lookalike.indexing.made_by import check_model, facts_of, find_model, note_folder
from lookalike.indexing.selection import ALL, Selection
from lookalike.indexing.store import Facts, IndexInfo, Store
from lookalike.indexing.upkeep import (
    COMMIT_SECONDS,
    Embed,
    Recent,
    Update,
    bring_up_to_date,
    called,
    drop_source,
    root_of,
)
from lookalike.indexing.vector_rows import DEFAULT_STORAGE, VectorStorage
from lookalike.models.embedding import embed_chunks
from lookalike.models.model import DEFAULT, Model
from lookalike.models.verdicts import Judge, judge_of
from lookalike.records import Floats, Hit, Hits, Progress

if TYPE_CHECKING:
    from lookalike.tables.table import ImageTable


class Index:
    """An open index; a context manager that closes it."""

    def __init__(self, store: Store, model: Model | None = None, *, keep_fast: bool = False) -> None:
        self._store = store
        self._model = model
        self._answering = Answering(store)
        self._keeper = FastKeeper(store) if keep_fast else None
        if model is not None:
            check_model(store, model)

    @classmethod
    def open(cls, path: str | Path, *, model: Model | None = None, keep_fast: bool = False) -> Index:
        """Open an index; its own model is loaded when it is needed, unless one is given.

        Args:
            keep_fast: for a process that lives long: after a search that met many changes the base of a large
                index is built again in a thread, one at a time, where needed. A failure changes nothing.

        Raises:
            StoreError: there is no index, it is of another format version, or another model made it.
        """
        store = Store(Path(path))
        try:
            return cls(store, model, keep_fast=keep_fast)
        except StoreError:
            store.close()
            raise

    @classmethod
    def create(
        cls,
        path: str | Path,
        model: Model,
        *,
        created: datetime | None = None,
        vectors: VectorStorage = DEFAULT_STORAGE,
    ) -> Index:
        """Make an empty index for a model's embeddings.

        Args:
            created: when; None is now.
            vectors: how they are stored: "float32" as they are, "float16" in half the space, rounded.

        Raises:
            StoreError: something lies at the path, or nothing can be written there.
        """
        facts = facts_of(model, created=created, vectors=vectors)
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
        return self._store.size()

    @property
    def path(self) -> Path:
        """The index file."""
        return self._store.path

    @property
    def store(self) -> Store:
        """What is read and written underneath."""
        return self._store

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
            self._model = find_model(self._store)
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
                counted. Files that may be there but cannot be looked at are never removed. What moved to a
                source that is updated later is lost here: then prune last, by `indexing.upkeep.remove_gone`.
            progress: called with (done, total) pictures; begins with those that were up to date.
            commit_seconds: what is done is stored this often; a crash loses no more than that.

        Raises:
            StoreError: another process writes, the disk is full, read-only or fails, the model gave vectors
                that are not of unit length, or prune found not one of the pictures (an unmounted disk).
        """
        embed = embed if embed is not None else partial(embed_chunks, self.model)
        with self._store.writing() as writer:
            if self._model is not None:
                note_folder(self._store, writer, self._model)
            return bring_up_to_date(
                self._store,
                writer,
                root_of(writer, table.root, source),
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

    def refresh(
        self,
        *,
        recall: float | None = None,
        storage: Storage | None = None,
        exact_within: float | None = None,
        progress: Progress | None = None,
    ) -> BaseNote | None:
        """Build the base of a large index where one is needed; arguments and errors as of `refresh_base`."""
        return refresh_base(
            self._store, recall=recall, storage=storage, exact_within=exact_within, progress=progress
        )

    def search(
        self,
        vectors: Floats,
        *,
        k: int = 10,
        names: Sequence[str] | None = None,
        leave_out: Sequence[Collection[int]] | None = None,
        threshold: str = DEFAULT,
        selection: Selection = ALL,
    ) -> list[Hits]:
        """Find the k most alike items of each query among all that is stored at this moment.

        An index with an approximate base may miss one now and then, and its Hits say that they are not exact;
        their similarities are.

        Args:
            vectors: [q, d] float32, rows of unit length.
            k: answers wanted, >= 1; an index with fewer items gives fewer.
            names: [q] what each query is called in its Hits; None: empty.
            leave_out: per query the ids that may not be answered: the query itself, where it is an item.
            threshold: the name of one of the model's thresholds.
            selection: what an answer has to be; where nothing is, the answer is empty, not filled up.

        Returns:
            q Hits, equal similarities by ascending id; `match` is None where there is no threshold.

        Raises:
            StoreError: the index is damaged, its model is not to be found, or the selection's filter is not
                understood.
            ModelError: the model has no threshold of another name than the default, or its thresholds were
                made for another model.
        """
        check_queries(vectors, dim=self._store.dim, names=names, leave_out=leave_out)
        judge = judge_of(self.model, threshold=threshold)
        asked = Wanted(vectors, k, leave_out, selection.lowest, selection.highest)
        with self._store.reading():
            found = self._answering.nearest(asked, selection=selection)
            answers = [answer.ids.tolist() for answer in found]
            facts = self._store.facts_of(item for ids in answers for item in ids)
        if self._keeper is not None:
            self._keeper.follow()
        return [
            Hits(name, _hits(ids, answer, facts, judge), judge.limit, answer.exact)
            for name, ids, answer in zip(names or [""] * len(vectors), answers, found, strict=True)
        ]

    def memory(self) -> Recent:
        """The stored vectors by content hash, so that a picture the index knows need not be decoded.

        It also takes new ones until it is told to forget them.
        """
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
            vector = self._store.vectors_of_ids([number])[0]
            return self._store.facts_of([number])[number], vector

    def vectors(self, ids: Sequence[int]) -> Floats:
        """The vectors [m, d] of items, in the order asked for.

        Raises:
            StoreError: there is no such item.
        """
        return self._store.vectors_of_ids(ids)

    def contents(self, ids: Sequence[int]) -> dict[int, bytes]:
        """The content hashes of the items among `ids` that exist."""
        return self._store.contents(ids)

    def reading(self) -> AbstractContextManager[None]:
        """All that is read and searched inside belongs to one moment, whatever a writer does meanwhile."""
        return self._store.reading()

    def info(self) -> IndexInfo:
        """Count what the index holds, and say what made it."""
        return self._store.info()


def _hits(ids: Sequence[int], found: Answer, facts: Mapping[int, Facts], judge: Judge) -> tuple[Hit, ...]:
    similarities = found.similarities.tolist()
    known = [facts[item] for item in ids]
    judged = zip(ids, known, similarities, judge.verdicts(similarities), strict=True)
    return tuple(
        Hit(rank, item, fact.path, fact.label, similarity, *verdict)
        for rank, (item, fact, similarity, verdict) in enumerate(judged, start=1)
    )
