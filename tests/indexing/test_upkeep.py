from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partialmethod
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from album import Album, counts
from fake_embedder import BROKEN, CHUNK, DIM, TEXT, FakeEmbedder, vector_of
from lookalike.errors import SkipReason, StoreError, TableError
from lookalike.indexing.index import Index
from lookalike.indexing.listing import Listing
from lookalike.indexing.schema import Changes, Writer
from lookalike.models.embedding import Chunk, content_hash
from lookalike.records import Floats, Look, Skipped
from lookalike.tables.table import ImageTable


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    yield made
    made.index.close()


def test_new_pictures_are_embedded_once(album: Album) -> None:
    for n in range(20):
        album.write(f"cat/{n}.png")
    assert counts(album.update()) == {"added": 20}
    assert len(album.index) == 20
    assert album.is_right()
    assert counts(album.update()) == {"unchanged": 20}
    assert album.embedder.read == []


def test_only_what_is_new_or_changed_is_read(album: Album) -> None:
    for n in range(20):
        album.write(f"{n}.png")
    album.update()
    numbers = album.id_of("7.png")
    album.write("new.png")
    album.write("7.png", "other content")
    assert counts(album.update()) == {"added": 1, "updated": 1, "unchanged": 19}
    assert sorted(album.embedder.read) == ["7.png", "new.png"]
    assert album.id_of("7.png") == numbers
    assert album.is_right()


def test_a_change_that_keeps_the_size_is_seen_by_its_time(album: Album) -> None:
    album.write("a.png", "one", mtime=1)
    album.update()
    album.write("a.png", "two", mtime=2)
    assert counts(album.update()) == {"updated": 1}
    assert album.is_right()


def test_a_touched_picture_is_read_once_and_not_embedded(album: Album) -> None:
    album.write("a.png", mtime=1)
    album.update()
    album.write("a.png", mtime=2)
    assert counts(album.update()) == {"unchanged": 1}
    assert (album.embedder.read, album.embedder.embedded) == (["a.png"], [])
    assert counts(album.update()) == {"unchanged": 1}
    assert album.embedder.read == []


def test_a_moved_picture_stays_the_same_item(album: Album) -> None:
    old = album.write("cat/a.png")
    album.update()
    number = album.id_of("cat/a.png")
    (album.root / "dog").mkdir()
    old.rename(album.root / "dog" / "b.png")
    assert counts(album.update()) == {"moved": 1}
    assert album.embedder.embedded == []
    assert album.id_of("dog/b.png") == number
    assert list(album.stored()) == ["dog/b.png"]
    assert album.index.search(vector_of(b"cat/a.png")[None])[0].hits[0].label == "dog"


def test_two_copies_that_move_are_still_two(album: Album) -> None:
    for name in ("a.png", "b.png"):
        album.write(name, "same")
    album.update()
    before = sorted((album.id_of("a.png"), album.id_of("b.png")))
    (album.root / "a.png").rename(album.root / "c.png")
    (album.root / "b.png").rename(album.root / "d.png")
    assert counts(album.update()) == {"moved": 2}
    assert sorted((album.id_of("c.png"), album.id_of("d.png"))) == before


def test_a_copy_is_an_item_of_its_own_with_the_same_vector(album: Album) -> None:
    album.write("a.png", "same")
    album.update()
    album.write("b.png", "same")
    assert counts(album.update()) == {"added": 1, "unchanged": 1}
    assert album.embedder.embedded == []
    assert album.is_right()


def test_copies_that_arrive_together_are_embedded_once(album: Album) -> None:
    for n in range(30):
        album.write(f"{n}.png", "same")
    assert counts(album.update()) == {"added": 30}
    assert len(album.embedder.embedded) == 1


def test_two_pictures_that_swap_names_swap_vectors(album: Album) -> None:
    album.write("a.png", "one", mtime=1)
    album.write("b.png", "two", mtime=2)
    album.update()
    album.write("a.png", "two", mtime=2)
    album.write("b.png", "one", mtime=1)
    assert counts(album.update()) == {"updated": 2}
    assert album.embedder.embedded == []
    assert album.is_right()


def test_a_missing_picture_is_counted_and_still_searched_until_pruned(album: Album) -> None:
    for name in ("a.png", "b.png"):
        album.write(name)
    album.update()
    (album.root / "a.png").unlink()
    assert counts(album.update()) == {"unchanged": 1, "missing": 1}
    assert len(album.index) == 2
    assert counts(album.update(prune=True)) == {"unchanged": 1, "removed": 1}
    assert list(album.stored()) == ["b.png"]
    assert counts(album.update(prune=True)) == {"unchanged": 1}


