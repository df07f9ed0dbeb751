"""Searching an index by attributes, alone and added to a picture."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lookalike.attribute_search import compose, search_attributes, search_composed
from lookalike.errors import LookalikeError, ModelError
from lookalike.indexing.index import Index
from lookalike.models.attributes import AttributeBranch
from lookalike.models.model import Model
from lookalike.records import Hits, Skipped, Threshold
from lookalike.tables.table import ImageTable
from tiny_attributes import COLOURS, paint, with_branch


@pytest.fixture
def index(tiny: Model, tmp_path: Path) -> Iterator[Index]:
    """One picture of each colour."""
    pictures = paint(tmp_path / "pictures", *COLOURS)
    with Index.create(tmp_path / "colours.idx", with_branch(tiny)) as made:
        made.update(ImageTable.read(pictures))
        yield made


def names(answer: Hits | Skipped) -> list[str]:
    assert isinstance(answer, Hits)
    return [Path(hit.path).stem for hit in answer.hits]


def test_pictures_are_found_by_what_is_stated(index: Index) -> None:
    found = search_attributes(index, {"red": True, "green": False, "blue": False}, k=3)
    assert names(found)[0] == "red"
    assert found.query == "red=1,green=0,blue=0"
    assert found.hits[0].similarity > 0.9
    assert set(names(search_attributes(index, "red=1,green=1", k=2))) == {"yellow", "white"}
    assert names(search_attributes(index, "red=0,green=0,blue=0", k=1)) == ["black"]


def test_text_and_mapping_are_one(index: Index) -> None:
    assert search_attributes(index, "Red=yes,blue=no") == search_attributes(
        index, {"red": True, "blue": False}
    )


def test_a_threshold_for_pictures_gives_no_verdict_on_attributes(tiny: Model, tmp_path: Path) -> None:
    model = with_branch(tiny)
    numbers = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "false_match_rate": 0.0}
    pairs = {"same_pairs": 9, "different_pairs": 9, "images": 9, "classes": 3}
    model.set_threshold(
        Threshold(0.5, "f1", **numbers, confidence=None, bound=None, **pairs)  # type: ignore[arg-type]
    )
    pictures = paint(tmp_path / "pictures", "red", "red-again", "blue")
    with Index.create(tmp_path / "few.idx", model) as index:
        index.update(ImageTable.read(pictures))
        answers = [
            search_attributes(index, "red=1"),
            *search_composed(index, [pictures / "red.png"], "red=1"),
        ]
    for answer in answers:
        assert isinstance(answer, Hits)
        assert answer.threshold is None
        assert all(hit.match is None for hit in answer.hits)


def test_a_picture_with_a_change_finds_the_changed_one(index: Index, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    (found,) = search_composed(index, [pictures / "red.png"], "green=1", k=2)
    assert names(found)[0] == "yellow"
    (found,) = search_composed(index, [pictures / "cyan.png"], {"green": False}, k=2)
    assert names(found)[0] == "blue"
    assert isinstance(found, Hits)
    assert found.query == str(pictures / "cyan.png")


def test_the_picture_itself_and_its_copies_are_no_answers(index: Index, tmp_path: Path) -> None:
    own = tmp_path / "pictures" / "red.png"
    copy = tmp_path / "copy.png"
    copy.write_bytes(own.read_bytes())
    for query in (own, copy):
        (found,) = search_composed(index, [query], "red=1", k=20)
        assert "red" not in names(found)
        assert len(names(found)) == len(COLOURS) - 1
    (found,) = search_composed(index, [copy], "red=1", k=20, copies=True)
    assert names(found)[0] == "red"


def test_pictures_that_cannot_be_used_are_reported_in_their_place(index: Index, tmp_path: Path) -> None:
    answers = list(
        search_composed(index, [tmp_path / "none.png", tmp_path / "pictures" / "red.png"], "red=1")
    )
    assert [type(answer) for answer in answers] == [Skipped, Hits]


def test_strength_goes_from_the_picture_to_the_attributes(index: Index, tmp_path: Path) -> None:
    picture = tmp_path / "pictures" / "red.png"
    (weak,) = search_composed(index, [picture], "blue=1,red=0,green=0", k=1, strength=0.0)
    (strong,) = search_composed(index, [picture], "blue=1,red=0,green=0", k=1, strength=9.0)
    assert names(weak)[0] != "blue"
    assert names(strong) == ["blue"]


def test_composition_is_the_formula_and_has_unit_length(index: Index) -> None:
    rng = np.random.default_rng(0)
    pictures = rng.normal(size=(5, 48)).astype(np.float32)
    pictures /= np.linalg.norm(pictures, axis=1, keepdims=True)
    asked = AttributeBranch(index.model).encode({"red": True})
    moved = compose(pictures, asked, strength=1.5)
    assert moved.dtype == np.float32
    for row, own in zip(moved, pictures, strict=True):
        wanted = own + 1.5 * asked[0]
        assert row == pytest.approx(wanted / np.linalg.norm(wanted), abs=1e-6)
    assert compose(pictures, asked, strength=0.0) == pytest.approx(pictures, abs=1e-6)


def test_a_move_that_cancels_a_picture_out_leaves_it() -> None:
    picture = np.array([[0.6, 0.8]], np.float32)
    assert compose(picture, -picture, strength=1.0).tolist() == picture.tolist()


def test_what_is_unknown_or_not_there_is_refused(index: Index, tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match="did you mean red"):
        search_attributes(index, "redd=1")
    with pytest.raises(LookalikeError, match="no attribute is stated"):
        list(search_composed(index, [], {}))
    (tmp_path / "other").mkdir()
    with (
        Index.create(tmp_path / "plain.idx", tiny) as plain,
        pytest.raises(ModelError, match="knows no attributes"),
    ):
        search_attributes(plain, "red=1")
