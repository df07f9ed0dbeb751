"""Tables: what folders, manifests, pictures and several of them mean; what a table can do."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import LookalikeError, SkipReason, TableError
from lookalike.tables.table import ImageTable


def make(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3), "red").save(root / name)
    return root


def manifest(root: Path, text: str, name: str = "m.csv") -> Path:
    (root / name).write_text(text, encoding="utf-8")
    return root / name


# reading


def test_the_sample_is_a_folder_tree(sample: Path) -> None:
    table = ImageTable.read(sample)
    assert len(table) == 2174
    assert len(table.classes) == 300
    assert table.skipped == ()
    assert table.notes == ()
    assert not table.has_splits
    assert all(str(label) == path.parent.name for label, path in zip(table.labels, table.paths, strict=True))
    assert table.ids[0] == "0030-20e3/emojione1.png"
    assert all(path.is_file() for path in table.paths)


def test_the_label_is_the_first_folder_however_deep_the_file(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png", "cat/a/b/2.png", "dog/1.png")
    assert ImageTable.read(tmp_path).labels.tolist() == ["cat", "cat", "dog"]


@pytest.mark.parametrize("name", ["val", "valid", "validation", "VAL"])
def test_a_tree_of_splits(tmp_path: Path, name: str) -> None:
    make(tmp_path, "train/cat/1.png", "train/dog/deep/1.png", f"{name}/cat/2.png", "test/3.png")
    table = ImageTable.read(str(tmp_path))
    assert table.splits == ("train", "val", "test")
    assert table.select("train").labels.tolist() == ["cat", "dog"]
    assert table.select("val").ids.tolist() == [f"{name}/cat/2.png"]
    assert table.select("test").frame["label"].to_list() == [None]
    assert table.select("all") is table


def test_a_tree_with_one_other_folder_is_no_tree_of_splits(tmp_path: Path) -> None:
    make(tmp_path, "train/1.png", "bus/1.png", "test/1.png")
    table = ImageTable.read(tmp_path)
    assert not table.has_splits
    assert table.classes == ("bus", "test", "train")


def test_pictures_beside_splits_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "train/cat/1.png", "loose.png")
    with pytest.raises(
        TableError, match=r"lie beside the folders of the splits - .* - saw 1, the first: loose\.png"
    ):
        ImageTable.read(tmp_path)


def test_an_unlabelled_folder(tmp_path: Path) -> None:
    table = ImageTable.read(make(tmp_path, "1.png", "2.png"))
    assert table.frame["label"].to_list() == [None, None]
    assert table.classes == ()
    assert table.notes == ()
    with pytest.raises(TableError, match=r"the table has no labels - .* - saw 2 pictures without one"):
        _ = table.labels


def test_a_mixed_folder_is_noted(tmp_path: Path) -> None:
    table = ImageTable.read(make(tmp_path, "loose.png", "cat/1.png"))
    assert dict(zip(table.ids.tolist(), table.frame["label"], strict=True)) == {
        "cat/1.png": "cat",
        "loose.png": None,
    }
    assert table.notes == (f"pictures of {tmp_path} that lie in no label's folder, so without a label: 1",)
    with pytest.raises(
        TableError, match=r"some pictures have no label - .* - saw 1 of 2, the first: loose\.png"
    ):
        _ = table.labels


def test_a_folder_without_a_picture_is_noted(tmp_path: Path) -> None:
    make(tmp_path / "plain", "cat/1.png", "dog/a/1.png")
    for name in ("bird", "dog/b", ".hidden"):
        (tmp_path / "plain" / name).mkdir()
    said = "without a picture, which are no classes:"
    assert ImageTable.read(tmp_path / "plain").notes == (f"folders of {tmp_path / 'plain'} {said} bird",)
    make(tmp_path / "parted", "train/cat/1.png")
    for name in ("train/dog", "test"):
        (tmp_path / "parted" / name).mkdir()
    assert ImageTable.read(tmp_path / "parted").notes == (
        f"folders of {tmp_path / 'parted'} {said} test, train/dog",
    )
    make(tmp_path / "loose", "1.png")
    (tmp_path / "loose" / "empty").mkdir()
    assert ImageTable.read(tmp_path / "loose").notes == ()


def test_what_reading_skips_is_kept(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png")
    (tmp_path / "cat" / "gone.png").symlink_to("nowhere")
    table = ImageTable.read(tmp_path)
    assert [(entry.path, entry.reason) for entry in table.skipped] == [("cat/gone.png", SkipReason.MISSING)]


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("no pictures")
    with pytest.raises(TableError, match=r"there are no pictures in the folder - .* - saw none"):
        ImageTable.read(tmp_path)
    (tmp_path / "gone.png").symlink_to("nowhere")
    with pytest.raises(TableError, match="saw 1 that cannot be used"):
        ImageTable.read(tmp_path)


def test_one_picture(tmp_path: Path) -> None:
    table = ImageTable.read(make(tmp_path, "a/1.png") / "a" / "1.png")
    assert table.root == tmp_path / "a"
    assert table.ids.tolist() == ["1.png"]
    assert table.frame["label"].to_list() == [None]


def test_a_manifest_is_relative_to_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, "data/a.png", "data/b.png")
    path = manifest(tmp_path / "data", f"image,label\na.png,x\n{tmp_path}/data/b.png,y\ngone.png,y\n")
    monkeypatch.chdir(tmp_path)
    for source in (path, Path("data/m.csv"), "data/m.csv"):
        table = ImageTable.read(source)
        assert table.root == tmp_path / "data"
        assert table.paths == [tmp_path / "data" / name for name in ("a.png", "b.png", "gone.png")]
        assert table.labels.tolist() == ["x", "y", "y"]


def test_a_manifest_of_which_nothing_is_there(tmp_path: Path) -> None:
    path = manifest(tmp_path, f"image\ndata/a.png\ndata/b.png\nnul\0\n{'x' * 300}\n")
    with pytest.raises(TableError) as caught:
        ImageTable.read(path)
    assert caught.value.saw == "4 paths such as data/a.png"
    assert caught.value.do == f"make the paths relative to {tmp_path}"


def test_a_path_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    make(folder, "cat/1.png")
    with pytest.raises(TableError, match=r"the path is not UTF-8 - .*caf\ufffd - saw other"):
        ImageTable.read(folder)


def test_what_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="there is no such file or folder"):
        ImageTable.read(tmp_path / "nowhere")
    with pytest.raises(
        TableError, match=r"this is no table of pictures - .* - saw \.txt - name a folder, a picture"
    ):
        ImageTable.read(manifest(tmp_path, "hello", "a.txt"))


# several sources


def test_several_sources_become_one_below_their_common_folder(tmp_path: Path) -> None:
    make(
        tmp_path, "one/cat/1.png", "one/loose.png", "two/dog/1.png", "three/3.png", "/".join(("two", "x.png"))
    )
    path = manifest(tmp_path / "three", f"image,label,size\n3.png,bird,5\n{tmp_path}/two/x.png,bird,6\n")
    table = ImageTable.read([tmp_path / "one", str(tmp_path / "two" / "dog" / "1.png"), path])
    assert table.root == tmp_path
    assert table.paths[:3] == [
        tmp_path / "one/cat/1.png",
        tmp_path / "one/loose.png",
        tmp_path / "two/dog/1.png",
    ]
    assert table.paths[3:] == [tmp_path / "three/3.png", tmp_path / "two/x.png"]
    assert table.frame["label"].to_list() == ["cat", None, None, "bird", "bird"]
    assert table.frame["size"].to_list() == [None, None, None, 5, 6]
    assert len(table.notes) == 1


def test_one_source_in_a_list_is_that_source(tmp_path: Path) -> None:
    make(tmp_path, "cat/1.png")
    assert ImageTable.read([tmp_path]).fingerprint() == ImageTable.read(tmp_path).fingerprint()


def test_sources_that_do_not_go_together(tmp_path: Path) -> None:
    make(tmp_path, "plain/cat/1.png", "parted/train/cat/1.png")
    with pytest.raises(TableError, match="some sources have splits and others not"):
        ImageTable.read([tmp_path / "plain", tmp_path / "parted"])
    with pytest.raises(TableError, match=r"a picture is in two sources - .* - saw cat/1\.png"):
        ImageTable.read([tmp_path / "plain", tmp_path / "plain"])
    with pytest.raises(TableError, match="there is no table"):
        ImageTable.read([])


def test_what_several_sources_skip_is_below_their_common_folder(tmp_path: Path) -> None:
    for name in ("one", "two"):
        make(tmp_path, f"{name}/cat/1.png")
        (tmp_path / name / "cat" / "gone.png").symlink_to("nowhere")
    table = ImageTable.read([tmp_path / "one", tmp_path / "two"])
    assert [entry.path for entry in table.skipped] == ["one/cat/gone.png", "two/cat/gone.png"]


def test_boxes_of_one_source_may_share_a_picture(tmp_path: Path) -> None:
    make(tmp_path, "one/a.png", "two/cat/1.png")
    path = manifest(tmp_path / "one", "image,label,box\na.png,x,1 2 3 4\na.png,y,5 6 7 8\n")
    table = ImageTable.read([path, tmp_path / "two"])
    assert table.ids.tolist() == ["one/a.png#1,2,3,4", "one/a.png#5,6,7,8", "two/cat/1.png"]
    assert table.boxes == [(1, 2, 3, 4), (5, 6, 7, 8), None]


# using


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    make(tmp_path, "a.png")
    text = "image,label,split,box,size\na.png,x,train,,3\nb.png,y,val,1 2 3 4,4\nc.png,x,train,,5\n"
    return ImageTable.read(manifest(tmp_path, text))


def test_select_names_the_splits_that_are_there(table: ImageTable) -> None:
    assert len(table.select("train")) == 2
    with pytest.raises(
        TableError, match=r"there is no split test - .* - saw train, val - name one of train, val, or"
    ):
        table.select("test")
    plain = ImageTable(table.root, table.frame.drop("split"))
    assert plain.select("all") is plain
    assert plain.splits == ()
    with pytest.raises(TableError, match="saw a table without splits - name all, or add a column split"):
        plain.select("train")


def test_filter_take_and_boxes(table: ImageTable) -> None:
    assert table.filter(np.array([True, False, True])).ids.tolist() == ["a.png", "c.png"]
    assert table.take(np.array([2, 0])).ids.tolist() == ["c.png", "a.png"]
    assert table.take(np.array([], dtype=np.int64)).ids.tolist() == []
    plain = ImageTable(table.root, table.frame.drop("box"))
    assert plain.take(np.array([1, 1])).ids.tolist() == ["b.png", "b.png"]
    assert table.boxes == [None, (1, 2, 3, 4), None]
    assert ImageTable(table.root, table.frame.drop("box")).boxes == [None, None, None]


def test_with_splits(table: ImageTable) -> None:
    assert table.with_splits(np.array(["test", "test", "val"])).splits == ("val", "test")
    with pytest.raises(ValueError, match="wanted 3 of"):
        table.with_splits(np.array(["test"]))
    with pytest.raises(ValueError, match="holdout"):
        table.with_splits(np.array(["test", "test", "holdout"]))


def test_ids_of_a_picture_with_several_boxes_are_unique(tmp_path: Path) -> None:
    make(tmp_path, "a.png")
    text = "image,label,box\na.png,x,1 2 3 4\na.png,y,5 6 7 8\na.png,z,\nb.png,x,1 2 3 4\n"
    table = ImageTable.read(manifest(tmp_path, text))
    assert table.ids.tolist() == ["a.png#1,2,3,4", "a.png#5,6,7,8", "a.png", "b.png"]


@pytest.mark.parametrize("tree", [True, False])
def test_a_saved_table_is_read_back_from_anywhere(table: ImageTable, tmp_path: Path, *, tree: bool) -> None:
    if tree:
        table = ImageTable.read(make(tmp_path / "tree", "cat/1.png", "dog/1.png"))
    stored = tmp_path / "elsewhere" / "table.parquet"
    stored.parent.mkdir()
    table.save(stored)
    again = ImageTable.read(stored)
    assert again.root == table.root
    assert again.frame.equals(table.frame)
    assert again.fingerprint() == table.fingerprint()


def test_a_table_that_cannot_be_saved(table: ImageTable, tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match="a file cannot be written"):
        table.save(tmp_path / "nowhere" / "table.parquet")


def test_the_fingerprint_is_of_the_rows(table: ImageTable) -> None:
    print_of = table.fingerprint()
    assert len(print_of) == 64
    assert table.take(np.array([2, 0, 1])).fingerprint() == print_of
    assert (
        ImageTable(Path("/elsewhere"), table.frame.select(table.frame.columns[::-1])).fingerprint()
        == print_of
    )
    assert table.take(np.array([0, 1])).fingerprint() != print_of
    assert table.with_splits(np.array(["train", "train", "train"])).fingerprint() != print_of
