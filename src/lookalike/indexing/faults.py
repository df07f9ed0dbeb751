"""What an index file's failures mean: errors of SQLite and of the system enter, four beats leave.

Which of them can be mended, and how, is said here; nothing is mended.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lookalike.errors import DamageError, StoreError

# what SQLite's error code begins with: what went wrong, what to do
_MEANINGS = {
    "SQLITE_FULL": (
        "the disk is full",
        "free some space and run the same command again; the rest is kept",
    ),
    "SQLITE_READONLY": (
        "the index cannot be written",
        "make file and folder writable, or copy the index elsewhere",
    ),
    "SQLITE_CANTOPEN": ("the index cannot be opened", "check the permissions of the file and its folder"),
    "SQLITE_PERM": ("the index cannot be opened", "check the permissions of the file and its folder"),
    "SQLITE_BUSY": ("the index is in use", "wait until the other process has finished and try again"),
    "SQLITE_LOCKED": ("the index is in use", "wait until the other process has finished and try again"),
    "SQLITE_IOERR": (
        "the disk fails",
        "check the disk, then run the same command again; the rest is kept",
    ),
}
MAGIC = b"SQLite format 3\0"  # what every database begins with
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB")


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn SQLite's and the system's failures into StoreErrors that say what to do."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        code = getattr(error, "sqlite_errorname", "")
        if code.startswith(_DAMAGED):
            raise damaged(path, str(error)) from error
        if not code and "UTF-8" in str(error):  # Python's own complaint about a text of the file
            raise damaged(path, "a text that is not UTF-8") from error
        for prefix, (what, do) in _MEANINGS.items():
            if code.startswith(prefix):
                raise StoreError(what, where=path, saw=f"{error} ({code})", do=do) from error
        raise
    except UnicodeDecodeError as error:  # in SQLite's own message about the file
        raise damaged(path, "a text that is not UTF-8") from error


def damaged(path: Path, saw: str) -> DamageError:
    """The error for a file whose content cannot be trusted, or that was never an index."""
    name = shlex.quote(str(path))
    if not _is_database(path):
        return DamageError(
            "the file is no index",
            where=path,
            saw=saw,
            wanted="an index that lookalike made, or a new name for one",
            do=f"name another file: {new_index_command(path)}; if it was an index, restore it from a backup, "
            f"or save what can be read: lookalike doctor {name} --repair",
        )
    return DamageError(
        "the index is damaged, or no index",
        where=path,
        saw=saw,
        do=f"lookalike doctor {name} says what is wrong, and with --repair mends it; or restore it from a "
        f"backup, or make a new one: {new_index_command(path)}",
    )


def _is_database(path: Path) -> bool:
    """Whether a file begins as SQLite's do; one that cannot be read may."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) in (MAGIC, b"")
    except OSError:
        return True


def new_index_command(path: Path, *, data: str = "DATA") -> str:
    """The command that makes an index anew beside one that cannot be used."""
    new = path.with_name(f"{path.stem}-new{path.suffix}")
    return f"lookalike index {shlex.quote(str(new))} {data}"
