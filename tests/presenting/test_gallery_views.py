"""What the drawings of views show: as many tiles as there are pictures, framed by what they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor
from PIL.Image import Image as Picture

from lookalike.errors import EvaluationError
from lookalike.presenting.gallery import (
    FRAMES,
    QUERY,
    RIGHT,
    WRONG,
    Layout,
    Strip,
    Tile,
    draw_rows,
    draw_strips,
)
from lookalike.presenting.gallery_views import (
    confusion_in_words,
    doubt_in_words,
    draw_confused,
    draw_doubtful,
    draw_triplets,
)
from lookalike.presenting.views_labels import ConfusedClasses, DoubtfulLabel, Example
from lookalike.presenting.views_triplets import Triplet, TripletKind, Triplets
from lookalike.records import RankedAnswer, RankedRow

TILE = 40
LAYOUT = Layout(TILE)


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("one") / "grey.png"
    Image.new("RGB", (TILE, TILE), "#808080").save(path)
    return path


def frames(image: Picture, colour: str) -> int:
    """How many cells have a frame of a colour, by its upper and lower edges."""
    pixels = (np.asarray(image) == ImageColor.getrgb(colour)).all(axis=-1)
    ends = pixels[:-1, :-1] & ~pixels[1:, :-1]  # where something of the colour ends, going down
    edges = [row for row in ends if row.sum() >= LAYOUT.cell // 3]
    return sum(int((np.diff(np.flatnonzero(row)) > LAYOUT.gap).sum()) + 1 for row in edges) // 2


def confused(picture: Path, examples: int) -> ConfusedClasses:
    return ConfusedClasses("cat", "dog", 3, 2, 40, (Example(picture, picture, 0.75),) * examples)


def test_confused_classes_stand_in_twos(picture: Path) -> None:
    image = draw_confused([confused(picture, 3), confused(picture, 1)], tile=TILE)
    assert frames(image, FRAMES[""]) == 8
    assert image.width == LAYOUT.gap + 6 * (LAYOUT.cell + LAYOUT.gap) + 2 * 2 * LAYOUT.gap
    assert confusion_in_words(confused(picture, 1)) == (
        "cat / dog: 5 of 40 queries taken for the other (3 of cat, 2 of dog)"
    )


def test_doubtful_labels_stand_with_their_answers(picture: Path) -> None:
    row = RankedRow(picture, "cat", (RankedAnswer(picture, "dog", 0.9, False),) * 3, 0.1)
    doubt = DoubtfulLabel(row, "dog", 3, 0.2, 0.9, 0.871)
    image = draw_doubtful([doubt, doubt], tile=TILE)
    assert frames(image, QUERY) == 2
    assert "cat, or dog? It would fit there better than 87% fit their own" in doubt_in_words(doubt)
    plain = draw_rows([row, row], tile=TILE)
    assert image.height == plain.height + 2 * LAYOUT.line, "and a line of words above each"


def test_triplets_stand_in_a_strip_for_each_kind(picture: Path) -> None:
    def one(kind: TripletKind) -> Triplet:
        return Triplet(kind, picture, picture, picture, "cat", "dog", 0.8, 0.3)

    kinds = [TripletKind.EASY, TripletKind.EASY, TripletKind.HARD]
    shares = {TripletKind.EASY: 0.9, TripletKind.SEMI_HARD: 0.0, TripletKind.HARD: 0.1}
    image = draw_triplets(Triplets(tuple(map(one, kinds)), shares, 1000, 1000, 0.1), tile=TILE)
    assert (frames(image, QUERY), frames(image, RIGHT)) == (3, 3)
    assert (np.asarray(image) == ImageColor.getrgb(WRONG)).all(axis=-1).any()
    assert image.height == LAYOUT.gap + 2 * (LAYOUT.row + LAYOUT.line)


def test_a_tile_that_stands_apart_is_further_off(picture: Path) -> None:
    near = draw_strips([Strip([Tile(picture), Tile(picture)])], tile=TILE)
    far = draw_strips([Strip([Tile(picture), Tile(picture, apart=True)])], tile=TILE)
    assert far.width == near.width + 2 * LAYOUT.gap


def test_notes_have_to_be_as_many_as_rows(picture: Path) -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        draw_rows([RankedRow(picture, "cat", (), 0.0)], notes=["one", "two"])


def test_nothing_is_refused() -> None:
    for draw in (draw_confused, draw_doubtful):
        with pytest.raises(EvaluationError, match="nothing to draw"):
            draw([])