def test_a_picture_that_returns_is_there_again(album: Album) -> None:
    album.write("a.png", mtime=5)
    album.write("b.png")
    album.update()
    (album.root / "a.png").unlink()
    album.update(prune=True)
    album.write("a.png", mtime=5)
    assert counts(album.update()) == {"added": 1, "unchanged": 1}
    assert album.is_right()


def test_prune_removes_nothing_when_not_one_picture_is_there(album: Album) -> None:
    for name in ("a.png", "b.png"):
        album.write(name)
    album.update()
    table = ImageTable.read(album.root)
    for name in ("a.png", "b.png"):
        (album.root / name).unlink()
    with pytest.raises(StoreError) as error:
        album.index.update(table, embed=album.embedder, prune=True)
    assert "not one picture is there, nothing was removed" in str(error.value)
    assert "saw 2 indexed pictures" in str(error.value)
    assert f"lookalike index {album.path} --drop {album.root}" in str(error.value)
    assert len(album.index) == 2
    assert counts(album.index.update(table, embed=album.embedder)) == {"missing": 2}


def test_prune_keeps_what_was_below_a_folder_that_is_empty_now(album: Album) -> None:
    """As where a disk that is mounted below the source is away."""
    for name in ("a.png", "disk/b.png", "disk/deep/er/c.png", "other/d.png"):
        album.write(name)
    album.update()
    disk = album.root / "disk"
    disk.rename(album.root.with_name("unmounted"))
    disk.mkdir()
    (album.root / "other" / "d.png").unlink()
    (album.root / "other" / "no picture.txt").touch()
    done = album.update(prune=True)
    assert counts(done) == {"unchanged": 1, "missing": 2, "removed": 1}
    assert done.away == (str(disk),)
    assert sorted(album.stored()) == ["a.png", "disk/b.png", "disk/deep/er/c.png"]
    assert album.update().away == ()
    disk.rmdir()
    done = album.update(prune=True)
    assert (counts(done), done.away) == ({"unchanged": 1, "removed": 2}, ())


def test_what_moved_out_of_a_folder_that_is_empty_now_is_moved(album: Album) -> None:
    album.write("a.png")
    old = album.write("old/b.png")
    album.update()
    old.rename(album.root / "b.png")
    done = album.update(prune=True)
    assert (counts(done), done.away) == ({"moved": 1, "unchanged": 1}, ())


@pytest.mark.parametrize("of_manifest", [False, True])
def test_a_file_that_a_folder_took_the_name_of_is_gone(album: Album, of_manifest: bool) -> None:
    source = album.root
    if of_manifest:
        source = album.root / "list.csv"
        source.write_text("image\na.png\nb.png\n")
    for name in ("a.png", "b.png"):
        album.write(name)
    album.update(source)
    (album.root / "a.png").unlink()
    (album.root / "a.png").mkdir()
    assert album.update(source).missing == 1
    done = album.update(source, prune=True)
    assert (done.unchanged, done.removed, done.missing) == (1, 1, 0)
    assert list(album.stored()) == ["b.png"]


def test_a_folder_that_vanished_changes_nothing(album: Album) -> None:
    album.write("a.png")
    album.update()
    album.root.rename(album.root.with_name("unmounted"))
    with pytest.raises(TableError):
        album.update(prune=True)
    album.root.mkdir()
    with pytest.raises((TableError, StoreError)):
        album.update(prune=True)
    assert len(album.index) == 1


@pytest.mark.parametrize("listed", [True, False])
def test_a_file_that_may_not_be_looked_at_is_never_gone(
    album: Album, monkeypatch: pytest.MonkeyPatch, listed: bool
) -> None:
    hidden = album.write("hidden/a.png")
    album.write("b.png")
    album.update()
    table = ImageTable.read(album.root)
    if not listed:
        table = table.take(np.array([0]))
    assert [path.name for path in table.paths] == (["b.png", "a.png"] if listed else ["b.png"])
    real = os.stat

    def refuse(path: str | Path, **options: Any) -> os.stat_result:
        if str(path) == str(hidden):
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(os, "stat", refuse)
    update = album.index.update(table, embed=album.embedder, prune=True)
    assert counts(update) == {"unchanged": 1, "skipped" if listed else "missing": 1}
    if listed:
        assert update.skipped == (Skipped(str(hidden), SkipReason.UNREADABLE, "Permission denied"),)
    assert len(album.index) == 2


