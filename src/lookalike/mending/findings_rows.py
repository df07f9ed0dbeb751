"""What an inspection finds in the index file itself: SQLite's pages, facts, vectors, looks, decisions.

An index that is open for reading enters; a Finding leaves for each thing that is looked at. A vector is sound
where its checksum is right and it has as many values as it should, of unit length. Nothing is mended here.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lookalike.checkups.findings import Finding, Verdict, count
from lookalike.indexing.reader import COUNTS, NOTED
from lookalike.indexing.schema import VERDICTS
from lookalike.indexing.vector_reading import FETCH
from lookalike.indexing.vector_rows import DEFAULT_STORAGE, VECTOR_STORAGES, VECTORS, checksum_of
from lookalike.mending.vector_shape import Shape, shape_of, tolerance, type_of
from lookalike.models.embedding import HASH_BYTES
from lookalike.pictures.prints import PRINT
from lookalike.records import SILENT, Watcher

OF_MODEL = frozenset({"fingerprint", "model", "model_name"})  # notes that only the model can say again
MOST_MESSAGES = 100  # of SQLite, which may have one for every page
MOST_ENTRIES = 1000  # that a finding lists
SAVE = "save what can be read into a new file beside it; this one stays as it is"

UNSOUND_FACTS = f"""
    typeof(path) != 'text' OR path = '' OR typeof(box) != 'text' OR typeof(hash) != 'blob'
    OR length(hash) != {HASH_BYTES} OR typeof(label) NOT IN ('text', 'null')
    OR NOT (typeof(attributes) = 'text' AND json_valid(attributes) AND json_type(attributes) = 'object')
    OR typeof(size) != 'integer' OR typeof(mtime_ns) != 'integer'
"""
UNSOUND_LOOKS = f"""
    typeof(hash) != 'blob' OR length(hash) != {HASH_BYTES} OR typeof(print) != 'blob'
    OR length(print) != {PRINT * PRINT} OR typeof(width) != 'integer' OR typeof(height) != 'integer'
    OR width < 1 OR height < 1 OR blank NOT IN (0, 1)
"""
_UNSOUND_DECISIONS = f"""
    typeof(first) != 'blob' OR typeof(second) != 'blob' OR length(first) != {HASH_BYTES}
    OR length(second) != {HASH_BYTES} OR first > second OR verdict NOT IN {VERDICTS}
