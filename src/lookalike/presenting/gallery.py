"""Pictures in strips: ranked rows, or tiles of other kinds, enter; one image of them all leaves.

A right answer has a solid green frame and a tick, a wrong one a dashed red frame and a cross, the query a
blue frame: colour is never the only sign. A file that cannot be opened is drawn as a grey tile that says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from PIL import Image, ImageDraw

from lookalike.errors import EvaluationError
from lookalike.presenting.thumbnails import QUIET, fitted, font_of, small
from lookalike.records import Box, RankedRow

QUERY, RIGHT, WRONG = "#0a5fb4", "#1a7f4b", "#c62f2f"
INK, GROUND = "#1c1c1e", "#ffffff"
FRAMES = {"query": QUERY, "right": RIGHT, "wrong": WRONG, "": "#c7c7cc"}
SMOOTH = 4  # badges are drawn this much larger and then reduced


class Layout(NamedTuple):
    """Lengths of a drawing in pixels, all in proportion to the side of a picture."""

    tile: int

    @property
    def frame(self) -> int:
        """Width of a frame."""
        return max(2, self.tile // 28)

    @property
    def cell(self) -> int:
        """Side of a picture with its frame and the white line between them."""
        return self.tile + 4 * self.frame

    @property
    def gap(self) -> int:
        """Space between neighbours; the query stands three of them apart."""
        return max(4, self.tile // 10)

    @property
    def text(self) -> int:
        """Letter height in points."""
        return max(9, self.tile // 8)

    @property
    def line(self) -> int:
        """From one line of text to the next."""
        return self.text + max(3, self.text // 3)

    @property
    def row(self) -> int:
        """Height of a row: pictures, two lines of text and the gap below."""
        return self.cell + 2 * self.line + 2 * self.gap

    def left(self, place: int) -> int:
        """Left edge of a cell; place 0 is the query."""
        return self.gap + place * (self.cell + self.gap) + (2 * self.gap if place else 0)


class Tile(NamedTuple):
    """A picture of a strip.

    Attributes:
        kind: says its frame and badge; "" is a plain one.
        lines: at most two below the picture, the first in ink, the second in grey.
        apart: whether it stands apart from the tile before it.
        box: the part of the picture that is shown; None: all of it.
    """

    path: Path
    kind: Literal["query", "right", "wrong", ""] = ""
    lines: tuple[str, ...] = ()
    apart: bool = False
    box: Box | None = None


class Strip(NamedTuple):
    """Tiles side by side, with a line above them where there is something to say."""

    tiles: Sequence[Tile]
    note: str = ""


def draw_rows(rows: Sequence[RankedRow], *, notes: Sequence[str] = (), tile: int = 96) -> Image.Image:
    """Draw every query with its answers beside it, most alike first.

    Under an answer stands its similarity, and under a wrong one also the label it carries.

    Args:
        rows: at least one; they may have different numbers of answers.
        notes: a line above each row; none: no lines.
        tile: side of a picture in pixels, >= 16.

    Returns:
        An RGB image on white.

    Raises:
        EvaluationError: there are no rows.
        ValueError: there are notes, but not one for each row.
    """
    strips = [Strip(tiles_of(row), note) for row, note in zip(rows, notes or [""] * len(rows), strict=True)]
    return draw_strips(strips, head=("query", "answers, most alike first, with their similarity"), tile=tile)


def tiles_of(row: RankedRow) -> list[Tile]:
    """A query and its answers as tiles: similarity below an answer, and the label below a wrong one."""
    answers = [
        Tile(
            answer.path,
            "right" if answer.right else "wrong",
            (f"{answer.similarity:.3f}", *(() if answer.right else (answer.label,))),
            apart=place == 0,
            box=answer.box,
        )
        for place, answer in enumerate(row.answers)
    ]
    return [Tile(row.query, "query", (row.label,), box=row.box), *answers]


def draw_strips(strips: Sequence[Strip], *, head: tuple[str, ...] = (), tile: int = 96) -> Image.Image:
    """Draw strips of tiles, one below the other.

    Args:
        strips: at least one; they may be of different lengths.
        head: words at the top, over the first tile, the second, ...; the last have the rest of the line.
        tile: side of a picture in pixels, >= 16.

    Returns:
        An RGB image on white.

    Raises:
        EvaluationError: there are no strips.
    """
    if not strips:
        raise EvaluationError(
            "there is nothing to draw",
            where="ranked rows",
            saw="no rows",
            do="give at least one; lookalike evaluate makes them",
        )
    layout = Layout(tile)
    top = layout.line + 2 * layout.gap if head else layout.gap
    width = max(_places(layout, strip.tiles)[-1] for strip in strips)
    height = top + sum(layout.row + (layout.line if strip.note else 0) for strip in strips)
    image = Image.new("RGB", (width, height), GROUND)
    draw = ImageDraw.Draw(image)
    for place, words in enumerate(head):
        left, right = layout.left(place), width if place == len(head) - 1 else layout.left(place + 1)
        _text(draw, layout, words, (left, layout.gap), width=right - left, colour=QUIET)
    for strip in strips:
        if strip.note:
            _text(draw, layout, strip.note, (layout.gap, top), width=width - 2 * layout.gap, colour=INK)
            top += layout.line
        for one, left in zip(strip.tiles, _places(layout, strip.tiles), strict=False):
            _tile(image, layout, one, left, top)
        top += layout.row
    return image


def draw_pictures(
    paths: Sequence[Path],
    *,
    captions: Sequence[str] = (),
    columns: int = 5,
    tile: int = 96,
    boxes: Sequence[Box | None] = (),
) -> Image.Image:
    """Draw pictures side by side, row after row: a batch, with its K as columns, or any part of a table.

    Args:
        paths: at least one.
        captions: one line under each; none: no line.
        columns: pictures in a row, >= 1.
        tile: side of a picture in pixels, >= 16.
        boxes: for each picture the part to show, or None; none: the pictures whole.

    Returns:
        An RGB image on white.

    Raises:
        EvaluationError: there are no pictures.
        ValueError: there are captions or boxes, but not one for each picture.
    """
    if not paths:
        raise EvaluationError(
            "there is nothing to draw", where="pictures", saw="none", do="give at least one path"
        )
    layout = Layout(tile)
    step = layout.cell + layout.gap, layout.cell + layout.gap + (layout.line if captions else 0)
    rows = -(-len(paths) // columns)
    size = min(columns, len(paths)) * step[0] + layout.gap, rows * step[1] + layout.gap
    image = Image.new("RGB", size, GROUND)
    given = zip(paths, captions or [""] * len(paths), boxes or [None] * len(paths), strict=True)
    for place, (path, caption, box) in enumerate(given):
        left, top = (layout.gap + step[0] * (place % columns), layout.gap + step[1] * (place // columns))
        _picture(image, layout, small(path, layout.tile, box=box), left, top)
        under, width = (left + layout.cell / 2, top + layout.cell), layout.cell + layout.gap
        _text(ImageDraw.Draw(image), layout, caption, under, width=width, colour=INK, anchor="ma")
    return image


def _places(layout: Layout, tiles: Sequence[Tile]) -> list[int]:
    """The left edge of each tile, and the width of them all."""
    places, left = [], layout.gap
    for one in tiles:
        left += 2 * layout.gap if one.apart else 0
        places.append(left)
        left += layout.cell + layout.gap
    return [*places, left]


def _tile(image: Image.Image, layout: Layout, tile: Tile, left: int, top: int) -> None:
    draw = ImageDraw.Draw(image)
    _picture(image, layout, small(tile.path, layout.tile, box=tile.box), left, top)
    _frame(draw, layout, left, top, colour=FRAMES[tile.kind], dashed=tile.kind == "wrong")
    if tile.kind in {"right", "wrong"}:
        badge = _badge(max(12, layout.tile // 5), right=tile.kind == "right")
        corner = left + layout.cell - badge.width * 3 // 4, top - badge.height // 4
        image.paste(badge, corner, badge)
    for number, (text, colour) in enumerate(zip(tile.lines, (INK, QUIET), strict=False)):
        under = left + layout.cell / 2, top + layout.cell + layout.gap // 2 + number * layout.line
        _text(draw, layout, text, under, width=layout.cell + layout.gap, colour=colour, anchor="ma")


def _picture(image: Image.Image, layout: Layout, picture: Image.Image, left: int, top: int) -> None:
    free = layout.cell - picture.width, layout.cell - picture.height
    image.paste(picture, (left + free[0] // 2, top + free[1] // 2))


def _frame(
    draw: ImageDraw.ImageDraw, layout: Layout, left: int, top: int, *, colour: str, dashed: bool
) -> None:
    right, bottom = left + layout.cell - 1, top + layout.cell - 1
    draw.rectangle((left, top, right, bottom), outline=colour, width=layout.frame)
    if dashed:
        step = layout.cell / 9  # dash and space by turns: a dash at every corner
        for number in range(1, 9, 2):
            start, end = round(number * step), round((number + 1) * step) - 1
            for side in (0, layout.cell - layout.frame):
                wide = side + layout.frame - 1
                draw.rectangle((left + start, top + side, left + end, top + wide), fill=GROUND)
                draw.rectangle((left + side, top + start, left + wide, top + end), fill=GROUND)


@cache
def _badge(size: int, *, right: bool) -> Image.Image:
    """A disc with a tick or a cross, transparent around it."""
    large = size * SMOOTH
    image = Image.new("RGBA", (large, large))
    draw = ImageDraw.Draw(image)
    draw.ellipse((0, 0, large - 1, large - 1), fill=GROUND)
    rim = large // 12
    draw.ellipse((rim, rim, large - 1 - rim, large - 1 - rim), fill=RIGHT if right else WRONG)
    strokes = [[(27, 52), (44, 69), (74, 35)]] if right else [[(33, 33), (67, 67)], [(67, 33), (33, 67)]]
    for stroke in strokes:
        points = [(x * large / 100, y * large / 100) for x, y in stroke]
        draw.line(points, fill=GROUND, width=large // 9, joint="curve")
    return image.resize((size, size), Image.Resampling.LANCZOS)


def _text(
    draw: ImageDraw.ImageDraw,
    layout: Layout,
    words: str,
    place: tuple[float, float],
    *,
    width: float,
    colour: str,
    anchor: str = "la",
) -> None:
    font = font_of(layout.text)
    draw.text(place, fitted(words, font, width), fill=colour, font=font, anchor=anchor)