def test_a_name_that_no_file_can_have_is_skipped(album: Album) -> None:
    album.write("a.png")
    table = replace(
        ImageTable.read(album.root),
        frame=pl.DataFrame({"image": ["a.png", "b\0.png"]}),
    )
    update = album.index.update(table, embed=album.embedder)
    assert counts(update) == {"added": 1, "skipped": 1}
    assert update.skipped[0].reason == SkipReason.BAD_NAME


def test_a_file_that_the_table_cannot_list_but_that_is_there_is_not_pruned(album: Album) -> None:
    album.write("a.png")
    album.write("b.png")
    album.update()
    manifest = album.root / "part.csv"
    manifest.write_text("image\nb.png\n")
    update = album.index.update(
        ImageTable.read(manifest), source=album.root, embed=album.embedder, prune=True
    )
    assert counts(update) == {"unchanged": 1, "missing": 1}


def test_a_row_dropped_from_a_manifest_is_pruned_though_its_file_is_there(album: Album) -> None:
    manifest = album.root / "list.csv"
    for name in ("a.png", "b.png"):
        album.write(name)
    manifest.write_text("image\na.png\nb.png\n")
    album.update(manifest)
    manifest.write_text("image\nb.png\n")
    assert counts(album.update(manifest)) == {"unchanged": 1, "missing": 1}
    assert counts(album.update(manifest, prune=True)) == {"unchanged": 1, "removed": 1}


def test_a_new_label_or_attribute_is_stored_without_reading_the_picture(album: Album) -> None:
    manifest = album.root / "list.csv"
    album.write("a.png")
    manifest.write_text("image,label,year\na.png,cat,2020\n")
    album.update(manifest)
    before = album.index._store.items(1)[0]
    assert (before.label, before.attributes) == ("cat", '{"year": 2020}')
    manifest.write_text("image,label,year\na.png,dog,2021\n")
    assert counts(album.update(manifest)) == {"updated": 1}
    assert album.embedder.read == []
    after = album.index._store.items(1)[0]
    assert (after.label, after.attributes, after.id) == ("dog", '{"year": 2021}', before.id)
    assert album.index.search(vector_of(b"a.png")[None])[0].hits[0].label == "dog"


def test_a_file_listed_but_not_there_is_skipped(album: Album) -> None:
    album.write("a.png")
    manifest = album.root / "list.csv"
    manifest.write_text("image\na.png\nno.png\n")
    update = album.update(manifest)
    assert counts(update) == {"added": 1, "skipped": 1}
    assert update.skipped == (Skipped(str(album.root / "no.png"), SkipReason.MISSING, "no such file"),)


@pytest.mark.parametrize("place", range(2 * CHUNK + 1))
def test_a_bad_file_at_any_place_shifts_nobody(album: Album, place: int) -> None:
    for n in range(2 * CHUNK + 1):
        album.write(f"{n:02}.png", BROKEN if n == place else None)
    update = album.update()
    assert counts(update) == {"added": 2 * CHUNK, "skipped": 1}
    assert update.skipped[0].path == str(album.root / f"{place:02}.png")
    assert album.is_right()
    assert len(album.stored()) == 2 * CHUNK


def test_a_broken_file_is_not_read_again_until_it_changes(album: Album) -> None:
    album.write("a.png", BROKEN, mtime=1)
    assert counts(album.update()) == {"skipped": 1}
    again = album.update()
    assert counts(again) == {"skipped": 1}
    assert again.skipped[0].reason == SkipReason.TRUNCATED
    assert album.embedder.read == []
    assert album.index.info().unusable == 1
    album.write("a.png", "mended", mtime=2)
    assert counts(album.update()) == {"added": 1}
    assert album.index.info().unusable == 0


def test_a_broken_file_beside_its_manifests_folder_is_remembered_too(album: Album) -> None:
    album.write("bad.png", BROKEN)
    album.write("a.png")
    manifest = album.write("lists/all.csv", "image\n../a.png\n../bad.png\n")
    assert counts(album.update(manifest)) == {"added": 1, "skipped": 1}
    assert counts(album.update(manifest)) == {"unchanged": 1, "skipped": 1}
    assert album.embedder.read == []
    assert len(album.index._store.ids_at(album.root / "a.png")) == 1


def test_what_is_no_picture_is_asked_again_because_a_format_may_be_learnt(album: Album) -> None:
    album.write("a.png", TEXT)
    album.update()
    assert counts(album.update()) == {"skipped": 1}
    assert album.embedder.read == ["a.png"]


