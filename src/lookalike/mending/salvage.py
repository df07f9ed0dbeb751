"""What can still be read of a damaged index, saved into a new one beside it.

A damaged file enters and is left as it is; a new index leaves, with every row that could be read and can be
trusted: facts, decisions, looks, and the vectors whose checksum is right. A picture whose vector is lost is
marked, so that the next update embeds it. How a torn file is read is the business of torn_file.
"""

from __future__ import annotations

import json
import shlex
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lookalike.errors import SkipReason, StoreError
from lookalike.indexing.base_file import NOTE
from lookalike.indexing.database import create
from lookalike.indexing.file_format import make_tables
from lookalike.indexing.made_by import absolute_path
from lookalike.indexing.schema import VERDICTS
from lookalike.indexing.vector_rows import DEFAULT_STORAGE, VECTORS
from lookalike.mending.findings_rows import NOTED, unsound
from lookalike.mending.torn_file import BLOCK, Remains, Row, remains_of
from lookalike.models.embedding import HASH_BYTES
from lookalike.models.model import Model
from lookalike.pictures.prints import PRINT
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
        given: how many ids were given, so that there were at most as many pictures.
    """

    path: Path
    items: int
    vectors: int
    decisions: int
    given: int


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
    """What the first way of reading gives that gives any picture."""
    with tempfile.TemporaryDirectory(dir=new.parent, prefix=f".{new.name}.") as scratch:
        for remains in remains_of(path, Path(scratch)):
            roots = {row[0]: row for row in remains.by_id("id, path, source", "roots") if _is_root(row)}
            connection.executemany("INSERT OR IGNORE INTO roots VALUES (?, ?, ?)", roots.values())
            if _copy_items(connection, remains, roots):
                return _copy_rest(connection, remains, roots, _meta(remains, path, model), new, watcher)
            connection.execute("DELETE FROM roots")
    raise StoreError(
        "nothing can be saved of the index",
        where=path,
        saw="not one picture that can be read",
        do="restore it from a backup, or make a new one from the pictures: lookalike index NEW.idx DATA",
    )


def _copy_items(connection: sqlite3.Connection, remains: Remains, roots: dict[int, Row]) -> bool:
    """Whether there are any."""
    columns = "id, root, path, box, size, mtime_ns, hash, label, attributes"
    rows = (row for row in remains.by_id(columns, "items") if _is_item(row, roots))
    connection.executemany("INSERT OR IGNORE INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
    return _count(connection, "items") > 0


def _copy_rest(
    connection: sqlite3.Connection,
    remains: Remains,
    roots: dict[int, Row],
    meta: dict[str, str],
    new: Path,
    watcher: Watcher,
) -> Salvaged:
    connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
    _copy_vectors(connection, remains, meta, watcher)
    connection.execute(
        "UPDATE items SET size = ?, mtime_ns = ? WHERE id NOT IN (SELECT id FROM vectors)", (MARKED, MARKED)
    )
    unusable = remains.by_key("root, path, box, size, mtime_ns, reason, detail", "unusable", keys=3)
    _insert(connection, "unusable", unusable, lambda row: row[0] in roots and _is_unusable(row))
    looks = remains.by_key("hash, width, height, format, bytes, blank, print", "looks", keys=1)
    _insert(connection, "looks", looks, _is_look)
    decisions = remains.by_key("first, second, verdict, made", "decisions", keys=2)
    _insert(connection, "decisions", decisions, _is_decision)
    connection.execute("DELETE FROM looks WHERE hash NOT IN (SELECT hash FROM items)")
    items, vectors, kept = (_count(connection, table) for table in ("items", "vectors", "decisions"))
    return Salvaged(new, items, vectors, kept, given=max(remains.last, items))


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
    read = {key: value for key, value in remains.by_key("key, value", "meta", keys=1) if _is_text(key, value)}
    meta = {**_UNKNOWN, **read, **({} if model is None else _facts_of(model))}
    meta.pop(NOTE, None)
    if missing := [key for key in NOTED if key not in meta]:
        raise StoreError(
            "which model made the index cannot be read any more",
            where=path,
            saw=f"nothing noted under {', '.join(missing)}",
            do=f"say which: lookalike doctor {shlex.quote(str(path))} --repair --model FOLDER",
        )
    number = int(meta["generation"]) if meta["generation"].isdecimal() else 0
    return {**meta, "generation": str(number + 1)}


def _facts_of(model: Model) -> dict[str, str]:
    return {
        "fingerprint": model.fingerprint,
        "dim": str(model.dim),
        "model": absolute_path(model.folder),
        "model_name": model.name,
    }


def _is_root(row: Row) -> bool:
    return _is_text(*row[1:]) and all(row[1:])


def _is_item(row: Row, roots: dict[int, Row]) -> bool:
    _, root, path, box, size, mtime_ns, digest, label, attributes = row
    texts = (path, box, attributes, *([] if label is None else [label]))
    return (
        root in roots
        and _is_text(*texts)
        and bool(path)
        and _is_number(size, mtime_ns)
        and _is_hash(digest)
        and _is_object(attributes)
    )


def _is_unusable(row: Row) -> bool:
    _, path, box, size, mtime_ns, reason, detail = row
    return _is_text(path, box, reason, detail) and _is_number(size, mtime_ns) and reason in list(SkipReason)


def _is_look(row: Row) -> bool:
    digest, width, height, kind, size, blank, grey = row
    fits = _is_hash(digest) and _is_number(width, height, size, blank) and _is_text(kind)
    return fits and isinstance(grey, bytes) and len(grey) == PRINT * PRINT


def _is_decision(row: Row) -> bool:
    first, second, verdict, made = row
    return _is_hash(first, second) and first <= second and verdict in VERDICTS and _is_text(made)


def _is_hash(*values: object) -> bool:
    return all(isinstance(value, bytes) and len(value) == HASH_BYTES for value in values)


def _is_number(*values: object) -> bool:
    return all(isinstance(value, int) for value in values)


def _is_object(text: str) -> bool:
    try:
        return isinstance(json.loads(text), dict)
    except ValueError:
        return False


def _is_text(*values: object) -> bool:
    """Whether all are texts; what was not UTF-8 was read as half characters, which are none."""
    try:
        return all(isinstance(value, str) and value.encode() is not None for value in values)
    except UnicodeEncodeError:
        return False
