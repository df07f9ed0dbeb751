"""Saved tables: read back literally, and their pictures found again after a move."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from lookalike.errors import TableError
from lookalike.tables.saved import FROM_FILE, ROOT, find_root
from lookalike.tables.table import ImageTable


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), "red").save(root / name)
    return root


def saved(table: ImageTable, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table.save(path)
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return make(tmp_path / "project" / "data", "cat/1.png", "cat/2.png", "dog/1.png")


@pytest.fixture
def split(data: Path) -> Path:
    """A table of `data`, in a run folder beside it."""
    return saved(ImageTable.read(data), data.parent / "runs" / "a" / "split.parquet")


def test_names_that_a_manifest_would_tidy_are_read_as_they_stand(tmp_path: Path) -> None:
    names = (" a /1.png", "a/x\\y.png", "data:x/1.png", "s3://z/1.png")
    table = ImageTable.read(make(tmp_path / "data", *names))
    table = table.with_splits(np.array(["train"] * 3 + ["val"]))
    again = ImageTable.read(saved(table, tmp_path / "split.parquet"))
    assert {" a ", "a", "data:x"} < set(again.classes)
    assert again.frame.equals(table.frame)
    assert again.fingerprint() == table.fingerprint()
    assert all(path.is_file() for path in again.paths)


def test_the_columns_of_a_saved_table_stay_as_they_are(data: Path, tmp_path: Path) -> None:
    frame = ImageTable.read(data).frame.with_columns(
        pl.Series("size", [1.5, None, 3.0]),
        pl.lit("x ").alias(" labels"),
        pl.lit(None, pl.List(pl.Int64)).alias("box"),
    )
    again = ImageTable.read(saved(ImageTable(data, frame), tmp_path / "split.parquet"))
    assert again.frame.equals(frame)
    assert again.notes == ()


def test_a_saved_table_that_was_worked_on_is_read_as_a_manifest(split: Path) -> None:
    frame = pl.read_parquet(split)
    frame.with_columns(label=pl.lit(7), split=pl.lit("Valid")).write_parquet(split)
    again = ImageTable.read(split)
    assert (again.classes, again.splits) == (("7",), ("val",))
    frame.with_columns(image=pl.lit("cat/1.png")).write_parquet(split)
    with pytest.raises(TableError, match="the same picture has two labels"):
        ImageTable.read(split)


def test_roles_are_saved(data: Path, tmp_path: Path) -> None:
    frame = ImageTable.read(data).frame.with_columns(pl.Series("role", ["query", "gallery", None]))
    path = saved(ImageTable(data, frame), tmp_path / "split.parquet")
    assert ImageTable.read(path).frame.equals(frame)
    pl.read_parquet(path).with_columns(role=pl.lit("Query")).write_parquet(path)
    assert set(ImageTable.read(path).frame["role"]) == {"query"}


@pytest.mark.parametrize("moved", ["nothing", "both", "run"])
def test_the_pictures_are_found_after_a_move(data: Path, split: Path, tmp_path: Path, moved: str) -> None:
    project = data.parent
    if moved == "both":
        split = project.rename(tmp_path / "elsewhere") / "runs" / "a" / "split.parquet"
    elif moved == "run":
        split = split.rename(tmp_path / "split.parquet")
    again = ImageTable.read(split)
    assert again.root == (tmp_path / "elsewhere" / "data" if moved == "both" else data)
    assert all(path.is_file() for path in again.paths)


def test_a_copy_of_data_and_run_stands_alone(data: Path, split: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(data.parent, tmp_path / "copy")
    assert ImageTable.read(copy / "runs" / "a" / "split.parquet").root == copy / "data"


def test_the_place_that_has_more_of_the_pictures_is_taken(data: Path, split: Path, tmp_path: Path) -> None:
    other = make(tmp_path / "other" / "data", "cat/1.png")
    run = saved(ImageTable.read(split), tmp_path / "project" / "runs" / "b" / "split.parquet")
    moved = tmp_path / "other" / "runs" / "b" / "split.parquet"
    moved.parent.mkdir(parents=True)
    assert ImageTable.read(run.rename(moved)).root == data
    assert other.is_dir()


def test_moved_pictures_are_an_error_with_a_way_out(data: Path, split: Path, tmp_path: Path) -> None:
    new = data.rename(tmp_path / "new")
    with pytest.raises(TableError) as caught:
        ImageTable.read(split)
    assert caught.value.saw == f"none of 3 such as cat/1.png in {data}"
    assert caught.value.do.startswith(f"move them back, or link to them: ln -s FOLDER {data};")
    assert "--root FOLDER" in caught.value.do
    assert ImageTable.read(split, root=new).root == new
    data.symlink_to(new)
    assert ImageTable.read(split).root == data


def test_files_of_before_the_second_path_are_read(data: Path, split: Path) -> None:
    pl.read_parquet(split).drop(FROM_FILE).write_parquet(split)
    assert ImageTable.read(split).root == data


@pytest.mark.parametrize("value", [None, "", 7])
def test_a_table_that_does_not_say_where_its_pictures_are(split: Path, value: object) -> None:
    pl.read_parquet(split).with_columns(pl.lit(value).alias(ROOT)).write_parquet(split)
    with pytest.raises(TableError, match=rf"does not say where its pictures are - .*{ROOT} - saw {value!r}"):
        ImageTable.read(split)


def test_a_saved_table_without_rows_is_refused(split: Path) -> None:
    pl.read_parquet(split).clear().write_parquet(split)
    with pytest.raises(TableError, match="the manifest has no rows"):
        ImageTable.read(split)


def test_a_root_is_for_manifests(data: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("image,label\ncat/1.png,cat\n")
    assert ImageTable.read(manifest, root=data).root == data
    for source in (data, data / "cat" / "1.png"):
        with pytest.raises(TableError, match="only the paths of a manifest start from a root"):
            ImageTable.read(source, root=data)


def test_a_root_that_is_relative(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(data.parent)
    ImageTable.read("data").save(Path("table.parquet"))
    again = ImageTable.read("table.parquet", root="data")
    assert again.root == data
    assert ImageTable.read("table.parquet").root == data


def test_pictures_that_were_unpacked_into_the_cache_can_be_unpacked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    gone = tmp_path / "cache" / "unpacked" / "cifar10-0123456789abcdef"
    with pytest.raises(TableError, match=r"lookalike describe cifar10:FOLDER unpacks them again"):
        find_root(tmp_path / "split.parquet", [gone], pl.Series(["train/cat/1.png"]))
