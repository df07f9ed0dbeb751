"""CSV files as people have them: what is read all the same, and what is refused with its line."""

from pathlib import Path

import polars as pl
import pytest

from lookalike.errors import TableError
from lookalike.tables.csv_file import read_csv

TABLE = "image,label\na.png,cat\nb.png,dog\n"
SAME = pl.DataFrame({"image": ["a.png", "b.png"], "label": ["cat", "dog"]})


def read(content: str | bytes) -> tuple[pl.DataFrame, tuple[str, ...]]:
    content = content.encode() if isinstance(content, str) else content
    return read_csv(Path("m.csv"), content, text=("image", "label", "group"))


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff", "\n", "\ufeff\r\n"])
def test_separators_line_ends_and_starts(mark: str, end: str, start: str) -> None:
    frame, notes = read(start + TABLE.replace(",", mark).replace("\n", end))
    assert frame.equals(SAME)
    assert notes == ()


def test_fields_may_hold_separators_quotes_and_line_ends() -> None:
    frame, _ = read('"image","label","the\nnote"\n"a;b.png","a\nb","say ""x"", y"\n')
    assert frame.rows() == [("a;b.png", "a\nb", 'say "x", y')]
    assert frame.columns == ["image", "label", "the\nnote"]


def test_a_header_of_image_wins_over_more_fields() -> None:
    assert read("image;a,b,c\na.png;x,y,z\n")[0].columns == ["image", "a,b,c"]


def test_named_columns_stay_text() -> None:
    frame, _ = read("image,label,size,group\n001,1.0,1.0,007\n")
    assert frame.rows() == [("001", "1.0", 1.0, "007")]


def test_empty_lines_are_left_out_and_said() -> None:
    frame, notes = read("image,label\na.png,cat\n\n,\nb.png,dog\n\n")
    assert frame.equals(SAME)
    assert notes == ("empty lines of m.csv, which were left out: 3",)
    assert read("image\na.png\n\n")[0]["image"].to_list() == ["a.png"]


def test_columns_without_a_name_are_left_out_and_said() -> None:
    frame, notes = read(",image, ,label\n0,a.png,x,cat\n1,b.png,,dog\n")
    assert frame.equals(SAME)
    assert notes == ("columns of m.csv without a name, which were left out: 2",)
    frame, notes = read("image,label,,\na.png,cat,,\nb.png,dog,,\n")  # as spreadsheets leave them
    assert frame.equals(SAME)
    assert notes == ()


@pytest.mark.parametrize("content", ["", "\n\n\n", " \n", "\ufeff"])
def test_an_empty_file(content: str) -> None:
    with pytest.raises(TableError, match=r"the file is empty - m\.csv - saw no text - add a header"):
        read(content)


@pytest.mark.parametrize(
    ("content", "saw"),
    [
        (TABLE.encode("utf-16"), "UTF-16 text"),
        (b"\xfe\xff" + TABLE.encode("utf-16-be"), "UTF-16 text"),
        (TABLE.encode("utf-16-le"), "zero bytes"),
        (b"PK\x03\x04\x14\x00", "a ZIP archive, as spreadsheets are"),
    ],
)
def test_other_kinds_of_files(content: bytes, saw: str) -> None:
    with pytest.raises(TableError, match=rf"no CSV in UTF-8 - m\.csv - saw {saw}.* CSV"):
        read(content)


def test_lines_that_end_in_a_carriage_return() -> None:
    with pytest.raises(TableError, match=r"the lines of the file have no end .* saw carriage returns alone"):
        read(TABLE.replace("\n", "\r"))


def test_another_encoding_is_refused_with_its_line() -> None:
    with pytest.raises(TableError, match=r"not UTF-8 - m\.csv: line 3 - saw b'\\xe4' in b'K\\xe4tzchen,x'"):
        read((TABLE[:-10] + "Kätzchen,x\n").encode("latin-1"))


@pytest.mark.parametrize(
    ("row", "saw"),
    [
        ("c.png,cat,extra", "3 in 'c.png,cat,extra'"),
        ("c.png", "1 in 'c.png'"),
        ("c,d.png,x", "3 in 'c,d.png,x'"),
    ],
)
def test_ragged_rows_are_refused_with_their_line(row: str, saw: str) -> None:
    with pytest.raises(TableError, match=rf"m\.csv: line 4 - saw {saw}, wanted 2 - complete it, and put"):
        read(f"{TABLE}{row}\nd.png,dog\n")


def test_a_field_that_is_empty_is_not_missing() -> None:
    assert read("image,label\na.png,\nb.png,dog\n")[0]["label"].to_list() == [None, "dog"]


def test_a_quote_that_is_never_closed() -> None:
    with pytest.raises(TableError, match=r"cannot be read - m\.csv: line 3 - .* close the double quotes"):
        read('image,label\n"a.png,cat\nb.png,dog\n')


def test_what_else_the_reader_does_not_like(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("no such luck\nin detail")

    monkeypatch.setattr(pl, "read_csv", refuse)
    with pytest.raises(TableError, match=r"cannot be read as CSV - m\.csv - saw no such luck - save it"):
        read(TABLE)


def test_a_header_that_cannot_be_read() -> None:
    with pytest.raises(TableError, match="the header cannot be read"):
        read("image," + "x" * 200_000 + "\n")


def test_a_column_that_stands_twice() -> None:
    with pytest.raises(TableError, match=r"a column stands twice - m\.csv - saw label"):
        read("image,label, label\na,b,c\n")
