"""An index file, read: facts of pictures and their vectors, all as of one moment.

Many threads and processes may read while one writes. Vectors are checked against their checksums whenever
they are loaded. Which pictures are new or gone, and what a vector means, is decided elsewhere; nothing here
looks at a picture or searches.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import SkipReason
from lookalike.indexing.base_file import NOTE, BaseNote, why_unusable
from lookalike.indexing.database import companions, create, open_beside_writer, open_writer, transaction
from lookalike.indexing.faults import damaged
from lookalike.indexing.file_format import make_tables
from lookalike.indexing.schema import Decision, Item, Root, Unusable, Writer
from lookalike.indexing.vector_reading import VectorReader
from lookalike.indexing.vector_rows import DEFAULT_STORAGE, VECTORS, VectorStorage
from lookalike.pictures.finding import bad_name
from lookalike.records import Look

_NAMED = 500  # values in one statement
_FACTS = (
    "SELECT items.id, roots.path, items.path, label, hash FROM items JOIN roots ON roots.id = root "
    "WHERE items.id IN"
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a hit says of an item, and its content hash."""

    path: str
    label: str | None
    hash: bytes


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
        base: what is noted of the approximate base, or of there being none; None: nothing yet.
        base_fault: why the base that is noted cannot be used; empty where it can, or there is none.
        newer: pictures that came after the base was built; outdated: of its own that are gone or changed.
        vectors: how they are stored.
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
    base: BaseNote | None = None
    base_fault: str = ""
    newer: int = 0
    outdated: int = 0
    vectors: VectorStorage = DEFAULT_STORAGE


