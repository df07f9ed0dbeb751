from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import filelock
import pytest

from lookalike.errors import StoreError
from lookalike.indexing import database
from lookalike.indexing.faults import explained
from lookalike.indexing.schema import Changes
from lookalike.indexing.store import Store
from stores import FACTS, four_beats, item, new_store, put, read_only_copy, vector


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path) as made:
        yield made


def test_no_file_is_answered_with_the_command_that_makes_one(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        Store(tmp_path / "no.idx")
    four_beats(error, "no index lies here", "no such file", "lookalike index", "no.idx DATA")


def test_a_folder_is_no_index(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        Store(tmp_path)
    four_beats(error, "saw a folder")


@pytest.mark.parametrize(
    "content", [b"", b"text, and more of it" * 100, b"SQLite format 3\0" + b"\xff" * 4000]
)
def test_another_file_is_no_index(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.idx"
    path.write_bytes(content)
    with pytest.raises(StoreError) as error:
        Store(path)
    what = {b"": "the index is empty", b"text": "the file is no index"}.get(
        content[:4], "damaged, or no index"
    )
    four_beats(error, what, "a-new.idx", "backup")
    assert ("doctor" in str(error.value)) == content.startswith(b"SQLite")
    assert path.read_bytes() == content


@pytest.mark.parametrize("name", ["README.md", "notes"])
def test_what_was_never_an_index_is_not_sent_to_the_doctor(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"something else" * 100)
    with pytest.raises(StoreError) as error:
        Store(path)
    four_beats(error, "the file is no index", f"lookalike index {path.with_name(path.stem)}-new.idx DATA")
    assert not {"doctor", "backup"} & set(str(error.value).split())


def test_who_names_pictures_is_told_how_an_index_is_made(tmp_path: Path) -> None:
    path = tmp_path / "noto.png"
    path.write_bytes(b"something else" * 100)
    for place, what, saw in (
        (path, "a picture is no index", "a picture"),
        (tmp_path, "no index lies here", "a folder"),
    ):
        with pytest.raises(StoreError) as error:
            Store(place)
        four_beats(error, what, saw, "lookalike index NAME.idx FOLDER")


def test_another_programs_database_is_no_index(tmp_path: Path) -> None:
    path = tmp_path / "a.idx"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE meta (key, value)")
    connection.close()
    with pytest.raises(StoreError) as error:
        Store(path)
    four_beats(error, "a file that is not an index")


def test_another_format_version_is_refused(store: Store) -> None:
    connection = sqlite3.connect(store.path)
    connection.execute("PRAGMA user_version=99")
    connection.close()
    with pytest.raises(StoreError) as error:
        Store(store.path)
    four_beats(error, "another format version", "saw format 99, wanted format 2", "pip install -U lookalike")


def test_an_existing_file_is_not_made_anew(store: Store) -> None:
    before = store.path.read_bytes()
    with pytest.raises(StoreError) as error:
        Store.create(store.path, FACTS)
    four_beats(error, "cannot be made here", "lies there already")
    assert store.path.read_bytes() == before


def test_a_half_made_file_of_a_killed_process_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "a.idx.new").write_bytes(b"half")
    (tmp_path / "a.idx.new-wal").write_bytes(b"half")
    made = Store.create(tmp_path / "a.idx", FACTS)
    made.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.idx", "a.idx.lock"]


def test_a_missing_folder_is_named_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        Store.create(tmp_path / "no" / "a.idx", FACTS)
    four_beats(error, "no folder to lie in", "mkdir -p")
    assert not (tmp_path / "no").exists()


def test_a_second_writer_is_refused_and_the_first_goes_on(store: Store) -> None:
    other = Store(store.path)
    with store.writing() as writer:
        with pytest.raises(StoreError) as error, other.writing():
            pass
        writer.apply(Changes(puts=[(item("a.png"), vector(0))]))
    four_beats(error, "another process is writing", ".lock held", "wait")
    assert len(other.items(1)) == 1
    with other.writing() as writer:
        writer.apply(Changes(puts=[(item("b.png"), vector(1))]))
    assert len(store.items(1)) == 2
    other.close()


def test_a_database_held_by_another_program_is_reported(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as error:
        put(store, item("a.png"))
    other.close()
    four_beats(error, "in use", "SQLITE_BUSY")


def test_a_full_disk_loses_the_batch_and_nothing_else(store: Store) -> None:
    put(store, *(item(f"{n}.png") for n in range(20)))
    with store.writing() as writer:
        pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
        writer._connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(StoreError) as error:
            writer.apply(Changes(puts=[(item(f"more {n}.png"), vector(n)) for n in range(2000)]))
        writer._connection.execute("PRAGMA max_page_count=100000")
        writer.apply(Changes(puts=[(item("late.png"), vector(7))]))
    four_beats(error, "the disk is full", "free some space")
    assert len(store.snapshot().ids) == 21


@pytest.fixture
def read_only(store: Store) -> Iterator[Path]:
    put(store, item("a.png"))
    store.close()
    with read_only_copy(store.path) as copy:
        yield copy


def test_a_read_only_index_is_read_and_not_written(read_only: Path) -> None:
    store = Store(read_only)
    assert len(store.snapshot().ids) == 1
    with pytest.raises(StoreError) as error, store.writing():
        pass
    four_beats(error, "cannot be written", "writable")
    with pytest.raises(StoreError, match="cannot be written"):
        Store.create(read_only.parent / "b.idx", FACTS)
    store.close()


def test_a_read_only_index_that_a_killed_writer_left_is_not_read_half(read_only: Path) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    read_only.parent.chmod(0o755)
    database.companions(read_only)[0].write_bytes(b"what was not yet taken into the file")
    read_only.parent.chmod(0o555)
    os.seteuid(user)
    with pytest.raises(StoreError) as error:
        Store(read_only)
    four_beats(error, "cannot be opened", "permissions")


def test_a_read_only_index_that_somebody_else_changes_is_noticed(read_only: Path) -> None:
    store = Store(read_only)

    def read() -> None:
        with store.reading():
            store.items(1)
            touch_as_owner(read_only)

    with pytest.raises(StoreError) as error:
        read()
    four_beats(error, "changed while it was read", "run the same command again")
    store.close()


def touch_as_owner(path: Path) -> None:
    user = os.geteuid()
    os.seteuid(os.getuid())
    os.utime(path, ns=(1, 1))
    os.seteuid(user)


def test_a_lock_that_cannot_be_made_is_reported(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: filelock.FileLock) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(filelock.FileLock, "acquire", refuse)
    with pytest.raises(StoreError) as error, store.writing():
        pass
    four_beats(error, "cannot be written", "Read-only file system")


def test_a_fault_of_the_program_is_not_called_a_fault_of_the_disk(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.OperationalError, match="no such table"), explained(tmp_path):
        connection.execute("SELECT * FROM absent")
    connection.close()


@pytest.mark.parametrize(("share", "kilobytes"), [(128, 4_000), (1e-3, 32_000)])
def test_a_reader_keeps_a_share_of_its_file_within_bounds(
    store: Store, share: float, kilobytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CACHE_SHARE", share)
    connection, _ = database.open_reader(store.path)
    assert connection.execute("PRAGMA cache_size").fetchone() == (-kilobytes,)
    connection.close()
