"""Index files of format 1, as lookalike wrote them before there were looks and decisions."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from lookalike.indexing.database import APPLICATION

SCHEMA_1 = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE roots (id INTEGER PRIMARY KEY, path TEXT NOT NULL, source TEXT NOT NULL UNIQUE);
CREATE TABLE items (
    id INTEGER PRIMARY KEY AUTOINCREMENT,    -- never given twice
    root INTEGER NOT NULL REFERENCES roots,
    path TEXT NOT NULL,                      -- relative to the root, with forward slashes
    box TEXT NOT NULL,                       -- the part that is looked at, empty for the whole picture
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    hash BLOB NOT NULL,                      -- of the content and the box
    label TEXT,
    attributes TEXT NOT NULL,                -- JSON object
    UNIQUE (root, path, box)
);
CREATE INDEX items_by_hash ON items (hash);
CREATE TABLE vectors (
    id INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    vector BLOB NOT NULL,                    -- little-endian float32
    checksum INTEGER NOT NULL                -- crc32 of the vector, started with the id
);
CREATE TABLE unusable (                      -- not decoded again until it changes
    root INTEGER NOT NULL REFERENCES roots,
    path TEXT NOT NULL,
    box TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (root, path, box)
) WITHOUT ROWID;
"""
_KEPT = {
    "roots": "id, path, source",
    "items": "id, root, path, box, size, mtime_ns, hash, label, attributes",
    "vectors": "id, vector, checksum",
    "unusable": "root, path, box, size, mtime_ns, reason, detail",
}


def make_older(path: Path) -> None:
    """Put an index of format 1 with the same content in the place of a newer one that nobody has open."""
    older = path.with_name(f"{path.name}.older")
    connection = sqlite3.connect(older, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute(f"PRAGMA application_id={APPLICATION}")
    connection.execute("PRAGMA user_version=1")
    connection.executescript(SCHEMA_1)
    connection.execute("ATTACH ? AS new", (str(path),))
    connection.execute(
        "INSERT INTO meta SELECT key, value FROM new.meta WHERE key NOT IN ('vectors', 'base')"
    )
    for table, columns in _KEPT.items():
        connection.execute(f"INSERT INTO {table} SELECT {columns} FROM new.{table}")
    connection.execute("DETACH new")
    connection.close()
    older.replace(path)
