"""Pictures given to an index one by one: they stay with their labels, and a failure leaves nothing behind."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookalike.errors import BusyError, LookalikeError, SkipReason, StoreError, TableError
from lookalike.indexing import added_folder, adding
from lookalike.indexing.added_folder import LONGEST_STEM, AddedFolder, Entry, name_of, plain_stem
from lookalike.indexing.adding import (
    Added,
    Seen,
    add_pictures,
    checked_label,
    finish_adding,
    remove_items,
    store_pictures,
)
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Item, Writer
from lookalike.indexing.upkeep import Update
from lookalike.models.embedding import content_hash, embed_chunks
from lookalike.models.model import Model
from lookalike.pictures.finding import LISTED, find_images
from lookalike.tables.table import ImageTable
from older_index import make_older
from pictures import content
from scenes import scene, write
from stores import four_beats


def picture(seed: int) -> bytes:
    return content(scene(seed), "PNG")


class Collection:
    """An index beside a folder of its own pictures, with all that can be looked at."""

    def __init__(self, place: Path, model: Model, *, inside: bool = False) -> None:
        self.photos = place / "photos"
        for seed in range(3):
            write(self.photos / "cat" / f"{seed}.png", scene(seed))
        self.index = Index.create((self.photos if inside else place) / "a.idx", model)
        self.refresh()
        self.folder = AddedFolder(self.index.path)

    def refresh(self) -> list[Update]:
        """As the command does: every source after the other, the folder first."""
        sources = self.index.sources or (str(self.photos),)
        return [self.index.update(ImageTable.read(source), source=source) for source in sources]

    def items(self) -> dict[int, Item]:
        store = self.index.store
        return {item.id or 0: item for root in store.roots() for item in store.items(root.id)}

    def files(self) -> dict[str, bytes]:
        """What lies in the folder of added pictures, but for the mark."""
        there = self.folder.path.iterdir() if self.folder.path.is_dir() else ()
        return {file.name: file.read_bytes() for file in there if file.name != LISTED}


@pytest.fixture
def collection(tmp_path: Path, tiny: Model) -> Iterator[Collection]:
    made = Collection(tmp_path, tiny)
    yield made
    made.index.close()


def nothing_to_do(updates: list[Update]) -> bool:
    counts = ("added", "updated", "moved", "missing", "removed", "spoiled")
    return not any(getattr(update, count) for update in updates for count in counts)


def test_what_is_added_is_what_indexing_its_file_gives(collection: Collection) -> None:
    added = add_pictures(collection.index, [picture(7), picture(8)], label=" dog ")
    assert added == Added(added=(4, 5), known=())
    for number, seed in zip(added.added, (7, 8), strict=True):
        item, vector = collection.items()[number], collection.index.vectors([number])[0]
        file = collection.folder.path / item.path
        assert file.read_bytes() == picture(seed)
        (chunk,) = embed_chunks(collection.index.model, [file])
        assert np.allclose(vector, chunk.vectors[0], atol=1e-6)
        assert (item.hash, item.label) == (chunk.hashes[0], "dog")
        assert collection.index.store.looks([item.hash]) == {item.hash: chunk.looks[0]}


def test_bringing_the_index_up_to_date_changes_nothing(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7)], label="dog")
    add_pictures(collection.index, [picture(8)])
    before = collection.items()
    assert len(collection.index.sources) == 2
    assert nothing_to_do(collection.refresh())
    assert collection.items() == before


def test_files_and_contents_can_be_added_and_what_cannot_be_used_is_said(
    collection: Collection, tmp_path: Path
) -> None:
    write(tmp_path / "new" / "x.png", scene(9))
    asked: list[Path | bytes] = [
        tmp_path / "new" / "x.png",
        b"",
        picture(7),
        tmp_path / "nowhere.png",
        b"<html>",
    ]
    added = add_pictures(collection.index, asked)
    assert added.added == (4, 5)
    told = [(entry.path, entry.reason) for entry in added.skipped]
    assert told == [
        ("1", SkipReason.EMPTY),
        (str(tmp_path / "nowhere.png"), SkipReason.MISSING),
        ("4", SkipReason.NOT_AN_IMAGE),
    ]
    assert len(collection.files()) == 3


def test_equal_content_is_known(collection: Collection) -> None:
    old = (collection.photos / "cat" / "1.png").read_bytes()
    added = add_pictures(collection.index, [old, picture(7), picture(7), old], label="x")
    assert added == Added(added=(4,), known=(2,))
    assert add_pictures(collection.index, [picture(7)], label="y") == Added(added=(), known=(4,))
    assert collection.items()[4].label == "x"
    assert len(collection.files()) == 2


def test_nothing_to_add_makes_no_folder(collection: Collection) -> None:
    assert add_pictures(collection.index, []) == Added((), ())
    assert add_pictures(collection.index, [b"text"]).added == ()
    assert not collection.folder.path.exists()


def test_an_index_inside_its_own_folder_takes_added_pictures_once(tmp_path: Path, tiny: Model) -> None:
    collection = Collection(tmp_path, tiny, inside=True)
    add_pictures(collection.index, [picture(7)])
    before = collection.items()
    assert nothing_to_do(collection.refresh())
    assert collection.items() == before
    assert before[4].label is None
    assert len(find_images(collection.photos).paths) == 3
    assert len(find_images(collection.folder.path).paths) == 1  # named itself, it is a folder like any other
    collection.index.close()


def test_a_link_to_an_index_has_the_same_folder(collection: Collection, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.idx"
    link.symlink_to(collection.index.path)
    assert AddedFolder(link).manifest == collection.folder.manifest


@pytest.mark.parametrize(
    "label", ["a/b", "..", "test", "-5", "5", "true", "null", "q\"uo'te", "<b>", "ä é 猫", "x.png"]
)
def test_any_label_is_kept(collection: Collection, label: str) -> None:
    add_pictures(collection.index, [picture(7)], label=label)
    assert collection.items()[4].label == label
    assert nothing_to_do(collection.refresh())
    assert collection.items()[4].label == label


@pytest.mark.parametrize("label", [None, "", "  \n"])
def test_no_label_is_none(label: str | None) -> None:
    assert checked_label(label) is None


@pytest.mark.parametrize(
    ("label", "saw"),
    [
        ("a\nb", "control"),
        ("\x00", "control"),
        ("x" * 256, "256 letters"),
        ("1.5", "decimal point"),
        ("-.5e3", "decimal point"),
        ("\udc80", "not UTF-8"),
    ],
)
def test_a_label_that_no_manifest_can_say_is_refused(collection: Collection, label: str, saw: str) -> None:
    with pytest.raises(StoreError) as error:
        add_pictures(collection.index, [picture(7)], label=label)
    four_beats(error, "the label cannot be kept", saw, "give another label")
    assert not collection.folder.path.exists()


def test_another_writer_is_told_of(collection: Collection) -> None:
    with collection.index.store.writing(), pytest.raises(BusyError):
        add_pictures(collection.index, [picture(7)])
    assert collection.files() == {}


def test_what_was_removed_stays_out_and_its_file_stays(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7), picture(8)])
    assert remove_items(collection.index, [4, 99]) == 1
    assert nothing_to_do(collection.refresh())
    assert sorted(collection.items()) == [1, 2, 3, 5]
    assert len(collection.files()) == 3


def test_what_lies_in_an_indexed_folder_comes_back(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7)])
    assert remove_items(collection.index, [1, 4]) == 2
    assert (collection.photos / "cat" / "0.png").exists()
    assert [update.added for update in collection.refresh()] == [1]
    assert sorted(collection.items()) == [2, 3, 5]


def test_removing_the_last_one_forgets_the_source(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7)])
    remove_items(collection.index, [4])
    assert collection.index.sources == (str(collection.photos),)
    assert nothing_to_do(collection.refresh())
    assert add_pictures(collection.index, [picture(7)], label="again").added == (5,)
    assert nothing_to_do(collection.refresh())


def test_what_was_removed_can_be_added_with_another_label(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7), picture(8)], label="dog")
    remove_items(collection.index, [4])
    assert add_pictures(collection.index, [picture(7)], label="wolf").added == (6,)
    assert nothing_to_do(collection.refresh())
    assert collection.items()[6].label == "wolf"


def test_a_row_whose_file_was_deleted_is_replaced(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7), picture(8)], label="dog")
    (collection.folder.path / collection.items()[4].path).unlink()
    table = ImageTable.read(collection.folder.manifest)
    collection.index.update(table, source=collection.folder.manifest, prune=True)
    assert finish_adding(collection.index) is None
    added = add_pictures(collection.index, [picture(7)], label="wolf").added
    assert nothing_to_do(collection.refresh())
    assert collection.items()[added[0]].label == "wolf"


Break = Callable[[pytest.MonkeyPatch], None]


def full_at(call: int) -> Break:
    """The disk is full when a file is synced for the so-manieth time."""

    def set_up(patch: pytest.MonkeyPatch) -> None:
        real, calls = os.fsync, [0]

        def fsync(descriptor: int) -> None:
            calls[0] += 1
            if calls[0] == call:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            real(descriptor)

        patch.setattr(os, "fsync", fsync)

    return set_up


def full_index(patch: pytest.MonkeyPatch) -> None:
    real = Writer.__init__

    def small(self: Writer, path: Path, connection: sqlite3.Connection, **options: Any) -> None:
        real(self, path, connection, **options)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    patch.setattr(Writer, "__init__", small)


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "later"])
@pytest.mark.parametrize(
    "broken", [*map(full_at, range(1, 8)), full_index], ids=[*(f"sync{n}" for n in range(1, 8)), "index"]
)
def test_a_full_disk_leaves_nothing_behind(
    collection: Collection, monkeypatch: pytest.MonkeyPatch, broken: Break, is_first: bool
) -> None:
    if not is_first:
        add_pictures(collection.index, [picture(seed) for seed in (50, 51)], label="x" * 200)
        remove_items(collection.index, [5])
    items, files, sources = collection.items(), collection.files(), collection.index.sources
    many = [picture(seed) for seed in range(60, 85)]
    with monkeypatch.context() as patch:
        broken(patch)
        with pytest.raises(LookalikeError) as error:
            add_pictures(collection.index, many, label="y" * 200)
    assert str(error.value).count(" - ") >= 3
    assert (collection.items(), collection.files(), collection.index.sources) == (items, files, sources)
    assert len(add_pictures(collection.index, many, label="y").added) == 25
    assert nothing_to_do(collection.refresh())


def test_a_full_disk_removes_nothing(collection: Collection, monkeypatch: pytest.MonkeyPatch) -> None:
    add_pictures(collection.index, [picture(7), picture(8)])
    items, files = collection.items(), collection.files()

    def apply(*_: object) -> None:
        raise StoreError("the disk is full", where="here", saw="SQLITE_FULL", do="free some space")

    with monkeypatch.context() as patch:
        patch.setattr(Writer, "apply", apply)
        with pytest.raises(StoreError):
            remove_items(collection.index, [4])
    assert (collection.items(), collection.files()) == (items, files)


def test_a_folder_that_cannot_be_made_is_told_of(collection: Collection) -> None:
    collection.folder.path.write_bytes(b"in the way")
    with pytest.raises(LookalikeError) as error:
        add_pictures(collection.index, [picture(7)])
    assert str(error.value).count(" - ") == 3
    assert "pictures cannot be added to the index" in str(error.value)
    assert sorted(collection.items()) == [1, 2, 3]


def unfinished(collection: Collection, seeds: range, *, label: str = "late") -> None:
    """What a kill leaves behind between the manifest and the index."""
    contents = {content_hash(picture(seed)): picture(seed) for seed in seeds}
    entries = [Entry(f"{digest.hex()}.png", each, label) for digest, each in contents.items()]
    with collection.folder.keeping(entries):
        pass


def test_what_a_kill_interrupted_is_finished(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7)])
    unfinished(collection, range(20, 23))
    for name in (f".{'0f' * 16}.png.a1b2_3c4", ".pictures.jsonl.a1b2_3c4", f".{LISTED}.a1b2_3c4", ".mine"):
        (collection.folder.path / name).write_bytes(b"half")
    with collection.folder.manifest.open("ab") as file:
        file.write(b'{"image": "0123')
    update = finish_adding(collection.index)
    assert update is not None
    assert update.added == 3
    assert [name for name in collection.files() if name.startswith(".")] == [".mine"]
    assert finish_adding(collection.index) is None
    assert nothing_to_do(collection.refresh())
    assert {collection.items()[number].label for number in (5, 6, 7)} == {"late"}


def test_a_row_is_added_behind_half_a_row(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7)])
    with collection.folder.manifest.open("ab") as file:
        file.write(b'{"image": "0123')
    add_pictures(collection.index, [picture(8)])
    assert nothing_to_do(collection.refresh())
    assert sorted(collection.items()) == [1, 2, 3, 4, 5]


def test_a_kill_at_the_very_first_picture_is_finished_with_the_next(collection: Collection) -> None:
    unfinished(collection, range(20, 22))
    assert finish_adding(collection.index) is None  # no source of the index yet
    assert add_pictures(collection.index, [picture(20), picture(30)], label="new").added == (4, 5)
    assert nothing_to_do(collection.refresh())
    labels = {item.label for number, item in collection.items().items() if number > 3}
    assert labels == {"new", "late"}


def test_nothing_was_ever_added(collection: Collection) -> None:
    assert finish_adding(collection.index) is None


def test_a_manifest_that_somebody_broke_is_told_of(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7)])
    collection.folder.manifest.write_bytes(b"no rows\n")
    with pytest.raises(TableError):
        finish_adding(collection.index)


def test_rows_that_somebody_wrote_are_kept(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7), picture(8)])
    row = b'{"image": "../photos/cat/0.png", "label": "mine"}\n'
    with collection.folder.manifest.open("ab") as file:
        file.write(row + b"[1]\n{}\n")
    remove_items(collection.index, [4])
    assert collection.folder.manifest.read_bytes().endswith(row + b"[1]\n{}\n")


def test_a_manifest_that_was_read_before_a_picture_came_does_not_drop_it(collection: Collection) -> None:
    add_pictures(collection.index, [picture(7)])
    read_before = ImageTable.read(collection.folder.manifest)
    add_pictures(collection.index, [picture(8)])
    update = collection.index.update(read_before, source=collection.folder.manifest, prune=True)
    assert (update.removed, update.missing) == (0, 1)
    assert sorted(collection.items()) == [1, 2, 3, 4, 5]
    (collection.folder.path / collection.items()[5].path).unlink()
    update = collection.index.update(read_before, source=collection.folder.manifest, prune=True)
    assert (update.removed, sorted(collection.items())) == (1, [1, 2, 3, 4])


def test_an_index_of_an_older_format_takes_pictures(collection: Collection, tiny: Model) -> None:
    collection.index.close()
    make_older(collection.index.path)
    with Index.open(collection.index.path, model=tiny) as index:
        assert add_pictures(index, [picture(7)]).added == (4,)
        assert len(index) == 4
    collection.index = Index.open(collection.index.path, model=tiny)
    assert nothing_to_do(collection.refresh())


def test_a_collection_that_moved_keeps_its_pictures(
    collection: Collection, tmp_path: Path, tiny: Model
) -> None:
    add_pictures(collection.index, [picture(7)], label="dog")
    collection.index.close()
    (tmp_path / "there").mkdir()
    for file in (collection.index.path, collection.folder.path):
        shutil.move(file, tmp_path / "there" / file.name)
    with Index.open(tmp_path / "there" / "a.idx", model=tiny) as moved:
        assert add_pictures(moved, [picture(8)]).added == (5,)
        manifest = AddedFolder(moved.path).manifest
        update = moved.update(ImageTable.read(manifest), source=manifest)
        assert (update.unchanged, update.added, len(moved)) == (2, 0, 5)
        assert {item.label for item in moved.store.items(3)} == {"dog", None}


def test_vectors_of_another_kind_are_refused(collection: Collection) -> None:
    (chunk,) = embed_chunks(collection.index.model, [collection.photos / "cat" / "0.png"])
    assert chunk.looks[0] is not None
    for vector in (chunk.vectors[0] * 2, np.full_like(chunk.vectors[0], np.nan)):
        seen = Seen(picture(7), content_hash(picture(7)), vector, chunk.looks[0])
        with pytest.raises(StoreError) as error:
            store_pictures(collection.index, [seen], label=None)
        four_beats(error, "the model gave vectors that cannot be stored", "nothing was added")
    assert not collection.folder.path.exists()


def test_a_picture_that_another_adds_meanwhile_is_known(
    collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = adding._check_vectors

    def check(*asked: Any) -> None:
        real(*asked)
        monkeypatch.setattr(adding, "_check_vectors", real)
        add_pictures(collection.index, [picture(7)], label="first")

    monkeypatch.setattr(adding, "_check_vectors", check)
    assert add_pictures(collection.index, [picture(7)], label="second") == Added(added=(), known=(4,))
    assert collection.items()[4].label == "first"


@pytest.mark.parametrize(
    ("body", "kind", "ending"),
    [
        (content(scene(1), "PNG"), "PNG", ".png"),
        (content(scene(1), "JPEG"), "JPEG", ".jpg"),
        (b"II*\0....CR rest", "JPEG", ".raw"),
        (b"anything", "SPIDER", ".img"),
    ],
)
def test_files_are_called_by_hash_and_format(body: bytes, kind: str, ending: str) -> None:
    assert name_of(b"\x01\xab", body, kind) == f"01ab{ending}"
    assert name_of(b"\x01\xab", body, kind, called="x.jpeg") == f"x-01ab{ending}"


@pytest.mark.parametrize(
    ("called", "stem"),
    [
        ("my dolphin.jpg", "my dolphin"),
        ("a.b.tar.gz", "a.b.tar"),
        ("no ending", "no ending"),
        ("", ""),
        ("..", ""),
        (".hidden", "hidden"),
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\x.png", "x"),
        ("a:b*c?\n\u202ed.png", "a_b_c___d"),
        ("हिन्दी 猫 e\u0301.png", "हिन्दी 猫 é"),
        ("  -- x --  .png", "x"),
        ("ä" * 200 + ".png", "ä" * 40),
        ("猫" * 200 + ".png", "猫" * 26),
    ],
    ids=range(13),
)
def test_of_a_senders_name_its_letters_stay(called: str, stem: str) -> None:
    assert plain_stem(called) == stem
    assert plain_stem(stem) in (stem, stem.rpartition(".")[0])
    assert len(stem.encode()) <= LONGEST_STEM


def test_files_keep_their_names(collection: Collection, tmp_path: Path) -> None:
    for place, seed in (("a", 7), ("b", 8)):
        write(tmp_path / place / "ä x.png", scene(seed))
    added = add_pictures(collection.index, [tmp_path / "a" / "ä x.png", tmp_path / "b" / "ä x.png"])
    paths = [collection.items()[number].path for number in added.added]
    assert paths == [f"ä x-{content_hash(picture(seed)).hex()}.png" for seed in (7, 8)]
    assert nothing_to_do(collection.refresh())
    assert remove_items(collection.index, added.added[:1]) == 1
    assert nothing_to_do(collection.refresh())
    assert remove_items(collection.index, added.added[1:]) == 1
    assert not collection.folder.manifest.exists()


def test_a_content_that_a_kill_left_under_another_name_is_there_once(
    collection: Collection, tmp_path: Path
) -> None:
    add_pictures(collection.index, [picture(7)])
    unfinished(collection, range(20, 21))
    (collection.folder.path / f".a b-{'0f' * 16}.png.a1b2_3c4").write_bytes(b"half")
    write(tmp_path / "named.png", scene(20))
    assert len(add_pictures(collection.index, [tmp_path / "named.png"]).added) == 1
    finish_adding(collection.index)
    assert nothing_to_do(collection.refresh())
    assert [item.hash for item in collection.items().values()].count(content_hash(picture(20))) == 1
    assert [item.path for item in collection.items().values()][-1].startswith("named-")
    with collection.index.store.writing():
        collection.folder.mend()
    assert not [name for name in collection.files() if name.startswith(".")]


def test_endings_are_those_of_pictures() -> None:
    from lookalike.pictures.formats import EXTENSIONS

    assert set(added_folder._ENDINGS.values()) <= EXTENSIONS
