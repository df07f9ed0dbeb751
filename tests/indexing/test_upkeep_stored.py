"""How an update stores: in whole batches, in time, by one writer, and what a stop or a full disk leaves."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from album import Album, counts
from fake_embedder import CHUNK, FakeEmbedder, vector_of
from lookalike.errors import StoreError
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Writer
from lookalike.models.embedding import Chunk, content_hash
from lookalike.records import Look
from lookalike.tables.table import ImageTable


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    yield made
    made.index.close()


class Stops(FakeEmbedder):
    """Embeds some chunks and is then stopped."""

    def __init__(self, error: BaseException, *, after: int) -> None:
        super().__init__()
        self.error, self.after, self.closed = error, after, False

    def __call__(self, paths: Sequence[Path], **options: object) -> Iterator[Chunk]:
        try:
            for number, chunk in enumerate(super().__call__(paths, **options)):  # type: ignore[arg-type]
                if number == self.after:
                    raise self.error
                yield chunk
        finally:
            self.closed = True


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_what_was_done_before_a_stop_is_kept(album: Album, error: BaseException) -> None:
    for n in range(4 * CHUNK):
        album.write(f"{n:02}.png")
    with pytest.raises(type(error)):
        album.index.update(ImageTable.read(album.root), embed=Stops(error, after=3))
    assert len(album.index) == 3 * CHUNK
    assert counts(album.update()) == {"added": CHUNK, "unchanged": 3 * CHUNK}
    assert album.is_right()


def test_a_stop_while_storing_loses_nothing_that_was_embedded(
    album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(2 * CHUNK):
        album.write(f"{n:02}.png")
    real, calls = Writer._put, []

    def interrupted(self: Writer, *args: object) -> None:
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        real(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(Writer, "_put", interrupted)
    with pytest.raises(KeyboardInterrupt):
        album.update(commit_seconds=0.0)
    assert len(album.index) == CHUNK
    assert album.is_right()


def test_a_full_disk_keeps_what_was_committed_and_the_next_run_does_the_rest(
    album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(400):
        album.write(f"{n:03}.png")
    real = Writer.__init__

    def small(self: Writer, path: Path, connection: sqlite3.Connection, **options: Any) -> None:
        real(self, path, connection, **options)
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count={pages + 6}")

    embedder = Stops(RuntimeError("never"), after=-1)
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "__init__", small)
        with pytest.raises(StoreError) as error:
            album.index.update(ImageTable.read(album.root), embed=embedder, commit_seconds=0.0)
    assert embedder.closed
    assert "the disk is full" in str(error.value)
    kept = len(album.index)
    assert 0 < kept < 400
    assert album.is_right()
    assert counts(album.update()) == {"added": 400 - kept, "unchanged": kept}
    assert album.is_right()


def test_what_is_stored_is_not_kept_in_memory(album: Album) -> None:
    class Watches(FakeEmbedder):
        def __call__(self, paths: Sequence[Path], **options: Any) -> Iterator[Chunk]:
            for chunk in super().__call__(paths, **options):
                held.append(len(options["memory"]._recent))
                yield chunk

    held: list[int] = []
    for n in range(10 * CHUNK):
        album.write(f"{n:02}.png")
    album.index.update(ImageTable.read(album.root), embed=Watches(), commit_seconds=0.0)
    assert len(held) == 10
    assert max(held) <= 3 * CHUNK  # one that is stored, one that waits, one that is made


def test_a_second_writer_is_refused(album: Album) -> None:
    album.write("a.png")
    other = Index.open(album.path)
    with album.index._store.writing(), pytest.raises(StoreError, match="another process is writing"):
        other.update(ImageTable.read(album.root), embed=album.embedder)
    other.close()


def test_readers_see_whole_batches_while_a_writer_works(album: Album) -> None:
    for n in range(160):
        album.write(f"{n:03}.png")
    sizes: list[int] = []
    wrong: list[str] = []
    done = threading.Event()

    def read() -> None:
        with Index.open(album.path, model=album.model) as reader:
            while not done.is_set():
                (answer,) = reader.search(vector_of(b"007.png")[None], k=200)
                sizes.append(len(answer))
                wrong.extend(
                    hit.path
                    for hit in answer.hits
                    if abs(hit.similarity - vector_of(Path(hit.path).name.encode()) @ vector_of(b"007.png"))
                    > 1e-5
                )

    reader = threading.Thread(target=read)
    reader.start()
    album.embedder = FakeEmbedder(pause=0.001)
    album.update(commit_seconds=0.0)
    done.set()
    reader.join()
    assert wrong == []
    assert sizes == sorted(sizes)
    assert all(size % CHUNK == 0 for size in sizes)


def test_a_link_to_an_index_has_the_same_writer(album: Album, tmp_path: Path) -> None:
    link = tmp_path / "link.idx"
    link.symlink_to(album.path)
    album.write("a.png")
    other = Index.open(link)
    with album.index._store.writing(), pytest.raises(StoreError, match="another process is writing"):
        other.update(ImageTable.read(album.root), embed=album.embedder)
    other.close()


def test_a_batch_is_stored_in_time_though_the_next_picture_takes_long(album: Album) -> None:
    class Slow(FakeEmbedder):
        def __call__(self, paths: Sequence[Path], **options: Any) -> Iterator[Chunk]:
            for chunk in super().__call__(paths, **options):
                yield chunk
                for _ in range(1000):  # the next one is not made before this one is stored
                    if size_of(album) > chunk.rows[-1]:
                        break
                    time.sleep(0.01)
                stored.append(size_of(album))

    stored: list[int] = []
    for n in range(3 * CHUNK):
        album.write(f"{n:02}.png")
    album.index.update(ImageTable.read(album.root), embed=Slow(), commit_seconds=0.05)
    assert stored == [CHUNK, 2 * CHUNK, 3 * CHUNK]


def size_of(album: Album) -> int:
    with Index.open(album.path) as reader:
        return len(reader)


def test_chunks_that_come_fast_are_stored_together(album: Album, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(4 * CHUNK):
        album.write(f"{n:02}.png")
    sizes: list[int] = []
    real = Writer.apply

    def counted(self: Writer, changes: Changes) -> None:
        sizes.append(len(changes.puts))
        real(self, changes)

    monkeypatch.setattr(Writer, "apply", counted)
    album.update(commit_seconds=60.0)
    assert sizes == [4 * CHUNK]


def test_looks_are_stored_with_the_vectors_and_go_with_the_last_item(album: Album) -> None:
    class Looks(FakeEmbedder):
        def __call__(self, paths: Sequence[Path], **options: Any) -> Iterator[Chunk]:
            for chunk in super().__call__(paths, **options):
                known = {content for content in chunk.hashes if album.index._store.ids_of(content)}
                looks = [None if content in known else look(content) for content in chunk.hashes]
                yield replace(chunk, looks=tuple(looks))

    def look(content: bytes) -> Look:
        return Look(3, 4, "PNG", content[0], False, bytes(256))

    album.embedder = Looks()
    for name in ("a.png", "b.png", "c.png"):
        album.write(name, "same" if name != "c.png" else "other")
    album.update()
    same, other = (content_hash(content) for content in (b"same", b"other"))
    expected = {same: look(same), other: look(other)}
    assert album.index._store.looks([same, other, b"none"]) == expected
    album.write("d.png", "same")
    (album.root / "a.png").unlink()
    album.update(prune=True)
    assert album.index._store.looks([same, other]) == expected
    for name in ("b.png", "d.png"):
        (album.root / name).unlink()
    album.update(prune=True)
    assert album.index._store.looks([same, other]) == {other: look(other)}
