"""Manifests: what the columns mean, what is put right, and what is refused with its row."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lookalike.errors import TableError
from lookalike.tables.manifest import read_manifest


def written(folder: Path, text: str | bytes, name: str = "m.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def rows(folder: Path, text: str | bytes, name: str = "m.csv") -> dict[str, list[Any]]:
    return read_manifest(written(folder, text, name))[1].to_dict(as_series=False)


def parquet(folder: Path, **columns: Any) -> Path:
    pl.DataFrame(columns, strict=False).write_parquet(folder / "m.parquet")
    return folder / "m.parquet"


CONTENT = {
    "m.csv": "image,label,split,group,box,colour,size\n"
    "a.png,cat,train,g1,1 2 3 4,red,1\nb.png,,val,g2,,blue,2\n",
    "m.tsv": "image\tlabel\tsplit\tgroup\tbox\tcolour\tsize\na.png\tcat\ttrain\tg1\t1 2 3 4\tred\t1\n"
    "b.png\t\tval\tg2\t\tblue\t2\n",
    "m.jsonl": '{"image":"a.png","label":"cat","split":"train","group":"g1",'
    '"box":[1,2,3,4],"colour":"red","size":1}\n'
    '{"image":"b.png","split":"val","group":"g2","colour":"blue","size":2}\n',
}
EXPECTED = {
    "image": ["a.png", "b.png"],
    "label": ["cat", None],
    "split": ["train", "val"],
    "group": ["g1", "g2"],
    "box": [[1, 2, 3, 4], None],
    "colour": ["red", "blue"],
    "size": [1, 2],
}


@pytest.mark.parametrize("name", CONTENT)
def test_every_format_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    path = written(tmp_path, CONTENT[name], name)
    root, frame, notes = read_manifest(path)
    assert root == tmp_path
    assert frame.to_dict(as_series=False) == EXPECTED
    assert notes == ()
    frame.write_parquet(tmp_path / "m.parquet")
    assert read_manifest(tmp_path / "m.parquet")[1].equals(frame)


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_the_delimiter_is_read_from_the_header(tmp_path: Path, mark: str) -> None:
    text = (
        mark.join(("image", "label", "note")) + "\n" + mark.join(("a.png", "cat", '"one, two; three"')) + "\n"
    )
    assert rows(tmp_path, text) == {"image": ["a.png"], "label": ["cat"], "note": ["one, two; three"]}


@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends(tmp_path: Path, start: bytes, end: str) -> None:
    text = start + end.join(("image;label", "ä.png;日", "b.png;x", "")).encode()
    assert rows(tmp_path, text) == {"image": ["ä.png", "b.png"], "label": ["日", "x"]}


def test_names_that_look_like_numbers_stay_text(tmp_path: Path) -> None:
    assert rows(tmp_path, b"\xef\xbb\xbfimage,label,group\n001,01,1.50\n")["image"] == ["001"]


def test_labels_of_a_csv_are_text_as_they_stand(tmp_path: Path) -> None:
    assert rows(tmp_path, "image,label\na,007\nb,3.0\nc, x \nd,true\ne,\nf,NA\n")["label"] == [
        "007",
        "3.0",
        "x",
        "true",
        None,
        "NA",
    ]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([3, -4, None]), ["3", "-4", None]),
        (pl.Series(["x", "", None]), ["x", None, None]),
        (pl.Series([True, False, None]), ["true", "false", None]),
        (pl.Series(["x", "y", None], dtype=pl.Categorical), ["x", "y", None]),
        (pl.Series([None, None, None]), [None, None, None]),
    ],
)
def test_typed_labels_become_text(tmp_path: Path, values: pl.Series, expected: list[str | None]) -> None:
    path = parquet(tmp_path, image=["a", "b", "c"], label=values)
    assert read_manifest(path)[1]["label"].to_list() == expected


@pytest.mark.parametrize("values", [[["a"], ["b"]], [{"a": 1}, {"a": 2}]])
def test_labels_of_other_kinds_are_refused(tmp_path: Path, values: list[Any]) -> None:
    with pytest.raises(
        TableError, match=r"column label is of the wrong kind .* wanted text or whole numbers"
    ):
        read_manifest(parquet(tmp_path, image=["a", "b"], label=values))


def test_binary_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"column raw is of the wrong kind - .*Binary"):
        read_manifest(parquet(tmp_path, image=["a"], raw=[b"\xff"]))
    with pytest.raises(TableError, match=r"column image is of the wrong kind - .*Struct"):
        read_manifest(parquet(tmp_path, image=[{"bytes": b"\xff", "path": "a"}]))


def test_paths_are_put_in_one_form(tmp_path: Path) -> None:
    text = "image\n./a.png\nb\\c.png\nd//e.png\nf/./g.png\n/abs/h.png\n../i.png\nj.k/l..png\n././m.png\n"
    assert rows(tmp_path, text)["image"] == [
        "a.png",
        "b/c.png",
        "d/e.png",
        "f/g.png",
        "/abs/h.png",
        "../i.png",
        "j.k/l..png",
        "m.png",
    ]


@pytest.mark.parametrize(
    "url", ["https://example.org/a.png", "S3://x/a.png", "data:image/png;base64,AA", "file:///a"]
)
def test_urls_are_refused_with_the_row(tmp_path: Path, url: str) -> None:
    with pytest.raises(TableError, match=r"m\.csv: row 2 - saw .* - download the pictures"):
        read_manifest(written(tmp_path, f'image,label\na.png,x\n"{url}",y\n'))


def test_a_row_without_a_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TableError, match=r"a row names no picture - .*m\.csv: row 2 - saw None and 1 more rows"
    ):
        read_manifest(written(tmp_path, "image,label\na.png,x\n,y\n,z\n"))


@pytest.mark.parametrize(
    ("header", "near"),
    [
        ("Image,label", "Image"),
        ("images,label", "images"),
        ("label,path", "path"),
        ("file_name,x", "file_name"),
    ],
)
def test_a_missing_image_column_names_the_nearest(tmp_path: Path, header: str, near: str) -> None:
    with pytest.raises(TableError) as caught:
        read_manifest(written(tmp_path, f"{header}\na,b\n"))
    assert caught.value.saw == f"columns {header.replace(',', ', ')}"
    assert caught.value.do == f"rename the column {near} to image"


def test_a_missing_image_column_without_a_likely_one(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="name the column of the paths image"):
        read_manifest(written(tmp_path, "x,y\na,b\n"))


def test_column_names_may_have_spaces_around(tmp_path: Path) -> None:
    assert rows(tmp_path, "image, label , box\na.png, cat,1 2 3 4\n") == {
        "image": ["a.png"],
        "label": ["cat"],
        "box": [[1, 2, 3, 4]],
    }


def test_a_column_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"a column stands twice - .* - saw label"):
        read_manifest(written(tmp_path, "image,label,label\na,b,c\n"))


def test_split_names(tmp_path: Path) -> None:
    text = "image,split\na,train\nb,Valid\nc,validation\nd,VAL\ne,test\n"
    assert rows(tmp_path, text)["split"] == ["train", "val", "val", "val", "test"]
    assert "split" not in rows(tmp_path, "image,split\na,\nb,\n")
    with pytest.raises(TableError, match=r"no known split - .*: row 2 - saw 'holdout' and 1 more rows"):
        read_manifest(written(tmp_path, "image,split\na,train\nb,holdout\nc,\n"))


@pytest.mark.parametrize("box", ["1 2 3 4", "1,2,3,4", "[1, 2, 3, 4]", "(1; 2; 3; 4)", " 1  2 3 4 "])
def test_boxes_of_a_csv(tmp_path: Path, box: str) -> None:
    assert rows(tmp_path, f'image,box\na,"{box}"\nb,""\n')["box"] == [[1, 2, 3, 4], None]


@pytest.mark.parametrize("box", ["1 2 3", "1 2 3 4 5", "1.5 2 3 4", "x", "3 2 3 4", "1 4 3 2"])
def test_wrong_boxes_of_a_csv(tmp_path: Path, box: str) -> None:
    with pytest.raises(TableError, match=rf"a row's box is none - .*: row 2 - saw .*{box[:3]}"):
        read_manifest(written(tmp_path, f'image,box\na,1 2 3 4\nb,"{box}"\n'))


@pytest.mark.parametrize("box", [[1, 2, 3], [1, 2, 3, None], [5, 2, 3, 4]])
def test_wrong_boxes_of_a_typed_file(tmp_path: Path, box: list[int | None]) -> None:
    with pytest.raises(TableError, match="a row's box is none"):
        read_manifest(parquet(tmp_path, image=["a", "b"], box=[[1, 2, 3, 4], box]))


def test_numbers_too_long_for_a_box_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"a row's box is none - .*: row 2 - saw '1 2 3 9{20}'"):
        read_manifest(written(tmp_path, f"image,box\na,1 2 3 4\nb,1 2 3 {'9' * 20}\n"))
    column = pl.Series([[1, 2, 3, 2**64 - 1]], dtype=pl.List(pl.UInt64))
    with pytest.raises(TableError, match="a row's box is none"):
        read_manifest(parquet(tmp_path, image=["a"], box=column))


def test_a_column_that_stands_twice_but_for_spaces(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"a column stands twice - .* - saw image - rename"):
        read_manifest(written(tmp_path, "image, image\na,b\n"))
    with pytest.raises(TableError, match=r"a column stands twice - .* - saw image - rename"):
        read_manifest(written(tmp_path, '{"image": "a", " image": "b"}\n', "m.jsonl"))


def test_boxes_of_arrays_and_of_floats(tmp_path: Path) -> None:
    path = parquet(tmp_path, image=["a"], box=pl.Series(np.array([[1, 2, 3, 4]])))
    assert read_manifest(path)[1]["box"].to_list() == [[1, 2, 3, 4]]
    for wrong in ([[1.0, 2.0, 3.0, 4.0]], [7]):
        with pytest.raises(TableError, match="wanted four whole numbers"):
            read_manifest(parquet(tmp_path, image=["a"], box=wrong))


def test_identical_rows_are_kept_once_and_said(tmp_path: Path) -> None:
    path = written(tmp_path, "image,label,size\na,x,1\nb,y,2\n./a,x,1\n")
    _, frame, notes = read_manifest(path)
    assert frame["image"].to_list() == ["a", "b"]
    assert notes == (f"rows of {path} that repeat another one word for word, and were left out: 1",)


def test_one_picture_with_two_labels_is_refused_and_listed(tmp_path: Path) -> None:
    text = "image,label\nb,x\na,x\nc,z\na,y\nb,w\n"
    with pytest.raises(
        TableError, match=r"the same picture has two labels - .* - saw a: x, y; b: x, w - keep one"
    ):
        read_manifest(written(tmp_path, text))


def test_one_picture_named_in_several_ways_is_one(tmp_path: Path) -> None:
    text = f"image,label\na b/2,x\n{tmp_path}/a b/2,y\na b/../a b/2,z\n../b,v\n"
    with pytest.raises(
        TableError, match=r"two labels .* saw a b/2 = /.*/a b/2 = a b/\.\./a b/2: x, y, z - keep"
    ):
        read_manifest(written(tmp_path, text))
    _, frame, notes = read_manifest(written(tmp_path, "image,label\na,x\nb/../a,x\n../a,y\na..b,z\n"))
    assert frame["image"].to_list() == ["a", "../a", "a..b"]
    assert len(notes) == 1


def test_many_contradictions_are_counted(tmp_path: Path) -> None:
    text = "image,label\n" + "".join(f"{place % 8},{place}\n" for place in range(16))
    with pytest.raises(TableError, match="4: 4, 12 and 3 more"):
        read_manifest(written(tmp_path, text))


def test_one_picture_in_two_splits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"two values of split - .* - saw a: train, test"):
        read_manifest(written(tmp_path, "image,label,split\na,x,train\na,x,test\n"))


def test_nested_attributes_may_differ_too(tmp_path: Path) -> None:
    text = '{"image":"a","tags":["x"]}\n{"image":"a","tags":["y"]}\n'
    with pytest.raises(TableError, match="two values of tags"):
        read_manifest(written(tmp_path, text, "m.jsonl"))


def test_one_picture_with_several_boxes_is_several_rows(tmp_path: Path) -> None:
    text = "image,label,box\na,x,1 2 3 4\na,y,5 6 7 8\na,z,\n"
    assert rows(tmp_path, text)["label"] == ["x", "y", "z"]
    with pytest.raises(TableError, match="two labels"):
        read_manifest(written(tmp_path, "image,label,box\na,x,1 2 3 4\na,y,1 2 3 4\n"))


def test_attributes_keep_the_kind_that_all_their_rows_allow(tmp_path: Path) -> None:
    ints = (f"a{place},1,1,1\n" for place in range(20_000))
    others = (f"b{place},2,1.5,x\n" for place in range(3))
    text = "image,whole,part,text\n" + "".join(ints) + "".join(others)
    _, frame, _ = read_manifest(written(tmp_path, text))
    assert [frame[name].dtype for name in ("whole", "part", "text")] == [pl.Int64, pl.Float64, pl.String]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.parquet", b"PAR1 no"),
        ("m.jsonl", b"nonsense\n"),
        ("m.jsonl", b"[1, 2]\n"),
        ("m.jsonl", b""),
        ("m.jsonl", b'{"image":"a.png"}\n{"image":"b.png"\n'),
    ],
)
def test_files_that_are_no_manifest(tmp_path: Path, name: str, text: bytes) -> None:
    with pytest.raises(TableError, match="the manifest cannot be read") as caught:
        read_manifest(written(tmp_path, text, name))
    assert caught.value.saw


def test_a_broken_line_of_jsonl_is_named(tmp_path: Path) -> None:
    for text, line in (('{"image":"a.png"}\n{"image":"b.png"\n', 2), ('nonsense\n{"image":"b.png"}\n', 1)):
        with pytest.raises(TableError, match=rf"saw .*, in line {line} - mend the file"):
            read_manifest(written(tmp_path, text, "m.jsonl"))


def test_one_json_list_is_no_jsonl(tmp_path: Path) -> None:
    path = written(tmp_path, '[{"image":"a.png"},\n{"image":"b.png"}]', "m.jsonl")
    with pytest.raises(TableError, match=r"saw one list of all rows - .* jq -c '\.\[\]' .*m\.jsonl"):
        read_manifest(path)


def test_jsonl_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert rows(tmp_path, b'\xef\xbb\xbf{"image":"a.png"}\n', "m.jsonl")["image"] == ["a.png"]


@pytest.mark.parametrize(
    ("text", "do"),
    [
        ("cat/0.png,cat\ncat/1.png,cat\n", "put a line with the names of the columns at the top"),
        ("sep=;\nimage;label\na.png;x\n", "remove the first line"),
    ],
)
def test_a_first_line_that_is_no_header(tmp_path: Path, text: str, do: str) -> None:
    with pytest.raises(TableError, match=f"has no column image .* {do}"):
        read_manifest(written(tmp_path, text))


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="the manifest has no rows"):
        read_manifest(written(tmp_path, "image,label\n"))


def test_a_manifest_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(TableError, match="Permission denied"):
        read_manifest(tmp_path / "m.csv")
