"""Folders of pictures with a metadata file, as `datasets` reads them."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from lookalike.errors import TableError
from lookalike.layouts.hugging_face import HUGGING_FACE
from lookalike.layouts.image_folder import has_metadata, read_image_folder

CSV = "file_name,label,size\na.png,cat,1\nb/c.png,dog,2\n"
JSONL = (
    '{"file_name": "a.png", "label": "cat", "size": 1}\n{"file_name": "b/c.png", "label": "dog", "size": 2}\n'
)


def write(folder: Path, name: str, content: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


@pytest.mark.parametrize("place", ["", "data/"])
@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl", "metadata.parquet"])
def test_each_kind_of_file(tmp_path: Path, name: str, place: str) -> None:
    write(tmp_path, place + name, JSONL if "json" in name else CSV)
    if name.endswith("parquet"):
        pl.read_csv(CSV.encode()).write_parquet(tmp_path / place / name)
    assert HUGGING_FACE.recognises(tmp_path)
    contents = HUGGING_FACE.read(tmp_path)
    assert contents.root == tmp_path
    assert contents.frame.to_dict(as_series=False) == {
        "image": [f"{place}a.png", f"{place}b/c.png"],
        "label": ["cat", "dog"],
        "size": [1, 2],
    }
    assert contents.notes == ()


def test_a_file_for_every_split(tmp_path: Path) -> None:
    write(tmp_path, "train/metadata.csv", CSV)
    write(tmp_path, "validation/metadata.csv", CSV + "d.png,,3\n")
    frame = read_image_folder(tmp_path).frame
    assert frame["image"].to_list() == [
        "train/a.png",
        "train/b/c.png",
        "validation/a.png",
        "validation/b/c.png",
        "validation/d.png",
    ]
    assert frame["split"].to_list() == ["train"] * 2 + ["val"] * 3
    assert frame["label"].to_list() == ["cat", "dog", "cat", "dog", None]


def test_one_split_is_none(tmp_path: Path) -> None:
    write(tmp_path, "train/metadata.csv", CSV)
    frame = read_image_folder(tmp_path).frame
    assert frame["image"][0] == "train/a.png"
    assert "split" not in frame.columns


def test_absolute_paths_stay(tmp_path: Path) -> None:
    write(tmp_path, "train/metadata.csv", "file_name\n/x/a.png\n")
    assert read_image_folder(tmp_path).frame["image"].to_list() == ["/x/a.png"]


def test_columns_can_be_named(tmp_path: Path) -> None:
    text = "file_name,mask_file_name,label,kind,image\na.png,m.png,cat,x,old\n"
    write(tmp_path, "metadata.csv", text)
    frame = HUGGING_FACE.options["image=mask_file_name+label=kind"](tmp_path).frame
    assert frame.to_dict(as_series=False) == {
        "image": ["m.png"],
        "label": ["x"],
        "file_name": ["a.png"],
        "published_label": ["cat"],
        "published_image": ["old"],
    }


@pytest.mark.parametrize("files", ["a.png,x\ndog/b.png,y", "all/a.png,x\nall/b.png,y"])
def test_without_labels_it_says_how_to_name_them(tmp_path: Path, files: str) -> None:
    write(tmp_path, "metadata.csv", f"file_name,text\n{files}\n")
    contents = read_image_folder(tmp_path)
    assert contents.notes == (
        "no column is known to be the label: name one with hugging-face+label=COLUMN:FOLDER",
    )
    assert contents.frame["label"].to_list() == [None, None]


def test_folders_are_labels_where_no_column_is(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write(tmp_path, f"{split}/metadata.csv", "file_name,text\ncat/a.png,x\ndog/b/c.png,y\n")
    contents = read_image_folder(tmp_path)
    assert contents.frame.columns == ["image", "label", "text", "split"]
    assert contents.frame["label"].to_list() == ["cat", "dog"] * 2
    assert contents.frame["image"][1] == "train/dog/b/c.png"
    assert contents.notes == ("no column is called label: the labels are the names of the pictures' folders",)


def test_pictures_that_no_row_names_are_counted(tmp_path: Path) -> None:
    write(tmp_path, "train/metadata.csv", f"{CSV}{tmp_path}/f.png,dog,3\n")
    names = "f.png train/a.png train/b/c.png train/b/d.png train/.hidden.png e.png notes.txt"
    for name in names.split():
        write(tmp_path, name, "")
    note = "pictures of the folder that no row names, and were left out: 2"
    assert read_image_folder(tmp_path).notes == (note,)


def test_nested_columns_are_left_out(tmp_path: Path) -> None:
    write(
        tmp_path, "metadata.jsonl", '{"file_name": "a.png", "label": "cat", "objects": {"bbox": [[1, 2]]}}\n'
    )
    contents = read_image_folder(tmp_path)
    assert contents.frame.columns == ["image", "label"]
    assert contents.notes == ("columns that are neither text nor numbers, and were left out: objects",)


def test_notes_of_the_file_are_kept(tmp_path: Path) -> None:
    write(tmp_path, "metadata.csv", "file_name,label\na.png,cat\n,\n")
    (note,) = read_image_folder(tmp_path).notes
    assert "empty lines" in note


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("metadata.csv", "image,label\na.png,cat\n"),
        ("metadata.jsonl", '{"image": "a.png"}\n'),
        ("metadata.jsonl", "{"),
        ("metadata.jsonl", "5"),
        ("metadata.parquet", "none"),
        ("other.csv", CSV),
    ],
)
def test_other_files_are_not_meant(tmp_path: Path, name: str, content: str) -> None:
    write(tmp_path, name, content)
    assert not has_metadata(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "options", "beats"),
    [
        ("metadata.csv", "file_name,label\n", {}, "a file lists nothing - .*metadata.csv - saw no rows"),
        ("metadata.csv", "file_name\na\n", {"label": "x"}, "no column x - .* saw file_name - .*label=COLUMN"),
        ("metadata.csv", "file_name\na\n", {"image": "x"}, "no column x - .* saw file_name - .*image=COLUMN"),
        (
            "metadata.csv",
            "file_name,label\na.png,1\n./a.png,2\n",
            {},
            "a picture is listed twice - .* saw a.png",
        ),
        ("metadata.csv", "file_name,label\n,cat\n", {}, "names no picture - .*metadata.csv: row 1"),
        ("metadata.csv", "file_name\nhttp://x/a.png\n", {}, "a row names a URL"),
        ("metadata.csv", 'file_name\n"a\n', {}, "metadata.csv"),
        (
            "metadata.jsonl",
            '{"file_name": "a"}\n{"file_name": \n',
            {},
            "cannot be read - .*metadata.jsonl - saw",
        ),
    ],
)
def test_what_cannot_be_used_is_an_error(
    tmp_path: Path, name: str, content: str, options: dict[str, str], beats: str
) -> None:
    write(tmp_path, name, content)
    assert has_metadata(tmp_path)
    with pytest.raises(TableError, match=beats):
        read_image_folder(tmp_path, **options)


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "metadata.csv", CSV)

    def refuse(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(TableError, match=r"cannot be read - .*metadata.csv - saw Permission denied"):
        read_image_folder(tmp_path)
