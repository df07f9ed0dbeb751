"""What an update does with files that cannot be used: skipped with a reason, remembered, and tried again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from album import Album, counts
from fake_embedder import BROKEN, CHUNK, DIM, TEXT, FakeEmbedder
from lookalike.errors import SkipReason, StoreError
from lookalike.models.embedding import Chunk
from lookalike.records import Floats, Skipped
from lookalike.tables.table import ImageTable


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    yield made
    made.index.close()


def test_a_name_that_no_file_can_have_is_skipped(album: Album) -> None:
    album.write("a.png")
    table = replace(
        ImageTable.read(album.root),
        frame=pl.DataFrame({"image": ["a.png", "b\0.png"]}),
    )
    update = album.index.update(table, embed=album.embedder)
    assert counts(update) == {"added": 1, "skipped": 1}
    assert update.skipped[0].reason == SkipReason.BAD_NAME


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