def test_a_broken_file_that_is_deleted_is_forgotten(album: Album) -> None:
    album.write("a.png", BROKEN)
    album.write("b.png")
    album.update()
    (album.root / "a.png").unlink()
    assert counts(album.update()) == {"unchanged": 1}
    assert album.index.info().unusable == 0


def test_a_picture_that_became_broken_is_not_answered_by_its_old_vector(album: Album) -> None:
    album.write("a.png", mtime=1)
    album.write("b.png")
    album.update()
    album.write("a.png", BROKEN, mtime=2)
    assert counts(album.update()) == {"unchanged": 1, "skipped": 1}
    assert list(album.stored()) == ["b.png"]


def test_a_picture_that_cannot_be_read_today_is_kept(album: Album) -> None:
    class Unreadable(FakeEmbedder):
        def __call__(self, paths: Sequence[Path], **_: object) -> Iterator[Chunk]:
            reason = Skipped(str(paths[0]), SkipReason.UNREADABLE, "I/O error")
            yield Chunk(np.zeros(0, np.int64), np.zeros((0, DIM), np.float32), (), ((0, reason),))

    album.write("a.png", mtime=1)
    album.update()
    album.write("a.png", mtime=2)
    update = album.index.update(ImageTable.read(album.root), embed=Unreadable())
    assert counts(update) == {"skipped": 1}
    assert list(album.stored()) == ["a.png"]
    assert counts(album.update()) == {"unchanged": 1}


def test_two_parts_of_a_picture_are_two_items_and_a_new_box_changes_one(album: Album) -> None:
    manifest = album.root / "list.csv"
    content = album.write("a.png").read_bytes()
    manifest.write_text('image,box\na.png,"0,0,4,4"\na.png,"4,4,8,8"\n')
    assert counts(album.update(manifest)) == {"added": 2}
    first, second = album.index._store.items(1)
    found = album.index.search(np.stack([vector_of(content, (0, 0, 4, 4)), vector_of(content, (4, 4, 8, 8))]))
    assert [answer.hits[0].id for answer in found] == [first.id, second.id]
    manifest.write_text('image,box\na.png,"0,0,4,4"\na.png,"4,4,9,9"\n')
    assert counts(album.update(manifest)) == {"updated": 1, "unchanged": 1}
    found = album.index.search(vector_of(content, (4, 4, 9, 9))[None])
    assert found[0].hits[0].id == second.id


def test_a_row_that_is_there_twice_is_indexed_once(album: Album) -> None:
    album.write("a.png")
    twice = pl.DataFrame({"image": ["a.png", "./a.png"]})
    table = replace(ImageTable.read(album.root), frame=twice)
    assert counts(album.index.update(table, embed=album.embedder)) == {"added": 1}
    assert len(album.embedder.read) == 1


def test_a_folder_inside_an_indexed_folder_doubles_nothing(album: Album) -> None:
    album.write("in/a.png", mtime=1)
    album.write("b.png")
    album.update()
    album.write("in/a.png", "changed", mtime=2)
    assert counts(album.update(album.root / "in")) == {"updated": 1}
    assert len(album.index) == 2
    assert album.is_right()
    assert counts(album.update()) == {"unchanged": 2}
    assert [Path(source).name for source in album.index.sources] == ["album", "in"]


def test_a_file_of_two_roots_is_missing_from_the_one_that_has_it(album: Album) -> None:
    for name in ("a.png", "b.png"):
        album.write(name)
    album.update()
    manifest = album.root / "list.csv"
    manifest.write_text("image\na.png\nb.png\n")
    assert counts(album.update(manifest)) == {"unchanged": 2}
    (album.root / "a.png").unlink()
    assert counts(album.update(manifest, prune=True)) == {"unchanged": 1}
    assert counts(album.update(prune=True)) == {"unchanged": 1, "removed": 1}


@pytest.mark.parametrize(
    "name",
    ["line\nbreak.png", 'it\'s "so".png', "caf\u00e9.png", "cafe\u0301.png", "%20?#.png", "日本/é.png"],
)
def test_names_are_kept_as_they_are(album: Album, name: str) -> None:
    album.write(name, "x")
    album.update()
    assert counts(album.update()) == {"unchanged": 1}
    assert [
        os.path.relpath(hit.path, album.root) for hit in album.index.search(vector_of(b"x")[None])[0].hits
    ] == [name]


