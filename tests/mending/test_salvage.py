"""A file that SQLite cannot trust any more: what can be read is saved beside it, and it stays as it is."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

import pytest

from album import Album
from fake_embedder import DIM, vector_of
from lookalike.checkups.findings import Verdict
from lookalike.errors import StoreError
from lookalike.indexing.store import Store
from lookalike.mending.inspection import inspect_index
from lookalike.mending.repair import Repair, repair
from lookalike.mending.salvage import new_place, salvage
from lookalike.models.embedding import content_hash
from older_index import make_older
from spoiled import PAGE, closed_album, opened_again, spoil, tear, without_pages
from stores import four_beats

PICTURES = 200


@pytest.fixture
def album(tmp_path: Path) -> Album:
    return closed_album(tmp_path, pictures=PICTURES)


def mend(album: Album) -> Repair:
    album.embedder.forget()
    return repair(inspect_index(album.path, model=album.model), model=album.model, embed=album.embedder)


def saved(album: Album, mended: Repair, torn: bytes) -> Store:
    """The new file, in order; the damaged one is as it was."""
    assert album.path.read_bytes() == torn
    assert mended.path == album.path.with_name("album-saved.idx")
    assert f"{album.path} is as it was; use {mended.path} in its place" in mended.done
    assert mended.command == f"lookalike index {mended.path}"
    assert inspect_index(mended.path, model=album.model).verdict is Verdict.OK
    return Store(mended.path)


def check_vectors(store: Store) -> int:
    """Whether each picture has the vector of its content; their number."""
    snapshot = store.snapshot()
    vectors = dict(zip(snapshot.ids.tolist(), snapshot.vectors, strict=True))
    for item in store.items(1):
        content = item.path.encode()
        assert item.hash == content_hash(content)
        assert item.id is not None
        assert vectors[item.id].tobytes() == vector_of(content).tobytes()
    return len(vectors)


def test_a_file_that_has_lost_its_first_page_is_saved_whole(album: Album) -> None:
    tear(album.path, lambda content: without_pages(content, 0, 1))
    torn = album.path.read_bytes()
    store = saved(album, mend(album), torn)
    assert album.embedder.embedded == []
    assert check_vectors(store) == PICTURES
    assert [decision.verdict for decision in store.decisions()] == ["keep-both"]
    assert len(store.looks([content_hash(b"000.png")])) == 1
    assert store.meta()["created"] != "1970-01-01T00:00:00+00:00"
    store.close()


def test_the_rest_of_a_cut_file_is_saved(album: Album) -> None:
    tear(album.path, lambda content: content[: len(content) // 2])
    torn = album.path.read_bytes()
    mended = mend(album)
    store = saved(album, mended, torn)
    kept = check_vectors(store)
    assert 0 < kept < PICTURES
    assert f"of at most {PICTURES} pictures, " in mended.done[0]
    assert "what could not be read is embedded from its files by the next update" in mended.done
    store.close()
    album.path = mended.path
    done = opened_again(album).update()
    assert (done.unchanged, done.added) == (kept, PICTURES - kept)
    assert album.is_right()
    album.index.close()


@pytest.mark.parametrize("seed", range(6))
def test_a_lost_page_costs_its_own_rows_and_no_others(album: Album, seed: int) -> None:
    chance = random.Random(seed)
    pages = album.path.stat().st_size // PAGE
    lost = chance.sample(range(pages), 2)
    tear(album.path, lambda content: without_pages(content, lost[0], lost[0] + 1))
    tear(album.path, lambda content: without_pages(content, lost[1], lost[1] + 1))
    torn = album.path.read_bytes()
    mended = mend(album)
    if mended.path == album.path:  # a page that nothing was on
        return
    store = saved(album, mended, torn)
    assert check_vectors(store) > 100
    store.close()


def test_a_vector_that_is_lost_is_embedded_and_its_facts_are_kept(album: Album) -> None:
    spoil(
        album.path, "UPDATE items SET root = 9 WHERE id = 3", "UPDATE vectors SET vector = x'00' WHERE id = 5"
    )
    torn = album.path.read_bytes()
    mended = mend(album)
    store = saved(album, mended, torn)
    assert album.embedder.embedded == ["004.png"]
    assert check_vectors(store) == PICTURES - 1
    store.close()


def test_an_older_format_is_saved_too(album: Album) -> None:
    make_older(album.path)
    tear(album.path, lambda content: without_pages(without_pages(content, 0, 1), 5, 6))
    store = saved(album, mend(album), album.path.read_bytes())
    assert check_vectors(store) > 100
    store.close()


def test_what_waits_beside_the_file_is_saved_too(album: Album) -> None:
    """A process was killed after a commit, and then the file's first page was lost."""
    opened_again(album)
    album.write("late.png")
    keeps = sqlite3.connect(album.path)  # so that closing does not take the journal in
    keeps.execute("BEGIN")
    keeps.execute("SELECT * FROM meta").fetchall()
    album.update()
    journal = Path(f"{album.path}-wal").read_bytes()
    content = album.path.read_bytes()
    album.index.close()
    keeps.close()
    copy = album.path.with_name("copy.idx")
    copy.write_bytes(without_pages(bytearray(content), 0, 1))
    Path(f"{copy}-wal").write_bytes(journal)
    new = album.path.with_name("new.idx")
    assert salvage(copy, new).items == PICTURES + 1
    assert Path(f"{copy}-wal").read_bytes() == journal


