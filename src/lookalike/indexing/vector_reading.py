"""The vectors of an index file, read: one, some, all in blocks or as one matrix, what changed since.

Every vector is checked against its checksum whenever it is read, and leaves as float32 of unit length. What
a vector means is not known here, and nothing is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import StoreError
from lookalike.indexing.reader import Reader
from lookalike.indexing.vector_rows import DEFAULT_STORAGE, VECTORS, Row, decoded, storage_of
from lookalike.records import Floats

FETCH = 16_384  # rows read at once
_NAMED = 500  # values in one statement


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All vectors of one moment: ids [n] int64, rising, and vectors [n, d] float32 in the same order."""

    generation: int
    ids: NDArray[np.int64]
    vectors: Floats


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of the vectors since a generation, up to this one.

    Attributes:
        ids: [m] int64, rising: put since, new or with another vector; vectors: [m, d] float32, what they are.
        gone: [r] int64, rising: ids that were removed since and have no vector now.
    """

    generation: int
    ids: NDArray[np.int64]
    vectors: Floats
    gone: NDArray[np.int64]


class VectorReader(Reader):
    """The vectors of an open index file, safe to read from several threads.

    Attributes:
        dim: d, the length of a vector.
        storage: how its vectors are stored; what is read is float32 at all times.
    """

    def __init__(self, path: Path) -> None:
        """Open an existing file.

        Raises:
            StoreError: there is none, it is no index, or an index of another format version.
        """
        super().__init__(path)
        try:
            meta = self.meta()
            self.dim = int(meta["dim"])
            self.storage = storage_of(path, meta.get(VECTORS, DEFAULT_STORAGE))
        except StoreError:
            self.close()
            raise

    def size(self) -> int:
        """How many vectors there are."""
        return int(self.rows("SELECT count(*) FROM vectors")[0][0])

    def vector(self, item: int) -> Floats | None:
        """The vector [d] of an item, or None."""
        rows = self.rows("SELECT id, vector, checksum FROM vectors WHERE id = ?", item)
        return self._vectors(rows)[0] if rows else None

    def vector_of(self, content: bytes) -> Floats | None:
        """The vector [d] of a picture with this content hash, or None."""
        rows = self.rows(
            "SELECT id, vector, checksum FROM items JOIN vectors USING (id) WHERE hash = ? LIMIT 1", content
        )
        return self._vectors(rows)[0] if rows else None

    def vectors_of_ids(self, ids: Sequence[int] | NDArray[np.int64]) -> Floats:
        """The vectors [m, d] of items, in the order asked for.

        Raises:
            StoreError: there is no such item, or a vector fails its checksum.
        """
        try:
            asked = np.asarray(ids, np.int64)
        except OverflowError as error:
            raise self._no_such_item(max(map(int, ids), key=abs)) from error
        known, stored = self.some_vectors(asked)
        if missing := set(asked.tolist()) - set(known.tolist()):
            raise self._no_such_item(min(missing))
        vectors: Floats = stored[np.searchsorted(known, asked)]
        return vectors

    def some_vectors(self, ids: NDArray[np.int64]) -> tuple[NDArray[np.int64], Floats]:
        """The vectors of those items among `ids` that exist, each once: ids [m], rising, and vectors [m, d].

        Raises:
            StoreError: a vector fails its checksum.
        """
        asked: list[int] = np.unique(ids).tolist()
        if len(asked) <= _NAMED:
            rows = self._named(asked)
        else:
            with self.reading():
                starts = range(0, len(asked), _NAMED)
                rows = [row for start in starts for row in self._named(asked[start : start + _NAMED])]
        return np.array([row[0] for row in rows], np.int64), self._vectors(rows)

    def blocks(self, *, rows: int = FETCH) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        """All vectors of one moment, by rising id: ids [m] and vectors [m, d], m <= rows.

        Until all were read, other threads wait for this store; a long reader opens a store of its own.

        Raises:
            StoreError: a vector fails its checksum.
        """
        with self.reading():
            yield from self._blocks("SELECT id, vector, checksum FROM vectors ORDER BY id", rows=rows)

    def snapshot(self) -> Snapshot:
        """Read all vectors into one matrix.

        Raises:
            StoreError: a vector fails its checksum.
        """
        with self.reading():
            size, end = self.size(), 0
            ids, vectors = np.empty(size, np.int64), np.empty((size, self.dim), np.float32)
            for some, part in self.blocks():
                start, end = end, end + len(some)
                ids[start:end], vectors[start:end] = some, part
            return Snapshot(self.generation(), ids, vectors)

    def tail_size(self, generation: int, *, last: int) -> tuple[int, int]:
        """How many vectors were put since a generation; how many ids <= last are gone or were put since."""
        ((put, again),) = self.rows(
            "SELECT count(*), coalesce(sum(id <= ?), 0) FROM vectors WHERE changed > ?", last, generation
        )
        ((gone,),) = self.rows("SELECT count(*) FROM gone WHERE generation > ? AND id <= ?", generation, last)
        return put, again + gone

    def changes_since(self, generation: int) -> Changed:
        """What was put and what was removed since a generation; in memory at once.

        Raises:
            StoreError: a vector fails its checksum.
        """
        put = "SELECT id, vector, checksum FROM vectors WHERE changed > ? ORDER BY id"
        removed = (
            "SELECT id FROM gone WHERE generation > ? AND id NOT IN (SELECT id FROM vectors) ORDER BY id"
        )
        with self.reading():
            blocks = list(self._blocks(put, generation))
            gone = [row[0] for row in self.rows(removed, generation)]
            return Changed(
                self.generation(),
                np.concatenate([ids for ids, _ in blocks] or [np.zeros(0, np.int64)]),
                np.concatenate([part for _, part in blocks] or [np.zeros((0, self.dim), np.float32)]),
                np.array(gone, np.int64),
            )

    def _blocks(
        self, statement: str, *values: object, rows: int = FETCH
    ) -> Iterator[tuple[NDArray[np.int64], Floats]]:
        cursor = self._reader.execute(statement, values)
        while part := cursor.fetchmany(rows):
            vectors = self._vectors(part)
            yield np.fromiter((row[0] for row in part), np.int64, len(part)), vectors

    def _named(self, ids: list[int]) -> list[Row]:
        places = ", ".join("?" * len(ids))
        statement = f"SELECT id, vector, checksum FROM vectors WHERE id IN ({places}) ORDER BY id"  # noqa: S608
        return self.rows(statement, *ids)

    def _vectors(self, rows: Sequence[Row]) -> Floats:
        """[m, d] of rows (id, vector, checksum), each row checked."""
        return decoded(rows, dim=self.dim, storage=self.storage, where=self.path)

    def _no_such_item(self, item: int) -> StoreError:
        return StoreError(
            "there is no such item",
            where=self.path,
            saw=f"id {item}",
            wanted="an id that a search of this index gave",
            do="search again: ids of removed items are never given twice",
        )
