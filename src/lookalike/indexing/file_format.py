"""The tables of an index file, and how the tables of an older one become these.

An open connection enters; new tables leave, or an older file that reads like a new one. Statements are fixed
texts. When a file is brought to this format, and that it happens whole or not at all, is decided elsewhere.
"""

from __future__ import annotations

import sqlite3

FORMAT = 2
OLDEST = 1  # that can still be read, and is brought to FORMAT by whoever writes first

_TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE roots (id INTEGER PRIMARY KEY, path TEXT NOT NULL, source TEXT NOT NULL UNIQUE)",
    """CREATE TABLE items (
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
)""",
    "CREATE INDEX items_by_hash ON items (hash)",
    """CREATE TABLE vectors (
    id INTEGER PRIMARY KEY REFERENCES items ON DELETE CASCADE,
    vector BLOB NOT NULL,                    -- little-endian, as meta's "vectors" says
    checksum INTEGER NOT NULL,               -- crc32 of the vector, started with the id
    changed INTEGER NOT NULL                 -- the generation at which the vector was put
)""",
    """CREATE TABLE unusable (                 -- not decoded again until it changes
    root INTEGER NOT NULL REFERENCES roots,
    path TEXT NOT NULL,
    box TEXT NOT NULL,
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (root, path, box)
) WITHOUT ROWID""",
)
_GENERATION = "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'generation')"
_DROP_ORPHAN = "DELETE FROM looks WHERE hash = old.hash AND old.hash NOT IN (SELECT hash FROM items)"
_ADDED_IN_2 = (
    "CREATE INDEX items_by_label ON items (label)",
    "CREATE INDEX vectors_by_change ON vectors (changed)",
    # what was removed, for whoever knows an older generation; ids are never given twice
    "CREATE TABLE gone (id INTEGER PRIMARY KEY, generation INTEGER NOT NULL)",
    "CREATE INDEX gone_by_generation ON gone (generation)",
    f"""CREATE TRIGGER vector_gone AFTER DELETE ON vectors
BEGIN INSERT OR REPLACE INTO gone VALUES (old.id, {_GENERATION}); END""",  # noqa: S608
    """CREATE TABLE looks (                    -- a picture at a glance, as long as an item has its hash
    hash BLOB PRIMARY KEY,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    format TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    blank INTEGER NOT NULL,
    print BLOB NOT NULL
) WITHOUT ROWID""",
    f"CREATE TRIGGER look_gone AFTER DELETE ON items BEGIN {_DROP_ORPHAN}; END",
    f"""CREATE TRIGGER look_changed AFTER UPDATE OF hash ON items WHEN old.hash <> new.hash
BEGIN {_DROP_ORPHAN}; END""",
    """CREATE TABLE decisions (                -- on two contents; they outlive the items
    first BLOB NOT NULL,
    second BLOB NOT NULL CHECK (first <= second),
    verdict TEXT NOT NULL,
    made TEXT NOT NULL,                      -- ISO 8601
    PRIMARY KEY (first, second)
) WITHOUT ROWID""",
)

# what a file of format 1 does not know: everything counts as changed just now
_NUMBERS = "SELECT 1 AS id UNION ALL SELECT id + 1 FROM numbers WHERE id < (SELECT seq FROM sqlite_sequence)"
_EVER_GONE = f"""WITH RECURSIVE numbers (id) AS ({_NUMBERS})
SELECT id, {_GENERATION} AS generation FROM numbers
WHERE id <= (SELECT max(seq) FROM sqlite_sequence) AND id NOT IN (SELECT id FROM main.vectors)"""  # noqa: S608
_NO_LOOKS = "NULL AS hash, 0 AS width, 0 AS height, '' AS format, 0 AS bytes, 0 AS blank, NULL AS print"
_VIEWS_OF_1 = (
    "PRAGMA temp_store=MEMORY",
    f"""CREATE TEMP VIEW vectors AS
SELECT id, vector, checksum, {_GENERATION} AS changed FROM main.vectors""",  # noqa: S608
    f"CREATE TEMP VIEW gone AS {_EVER_GONE}",
    f"CREATE TEMP VIEW looks AS SELECT {_NO_LOOKS} WHERE 0",
    "CREATE TEMP VIEW decisions AS SELECT NULL AS first, NULL AS second, '' AS verdict, '' AS made WHERE 0",
)


_READ = (  # what is read of each table
    "key, value FROM meta",
    "id, path, source FROM roots",
    "id, root, path, box, size, mtime_ns, hash, label, attributes FROM items",
    "id, vector, checksum, changed FROM vectors",
    "root, path, box, size, mtime_ns, reason, detail FROM unusable",
    "id, generation FROM gone",
    "hash, width, height, format, bytes, blank, print FROM looks",
    "first, second, verdict, made FROM decisions",
)


def check_tables(connection: sqlite3.Connection) -> None:
    """Find out whether all is there that is read; not a row is looked at.

    Raises:
        sqlite3.OperationalError: a table or a column is missing.
    """
    for columns in _READ:
        connection.execute(f"SELECT {columns} LIMIT 0")


def make_tables(connection: sqlite3.Connection) -> None:
    """Fill an empty file with tables."""
    for statement in (*_TABLES, *_ADDED_IN_2):
        connection.execute(statement)


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring a file of format 1 to format 2; inside a transaction, so that it happens whole or not at all.

    All its vectors count as put now, and all ids that no vector has as removed now: who knows an older
    generation is told everything.
    """
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'generation'")
    now = int(connection.execute(f"SELECT {_GENERATION}").fetchone()[0])
    # a default is kept once, not in each row: no vector is written again
    connection.execute(f"ALTER TABLE vectors ADD COLUMN changed INTEGER NOT NULL DEFAULT {now}")
    for statement in _ADDED_IN_2:
        connection.execute(statement)
    connection.execute(f"INSERT INTO gone {_EVER_GONE}")
    connection.execute("INSERT OR IGNORE INTO meta VALUES ('vectors', 'float32')")
    connection.execute(f"PRAGMA user_version={FORMAT}")


def read_as_current(connection: sqlite3.Connection) -> None:
    """Let an open file of format 1 be read as if it were of format 2; nothing is written.

    It stays true when somebody brings the file to format 2 meanwhile, only looks and decisions are not seen.
    """
    for statement in _VIEWS_OF_1:
        connection.execute(statement)
