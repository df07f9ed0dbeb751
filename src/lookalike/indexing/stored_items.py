"""What a store knows of files, read a few at a time or in the order of their paths.

A store enters; rows, items and paths leave, as few at once as the caller wants. What they mean for a table of
pictures is decided elsewhere (difference, upkeep); nothing is written, and no file is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lookalike.indexing.schema import Item
from lookalike.indexing.store import Store

PAGE = 16_384  # rows read at once

Known = tuple[str, str, int, int, str | None, str, int]  # path, box, size, mtime_ns, label, attributes, id
Place = tuple[int, str, str]  # id, path, box


def between(store: Store, root: int, first: str, after: str | None) -> list[Known]:
    """A root's items whose path p has first <= p < after, None being after all, by path and box."""
    return store.rows(
        "SELECT path, box, size, mtime_ns, label, attributes, id FROM items "
        "WHERE root = ? AND path >= ? AND path < ? ORDER BY path, box",
        root,
        first,
        b"" if after is None else after,  # SQLite sorts bytes after all text
    )


def places(store: Store, root: int) -> Iterator[Place]:
    """Where a root's items lie, by path and box."""
    last = ("", "")
    statement = (
        "SELECT id, path, box FROM items WHERE root = ? AND (path, box) > (?, ?) ORDER BY path, box LIMIT ?"
    )
    while rows := store.rows(statement, root, *last, PAGE):
        yield from rows
        last = rows[-1][1:]


def folders(store: Store, root: int) -> list[str]:
    """The folders that hold a root's items, as paths name them: with a slash at their end, or empty."""
    shortened = "rtrim(path, replace(path, '/', ''))"  # up to its last slash; and few leave SQLite
    rows = store.rows(f"SELECT DISTINCT {shortened} FROM items WHERE root = ?", root)  # noqa: S608
    return [row[0] for row in rows]


def places_in(store: Store, root: int, folder: str) -> list[Place]:
    """Where those of a root's items lie that one of its folders holds itself."""
    return store.rows(
        "SELECT id, path, box FROM items "
        "WHERE root = ? AND path >= ? AND path < ? AND instr(substr(path, ?), '/') = 0",
        root,
        folder,
        f"{folder[:-1]}0" if folder else b"",  # "0" follows "/"; SQLite sorts bytes after all text
        len(folder) + 1,
    )


def items(store: Store, ids: Iterable[int]) -> dict[int, Item]:
    """Those items among `ids` that exist."""
    rows = store.rows(
        "SELECT root, path, box, size, mtime_ns, hash, label, attributes, id FROM items "
        "WHERE id IN (SELECT value FROM json_each(?))",
        f"[{','.join(map(str, ids))}]",
    )
    return {row[-1]: Item(*row) for row in rows}


def with_content(store: Store, content: bytes) -> list[tuple[int, int, str]]:
    """Id, root and path of each item with a content hash, by id."""
    rows = store.rows("SELECT id, root, path FROM items WHERE hash = ? ORDER BY id", content)
    return [(number, root, path) for number, root, path in rows]
