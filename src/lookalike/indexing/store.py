"""An index file, read: facts of pictures, their vectors as one matrix, all as of one moment.

Many threads and processes may read while one writes. Vectors are checked against their checksums whenever
they are loaded. Which pictures are new or gone, and what a vector means, is decided elsewhere; nothing here
looks at a picture or searches.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import SkipReason
from lookalike.indexing.database import (
    check_unchanged,
    companions,
    create,
    damaged,
    explained,
    open_reader,
    open_writer,
)
from lookalike.indexing.schema import SCHEMA, Item, Root, Unusable, Writer, checksum_of
from lookalike.records import Floats

FETCH = 16_384  # rows read at once


@dataclass(frozen=True, slots=True)
class Facts:
    """What a hit says of an item, and its content hash."""

    path: str
    label: str | None
    hash: bytes


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All vectors of one moment: ids [n] int64, rising, and vectors [n, d] float32 in the same order."""

    generation: int
    ids: NDArray[np.int64]
    vectors: Floats


@dataclass(frozen=True, slots=True)
class RootInfo:
    """One root of an index: `source` is the folder or manifest it comes from."""

    source: str
    items: int
    unusable: int


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index says of itself.

    Attributes:
        items: pictures that can be found; unusable: pictures remembered as broken.
        bytes: of the file and what SQLite keeps beside it.
        created: ISO 8601, UTC.
    """

    path: str
    items: int
    unusable: int
    roots: tuple[RootInfo, ...]
    model: str
    model_folder: str
    fingerprint: str
    dim: int
    bytes: int
    created: str


class Store:
    """An open index file, safe to read from several threads.

    Attributes:
        path: the file.
        dim: d, the length of a vector.
    """

    def __init__(self, path: Path) -> None:
        """Open an existing file.

        Raises:
            StoreError: there is none, it is no index, or an index of another format version.
        """
        self.path = path
        self._lock = threading.RLock()
        self._reader, self._frozen = open_reader(path)
        self.dim = int(self.meta()["dim"])

    @classmethod
    def create(cls, path: Path, facts: Mapping[str, str]) -> Store:
        """Make an empty index with `facts` (dim among them) and open it.

        Raises:
            StoreError: something lies at the path, or it cannot be written.
        """

        def fill(connection: sqlite3.Connection) -> None:
            connection.executescript(SCHEMA)
            connection.executemany("INSERT INTO meta VALUES (?, ?)", {**facts, "generation": "0"}.items())

        create(path, fill)
        return cls(path)

    def close(self) -> None:
        """Let go of the file."""
        self._reader.close()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All that is read inside belongs to one moment, whatever a writer does meanwhile."""
        with self._lock, explained(self.path):
            if self._reader.in_transaction:
                yield
                return
            self._reader.execute("BEGIN")
            try:
                yield
            finally:
                self._reader.execute("ROLLBACK")
                check_unchanged(self.path, self._frozen)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Become the one writer.

        Raises:
            StoreError: another process writes, or the disk is read-only.
        """
        with open_writer(self.path) as connection:
            yield Writer(self.path, connection)

    def meta(self) -> dict[str, str]:
        """What was noted about the whole index: its model, its dim, when it was made."""
        return dict(self._rows("SELECT key, value FROM meta"))

    def generation(self) -> int:
        """A number that grows with every change of what a search could answer."""
        return int(self._rows("SELECT value FROM meta WHERE key = 'generation'")[0][0])

    def roots(self) -> list[Root]:
        """All roots, in the order in which they were added."""
        return [Root(*row) for row in self._rows("SELECT id, path, source FROM roots ORDER BY id")]

    def items(self, root: int) -> list[Item]:
        """The items of a root, by id."""
        columns = "root, path, box, size, mtime_ns, hash, label, attributes, id"
        rows = self._rows(f"SELECT {columns} FROM items WHERE root = ? ORDER BY id", root)  # noqa: S608
        return [Item(*row) for row in rows]

    def unusable(self, root: int) -> list[Unusable]:
        """The pictures of a root that cannot be used."""
        columns = "root, path, box, size, mtime_ns, reason, detail"
        rows = self._rows(f"SELECT {columns} FROM unusable WHERE root = ? ORDER BY path", root)  # noqa: S608
        return [
            Unusable(number, path, box, size, mtime_ns, SkipReason(reason), detail)
            for number, path, box, size, mtime_ns, reason, detail in rows
        ]

    def info(self) -> IndexInfo:
        """Count what the index holds, and say what made it."""
        with self.reading():
            meta, counted = self.meta(), [self._count(root) for root in self.roots()]
        files = (self.path, *companions(self.path))
        return IndexInfo(
            path=str(self.path),
            items=sum(root.items for root in counted),
            unusable=sum(root.unusable for root in counted),
            roots=tuple(counted),
            model=meta["model_name"],
            model_folder=meta["model"],
            fingerprint=meta["fingerprint"],
            dim=self.dim,
            bytes=sum(file.stat().st_size for file in files if file.exists()),
            created=meta["created"],
        )

    def vector(self, item: int) -> Floats | None:
        """The vector [d] of an item, or None."""
        rows = self._rows("SELECT id, vector, checksum FROM vectors WHERE id = ?", item)
        return self._vectors(rows)[0] if rows else None

    def vector_of(self, content: bytes) -> Floats | None:
        """The vector [d] of a picture with this content hash, or None."""
        rows = self._rows(
            "SELECT id, vector, checksum FROM items JOIN vectors USING (id) WHERE hash = ? LIMIT 1", content
        )
        return self._vectors(rows)[0] if rows else None

    def ids_of(self, content: bytes) -> list[int]:
        """The items with this content hash."""
        return [row[0] for row in self._rows("SELECT id FROM items WHERE hash = ? ORDER BY id", content)]

    def ids_at(self, file: Path) -> list[int]:
        """The items of a file, of every root that has it."""
        found: set[int] = set()
        for root in self.roots():
            for name in names_below(root.path, file):
                rows = self._rows("SELECT id FROM items WHERE root = ? AND path = ?", root.id, name)
                found.update(row[0] for row in rows)
        return sorted(found)

    def facts(self, ids: Iterable[int]) -> dict[int, Facts]:
        """What is known of the items among `ids` that exist."""
        rows = self._rows(
            "SELECT items.id, roots.path, items.path, label, hash FROM items JOIN roots ON roots.id = root "
            "WHERE items.id IN (SELECT value FROM json_each(?))",
            f"[{','.join(map(str, ids))}]",
        )
        return {row[0]: Facts(absolute(row[1], row[2]), row[3], row[4]) for row in rows}

    def ids_where(self, condition: str, values: Sequence[object]) -> NDArray[np.int64]:
        """The items for which a condition of fixed words and question marks holds, rising."""
        rows = self._rows(f"SELECT id FROM items WHERE {condition} ORDER BY id", *values)  # noqa: S608
        return np.fromiter((row[0] for row in rows), np.int64, len(rows))

    def has_where(self, condition: str, values: Sequence[object]) -> bool:
        """Whether the condition holds for any item."""
        return bool(self._rows(f"SELECT 1 FROM items WHERE {condition} LIMIT 1", *values))  # noqa: S608

    def attribute_names(self) -> list[str]:
        """The attributes that any item has, sorted."""
        rows = self._rows("SELECT DISTINCT key FROM items, json_each(attributes) ORDER BY key")
        return [row[0] for row in rows]

    def snapshot(self) -> Snapshot:
        """Read all vectors into one matrix.

        Raises:
            StoreError: a vector fails its checksum.
        """
        with self.reading():
            size = int(self._rows("SELECT count(*) FROM vectors")[0][0])
            ids, vectors = np.empty(size, np.int64), np.empty((size, self.dim), np.float32)
            rows = self._reader.execute("SELECT id, vector, checksum FROM vectors ORDER BY id")
            for start in range(0, size, FETCH):
                part = rows.fetchmany(FETCH)
                ids[start : start + len(part)] = [row[0] for row in part]
                vectors[start : start + len(part)] = self._vectors(part)
            return Snapshot(self.generation(), ids, vectors)

    def _count(self, root: Root) -> RootInfo:
        (items,) = self._rows("SELECT count(*) FROM items WHERE root = ?", root.id)[0]
        (unusable,) = self._rows("SELECT count(*) FROM unusable WHERE root = ?", root.id)[0]
        return RootInfo(root.source, items, unusable)

    def _vectors(self, rows: Sequence[tuple[int, bytes, int]]) -> Floats:
        """[m, d] of rows (id, vector, checksum), each row checked."""
        for item, vector, checksum in rows:
            if checksum_of(item, vector) != checksum or len(vector) != 4 * self.dim:
                raise damaged(self.path, f"item {item} with a vector that fails its checksum")
        return np.frombuffer(b"".join([row[1] for row in rows]), "<f4").reshape(-1, self.dim)

    def _rows(self, statement: str, *values: object) -> list[Any]:
        with self._lock, explained(self.path):
            return self._reader.execute(statement, values).fetchall()


def absolute(root: str, path: str) -> str:
    """An item's file: its path below its root, or the path itself where it is absolute."""
    return os.path.join(root, path)  # noqa: PTH118 - Path() takes four times as long, once a hit


def real_place(folder: str) -> str:
    """A folder with its links resolved, as far as there are any; it need not exist."""
    try:
        return os.path.realpath(folder)
    except ValueError:  # a name that no folder can have
        return folder


def names_below(root: str, file: Path) -> set[str]:
    """The ways in which a root's items may name a file, also where a link leads to root or file."""
    place = os.path.abspath(file)  # noqa: PTH100 - Path.absolute() keeps ".."
    real = os.path.join(real_place(str(file.parent)), file.name)  # noqa: PTH118
    names = {Path(place).as_posix(), Path(real).as_posix()}
    with suppress(ValueError):  # another drive
        names.add(Path(os.path.relpath(place, root)).as_posix())
        names.add(Path(os.path.relpath(real, real_place(root))).as_posix())
    return names
