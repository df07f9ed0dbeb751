"""Unpacking: what is written where, that it is written once, and what happens when something goes wrong."""

from __future__ import annotations

import datetime
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from lookalike.errors import LookalikeError, SkipReason, TableError
from lookalike.layouts import unpacking
from lookalike.layouts.unpacking import Absent, Encoded, File, Packed, Picture, Portion, unpack
from packed_sets import small_png


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Source:
    """A packed file that counts how often it is read."""

    def __init__(
        self, folder: Path, *pictures: Picture, split: str = "train", label: str | None = "cat"
    ) -> None:
        self.folder, self.pictures, self.split, self.label, self.reads = folder, pictures, split, label, 0
        folder.mkdir(exist_ok=True)
        (folder / "packed").write_bytes(b"one")

    def packed(self, **changes: Any) -> Packed:
        return Packed(**{"name": "set", "folder": self.folder, "files": (self.folder / "packed",), **changes})

    def portions(self) -> Iterator[Portion]:
        self.reads += 1
        labels = pl.Series([self.label] * len(self.pictures), dtype=pl.String)
        frame = pl.DataFrame({"label": labels, "n": range(len(self.pictures))})
        yield Portion(self.split, frame, self.pictures, ("packed", 1))


PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
PNG = Encoded(small_png(9))


def test_pixels_are_kept_to_the_bit(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PIXELS)
    contents = unpack(source.packed(), source.portions)
    assert contents.frame.to_dict(as_series=False) == {
        "image": ["train/cat/000001.png"],
        "label": ["cat"],
        "n": [0],
    }
    with Image.open(contents.root / "train/cat/000001.png") as image:
        assert np.array_equal(np.asarray(image), PIXELS)


@pytest.mark.parametrize(
    ("content", "name", "extension"),
    [
        (b"\xff\xd8\xff\xe0", "a.png", ".jpg"),
        (b"\x89PNG\r\n\x1a\n", "", ".png"),
        (b"GIF89a", "", ".gif"),
        (b"RIFF\x10\x00\x00\x00WEBP", "", ".webp"),
        (b"II*\0", "", ".tif"),
        (b"MM\0*", "", ".tif"),
        (b"\0\0\0\x1cftypavif", "", ".avif"),
        (b"\0\0\0\x1cftypheic", "", ".heic"),
        (b"\xff\x4f\xff\x51", "", ".jp2"),
        (b"BM\0\0", "", ".bmp"),
        (b"\0\0\x02\0", "a.TGA", ".tga"),
        (b"text", "a.txt", ".bin"),
        (b"text", "", ".bin"),
    ],
)
def test_encoded_pictures_are_written_as_they_are(
    tmp_path: Path, content: bytes, name: str, extension: str
) -> None:
    source = Source(tmp_path / "set", Encoded(content, name))
    contents = unpack(source.packed(), source.portions)
    assert contents.frame["image"][0] == f"train/cat/000001{extension}"
    assert (contents.root / contents.frame["image"][0]).read_bytes() == content


@pytest.mark.parametrize(
    ("split", "label", "folder"),
    [
        ("train", "a/b", "train/a_b"),
        ("train", "../../etc", "train/_etc"),
        ("train", ".hidden", "train/_hidden"),
        ("train", "CON", "train/_con"),
        ("train", "großes Haus", "train/gro_es_haus"),
        ("train", "犬", "train/_"),
        ("train", "x" * 300, "train/" + "x" * 60),
        ("train", None, "train/unlabelled"),
        ("train", "", "train/unlabelled"),
        ("../x", "cat", "_x/cat"),
    ],
)
def test_folders_have_safe_names(tmp_path: Path, split: str, label: str | None, folder: str) -> None:
    source = Source(tmp_path / "set", PNG, split=split, label=label)
    contents = unpack(source.packed(), source.portions)
    assert contents.frame["image"][0] == f"{folder}/000001.png"
    assert contents.frame["label"][0] == label
    assert (contents.root / contents.frame["image"][0]).is_file()


def test_labels_that_share_a_folder_keep_their_pictures(tmp_path: Path) -> None:
    source = Source(tmp_path / "set")

    def portions() -> Iterator[Portion]:
        for split, label, value in (("a b", "x/y", 1), ("a_b", "x_y", 2), ("a_b", "X y", 3)):
            yield Portion(split, pl.DataFrame({"label": [label]}), [Encoded(small_png(value))], ("packed", 1))

    contents = unpack(source.packed(), portions)
    assert contents.frame["image"].n_unique() == 3
    assert contents.frame["label"].to_list() == ["x/y", "x_y", "X y"]
    written = [(contents.root / image).read_bytes() for image in contents.frame["image"]]
    assert written == [small_png(1), small_png(2), small_png(3)]


