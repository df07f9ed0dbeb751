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

from lookalike.errors import StoreError
from lookalike.indexing.database import check_unchanged, format_of, open_reader
from lookalike.indexing.faults import explained, unaskable
from lookalike.indexing.file_format import FORMAT


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
        self._reader, self._frozen = open_reader(path)
        self._format = format_of(self._reader)
        self._is_closed = False

    def close(self) -> None:
        """Let go of the file; what is asked afterwards is refused."""
        with self._lock:
            self._reader.close()
            self._is_closed = True

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
        """What was noted about the whole index: its model, its dim, when it was made."""
        return dict(self.rows("SELECT key, value FROM meta"))

    def generation(self) -> int:
        """A number that grows with every change of what a search could answer."""
        return int(self.rows("SELECT value FROM meta WHERE key = 'generation'")[0][0])

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
