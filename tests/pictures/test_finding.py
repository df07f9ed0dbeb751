"""Pictures below a folder: which files count, which are left out and why."""

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from lookalike.errors import SkipReason, TableError
from lookalike.pictures.finding import (
    any_there,
    empty_place,
    find_images,
    is_gone,
    looks_like_image,
    printable,
)


def picture(path: Path, kind: str = "PNG") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 3), "red").save(path, kind)
    return path


def reasons(root: Path) -> dict[str, SkipReason]:
    return {entry.path: entry.reason for entry in find_images(root).skipped}


def test_the_order_is_that_of_the_bytes_of_the_whole_path(tmp_path: Path) -> None:
    names = ["b/1.png", "b-c/1.png", "a.png", "B/z.png", "é/1.png", "b/10.png", "b/2.png", "日/1.png"]
    for name in names:
        picture(tmp_path / name)
    assert find_images(tmp_path).paths == tuple(sorted(names, key=str.encode))


def test_other_files_are_ignored_quietly(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    for name in (
        "attributes.csv",
        "README.md",
        "notes.txt",
        "a/.DS_Store",
        "a/Thumbs.db",
        "a/empty",
        "a/BM.txt",
    ):
        (tmp_path / name).write_bytes(b"" if name.endswith("empty") else b"BMW and II and P6\n")
    found = find_images(tmp_path)
    assert found.paths == ("a/1.png",)
    assert found.skipped == ()


def test_hidden_files_and_folders_are_ignored(tmp_path: Path) -> None:
    picture(tmp_path / ".hidden" / "1.png")
    picture(tmp_path / "a" / "._1.png")
    (tmp_path / ".loop").symlink_to(".")
    assert find_images(tmp_path).paths == ()
    assert find_images(tmp_path).skipped == ()


@pytest.mark.parametrize(
    "kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000", "DDS", "QOI"]
)
def test_content_tells_a_picture_without_an_extension(tmp_path: Path, kind: str) -> None:
    path = picture(tmp_path / "upload", kind)
    assert looks_like_image(path)
    assert find_images(tmp_path).paths == ("upload",)


def test_heic_is_told_by_content(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert find_images(tmp_path).paths == ("upload",)


@pytest.mark.parametrize("name", ["a.JPG", "a.Jpeg", "a.tga", "a.heic"])
def test_the_extension_is_enough(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"not a picture")
    assert find_images(tmp_path).paths == (name,)


def test_links_to_files_are_followed_and_links_to_folders_are_not(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    (tmp_path / "a" / "2.png").symlink_to("1.png")
    (tmp_path / "a" / "up").symlink_to("..")
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "one.png").symlink_to("two.png")
    (tmp_path / "two.png").symlink_to("one.png")
    assert find_images(tmp_path).paths == ("a/1.png", "a/2.png")
    assert reasons(tmp_path) == dict.fromkeys(
        ("a/up", "b", "one.png", "self", "two.png"), SkipReason.LINK_LOOP
    )


def test_a_dangling_link_is_missing(tmp_path: Path) -> None:
    for name in ("gone.png", "gone", "gone.txt"):
        (tmp_path / name).symlink_to("nowhere")
    assert reasons(tmp_path) == {"gone": SkipReason.MISSING, "gone.png": SkipReason.MISSING}


def test_a_name_that_is_not_utf8_is_skipped_and_printable(tmp_path: Path) -> None:
    picture(tmp_path / "a" / "1.png")
    raw = os.fsdecode(b"caf\xe9.png")
    picture(tmp_path / "a" / raw)
    picture(tmp_path / os.fsdecode(b"\xff") / "1.png")
    (tmp_path / os.fsdecode(b"\xfe.txt")).write_text("no picture")
    assert find_images(tmp_path).paths == ("a/1.png",)
    assert reasons(tmp_path) == {"a/caf\ufffd.png": SkipReason.BAD_NAME, "\ufffd/1.png": SkipReason.BAD_NAME}
    assert printable(raw) == "caf\ufffd.png"


def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    os.mkfifo(tmp_path / "pipe")
    assert find_images(tmp_path).paths == ()
    assert reasons(tmp_path) == {"pipe.png": SkipReason.UNREADABLE}


def refuse(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Permission bits do not stop the superuser, so the refusal is played."""
    scandir = os.scandir

    def guarded(path: Path) -> Any:
        if path.name == name:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)


def test_a_folder_that_cannot_be_listed_is_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path / "a" / "1.png")
    picture(tmp_path / "locked" / "1.png")
    refuse(monkeypatch, "locked")
    assert find_images(tmp_path).paths == ("a/1.png",)
    assert reasons(tmp_path) == {"locked/": SkipReason.UNREADABLE}


def test_a_root_that_cannot_be_listed_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TableError, match=r"cannot be listed - .*nowhere - saw No such file"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(TableError, match="Not a directory"):
        find_images(picture(tmp_path / "a.png"))
    refuse(monkeypatch, tmp_path.name)
    with pytest.raises(TableError, match="Permission denied"):
        find_images(tmp_path)


def test_a_linked_root_is_followed(tmp_path: Path) -> None:
    picture(tmp_path / "real" / "1.png")
    (tmp_path / "link").symlink_to("real")
    assert find_images(tmp_path / "link").paths == ("1.png",)


def test_any_of_many_names(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "there.png").touch()
    assert any_there(tmp_path, ["x.png", "nul\0", "y" * 300, "a/there.png"])
    assert any_there(Path("/nowhere"), [str(tmp_path / "a" / "there.png")])
    assert not any_there(tmp_path, ["x.png", "nul\0", "there.png"])
    assert not any_there(tmp_path, [])


def test_a_folder_in_the_place_of_a_file_is_no_such_file(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file.png").touch()
    names = ("folder.png", "file.png", "none.png", "a\0b")
    assert [is_gone(str(tmp_path / name)) for name in names] == [True, False, True, False]


def test_the_nearest_folder_that_is_there_is_an_empty_place_where_it_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / ".hidden").touch()
    for name in ("empty/a.png", "empty/deep/er/a.png"):
        assert empty_place(str(tmp_path / name)) == str(tmp_path / "empty")
    for name in ("full/a.png", "full/deep/a.png", "none/a.png", "full/.hidden/a.png", "empty/a\0b/c.png"):
        assert empty_place(str(tmp_path / name)) == ""