def test_no_folder_gets_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "_FULL_FOLDER", 10)
    source = Source(tmp_path / "set", *[Encoded(b"x")] * 21)
    images = unpack(source.packed(), source.portions).frame["image"]
    assert images[9] == "train/cat/000010.bin"
    assert images[10] == "train/cat/1/000011.bin"
    assert images[20] == "train/cat/2/000021.bin"


def test_rows_without_a_picture_are_left_out_and_said(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG, Absent(SkipReason.EMPTY, "0 bytes"), PNG)
    contents = unpack(source.packed(), source.portions)
    assert contents.frame["n"].to_list() == [0, 2]
    assert contents.frame["image"].to_list() == ["train/cat/000001.png", "train/cat/000003.png"]
    (skipped,) = contents.skipped
    assert (skipped.path, skipped.reason, skipped.detail) == ("packed: row 2", SkipReason.EMPTY, "0 bytes")


def test_a_set_without_pictures_is_an_error(tmp_path: Path) -> None:
    for pictures, saw in (((), "no rows"), ([Absent(SkipReason.EMPTY, "")] * 2, "2 rows without one")):
        source = Source(tmp_path / "set", *pictures)
        with pytest.raises(TableError, match=f"no pictures in the data set - .* - saw {saw} - unpack"):
            unpack(source.packed(), source.portions)


