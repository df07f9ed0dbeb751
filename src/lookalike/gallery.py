"""Pictures of ranked answers. Ranked rows enter; one image of them all, or small pictures for a page, leave.

A right answer has a solid green frame and a tick, a wrong one a dashed red frame and a cross, the query a
blue frame: colour is never the only sign. A file that cannot be opened is drawn as a grey tile that says why.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from PIL import Image, ImageDraw, ImageFont

from lookalike.canvas import drawable
from lookalike.errors import EvaluationError, ImageError
from lookalike.images import open_image
from lookalike.records import RankedAnswer, RankedRow

QUERY, RIGHT, WRONG = "#0a5fb4", "#1a7f4b", "#c62f2f"
INK, QUIET, EMPTY, GROUND = "#1c1c1e", "#6e6e73", "#e4e4e7", "#ffffff"
JPEG_QUALITY = 85
SMOOTH = 4  # badges are drawn this much larger and then reduced

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


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


def draw_rows(rows: Sequence[RankedRow], *, tile: int = 96) -> Image.Image:
    """Draw every query with its answers beside it, most alike first.

    Under an answer stands its similarity, and under a wrong one also the label it carries.

    Args:
        rows: at least one; they may have different numbers of answers.
        tile: side of a picture in pixels, >= 16.

    Returns:
        An RGB image on white.

    Raises:
        EvaluationError: there are no rows.
    """
    if not rows:
        raise EvaluationError(
            "there is nothing to draw",
            where="ranked rows",
            saw="no rows",
            do="give at least one; lookalike evaluate makes them",
        )
    layout = Layout(tile)
    longest = max(len(row.answers) for row in rows)
    head = layout.line + 2 * layout.gap
    size = layout.left(longest + 1), head + len(rows) * layout.row
    image = Image.new("RGB", size, GROUND)
    _head(ImageDraw.Draw(image), layout, answers=longest)
    for place, row in enumerate(rows):
        _row(image, layout, row, top=head + place * layout.row)
    return image


def draw_pictures(
    paths: Sequence[Path], *, captions: Sequence[str] = (), columns: int = 5, tile: int = 96
) -> Image.Image:
    """Draw pictures side by side, row after row: a batch, with its K as columns, or any part of a table.

    Args:
        paths: at least one.
        captions: one line under each; none: no line.
        columns: pictures in a row, >= 1.
        tile: side of a picture in pixels, >= 16.

    Returns:
        An RGB image on white.

    Raises:
        EvaluationError: there are no pictures.
        ValueError: there are captions, but not one for each picture.
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
    for place, (path, caption) in enumerate(zip(paths, captions or [""] * len(paths), strict=True)):
        left, top = (layout.gap + step[0] * (place % columns), layout.gap + step[1] * (place // columns))
        _picture(image, layout, path, left, top)
        text = _fitted(caption, _font(layout.text), layout.cell + layout.gap)
        under = left + layout.cell / 2, top + layout.cell
        ImageDraw.Draw(image).text(under, text, fill=INK, font=_font(layout.text), anchor="ma")
    return image


def thumbnail(path: str | Path, size: int) -> bytes:
    """A picture at most `size` pixels wide and high, upright, as JPEG; never enlarged.

    A file that cannot be opened gives a grey tile with the reason. Nothing is raised for it.
    """
    buffer = io.BytesIO()
    _small(Path(path), size).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling=0, optimize=True)
    return buffer.getvalue()


def data_uri(path: str | Path, size: int) -> str:
    """`thumbnail` as a data: address, for a page that stands alone."""
    return f"data:image/jpeg;base64,{base64.b64encode(thumbnail(path, size)).decode()}"


def _small(path: Path, size: int) -> Image.Image:
    try:
        image = Image.fromarray(open_image(path, target=size))
    except ImageError as error:
        return _placeholder(error.reason.value, size)
    image.thumbnail((size, size), Image.Resampling.LANCZOS)
    return image


def _placeholder(reason: str, size: int) -> Image.Image:
    image = Image.new("RGB", (size, size), EMPTY)
    draw, font = ImageDraw.Draw(image), _font(max(8, size // 9))
    lines = [_fitted(word, font, size - 4) for word in ("no picture:", *reason.split())]
    step = max(8, size // 9) * 4 // 3
    top = (size - step * len(lines)) / 2
    for number, line in enumerate(lines):
        draw.text((size / 2, top + number * step), line, fill=QUIET, font=font, anchor="ma")
    return image


def _head(draw: ImageDraw.ImageDraw, layout: Layout, *, answers: int) -> None:
    font, top = _font(layout.text), layout.gap
    draw.text((layout.left(0), top), "query", fill=QUIET, font=font)
    width = layout.left(answers + 1) - layout.left(1)
    words = _fitted("answers, most alike first, with their similarity", font, width)
    draw.text((layout.left(1), top), words, fill=QUIET, font=font)


def _row(image: Image.Image, layout: Layout, row: RankedRow, *, top: int) -> None:
    draw = ImageDraw.Draw(image)
    _picture(image, layout, row.query, layout.left(0), top)
    _frame(draw, layout, layout.left(0), top, colour=QUERY, dashed=False)
    _caption(draw, layout, 0, top, lines=((row.label, INK),))
    for place, answer in enumerate(row.answers, start=1):
        _answer(image, draw, layout, answer, place=place, top=top)


def _answer(
    image: Image.Image,
    draw: ImageDraw.ImageDraw,
    layout: Layout,
    answer: RankedAnswer,
    *,
    place: int,
    top: int,
) -> None:
    left = layout.left(place)
    _picture(image, layout, answer.path, left, top)
    _frame(draw, layout, left, top, colour=RIGHT if answer.right else WRONG, dashed=not answer.right)
    badge = _badge(max(12, layout.tile // 5), right=answer.right)
    corner = left + layout.cell - badge.width * 3 // 4, top - badge.height // 4
    image.paste(badge, corner, badge)
    lines = [(f"{answer.similarity:.3f}", INK)]
    if not answer.right:
        lines.append((answer.label, QUIET))
    _caption(draw, layout, place, top, lines=lines)


def _picture(image: Image.Image, layout: Layout, path: Path, left: int, top: int) -> None:
    picture = _small(path, layout.tile)
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


def _caption(
    draw: ImageDraw.ImageDraw, layout: Layout, place: int, top: int, *, lines: Sequence[tuple[str, str]]
) -> None:
    font = _font(layout.text)
    middle = layout.left(place) + layout.cell / 2
    for number, (text, colour) in enumerate(lines):
        height = top + layout.cell + layout.gap // 2 + number * layout.line
        draw.text(
            (middle, height),
            _fitted(text, font, layout.cell + layout.gap),
            fill=colour,
            font=font,
            anchor="ma",
        )


def _fitted(text: str, font: Font, width: float) -> str:
    """The text on one line, cut to a width in pixels."""
    shown = drawable(text, most=100)
    while len(shown) > 1 and font.getlength(shown) > width:
        shown = shown.removesuffix("…")[:-1] + "…"
    return shown


@cache
def _font(points: int) -> Font:
    """matplotlib's own DejaVu Sans, which has more scripts than Pillow's; Pillow's where it is not found."""
    try:
        return ImageFont.truetype(Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf", points)
    except OSError:
        return ImageFont.load_default(points)
