"""What columns mean: roles, labels that are no classes, columns that are mixed up, foreign paths."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lookalike.errors import TableError
from lookalike.indexing.listing import NOT_ATTRIBUTES
from lookalike.tables import columns
from lookalike.tables.columns import COLUMNS, tidy

M = Path("m.csv")


def table(**columns: list[Any]) -> pl.DataFrame:
    length = len(next(iter(columns.values())))
    return pl.DataFrame({"image": [f"{row}.png" for row in range(length)], **columns})


def test_roles() -> None:
    frame, notes = tidy(M, table(role=["query", " Gallery ", "", None, "QUERY"]))
    assert frame["role"].to_list() == ["query", "gallery", None, None, "query"]
    assert frame.columns == ["image", "label", "role"]
    assert notes == ()
    assert tidy(M, table(role=[None, None]))[0].columns == ["image", "label"]


@pytest.mark.parametrize(
    ("role", "do"),
    [
        ("Querry", "did you mean query? write query, gallery or nothing"),
        ("galery", "did you mean gallery? write"),
        ("probe", "write query, gallery or nothing (both); a column of other things needs another name"),
    ],
)
def test_unknown_roles_name_the_nearest(role: str, do: str) -> None:
    with pytest.raises(TableError) as caught:
        tidy(M, table(role=["query", role, "x"]))
    assert str(caught.value).startswith(
        f"a row has no known role - m.csv: row 2 - saw '{role}' and 1 more rows - {do}"
    )


@pytest.mark.parametrize(
    "labels", [[1.0, 2.0, None], ["1.0", "2.0", "3"], ["1.", "2", ""], ["+1.00", "-2", "7"]]
)
def test_whole_numbers_with_a_point_are_no_labels(labels: list[Any]) -> None:
    with pytest.raises(
        TableError, match=r"with a decimal point - m\.csv: column label - .* - write 1 for 1\.0"
    ):
        tidy(M, table(label=labels))


@pytest.mark.parametrize(
    "labels", [[0.37, 1.0], ["0.37", "0.5"], ["1.5", "2"], ["1e-3", ".5"], [float("nan"), 1.0]]
)
def test_measurements_are_no_labels(labels: list[Any]) -> None:
    with pytest.raises(TableError, match=r"decimal point .* wanted names, or whole numbers - call"):
        tidy(M, table(label=labels))


@pytest.mark.parametrize(
    "labels",
    [["1", "2"], ["007", "1e5"], ["v1.0", "1.5"], ["1.0", "cat"], ["1.2.3", "1.2"], [None, None], [3, 4]],
)
def test_names_and_whole_numbers_are_labels(labels: list[Any]) -> None:
    expected = [None if label is None else str(label) for label in labels]
    assert tidy(M, table(label=labels))[0]["label"].to_list() == expected


def test_columns_that_are_mixed_up() -> None:
    frame = pl.DataFrame({"image": ["cat", "cat", "dog"], "label": ["a/0.PNG", None, "b.jpeg"]})
    with pytest.raises(TableError) as caught:
        tidy(M, frame)
    assert caught.value.what == "the columns image and label are mixed up"
    assert caught.value.saw == "image 'cat' and label 'a/0.PNG'"
    assert caught.value.do == "exchange their names in the header"


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (["a.png", "b"], ["x.png", "y.png"]),  # each picture a class of its own name
        (["a", "b"], ["cat", "dog"]),  # files without an extension
        (["a", "b"], ["x.png", "dog"]),
        (["a", "b"], [None, None]),
    ],
)
def test_columns_that_are_not_mixed_up(images: list[str], labels: list[str | None]) -> None:
    frame = pl.DataFrame({"image": images, "label": labels}, schema_overrides={"label": pl.String})
    assert tidy(M, frame)[0].equals(frame)


@pytest.mark.parametrize("foreign", ["C:\\data\\a.png", "d:/data/a.png", "\\\\server\\share\\a.png"])
def test_paths_of_windows_are_for_windows(foreign: str, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pl.DataFrame({"image": ["a.png", foreign]})
    monkeypatch.setattr(columns, "_ON_WINDOWS", False)
    with pytest.raises(
        TableError, match=r"a path of Windows - m\.csv: row 2 - saw .* make the paths relative"
    ):
        tidy(M, frame)
    monkeypatch.setattr(columns, "_ON_WINDOWS", True)
    assert "\\" not in tidy(M, frame)[0]["image"][1]


def test_spaces_around_paths_are_said() -> None:
    frame, notes = tidy(M, pl.DataFrame({"image": ["a.png", " b.png", "c d.png", "e.png "]}))
    assert frame["image"][1] == " b.png"
    assert notes == ("paths in m.csv that begin or end with a space, as they stand: 2: ' b.png'",)


def test_an_index_knows_the_columns_that_are_no_attributes() -> None:
    assert frozenset(COLUMNS) == NOT_ATTRIBUTES
