"""Text lists: every kind of line end and blank, and every way in which a line can be wrong."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.errors import TableError
from lookalike.layouts.listing import Listing, check_heading, read_heading, read_listing
from lookalike.layouts.places import first_there, names_in, pictures_in

TWO: Mapping[str, Any] = {"id": pl.Int64, "image": pl.String}


def listed(folder: Path, content: str | bytes, **options: Any) -> Listing:
    (folder / "list.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_listing(folder / "list.txt", options.pop("columns", TWO), **options)


def refused(folder: Path, content: str | bytes, **options: Any) -> str:
    with pytest.raises(TableError) as caught:
        listed(folder, content, **options)
    assert str(folder / "list.txt") in caught.value.where
    assert caught.value.do
    return (
        f"{caught.value.what} - {caught.value.where} - saw {caught.value.saw}, wanted {caught.value.wanted}"
    )


@pytest.mark.parametrize(
    "content",
    [
        "1 a.jpg\n2 é.jpg\n",
        "1 a.jpg\r\n2 é.jpg\r\n",
        "1 a.jpg\r2 é.jpg",
        "\ufeff1 a.jpg\n2 é.jpg",
        "1\ta.jpg  \n  2   \t é.jpg\n\n\n",
    ],
)
def test_line_ends_blanks_and_marks_of_order_make_no_difference(tmp_path: Path, content: str) -> None:
    found = listed(tmp_path, content)
    assert found.frame.rows() == [(1, "a.jpg"), (2, "é.jpg")]
    assert found.frame.schema == {"id": pl.Int64, "image": pl.String}


@pytest.mark.parametrize("rest", [True, False])
def test_text_is_taken_literally(tmp_path: Path, rest: bool) -> None:
    found = listed(tmp_path, '1 "a\n2 #b\n3 NA\n4 null\n', rest=rest)
    assert found.frame["image"].to_list() == ['"a', "#b", "NA", "null"]


def test_the_last_column_may_be_the_rest_of_the_line(tmp_path: Path) -> None:
    found = listed(tmp_path, "1 a b c.jpg\n2 d.jpg\n", rest=True)
    assert found.frame["image"].to_list() == ["a b c.jpg", "d.jpg"]


def test_lines_before_the_rows_are_counted(tmp_path: Path) -> None:
    found = listed(tmp_path, "2\nnumber name\n1 a\n2 b\n", skip=2, counted=True)
    assert found.frame["id"].to_list() == [1, 2]
    assert found.at(1) == f"{tmp_path / 'list.txt'}: line 4"


def test_other_marks(tmp_path: Path) -> None:
    assert listed(tmp_path, "1\ta b\n", mark="\t").frame.rows() == [(1, "a b")]
    assert listed(tmp_path, "1,a b\n", mark=",").frame.rows() == [(1, "a b")]


def test_a_line_with_other_columns(tmp_path: Path) -> None:
    assert refused(tmp_path, "1 a\n2\n3 c\n").endswith("list.txt: line 2 - saw '2', wanted 2: id, image")
    assert "line 3 - saw '3 c d'" in refused(tmp_path, "1 a\n2 b\n3 c d\n")
    assert "line 2 - saw ''" in refused(tmp_path, "1 a\n\n3 c\n")
    assert "line 2 - saw ''" in refused(tmp_path, "a\n\nb\n", columns={"image": pl.String})
    assert "…'" in refused(tmp_path, "1 " + "a " * 99)


def test_a_value_of_another_kind(tmp_path: Path) -> None:
    assert "line 2 - saw 'x b', wanted id to be a whole number" in refused(tmp_path, "1 a\nx b\n")
    assert "line 1 - saw '1.5 a', wanted id to be a whole number" in refused(tmp_path, "1.5 a\n")
    assert "id to be a number" in refused(tmp_path, "1 a\nx b\n", columns={**TWO, "id": pl.Float64})
    assert "line 2 - saw '2,', wanted image to be text" in refused(tmp_path, "1,a\n2,\n", mark=",")
    assert "wanted id to be a whole number" in refused(tmp_path, "300 a\n", columns={**TWO, "id": pl.Int8})


def test_a_count_that_contradicts(tmp_path: Path) -> None:
    message = refused(tmp_path, "3\nid image\n1 a\n2 b\n", skip=2, counted=True)
    assert "another number of rows than its first line says" in message
    assert "saw 2 rows below '3'" in message
    assert "below 'three'" in refused(tmp_path, "three\n1 a\n", skip=1, counted=True)


@pytest.mark.parametrize("content", ["", "\n\n", "3\nid image\n", "3"])
def test_nothing(tmp_path: Path, content: str) -> None:
    assert "a file lists nothing" in refused(tmp_path, content, skip=2)


def test_other_bytes(tmp_path: Path) -> None:
    message = refused(tmp_path, "1 a\n2 é\n".encode("latin-1"))
    assert "no UTF-8 text" in message
    assert "line 2 - saw byte 0xe9" in message


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match=r"a file of the data set is missing - .*gone\.txt - saw no such file"
    ):
        read_listing(tmp_path / "gone.txt", TWO)
    with pytest.raises(TableError, match=r"a file of the data set cannot be read - .* - saw Is a directory"):
        read_listing(tmp_path, TWO)
    with pytest.raises(TableError, match=r"a folder of the data set is missing - .*gone"):
        names_in(tmp_path / "gone")


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**62), 2**62),
            st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
        ),
        min_size=1,
    ),
    blanks=st.text(" \t", min_size=1, max_size=4),
    end=st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[int, str]], blanks: str, end: str
) -> None:
    folder = tmp_path_factory.mktemp("any")
    found = listed(folder, "".join(f"{number}{blanks}{text}{end}" for number, text in rows))
    assert found.frame.rows() == rows


def test_a_value_twice(tmp_path: Path) -> None:
    found = listed(tmp_path, "1 a\n2 b\n1 c\n")
    found.refuse_twice("image")
    with pytest.raises(TableError, match=r"lists one id twice - .*: line 3 - saw 1, .* in line 1 already"):
        found.refuse_twice("id")


def test_refusing_names_the_first_line_and_counts_the_others(tmp_path: Path) -> None:
    found = listed(tmp_path, "1 a\n2 b\n3 c\n")
    found.refuse(found.frame["id"] > 3, "never", column="id", wanted="less")
    with pytest.raises(TableError, match=r"too large - .*: line 2 - saw id 2 and 1 more lines, wanted 1 - "):
        found.refuse(found.frame["id"] > 1, "too large", column="id", wanted="1")


def test_joining_keeps_the_order(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    left = listed(tmp_path, "3 a\n1 b\n2 c\n")
    columns = {"id": pl.Int64, "size": pl.Int64}
    for content in ("3 30\n1 10\n2 20\n", "1 10\n2 20\n3 30\n"):
        right = listed(tmp_path / "other", content, columns=columns)
        assert left.join(right, "id").frame.rows() == [(3, "a", 30), (1, "b", 10), (2, "c", 20)]


@pytest.mark.parametrize(
    ("own", "others", "message"),
    [
        (
            "1 a\n2 b\n",
            "1 10\n",
            r"list\.txt: line 2 - saw id 2, wanted it in list\.txt, which has 1 rows; here",
        ),
        (
            "1 a\n",
            "1 10\n2 20\n",
            r"other/list\.txt: line 2 - saw id 2, wanted it in list\.txt, which has 1 rows",
        ),
    ],
)
def test_joining_refuses_what_only_one_has(tmp_path: Path, own: str, others: str, message: str) -> None:
    (tmp_path / "other").mkdir()
    left = listed(tmp_path, own)
    right = listed(tmp_path / "other", others, columns={"id": pl.Int64, "size": pl.Int64})
    with pytest.raises(TableError, match="two files do not list the same - .*" + message):
        left.join(right, "id")


def test_headings(tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_text("\ufeff3\r\na  b c \r\n", encoding="utf-8")
    assert read_heading(path, line=1) == ["3"]
    assert read_heading(path, line=2) == ["a", "b", "c"]
    check_heading(path, ["a", "b", "c"], line=2)
    with pytest.raises(TableError, match=r"other columns - .*: line 2 - saw a b c, wanted a b - "):
        check_heading(path, ["a", "b"], line=2)
    with pytest.raises(TableError, match=r"cut short - .* - saw 2 lines, wanted the names .* in line 3"):
        read_heading(path, line=3)


def test_names_of_a_folder(tmp_path: Path) -> None:
    for name in ("b.JPEG", "a.png", ".hidden.png", "notes.txt"):
        (tmp_path / name).touch()
    assert names_in(tmp_path) == ["a.png", "b.JPEG", "notes.txt"]
    assert pictures_in(tmp_path) == ["a.png", "b.JPEG"]
    assert first_there(tmp_path, "gone", "a.png", "b.JPEG") == "a.png"
    assert first_there(tmp_path, "gone", "too") == "gone"
