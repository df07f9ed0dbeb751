"""Why two pictures are alike, drawn: the pictures, below them their maps, and the similarity.

An Explanation enters, a picture or a plot leaves. The maps lie on pale grey pictures, orange where a place
adds to the similarity and striped blue where it takes from it, so that they can be read in grey too.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Plot
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from PIL import Image

from lookalike.models.explanation import Explanation, View
from lookalike.pictures.preprocess import Part
from lookalike.presenting.canvas import BLUE, GRID, INK, drawable, styled
from lookalike.records import Floats

ADDS = "#b84000"
DPI = 100
GAP, LINE = 14, 20  # pixels between tiles, and of a line of text
WIDE = 240  # a tile from which on the legend fits on one line
FINE = 2  # pictures are drawn with so many pixels for one of the tile, for plots that are saved larger
PALE = 0.35  # how dark a black place is under a map
BEYOND = 0.5  # of the side that was seen: how far around it a long picture is shown
STRIPE = 5  # pixels
BLUR = 0.045  # of the side: a cell's value is drawn around it, as what the cell saw lies around it
CORE = 0.5  # of what adds to the similarity lies within the line

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_METHODS = {
    "exact": "exact: what a map adds less what it takes is the similarity",
    "covering": "measured by covering parts, one after the other; not exact",
}


class Drawn(NamedTuple):
    """A picture in its tile.

    Attributes:
        pixels: [h, w, 3] float32, 0 to 255.
        part: where in it the part lies that the network saw.
    """

    pixels: Floats
    part: Part


def draw_explanation(explanation: Explanation, *, tile: int = 320) -> Image.Image:
    """Draw two pictures side by side, and below them what their places add to the similarity.

    Both maps have one scale, and are smoothed a little, which leaves their sums as they are. A line surrounds
    the places that add most: half of all that adds. What of a picture the network did not see lies outside of
    the dotted frame, without colour.

    Args:
        tile: side of the square that each picture is fitted into, in pixels, >= 160.

    Returns:
        An RGB image on white, 2 tiles wide and 2 tiles high, and a little more.
    """
    buffer = io.BytesIO()
    with styled():
        explanation_plot(explanation, tile=tile).savefig(buffer, format="png", dpi=DPI, facecolor="white")
    with Image.open(buffer) as drawn:
        return drawn.convert("RGB")


def explanation_plot(explanation: Explanation, *, tile: int = 320) -> Plot:
    """The same as a plot, for `canvas.save`."""
    wide = tile >= WIDE
    width, height = 2 * tile + 3 * GAP, 2 * tile + 3 * GAP + (6 if wide else 8) * LINE
    heats = explanation.heat_a, explanation.heat_b
    densities = [_smooth(heat) * heat.size for heat in heats]
    scale = max(float(np.abs(density).max()) for density in densities) or 1.0
    with styled():
        plot = Plot(figsize=(width / DPI, height / DPI))
        for column, view in enumerate((explanation.a, explanation.b)):
            left, top = GAP + column * (tile + GAP), GAP + LINE
            drawn = _drawn(view, FINE * tile)
            _picture(_axes(plot, left, top, tile), drawn, name=_name(view, most=tile // 7))
            axes = _axes(plot, left, top + tile + GAP, tile)
            _map(axes, drawn, densities[column] / scale)
            axes.set_xlabel(_sums(heats[column], explanation.method), fontsize=9)
        _legend(plot, explanation, columns=3 if wide else 1)
    return plot


def _axes(plot: Plot, left: float, top: float, side: float) -> Axes:
    """A square, its place counted in pixels from the upper left corner."""
    width, height = (inches * DPI for inches in plot.get_size_inches())
    axes: Axes = plot.add_axes((left / width, 1 - (top + side) / height, side / width, side / height))
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=GRID, linewidth=0.5)
    return axes


def _picture(axes: Axes, drawn: Drawn, *, name: str) -> None:
    axes.imshow(drawn.pixels.astype(np.uint8))
    axes.set_title(name, fontsize=9)


def _name(view: View, *, most: int) -> str:
    """The file's name, with its folder's where there is room."""
    parts = Path(view.path).parts
    both = "/".join(parts[-2:])
    return drawable(both if len(both) <= most else parts[-1], most=most)


def _map(axes: Axes, drawn: Drawn, strength: Floats) -> None:
    left, top, right, bottom = (round(edge) for edge in drawn.part)
    fine = _enlarged(strength, size=(right - left, bottom - top))
    grey = 255 - (255 - drawn.pixels @ _LUMA) * PALE
    tinted = np.repeat(grey[..., None], 3, axis=2)
    inside = tinted[top:bottom, left:right]
    inside *= _tint(fine[: len(inside), : inside.shape[1]])
    axes.imshow(tinted.astype(np.uint8))
    frame = Rectangle((left, top), right - left, bottom - top, fill=False)
    frame.set(edgecolor=INK, linewidth=0.8, linestyle=(0, (1, 2)))
    axes.add_patch(frame)
    level = _core(fine)
    if level is not None:
        axes.contour(fine, [level], colors=[INK], linewidths=1.2, extent=(left, right, top, bottom))


def _smooth(heat: Floats) -> Floats:
    """Each cell's value shared with those around it: the same sum."""
    kernels = []
    for cells in heat.shape:
        apart = np.subtract.outer(np.arange(cells), np.arange(cells)) / (BLUR * cells)
        near = np.exp(-(apart**2) / 2)
        kernels.append(near / near.sum(axis=0))  # columns sum to 1
    return np.asarray(kernels[0] @ heat @ kernels[1].T, dtype=np.float32)


