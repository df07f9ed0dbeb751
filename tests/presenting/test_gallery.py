"""What the eye is shown: frames and badges by pixel, and tiles for files that cannot be opened."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageColor
from PIL.Image import Image as Picture

from lookalike.errors import EvaluationError
from lookalike.presenting.gallery import (
    QUERY,
    RIGHT,
    WRONG,
    Layout,
    _badge,
    draw_pictures,
    draw_rows,
)
from lookalike.presenting.thumbnails import EMPTY, data_uri, font_of, thumbnail
from lookalike.records import RankedAnswer, RankedRow

TILE = 56
LAYOUT = Layout(TILE)
HEAD = LAYOUT.line + 2 * LAYOUT.gap


@pytest.fixture
def pictures(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{name}.png" for name in ("grey", "dark", "wide")]
    for path, colour, size in zip(
        paths, ("#808080", "#202020", "#606060"), ((64, 64), (20, 20), (200, 50)), strict=True
    ):
        Image.new("RGB", size, colour).save(path)
    return paths


def row_of(query: Path, answers: list[tuple[Path, bool]], *, label: str = "thing") -> RankedRow:
    found = tuple(
        RankedAnswer(path, "other", 0.9 - 0.1 * n, right) for n, (path, right) in enumerate(answers)
    )
    return RankedRow(query, label, found, 0.5)


def cell(image: Picture, place: int, row: int = 0) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """[c, c, 3] the frame and the picture at a place of a row; place 0 is the query."""
    left, top = LAYOUT.left(place), HEAD + row * LAYOUT.row
    return np.asarray(image.crop((left, top, left + LAYOUT.cell, top + LAYOUT.cell)))


def share(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], colour: str) -> float:
    """Share of the pixels of a strip that have a colour."""
    return float((pixels.reshape(-1, 3) == ImageColor.getrgb(colour)).all(axis=1).mean())


def test_query_is_blue_right_is_solid_green_wrong_is_dashed_red(pictures: list[Path]) -> None:
    image = draw_rows([row_of(pictures[0], [(pictures[0], True), (pictures[1], False)])], tile=TILE)
    query, right, wrong = (cell(image, place) for place in range(3))
    for frame, colour in ((query, QUERY), (right, RIGHT)):
        assert share(frame[-LAYOUT.frame :], colour) == 1.0
        assert share(frame[:, : LAYOUT.frame], colour) == 1.0
    for strip in (wrong[-LAYOUT.frame :], wrong[:, : LAYOUT.frame]):
        assert 0.5 < share(strip, WRONG) < 0.7
        assert share(strip, WRONG) + share(strip, "#ffffff") == 1.0


def test_right_answers_of_every_row_are_green(pictures: list[Path]) -> None:
    truth = [[True, False, True], [False, True], [False]]
    rows = [row_of(pictures[0], [(pictures[1], right) for right in line]) for line in truth]
    image = draw_rows(rows, tile=TILE)
    for number, line in enumerate(truth):
        for place, right in enumerate(line, start=1):
            strip = cell(image, place, number)[-LAYOUT.frame :]
            assert (share(strip, RIGHT) == 1.0) == right
            assert (share(strip, WRONG) > 0) == (not right)


def test_without_colour_the_frames_still_differ(pictures: list[Path]) -> None:
    image = draw_rows([row_of(pictures[0], [(pictures[0], True), (pictures[0], False)])], tile=TILE).convert(
        "L"
    )
    right, wrong = (cell(image.convert("RGB"), place)[-LAYOUT.frame :] for place in (1, 2))
    assert right.max() < 128
    assert wrong.max() == 255


def test_tick_and_cross_have_different_shapes() -> None:
    tick, cross = (np.asarray(_badge(40, right=right).convert("L")) > 200 for right in (True, False))
    centre = slice(10, 30)
    assert 0.02 < tick[centre, centre].mean() < 0.6
    assert (tick != cross)[centre, centre].mean() > 0.1
    np.testing.assert_array_equal(cross[centre, centre], cross[centre, centre][:, ::-1])


def test_badges_sit_on_answers_and_not_on_the_query(pictures: list[Path]) -> None:
    image = draw_rows([row_of(pictures[1], [(pictures[1], True)])], tile=TILE)
    inside = slice(LAYOUT.frame, LAYOUT.frame + 4), slice(-LAYOUT.frame - 4, -LAYOUT.frame)
    answer, query = cell(image, 1), cell(image, 0)
    assert answer[inside].mean() < 230
    assert answer[::-1][inside].min() == 255, "and only in the upper corner"
    assert query[inside].min() == 255


def test_pictures_are_drawn_whole_and_in_the_middle(pictures: list[Path]) -> None:
    image = draw_rows([row_of(pictures[2], [(pictures[1], True)])], tile=TILE)
    wide, small = cell(image, 0), cell(image, 1)
    edge = LAYOUT.cell // 2 - TILE // 8
    assert share(wide[edge + 1 : -edge - 1, 8:-8], "#606060") == 1.0
    assert share(wide[4 : edge - 1, 4:-4], "#ffffff") == 1.0
    assert small[LAYOUT.cell // 2, LAYOUT.cell // 2].tolist() == [0x20] * 3
    inner = small[LAYOUT.frame : -LAYOUT.frame, LAYOUT.frame : -LAYOUT.frame]
    assert (inner == 0x20).all(axis=-1).sum() == 20 * 20, "a small picture is not blown up"


@pytest.mark.parametrize(
    "label",
    ["", "x" * 500, "line\nend", "Жёлтый кот", "漢字かな", "قطة", "half \udcff", "\u202eevil", "a\x00b"],
)
def test_labels_of_any_kind_leave_the_layout_alone(pictures: list[Path], label: str) -> None:
    plain = draw_rows([row_of(pictures[0], [(pictures[1], False)], label="cat")] * 2, tile=TILE)
    odd = draw_rows([row_of(pictures[0], [(pictures[1], False)], label=label)] * 2, tile=TILE)
    assert odd.size == plain.size
    for row in range(2):
        np.testing.assert_array_equal(cell(odd, 1, row), cell(plain, 1, row))
    gap = LAYOUT.left(0) + LAYOUT.cell + LAYOUT.gap, LAYOUT.left(1) - LAYOUT.gap
    assert np.asarray(odd)[HEAD:, slice(*gap)].min() == 255, "a long label does not run into the answers"


def test_without_its_font_pillows_own_is_taken(pictures: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    font_of.cache_clear()
    monkeypatch.setattr("matplotlib.get_data_path", lambda: "/nowhere")
    image = draw_rows([row_of(pictures[0], [(pictures[1], False)])], tile=TILE)
    font_of.cache_clear()
    assert np.asarray(image)[HEAD + LAYOUT.cell :].min() < 128, "there are letters below the pictures"


def test_rows_may_have_no_answers(pictures: list[Path]) -> None:
    image = draw_rows([row_of(pictures[0], [])], tile=TILE)
    assert share(cell(image, 0)[-LAYOUT.frame :], QUERY) == 1.0


@pytest.mark.parametrize("tile", [16, 33, 200])
def test_every_size_holds_all_cells(pictures: list[Path], tile: int) -> None:
    layout = Layout(tile)
    image = draw_rows([row_of(pictures[0], [(pictures[0], True)] * 8)] * 3, tile=tile)
    assert image.size == (layout.left(9), layout.line + 2 * layout.gap + 3 * layout.row)


def test_no_rows_are_refused() -> None:
    with pytest.raises(EvaluationError, match="nothing to draw - ranked rows - saw no rows"):
        draw_rows([])


def opened(content: bytes) -> Picture:
    return Image.open(io.BytesIO(content)).convert("RGB")


def test_thumbnail_fits_and_keeps_the_shape(pictures: list[Path]) -> None:
    image = opened(thumbnail(pictures[2], 80))
    assert image.size == (80, 20)
    assert np.abs(np.asarray(image, np.int64) - 0x60).max() <= 2


def test_thumbnail_is_never_enlarged(pictures: list[Path]) -> None:
    assert opened(thumbnail(str(pictures[1]), 80)).size == (20, 20)


def test_thumbnail_is_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned
    Image.new("RGB", (60, 20)).save(tmp_path / "turned.jpg", exif=exif)
    assert opened(thumbnail(tmp_path / "turned.jpg", 60)).size == (20, 60)


def test_a_picture_as_thin_as_a_line_has_a_thumbnail(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 2)).save(tmp_path / "line.png")
    assert opened(thumbnail(tmp_path / "line.png", 50)).size == (50, 1)


@pytest.mark.parametrize(
    "content",
    [None, b"", b"no picture at all", b"\x89PNG\r\n\x1a\n truncated"],
    ids=["missing", "empty", "text", "cut"],
)
def test_a_bad_file_gives_a_grey_tile_with_words(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "bad.png"
    if content is not None:
        path.write_bytes(content)
    image = np.asarray(opened(thumbnail(path, 90)), np.int64)
    assert image.shape == (90, 90, 3)
    ground = np.abs(image - ImageColor.getrgb(EMPTY)).max(axis=-1) <= 4
    assert 0.6 < ground.mean() < 0.99, "mostly ground, with some letters"
    assert image[~ground].min() < 140


def test_tiles_for_different_reasons_differ(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    assert thumbnail(tmp_path / "empty.png", 90) != thumbnail(tmp_path / "missing.png", 90)


@pytest.mark.parametrize("path", ["", ".", "/", "nul\0byte.png", "half\udcff.png"])
def test_no_path_makes_a_thumbnail_fail(path: str) -> None:
    assert opened(thumbnail(path, 32)).size == (32, 32)


def test_data_uri_holds_the_thumbnail(pictures: list[Path]) -> None:
    head, _, body = data_uri(pictures[0], 32).partition(",")
    assert head == "data:image/jpeg;base64"
    assert base64.b64decode(body) == thumbnail(pictures[0], 32)


def test_pictures_stand_row_after_row(pictures: list[Path]) -> None:
    step, line = LAYOUT.cell + LAYOUT.gap, LAYOUT.line
    drawn = draw_pictures(pictures, captions=["one", "two", "three"], columns=2, tile=TILE)
    assert drawn.size == (2 * step + LAYOUT.gap, 2 * (step + line) + LAYOUT.gap)
    middle = LAYOUT.gap + LAYOUT.cell // 2
    assert drawn.getpixel((middle, middle)) == (0x80,) * 3
    assert drawn.getpixel((middle + step, middle)) == (0x20,) * 3
    assert drawn.getpixel((middle, middle + step + line)) == (0x60,) * 3
    under = np.asarray(drawn)[LAYOUT.gap + LAYOUT.cell :][:line]
    assert under.min() < 128
    bare = draw_pictures(pictures[:1], tile=TILE)
    assert bare.size == (step + LAYOUT.gap, step + LAYOUT.gap)


def test_no_pictures_and_captions_that_do_not_fit_are_refused(pictures: list[Path]) -> None:
    with pytest.raises(EvaluationError, match="nothing to draw - pictures"):
        draw_pictures([])
    with pytest.raises(ValueError, match="zip"):
        draw_pictures(pictures, captions=["one"])
