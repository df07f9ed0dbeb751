"""How a published data set is named, and told from any other folder; what becomes of it in a table."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from fake_embedder import FakeEmbedder, fake_model
from lookalike.config import SplitConfig
from lookalike.errors import TableError
from lookalike.indexing.index import Index
from lookalike.layouts import LAYOUTS, parse, placed, read_recognised
from lookalike.tables.splits import split_table
from lookalike.tables.table import ImageTable
from packed_sets import write_parquet
from published import (
    WRITERS,
    drawn,
    write_cars196,
    write_cub200,
    write_inshop,
    write_sop,
)

CLASSES = drawn("a", "b", "c", "d", each=4)


@pytest.fixture(params=WRITERS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(name: str, tmp_path: Path) -> Path:
    return WRITERS[name](tmp_path / "top" / "unpacked set", CLASSES)


# finding


def test_a_folder_is_told_by_its_files(name: str, folder: Path) -> None:
    assert [layout.name for layout in LAYOUTS.values() if layout.recognises(folder)] == [name]
    table = ImageTable.read(folder)
    note = f"this is {LAYOUTS[name].title} by its files, and is read as {name}:{folder}"
    assert table.notes[0] == note
    assert len(table) == 16
    assert all(path.is_file() for path in table.paths)


def test_named_recognised_and_one_folder_up_are_the_same(name: str, folder: Path) -> None:
    tables = [ImageTable.read(source) for source in (f"{name}:{folder}", folder, folder.parent)]
    assert len({table.fingerprint() for table in tables}) == 1
    assert {table.root for table in tables} == {folder}
    above = ImageTable.read(f"{name}:{folder.parent}")
    assert above.fingerprint() == tables[0].fingerprint()
    assert above.notes == tables[0].notes == tables[1].notes[1:]


def test_a_relative_path_is_from_here(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder.parent)
    assert ImageTable.read(f"{name}:{folder.name}").root == folder


def test_home_may_be_a_tilde(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert ImageTable.read(f"{name}:~/{folder.name}").root == folder


def test_saved_and_read_again_it_is_the_same(name: str, folder: Path, tmp_path: Path) -> None:
    table = ImageTable.read(f"{name}:{folder}")
    table.save(tmp_path / "table.parquet")
    again = ImageTable.read(tmp_path / "table.parquet")
    assert again.fingerprint() == table.fingerprint()
    assert again.frame.equals(table.frame)


def test_two_layouts_make_one_table(tmp_path: Path) -> None:
    write_cub200(tmp_path / "cub", CLASSES)
    write_sop(tmp_path / "sop", CLASSES)
    table = ImageTable.read([f"cub200:{tmp_path / 'cub'}", f"sop:{tmp_path / 'sop'}"])
    assert len(table) == 32
    assert all(path.is_file() for path in table.paths)


def test_the_sample_and_other_folders_are_no_layout(sample: Path, tmp_path: Path) -> None:
    assert read_recognised(sample) is None
    assert read_recognised(sample.parent) is None
    assert read_recognised(tmp_path) is None
    assert read_recognised(tmp_path / "gone") is None


@pytest.mark.parametrize(
    "files",
    [
        ["train/a/1.png", "val/a/1.png", "test/a/1.png"],
        ["images/1.png", "train/1.png", "classes.txt"],
        ["images_background/cat/1.png", "images_evaluation/dog/2.png"],
        ["img/1.png", "list_eval_partition.txt"],
        ["cars_train/1.png", "cars_test/1.png"],
        ["img_align_celeba/1.png", "others/2.png"],
        ["Ebay_train.txt", "bicycle_final/1.png"],
        ["devkit/1.png", "car_ims/2.png"],
    ],
)
def test_a_folder_that_has_only_some_of_the_names_is_none(tmp_path: Path, files: list[str]) -> None:
    picture = CLASSES["a"][0]
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        if file.endswith(".png"):
            picture.save(tmp_path / file)
        else:
            (tmp_path / file).write_text("1 a\n2 b\n")
    assert read_recognised(tmp_path) is None
    assert all("by its files" not in note for note in ImageTable.read(tmp_path).notes)


def test_beside_other_folders_or_pictures_a_layout_is_a_label(tmp_path: Path) -> None:
    write_sop(tmp_path / "products", CLASSES)
    CLASSES["a"][0].save(tmp_path / "loose.png")
    assert ImageTable.read(tmp_path).classes == ("products",)
    (tmp_path / "loose.png").rename(tmp_path / "products" / "not-loose.png")
    (tmp_path / "more").mkdir()
    assert ImageTable.read(tmp_path).classes == ("products",)
    (tmp_path / "more").rename(tmp_path / "__MACOSX")
    (tmp_path / "archive.zip").touch()
    assert "product" not in ImageTable.read(tmp_path).classes
    assert len(ImageTable.read(tmp_path).classes) == 4


# naming


def test_what_stands_before_the_colon() -> None:
    asked = parse("cars196+boxes:/data/my cars")
    assert asked is not None
    assert (asked.layout.name, asked.option, asked.name) == ("cars196", "boxes", "cars196+boxes")
    assert asked.folder == Path("/data/my cars")
    assert parse("cars196:C:\\data") is not None


@pytest.mark.parametrize(
    "source",
    [
        "pictures",
        "C:\\pictures",
        "C:/pictures",
        "/data/a:b",
        "./cars196:x",
        "https://a.org/b",
        "s3://cars/x",
        "q:x",
    ],
)
def test_other_paths_are_left_alone(source: str) -> None:
    assert parse(source) is None


def test_a_path_that_is_there_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("cub200:birds", "cars195:x", "tiny:3"):
        (tmp_path / name / "label").mkdir(parents=True)
        CLASSES["a"][0].save(tmp_path / name / "label" / "1.png")
        assert parse(name) is None
        assert ImageTable.read(name).classes == ("label",)


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("cars195:/x", "cars196:/x"),
        ("Cars-196:x", "cars196:x"),
        ("CUB_200:x", "cub200:x"),
        ("cub:x", "cub200:x"),
        ("imagenet:x", "tiny-imagenet:x"),
        ("tiny_imagenet:x", "tiny-imagenet:x"),
        ("celebA:x", "celeba:x"),
        ("in-shop:x", "inshop:x"),
        ("cifar:x", "cifar10:x"),
        ("cars+boxes:x", "cars196+boxes:x"),
    ],
)
def test_a_misspelt_name_is_told_the_nearest(source: str, meant: str) -> None:
    with pytest.raises(TableError) as caught:
        ImageTable.read(source)
    assert caught.value.what == "there is no such path, and no data set of this name"
    assert caught.value.where == source
    assert caught.value.do == f"did you mean {meant}?"
    assert "omniglot" in caught.value.wanted


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "cars196+box:x",
            r"cars196 has no such option - cars196\+box:x - saw 'box', wanted boxes - did you mean ",
        ),
        ("cars196+:x", "saw '', wanted boxes"),
        ("sop+boxes:x", "sop has no such option - .* - saw 'boxes', wanted no option - write sop:x"),
        ("sop:", "no folder is named - sop: - saw nothing after the colon - write sop:FOLDER"),
        ("sop:/no/such", "there is no such file or folder - /no/such - saw nothing"),
    ],
)
def test_what_cannot_be_asked_for(source: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        ImageTable.read(source)


def test_the_folder_must_be_of_the_layout(tmp_path: Path, sample: Path) -> None:
    with pytest.raises(
        TableError, match=r"this is not Omniglot - .* - saw 0030-20e3, .* and \d+ more, wanted im"
    ):
        ImageTable.read(f"omniglot:{sample}")
    with pytest.raises(
        TableError, match=r"this is not Omniglot - .* - saw nothing, wanted images_background"
    ):
        ImageTable.read(f"omniglot:{tmp_path}")
    for name in ("one", "two"):
        write_sop(tmp_path / name, CLASSES)
    with pytest.raises(TableError, match=r"holds Stanford Online Products 2 times - .* - saw one, two, "):
        ImageTable.read(f"sop:{tmp_path}")
    with pytest.raises(TableError, match=r"missing - .*Ebay_test"):
        ImageTable.read(f"sop:{tmp_path / 'one' / 'Ebay_test.txt'}")


def test_a_root_is_for_manifests(tmp_path: Path) -> None:
    write_sop(tmp_path / "sop", CLASSES)
    with pytest.raises(TableError, match="only the paths of a manifest start from a root"):
        ImageTable.read(f"sop:{tmp_path / 'sop'}", root=tmp_path)


# pictures


def test_some_missing_pictures_are_left_to_who_opens_them(name: str, folder: Path) -> None:
    if name in ("tiny-imagenet", "omniglot"):
        return  # their pictures are told from the disk
    table = ImageTable.read(folder)
    for path in table.paths[:-1]:
        path.unlink()
    assert ImageTable.read(folder).fingerprint() == table.fingerprint()


def test_not_one_picture_there_is_an_error(name: str, folder: Path) -> None:
    for path in ImageTable.read(folder).paths:
        path.unlink()
    with pytest.raises(TableError) as caught:
        ImageTable.read(folder)
    assert caught.value.what == f"none of the pictures of {LAYOUTS[name].title} is there"
    assert caught.value.where == str(folder)
    assert caught.value.wanted == LAYOUTS[name].files


OUTSIDE = ["/etc/a.jpg", "../a.jpg", "x/../../a.jpg", "{folder}/../a.jpg", "{folder} too/a.jpg", "C:/a.jpg"]


@pytest.mark.parametrize("image", OUTSIDE)
@pytest.mark.parametrize("packed", [True, False])
def test_pictures_outside_the_folder_are_refused(
    tmp_path: Path, image: str, packed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "set"
    folder.mkdir()
    outside = image.format(folder=folder)
    for own in (f"{folder}/a..b.jpg", "a..b.jpg"):
        rows = pl.DataFrame({"image": [own, outside], "label": ["a", "b"]})
        if packed:
            pictures = rows.select(label="label", image=pl.struct(bytes=None, path="image"))
            write_parquet(folder / "train-00000-of-00001.parquet", pictures)
        else:
            rows.rename({"image": "file_name"}).write_csv(folder / "metadata.csv")
        (folder / "a..b.jpg").touch()
        with pytest.raises(TableError) as caught:
            ImageTable.read(f"hugging-face:{folder}")
        assert caught.value.what in (
            "a data set names a picture that lies outside its folder",
            "a row names a path of Windows",
        )
        assert outside in caught.value.saw
        assert "more" not in caught.value.saw


def test_lists_that_lead_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    folder = write_sop(tmp_path / "sop", CLASSES)
    listed = folder / "Ebay_train.txt"
    first = ImageTable.read(folder).frame["image"][0]
    listed.write_text(listed.read_text().replace(first, "../a.JPG"))
    with pytest.raises(TableError, match=r"outside its folder - .*sop - saw '../a.JPG', wanted paths"):
        ImageTable.read(f"sop:{folder}")


def test_a_folder_that_was_taken_for_another_says_so(tmp_path: Path) -> None:
    folder = write_sop(tmp_path / "sop", CLASSES)
    (folder / "Ebay_train.txt").write_text("prices")
    with pytest.raises(TableError) as named:
        ImageTable.read(f"sop:{folder}")
    with pytest.raises(TableError) as recognised:
        ImageTable.read(folder)
    assert "was taken for" not in named.value.do
    assert str(recognised.value) == (
        f"{named.value}; the folder was taken for Stanford Online Products by its files: "
        "if it is something else, list its pictures in a manifest, or take those out"
    )


# what others make of it


@pytest.mark.parametrize("write", [write_cars196, write_cub200])
def test_val_of_a_zero_shot_split_is_made_of_classes(tmp_path: Path, write: Callable[..., Path]) -> None:
    table = ImageTable.read(write(tmp_path, drawn(*"abcdefghijklmnopqrst", each=2)))
    parted = split_table(table, SplitConfig(by="class", train=0.7, val=0.2, test=0.1), seed=0).table
    classes = {split: set(parted.select(split).classes) for split in parted.splits}
    assert {split: len(names) for split, names in classes.items()} == {"train": 8, "val": 2, "test": 10}
    assert not classes["train"] & classes["val"]
    assert classes["test"] == set(table.select("test").classes)


def test_an_index_knows_its_layouts_by_absolute_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_inshop(tmp_path / "shop", CLASSES)
    monkeypatch.chdir(tmp_path)
    model, embedder = fake_model(tmp_path / "model"), FakeEmbedder()
    with Index.create(tmp_path / "shop.idx", model) as index:
        update = partial(index.update, embed=embedder)
        done = update(ImageTable.read("inshop:shop"), source="inshop:shop")
        assert done.added == 16
        assert list(index.sources) == [f"inshop:{tmp_path / 'shop'}"]
        again = update(ImageTable.read(index.sources[0]), source=index.sources[0])
        assert again.unchanged == 16
        assert index.drop("inshop:shop") == 16


def test_a_source_is_called_by_its_absolute_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert placed("a/../b") == (str(tmp_path / "b"),) * 2
    assert placed("cub200+boxes:b") == (f"cub200+boxes:{tmp_path / 'b'}", str(tmp_path / "b"))
    assert placed("cub20:b") == (str(tmp_path / "cub20:b"),) * 2


def test_the_documents_list_every_layout_and_option() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for layout in LAYOUTS.values():
        (row,) = [row for row in rows if f"`{layout.name}`" in row.split("|")[1]]
        assert all(f"`{option}`" in row for option in layout.options)