def _enlarged(values: Floats, *, size: tuple[int, int]) -> Floats:
    """Interpolated, but never beyond the values that are there."""
    fine = Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(np.clip(np.asarray(fine), values.min(), values.max()))


def _tint(strength: Floats) -> Floats:
    """What a pale picture is multiplied by: [h, w] of -1 to 1 gives [h, w, 3]."""
    rows, columns = np.indices(strength.shape)
    striped = (rows + columns) // (FINE * STRIPE) % 2 == 0
    adds, takes = np.clip(strength, 0, 1), np.clip(-strength, 0, 1) * striped
    tint: Floats = (1 - adds[..., None] * (1 - _rgb(ADDS))) * (1 - takes[..., None] * (1 - _rgb(BLUE)))
    return tint


def _rgb(colour: str) -> Floats:
    return np.array(to_rgb(colour), np.float32)


def _core(strength: Floats) -> float | None:
    """The level above which CORE of all that adds lies; None where nothing does."""
    falling = np.sort(strength[strength > 0])[::-1]
    if not len(falling):
        return None
    return float(falling[np.searchsorted(np.cumsum(falling), CORE * falling.sum())])


def _sums(heat: Floats, method: str) -> str:
    if method == "covering":
        return f"falls by up to {max(float(heat.max()), 0.0):.3f}"
    return f"adds {heat[heat > 0].sum():.3f}, takes {abs(heat[heat < 0].sum()):.3f}"


def _legend(plot: Plot, explanation: Explanation, *, columns: int) -> None:
    height = plot.get_size_inches()[1] * DPI
    handles = [
        Patch(color=ADDS, label="adds to the similarity"),
        Patch(facecolor="white", edgecolor=BLUE, hatch="////", label="takes from it"),
        Line2D([], [], color=INK, linewidth=1.2, label="half of what adds"),
    ]
    above = 0.5, 2.4 * LINE / height
    plot.legend(handles=handles, loc="lower center", ncols=columns, fontsize=8.5, bbox_to_anchor=above)
    words = f"similarity {explanation.similarity:.4f}"
    plot.text(0.5, 1.9 * LINE / height, words, ha="center", va="center", fontsize=12)
    plot.text(0.5, 0.8 * LINE / height, _METHODS[explanation.method], ha="center", va="center", fontsize=8.5)


def _drawn(view: View, side: int) -> Drawn:
    """A picture in the middle of a white square, with what was seen; of a long one what lies around it."""
    left, top, right, bottom = _window(view)
    scale = side / max(right - left, bottom - top)
    across, down = (side - (right - left) * scale) / 2, (side - (bottom - top) * scale) / 2
    corner = across - left * scale, down - top * scale  # of the picture, in the square
    picture = Image.fromarray(view.pixels)
    shift = (1 / scale, 0, -corner[0] / scale, 0, 1 / scale, -corner[1] / scale)
    square = picture.transform(
        (side, side), Image.Transform.AFFINE, shift, Image.Resampling.BICUBIC, fillcolor="white"
    )
    part = tuple(edge * scale + corner[place % 2] for place, edge in enumerate(view.part))
    return Drawn(np.asarray(square, np.float32), (part[0], part[1], part[2], part[3]))


def _window(view: View) -> Part:
    height, width = view.pixels.shape[:2]
    left, top, right, bottom = view.part
    around = BEYOND * (right - left), BEYOND * (bottom - top)
    return (
        min(left, max(0.0, left - around[0])),
        min(top, max(0.0, top - around[1])),
        max(right, min(width, right + around[0])),
        max(bottom, min(height, bottom + around[1])),
    )