def test_a_name_that_is_not_utf8_never_reaches_the_store(album: Album) -> None:
    album.write("a.png")
    (album.root / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    table = ImageTable.read(album.root)
    album.index.update(table, embed=album.embedder)
    assert [entry.reason for entry in table.skipped] == [SkipReason.BAD_NAME]
    assert list(album.stored()) == ["a.png"]


def test_progress_begins_with_what_was_done_and_ends_at_the_total(album: Album) -> None:
    for n in range(20):
        album.write(f"{n:02}.png")
    album.update()
    for n in range(20, 30):
        album.write(f"{n:02}.png")
    seen: list[tuple[int, int]] = []
    album.update(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(20, 30), (28, 30), (30, 30)]


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


def everything(album: Album) -> list[dict[str, int]]:
    """Add, change, move, break, relabel and prune pictures of two roots; what each update did."""
    manifest, done = album.root / "list.csv", []
    for n in range(20):
        album.write(f"cat/{n:02}.png", mtime=1)
        album.write(f"other/{n:02}.png", mtime=1)
    done.append(counts(album.update(album.root / "cat")))
    manifest.write_text(
        "image,year\n" + "".join(f"other/{n:02}.png,{n}\ncat/{n:02}.png,1\n" for n in range(20))
    )
    done.append(counts(album.update(manifest)))
    for n in range(10):
        album.write(f"other/{n:02}.png", f"new {n % 5}" if n else BROKEN, mtime=2)
        (album.root / f"other/{10 + n}.png").rename(album.root / f"cat/{n}-moved.png")
    done.append(counts(album.update(album.root / "cat")))
    manifest.write_text("image,year\n" + "".join(f"other/{n:02}.png,{n + 1}\n" for n in range(20)))
    done += [counts(album.update(manifest)), counts(album.update(manifest, prune=True))]
    assert album.is_right()
    return done


def test_a_few_at_a_time_is_the_same_as_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / name for name in ("once", "few")]
    for place in places:
        place.mkdir()
    once = Album(places[0])
    expected, items = everything(once), [once.index._store.items(root) for root in (1, 2)]
    once.index.close()
    for module in ("difference", "batches", "upkeep", "stored_items"):
        monkeypatch.setattr(f"lookalike.indexing.{module}.PAGE", 3)
    monkeypatch.setattr("lookalike.indexing.batches.COMMIT_ITEMS", 4)
    monkeypatch.setattr(Listing, "parts", partialmethod(Listing.parts, 3))
    few = Album(places[1])
    assert everything(few) == expected
    assert [few.index._store.items(root) for root in (1, 2)] == items
    assert expected[0] == {"added": 20}
    few.index.close()


def test_a_table_without_a_row_misses_everything(album: Album) -> None:
    album.write("a.png")
    album.update()
    table = ImageTable.read(album.root)
    none = table.filter(np.zeros(1, np.bool_))
    assert counts(album.index.update(none, embed=album.embedder)) == {"missing": 1}


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


class Wrong(FakeEmbedder):
    def __init__(self, vectors: Floats) -> None:
        super().__init__()
        self.vectors = vectors

    def __call__(self, paths: Sequence[Path], **_: object) -> Iterator[Chunk]:
        yield Chunk(np.arange(1), self.vectors, (b"h",), ())


@pytest.mark.parametrize(
    "vectors",
    [
        np.full((1, DIM), np.nan, np.float32),
        np.zeros((1, DIM), np.float32),
        np.eye(1, DIM + 1, dtype=np.float32),
    ],
)
def test_vectors_that_are_not_embeddings_are_refused(album: Album, vectors: Floats) -> None:
    album.write("a.png")
    with pytest.raises(
        StoreError, match=r"vectors that cannot be stored - .*a\.png - saw .* wanted 8 finite"
    ):
        album.index.update(ImageTable.read(album.root), embed=Wrong(vectors))
    assert len(album.index) == 0


def test_attributes_are_stored_as_json_without_what_json_lacks(album: Album) -> None:
    manifest = album.root / "list.jsonl"
    album.write("a.png")
    row = '{"image": "a.png", "text": "ü\\"", "share": NaN, "empty": null, "list": [1, 2], "split": "test"}'
    pl.read_ndjson(row.replace("NaN", "1.5").encode()).with_columns(share=float("nan")).write_parquet(
        manifest.with_suffix(".parquet")
    )
    album.update(manifest.with_suffix(".parquet"))
    (item,) = album.index._store.items(1)
    assert json.loads(item.attributes) == {"text": 'ü"', "list": [1, 2]}


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