def test_pictures_with_files_of_their_own_stay_where_they_are(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", File("a/b.png"), File("/c.png"))
    contents = unpack(source.packed(), source.portions)
    assert contents.frame["image"].to_list() == [f"{tmp_path}/set/a/b.png", "/c.png"]
    assert contents.notes == ()
    shutil.copytree(tmp_path / "set", tmp_path / "copy")
    moved = source.packed(folder=tmp_path / "copy", files=(tmp_path / "copy" / "packed",))
    assert unpack(moved, source.portions).frame["image"][0] == f"{tmp_path}/copy/a/b.png"
    assert source.reads == 1


def test_it_is_done_once(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG, Absent(SkipReason.MISSING, "x"))
    first = unpack(source.packed(), source.portions)
    again = unpack(source.packed(), source.portions)
    assert source.reads == 1
    assert again.frame.equals(first.frame)
    assert (again.root, again.skipped, again.notes) == (first.root, first.skipped, first.notes)
    assert f"of {tmp_path / 'set'} lie unpacked in {first.root}, which may be deleted" in first.notes[0]


def test_the_same_content_elsewhere_is_the_same(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG)
    first = unpack(source.packed(), source.portions)
    shutil.copytree(tmp_path / "set", tmp_path / "copy")
    moved = source.packed(folder=tmp_path / "copy", files=(tmp_path / "copy" / "packed",))
    assert unpack(moved, source.portions).root == first.root


@pytest.mark.parametrize("changes", [{"options": "label=x"}, {"name": "other"}])
def test_what_is_asked_for_otherwise_is_unpacked_apart(tmp_path: Path, changes: dict[str, str]) -> None:
    source = Source(tmp_path / "set", PNG)
    first = unpack(source.packed(), source.portions)
    assert unpack(source.packed(**changes), source.portions).root != first.root


def settle(folder: Path) -> None:
    """Make everything older than the clock's step, as it is in life."""
    for file in (folder / "packed", *folder.parent.glob("cache/unpacked/known/*")):
        facts = file.stat()
        ahead = 10**10 if "known" in file.parts else 0
        os.utime(file, ns=(facts.st_atime_ns, time.time_ns() + ahead))


def test_unchanged_files_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(tmp_path / "set", PNG)
    settle(tmp_path / "set")
    first = unpack(source.packed(), source.portions)
    settle(tmp_path / "set")
    unpack(source.packed(), source.portions)  # remembers the hash of the files as they are now
    for known in (tmp_path / "cache" / "unpacked" / "known").iterdir():
        os.utime(known, ns=(time.time_ns() + 10**10,) * 2)
    monkeypatch.setattr(unpacking, "_hash", None)
    assert unpack(source.packed(), source.portions).root == first.root


def test_a_change_within_the_clocks_step_is_seen(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG)
    first = unpack(source.packed(), source.portions)
    facts = (tmp_path / "set" / "packed").stat()
    (tmp_path / "set" / "packed").write_bytes(b"two")
    os.utime(tmp_path / "set" / "packed", ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert unpack(source.packed(), source.portions).root != first.root


def test_what_is_remembered_wrongly_is_not_believed(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG)
    first = unpack(source.packed(), source.portions)
    for known in (tmp_path / "cache" / "unpacked" / "known").iterdir():
        known.write_text("../../../etc")
        os.utime(known, ns=(time.time_ns() + 10**10,) * 2)
    assert unpack(source.packed(), source.portions).root == first.root


@pytest.mark.parametrize("deleted", ["train/cat/000002.png", "rows.parquet", "facts.json", "train"])
def test_a_folder_that_lost_something_is_made_again(tmp_path: Path, deleted: str) -> None:
    source = Source(tmp_path / "set", PNG, PNG)
    contents = unpack(source.packed(), source.portions)
    lost = contents.root / deleted
    if lost.is_dir():
        shutil.rmtree(lost)
    else:
        lost.unlink()
    again = unpack(source.packed(), source.portions)
    assert again.root == contents.root
    assert all((again.root / image).is_file() for image in again.frame["image"])


@pytest.mark.parametrize("name", ["rows.parquet", "facts.json"])
def test_a_table_that_was_cut_short_is_made_again(tmp_path: Path, name: str) -> None:
    source = Source(tmp_path / "set", PNG, PNG)
    contents = unpack(source.packed(), source.portions)
    (contents.root / name).write_bytes(b"")
    assert unpack(source.packed(), source.portions).frame.equals(contents.frame)
    assert source.reads == 2


@pytest.mark.parametrize(
    "facts",
    ["{}", "[]", "5", '{"files": 2}', '{"files": 2, "rows": null, "skipped": []}', "[" * 100_000],
)
def test_facts_that_say_nothing_are_made_again(tmp_path: Path, facts: str) -> None:
    source = Source(tmp_path / "set", PNG, PNG)
    contents = unpack(source.packed(), source.portions)
    (contents.root / "facts.json").write_text(facts)
    assert unpack(source.packed(), source.portions).frame.equals(contents.frame)
    assert source.reads == 2


def test_skipped_rows_that_are_damaged_are_made_again(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG, PNG)
    facts = unpack(source.packed(), source.portions).root / "facts.json"
    facts.write_text(json.dumps({**json.loads(facts.read_bytes()), "skipped": [{"path": "a"}]}))
    assert unpack(source.packed(), source.portions).skipped == ()
    assert source.reads == 2


def test_files_that_file_managers_leave_do_no_harm(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG)
    contents = unpack(source.packed(), source.portions)
    (contents.root / ".DS_Store").touch()
    unpack(source.packed(), source.portions)
    assert source.reads == 1


def test_a_file_that_changes_meanwhile_is_an_error(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG)

    def portions() -> Iterator[Portion]:
        yield from source.portions()
        (tmp_path / "set" / "packed").write_bytes(b"longer than before")

    with pytest.raises(
        TableError, match=r"files changed while they were read - .* - saw another size or time"
    ):
        unpack(source.packed(), portions)
    assert not list((tmp_path / "cache" / "unpacked").glob("set*/"))


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    source = Source(tmp_path / "set", PNG)
    (tmp_path / "set" / "packed").unlink()
    with pytest.raises(TableError, match=r"a file of the data set is missing - .*packed"):
        unpack(source.packed(), source.portions)


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source(tmp_path / "set", PNG)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(hashlib, "file_digest", refuse)
    with pytest.raises(TableError, match=r"data set cannot be read - .*packed - saw Permission denied"):
        unpack(source.packed(), source.portions)


@pytest.mark.parametrize("picture", [PNG, PIXELS], ids=["encoded", "pixels"])
def test_a_full_disk_is_one_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, picture: Picture) -> None:
    source = Source(tmp_path / "set", picture)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_bytes", full)
    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(
        LookalikeError, match=r"cache cannot be written - .* - saw No space left.*LOOKALIKE_CACHE"
    ):
        unpack(source.packed(), source.portions)
    assert not list((tmp_path / "cache" / "unpacked").glob("set*/"))


def test_columns_of_different_kinds_are_an_error(tmp_path: Path) -> None:
    source = Source(tmp_path / "set")

    def portions() -> Iterator[Portion]:
        for value in (True, datetime.date(2026, 1, 1)):
            yield Portion("train", pl.DataFrame({"label": ["cat"], "n": [value]}), [PNG], ("packed", 1))

    with pytest.raises(TableError, match="columns of different kinds"):
        unpack(source.packed(), portions)
