"""Which column is the picture, which the label, and what becomes of the others."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lookalike.errors import SkipReason, TableError
from lookalike.layouts.choosing import Choice, choose, pictures_of, rows_of
from lookalike.layouts.unpacking import Absent, Encoded, File
from packed_sets import CLASS, IMAGE, PICTURE, classes

WHERE = Path("train.parquet")


def chosen(schema: dict[str, Any], description: dict[str, Any] | None = None, **named: str) -> Choice:
    return choose(pl.Schema(schema), description or {}, where=WHERE, **named)


def test_the_picture_is_told_by_its_form_or_its_description() -> None:
    assert chosen({"n": pl.Int64, "img": PICTURE}).image == "img"
    assert chosen({"n": pl.String, "photo": pl.String}, {"photo": IMAGE}).image == "photo"
    assert chosen({"img": PICTURE, "sound": PICTURE}, {"sound": {"_type": "Audio"}}).image == "img"


@pytest.mark.parametrize(
    ("schema", "description", "label"),
    [
        ({"img": PICTURE, "label": pl.Int64}, {}, "label"),
        ({"img": PICTURE, "label": pl.Int64, "other": pl.Int64}, {"other": CLASS}, "label"),
        ({"img": PICTURE, "kind": pl.Int64, "n": pl.Int64}, {"kind": CLASS}, "kind"),
        ({"img": PICTURE, "n": pl.Int64, "text": pl.String}, {}, None),
        ({"img": PICTURE, "label": pl.List(pl.Int64)}, {}, None),
        ({"img": PICTURE, "kinds": pl.List(pl.Int64)}, {"kinds": [CLASS]}, None),
    ],
)
def test_the_label(schema: dict[str, Any], description: dict[str, Any], label: str | None) -> None:
    assert chosen(schema, description).label == label


def test_what_is_named_is_taken() -> None:
    schema = {"a": PICTURE, "b": PICTURE, "label": pl.Int64, "kind": pl.String}
    choice = chosen(schema, image="b", label="kind")
    assert (choice.image, choice.label) == ("b", "kind")
    assert choice.attributes == {"label": "published_label"}
    assert chosen({"raw": pl.Binary}, image="raw").image == "raw"


def test_others_become_attributes_or_are_left_out() -> None:
    schema = {
        "img": PICTURE,
        "label": pl.Int64,
        "width": pl.Int32,
        "caption": pl.String,
        "taken": pl.Date,
        "split": pl.String,
        "group": pl.Int64,
        "published_group": pl.Int64,
        "objects": pl.Struct({"box": pl.List(pl.Float32)}),
        "mask": PICTURE,
        "raw": pl.Binary,
    }
    choice = chosen(schema, image="img")
    assert choice.attributes == {
        "width": "width",
        "caption": "caption",
        "taken": "taken",
        "split": "published_split",
        "group": "published_group_",
        "published_group": "published_group",
    }
    assert choice.notes == (
        "columns that are neither text nor numbers, and were left out: objects, mask, raw",
        "columns whose name has a meaning in tables: split is called published_split, "
        "group is called published_group_",
    )


def test_a_table_without_labels_says_how_to_name_them() -> None:
    assert chosen({"img": PICTURE}).notes == (
        "no column is known to be the label: name one with hugging-face+label=COLUMN:FOLDER",
    )


@pytest.mark.parametrize(
    ("schema", "description", "named", "beats"),
    [
        ({"n": pl.Int64}, {}, {}, r"no column of pictures - train.parquet - saw n \(Int64\), wanted .*Image"),
        ({}, {}, {}, r"no column of pictures - train.parquet - saw no columns"),
        (
            {"a": PICTURE, "b": PICTURE},
            {},
            {},
            "several columns could be the image .* saw a, b.*\\+image=a:FOLDER",
        ),
        (
            {"img": PICTURE, "fine": pl.Int64, "coarse": pl.Int64},
            {"fine": CLASS, "coarse": CLASS},
            {},
            "several columns could be the label .* saw fine, coarse.*\\+label=fine:FOLDER",
        ),
        ({"img": PICTURE}, {}, {"image": "image"}, "there is no column image .* saw img, .* name img"),
        ({"img": PICTURE, "n": pl.Int64}, {}, {"image": "n"}, "column n cannot be the image .* saw Int64"),
        ({"n": pl.Int64}, {}, {"image": "n"}, "column n cannot be the image .* name another column"),
        ({"img": PICTURE}, {}, {"label": "kind"}, "there is no column kind .* saw img"),
        ({"img": PICTURE}, {}, {"label": "img"}, "column img cannot be the label"),
    ],
)
def test_what_is_not_clear_is_asked(
    schema: dict[str, Any], description: dict[str, Any], named: dict[str, str], beats: str
) -> None:
    with pytest.raises(TableError, match=beats):
        chosen(schema, description, **named)


def rows(
    frame: pl.DataFrame, description: dict[str, Any] | None = None, **named: str
) -> dict[str, list[Any]]:
    frame = frame.with_columns(img=pl.lit(None, dtype=PICTURE))
    choice = choose(frame.schema, description or {}, where=WHERE, **named)
    return rows_of(frame.select(choice.columns), choice, where=WHERE, first=5).to_dict(as_series=False)


def test_classes_get_their_names() -> None:
    frame = pl.DataFrame({"label": [1, 0, -1, None], "kind": [0, 0, 1, -1]})
    description = {"label": classes(["cat", "dog"]), "kind": classes(["x", "y"])}
    assert rows(frame, description) == {"label": ["dog", "cat", None, None], "kind": ["x", "x", "y", None]}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([7, -1, None]), ["7", "-1", None]),
        (pl.Series([" x ", "", None]), ["x", None, None]),
        (pl.Series([True, False, None]), ["true", "false", None]),
        (pl.Series(["x", "y", None], dtype=pl.Categorical), ["x", "y", None]),
    ],
)
def test_labels_become_text(values: pl.Series, expected: list[str | None]) -> None:
    assert rows(pl.DataFrame({"label": values}))["label"] == expected


def test_classes_without_names_stay_numbers() -> None:
    assert rows(pl.DataFrame({"label": [3]}), {"label": {"num_classes": 4, **CLASS}}) == {"label": ["3"]}


def test_names_in_place_of_numbers_stay() -> None:
    assert rows(pl.DataFrame({"label": ["cat"]}), {"label": classes(["cat", "dog"])}) == {"label": ["cat"]}


def test_a_table_without_labels_has_none() -> None:
    assert rows(pl.DataFrame({"n": [1, 2]})) == {"label": [None, None], "n": [1, 2]}


@pytest.mark.parametrize(("number", "saw"), [(2, "2"), (-2, "-2")])
def test_a_class_without_a_name_is_an_error(number: int, saw: str) -> None:
    frame = pl.DataFrame({"label": [0, None, number]})
    with pytest.raises(
        TableError,
        match=rf"label has a class without a name - train.parquet: row 7 - saw {saw}, wanted 0 to 1",
    ):
        rows(frame, {"label": classes(["cat", "dog"])})


@pytest.mark.parametrize("values", [[1.5], [datetime.date(2026, 1, 1)]])
def test_labels_of_other_kinds_are_refused(values: list[Any]) -> None:
    with pytest.raises(
        TableError, match=r"column label cannot be the label - .* wanted text, or whole numbers"
    ):
        rows(pl.DataFrame({"label": values}))


def test_pictures_are_contents_or_paths_or_absent() -> None:
    values = [
        {"bytes": b"x", "path": "a.png"},
        {"bytes": b"x", "path": None},
        {"bytes": None, "path": "b/c.png"},
        {"bytes": b"", "path": "a.png"},
        {"bytes": None, "path": None},
        None,
        {"bytes": None, "path": "zip://a.png::https://example.org/a.zip"},
    ]
    assert pictures_of(pl.Series(values, dtype=PICTURE)) == [
        Encoded(b"x", "a.png"),
        Encoded(b"x"),
        File("b/c.png"),
        Absent(SkipReason.EMPTY, "0 bytes"),
        Absent(SkipReason.EMPTY, "the row has no picture"),
        Absent(SkipReason.EMPTY, "the row has no picture"),
        Absent(SkipReason.MISSING, "it lies elsewhere: zip://a.png::https://example.org/a.zip"),
    ]
    assert pictures_of(pl.Series([b"x", None])) == [
        Encoded(b"x"),
        Absent(SkipReason.EMPTY, "the row has no picture"),
    ]
    assert pictures_of(pl.Series(["a.png"])) == [File("a.png")]
    only_bytes = pl.Series([{"bytes": b"x"}], dtype=pl.Struct({"bytes": pl.Binary}))
    assert pictures_of(only_bytes) == [Encoded(b"x")]
