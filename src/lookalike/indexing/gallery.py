"""Vectors in memory, as one matrix that follows its store: what was put and removed since is taken in.

A store's vectors enter, all of them or those after a generation; ids and rows of one moment leave. Taking in
a small change costs little, however many vectors there are. Nothing is searched here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lookalike.indexing.vector_reading import Changed, VectorReader
from lookalike.records import Floats

Ids = NDArray[np.int64]

BLOCK_FLOATS = 1 << 24  # values given at once
NONE_YET = -1
_READ_AGAIN = 0.25  # of what is held: where so much changed it is read again
_SPARE = 8  # one row of room for so many rows; memory that is not used yet is not taken
_STEP = 1 << 14  # rows moved at once


class Gallery:
    """Vectors that change in place: used and changed only by who holds the store's `reading`.

    Attributes:
        generation: of the store, that the vectors are of; NONE_YET: of no moment.
    """

    def __init__(self, *, dim: int, generation: int = NONE_YET) -> None:
        self.generation = generation
        self._size = 0
        self._ids = np.empty(0, np.int64)
        self._vectors = np.empty((0, dim), np.float32)

    def __len__(self) -> int:
        return self._size

    @property
    def ids(self) -> Ids:
        """[n] int64, rising."""
        return self._ids[: self._size]

    @property
    def vectors(self) -> Floats:
        """[n, d] float32 in the order of the ids."""
        return self._vectors[: self._size]

    def rows_among(self, ids: Ids) -> Ids:
        """The rows whose ids are among `ids` [m], rising."""
        return np.flatnonzero(np.isin(self.ids, ids))

    def blocks(self) -> Iterator[tuple[Ids, Floats]]:
        """All ids [m] and vectors [m, d], by rising id, some at a time; nothing is copied."""
        step = max(1, BLOCK_FLOATS // self._vectors.shape[1])
        for start in range(0, self._size, step):
            yield self.ids[start : start + step], self.vectors[start : start + step]

    def catch_up(self, reader: VectorReader) -> None:
        """Become what the store is now; where much changed it is read again.

        Raises:
            StoreError: a vector fails its checksum.
        """
        with reader.reading():
            if reader.tail_size(self.generation, last=0)[0] > _READ_AGAIN * len(self):
                self._read(reader)
            elif reader.generation() != self.generation:
                self.follow(reader.changes_since(self.generation))

    def follow(self, changed: Changed) -> None:
        """Become what the store was at a later generation."""
        places = np.minimum(np.searchsorted(self.ids, changed.ids), max(self._size - 1, 0))
        known = self.ids[places] == changed.ids if self._size else np.zeros(len(changed.ids), np.bool_)
        self._vectors[places[known]] = changed.vectors[known]
        self._remove(changed.gone)
        self._insert(changed.ids[~known], changed.vectors[~known])
        self.generation = changed.generation

    def _read(self, reader: VectorReader) -> None:
        self._empty(0)  # let go before reading: one matrix in memory, not two
        self._empty(_with_spare(reader.size()))
        self.generation = NONE_YET  # until all were read: one may be damaged
        for ids, vectors in reader.blocks():
            self._append(ids, vectors)
        self.generation = reader.generation()

    def _empty(self, room: int) -> None:
        self._size, dim = 0, self._vectors.shape[1]
        self._ids, self._vectors = np.empty(room, np.int64), np.empty((room, dim), np.float32)

    def _remove(self, ids: Ids) -> None:
        gone = np.isin(self.ids, ids)
        if not gone.any():
            return
        kept, size = np.flatnonzero(~gone), 0
        for start in range(0, len(kept), _STEP):  # downwards in place: no second matrix
            part = kept[start : start + _STEP]
            end = size + len(part)
            self._ids[size:end], self._vectors[size:end] = self._ids[part], self._vectors[part]
            size = end
        self._size = size

    def _insert(self, ids: Ids, vectors: Floats) -> None:
        if self._size + len(ids) > len(self._ids):
            self._make_room(self._size + len(ids))
        before = self._size
        self._append(ids, vectors)
        if len(ids) and before and self._ids[before] < self._ids[before - 1]:
            order = np.argsort(self.ids, kind="stable")
            self._ids[: self._size] = self.ids[order]
            self._vectors[: self._size] = self.vectors[order]

    def _append(self, ids: Ids, vectors: Floats) -> None:
        end = self._size + len(ids)
        self._ids[self._size : end], self._vectors[self._size : end] = ids, vectors
        self._size = end

    def _make_room(self, rows: int) -> None:
        ids, vectors = self.ids, self.vectors
        self._ids = np.empty(_with_spare(rows), np.int64)
        self._vectors = np.empty((len(self._ids), vectors.shape[1]), np.float32)
        self._ids[: len(ids)], self._vectors[: len(ids)] = ids, vectors


def _with_spare(rows: int) -> int:
    return rows + rows // _SPARE + 1024
