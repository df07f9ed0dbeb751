"""A look at an index: whether what is in it is whole, and whether what it needs is there.

The path of an index file enters, an Inspection leaves, as a record, as JSON or as lines of text. An index
that SQLite cannot open any more is a finding, not an error. Nothing is changed: repair mends.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lookalike.checkups.findings import Finding, Verdict, counts_line, findings_lines, worst
from lookalike.errors import DamageError
from lookalike.indexing.database import open_reader
from lookalike.indexing.faults import is_empty, new_index_command
from lookalike.mending import findings_around, findings_rows
from lookalike.mending.findings_rows import SAVE, Opened
from lookalike.models.model import Model
from lookalike.records import SILENT, Watcher

Look = Callable[[Opened], Finding]

ROWS: tuple[Look, ...] = (
    findings_rows.database,
    findings_rows.notes,
    findings_rows.shape,
    findings_rows.facts,
    findings_rows.vectors,
    findings_rows.unembedded,
    findings_rows.orphans,
    findings_rows.looks,
    findings_rows.decisions,
)
AROUND: tuple[Look, ...] = (
    findings_around.version,
    findings_around.base,
    findings_around.sources,
    findings_around.files,
    findings_around.writer,
    findings_around.space,
)
_RESCUE = frozenset({"database", "notes"})  # what cannot be mended in the file
_IN_WORDS = {
    "database": "the file's pages",
    "notes": "what is noted of the whole index",
    "shape": "how long the vectors are",
    "facts": "what is known of the pictures",
    "unembedded": "pictures without a vector",
    "orphans": "vectors of no picture",
    "looks": "the pictures' sizes and prints",
    "decisions": "decisions about pairs",
    "version": "the version of the format",
    "base": "the approximate base",
    "files": "the pictures' files",
    "writer": "whether another process writes",
    "space": "the room on the disk",
    "journal": "what waits beside the file",
}  # of a finding's name, where that says too little


@dataclass(frozen=True)
class Inspection:
    """What was found of an index.

    Attributes:
        findings: one for each thing that was looked at, in a fixed order.
    """

    path: Path
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        return worst(self.findings)

    @property
    def beyond_mending(self) -> bool:
        """Whether the file itself is damaged, so that what can be read has to go into a new one."""
        return any(found.name in _RESCUE and found.verdict is Verdict.MEND for found in self.findings)

    def finding(self, name: str) -> Finding | None:
        """The finding of a name, where that was looked at."""
        return next((found for found in self.findings if found.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Plain values under stable keys."""
        found = [{**asdict(entry), "verdict": str(entry.verdict)} for entry in self.findings]
        return {"index": str(self.path), "verdict": str(self.verdict), "findings": found}

    def lines(self) -> list[str]:
        """The same as text: the worst first, long lists cut."""
        return [*findings_lines(self.findings), "", counts_line(self.findings)]


def inspect_index(path: Path, *, model: Model | None = None, watcher: Watcher = SILENT) -> Inspection:
    """Look at everything that can be wrong with an index.

    All rows are read and all files of pictures asked for their size and time, none is opened.

    Args:
        model: what should have made the index; None: the model that it names.
        watcher: told of the stages.

    Raises:
        StoreError: there is no file, it may not be read, is another program's or of a newer format.
    """
    waiting = findings_around.waiting(path)
    try:
        connection, _ = open_reader(path)
    except DamageError as error:
        return Inspection(path, (_cannot_be_opened(path, error),))
    with closing(connection):
        try:
            opened = opened_of(path, connection, watcher)
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            return Inspection(path, (_cannot_be_opened(path, error),))
        connection.execute("BEGIN")  # all of one moment
        found: list[Finding] = []
        for look in (*ROWS, *AROUND):
            found.append(_looked(look, opened, after=found))
        found += [_looked(lambda of: findings_around.model(of, model), opened, name="model", after=found)]
        found += [findings_around.journal(opened, waiting)]
    return Inspection(path, tuple(found))


def opened_of(path: Path, connection: sqlite3.Connection, watcher: Watcher = SILENT) -> Opened:
    """An open index as findings take it.

    Raises:
        sqlite3.DatabaseError, UnicodeDecodeError: not even its tables can be named.
    """
    tables = frozenset(
        row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    )
    meta: dict[str, str] = {}
    with suppress(sqlite3.DatabaseError, UnicodeDecodeError):  # what is missing of it is a finding
        for key, value in connection.execute("SELECT key, value FROM meta"):
            meta[str(key)] = str(value)
    name = shlex.quote(str(path))
    mend, bring = f"lookalike doctor {name} --repair", f"lookalike index {name}"
    return Opened(path, connection, meta, tables, mend, bring, watcher)


def _looked(look: Look, opened: Opened, *, after: Sequence[Finding], name: str = "") -> Finding:
    """A finding; where even looking is not possible any more, that, with the remedy if it is not told yet."""
    name = name or look.__name__
    try:
        return look(opened)
    except (sqlite3.DatabaseError, UnicodeDecodeError, KeyError, ValueError, TypeError) as error:
        what = f"{_IN_WORDS.get(name, name)}: could not be looked at ({error})"
        if any(entry.do == SAVE for entry in after):
            return Finding(name, Verdict.MEND, 1, what)
        return Finding(name, Verdict.MEND, 1, what, SAVE, opened.mend)


def _cannot_be_opened(path: Path, error: Exception) -> Finding:
    if is_empty(path):
        do = "restore it from a backup, or make a new one from the pictures"
        return Finding("database", Verdict.MEND, 1, "the file is empty", do, new_index_command(path))
    saw = error.saw if isinstance(error, DamageError) else str(error)
    command = f"lookalike doctor {shlex.quote(str(path))} --repair"
    what = f"the file is damaged: SQLite cannot open it any more ({saw})"
    return Finding("database", Verdict.MEND, 1, what, SAVE, command)
