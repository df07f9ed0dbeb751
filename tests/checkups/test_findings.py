"""One finding at a time: a small set in which it is there, or is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from checked import Look, looking, of, verdicts
from lookalike.checkups import examination
from lookalike.checkups.cleaning import (
    write_manifest,
)
from lookalike.checkups.findings import Verdict
from lookalike.tables.table import ImageTable
from scenes import cropped, scene, tidy, write


@pytest.fixture(scope="module")
def look(tiny_folder: Path) -> Look:
    return looking(tiny_folder)


def test_links_to_nothing_are_counted(look: Look, tmp_path: Path) -> None:
    tidy(tmp_path)
    (tmp_path / "thing 0" / "gone.png").symlink_to("nowhere")
    found = of(look(tmp_path), "files")
    assert (found.figure, found.what) == (1, "1 of 41 pictures cannot be used (1 missing)")


def test_pictures_without_labels(look: Look, tmp_path: Path) -> None:
    for seed in range(3):
        write(tmp_path / f"{seed}.png", scene(seed))
    write(tmp_path / "0-crop.png", cropped(scene(0)))
    checkup = look(tmp_path)
    found = verdicts(checkup)
    assert (found["labels"], found["splits"], found["near_duplicates"]) == ("look", "look", "look")
    assert "no picture has a label" in of(checkup, "labels").what
    assert "without labels there is nothing to train on" in of(checkup, "splits").what
    assert (found["promise"], "no two classes" in of(checkup, "promise").what) == ("ok", True)


def test_some_pictures_without_labels(look: Look, tmp_path: Path) -> None:
    tidy(tmp_path)
    write(tmp_path / "loose.png", scene(900))
    found = of(look(tmp_path), "labels")
    assert (found.figure, found.entries) == (1, ("loose.png",))


def test_a_copy_with_a_label_and_one_without_do_not_contradict(look: Look, tmp_path: Path) -> None:
    tidy(tmp_path)
    write(tmp_path / "loose.png", scene(0))
    write(tmp_path / "crop.png", cropped(scene(1)))
    checkup = look(tmp_path)
    found = verdicts(checkup)
    assert (found["contradictions"], found["copies"], found["doubtful_labels"]) == ("ok", "mend", "ok")
    assert [entry.image for entry in checkup.cleaned.left_out] == ["crop.png", "loose.png"]


def test_copies_within_a_split_are_to_be_looked_at(look: Look, tmp_path: Path) -> None:
    for number in range(36):
        split = ("train", "val", "test")[number % 3]
        write(tmp_path / split / f"thing {number // 18}" / f"{number}.png", scene(number))
    write(tmp_path / "train" / "thing 0" / "again.png", scene(0))
    write(tmp_path / "train" / "thing 0" / "crop.png", cropped(scene(3)))
    found = look(tmp_path)
    assert verdicts(found)["copies"] == verdicts(found)["near_duplicates"] == "look"
    assert "across" not in of(found, "copies").what + of(found, "near_duplicates").what


def test_too_little_for_splits(look: Look, tmp_path: Path) -> None:
    for seed in range(4):
        write(tmp_path / "one" / f"a{seed}" / f"{seed}.png", scene(seed))
    one = of(look(tmp_path / "one"), "splits")
    assert one.verdict == Verdict.MEND
    assert "add pictures" in one.do
    tidy(tmp_path / "single", classes=1)
    assert "too few classes" in of(look(tmp_path / "single"), "splits").what
    tidy(tmp_path / "many", classes=24, images=2)
    by_class = of(look(tmp_path / "many"), "splits")
    assert (by_class.verdict, by_class.setting) == (Verdict.LOOK, "split.by=class")


@pytest.mark.parametrize(
    ("column", "do"), [("role", "mark some rows as gallery"), ("group", "rename the column group")]
)
def test_roles_and_groups_that_leave_nothing_to_find(
    look: Look, tmp_path: Path, column: str, do: str
) -> None:
    tidy(tmp_path)
    rows = [f"{path.relative_to(tmp_path)},{path.parent.name}" for path in sorted(tmp_path.glob("*/*.png"))]
    more = [row + (",query" if column == "role" else f",{row.split(',')[1]}") for row in rows]
    (tmp_path / "m.csv").write_text("\n".join([f"image,label,{column}", *more]) + "\n")
    found = of(look(tmp_path / "m.csv"), "splits")
    assert found.verdict == Verdict.MEND
    assert do in found.do
    assert "add pictures" not in found.do


def test_given_splits_that_lack_one(look: Look, tmp_path: Path) -> None:
    for number in range(12):
        write(
            tmp_path / ("train", "val")[number % 2] / f"thing {number % 3}" / f"{number}.png", scene(number)
        )
    found = of(look(tmp_path), "splits")
    assert found.verdict == Verdict.LOOK
    assert "a split has no pictures: test" in found.what


def test_format_or_colour_that_tells_the_label(look: Look, tmp_path: Path) -> None:
    for number in range(20):
        grey, label = number % 2, f"thing {number % 4}"
        picture = scene(number).convert("L") if grey else scene(number)
        write(tmp_path / label / f"{number}.{'jpg' if number % 4 == 3 else 'png'}", picture)
    found = of(look(tmp_path), "kinds")
    assert found.verdict == Verdict.LOOK
    assert found.entries == ("2 labels all colour; 2 labels all grey", "3 labels all PNG; 1 label all JPEG")


def test_what_is_nearly_of_one_colour_is_said_and_not_compared(look: Look, tmp_path: Path) -> None:
    for number in range(2):
        faint = np.full((96, 96, 3), 120 + number, np.uint8)
        faint[::2] += 3
        write(tmp_path / "a" / f"{number}.png", Image.fromarray(faint))
    checkup = look(tmp_path)
    assert of(checkup, "faint").entries[0] == "a/0.png: 96 x 96 pixels, colours spread by 1.5 levels of 255"
    assert (of(checkup, "faint").figure, checkup.examination.near.candidates) == (2, 0)


def test_a_box_whose_picture_went_away_is_compared_with_nothing(tmp_path: Path) -> None:
    path = tmp_path / "gone.png"
    assert set(examination._print(path, (0, 0, 9, 9))) == {0}
    write(path, scene(1))
    assert len(set(examination._print(path, (0, 0, 90, 90)))) > 10


def test_attributes_without_a_meaning(look: Look, tmp_path: Path) -> None:
    tidy(tmp_path, classes=3, images=2)
    rows = "thing 0,1,5,1\nthing 1,1,,0\nthing 2,1,,1\n"
    (tmp_path / "attributes.csv").write_text(f"label,always,gaps,fine\n{rows}")
    found = of(look(tmp_path), "attributes")
    assert found.entries == ("always: only 1", "gaps: only 5", "gaps: not stated of 4 of 6")
    (tmp_path / "attributes.csv").write_text("label,fine\nthing 0,1\nthing 1,0\nthing 2,1\n")
    assert of(look(tmp_path), "attributes").what == "1 attribute, none constant"


@pytest.mark.parametrize(
    ("labels", "alike"),
    [
        (("Cat", "cat"), True),
        (("red car", "red_car"), True),
        (("rose", "roses"), True),
        (("cafe\u0301", "caf\u00e9"), True),
        (("bus", "bu"), False),
        (("1", "1s"), False),
        (("cat", "car"), False),
    ],
)
def test_spellings(look: Look, tmp_path: Path, labels: tuple[str, str], alike: bool) -> None:
    rows = [f"{number}.png,{label}" for number, label in enumerate(labels)]
    for number in range(2):
        write(tmp_path / f"{number}.png", scene(number))
    (tmp_path / "m.csv").write_text("image,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert (of(look(tmp_path / "m.csv"), "spelling").verdict == Verdict.LOOK) == alike


def test_boxes(look: Look, tmp_path: Path) -> None:
    pair = Image.new("RGB", (192, 96))
    pair.paste(scene(1), (0, 0))
    pair.paste(scene(2), (96, 0))
    write(tmp_path / "pair.png", pair)
    write(tmp_path / "copy.png", pair)
    boxes = [
        "pair.png,a,0 0 96 96",
        "pair.png,b,96 0 192 96",
        "copy.png,a,0 0 96 96",
        "copy.png,b,500 0 600 9",
    ]
    (tmp_path / "m.csv").write_text("image,label,box\n" + "\n".join(boxes) + "\n")
    checkup = look(tmp_path / "m.csv")
    assert of(checkup, "copies").entries == ("pair.png = copy.png#0,0,96,96",) or (
        of(checkup, "copies").entries == ("pair.png#0,0,96,96 = copy.png#0,0,96,96",)
    )
    assert "1 of 4 pictures cannot be used (1 too small)" in of(checkup, "files").what
    write_manifest(checkup.cleaned, tmp_path / "clean.csv")
    kept = ImageTable.read(tmp_path / "clean.csv")
    assert kept.boxes == [(0, 0, 96, 96), (96, 0, 192, 96)]


def test_boxes_beyond_their_pictures_are_said(look: Look, tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene(1))
    rows = ["a.png,a,0 0 98 97", "a.png,b,10 10 500 300", "a.png,b,500 0 600 9"]
    (tmp_path / "m.csv").write_text("\n".join(["image,label,box", *rows]) + "\n")
    found = of(look(tmp_path / "m.csv"), "boxes")
    assert (found.verdict, found.figure) == (Verdict.LOOK, 1)
    assert found.what.startswith("1 of 3 boxes beyond the picture, by up to 404 pixels")
    assert found.entries == ("a.png: box 10,10,500,300 in 96 x 96 pixels",)


def test_no_box_can_be_used(look: Look, tmp_path: Path) -> None:
    write(tmp_path / "a.png", scene(1))
    (tmp_path / "m.csv").write_text("image,label,box\na.png,a,500 0 600 9\n")
    found = of(look(tmp_path / "m.csv"), "files")
    assert found.what == "1 of 1 picture cannot be used (boxes outside their pictures)"