class Store(VectorReader):
    """An open index file, safe to read from several threads; with `writing`, to write."""

    @classmethod
    def create(cls, path: Path, facts: Mapping[str, str]) -> Store:
        """Make an empty index with `facts` (dim among them, and perhaps how vectors are stored) and open it.

        Raises:
            StoreError: something lies at the path, or it cannot be written.
        """

        def fill(connection: sqlite3.Connection) -> None:
            make_tables(connection)
            noted = {VECTORS: DEFAULT_STORAGE, **facts, "generation": "0"}
            connection.executemany("INSERT INTO meta VALUES (?, ?)", noted.items())

        create(path, fill)
        return cls(path)

    @contextmanager
    def writing(self) -> Iterator[Writer]:
        """Become the one writer; a file of an older format is brought to this one first.

        Raises:
            StoreError: another process writes, or the disk is full or read-only.
            ReplacedError: another file lies at the path than the one that is open.
        """
        self.check_in_place()
        with open_writer(self.path) as connection:
            self.check_in_place()  # nobody who keeps to the lock replaces it from here on
            yield Writer(self.path, connection, storage=self.storage)

    def note_base(self, text: str) -> None:
        """Note what a reader has to know of the approximate base; beside a writer, in a short transaction.

        Raises:
            StoreError: the disk is full, read-only or fails, or the writer's transaction takes too long.
            ReplacedError: another file lies at the path than the one that is open.
        """
        self.check_in_place()
        with open_beside_writer(self.path) as connection, transaction(connection):
            connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (NOTE, text))

    def roots(self) -> list[Root]:
        """All roots, in the order in which they were added."""
        rows = self.rows("SELECT id, path, source FROM roots ORDER BY id")
        if not all(isinstance(value, str) for row in rows for value in row[1:]):
            raise damaged(self.path, "a source without a name or a folder")
        return [Root(*row) for row in rows]

    def items(self, root: int) -> list[Item]:
        """The items of a root, by id."""
        columns = "root, path, box, size, mtime_ns, hash, label, attributes, id"
        rows = self.rows(f"SELECT {columns} FROM items WHERE root = ? ORDER BY id", root)  # noqa: S608
        return [Item(*row) for row in rows]

    def unusable(self, root: int) -> list[Unusable]:
        """The pictures of a root that cannot be used."""
        columns = "root, path, box, size, mtime_ns, reason, detail"
        rows = self.rows(f"SELECT {columns} FROM unusable WHERE root = ? ORDER BY path", root)  # noqa: S608
        return [
            Unusable(number, path, box, size, mtime_ns, SkipReason(reason), detail)
            for number, path, box, size, mtime_ns, reason, detail in rows
        ]

    def info(self) -> IndexInfo:
        """Count what the index holds, and say what made it."""
        with self.reading():
            meta, counted = self.meta(), [self._count(root) for root in self.roots()]
            base = BaseNote.from_text(meta.get(NOTE))
            built = base if base is not None and base.file else None
            newer, outdated = self.tail_size(built.generation, last=built.last) if built else (0, 0)
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
            base=base,
            base_fault=why_unusable(self.path, built, whole=False) if built else "",
            newer=newer,
            outdated=outdated,
            vectors=self.storage,
        )

    def ids_of(self, content: bytes) -> list[int]:
        """The items with this content hash."""
        return self.ids_by_content([content])[content]

    def ids_by_content(self, contents: Collection[bytes]) -> dict[bytes, list[int]]:
        """The items, rising, with each of some content hashes."""
        asked, found = iter(contents), {content: list[int]() for content in contents}
        while some := list(islice(asked, _NAMED)):
            places = ", ".join("?" * len(some))
            statement = f"SELECT hash, id FROM items WHERE hash IN ({places}) ORDER BY id"  # noqa: S608
            for content, number in self.rows(statement, *some):
                found[content].append(number)
        return found

    def ids_at(self, file: Path) -> list[int]:
        """The items of a file, of every root that has it."""
        found: set[int] = set()
        for root in self.roots():
            for name in names_below(root.path, file):
                rows = self.rows("SELECT id FROM items WHERE root = ? AND path = ?", root.id, name)
                found.update(row[0] for row in rows)
        return sorted(found)

    def facts(self, ids: Iterable[int]) -> dict[int, Facts]:
        """What is known of the items among `ids` that exist."""
        asked, found = iter(ids), dict[int, Facts]()
        while some := list(islice(asked, _NAMED)):
            statement = f"{_FACTS} ({', '.join('?' * len(some))})"
            for number, root, path, label, content in self.rows(statement, *some):
                found[number] = Facts(absolute(root, path), label, content)
        return found

    def facts_of(self, ids: Iterable[int]) -> dict[int, Facts]:
        """The same of items that have a vector, so that there must be facts.

        Raises:
            StoreError: there are none: the index is damaged.
        """
        asked = set(ids)
        found = self.facts(asked)
        if missing := asked - found.keys():
            raise damaged(self.path, f"a vector of item {min(missing)}, and no such item")
        return found

    def contents(self, ids: Iterable[int]) -> dict[int, bytes]:
        """The content hashes of the items among `ids` that exist."""
        statement = "SELECT id, hash FROM items WHERE id IN (SELECT value FROM json_each(?))"
        return dict(self.rows(statement, f"[{','.join(map(str, ids))}]"))

    def ids_where(self, condition: str, values: Sequence[object]) -> NDArray[np.int64]:
        """The items for which a condition of fixed words and question marks holds, rising."""
        rows = self.rows(f"SELECT id FROM items WHERE {condition} ORDER BY id", *values)  # noqa: S608
        return np.fromiter((row[0] for row in rows), np.int64, len(rows))

    def has_where(self, condition: str, values: Sequence[object]) -> bool:
        """Whether the condition holds for any item."""
        return bool(self.rows(f"SELECT 1 FROM items WHERE {condition} LIMIT 1", *values))  # noqa: S608

    def attribute_names(self) -> list[str]:
        """The attributes that any item has, sorted."""
        rows = self.rows("SELECT DISTINCT key FROM items, json_each(attributes) ORDER BY key")
        return [row[0] for row in rows]

    def looks(self, hashes: Iterable[bytes]) -> dict[bytes, Look]:
        """What the pictures with these content hashes look like at a glance, as far as it is known."""
        asked, found = iter(hashes), dict[bytes, Look]()
        while some := list(islice(asked, _NAMED)):
            statement = f"SELECT * FROM looks WHERE hash IN ({', '.join('?' * len(some))})"  # noqa: S608
            for content, width, height, kind, size, blank, grey in self.rows(statement, *some):
                found[content] = Look(width, height, kind, size, bool(blank), grey)
        return found

    def decisions(self) -> list[Decision]:
        """All that was decided on pairs of contents, sorted by them."""
        rows = self.rows("SELECT first, second, verdict, made FROM decisions ORDER BY first, second")
        return [Decision(*row) for row in rows]

    def _count(self, root: Root) -> RootInfo:
        (items,) = self.rows("SELECT count(*) FROM items WHERE root = ?", root.id)[0]
        (unusable,) = self.rows("SELECT count(*) FROM unusable WHERE root = ?", root.id)[0]
        return RootInfo(root.source, items, unusable)


def absolute(root: str, path: str) -> str:
    """An item's file: its path below its root, or the path itself where it is absolute."""
    if path.startswith("/") or path[1:2] == ":" or root.endswith(os.sep):
        return os.path.join(root, path)  # noqa: PTH118 - Path() takes four times as long
    return f"{root}{os.sep}{path}"  # that is all that is to be done for nearly every hit


def real_place(folder: str) -> str:
    """A folder with its links resolved, as far as there are any; it need not exist."""
    try:
        return os.path.realpath(folder)
    except ValueError:  # a name that no folder can have
        return folder


def names_below(root: str, file: Path) -> set[str]:
    """The ways in which a root's items may name a file, also where a link leads to root or file.

    A name that is not UTF-8 is none: no item has one.
    """
    place = os.path.abspath(file)  # noqa: PTH100 - Path.absolute() keeps ".."
    real = os.path.join(real_place(str(file.parent)), file.name)  # noqa: PTH118
    names = {Path(place).as_posix(), Path(real).as_posix()}
    with suppress(ValueError):  # another drive
        names.add(Path(os.path.relpath(place, root)).as_posix())
        names.add(Path(os.path.relpath(real, real_place(root))).as_posix())
    return {name for name in names if not bad_name(name)}
