"""What can still be read of a damaged index, saved into a new one beside it.

A damaged file enters and is left as it is; a new index leaves, with every row that could be read and can be
trusted: facts, decisions, looks, and the vectors whose checksum is right. A picture whose vector is lost is
marked, so that the next update embeds it. How a torn file is read is the business of torn_file.
"""

from __future__ import annotations

import shlex
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lookalike.errors import StoreError
from lookalike.indexing.base_file import NOTE
from lookalike.indexing.database import create
from lookalike.indexing.file_format import make_tables
from lookalike.indexing.made_by import absolute_path
from lookalike.indexing.reader import NOTED
from lookalike.indexing.vector_rows import DEFAULT_STORAGE, VECTOR_STORAGES, VECTORS
from lookalike.mending.findings_rows import unsound
from lookalike.mending.sound_rows import is_decision, is_item, is_look, is_root, is_text, is_unusable
from lookalike.mending.torn_file import BLOCK, Remains, Row, remains_of
from lookalike.mending.vector_shape import shape_of
from lookalike.models.model import Model
from lookalike.models.shortening import shorten
from lookalike.records import SILENT, Watcher

MARKED = -1  # size and time of a picture that the next update has to embed

_UNKNOWN = {"created": "1970-01-01T00:00:00+00:00", VECTORS: DEFAULT_STORAGE, "generation": "0"}


@dataclass(frozen=True, slots=True)
class Salvaged:
    """What was saved.

    Attributes:
        path: the new index.
        items: pictures whose facts could be read; vectors: those of them that kept their vector.
        decisions: about pairs.
        given: pictures that the damaged index had; torn: at most, for some of it cannot be read: so many ids
            were given.
        sources: whose pictures they are; lost: of each source that cannot be told any more how many pictures
            it had, and the path of one of them below it.
    """

    path: Path
    items: int
    vectors: int
    decisions: int
    given: int
    torn: bool
    sources: int
    lost: tuple[tuple[int, str], ...]


@dataclass
class _Seen:
    """Pictures that were read, and by source those whose source was not: their number and a path."""

    items: int = 0
    lost: dict[int, tuple[int, str]] = field(default_factory=dict)


def salvage(path: Path, new: Path, *, model: Model | None = None, watcher: Watcher = SILENT) -> Salvaged:
    """Save what can be read of a damaged index into a new file.

    Args:
        new: the file to make; nothing may lie there.
        model: whose embeddings the index holds; needed only where the index cannot say it any more.

    Raises:
        StoreError: nothing can be read, the model is not known, or the new file cannot be written.
    """
    saved: list[Salvaged] = []

    def fill(connection: sqlite3.Connection) -> None:
        make_tables(connection)
        connection.execute("BEGIN")
        saved.append(_first_reading(connection, path, new, model, watcher))
        connection.execute("COMMIT")

    create(new, fill)
    return saved[0]


def new_place(path: Path) -> Path:
    """A name beside a damaged index that nothing has yet."""
    names = (f"{path.stem}-saved{number or ''}{path.suffix}" for number in range(1000))
    return next(place for place in map(path.with_name, names) if not place.exists())


def _first_reading(
    connection: sqlite3.Connection, path: Path, new: Path, model: Model | None, watcher: Watcher
) -> Salvaged:
    """What the first way of reading gives that gives any picture; where none does, any decision."""
    for decided in (False, True):
        saved = _reading(connection, path, new, model, watcher, decided=decided)
        if saved is not None:
            return saved
    raise StoreError(
        "nothing can be saved of the index",
        where=path,
        saw="not one picture that can be read, nor a decision",
        do="restore it from a backup, or make a new one from the pictures: lookalike index NEW.idx DATA",
    )


def _reading(
    connection: sqlite3.Connection,
    path: Path,
    new: Path,
    model: Model | None,
    watcher: Watcher,
    *,
    decided: bool,
) -> Salvaged | None:
    """What the first way of reading gives that gives a picture or, where that is asked, a decision."""
    with tempfile.TemporaryDirectory(dir=new.parent, prefix=f".{new.name}.") as scratch:
        for remains in remains_of(path, Path(scratch)):
            roots = {row[0]: row for row in remains.by_id("id, path, source", "roots") if is_root(row)}
            connection.executemany("INSERT OR IGNORE INTO roots VALUES (?, ?, ?)", roots.values())
            seen = _copy_items(connection, remains, roots)
            if any(_decisions(remains)) if decided else _count(connection, "items"):
                meta = _meta(remains, path, model)
                return _copy_rest(connection, remains, roots, meta, seen, new, watcher)
            connection.execute("DELETE FROM roots")
    return None


def _copy_items(connection: sqlite3.Connection, remains: Remains, roots: dict[int, Row]) -> _Seen:
    seen = _Seen()

    def usable() -> Iterator[Row]:
        columns = "id, root, path, box, size, mtime_ns, hash, label, attributes"
        for row in remains.by_id(columns, "items"):
            seen.items += 1
            if is_item(row) and row[1] in roots:
                yield row
            elif is_item(row):
                number, example = seen.lost.get(row[1], (0, row[2]))
                seen.lost[row[1]] = number + 1, example

    connection.executemany("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", usable())
    return seen


