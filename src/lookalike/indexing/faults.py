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
from lookalike.pictures.finding import looks_like_image

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
APPLICATION = 0x6C6B616C  # "lkal" in the file's header
PICTURES = "an index is made of a folder of pictures: lookalike index NAME.idx FOLDER"
USUAL = ".idx"  # how an index is named, where nobody says otherwise
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


def unaskable(path: Path, error: OverflowError | UnicodeEncodeError) -> StoreError:
    """The error for a value that no index can hold, so that none can be asked for it."""
    return StoreError(
        "no index holds such a value",
        where=path,
        saw=str(error),
        wanted="a whole number of at most 64 bits, or a text that is UTF-8",
        do="ask for another value",
    )


def damaged(path: Path, saw: str) -> DamageError:
    """The error for a file whose content cannot be trusted, or that was never an index."""
    name, backup = shlex.quote(str(path)), "restore it from a backup"
    if is_empty(path):
        do = f"{backup}, or make a new one: {new_index_command(path)}"
        return DamageError("the index is empty", where=path, saw="0 bytes", do=do)
    if looks_like_image(path) and not (_is_database(path) or is_index(path)):
        return DamageError(
            "a picture is no index",
            where=path,
            saw="a picture",
            wanted="an index that lookalike made",
            do=PICTURES,
        )
    if not _is_database(path):
        rescue = f", or save what can be read: lookalike doctor {name} --repair" if is_index(path) else ""
        was = f"; if it was an index, {backup}{rescue}" if rescue or path.suffix == USUAL else ""
        return DamageError(
            "the file is no index",
            where=path,
            saw=saw,
            wanted="an index that lookalike made, or a new name for one",
            do=f"name another file: {new_index_command(path)}{was}",
        )
    return DamageError(
        "the index is damaged, or no index",
        where=path,
        saw=saw,
        do=f"lookalike doctor {name} says what is wrong, and with --repair mends it; or restore it from a "
        f"backup, or make a new one: {new_index_command(path)}",
    )


def is_index(path: Path) -> bool:
    """Whether a path is that of an index, also of one whose beginning is damaged.

    SQLite's header with lookalike's mark says so; where it is damaged, the files that lie beside an index do,
    and where nothing of it is left, its name.
    """
    try:
        with path.open("rb") as file:
            header = file.read(72)
    except (OSError, ValueError):
        return False
    if header.startswith(MAGIC) or (not header and path.suffix == USUAL):
        return True
    marked = header[68:72] == APPLICATION.to_bytes(4, "big")
    return marked or path.with_name(f"{path.name}.lock").is_file()


def is_empty(path: Path) -> bool:
    """Whether a file is there, and not one byte of it."""
    try:
        return path.is_file() and path.stat().st_size == 0
    except OSError:
        return False


def _is_database(path: Path) -> bool:
    """Whether a file begins as SQLite's do; one that cannot be read may."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) in (MAGIC, b"")
    except OSError:
        return True


def new_index_command(path: Path, *, data: str = "DATA") -> str:
    """The command that makes an index anew beside one that cannot be used."""
    kind = path.suffix if is_index(path) else USUAL  # no index takes the name of a picture or a text
    new = path.with_name(f"{path.stem}-new{kind}")
    return f"lookalike index {shlex.quote(str(new))} {data}"
