"""Every published data set: what its rows say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookalike.tables.attribute_values import attribute_values, binary_columns
from lookalike.tables.table import ImageTable
from published import (
    ATTRIBUTES,
    CORNERS,
    LABELLED,
    LISTED,
    WRITERS,
    change,
    drawn,
    save_mat,
    structs,
    write_cars196,
    write_celeba,
    write_cub200,
    write_inshop,
    write_omniglot,
    write_sop,
    write_tiny_imagenet,
)

CLASSES = drawn("Cat fish", "Élan ひ", "c", "d", each=3)
NAMES = list(CLASSES)


def read(name: str, root: Path) -> ImageTable:
    return ImageTable.read(f"{name}:{root}")


def counts(table: ImageTable, *columns: str) -> dict[Any, int]:
    return {row[:-1] if len(columns) > 1 else row[0]: row[-1] for row in _counted(table, *columns)}


def _counted(table: ImageTable, *columns: str) -> list[tuple[Any, ...]]:
    return table.frame.group_by(columns).len().sort(columns).rows()


def with_other_ends(folder: Path) -> None:
    """As after a visit to Windows: a BOM, and other line ends."""
    for path in folder.rglob("*"):
        if path.suffix in (".txt", ".csv"):
            path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))


@pytest.mark.parametrize("name", LISTED)
def test_line_ends_and_bom_make_no_difference(name: str, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path, CLASSES)
    before = read(name, root)
    with_other_ends(root)
    assert read(name, root).frame.equals(before.frame)


# Tiny ImageNet


def test_tiny_imagenet_pools_what_has_labels(tmp_path: Path) -> None:
    table = read("tiny-imagenet", write_tiny_imagenet(tmp_path, CLASSES))
    assert table.frame.columns == ["image", "label", "wnid", "published_split"]
    assert not table.has_splits
    assert counts(table, "label") == dict.fromkeys(NAMES, 3)
    assert counts(table, "published_split") == {"train": 8, "val": 4}
    assert table.frame["image"][0] == "train/n00000023/images/n00000023_0.JPEG"
    assert table.frame.row(-1) == ("val/images/val_3.JPEG", "d", "n00000023", "val")
    assert table.notes == (
        "train and val are pooled, 12 pictures, to be divided anew; the publishers' own split is kept: "
        "split: {by: column, column: published_split} divides by it",
        "left out, because they have no labels: the 4 of test",
    )


def test_two_classes_of_one_name_are_told_apart(tmp_path: Path) -> None:
    root = write_tiny_imagenet(tmp_path, CLASSES)
    change(root / "words.txt", "\td,", "\tc,")
    assert read("tiny-imagenet", root).classes == ("Cat fish", "c (n00000022)", "c (n00000023)", "Élan ひ")


def test_folders_that_no_list_names_are_said(tmp_path: Path) -> None:
    root = write_tiny_imagenet(tmp_path, CLASSES)
    for number in range(7):
        (root / "train" / f"n{number}").mkdir()
    note = read("tiny-imagenet", root).notes[-1]
    assert note == ("left out of train, because wnids.txt does not name them: n0, n1, n2, n3, n4 and 2 more")


# CelebA


@pytest.mark.parametrize(
    ("packing", "place"),
    [
        ("flat", "img_align_celeba"),
        ("folders", "Img/img_align_celeba"),
        ("csv", "img_align_celeba/img_align_celeba"),
    ],
)
def test_celeba_in_every_packing(tmp_path: Path, packing: str, place: str) -> None:
    table = read("celeba", write_celeba(tmp_path, CLASSES, packing=packing))
    assert table.frame.columns == ["image", "label", "split", *ATTRIBUTES]
    assert table.frame["image"].to_list() == [f"{place}/{number:06}.jpg" for number in range(1, 13)]
    assert table.labels.tolist() == ["1"] * 3 + ["2"] * 3 + ["3"] * 3 + ["4"] * 3
    assert counts(table, "label", "split") == {
        ("1", "train"): 3,
        ("2", "train"): 3,
        ("3", "val"): 3,
        ("4", "test"): 3,
    }
    assert binary_columns(table) == tuple(ATTRIBUTES)
    wanted = [[1 if (row + place) % 3 == 0 else -1 for place in range(40)] for row in range(12)]
    assert np.array_equal(attribute_values(table, ATTRIBUTES), wanted)
    assert table.notes == ()


def test_celeba_without_people(tmp_path: Path) -> None:
    table = read("celeba", write_celeba(tmp_path, CLASSES, named=False))
    assert table.frame["label"].to_list() == [None] * 12
    assert table.notes == ("there is no identity_CelebA.txt, so the pictures have attributes, but no labels",)


# Cars196


@pytest.mark.parametrize("packing", ["apart", "together"])
def test_cars196_is_split_by_class(tmp_path: Path, packing: str) -> None:
    table = read("cars196", write_cars196(tmp_path, CLASSES, packing=packing))
    assert table.frame.columns == ["image", "label", "split", "published_split"]
    assert counts(table, "label", "split") == {
        ("Cat fish", "train"): 3,
        ("c", "test"): 3,
        ("d", "test"): 3,
        ("Élan ひ", "train"): 3,
    }
    assert counts(table, "published_split") == {"test": 4, "train": 8}
    assert all(path.is_file() for path in table.paths)
    assert table.notes == (
        "the split is zero-shot: 2 classes train, the other 2 test; the publishers' own split is "
        "kept: split: {by: column, column: published_split} divides by it",
    )


@pytest.mark.parametrize("packing", ["apart", "together"])
def test_boxes_of_cars_hold_their_last_pixel(tmp_path: Path, packing: str) -> None:
    root = write_cars196(tmp_path, CLASSES, packing=packing)
    assert read("cars196", root).boxes == [None] * 12
    table = read("cars196+boxes", root)
    assert table.boxes == [(1, 2, 6, 8)] * 12  # pixels 2 to 6 and 3 to 8, counted from 1
    assert table.frame.drop("box").equals(read("cars196", root).frame)


def test_the_archives_of_kaggle_nest_their_folders(tmp_path: Path) -> None:
    root = write_cars196(tmp_path, CLASSES)
    before = read("cars196", root)
    for name in ("cars_train", "cars_test"):
        (root / name).rename(root / "inner")
        (root / name).mkdir()
        (root / "inner").rename(root / name / name)
    (root / "car_devkit").mkdir()
    (root / "devkit").rename(root / "car_devkit" / "devkit")
    (root / LABELLED).rename(root / "car_devkit" / "devkit" / LABELLED)
    table = read("cars196", root)
    assert all(path.is_file() for path in table.paths)
    assert table.frame.drop("image").equals(before.frame.drop("image"))


CAR = (2, 3, 6, 8, 1, "00001.jpg")


def test_whole_numbers_may_be_stored_as_floating_point(tmp_path: Path) -> None:
    root = write_cars196(tmp_path, CLASSES)
    rows = [(2.0, 3.0, 6.0, 8.0, 2.0, "00001.jpg")]
    save_mat(
        root / "devkit" / "cars_train_annos.mat", annotations=structs((*CORNERS, "class", "fname"), rows)
    )
    assert read("cars196", root).frame.row(0)[:2] == ("cars_train/00001.jpg", "Élan ひ")


def test_an_empty_box_is_the_whole_picture(tmp_path: Path) -> None:
    root = write_cars196(tmp_path, CLASSES)
    rows = [(2, 3, 1, 8, 1, "00001.jpg"), (*CAR[:5], "00002.jpg")]
    save_mat(
        root / "devkit" / "cars_train_annos.mat", annotations=structs((*CORNERS, "class", "fname"), rows)
    )
    table = read("cars196+boxes", root)
    assert table.boxes[:2] == [None, (1, 2, 6, 8)]
    assert table.notes[-1] == "boxes that hold no pixel, so that the whole picture is taken: 1"


# CUB-200-2011


def test_cub200_is_split_by_class(tmp_path: Path) -> None:
    table = read("cub200", write_cub200(tmp_path, CLASSES))
    assert table.frame.columns == ["image", "label", "split", "published_split"]
    assert counts(table, "label", "split") == {
        ("001.Cat fish", "train"): 3,
        ("002.Élan ひ", "train"): 3,
        ("003.c", "test"): 3,
        ("004.d", "test"): 3,
    }
    assert counts(table, "published_split") == {"test": 4, "train": 8}
    assert all(path.is_file() for path in table.paths)


def test_boxes_of_birds_hold_broken_pixels(tmp_path: Path) -> None:
    root = write_cub200(tmp_path, CLASSES)
    assert read("cub200", root).boxes == [None] * 12
    assert read("cub200+boxes", root).boxes == [(1, 2, 6, 7)] * 12  # 1.0 + 4.5 and 2.0 + 5.0


@pytest.mark.parametrize("box", ["nan 2 3 4", "1 2 0 4", "1 2 inf 4", "1e300 2 3 4"])
def test_a_box_of_no_bird_is_the_whole_picture(tmp_path: Path, box: str) -> None:
    root = write_cub200(tmp_path, CLASSES)
    change(root / "bounding_boxes.txt", "1 1.0 2.0 4.5 5.0", f"1 {box}")
    table = read("cub200+boxes", root)
    assert table.boxes[:2] == [None, (1, 2, 6, 7)]
    assert table.notes[-1] == "boxes that hold no pixel, so that the whole picture is taken: 1"


# Stanford Online Products


def test_sop_has_its_own_split(tmp_path: Path) -> None:
    table = read("sop", write_sop(tmp_path, CLASSES))
    assert counts(table, "label", "split", "category") == {
        ("1", "train", "coffee_maker"): 3,
        ("2", "train", "bicycle"): 3,
        ("3", "test", "coffee_maker"): 3,
        ("4", "test", "bicycle"): 3,
    }
    assert table.frame["image"][0] == "coffee_maker_final/111000000001_0.JPG"


# In-shop


@pytest.mark.parametrize(("flat", "place"), [(True, "img"), (False, "Img/img")])
def test_inshop_has_queries_and_a_gallery(tmp_path: Path, flat: bool, place: str) -> None:
    root = write_inshop(tmp_path, CLASSES, flat=flat)
    table = read("inshop", root)
    assert table.frame.columns == ["image", "label", "split", "role", "category"]
    assert counts(table, "label", "split", "role", "category") == {
        ("id_00000001", "train", None, "WOMEN/Tees"): 3,
        ("id_00000002", "train", None, "WOMEN/Blouses_Shirts"): 3,
        ("id_00000003", "test", "gallery", "WOMEN/Tees"): 2,
        ("id_00000003", "test", "query", "WOMEN/Tees"): 1,
        ("id_00000004", "test", "gallery", "WOMEN/Blouses_Shirts"): 2,
        ("id_00000004", "test", "query", "WOMEN/Blouses_Shirts"): 1,
    }
    assert table.frame["image"][0] == f"{place}/WOMEN/Tees/id_00000001/00_1_front.jpg"
    assert read("inshop+boxes", root).boxes == [(1, 2, 6, 8)] * 12


def test_a_garment_in_a_folder_of_its_own_has_no_category(tmp_path: Path) -> None:
    root = write_inshop(tmp_path, CLASSES)
    path = root / "Eval" / "list_eval_partition.txt"
    path.write_text("1\nimage_name item_id evaluation_status\na.jpg id_1 train\n")
    (root / "Img" / "a.jpg").touch()
    assert read("inshop", root).frame.row(0) == ("Img/a.jpg", "id_1", "train", None, "")


# Omniglot


def test_omniglot_is_split_by_alphabet(tmp_path: Path) -> None:
    table = read("omniglot", write_omniglot(tmp_path, CLASSES))
    assert table.frame.columns == ["image", "label", "split", "alphabet", "drawer"]
    assert counts(table, "label", "split") == {
        ("Alphabet_of_the_0_(ひ)/character01", "train"): 3,
        ("Alphabet_of_the_0_(ひ)/character02", "train"): 3,
        ("Alphabet_of_the_1_(ひ)/character01", "test"): 3,
        ("Alphabet_of_the_1_(ひ)/character02", "test"): 3,
    }
    assert counts(table, "alphabet", "drawer") == {
        (f"Alphabet_of_the_{number}_(ひ)", f"0{drawer}"): 2 for number in (0, 1) for drawer in (1, 2, 3)
    }
