"""What an index holds, a few items at a time: pages by id, places, labels and folders with their counts.

A store enters; items, labels, and the first steps of the paths below a folder leave, each read by a range of
keys, so that the last page of a million costs what the first one does. What a folder is called outside is
decided elsewhere; nothing is written, and no file is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable

from lookalike.indexing.schema import Item
from lookalike.indexing.store import Store

_BEYOND = "\U0010ffff"  # sorts after whatever goes on after a text, but for this letter itself


def items_after(store: Store, after: int, *, limit: int) -> list[Item]:
    """The first items with an id above `after`, rising."""
    rows = store.rows(
        "SELECT root, path, box, size, mtime_ns, hash, label, attributes, id FROM items "
        "WHERE id > ? ORDER BY id LIMIT ?",
        after,
        limit,
    )
    return [Item(*row) for row in rows]


def located(store: Store, ids: Iterable[int]) -> dict[int, tuple[int, str]]:
    """The root, and the path as the root has it, of the items among `ids` that exist."""
    rows = store.rows(
        "SELECT id, root, path FROM items WHERE id IN (SELECT value FROM json_each(?))",
        f"[{','.join(map(str, ids))}]",
    )
    return {number: (root, path) for number, root, path in rows}


def labels_after(store: Store, after: str, *, start: str, limit: int) -> list[tuple[str, int]]:
    """The first labels after one, of those that begin with `start`, each with how many items have it."""
    rows = store.rows(
        "SELECT label, count(*) FROM items WHERE label >= ? AND label < ? AND label > ? "
        "GROUP BY label ORDER BY label LIMIT ?",
        start,
        f"{start}{_BEYOND}",
        after,
        limit,
    )
    return [(label, count) for label, count in rows]


def count_labels(store: Store, *, start: str) -> int:
    """How many labels begin with a text; the empty one begins them all, and is none itself."""
    statement = "SELECT count(DISTINCT label) FROM items WHERE label >= ? AND label < ? AND label > ''"
    return int(store.rows(statement, start, f"{start}{_BEYOND}")[0][0])


def count_inside(store: Store, root: int) -> int:
    """How many items of a root lie in its folder; a manifest may name files of other folders."""
    (row,) = store.rows(
        "SELECT count(*) FROM items WHERE root = ? AND path NOT LIKE '/%' AND path NOT LIKE '../%'", root
    )
    return int(row[0])


def steps_below(store: Store, root: int, start: str) -> list[tuple[str, int, bool]]:
    """The folders directly below a place of a root, by name: its items, and whether it has folders.

    Args:
        start: how the paths of the place begin: "a/b/"; empty for the root's own folder.
    """
    rest = len(start) + 1  # SQLite counts letters from 1
    rows = store.rows(
        "SELECT substr(path, ?1, instr(substr(path, ?1), '/') - 1) AS step, count(*), "
        "max(instr(substr(path, ?1 + instr(substr(path, ?1), '/')), '/')) > 0 FROM items "
        "WHERE root = ?2 AND path >= ?3 AND path < ?4 AND instr(substr(path, ?1), '/') > 0 "
        "GROUP BY step ORDER BY step",
        rest,
        root,
        start,
        f"{start[:-1]}0" if start else _BEYOND,  # "0" sorts right after "/"
    )
    return [(step, count, bool(deep)) for step, count, deep in rows if start or step not in ("", "..")]
