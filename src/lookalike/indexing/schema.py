"""What lies in an index file: a record for each of its tables, and the one way to write them.

A batch of changes enters and is stored as one synced transaction, whole or not at all. Every vector gets a
checksum bound to its row. Reading is the store's business; what has to change is decided elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from lookalike.errors import SkipReason
from lookalike.indexing.database import transaction
from lookalike.indexing.faults import explained
from lookalike.indexing.vector_rows import VectorStorage, checksum_of, encoded
from lookalike.records import Floats, Look

Verdict = Literal["same", "different", "keep-both"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)

NewPlace = tuple[int, str, int | None]  # a root and a path in it, and the id of the item that gets there


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
    looks: list[tuple[bytes, Look]] = field(default_factory=list)  # by hash; kept while an item has it

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to store."""
        changes = self.puts, self.relabels, self.unusable, self.removals, self.forgotten, self.looks
        return not any(changes)


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decided on two contents, by their hashes; `of` puts them in order.

    Attributes:
        first, second: content hashes, first <= second; equal: two copies of one content.
        verdict: "same": one is a duplicate of the other; "different": it is not; "keep-both": it may be, and
            both stay.
        made: when, ISO 8601.
    """

    first: bytes
    second: bytes
    verdict: Verdict
    made: str

    @classmethod
    def of(cls, one: bytes, other: bytes, verdict: Verdict, *, made: str) -> Decision:
        """Make a decision on two contents, named in any order."""
        return cls(min(one, other), max(one, other), verdict, made)


class Writer:
    """The one writer of an index; every method is durable when it returns, but for those `together`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, *, storage: VectorStorage) -> None:
        self._path = path
        self._connection = connection
        self._storage = storage

    @contextmanager
    def together(self) -> Iterator[None]:
        """All that is written inside is durable when this ends; where anything fails, nothing is written."""
        with self._transaction():
            yield

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

    def drop_root(self, root: int, *, heirs: Iterable[NewPlace] = ()) -> None:
        """Forget a root with all its items but those that get a place in another one."""
        with self._transaction() as connection:
            self._next_generation()
            connection.executemany("UPDATE items SET root = ?, path = ? WHERE id = ?", heirs)
            connection.execute("DELETE FROM items WHERE root = ?", (root,))
            connection.execute("DELETE FROM unusable WHERE root = ?", (root,))
            connection.execute("DELETE FROM roots WHERE id = ?", (root,))

    def note(self, key: str, value: str) -> None:
        """Set a fact about the whole index."""
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def decide(self, decisions: Iterable[Decision]) -> None:
        """Keep decisions; of two on the same pair the last one stands."""
        with self._transaction() as connection:
            values = [(entry.first, entry.second, entry.verdict, entry.made) for entry in decisions]
            connection.executemany("INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?)", values)

    def forget_decisions(self, pairs: Iterable[tuple[bytes, bytes]]) -> int:
        """Forget what was decided on pairs of contents, named in any order; how many there were."""
        with self._transaction() as connection:
            ordered = [(min(pair), max(pair)) for pair in pairs]
            statement = "DELETE FROM decisions WHERE first = ? AND second = ?"
            return max(0, connection.executemany(statement, ordered).rowcount)

    def apply(self, changes: Changes) -> None:
        """Store a batch.

        Raises:
            StoreError: the disk is full or fails; then nothing of the batch is stored.
        """
        with self._transaction() as connection:
            generation = self._next_generation()
            for item, vector in changes.puts:
                self._put(item, vector, generation)
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
            for content, look in changes.looks:
                self._put_look(content, look)

    def _next_generation(self) -> int:
        """What is put or removed from here on belongs to a new generation; its number."""
        self._connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
        row = self._connection.execute("SELECT value FROM meta WHERE key = 'generation'").fetchone()
        return int(row[0])

    def _put(self, item: Item, vector: Floats, generation: int) -> None:
        key = (item.root, item.path, item.box)
        find = "SELECT id FROM items WHERE root = ? AND path = ? AND box = ?"
        row = (item.id,) if item.id is not None else self._connection.execute(find, key).fetchone()
        if row is None:
            insert = "INSERT INTO items VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
            number = int(self._connection.execute(insert, _values(item)).lastrowid or 0)
        else:
            number = int(row[0])
            self._update(item, number)
        blob = encoded(vector, self._storage)
        self._connection.execute(
            # what is as it was has not changed: no base need learn it again
            "INSERT INTO vectors VALUES (?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "vector = excluded.vector, checksum = excluded.checksum, changed = excluded.changed "
            "WHERE vector <> excluded.vector OR checksum <> excluded.checksum",
            (number, blob, checksum_of(number, blob), generation),
        )
        self._forget(item)

    def _put_look(self, content: bytes, look: Look) -> None:
        values = (look.width, look.height, look.format, look.bytes, look.blank, look.print)
        self._connection.execute(
            "INSERT OR REPLACE INTO looks SELECT ?1, ?, ?, ?, ?, ?, ? "
            "WHERE EXISTS (SELECT 1 FROM items WHERE hash = ?1)",
            (content, *values),
        )

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
        if self._connection.in_transaction:
            yield self._connection
            return
        with explained(self._path), transaction(self._connection):
            yield self._connection


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
