"""What was planted is mended: made again from the files, and nothing that is a person's is lost."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from test_inspection import FAULTS

from album import Album
from fake_embedder import FakeEmbedder, fake_model, vector_of
from lookalike.checkups.findings import Verdict
from lookalike.errors import StoreError
from lookalike.indexing.base_file import NOTE
from lookalike.indexing.store import Store
from lookalike.mending.inspection import Inspection, inspect_index
from lookalike.mending.repair import Repair, repair
from older_index import make_older
from spoiled import closed_album, opened_again, spoil
from stores import four_beats


@pytest.fixture
def album(tmp_path: Path) -> Album:
    return closed_album(tmp_path)


def look(album: Album, path: Path | None = None) -> Inspection:
    return inspect_index(path or album.path, model=album.model)


def mend(album: Album) -> Repair:
    album.embedder.forget()
    return repair(look(album), model=album.model, embed=album.embedder)


def rows(path: Path, statement: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(statement).fetchall()
    connection.close()
    return found


def test_a_whole_index_is_left_as_it_is(album: Album) -> None:
    before = album.path.read_bytes()
    mended = mend(album)
    assert (mended.path, mended.done, mended.command) == (album.path, [], "")
    assert mended.lines() == ["mended  nothing had to be"]
    assert album.path.read_bytes() == before


@pytest.mark.parametrize("fault", FAULTS)
def test_what_can_be_made_again_is_made_again(album: Album, fault: str) -> None:
    facts = "SELECT id, path, label FROM items WHERE path <> '' ORDER BY id"
    before = rows(album.path, "SELECT * FROM decisions")
    spoil(album.path, FAULTS[fault][0])
    assert mend(album).done
    opened_again(album).update()  # what a command line would do next
    album.index.close()
    assert look(album).verdict is Verdict.OK
    assert rows(album.path, "SELECT * FROM decisions") == before
    assert len(rows(album.path, facts)) == 30
    assert opened_again(album).is_right()
    album.index.close()


def test_only_what_is_damaged_is_embedded_again(album: Album) -> None:
    spoil(
        album.path, "UPDATE vectors SET vector = x'00' WHERE id IN (4, 7)", "DELETE FROM vectors WHERE id = 9"
    )
    before = rows(album.path, "SELECT * FROM items ORDER BY id")
    mended = mend(album)
    assert sorted(album.embedder.embedded) == ["003.png", "006.png", "008.png"]
    assert mended.done == [
        "2 damaged vectors were dropped",
        "3 pictures have to be embedded again",
        "3 pictures embedded again",
    ]
    assert mended.command == ""
    assert rows(album.path, "SELECT * FROM items ORDER BY id") == before
    assert look(album).verdict is Verdict.OK
    album.embedder.forget()
    assert opened_again(album).update().unchanged == 30
    assert album.embedder.embedded == []
    album.index.close()


def test_a_picture_whose_file_is_not_as_it_was_waits_for_the_update(album: Album) -> None:
    spoil(album.path, "UPDATE vectors SET vector = x'00' WHERE id IN (4, 7)")
    (album.root / "003.png").unlink()
    album.write("006.png", "another")
    mended = mend(album)
    assert mended.command == f"lookalike index {album.path}"
    assert "2 pictures left for the next update: the file or the model is not as it was" in mended.done
    finding = look(album).finding("unembedded")
    assert finding is not None
    assert (finding.verdict, finding.figure, finding.command) == (Verdict.MEND, 2, mended.command)
    opened_again(album)
    assert album.update(prune=True).removed == 1
    assert album.is_right()
    album.index.close()


def test_a_part_of_a_picture_is_embedded_as_that_part(tmp_path: Path) -> None:
    album = Album(tmp_path)
    album.write("a.png")
    manifest = tmp_path / "list.csv"
    manifest.write_text("image,box\nalbum/a.png,1 2 3 4\n")
    album.update(manifest)
    album.index.close()
    assert rows(album.path, "SELECT box FROM items") == [("1,2,3,4",)]
    spoil(album.path, "UPDATE vectors SET vector = x'00'")
    mend(album)
    store = Store(album.path)
    assert store.snapshot().vectors[0].tobytes() == vector_of(b"a.png", (1, 2, 3, 4)).tobytes()
    store.close()


def test_without_the_model_pictures_are_marked_for_the_update(album: Album, tmp_path: Path) -> None:
    spoil(album.path, "UPDATE vectors SET vector = x'00' WHERE id = 4")
    other = fake_model(tmp_path / "other", fingerprint="e" * 64)
    mended = repair(inspect_index(album.path), model=other)
    assert any(
        "nothing could be embedded: the index was made by another model" in text for text in mended.done
    )
    assert mended.command == f"lookalike index {album.path}"
    opened_again(album).update()
    assert album.is_right()
    album.index.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE meta SET value = '7' WHERE key = 'dim'",
        "UPDATE meta SET value = 'float16' WHERE key = 'vectors'",
    ],
)
def test_a_wrong_note_of_the_vectors_is_corrected_and_no_vector_is_lost(album: Album, statement: str) -> None:
    vectors = "SELECT * FROM vectors WHERE id <> 4 ORDER BY id"
    before = rows(album.path, vectors)
    spoil(album.path, statement, "UPDATE vectors SET vector = x'00' WHERE id = 4")
    mended = mend(album)
    assert mended.done[:2] == ["noted what the vectors are: 8 float32 values", "1 damaged vector was dropped"]
    assert (mended.command, album.embedder.embedded) == ("", ["003.png"])
    assert rows(album.path, vectors) == before
    assert look(album).verdict is Verdict.OK


def test_a_wrong_note_stays_where_the_model_does_not_agree(album: Album, tmp_path: Path) -> None:
    spoil(album.path, "UPDATE meta SET value = '7' WHERE key = 'dim'")
    before = album.path.read_bytes()
    other = fake_model(tmp_path / "other", fingerprint="e" * 64)
    with pytest.raises(StoreError) as error:
        repair(look(album), model=other)
    four_beats(error, "the note of how long a vector is", "7 noted, vectors of 8 float32", "--model FOLDER")
    (album.model.folder / "model.json").unlink()
    with pytest.raises(StoreError, match="the model does not say what is right"):
        repair(look(album))
    assert album.path.read_bytes() == before


def test_an_open_search_notices_a_repair(album: Album) -> None:
    opened_again(album)
    asked = vector_of(b"000.png")[None]
    assert album.index.search(asked, k=1)[0].hits[0].id == 1
    spoil(album.path, "UPDATE vectors SET vector = x'00' WHERE id = 1")
    (album.root / "000.png").unlink()
    mend(album)
    assert album.index.search(asked, k=1)[0].hits[0].id != 1
    album.index.close()


def test_two_do_not_mend_at_once(album: Album) -> None:
    spoil(album.path, "DELETE FROM vectors WHERE id = 1")
    inspection = look(album)
    with opened_again(album).index._store.writing(), pytest.raises(StoreError) as error:
        repair(inspection, model=album.model, embed=FakeEmbedder())
    four_beats(error, "another process is writing")
    album.index.close()


def test_an_older_format_is_mended_too(album: Album) -> None:
    make_older(album.path)
    spoil(album.path, "UPDATE vectors SET vector = x'00' WHERE id = 3")
    assert mend(album).done[-1] == "1 picture embedded again"
    assert look(album).verdict is Verdict.OK


def test_a_base_that_cannot_be_used_is_given_up_and_leftovers_go(album: Album) -> None:
    spoil(album.path, f"INSERT OR REPLACE INTO meta VALUES ('{NOTE}', '{{')")
    leftover = album.path.with_name(f"{album.path.name}-base-2-0123abcd.faiss.new")
    leftover.write_bytes(b"half")
    own = album.path.with_name("mine.faiss")
    own.write_bytes(b"mine")
    assert len(mend(album).done) == 2
    assert look(album).verdict is Verdict.OK
    assert (leftover.exists(), own.exists()) == (False, True)
