"""Every published data set: the ways in which its files can be wrong, and what is said of them."""

from pathlib import Path
from typing import Any

import pytest

from lookalike.errors import LookalikeError, TableError
from lookalike.tables.table import ImageTable
from published import (
    CORNERS,
    LABELLED,
    LISTED,
    WRITERS,
    change,
    drawn,
    save_mat,
    structs,
    write_cars196,
    write_omniglot,
)

CLASSES = drawn("Cat fish", "Élan ひ", "c", "d", each=3)


def read(name: str, root: Path) -> ImageTable:
    return ImageTable.read(f"{name}:{root}")


# lists


Change = tuple[str, str, str]  # old text, new text, what is said of it
WRONG: dict[str, dict[str, list[Change]]] = {
    "tiny-imagenet": {
        "wnids.txt": [
            ("n00000020", "n00000021", r"one wnid twice - .*wnids.txt: line \d - saw 'n000"),
        ],
        "words.txt": [
            ("n00000020\t", "n9\t", "no name - .*words.txt - saw 6 names, none for n00000020 "),
            ("\tCat", " Cat", "other columns - .*words.txt: line 2 - .*wanted 2: wnid, names"),
        ],
        "val/val_annotations.txt": [
            ("n00000021", "n9", "line 2 - saw wnid 'n9', wanted one of wnids"),
            ("\t32\t44", "\t44", "line 1 - .*wanted 6: file, wnid, x1"),
            ("\t32", "\tx", "line 1 - .*wanted y1 to be a whole number"),
            ("val_1", "val_0", "one file twice - .*: line 2 - saw 'val_0.JPEG'"),
        ],
    },
    "celeba": {
        "list_attr_celeba.txt": [
            ("12\n", "202599\n", "saw 12 rows below '202599'"),
            (" Young", "", "line 3 - saw '000001.jpg .*, wanted 40: image, 5_o_Clock_Shad"),
            (" Young", " Bald", "no names - .* - saw Bald twice or in place of an attrib"),
            (" Young", " role", "no names - .* - saw role twice or .*wanted different names, and none"),
            ("000002.jpg -1", "000002.jpg 0", "line 4 - saw 5_o_Clock_Shadow 0, wanted -1"),
            ("000002.jpg -1", "000002.jpg no", "line 4 - .*wanted 5_o_Clock_Shadow to be a"),
            ("000002.jpg", "000001.jpg", "one image twice - .*line 4 - saw '000001.jpg'"),
        ],
        "list_eval_partition.txt": [
            ("000002.jpg 0", "000002.jpg 3", "no split - .*line 2 - saw split 3, wanted"),
            ("000012.jpg 2\n", "", "attr_celeba.txt: line 14 - .*which has 11 rows; her"),
        ],
        "identity_CelebA.txt": [
            ("000012.jpg 4\n", "13.jpg 4\n", "line 14 - saw image '000012.jpg', wanted it in"),
        ],
    },
    "cub200": {
        "images.txt": [
            ("2 001", "1 001", "one id twice - .*images.txt: line 2 - saw 1,"),
            ("fish_0001", "fish_0000", "one image twice - .*images.txt: line 2"),
            ("2 001", "x 001", "images.txt: line 2 - saw 'x.*wanted id to be a whole number"),
        ],
        "image_class_labels.txt": [
            ("2 1\n", "2 9\n", "unknown class - .*image_class_labels.txt: line 2 - saw class 9"),
            ("12 4\n", "", "images.txt: line 12 - saw id 12, wanted it in image_class"),
        ],
        "train_test_split.txt": [
            ("2 0\n", "2 2\n", "train_test_split.txt: line 2 - saw is_train 2, wanted 0 or 1"),
        ],
        "classes.txt": [
            ("2 002", "1 002", "one class twice - .*classes.txt: line 2"),
        ],
    },
    "sop": {
        "Ebay_train.txt": [
            ("super_class_id", "class", "other columns - .*train.txt: line 1 - saw image_id class_i"),
        ],
        "Ebay_test.txt": [
            ("\n8 3 2 ", "\n8 x 2 ", "Ebay_test.txt: line 3 - .*wanted class_id to be a whole"),
            ("\n8 3 2 ", "\n8 1 2 ", "on both sides - .*Ebay_test.txt: line 3 - saw class_id 1,"),
            ("0003_1.JPG", "0003_0.JPG", "one path twice - .*Ebay_test.txt: line 3 - "),
        ],
    },
    "inshop": {
        "Eval/list_eval_partition.txt": [
            ("12\n", "13\n", "saw 12 rows below '13'"),
            (" train", " trian", "line 3 - saw evaluation_status 'trian', wanted"),
            (" train", "", "line 3 - .*wanted 3: image_name, item_id, evaluation_st"),
            ("t.jpg", "t.jp", "no picture - .*line 3 - saw image_name 'img/.*t.jp'"),
            ("/01_1", "/00_1", "one image_name twice - .*line 4"),
        ],
    },
}
CASES = [
    (name, file, *change)
    for name, files in WRONG.items()
    for file, changes in files.items()
    for change in changes
]


