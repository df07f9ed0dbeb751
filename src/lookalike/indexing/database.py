"""One SQLite file as a durable, single-writer document: made whole, opened checked, failing in plain words.

A path enters; connections, transactions and the writer's lock leave, and every failure of SQLite or of the
lock leaves as a StoreError with its four beats. What the tables mean is the store's business.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock

from lookalike.errors import BusyError, StoreError
from lookalike.files import sync_folder
from lookalike.indexing.faults import APPLICATION as APPLICATION
from lookalike.indexing.faults import PICTURES, damaged, explained, new_index_command
from lookalike.indexing.file_format import FORMAT, OLDEST, check_tables, read_as_current, upgrade

BUSY_SECONDS = 10.0
CACHE_SHARE = 128  # a reader keeps one part in so many of its file in memory: more than all inner pages
LEAST_CACHE, MOST_CACHE = 4_000, 32_000  # kilobytes

Stamp = tuple[int, int, bool]

_UNWRITABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY")


def create(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    """Make a database file; under the path there is nothing or what `fill` made of it, never half.

    Raises:
        StoreError: something lies at the path, another process makes it too, or it cannot be written.
    """
    with writer_lock(path), explained(path):
        if os.path.lexists(path):
            raise StoreError(
                "an index cannot be made here",
                where=path,
                saw="something that lies there already",
                do="bring it up to date, or name another file",
            )
        unfinished = path.with_name(f"{path.name}.new")
        try:
            _remove(unfinished)  # what a process that was killed here left behind
            _make(unfinished, fill)
            unfinished.replace(path)
            sync_folder(path.parent)  # a new name has to be on the disk before anything is stored under it
        finally:
            _remove(unfinished)


def open_reader(path: Path) -> tuple[sqlite3.Connection, Stamp | None]:
    """Open for reading, from any thread.

    Where nothing can be written beside the file SQLite cannot notice a writer; then the file's stamp comes
    along, for `check_unchanged` after each read.

    Raises:
        StoreError: there is no file, it is no index, or an index of another format version.
    """
    if not path.is_file():
        raise StoreError(
            "no index lies here",
            where=path,
            saw="a folder" if path.is_dir() else "no such file",
            wanted="an index, which is one file",
            do=PICTURES if path.is_dir() else f"lookalike index {shlex.quote(str(path))} DATA makes one",
        )
    with explained(path):
        connection, frozen = _connect(path, "mode=rw"), None
        try:
            try:
                connection.execute("SELECT count(*) FROM sqlite_schema")
            except sqlite3.OperationalError as error:
                if not error.sqlite_errorname.startswith(_UNWRITABLE) or _has_unfinished_work(path):
                    raise
                connection.close()
                # SQLite writes even to read, unless it is told that the file cannot change
                connection, frozen = _connect(path, "mode=ro&immutable=1"), _stamp(path)
            if _checked_format(path, connection) != FORMAT:
                read_as_current(connection)
            _check_tables(path, connection)
            connection.execute("PRAGMA query_only=ON")
            connection.execute(f"PRAGMA cache_size=-{_cache_kilobytes(path)}")
        except BaseException:
            connection.close()
            raise
    return connection, frozen


def check_unchanged(path: Path, frozen: Stamp | None) -> None:
    """Refuse what was read while somebody with more rights wrote."""
    if frozen is not None and _stamp(path) != frozen:
        raise StoreError(
            "the index was changed while it was read",
            where=path,
            saw="a new modification time",
            do="run the same command again",
        )


@contextmanager
def open_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Open for writing as the only writer; each commit is on the disk before it returns.

    A file of an older format is brought to this one first, whole or not at all.

    Raises:
        StoreError: another process writes, or the disk is full or read-only.
    """
    with writer_lock(path), open_beside_writer(path) as connection:
        if _checked_format(path, connection) != FORMAT:
            with transaction(connection):
                upgrade(connection)
        yield connection


@contextmanager
def open_beside_writer(path: Path) -> Iterator[sqlite3.Connection]:
    """Open for a short transaction that waits for the writer's current one, as it would for any other."""
    with explained(path):
        connection = _connect(path, "mode=rw")
        try:
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA foreign_keys=ON")
            yield connection
        finally:
            connection.close()


def format_of(connection: sqlite3.Connection) -> int:
    """The version of an open index's tables."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside happens, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


@contextmanager
def writer_lock(path: Path) -> Iterator[None]:
    """Hold `<path>.lock`; the system lets go of it when the process dies.

    Raises:
        StoreError: another process holds it, or the folder cannot be written.
    """
    if not path.parent.is_dir():
        raise StoreError(
            "the index has no folder to lie in",
            where=path,
            saw=f"no folder {path.parent}",
            do=f"mkdir -p {shlex.quote(str(path.parent))}",
        )
    lock = filelock.FileLock(f"{path.resolve()}.lock", timeout=0)  # a link to the index has the same lock
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise BusyError(
            "another process is writing to the index",
            where=path,
            saw=f"{path.name}.lock held",
            wanted="one writer at a time",
            do="wait until it has finished and run the same command again; lookalike index --wait waits",
        ) from error
    except OSError as error:
        raise StoreError(
            "the index cannot be written",
            where=path,
            saw=error.strerror or str(error),
            wanted="a folder that can be written",
            do="make the folder writable, or copy the index elsewhere",
        ) from error
    try:
        yield
    finally:
        lock.release()


def companions(path: Path) -> tuple[Path, Path]:
    """The files that SQLite keeps beside a database while it is open."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _has_unfinished_work(path: Path) -> bool:
    """Whether commits wait beside the file to be taken into it."""
    return any(file.exists() and file.stat().st_size for file in companions(path))


def _stamp(path: Path) -> Stamp:
    facts = path.stat()
    return facts.st_size, facts.st_mtime_ns, any(file.exists() for file in companions(path))


def _make(path: Path, fill: Callable[[sqlite3.Connection], None]) -> None:
    connection = _connect(path, "mode=rwc")
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute(f"PRAGMA application_id={APPLICATION}")
        connection.execute(f"PRAGMA user_version={FORMAT}")
        fill(connection)
    finally:
        connection.close()


def _remove(path: Path) -> None:
    for file in (path, *companions(path)):
        file.unlink(missing_ok=True)


def _connect(path: Path, mode: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{mode}",
        uri=True,
        timeout=BUSY_SECONDS,
        isolation_level=None,  # transactions begin where the code says so
        check_same_thread=False,  # the store serialises its threads by a lock
    )


def _check_tables(path: Path, connection: sqlite3.Connection) -> None:
    try:
        check_tables(connection)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorname != "SQLITE_ERROR":
            raise
        raise damaged(path, str(error)) from error


def _cache_kilobytes(path: Path) -> int:
    return int(min(max(path.stat().st_size / 1024 / CACHE_SHARE, LEAST_CACHE), MOST_CACHE))


def _checked_format(path: Path, connection: sqlite3.Connection) -> int:
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = format_of(connection)
    if application != APPLICATION:
        raise damaged(path, "a file that is not an index")
    if not OLDEST <= version <= FORMAT:
        raise StoreError(
            "the index is of another format version",
            where=path,
            saw=f"format {version}",
            wanted=f"format {FORMAT}",
            do=f"update lookalike (pip install -U lookalike), or make a new one: {new_index_command(path)}",
        )
    return version
