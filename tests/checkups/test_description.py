"""Describing a table: planted trouble is found, and nothing else is called trouble."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.checkups.description import Description, describe, lines
from lookalike.errors import SkipReason
from lookalike.tables.table import ImageTable
from pictures import content, exif, noise, smooth


def write(root: Path, name: str, data: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(data)


def picture(seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    return content(Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)), "PNG")


def told(found: Description) -> str:
    return "\n".join(lines(found))


def test_the_sample(sample: Path) -> None:
    found = describe(ImageTable.read(sample))
    assert (found.images, found.usable, found.unlabelled, len(found.images_per_class)) == (2174, 2174, 0, 300)
    assert set(found.images_per_class.values()) == {6, 7, 8}
    assert found.imbalance == pytest.approx(8 / 6)
    assert found.formats == {"PNG": 2174}
    assert found.width is not None
    assert (found.width.min, found.width.median, found.width.max) == (64, 64, 64)
    assert not any((found.skipped, found.duplicates, found.blank, found.single, found.notes))
    assert lines(found) == [
        "2,174 pictures, 300 classes",
        "pictures in a class: 6 to 8, median 8; the largest class is 1.3 x the smallest",
        "attributes: 82",
        "width: 64 to 64, median 64; height: 64 to 64, median 64 pixels",
        "formats: 2,174 PNG; modes: 2,174 RGB",
    ]


def test_planted_duplicates_are_found_and_those_across_splits_come_first(few: Path, tmp_path: Path) -> None:
    labels = sorted(folder.name for folder in few.iterdir())[:4]
    for split, names in (("train", labels[:2]), ("test", labels[2:])):
        for name in names:
            shutil.copytree(few / name, tmp_path / split / name)
    first, second, third, _ = labels
    shutil.copy(tmp_path / "test" / third / "noto.png", tmp_path / "test" / third / "again.png")
    shutil.copy(tmp_path / "train" / second / "openmoji.png", tmp_path / "train" / first / "wrong.png")
    shutil.copy(tmp_path / "train" / first / "noto.png", tmp_path / "test" / third / "leak.png")
    found = describe(ImageTable.read(tmp_path))
    leak, wrong, same = found.duplicates
    assert leak.images == (f"test/{third}/leak.png", f"train/{first}/noto.png")
    assert leak.across_splits
    assert leak.splits == ("test", "train")
    assert wrong.images == (f"train/{first}/wrong.png", f"train/{second}/openmoji.png")
    assert (wrong.across_splits, wrong.across_labels) == (False, True)
    assert same.images == (f"test/{third}/again.png", f"test/{third}/noto.png")
    assert (same.across_splits, same.across_labels) == (False, False)
    assert "3 groups of equal files:" in told(found)
    assert f"test/{third}/leak.png = train/{first}/noto.png (in test and train; labelled" in told(found)


def test_splits_are_counted(tmp_path: Path) -> None:
    for place, name in enumerate(("train/a/1.png", "train/a/2.png", "train/b/1.png", "test/c/1.png")):
        write(tmp_path, name, picture(place))
    found = describe(ImageTable.read(tmp_path))
    assert found.splits == {"train": (3, 2), "test": (1, 1)}
    assert "train: 3 pictures, 2 classes\ntest: 1 picture, 1 class" in told(found)


def test_every_bad_file_is_listed_with_its_reason(tmp_path: Path) -> None:
    for place in range(3):
        write(tmp_path, f"good/{place}.png", picture(place))
    write(tmp_path, "bad/empty.png", b"")
    write(tmp_path, "bad/text.jpg", b"no picture at all")
    write(tmp_path, "bad/cut.jpg", content(smooth(400, 600), "JPEG")[:-3000])
    write(tmp_path, "bad/dot.png", content(Image.new("RGB", (1, 1)), "PNG"))
    (tmp_path / "bad" / "gone.png").symlink_to("nowhere")
    found = describe(ImageTable.read(tmp_path))
    assert {entry.path: entry.reason for entry in found.skipped} == {
        "bad/cut.jpg": SkipReason.TRUNCATED,
        "bad/dot.png": SkipReason.TOO_SMALL,
        "bad/empty.png": SkipReason.EMPTY,
        "bad/gone.png": SkipReason.MISSING,
        "bad/text.jpg": SkipReason.NOT_AN_IMAGE,
    }
    assert (found.images, found.usable) == (7, 3)
    assert found.images_per_class == {"bad": 0, "good": 3}
    assert (found.imbalance, found.classes, found.empty) == (1.0, 1, ("bad",))
    assert told(found).startswith("3 pictures, 1 class\npictures in a class: 3 to 3, median 3;")
    assert "1 class without a usable picture:\n  bad\n" in told(found)
    assert found.to_json()["classes"] == 1
    assert (
        "5 files that cannot be used (1 missing, 1 truncated, 1 too small, 1 empty, 1 not an image):"
        in told(found)
    )
    assert "  bad/empty.png: empty (0 bytes)" in told(found)


def test_nothing_can_be_used(tmp_path: Path) -> None:
    write(tmp_path, "a/1.png", b"")
    found = describe(ImageTable.read(tmp_path))
    assert (found.width, found.height, found.imbalance, found.usable) == (None, None, None, 0)
    assert found.to_json()["width"] is None
    assert told(found).startswith("0 pictures, 0 classes\n1 class without a usable picture:\n  a\n")


def test_classes_with_one_picture_and_imbalance(tmp_path: Path) -> None:
    for place in range(10):
        write(tmp_path, f"many/{place}.png", picture(place))
    write(tmp_path, "one/1.png", picture(100))
    found = describe(ImageTable.read(tmp_path))
    assert found.single == ("one",)
    assert found.imbalance == 10.0
    assert "1 class with a single picture:\n  one" in told(found)


def test_unlabelled_pictures(tmp_path: Path) -> None:
    write(tmp_path, "1.png", picture(1))
    write(tmp_path, "2.png", picture(2))
    found = describe(ImageTable.read(tmp_path))
    assert (found.unlabelled, found.images_per_class, found.imbalance) == (2, {}, None)
    assert told(found).startswith("2 pictures, 0 classes\n2 pictures without a label\nwidth: 8 to 8")


def test_blank_pictures(tmp_path: Path) -> None:
    nearly = Image.new("RGB", (800, 600), (200, 100, 0))
    nearly.putpixel((400, 300), (0, 0, 255))
    write(tmp_path, "a/blank.png", content(Image.new("L", (8, 6), 7), "PNG"))
    write(tmp_path, "a/blank.jpg", content(Image.new("RGB", (800, 600), "white"), "JPEG"))
    write(tmp_path, "a/clear.png", content(Image.new("RGBA", (8, 6), (1, 2, 3, 0)), "PNG"))
    write(tmp_path, "a/nearly.png", content(nearly, "PNG"))
    write(tmp_path, "a/nearly.jpg", content(nearly, "JPEG", quality=95))
    write(tmp_path, "a/noise.png", picture(1))
    chequered = 100 + 56 * (np.indices((600, 800)).sum(axis=0) % 2).astype(np.uint8)
    write(tmp_path, "a/one-grey-from-afar.jpg", content(Image.fromarray(chequered), "JPEG", quality=95))
    assert describe(ImageTable.read(tmp_path)).blank == ("a/blank.jpg", "a/blank.png", "a/clear.png")


def test_sizes_formats_and_modes_are_of_the_whole_upright_picture(tmp_path: Path) -> None:
    write(tmp_path, "a/1.jpg", content(smooth(600, 800), "JPEG", exif=exif(6)))
    write(tmp_path, "a/2.png", content(noise(20, 30).convert("L"), "PNG"))
    write(tmp_path, "a/3.jpg", content(smooth(601, 803).convert("CMYK"), "JPEG"))
    found = describe(ImageTable.read(tmp_path))
    assert found.width is not None
    assert found.height is not None
    assert (found.width.min, found.width.median, found.width.max) == (30, 600, 803)
    assert (found.height.min, found.height.median, found.height.max) == (20, 601, 800)
    assert found.formats == {"JPEG": 2, "PNG": 1}
    assert found.modes == {"RGB": 1, "L": 1, "CMYK": 1}


def test_a_picture_with_two_boxes_is_opened_once_and_no_duplicate(tmp_path: Path) -> None:
    write(tmp_path, "a.png", picture(1))
    (tmp_path / "m.csv").write_text("image,label,box\na.png,x,0 0 2 2\na.png,y,2 2 4 4\n")
    found = describe(ImageTable.read(tmp_path / "m.csv"))
    assert found.duplicates == ()
    assert found.formats == {"PNG": 1}
    assert found.images_per_class == {"x": 1, "y": 1}


def test_roles_groups_boxes_and_attributes_are_counted(tmp_path: Path) -> None:
    for place in range(3):
        write(tmp_path, f"{place}.png", picture(place))
    rows = [
        "0.png,x,query,a,0 0 2 2,1",
        "1.png,x,gallery,b,,1",
        "2.png,y,,b,,0",
        "gone.png,y,query,c,0 0 2 2,0",
    ]
    (tmp_path / "m.csv").write_text("\n".join(["image,label,role,group,box,round", *rows]) + "\n")
    found = describe(ImageTable.read(tmp_path / "m.csv"))
    shown = found.to_json()
    assert shown["roles"] == {"query": 1, "gallery": 1, "both": 1}
    assert (shown["groups"], shown["boxes"], shown["attributes"]) == (2, 1, ["round"])
    assert lines(found)[2:6] == [
        "roles: 1 query, 1 gallery, 1 both",
        "groups: 2",
        "boxes: 1",
        "attributes: 1",
    ]


def test_progress_and_notes(tmp_path: Path) -> None:
    for place in range(40):
        write(tmp_path, f"a/{place}.png", picture(place))
    write(tmp_path, "loose.png", picture(99))
    heard: list[tuple[int, int]] = []
    found = describe(ImageTable.read(tmp_path), progress=lambda done, total: heard.append((done, total)))
    assert heard == [(done, 41) for done in range(1, 42)]
    assert found.notes[0] in told(found)


def test_long_lists_are_cut_in_the_text_and_whole_in_json(tmp_path: Path) -> None:
    for place in range(25):
        write(tmp_path, f"c{place:02d}/1.png", picture(place))
    found = describe(ImageTable.read(tmp_path))
    assert "25 classes with a single picture:" in told(found)
    assert "  c09\n  and 15 more" in told(found)
    assert len(found.to_json()["single"]) == 25


def test_json_has_stable_keys(tmp_path: Path) -> None:
    write(tmp_path, "train/a/1.png", picture(1))
    write(tmp_path, "test/b/1.png", picture(1))
    write(tmp_path, "test/b/2.png", b"")
    text = json.dumps(describe(ImageTable.read(tmp_path)).to_json())
    assert json.loads(text) == {
        "images": 3,
        "usable": 2,
        "unlabelled": 0,
        "classes": 2,
        "images_per_class": {"min": 1, "median": 1.0, "max": 1},
        "counts": {"a": 1, "b": 1},
        "single": ["a", "b"],
        "empty": [],
        "imbalance": 1.0,
        "splits": {"train": {"images": 1, "classes": 1}, "test": {"images": 1, "classes": 1}},
        "roles": {},
        "groups": 0,
        "boxes": 0,
        "attributes": [],
        "width": {"min": 8, "median": 8.0, "max": 8},
        "height": {"min": 6, "median": 6.0, "max": 6},
        "formats": {"PNG": 2},
        "modes": {"RGB": 2},
        "skipped": [{"path": "test/b/2.png", "reason": "empty", "detail": "0 bytes"}],
        "duplicates": [
            {
                "images": ["test/b/1.png", "train/a/1.png"],
                "labels": ["a", "b"],
                "splits": ["test", "train"],
                "across_labels": True,
                "across_splits": True,
            }
        ],
        "blank": [],
        "notes": [],
    }