"""
_UNDATED_DECISIONS = (
    "typeof(made) != 'text' OR made NOT GLOB '[0-9][0-9][0-9][0-9]-*' OR julianday(made) IS NULL"
)


@dataclass(frozen=True)
class Opened:
    """An index that is open for reading.

    Attributes:
        meta: what is noted of the whole index, as far as it can be read.
        tables: the names of its tables; an older format has fewer.
        mend: the command that mends what can be mended.
        bring: the command that brings it up to date.
    """

    path: Path
    connection: sqlite3.Connection
    meta: dict[str, str]
    tables: frozenset[str]
    mend: str
    bring: str
    watcher: Watcher = SILENT

    def rows(self, statement: str, *values: object) -> list[Any]:
        """All rows of a statement."""
        return self.connection.execute(statement, values).fetchall()

    def number(self, statement: str, *values: object) -> int:
        """The one number that a statement gives."""
        return int(self.rows(statement, *values)[0][0])


def database(opened: Opened) -> Finding:
    """What SQLite says of its own pages, and rows that name others that are not there."""
    torn = [str(row[0]) for row in opened.rows(f"PRAGMA integrity_check({MOST_MESSAGES})")]
    if torn != ["ok"]:
        what = "the file is damaged: SQLite cannot trust all of its pages any more"
        return _salvage(opened, "database", len(torn), what, tuple(torn))
    strays = opened.rows("PRAGMA foreign_key_check")
    if strays:
        entries = tuple(
            f"{row[0]} {row[1]} names {row[2]} that are not there" for row in strays[:MOST_ENTRIES]
        )
        what = f"{count(len(strays), 'row')} of the file name others that are not there"
        return _salvage(opened, "database", len(strays), what, entries)
    size = opened.number("SELECT count(*) FROM items")
    return Finding(
        "database", Verdict.OK, size, f"SQLite finds its file whole, with {count(size, 'picture')}"
    )


def notes(opened: Opened) -> Finding:
    """What is noted of the whole index, without which nothing of it can be used."""
    missing = [key for key in NOTED if key not in opened.meta]
    numbers = [key for key in COUNTS if not opened.meta.get(key, "0").isdecimal()]
    kind = opened.meta.get(VECTORS, DEFAULT_STORAGE)
    wrong = [*missing, *numbers, *([f"vectors {kind!r}"] if kind not in VECTOR_STORAGES else [])]
    if wrong:
        what = f"{count(len(wrong), 'note')} about the whole index cannot be read: {', '.join(wrong)}"
        model = "" if opened.meta.keys() >= OF_MODEL else " --model FOLDER"
        return Finding("notes", Verdict.MEND, len(wrong), what, SAVE, f"{opened.mend}{model}")
    return Finding(
        "notes", Verdict.OK, 0, f"made {opened.meta['created']} by model {opened.meta['model_name']}"
    )


def shape(opened: Opened) -> Finding:
    """Whether the vectors have as many values as is noted, and are stored as is noted."""
    noted, found = opened.meta.get("dim", ""), true_shape(opened)
    kind = opened.meta.get(VECTORS, DEFAULT_STORAGE)
    if found is None or not noted.isdecimal() or kind not in VECTOR_STORAGES:  # the notes' own finding
        told = "cannot be told" if found is None else found.in_words()
        return Finding("shape", Verdict.OK, 0, f"what a vector is: {told}")
    if (found.dim, found.storage) == (int(noted), kind):
        return Finding("shape", Verdict.OK, found.dim, f"vectors of {found.in_words()}, as is noted")
    what = f"{int(noted):,} {kind} values a vector are noted, the vectors have {found.in_words()}"
    do = "correct the note, where the model agrees; the vectors are whole"
    return Finding("shape", Verdict.MEND, found.dim, what, do, opened.mend)


def facts(opened: Opened) -> Finding:
    """Items whose path, hash, label or attributes cannot be what was stored."""
    bad = unsound_facts(opened)
    if not bad:
        return Finding("facts", Verdict.OK, 0, "every picture's facts can be read")
    what = f"{count(len(bad), 'picture')} with facts that cannot be what was stored"
    do = "read them again from the files"
    return Finding("facts", Verdict.MEND, len(bad), what, do, opened.mend, entries=_items(bad))


def vectors(opened: Opened) -> Finding:
    """Vectors that are not what was stored."""
    bad = dict(unsound_vectors(opened))
    if not bad:
        size = opened.number("SELECT count(*) FROM vectors")
        return Finding(
            "vectors", Verdict.OK, 0, f"{count(size, 'vector')} with the right checksum and of unit length"
        )
    what = f"{count(len(bad), 'vector')} cannot be trusted; searches are refused until they are mended"
    do = "embed them again from the files"
    entries = tuple(f"picture {item}: {why}" for item, why in [*bad.items()][:MOST_ENTRIES])
    return Finding("vectors", Verdict.MEND, len(bad), what, do, opened.mend, entries=entries)


def unembedded(opened: Opened) -> Finding:
    """Pictures that have no vector, so that no search finds them."""
    bad = without_vector(opened)
    if not bad:
        return Finding("unembedded", Verdict.OK, 0, "every picture has a vector")
    marked = opened.number("SELECT count(*) FROM items WHERE size < 0 AND id NOT IN (SELECT id FROM vectors)")
    what = f"{count(len(bad), 'picture')} without a vector: no search finds them"
    do, command = "embed them from the files", opened.mend
    if marked == len(bad):  # the next update sees them as changed
        do, command = "embed those whose file is there; --prune forgets the others", opened.bring
    return Finding("unembedded", Verdict.MEND, len(bad), what, do, command, entries=_items(bad))


def orphans(opened: Opened) -> Finding:
    """Vectors that belong to no picture."""
    bad = vectors_of_nobody(opened)
    if not bad:
        return Finding("orphans", Verdict.OK, 0, "every vector has its picture")
    what = f"{count(len(bad), 'vector')} of no picture; searches may stumble over them"
    return Finding("orphans", Verdict.MEND, len(bad), what, "remove them", opened.mend, entries=_items(bad))


def looks(opened: Opened) -> Finding:
    """Sizes and prints of pictures, kept by content."""
    if "looks" not in opened.tables:
        return Finding("looks", Verdict.OK, 0, "no looks: this format keeps none")
    bad = opened.number(f"SELECT count(*) FROM looks WHERE {UNSOUND_LOOKS}")  # noqa: S608
    lost = opened.number("SELECT count(*) FROM looks WHERE hash NOT IN (SELECT hash FROM items)")
    if bad:
        what = f"{count(bad, 'look')} of pictures that cannot be what was stored"
        return Finding(
            "looks",
            Verdict.MEND,
            bad,
            what,
            "remove them; they are made again where they are needed",
            opened.mend,
        )
    if lost:
        what = f"{count(lost, 'look')} of pictures that the index does not have any more; they only take room"
        return Finding("looks", Verdict.LOOK, lost, what, "remove them", opened.mend)
    size = opened.number("SELECT count(*) FROM looks")
    return Finding("looks", Verdict.OK, size, f"{count(size, 'look')} of pictures are whole")


def decisions(opened: Opened) -> Finding:
    """What a person decided about pairs: these are nowhere else, so nothing of them is ever removed."""
    if "decisions" not in opened.tables:
        return Finding("decisions", Verdict.OK, 0, "no decisions: this format keeps none")
    bad = opened.rows(
        f"SELECT hex(first), hex(second), verdict FROM decisions WHERE {_UNSOUND_DECISIONS} "  # noqa: S608
        f"LIMIT {MOST_ENTRIES}"
    )
    if bad:
        what = f"{count(len(bad), 'decision')} that cannot be read as one; they count for nothing, and stay"
        do = "decide about these pairs again"
        entries = tuple(
            f"{str(first)[:12]} and {str(second)[:12]}: {verdict!r}" for first, second, verdict in bad
        )
        return Finding("decisions", Verdict.LOOK, len(bad), what, do, entries=entries)
    undated = opened.number(f"SELECT count(*) FROM decisions WHERE {_UNDATED_DECISIONS}")  # noqa: S608
    if undated:
        what = f"{count(undated, 'decision')} whose time cannot be read; they count all the same, and stay"
        do = "decide about these pairs again, where the time matters"
        return Finding("decisions", Verdict.LOOK, undated, what, do)
    size = opened.number("SELECT count(*) FROM decisions")
    return Finding("decisions", Verdict.OK, size, f"{count(size, 'decision')} about pairs can be read")


def unsound_facts(opened: Opened) -> list[int]:
    """The items whose facts cannot be what was stored."""
    return [row[0] for row in opened.rows(f"SELECT id FROM items WHERE {UNSOUND_FACTS} ORDER BY id")]  # noqa: S608


def without_vector(opened: Opened) -> list[int]:
    """The items that have none."""
    return [
        row[0]
        for row in opened.rows("SELECT id FROM items WHERE id NOT IN (SELECT id FROM vectors) ORDER BY id")
    ]


def vectors_of_nobody(opened: Opened) -> list[int]:
    """The ids of vectors without an item."""
    return [
        row[0]
        for row in opened.rows("SELECT id FROM vectors WHERE id NOT IN (SELECT id FROM items) ORDER BY id")
    ]


def true_shape(opened: Opened) -> Shape | None:
    """How the vectors lie in their rows, whatever is noted of it; None where that cannot be told."""
    with (
        suppress(sqlite3.DatabaseError, UnicodeDecodeError),
        closing(opened.connection.execute("SELECT id, vector, checksum FROM vectors ORDER BY id")) as rows,
    ):
        return shape_of(rows)
    return None


def unsound_vectors(opened: Opened) -> Iterator[tuple[int, str]]:
    """The items whose vector cannot be trusted, and why; a wrong note makes no vector unsound."""
    found = true_shape(opened)
    dim = int(opened.meta["dim"]) if found is None else found.dim
    kind = opened.meta.get(VECTORS, DEFAULT_STORAGE) if found is None else found.storage
    total = opened.number("SELECT count(*) FROM vectors")
    tell, done = opened.watcher.stage("check vectors"), 0
    cursor = opened.connection.execute("SELECT id, vector, checksum FROM vectors ORDER BY id")
    while part := cursor.fetchmany(FETCH):
        yield from unsound(part, dim=dim, kind=kind)
        done += len(part)
        tell(done, total)


def unsound(rows: list[tuple[int, Any, Any]], *, dim: int, kind: str) -> Iterator[tuple[int, str]]:
    """Of rows (id, vector, checksum) those that cannot be trusted, and why."""
    dtype, whole = type_of(kind), list[tuple[int, bytes]]()
    width = dim * dtype.itemsize
    for item, vector, checksum in rows:
        if not isinstance(vector, bytes) or checksum_of(item, vector) != checksum:
            yield item, "fails its checksum"
        elif len(vector) != width:
            yield item, f"{len(vector)} bytes, wanted {width}"
        else:
            whole.append((item, vector))
    values = np.frombuffer(b"".join([vector for _, vector in whole]), dtype).reshape(-1, dim)
    lengths = np.linalg.norm(values.astype(np.float64), axis=1)
    for row in np.flatnonzero(~(np.abs(lengths - 1.0) < tolerance(kind))):
        yield whole[row][0], f"length {lengths[row]:.4g}, wanted 1"


def _salvage(opened: Opened, name: str, number: int, what: str, entries: tuple[str, ...] = ()) -> Finding:
    do = SAVE
    return Finding(name, Verdict.MEND, number, what, do, opened.mend, entries=entries)


def _items(ids: list[int]) -> tuple[str, ...]:
    return tuple(f"picture {item}" for item in ids[:MOST_ENTRIES])
