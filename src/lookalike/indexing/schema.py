"""What lies in an index file: its tables, a record for each, and the one way to write them.

A batch of changes enters and is stored as one synced transaction, whole or not at all. Every vector gets a
checksum bound to its row. Reading is the store's business; what has to change is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lookalike.errors import SkipReason
from lookalike.indexing.database import explained, transaction
from lookalike.records import Floats

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (id INTEGER PRIMARY KEY, path TEXT NOT NULL, source TEXT NOT NULL UNIQUE);
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,    -- never given twice
    root INTEGER NOT NULL REFERENCES roots,
    path TEXT NOT NULL,                      -- relative to the root, with forward slashes
    box TEXT NOT NULL,                       -- the part that is looked at, empty for the whole picture
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    hash BLOB NOT NULL,                      -- of the content and the box
    label TEXT,
    attributes TEXT NOT NULL,                -- JSON object
    UNIQUE (root, path, box)
);
CREATE INDEX items_by_hash ON items (hash);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    vector BLOB NOT NULL,                    -- little-endian float32
    checksum INTEGER NOT NULL                -- crc32 of the vector, started with the id
);
CREATE TABLE unusable (                      -- not decoded again until it changes
    root INTEGER NOT NULL REFERENCES roots,
    path TEXT NOT NULL,
    box TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (root, path, box)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Root:
    """Where pictures come from: `source` is the folder or manifest, `path` what its paths begin at."""

    id: int
    path: str
    source: str


@dataclass(frozen=True, slots=True)
class Item:
    """One picture (or the part of it in `box`) as the index knows it; id None: not stored yet."""

    root: int
    path: str
    box: str
    size: int
    mtime_ns: int
    hash: bytes
    label: str | None
    attributes: str
    id: int | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A picture whose content cannot be used; it is not decoded again until the file changes."""

    root: int
    path: str
    box: str
    size: int
    mtime_ns: int
    reason: SkipReason
    detail: str


@dataclass(frozen=True, slots=True)
class Changes:
    """One batch: stored whole or not at all, and storing it twice is the same as once."""

    puts: list[tuple[Item, Floats]] = field(default_factory=list)  # new, changed or moved
    relabels: list[Item] = field(default_factory=list)  # facts changed, the vector stands
    unusable: list[Unusable] = field(default_factory=list)
    removals: list[Item] = field(default_factory=list)
    forgotten: list[Unusable] = field(default_factory=list)  # no longer there to be skipped

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        return not (self.puts or self.relabels or self.unusable or self.removals or self.forgotten)


class Writer:
    """The one writer of an index; every method is durable when it returns."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def add_root(self, path: str, source: str) -> int:
        """Register a root, or find it; the id."""
        with self._transaction() as connection:
            connection.execute(
                "INSERT INTO roots (path, source) VALUES (?, ?) "
                "ON CONFLICT (source) DO UPDATE SET path = excluded.path",
                (path, source),
            )
            row = connection.execute("SELECT id FROM roots WHERE source = ?", (source,)).fetchone()
            return int(row[0])

    def drop_root(self, root: int) -> None:
        """Forget a root with all its items."""
        with self._transaction() as connection:
            connection.execute("DELETE FROM items WHERE root = ?", (root,))
            connection.execute("DELETE FROM unusable WHERE root = ?", (root,))
            connection.execute("DELETE FROM roots WHERE id = ?", (root,))
            connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")

    def note(self, key: str, value: str) -> None:
        """Set a fact about the whole index."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def apply(self, changes: Changes) -> None:
        """Store a batch.

        Raises:
            StoreError: the disk is full or fails; then nothing of the batch is stored.
        """
        with self._transaction() as connection:
            for item, vector in changes.puts:
                self._put(item, vector)
            for item in changes.relabels:
                self._update(item, item.id)
            for entry in changes.unusable:
                key = (entry.root, entry.path, entry.box)
                connection.execute("DELETE FROM items WHERE root = ? AND path = ? AND box = ?", key)
                values = (*key, entry.size, entry.mtime_ns, entry.reason.value, entry.detail)
                connection.execute("INSERT OR REPLACE INTO unusable VALUES (?, ?, ?, ?, ?, ?, ?)", values)
            connection.executemany(
                "DELETE FROM items WHERE id = ?", [(item.id,) for item in changes.removals]
            )
            for entry in changes.forgotten:
                self._forget(entry)
            connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")

    def _put(self, item: Item, vector: Floats) -> None:
        key = (item.root, item.path, item.box)
        find = "SELECT id FROM items WHERE root = ? AND path = ? AND box = ?"
        row = (item.id,) if item.id is not None else self._connection.execute(find, key).fetchone()
        if row is None:
            insert = "INSERT INTO items VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
            number = int(self._connection.execute(insert, _values(item)).lastrowid or 0)
        else:
            number = int(row[0])
            self._update(item, number)
        blob = vector.astype("<f4").tobytes()
        values = (number, blob, checksum_of(number, blob))
        self._connection.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)", values)
        self._forget(item)

    def _update(self, item: Item, number: int | None) -> None:
        self._connection.execute(
            "UPDATE items SET root = ?, path = ?, box = ?, size = ?, mtime_ns = ?, hash = ?, label = ?, "
            "attributes = ? WHERE id = ?",
            (*_values(item), number),
        )

    def _forget(self, entry: Item | Unusable) -> None:
        key = (entry.root, entry.path, entry.box)
        self._connection.execute("DELETE FROM unusable WHERE root = ? AND path = ? AND box = ?", key)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with explained(self._path), transaction(self._connection):
            yield self._connection


def checksum_of(item: int, vector: bytes) -> int:
    """Differs for another vector and for the same vector under another item."""
    return zlib.crc32(vector, item & 0xFFFFFFFF)


def _values(item: Item) -> tuple[object, ...]:
    return (
        item.root,
        item.path,
        item.box,
        item.size,
        item.mtime_ns,
        item.hash,
        item.label,
        item.attributes,
    )
