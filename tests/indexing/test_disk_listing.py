"""A table as an index names its pictures, against slower ways to the same names."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lookalike.indexing.listing import Listed, Listing, attributes_text
from lookalike.indexing.schema import Root
from lookalike.tables.table import ImageTable

ODD = ["b/../a.png", "./c.png", "x//y.png", "/abs/z.png", "../up.png", ".hidden.png", "d/./e.png", "ü/é.png"]


def listing(root: Path, images: Sequence[str], **columns: Sequence[object]) -> Listing:
    frame = pl.DataFrame({"image": images, **columns}, strict=False)
    return Listing(Root(1, str(root), str(root)), ImageTable(root, frame))


def every(made: Listing) -> list[Listed]:
    return made.at(range(len(made)))


def test_paths_and_files_are_those_of_the_system(tmp_path: Path) -> None:
    found = every(listing(tmp_path, ODD))
    assert [entry.path for entry in found] == [os.path.normpath(image) for image in ODD]
    assert [entry.file for entry in found] == [os.path.normpath(tmp_path / image) for image in ODD]
    assert [entry.place for entry in found] == [str((tmp_path / image).parent.resolve()) for image in ODD]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_parts_are_all_rows_in_the_order_of_paths_and_cover_all_paths(tmp_path: Path, size: int) -> None:
    images = [f"{n * 7919 % 31:02}.png" for n in range(31)]
    made = listing(tmp_path, images, label=[image[:1] for image in images])
    parts = list(made.parts(size))
    assert [path for part in parts for path in part.paths] == sorted(images)
    for part in parts:
        assert [images[row] for row in part.rows] == part.paths
        assert [made.file(path) for path in part.paths] == [str(tmp_path / path) for path in part.paths]
        assert part.labels == [path[:1] for path in part.paths]
        assert all(part.first <= path and (part.after is None or path < part.after) for path in part.paths)
    assert [part.first for part in parts] == ["", *(part.after for part in parts[:-1])]
    assert parts[-1].after is None


def test_parts_of_one_picture_stay_together(tmp_path: Path) -> None:
    boxes = [[n, 0, n + 9, 9] for n in range(5)]
    made = listing(tmp_path, ["a.png", "b.png", "b.png", "b.png", "c.png"], box=boxes)
    parts = list(made.parts(2))
    assert [part.paths for part in parts] == [["a.png", "b.png", "b.png", "b.png"], ["c.png"]]
    assert parts[0].boxes == ["0,0,9,9", "1,0,10,9", "2,0,11,9", "3,0,12,9"]
    assert [entry.box for entry in every(made)] == [tuple(box) for box in boxes]


def test_of_the_same_file_the_first_row_counts(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    images = ["link/a.png", "real/a.png", "b.png", "./b.png", "real/../b.png"]
    made = listing(tmp_path, images, label=list("vwxyz"), year=[1, 2, 3, 4, 5])
    assert [(entry.path, entry.label, entry.attributes) for entry in every(made)] == [
        ("link/a.png", "v", '{"year": 1}'),
        ("b.png", "x", '{"year": 3}'),
    ]
    assert [(part.rows, part.attributes) for part in made.parts()] == [
        ([1, 0], ['{"year": 3}', '{"year": 1}'])
    ]
    assert made.places([0]) == {str(tmp_path / "real")}


def test_attributes_are_json_without_what_is_not_known(tmp_path: Path) -> None:
    columns: dict[str, Sequence[object]] = {
        "path": ["p", "q", "p"],  # names that a listing has for itself, too
        "row": [3, 2, None],
        "share": [0.5, math.nan, math.inf],
        "tags": [["ü", "b"], [], None],
    }
    made = listing(tmp_path, ["a.png", "b.png", "c.png"], **columns)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    expected = [
        {
            name: value
            for name, value in row.items()
            if value is not None and not (isinstance(value, float) and not math.isfinite(value))
        }
        for row in rows
    ]
    texts = [json.dumps(row, ensure_ascii=False, sort_keys=True) for row in expected]
    assert [entry.attributes for entry in every(made)] == texts
    assert [attributes_text(row) for row in rows] == texts
    assert [part.attributes for part in made.parts()] == [texts]


def test_rows_with_the_same_attributes_have_the_same_text(tmp_path: Path) -> None:
    images = [f"{n:03}.png" for n in range(50)]
    made = listing(tmp_path, images, kind=["a", "b"] * 25, size=(np.arange(50) % 3).tolist())
    (part,) = made.parts()
    assert part.attributes == [f'{{"kind": "{"ab"[n % 2]}", "size": {n % 3}}}' for n in range(50)]


def test_a_label_that_no_row_has_is_not_said(tmp_path: Path) -> None:
    assert listing(tmp_path, ["a.png"], label=[None]).said == {"image"}
    assert listing(tmp_path, ["a.png", "b.png"], label=[None, 7]).said == {"image", "label"}
    numbers = listing(tmp_path, ["a.png"], label=[7])
    assert every(numbers)[0].label == "7"


def test_a_table_without_rows_is_one_part_of_all_paths(tmp_path: Path) -> None:
    made = listing(tmp_path, ["a.png"])
    empty = Listing(
        Root(1, str(tmp_path), str(tmp_path)),
        ImageTable(tmp_path, pl.DataFrame({"image": []}, schema={"image": pl.String})),
    )
    assert (len(made), len(empty)) == (1, 0)
    assert [(part.first, part.after, part.rows) for part in empty.parts()] == [("", None, [])]
