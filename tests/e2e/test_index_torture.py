"""A disk that is full, or loses what was not synced: it is said, and nothing acknowledged is lost."""

from __future__ import annotations

import random
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from fake_embedder import FakeEmbedder, fake_model
from killing import Album, Server, check_acknowledged, check_readable, check_whole, stored
from lookalike.errors import StoreError
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Writer
from lookalike.mending.inspection import inspect_index
from lookalike.tables.table import ImageTable
from stores import four_beats

CUTS = 25


@pytest.fixture
def album(tmp_path: Path) -> Album:
    made = Album(tmp_path / "album", seed=7)
    made.add(60)
    return made


@pytest.fixture
def server(tmp_path: Path, album: Album) -> Iterator[Server]:
    path = tmp_path / "a.idx"
    Index.create(path, fake_model(tmp_path / "model")).close()
    made = Server(path, album.root)
    yield made
    made.close()


def follow(server: Server, **order: object) -> tuple[list[dict[str, object]], int]:
    """An order that is not killed."""
    server.start(**order)  # type: ignore[arg-type]
    return server.end()


@pytest.mark.parametrize("most_bytes", [70_000, 120_000, 250_000])
def test_a_file_that_may_not_grow_loses_nothing_that_was_acknowledged(
    tmp_path: Path, album: Album, server: Server, most_bytes: int
) -> None:
    """The system refuses to write beyond a size, in the middle of whatever SQLite writes then."""
    path = tmp_path / "a.idx"
    follow(server)
    before, refused = stored(path), 0
    for _ in range(4):
        album.add(90)
        batches, code = follow(server, most_bytes=most_bytes)
        refused += code == 2
        check_whole(path, album)
        check_acknowledged(stored(path), batches)
        errors = [line["error"] for line in server.lines if "error" in line]
        assert len(errors) == (code == 2)
        assert all(str(error).count(" - ") >= 3 for error in errors)
    assert refused > 0
    assert before.items() <= stored(path).items()
    assert follow(server)[1] == 0
    check_whole(path, album)
    assert {name: item.hash for name, item in stored(path).items()} == album.hashes()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of a megabyte."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(place)]
    if mount is None or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_said_and_what_is_stored_can_be_searched(small_disk: Path, album: Album) -> None:
    path = small_disk / "a.idx"
    model = fake_model(small_disk / "model")
    with Index.create(path, model) as index:
        index.update(ImageTable.read(album.root), embed=FakeEmbedder())
        before = stored(path)
        free = shutil.disk_usage(small_disk).free
        filler = small_disk / "filler"
        filler.write_bytes(bytes(free - 20_000))
        album.add(300)
        with pytest.raises(StoreError) as error:
            index.update(ImageTable.read(album.root), embed=FakeEmbedder(), commit_seconds=0.0)
        four_beats(error, "the disk is full", "free some space and run the same command again")
        check_readable(path)
        check_whole(path, album)
        assert before.items() <= stored(path).items()
        finding = inspect_index(path, model=model).finding("space")
        assert finding is not None
        assert finding.verdict == "look"
        filler.unlink()
        index.update(ImageTable.read(album.root), embed=FakeEmbedder())
    check_whole(path, album)
    assert {name: item.hash for name, item in stored(path).items()} == album.hashes()


def test_each_commit_is_on_the_disk_before_it_returns(tmp_path: Path, album: Album) -> None:
    with (
        Index.create(tmp_path / "a.idx", fake_model(tmp_path / "model")) as index,
        index._store.writing() as writer,
    ):
        full = 2
        assert writer._connection.execute("PRAGMA synchronous").fetchone() == (full,)
        assert writer._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_a_journal_that_ends_anywhere_leaves_whole_batches(
    tmp_path: Path, album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The power fails, and the disk kept a part of the journal: what is left is one committed state."""
    path, kept = tmp_path / "a.idx", tmp_path / "kept.idx"
    states: list[dict[str, bytes]] = [{}]
    store = Writer.apply

    def remember(self: Writer, changes: Changes) -> None:
        store(self, changes)
        states.append(hashes(path))

    monkeypatch.setattr(Writer, "apply", remember)
    with (
        Index.create(path, fake_model(tmp_path / "model")) as index,
        closing(sqlite3.connect(path)) as reader,
    ):
        reader.execute("BEGIN")  # so that nothing is taken out of the journal
        reader.execute("SELECT * FROM meta").fetchall()
        for _ in range(4):
            index.update(ImageTable.read(album.root), embed=FakeEmbedder(), prune=True, commit_seconds=0.0)
            album.everything()
        content, journal = path.read_bytes(), Path(f"{path}-wal").read_bytes()
    before = 0
    for cut in sorted(random.Random(5).sample(range(len(journal)), CUTS)):
        kept.write_bytes(content)
        Path(f"{kept}-wal").write_bytes(journal[:cut])
        check_whole(kept, album)
        now = states.index(hashes(kept))
        assert now >= before  # more of the journal, a later state
        before = now
    assert before > len(states) // 2


def hashes(path: Path) -> dict[str, bytes]:
    return {name: item.hash for name, item in stored(path).items()}
