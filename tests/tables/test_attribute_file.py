"""attributes.csv beside the folders of a tree: joined by label, or left alone, or refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from lookalike.errors import TableError
from lookalike.tables.table import ImageTable


def tree(root: Path, text: str, *names: str) -> Path:
    for name in names or ("cat/1.png", "cat/2.png", "dog/1.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(root / name)
    (root / "attributes.csv").write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize("key", ["label", "class"])
def test_pictures_get_the_attributes_of_their_label(tmp_path: Path, key: str) -> None:
    table = ImageTable.read(tree(tmp_path, f"{key}, furry ,sound\ndog,1,woof\ncat,1,meow\nfish,0,\n"))
    assert table.frame.columns == ["image", "label", "furry", "sound"]
    assert table.frame["furry"].to_list() == [1, 1, 1]
    assert table.frame["sound"].to_list() == ["meow", "meow", "woof"]
    assert table.notes == ()


def test_labels_that_look_like_numbers_keep_their_zeros(tmp_path: Path) -> None:
    table = ImageTable.read(tree(tmp_path, "class,even\n0030,1\n0031,0\n", "0030/a.png", "0031/a.png"))
    assert table.frame["even"].to_list() == [1, 0]


def test_a_label_without_a_row_states_nothing_and_is_noted(tmp_path: Path) -> None:
    table = ImageTable.read(tree(tmp_path, "label,furry\ncat,1\n"))
    assert table.frame["furry"].to_list() == [1, 1, None]
    assert table.notes == (
        f"labels that {tmp_path / 'attributes.csv'} does not name, so without attributes: 1: dog",
    )


def test_a_tree_of_splits_is_joined_by_its_labels(tmp_path: Path) -> None:
    names = ("train/cat/1.png", "val/cat/2.png", "test/dog/1.png")
    table = ImageTable.read(tree(tmp_path, "label,furry\ncat,1\ndog,0\n", *names))
    by_split = dict(zip(table.frame["split"], table.frame["furry"], strict=True))
    assert by_split == {"train": 1, "val": 1, "test": 0}


def test_pictures_without_a_label_state_nothing(tmp_path: Path) -> None:
    table = ImageTable.read(tree(tmp_path, "label,furry\ncat,1\n", "cat/1.png", "loose.png"))
    assert dict(zip(table.frame["image"], table.frame["furry"], strict=True)) == {
        "cat/1.png": 1,
        "loose.png": None,
    }


def test_a_file_of_a_spreadsheet_is_read(tmp_path: Path) -> None:
    table = ImageTable.read(tree(tmp_path, "\ufeffclass;furry\ncat;1\n\n"))
    assert table.frame.filter(label="cat")["furry"].to_list()[0] == 1
    assert "empty lines" in table.notes[0]


def test_a_file_that_names_no_labels_is_left_alone(tmp_path: Path) -> None:
    table = ImageTable.read(tree(tmp_path, "when,what\n1,2\n"))
    assert table.frame.columns == ["image", "label"]


@pytest.mark.parametrize(
    ("text", "beats"),
    [
        ("label,furry\ncat,1\ncat,0\n", ("a label stands twice", "saw 'cat'", "keep one row")),
        ("label,split\ncat,train\n", ("means something else", "saw split", "rename it")),
        ("label,furry\ncat,1,2,3\n", ("other fields than the header", "attributes.csv: line 2", "wanted 2")),
    ],
)
def test_what_cannot_be_joined_is_refused(tmp_path: Path, text: str, beats: tuple[str, ...]) -> None:
    with pytest.raises(TableError) as error:
        ImageTable.read(tree(tmp_path, text))
    for beat in beats:
        assert beat in str(error.value)


def test_a_file_that_may_not_be_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(TableError, match="Permission denied"):
        ImageTable.read(tree(tmp_path, "label,furry\ncat,1\n"))
