from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.models.explanation import Explanation, Method, View
from lookalike.presenting.canvas import save
from lookalike.presenting.plots_explanation import GAP, LINE, draw_explanation, explanation_plot
from lookalike.records import Floats, Pixels

TILE = 160
GREY = np.full((120, 120, 3), 140, np.uint8)


def view(
    pixels: Pixels = GREY, *, part: tuple[float, float, float, float] | None = None, path: str = "x.png"
) -> View:
    height, width = pixels.shape[:2]
    return View(path, pixels, part or (0.0, 0.0, float(width), float(height)))


def spot(row: int, column: int, value: float = 1.0) -> Floats:
    heat = np.zeros((8, 8), np.float32)
    heat[row, column] = value
    return heat


def explanation(
    a: View | None = None,
    heat_a: Floats | None = None,
    heat_b: Floats | None = None,
    *,
    method: Method = "exact",
) -> Explanation:
    first, second = (spot(2, 2) if heat is None else heat for heat in (heat_a, heat_b))
    return Explanation(a or view(), view(), 0.5, first, second, method)


def map_a(found: Explanation) -> Pixels:
    """The tile of a's map, without its edges."""
    drawn = np.asarray(draw_explanation(found, tile=TILE))
    top = GAP + LINE + TILE + GAP
    return drawn[top + 2 : top + TILE - 2, GAP + 2 : GAP + TILE - 2]


def colourful(pixels: Pixels) -> np.ndarray:
    wide = pixels.astype(int)
    return np.asarray(wide.max(2) - wide.min(2) > 25)


def test_size_follows_the_tile() -> None:
    for tile, lines in ((TILE, 8), (240, 6)):
        drawn = draw_explanation(explanation(), tile=tile)
        assert drawn.mode == "RGB"
        assert abs(drawn.width - (2 * tile + 3 * GAP)) <= 1
        assert abs(drawn.height - (2 * tile + 3 * GAP + lines * LINE)) <= 1


def test_what_adds_is_orange_and_darker_where_it_is() -> None:
    drawn = map_a(explanation(heat_a=spot(2, 5)))
    rows, columns = np.nonzero(colourful(drawn))
    side = len(drawn)
    assert rows.mean() == pytest.approx(side * 2.5 / 8, abs=side / 20)
    assert columns.mean() == pytest.approx(side * 5.5 / 8, abs=side / 20)
    red, _, blue = drawn[int(side * 2.5 / 8), int(side * 5.5 / 8)].astype(int)
    assert red > blue + 60
    grey = drawn @ np.array([0.299, 0.587, 0.114])
    assert grey[int(side * 2.5 / 8), int(side * 5.5 / 8)] < grey[side - 20, 20] - 60


def test_what_takes_is_striped_blue() -> None:
    drawn = map_a(explanation(heat_a=spot(4, 4, -1.0), heat_b=spot(0, 0, 0.1)))
    middle = drawn[
        len(drawn) * 4 // 8 : len(drawn) * 5 // 8, len(drawn) * 4 // 8 : len(drawn) * 5 // 8
    ].astype(int)
    blue = middle[..., 2] > middle[..., 0] + 40
    assert 0.25 < blue.mean() < 0.75
    changes = np.diff(blue.astype(int), axis=1)
    assert np.count_nonzero(changes) > len(blue)  # stripes, not one field


def test_half_of_what_adds_is_surrounded_by_a_line() -> None:
    def dark(found: Explanation) -> int:
        return int((map_a(found)[10:-10, 10:-10].max(2) < 90).sum())  # within the dotted frame

    white = view(np.full((90, 90, 3), 255, np.uint8))
    assert dark(explanation(white)) > 20
    assert dark(explanation(white, heat_a=-spot(2, 2))) == 0


def test_both_maps_have_one_scale() -> None:
    weak = map_a(explanation(heat_a=spot(2, 2, 0.1), heat_b=spot(2, 2, 1.0)))
    strong = map_a(explanation(heat_a=spot(2, 2, 1.0), heat_b=spot(2, 2, 0.1)))
    assert colourful(weak).sum() < colourful(strong).sum() / 3
    assert weak[50, 50, 2] > strong[50, 50, 2]


@pytest.mark.parametrize(
    ("shape", "part", "expected"),
    [
        ((100, 200), (50.0, 0.0, 150.0, 100.0), (0.25, 0.25, 0.75, 0.75)),  # a crop of a wide picture
        ((200, 100), (0.0, 50.0, 100.0, 150.0), (0.25, 0.25, 0.75, 0.75)),
        ((100, 200), (0.0, -50.0, 200.0, 150.0), (0.0, 0.0, 1.0, 1.0)),  # padded to a square
        ((100, 2000), (950.0, 0.0, 1050.0, 100.0), (0.25, 0.25, 0.75, 0.75)),  # shown in part
    ],
    ids=["wide", "tall", "padded", "long"],
)
def test_map_lies_on_what_was_seen(
    shape: tuple[int, int], part: tuple[float, float, float, float], expected: tuple[float, ...]
) -> None:
    pixels = np.full((*shape, 3), 200, np.uint8)
    drawn = map_a(
        explanation(view(pixels, part=part), heat_a=np.ones((4, 4), np.float32), heat_b=spot(0, 0, 0))
    )
    rows, columns = np.nonzero(colourful(drawn))
    found = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / len(drawn)
    assert found == pytest.approx(np.array(expected), abs=0.03)


def test_nothing_to_show_is_drawn_all_the_same() -> None:
    nothing = np.zeros((4, 4), np.float32)
    assert not colourful(map_a(explanation(heat_a=nothing, heat_b=nothing))).any()


def texts(found: Explanation, *, tile: int = 320) -> str:
    plot = explanation_plot(found, tile=tile)
    axes = [text for each in plot.axes for text in (each.get_title(), each.get_xlabel())]
    return "\n".join([*axes, *(text.get_text() for text in plot.texts)])


def test_words_say_how_it_was_made() -> None:
    heat = spot(2, 2, 0.75)
    heat[0, 0] = -0.25
    exact = texts(explanation(heat_a=heat))
    assert "adds 0.750, takes 0.250" in exact
    assert "adds 1.000, takes 0.000" in exact
    assert "similarity 0.5000" in exact
    assert "exact" in exact
    covering = texts(explanation(heat_a=heat, heat_b=-heat - 1, method="covering"))
    assert "falls by up to 0.750" in covering
    assert "falls by up to 0.000" in covering
    assert "not exact" in covering


@pytest.mark.parametrize(
    ("path", "tile", "shown"),
    [
        ("photos/beach/a.jpg", 320, "beach/a.jpg"),
        ("photos/beach/a.jpg", 96, "beach/a.jpg"),
        ("photos/a-long-folder/a-picture.jpg", 112, "a-picture.jpg"),
        ("a-very-long-name-of-a-picture.jpg", 112, "a-very-long-nam…"),
        ("line\nend$x$.jpg", 320, "line end$x$.jpg"),
    ],
)
def test_names_fit(path: str, tile: int, shown: str) -> None:
    assert shown in texts(explanation(view(path=path)), tile=tile).split("\n")


def test_plot_can_be_saved(tmp_path: Path) -> None:
    save(explanation_plot(explanation(), tile=160), tmp_path / "why.png")
    with Image.open(tmp_path / "why.png") as drawn:
        assert drawn.width > 200
