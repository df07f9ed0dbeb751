"""Files of an older format: read as they are, brought to this one by who writes first, whole or not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import StoreError
from lookalike.indexing import file_format
from lookalike.indexing.file_format import FORMAT
from lookalike.indexing.schema import Changes, Decision
from lookalike.indexing.store import Store
from lookalike.indexing.vector_rows import checksum_of
from lookalike.records import Look
from older_index import SCHEMA_1
from stores import DIM, FACTS, four_beats, item, put, vector

KEPT = (1, 2, 4)  # of the items 1 to 6, of which the others were removed


@pytest.fixture
def older(tmp_path: Path) -> Path:
    """A file of format 1, as lookalike wrote it."""
    path = tmp_path / "a.idx"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA application_id=0x6C6B616C")
    connection.execute("PRAGMA user_version=1")
    connection.executescript(SCHEMA_1)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", {**FACTS, "generation": "6"}.items())
    connection.execute("INSERT INTO roots VALUES (1, '/pictures', '/pictures')")
    for number in range(1, 7):
        values = (number, 1, f"{number}.png", "", 10, 20, bytes([number]), "cat", "{}")
        connection.execute("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", values)
        blob = vector(number).tobytes()
        connection.execute("INSERT INTO vectors VALUES (?, ?, ?)", (number, blob, checksum_of(number, blob)))
    connection.execute(f"DELETE FROM items WHERE id NOT IN {KEPT}")
    connection.execute(f"DELETE FROM vectors WHERE id NOT IN {KEPT}")
    connection.commit()
    connection.close()
    return path


@pytest.fixture
def store(older: Path) -> Iterator[Store]:
    opened = Store(older)
    yield opened
    opened.close()


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    found = int(connection.execute("PRAGMA user_version").fetchone()[0])
    connection.close()
    return found


def holds_what_it_held(store: Store) -> bool:
    snapshot = store.snapshot()
    wanted = np.stack([vector(number) for number in KEPT])
    paths = [entry.path for entry in store.items(1)]
    return (
        snapshot.ids.tolist() == list(KEPT)
        and snapshot.vectors.tobytes() == wanted.tobytes()
        and paths == [f"{number}.png" for number in KEPT]
    )


def test_an_older_file_is_read_without_being_changed(older: Path, store: Store) -> None:
    before = older.read_bytes()
    assert holds_what_it_held(store)
    assert (store.looks([b"\x01"]), store.decisions(), store.storage) == ({}, [], "float32")
    assert store.vectors_of_ids([4, 1, 4]).tobytes() == np.stack([vector(n) for n in (4, 1, 4)]).tobytes()
    assert (older.read_bytes(), version_of(older)) == (before, 1)


@pytest.mark.parametrize("first_write", [False, True], ids=["as it is", "brought to this format"])
def test_who_knows_an_older_generation_is_told_everything(store: Store, *, first_write: bool) -> None:
    if first_write:
        with store.writing():
            pass
    changed = store.changes_since(5)
    assert (changed.ids.tolist(), changed.gone.tolist()) == ([1, 2, 4], [3, 5, 6])
    assert changed.generation == store.generation() == (7 if first_write else 6)
    now = store.changes_since(changed.generation)
    assert (len(now.ids), len(now.gone)) == (0, 0)


def test_the_first_writer_brings_it_to_this_format(older: Path, store: Store) -> None:
    other = Store(older)
    put(store, item("new.png"), seed=50)
    assert version_of(older) == FORMAT
    for reader in (store, other):
        assert reader.vectors_of_ids([7]).tobytes() == vector(50).tobytes()
        assert reader.snapshot().ids.tolist() == [*KEPT, 7]
        assert reader.meta()["vectors"] == "float32"
    look = Look(3, 4, "PNG", 10, blank=False, print=bytes(256))
    with store.writing() as writer:
        writer.apply(Changes(looks=[(b"\x01", look)]))
        writer.decide([Decision.of(b"\x02", b"\x01", "different", made="2026-01-01")])
    for reader in (store, other):
        assert reader.looks([b"\x01"]) == {b"\x01": look}
        assert len(reader.decisions()) == 1
    other.close()


def test_it_has_the_tables_that_a_new_file_has(older: Path, store: Store, tmp_path: Path) -> None:
    with store.writing():
        pass
    Store.create(tmp_path / "new.idx", FACTS).close()

    def names(path: Path) -> set[tuple[str, ...]]:
        connection = sqlite3.connect(path)
        tables = connection.execute("SELECT type, name, tbl_name FROM sqlite_schema").fetchall()
        columns = [
            (table, *row[1:4], str(row[5]))
            for _, table, _ in tables
            for row in connection.execute(f"PRAGMA table_info({table})")
        ]
        connection.close()
        return {*tables, *columns}

    assert names(older) == names(tmp_path / "new.idx")


def test_what_fails_half_way_leaves_the_older_file_as_it_was(
    older: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(file_format, "_ADDED_IN_2", (*file_format._ADDED_IN_2, "no statement"))
        with pytest.raises(sqlite3.OperationalError, match="syntax error"), store.writing():
            pass
    assert version_of(older) == 1
    assert holds_what_it_held(store)
    with store.writing():
        pass
    assert version_of(older) == FORMAT
    assert holds_what_it_held(store)


def test_a_full_disk_leaves_the_older_file_as_it_was(
    older: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = file_format.upgrade

    def crowded(connection: sqlite3.Connection) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages}")
        real(connection)

    monkeypatch.setattr("lookalike.indexing.database.upgrade", crowded)
    with pytest.raises(StoreError) as error, store.writing():
        pass
    four_beats(error, "the disk is full")
    assert version_of(older) == 1
    assert holds_what_it_held(store)


def test_a_base_may_be_noted_in_an_older_file(older: Path, store: Store) -> None:
    store.note_base("text")
    assert store.meta()["base"] == "text"
    assert version_of(older) == 1


def test_vectors_are_stored_in_the_order_of_bytes_that_is_promised(store: Store) -> None:
    put(store, item("new.png"), seed=50)
    ((blob,),) = store.rows("SELECT vector FROM vectors WHERE id = 7")
    assert blob == vector(50).astype("<f4").tobytes()
    assert len(blob) == 4 * DIM
