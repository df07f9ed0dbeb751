"""What an update does to pictures that are gone: counted, kept while they may be away, pruned if asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from album import Album, counts
from lookalike.errors import SkipReason, StoreError, TableError
from lookalike.records import Skipped
from lookalike.tables.table import ImageTable


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    yield made
    made.index.close()


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


def test_a_table_without_a_row_misses_everything(album: Album) -> None:
    album.write("a.png")
    album.update()
    table = ImageTable.read(album.root)
    none = table.filter(np.zeros(1, np.bool_))
    assert counts(album.index.update(none, embed=album.embedder)) == {"missing": 1}
