"""A damaged index file, read as far as it goes: row by row, around what is torn.

The path of a file enters; its rows leave, as SQLite gives them and not yet judged. The file is not changed.
Where its first page is lost, which says where the tables are, a copy that begins as a new index does is read:
the first tables lie at the same places in all indexes.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from lookalike.indexing.database import companions, create
from lookalike.indexing.file_format import make_tables

BLOCK = 4096  # rows asked for at once, as long as none of them is damaged

Row = tuple[Any, ...]

_LAST = ("max(seq) FROM sqlite_sequence", "max(id) FROM items", "max(id) FROM vectors")


class Remains:
    """What can be read of a damaged file.

    Attributes:
        last: the largest id that was given, as far as it is known.
        torn: the tables of which rows may be that cannot be read, as far as they were read by their ids.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        connection.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
        found = [self._rows(f"SELECT {what}") or [(None,)] for what in _LAST]
        self.torn: set[str] = set()
        self.last = max((row[0][0] for row in found if isinstance(row[0][0], int)), default=0)

    def by_id(self, columns: str, table: str) -> Iterator[Row]:
        """The rows of a table with ids; where reading fails, a block is halved down to single rows."""
        select = f"SELECT {columns} FROM {table} NOT INDEXED WHERE id BETWEEN ? AND ? ORDER BY id"  # noqa: S608
        for start in range(1, self.last + 1, BLOCK):
            yield from self._between(select, start, start + BLOCK - 1, table)

    def by_key(self, columns: str, table: str, *, keys: int) -> Iterator[Row]:
        """The rows of a table by its key: from the front, then from the back, up to what is torn."""
        seen: set[Row] = set()
        for order in ("ASC", "DESC"):
            by = ", ".join(f"{place} {order}" for place in range(1, keys + 1))
            try:
                for row in self._connection.execute(f"SELECT {columns} FROM {table} ORDER BY {by}"):  # noqa: S608
                    if row[:keys] not in seen:
                        seen.add(row[:keys])
                        yield row
                return
            except (sqlite3.DatabaseError, UnicodeDecodeError):
                continue

    def _between(self, select: str, low: int, high: int, table: str) -> Iterator[Row]:
        rows = self._rows(select, low, high)
        if rows is not None:
            yield from rows
        elif low < high:
            middle = (low + high) // 2
            yield from self._between(select, low, middle, table)
            yield from self._between(select, middle + 1, high, table)
        else:
            self.torn.add(table)

    def _rows(self, statement: str, *values: int) -> list[Row] | None:
        try:
            return self._connection.execute(statement, values).fetchall()
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            return None


def remains_of(path: Path, scratch: Path) -> Iterator[Remains]:
    """The file as it is, then the copy with a new first page, made in the folder `scratch`."""
    yield from _read(path)
    copy = scratch / "copy.idx"
    if _with_new_first_page(path, copy, scratch / "new.idx"):
        yield from _read(copy)


def _read(path: Path) -> Iterator[Remains]:
    # not to be written, not even by SQLite's taking in what waits beside it
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    with closing(connection):
        yield Remains(connection)


def _with_new_first_page(path: Path, copy: Path, fresh: Path) -> bool:
    """Make a copy that begins as a new index does; whether there is more than the first page."""
    create(fresh, make_tables)
    content = fresh.read_bytes()
    size = int.from_bytes(content[16:18], "big")
    page, pages = bytearray(content[:size]), path.stat().st_size // size
    if pages < 2:
        return False
    page[28:32] = pages.to_bytes(4, "big")
    page[32:40] = bytes(8)  # no free pages: nothing will be written
    page[92:96] = page[24:28]  # so that the number of pages counts
    shutil.copyfile(path, copy)
    if companions(path)[0].is_file():
        shutil.copyfile(companions(path)[0], companions(copy)[0])
    with copy.open("rb+") as file:
        file.write(page)
    return True