@pytest.mark.parametrize(("name", "file", "old", "new", "message"), CASES)
def test_a_list_that_is_wrong_is_named_with_its_line(
    tmp_path: Path, name: str, file: str, old: str, new: str, message: str
) -> None:
    root = WRITERS[name](tmp_path, CLASSES)
    change(root / file, old, new)
    with pytest.raises(TableError, match=message) as caught:
        read(name, root)
    assert str(root) in caught.value.where
    assert caught.value.do


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("tiny-imagenet", "val/val_annotations.txt"),
        ("tiny-imagenet", "train/n00000021/images"),
        ("celeba", "list_eval_partition.txt"),
        ("cub200", "train_test_split.txt"),
        ("cub200+boxes", "bounding_boxes.txt"),
        ("inshop+boxes", "Anno/list_bbox_inshop.txt"),
        ("cars196", "devkit/cars_meta.mat"),
        ("omniglot", "images_evaluation/Alphabet_of_the_1_(ひ)"),
    ],
)
def test_what_is_missing_is_named(tmp_path: Path, name: str, file: str) -> None:
    root = WRITERS[name.partition("+")[0]](tmp_path / "set", CLASSES)
    (root / file).rename(tmp_path / "elsewhere")
    with pytest.raises(TableError) as caught:
        read(name, root)
    if name == "omniglot":  # one of those by which the folder is told
        assert caught.value.what == "this is not Omniglot"
        return
    assert caught.value.what.endswith("of the data set is missing")
    assert caught.value.where == str(root / file)


@pytest.mark.parametrize("name", LISTED)
def test_a_list_cut_short_anywhere_is_an_error_or_has_fewer_rows(name: str, tmp_path: Path) -> None:
    root = WRITERS[name](tmp_path, CLASSES)
    files = {
        "tiny-imagenet": "val/val_annotations.txt",
        "celeba": "list_attr_celeba.txt",
        "cub200": "images.txt",
        "sop": "Ebay_test.txt",
        "inshop": "Eval/list_eval_partition.txt",
    }
    path = root / files[name]
    whole, errors = path.read_bytes(), list[LookalikeError]()
    for end in range(0, len(whole) - 1, max(1, len(whole) // 12)):
        path.write_bytes(whole[:end])
        try:
            rows = len(read(name, root))
        except LookalikeError as error:
            errors.append(error)
        else:
            assert rows < 12
            assert name in ("sop", "tiny-imagenet")  # no other file of theirs says how many there are
    assert len(errors) >= 8
    assert all(error.do for error in errors)


# annotations of MATLAB, and names of files


def test_labels_of_the_test_cars_are_asked_for(tmp_path: Path) -> None:
    root = write_cars196(tmp_path, CLASSES)
    (root / LABELLED).unlink()
    with pytest.raises(TableError) as caught:
        read("cars196", root)
    assert str(caught.value) == (
        f"the labels of the test pictures are missing - {root}/devkit/{LABELLED} - "
        "saw only cars_test_annos.mat, which has no labels - "
        f"get {LABELLED}, which was published beside the devkit, and put it there"
    )
    (root / "devkit" / "cars_test_annos.mat").rename(root / LABELLED)
    with pytest.raises(
        TableError, match=r"other fields - .*withlabels.mat: annotations - saw bbox_x1, .* wanted fn"
    ):
        read("cars196", root)
    (root / LABELLED).unlink()
    with pytest.raises(TableError, match="saw no such file"):
        read("cars196", root)


CAR = (2, 3, 6, 8, 1, "00001.jpg")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [CAR, CAR],
            r"lists one image twice - .*: annotation 2 - saw '00001.jpg', .* in annotation 1 already",
        ),
        (
            [CAR, (2, 3, 6, 8, 9, "b.jpg")],
            "unknown class - .*: annotation 2 - saw class 9, wanted one of the 4 of",
        ),
        ([(2, 3, 6, 8, 0, "b.jpg")], "unknown class - .*: annotation 1 - saw class 0"),
        ([(2, 3, 6, 8, "x", "b")], "wrong kind - .*: annotation 1 - saw class 'x', wanted a whole number"),
        ([(2, 3, 6.5, 8, 1, "b")], "wrong kind - .*: annotation 1 - saw bbox_x2 6.5, wanted a whole number"),
        (
            [CAR, (2, 3, 6, 8, 1, "00002")],
            "names no picture - .*: annotation 2 - saw image '00002', wanted a name",
        ),
        ([CAR, (2, 3, 6, 8, 1, 7)], "wrong kind - .*: annotation 2 - saw fname 7, wanted text"),
    ],
)
def test_annotations_of_cars_that_are_wrong(tmp_path: Path, rows: list[Any], message: str) -> None:
    root = write_cars196(tmp_path, CLASSES)
    save_mat(
        root / "devkit" / "cars_train_annos.mat", annotations=structs((*CORNERS, "class", "fname"), rows)
    )
    with pytest.raises(TableError, match=message):
        read("cars196", root)


def test_a_drawing_of_another_name_is_refused(tmp_path: Path) -> None:
    root = write_omniglot(tmp_path, CLASSES)
    path = next((root / "images_evaluation").rglob("*.png"))
    path.rename(path.with_name("mine.png"))
    with pytest.raises(
        TableError, match=r"unknown name - .* - saw .*mine.png \(1 such\), wanted a name such as 07"
    ):
        read("omniglot", root)
