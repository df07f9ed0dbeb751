"""Data set folders of the library `datasets`: each form it has on disk, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lookalike.errors import SkipReason, TableError
from lookalike.layouts import shards
from lookalike.layouts.hugging_face import HUGGING_FACE, read_hugging_face
from lookalike.layouts.shards import find_shards
from lookalike.tables.table import ImageTable
from packed_sets import IMAGE, classes, small_png, table, write_parquet, write_saved

DESCRIPTION = {
    "image": IMAGE,
    "label": classes(["cat", "dog/wolf"]),
    "n": {"dtype": "int64", "_type": "Value"},
}


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))


def some(first: int = 0) -> pl.DataFrame:
    """Three pictures of two classes."""
    contents = [small_png(value) for value in range(first, first + 3)]
    return table("image", contents, label=[0, 1, 0], n=[first, first + 1, first + 2])


EXPECTED = {
    "image": [
        *("train/cat/000001.png", "train/dog_wolf/000002.png", "train/cat/000003.png"),
        *("test/cat/000001.png", "test/dog_wolf/000002.png", "test/cat/000003.png"),
    ],
    "label": ["cat", "dog/wolf", "cat"] * 2,
    "n": [0, 1, 2, 10, 11, 12],
    "split": ["train"] * 3 + ["test"] * 3,
}


@pytest.mark.parametrize(
    "names",
    [
        ("data/train-00000-of-00001.parquet", "data/test-00000-of-00001.parquet"),
        ("data/train-00000-of-00001-a1b2c3d4e5f60718.parquet", "data/test-00000-of-00001-ff.parquet"),
        ("plain_text/train-00000-of-00001.parquet", "plain_text/test-00000-of-00001.parquet"),
        ("train-00000-of-00001.parquet", "test-00000-of-00001.parquet"),
        ("default/train/0000.parquet", "default/test/0000.parquet"),
        ("train/0000.parquet", "test/0000.parquet"),
        ("train.parquet", "test.parquet"),
        ("data/train.parquet", "data/test.parquet"),
    ],
)
def test_parquet_as_on_the_hub(tmp_path: Path, names: tuple[str, str]) -> None:
    folder = tmp_path / "set"
    write_parquet(folder / names[0], some(0), DESCRIPTION)
    write_parquet(folder / names[1], some(10), DESCRIPTION)
    (folder / "README.md").touch()
    assert HUGGING_FACE.recognises(folder)
    contents = HUGGING_FACE.read(folder)
    assert contents.frame.to_dict(as_series=False) == EXPECTED
    assert [(contents.root / image).read_bytes() for image in contents.frame["image"]] == [
        small_png(value) for value in (0, 1, 2, 10, 11, 12)
    ]


def test_a_dictionary_that_was_saved_to_disk(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    write_saved(folder / "train", [some(0)[:2], some(0)[2:]], DESCRIPTION, split="train")
    write_saved(folder / "test", [some(10)], DESCRIPTION, split="test")
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert HUGGING_FACE.recognises(folder)
    assert HUGGING_FACE.read(folder).frame.to_dict(as_series=False) == EXPECTED


@pytest.mark.parametrize("split", [None, "train"])
def test_one_data_set_that_was_saved_to_disk(tmp_path: Path, split: str | None) -> None:
    write_saved(tmp_path / "set", [some()], DESCRIPTION, split=split)
    assert HUGGING_FACE.recognises(tmp_path / "set")
    contents = HUGGING_FACE.read(tmp_path / "set")
    assert contents.frame.columns == ["image", "label", "n"]
    assert "all pictures are in one split, train, so the table has none" in contents.notes


def test_pictures_that_lie_beside_the_data_set(tmp_path: Path) -> None:
    frame = some().with_columns(
        pl.Series("image", [{"bytes": None, "path": name} for name in ("a.png", "/b.png", "http://x/c.png")])
    )
    write_saved(tmp_path / "set", [frame.cast({"image": some().schema["image"]})], DESCRIPTION)
    contents = HUGGING_FACE.read(tmp_path / "set")
    assert contents.frame["image"].to_list() == [f"{tmp_path}/set/a.png", "/b.png"]
    (skipped,) = contents.skipped
    assert (skipped.path, skipped.reason) == ("data-00000-of-00001.arrow: row 3", SkipReason.MISSING)
    assert skipped.detail == "it lies elsewhere: http://x/c.png"


def test_null_pictures_are_left_out(tmp_path: Path) -> None:
    frame = table("image", [None, small_png(1)], label=[0, 1], n=[1, 2])
    write_parquet(tmp_path / "set" / "train-00000-of-00001.parquet", frame, DESCRIPTION)
    contents = HUGGING_FACE.read(tmp_path / "set")
    assert contents.frame["label"].to_list() == ["dog/wolf"]
    assert [skip.path for skip in contents.skipped] == ["train-00000-of-00001.parquet: row 1"]


def test_splits_in_order_with_validation(tmp_path: Path) -> None:
    for name in ("test", "validation", "train"):
        write_parquet(tmp_path / "set" / "data" / f"{name}-00000-of-00001.parquet", some(), DESCRIPTION)
    splits = HUGGING_FACE.read(tmp_path / "set").frame["split"]
    assert splits.to_list() == ["train"] * 3 + ["val"] * 3 + ["test"] * 3


def test_other_splits_are_an_attribute(tmp_path: Path) -> None:
    for name in ("train", "extra"):
        write_parquet(tmp_path / "set" / "data" / f"{name}-00000-of-00001.parquet", some(), DESCRIPTION)
    contents = HUGGING_FACE.read(tmp_path / "set")
    assert contents.frame["published_split"].to_list() == ["train"] * 3 + ["extra"] * 3
    assert "split" not in contents.frame.columns
    assert "the splits are kept as the attribute published_split: train, extra" in contents.notes


def test_several_configurations_are_asked_for(tmp_path: Path) -> None:
    for name in ("fine", "coarse"):
        write_parquet(tmp_path / "set" / name / "train-00000-of-00001.parquet", some(), DESCRIPTION)
    with pytest.raises(
        TableError, match=r"several configurations - .* saw coarse, fine.*name its folder.*/set/coarse"
    ):
        HUGGING_FACE.read(tmp_path / "set")
    assert len(HUGGING_FACE.read(tmp_path / "set" / "fine").frame) == 3


def two_classes(folder: Path) -> None:
    frame = some().with_columns(kind=pl.Series([1, 1, 0]))
    description = {**DESCRIPTION, "kind": classes(["big", "small"]), "kinder": classes(["a"])}
    frame = frame.rename({"label": "sort"})
    description["sort"] = description.pop("label")
    write_parquet(folder / "train-00000-of-00001.parquet", frame, description)


def test_columns_can_be_named(tmp_path: Path) -> None:
    two_classes(tmp_path / "set")
    with pytest.raises(
        TableError, match=r"several columns could be the label .* saw sort, kind.*\+label=sort:FOLDER"
    ):
        HUGGING_FACE.read(tmp_path / "set")
    frame = HUGGING_FACE.options["image=image+label=kind"](tmp_path / "set").frame
    assert frame["label"].to_list() == ["small", "small", "big"]
    assert frame["sort"].to_list() == ["cat", "dog/wolf", "cat"]
    frame = HUGGING_FACE.options["label=sort"](tmp_path / "set").frame
    assert frame["label"].to_list() == ["cat", "dog/wolf", "cat"]


def test_a_table_is_read_by_name_with_its_columns(tmp_path: Path) -> None:
    two_classes(tmp_path / "set")
    table = ImageTable.read(f"hugging-face+label=kind:{tmp_path / 'set'}")
    assert table.classes == ("big", "small")
    assert all(path.is_file() for path in table.paths)
    with pytest.raises(TableError, match=r"no such option - .* wanted image=COLUMN or label=COLUMN"):
        ImageTable.read(f"hugging-face+lable=kind:{tmp_path / 'set'}")


@pytest.mark.parametrize("option", ["", "label", "label=", "lable=x", "label=a+x", "label=a+colour=b"])
def test_other_options_are_none(option: str) -> None:
    assert option not in HUGGING_FACE.options
    assert list(HUGGING_FACE.options) == ["image=COLUMN", "label=COLUMN"]
    assert len(HUGGING_FACE.options) == 2


def test_classes_are_named_as_each_file_says(tmp_path: Path) -> None:
    other = {**DESCRIPTION, "label": classes(["bird", "cow"])}
    write_parquet(tmp_path / "set" / "train-00000-of-00001.parquet", some(), DESCRIPTION)
    write_parquet(tmp_path / "set" / "test-00000-of-00001.parquet", some(), other)
    frame = HUGGING_FACE.read(tmp_path / "set").frame
    assert frame["label"].to_list() == ["cat", "dog/wolf", "cat", "bird", "cow", "bird"]


def test_attributes_can_be_renamed(tmp_path: Path) -> None:
    write_parquet(tmp_path / "set" / "train-00000-of-00001.parquet", some(), DESCRIPTION)
    assert "number" in read_hugging_face(tmp_path / "set", rename={"n": "number"}).frame.columns


@pytest.mark.parametrize("portion", [1, 2, 512])
def test_files_are_read_in_portions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, portion: int) -> None:
    monkeypatch.setattr(shards, "_PORTION_ROWS", portion)
    monkeypatch.setattr(shards, "_PORTION_BYTES", 1)
    write_parquet(tmp_path / "set" / "train-00000-of-00001.parquet", some(), DESCRIPTION)
    (shard,) = find_shards(tmp_path / "set")
    assert max(len(part) for part in shard.portions(["n"])) <= portion
    assert HUGGING_FACE.read(tmp_path / "set").frame["n"].to_list() == [0, 1, 2]


@pytest.mark.parametrize("name", ["train-00000-of-00001.parquet", "data-00000-of-00001.arrow"])
def test_damaged_files_are_errors(tmp_path: Path, name: str) -> None:
    if name.endswith(".arrow"):
        write_saved(tmp_path / "set", [some()], DESCRIPTION)
    else:
        write_parquet(tmp_path / "set" / name, some(), DESCRIPTION)
    (tmp_path / "set" / name).write_bytes(b"no table at all, but some text")
    assert HUGGING_FACE.recognises(tmp_path / "set")
    with pytest.raises(
        TableError, match=rf"a file of the data set cannot be read - .*{name} - saw .* - unpack"
    ):
        HUGGING_FACE.read(tmp_path / "set")


def test_files_that_are_cut_short_are_errors(tmp_path: Path) -> None:
    write_saved(tmp_path / "set", [some()], DESCRIPTION)
    path = tmp_path / "set" / "data-00000-of-00001.arrow"
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(TableError, match=r"a file of the data set cannot be read"):
        HUGGING_FACE.read(tmp_path / "set")


def test_what_is_damaged_inside_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "set" / "train-00000-of-00001.parquet"
    write_parquet(path, some(), DESCRIPTION)
    content = bytearray(path.read_bytes())
    content[4 : len(content) // 4] = bytes(len(content) // 4 - 4)
    path.write_bytes(content)
    with pytest.raises(TableError, match="a file of the data set cannot be read"):
        HUGGING_FACE.read(tmp_path / "set")


@pytest.mark.parametrize(
    ("damage", "beats"),
    [
        (lambda folder: (folder / "dataset_info.json").unlink(), "data set is missing - .*dataset_info.json"),
        (
            lambda folder: (folder / "dataset_info.json").write_text("{"),
            "cannot be read - .*dataset_info.json",
        ),
        (lambda folder: (folder / "state.json").write_text("[]"), "no files of a data set"),
        (
            lambda folder: (folder / "state.json").write_text('{"_data_files": [{"filename": 5}]}'),
            "cannot be one of its own - .*state.json - saw int, wanted names of what lies in its",
        ),
        (lambda folder: (folder / "state.json").write_text('{"_data_files": 5}'), "no files of"),
        (lambda folder: (folder / "state.json").write_text("[" * 100_000), "cannot be read - .*state.json"),
        (
            lambda folder: (folder / "data-00000-of-00001.arrow").unlink(),
            "missing - .*data-00000-of-00001.arrow",
        ),
    ],
)
def test_saved_folders_that_lack_something(tmp_path: Path, damage: Any, beats: str) -> None:
    write_saved(tmp_path / "set", [some()], DESCRIPTION)
    damage(tmp_path / "set")
    with pytest.raises(TableError, match=beats):
        HUGGING_FACE.read(tmp_path / "set")


@pytest.mark.parametrize("name", ["/x/a.arrow", "../a.arrow", "a/../../b.arrow", "a\0.arrow"])
def test_files_outside_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    saved, several = tmp_path / "saved", tmp_path / "several"
    write_saved(saved, [some()], DESCRIPTION)
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": name}]}))
    several.mkdir()
    (several / "dataset_dict.json").write_text(json.dumps({"splits": ["train", name]}))
    write_saved(several / "train", [some()], DESCRIPTION)
    for folder in (saved, several):
        assert HUGGING_FACE.recognises(folder)
        with pytest.raises(TableError) as caught:
            HUGGING_FACE.read(folder)
        assert caught.value.what == "a data set names a file that cannot be one of its own"
        assert caught.value.saw == repr(name)


@pytest.mark.parametrize(("names", "saw"), [(5, "int"), ("ab", "str"), ([["a"]], "a list of other things")])
def test_names_of_classes_that_are_none(tmp_path: Path, names: Any, saw: str) -> None:
    description = {**DESCRIPTION, "label": {"_type": "ClassLabel", "names": names}}
    write_saved(tmp_path / "set", [some()], description)
    with pytest.raises(TableError, match=rf"column label have no names - .*arrow - saw {saw}, wanted"):
        HUGGING_FACE.read(tmp_path / "set")


@pytest.mark.parametrize("picture", [{"bytes": "abc", "path": "a.png"}, {"bytes": None, "path": 3}])
@pytest.mark.parametrize("description", [None, DESCRIPTION])
def test_structs_of_other_kinds_are_no_pictures(tmp_path: Path, picture: Any, description: Any) -> None:
    path = tmp_path / "train-00000-of-00002.parquet"
    frame = some().with_columns(pl.Series("image", [picture] * 3))
    write_parquet(path, frame, description)
    with pytest.raises(TableError, match=r"no column of pictures - .*saw image \(Struct"):
        HUGGING_FACE.read(tmp_path)
    write_parquet(path, some(), description)
    write_parquet(tmp_path / "train-00001-of-00002.parquet", frame, description)
    with pytest.raises(TableError, match=r"different columns - .*00001-of-.* - saw image \(Struct.*pictures"):
        HUGGING_FACE.read(tmp_path)


def test_portions_are_bounded_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a file is small because it holds one large picture once for many rows."""
    monkeypatch.setattr(shards, "_PORTION_BYTES", 1000)
    contents = [bytes(400)] * 5 + [bytes(3000), None, bytes(900), bytes(200)]
    frame = table("image", contents, label=[0] * 9, n=list(range(9)))
    write_parquet(tmp_path / "train-00000-of-00001.parquet", frame, DESCRIPTION)
    write_saved(tmp_path / "saved", [frame], DESCRIPTION)
    (shard,) = find_shards(tmp_path / "saved")
    parts = [part["n"].to_list() for part in shard.portions(["image", "n"])]
    assert parts == [[0, 1], [2, 3], [4], [5], [6, 7], [8]]
    (shard,) = [shard for shard in find_shards(tmp_path) if shard.home == tmp_path]
    parts = [part["n"].to_list() for part in shard.portions(["image", "n"])]
    assert [n for part in parts for n in part] == list(range(9))
    assert max(sum(len(contents[n] or b"") for n in part) for part in parts if part != [5]) <= 1000