def _decisions(remains: Remains) -> Iterator[Row]:
    rows = remains.by_key("first, second, verdict, made", "decisions", keys=2)
    return (row for row in rows if is_decision(row))


def _copy_rest(
    connection: sqlite3.Connection,
    remains: Remains,
    roots: dict[int, Row],
    meta: dict[str, str],
    seen: _Seen,
    new: Path,
    watcher: Watcher,
) -> Salvaged:
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
    _copy_vectors(connection, remains, meta, watcher)
    connection.execute(
        "UPDATE items SET size = ?, mtime_ns = ? WHERE id NOT IN (SELECT id FROM vectors)", (MARKED, MARKED)
    )
    unusable = remains.by_key("root, path, box, size, mtime_ns, reason, detail", "unusable", keys=3)
    _insert(connection, "unusable", unusable, lambda row: row[0] in roots and is_unusable(row))
    looks = remains.by_key("hash, width, height, format, bytes, blank, print", "looks", keys=1)
    _insert(connection, "looks", looks, is_look)
    _insert(connection, "decisions", _decisions(remains), is_decision)
    connection.execute("DELETE FROM looks WHERE hash NOT IN (SELECT hash FROM items)")
    items, vectors, kept = (_count(connection, table) for table in ("items", "vectors", "decisions"))
    torn = "items" in remains.torn
    given = max(remains.last, items) if torn else seen.items
    return Salvaged(new, items, vectors, kept, given, torn, len(roots), tuple(seen.lost.values()))


def _copy_vectors(
    connection: sqlite3.Connection, remains: Remains, meta: dict[str, str], watcher: Watcher
) -> None:
    """The vectors that are sound, of the pictures that were saved."""
    insert = "INSERT INTO vectors SELECT ?1, ?2, ?3, ?4 WHERE EXISTS (SELECT 1 FROM items WHERE id = ?1)"
    tell, generation = watcher.stage("save vectors"), int(meta["generation"])
    for part in _blocks(remains.by_id("id, vector, checksum", "vectors")):
        bad = {item for item, _ in unsound(part, dim=int(meta["dim"]), kind=meta[VECTORS])}
        connection.executemany(insert, [(*row, generation) for row in part if row[0] not in bad])
        tell(part[-1][0], remains.last)


def _blocks(rows: Iterator[Row]) -> Iterator[list[Row]]:
    part: list[Row] = []
    for row in rows:
        part.append(row)
        if len(part) == BLOCK:
            yield part
            part = []
    if part:
        yield part


def _insert(
    connection: sqlite3.Connection, table: str, rows: Iterator[Row], fits: Callable[[Row], bool]
) -> None:
    for row in rows:
        if fits(row):
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT OR IGNORE INTO {table} VALUES ({places})", row)  # noqa: S608


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608


def _meta(remains: Remains, path: Path, model: Model | None) -> dict[str, str]:
    """What is noted of the whole index: as far as it can be read, and by the model that is given."""
    read = {key: value for key, value in remains.by_key("key, value", "meta", keys=1) if is_text(key, value)}
    shape = shape_of(remains.by_id("id, vector, checksum", "vectors"))
    if model is not None and shape is not None and shape.dim != model.dim:
        model = _shortened(model, shape.dim, path)
    meta = {**_UNKNOWN, **read, **({} if model is None else _facts_of(model))}
    meta.pop(NOTE, None)
    if shape is not None:  # they say it themselves
        meta |= {"dim": str(shape.dim), VECTORS: shape.storage}
    elif meta[VECTORS] not in VECTOR_STORAGES:
        meta[VECTORS] = DEFAULT_STORAGE
    if not meta.get("dim", "").isdecimal():
        meta.pop("dim", None)
    if missing := [key for key in NOTED if key not in meta]:
        raise StoreError(
            "which model made the index cannot be read any more",
            where=path,
            saw=f"nothing noted under {', '.join(missing)}",
            do=f"say which: lookalike doctor {shlex.quote(str(path))} --repair --model FOLDER",
        )
    number = int(meta["generation"]) if meta["generation"].isdecimal() else 0
    return {**meta, "generation": str(number + 1)}


def _shortened(model: Model, dim: int, path: Path) -> Model:
    """The model as one of vectors of this length.

    Raises:
        StoreError: it has none.
    """
    if dim in model.dimensions:
        return shorten(model, dim)
    raise StoreError(
        "the model did not make the index",
        where=path,
        saw=f"vectors of {dim} values",
        wanted=f"{model.dim}, as model {model.name} gives them",
        do=f"say which did: lookalike doctor {shlex.quote(str(path))} --repair --model FOLDER",
    )


def _facts_of(model: Model) -> dict[str, str]:
    return {
        "fingerprint": model.fingerprint,
        "dim": str(model.dim),
        "model": absolute_path(model.folder),
        "model_name": model.name,
    }
