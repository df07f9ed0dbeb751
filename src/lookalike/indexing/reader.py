"""One open index file and what is read from it: rows of one moment, whatever a writer does meanwhile.

A path enters; rows of fixed statements leave, from any thread. What the rows mean is the store's business;
nothing is written here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lookalike.errors import ReplacedError, StoreError
from lookalike.indexing.database import check_unchanged, format_of, open_reader
from lookalike.indexing.faults import damaged, explained, unaskable
from lookalike.indexing.file_format import FORMAT

NOTED = ("created", "dim", "fingerprint", "generation", "model", "model_name")  # without these no index works
COUNTS = ("dim", "generation")  # those of them that are whole numbers


class Reader:
    """An open index file, safe to read from several threads.

    Attributes:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        """Open an existing file.

        Raises:
            StoreError: there is none, it is no index, or an index of another format version.
        """
        self.path = path
        self._lock = threading.RLock()
        self._file = _file_at(path)  # before it is opened: what comes later is another one
        self._reader, self._frozen = open_reader(path)
        self._format = format_of(self._reader)
        self._is_closed = False

    def close(self) -> None:
        """Let go of the file; what is asked afterwards is refused."""
        with self._lock:
            self._reader.close()
            self._is_closed = True

    def check_in_place(self) -> None:
        """Look whether the file that is open still lies at its path.

        Raises:
            ReplacedError: it was moved or deleted, or another file lies there now.
        """
        now = _file_at(self.path)
        if now is None or now != self._file:
            raise ReplacedError(
                "the index was replaced while it was open",
                where=self.path,
                saw="no file" if now is None else "another file",
                wanted="the file that was opened",
                do="open it again: run the same command again, or restart the server",
            )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """All that is read inside belongs to one moment, whatever a writer does meanwhile.

        Raises:
            StoreError: it was closed.
        """
        with self._lock, explained(self.path):
            self._check_open()
            if self._reader.in_transaction:
                yield
                return
            self._follow_format()
            self._reader.execute("BEGIN")
            try:
                yield
            finally:
                self._reader.execute("ROLLBACK")
                check_unchanged(self.path, self._frozen)

    @property
    def is_of_older_format(self) -> bool:
        """Whether the next writer brings the file to this format first, which is a change too."""
        return self._format != FORMAT

    def meta(self) -> dict[str, str]:
        """What was noted about the whole index: its model, its dim, when it was made.

        Raises:
            DamageError: one of the notes that every index has is not there, or cannot be what was noted.
        """
        noted = dict(self.rows("SELECT key, value FROM meta"))
        if lost := [key for key in NOTED if not isinstance(noted.get(key), str)]:
            raise damaged(self.path, f"nothing noted under {', '.join(lost)}")
        if wrong := [f"{key} {noted[key]!r}" for key in COUNTS if not noted[key].isdecimal()]:
            raise damaged(self.path, f"noted: {', '.join(wrong)}")
        return noted

    def generation(self) -> int:
        """A number that grows with every change of what a search could answer."""
        return int(self.meta()["generation"])

    def rows(self, statement: str, *values: object) -> list[Any]:
        """What a statement of fixed words and question marks reads; for the modules of this room."""
        with self._lock, explained(self.path):
            self._check_open()
            if not self._reader.in_transaction:
                self._follow_format()
            try:
                return self._reader.execute(statement, values).fetchall()
            except (OverflowError, UnicodeEncodeError) as error:
                raise unaskable(self.path, error) from error

    def _check_open(self) -> None:
        if self._is_closed:
            raise StoreError(
                "the index was closed",
                where=self.path,
                saw="something asked of it afterwards",
                do="ask inside of `with Index.open(...) as index:`, or open it again",
            )

    def _follow_format(self) -> None:
        """Open a file anew that somebody brought to this format."""
        if self._format != FORMAT and format_of(self._reader) == FORMAT:
            self._reader.close()
            self._reader, self._frozen = open_reader(self.path)
            self._format = FORMAT


def _file_at(path: Path) -> tuple[int, int] | None:
    """Which file lies at a path, whatever its name and content; None: none."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_dev, facts.st_ino