def test_a_dictionary_whose_folder_is_missing(tmp_path: Path) -> None:
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train"]}')
    with pytest.raises(TableError, match=r"a file of the data set is missing - .*train/state.json"):
        HUGGING_FACE.read(tmp_path)


def test_a_description_that_is_no_json_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.parquet"
    some().write_parquet(path, metadata={"huggingface": "{"})
    with pytest.raises(
        TableError, match=r"a file of the data set cannot be read - .*parquet - saw Expecting"
    ):
        HUGGING_FACE.read(tmp_path)


@pytest.mark.parametrize("text", ["[]", '{"info": 5}', '{"info": {"features": null}}', "{}"])
def test_a_description_that_says_nothing_is_none(tmp_path: Path, text: str) -> None:
    some().write_parquet(tmp_path / "train-00000-of-00001.parquet", metadata={"huggingface": text})
    assert HUGGING_FACE.read(tmp_path).frame["label"].to_list() == ["0", "1", "0"]


def test_shards_with_other_columns_are_an_error(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train-00000-of-00002.parquet", some(), DESCRIPTION)
    write_parquet(tmp_path / "train-00001-of-00002.parquet", some().drop("n"), DESCRIPTION)
    with pytest.raises(
        TableError, match=r"different columns - .*00001-of-00002.parquet - saw image, label, wanted"
    ):
        HUGGING_FACE.read(tmp_path)


def test_tables_without_pictures_are_no_such_data_set(tmp_path: Path) -> None:
    write_parquet(tmp_path / "train-00000-of-00001.parquet", pl.DataFrame({"text": ["a"]}))
    assert not HUGGING_FACE.recognises(tmp_path)
    with pytest.raises(TableError, match=r"no column of pictures - .*parquet - saw text \(String\)"):
        HUGGING_FACE.read(tmp_path)


def test_several_tables_without_pictures_are_no_such_data_set(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        write_parquet(tmp_path / name / "train.parquet", pl.DataFrame({"text": ["a"]}))
        (tmp_path / name / "a.png").write_bytes(small_png(1))
    assert not HUGGING_FACE.recognises(tmp_path)
    assert ImageTable.read(tmp_path).classes == ("cat", "dog")


def test_other_folders_are_no_such_data_set(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_bytes(small_png(1))
    (tmp_path / "state.json").write_text(json.dumps({}))
    assert not HUGGING_FACE.recognises(tmp_path)
    assert not HUGGING_FACE.recognises(tmp_path / "missing")
    assert not HUGGING_FACE.recognises(tmp_path / "cat" / "a.png")
    (tmp_path / "state.json").unlink()
    with pytest.raises(
        TableError, match=r"no files of a data set in the folder - .* wanted data/<split>-00000"
    ):
        HUGGING_FACE.read(tmp_path)