def test_where_the_notes_are_lost_the_model_says_them(album: Album) -> None:
    spoil(album.path, "DELETE FROM meta")
    inspection = inspect_index(album.path)
    with pytest.raises(StoreError) as error:
        repair(inspection)
    four_beats(error, "which model made the index", "fingerprint", "--model FOLDER")
    assert list(album.path.parent.glob("*saved*")) == [album.path.with_name("album-saved.idx.lock")]
    mended = repair(inspection, model=album.model, embed=album.embedder)
    store = Store(mended.path)
    assert check_vectors(store) == PICTURES
    assert store.meta()["model_name"] == album.model.name
    store.close()


def test_notes_of_the_vectors_are_what_the_vectors_are(album: Album) -> None:
    spoil(album.path, "UPDATE meta SET value = 'float13' WHERE key = 'vectors'")
    spoil(album.path, "UPDATE meta SET value = 'long' WHERE key = 'dim'")
    store = saved(album, mend(album), album.path.read_bytes())
    assert album.embedder.embedded == []
    assert check_vectors(store) == PICTURES
    assert (store.dim, store.storage) == (DIM, "float32")
    store.close()


def test_a_model_of_vectors_of_another_length_saves_nothing(album: Album) -> None:
    spoil(album.path, "DELETE FROM meta")
    album.model.dim = 5
    with pytest.raises(StoreError) as error:
        salvage(album.path, album.path.with_name("new.idx"), model=album.model)
    four_beats(error, "the model did not make the index", "vectors of 8 values", "--model FOLDER")
    assert not album.path.with_name("new.idx").exists()


def test_a_source_that_is_lost_is_told_with_one_of_its_pictures(album: Album) -> None:
    other = album.root.with_name("other")
    other.mkdir()
    (other / "away.png").write_bytes(b"away")
    opened_again(album).update(other)
    album.index.close()
    spoil(album.path, "DELETE FROM roots WHERE id = 2")
    mended = mend(album)
    assert f"{PICTURES} of {PICTURES + 1} pictures, {PICTURES} of them with" in mended.done[0]
    assert mended.done[1].startswith("a source cannot be told any more, 1 picture of it, such as away.png,")
    assert not any("by the next update" in sentence for sentence in mended.done)


def test_ids_that_were_given_to_pictures_that_left_are_no_loss(album: Album) -> None:
    for name in ("001.png", "002.png"):
        (album.root / name).unlink()
    opened_again(album).update(prune=True)
    album.index.close()
    spoil(album.path, "UPDATE meta SET value = 'float13' WHERE key = 'vectors'")
    mended = mend(album)
    assert f": {PICTURES - 2} pictures, {PICTURES - 2} of them with their vectors" in mended.done[0]
    assert not any("by the next update" in sentence for sentence in mended.done)


def test_decisions_are_saved_where_no_picture_can_be(album: Album) -> None:
    spoil(album.path, "UPDATE items SET hash = x'00'")
    spoil(album.path, "UPDATE meta SET value = 'x' WHERE key = 'generation'")
    mended = mend(album)
    assert f": 0 of {PICTURES} pictures, 0 of them with their vectors, and 1 decision" in mended.done[0]
    album.path = mended.path
    done = opened_again(album).update()
    assert done.added == PICTURES
    assert [decision.verdict for decision in album.index.store.decisions()] == ["keep-both"]
    album.index.close()


@pytest.mark.parametrize("content", [b"", b"\0" * PAGE, b"\0" * 20 * PAGE])
def test_of_nothing_nothing_is_saved(album: Album, content: bytes) -> None:
    album.path.write_bytes(content)
    with pytest.raises(StoreError) as error:
        mend(album)
    four_beats(error, "nothing can be saved", "backup", "lookalike index NEW.idx DATA")
    assert not album.path.with_name("album-saved.idx").exists()


def test_nothing_is_saved_over_something_else(album: Album) -> None:
    assert new_place(album.path).name == "album-saved.idx"
    album.path.with_name("album-saved.idx").touch()
    assert new_place(album.path).name == "album-saved1.idx"
    with pytest.raises(StoreError, match="cannot be made here"):
        salvage(album.path, album.path)
