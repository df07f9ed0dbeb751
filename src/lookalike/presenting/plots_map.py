"""The embedding map: every picture a point, and some of the pictures themselves, where they lie.

Places, labels and files enter; a matplotlib figure leaves. Where the places come from is the projection's
work; the map to move about in is a page of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from numpy.typing import NDArray

from lookalike.presenting.canvas import (
    BLUE,
    GREEN,
    GRID,
    ORANGE,
    PURPLE,
    drawable,
    new_plot,
    nothing_to_draw,
    styled,
)
from lookalike.presenting.projection import Projection
from lookalike.presenting.thumbnails import small
from lookalike.records import Box, Floats, Labels

Look = tuple[str, str]

LOOKS: tuple[Look, ...] = tuple(
    product((BLUE, ORANGE, GREEN, PURPLE), "os^D")
)  # a colour and a marker for each label
UNKNOWN: Look = (GRID, "o")
MANY = 2000  # points of one look: from here on they are drawn smaller
MOST_NAMES = 40  # labels whose names are still written on the map
MOST_LETTERS = 18  # of a label
ACROSS = 15  # pictures that fit beside each other
MOST_PICTURES = 60
SHARPNESS = 96  # pixels of a picture's longer side
ROOM = 1.1  # a picture takes this much of its own side, so that a line of the ground parts neighbours


def embedding_map(
    projection: Projection, labels: Labels, *, paths: Sequence[Path] = (), boxes: Sequence[Box | None] = ()
) -> Plot:
    """Draw where embeddings lie, and a fair sample of their pictures.

    Up to 16 labels each has a look of its own; a map without pictures has, up to 40, their names in the
    middle of their embeddings. Pictures come from the labels by turns and never overlap; one that would is
    left out.

    Args:
        projection: of n vectors.
        labels: [n] of any type; "" and None are no label.
        paths: the n files; none: points only.
        boxes: for each file the part to show, or None; none: the pictures whole.

    Raises:
        EvaluationError: there is no place.
        ValueError: labels, paths or boxes are not n.
    """
    places = projection.places
    if len(labels) != len(places) or not {len(paths), len(boxes)} <= {0, len(places)}:
        given = f"{len(labels)} labels and {len(paths)} paths, {len(boxes)} boxes"
        raise ValueError(f"{len(places)} places, {given}")
    if not len(places):
        raise nothing_to_draw("an embedding map", saw="no place")
    names, codes = _named(labels)
    looks = [_look(name, code=code, of=len(names)) for code, name in enumerate(names)]
    with styled():
        plot = new_plot(height=4.6)
        axes = plot.add_subplot()
        if len(names) <= len(LOOKS):
            for code, name in enumerate(names):
                _points(axes, places[codes == code], looks[code], label=drawable(name, most=MOST_LETTERS))
        else:
            _points(axes, places, UNKNOWN)
        pictures = list(zip(paths, boxes or [None] * len(paths), strict=True))
        _pictures(axes, places, codes, pictures, [colour for colour, _ in looks])
        if len(LOOKS) < len(names) <= MOST_NAMES and not paths:
            for code, name in enumerate(names):
                _name(axes, places[codes == code], name)
        axes.set_aspect("equal", adjustable="datalim")
        _say_what_it_is(plot, axes, projection)
        if 1 < len(names) <= len(LOOKS):
            plot.legend(loc="outside right upper", handlelength=1.0)
    return plot


def _say_what_it_is(plot: Plot, axes: Axes, projection: Projection) -> None:
    if projection.share is None:
        axes.set(xticks=[], yticks=[])
        words = "near is alike, how far says little (UMAP)"
    else:
        axes.set(xlabel="first direction", ylabel="second direction")
        words = f"{100 * projection.share:.0f}% of what tells them apart (PCA)"
    plot.suptitle(words, x=0.01, ha="left", fontsize=10)


def _named(labels: Labels) -> tuple[list[str], NDArray[np.int64]]:
    """The labels that occur, in their own order, and the place of each row's among them."""
    known = np.asarray(labels)
    if known.dtype == object:
        known = np.array(["" if label is None else str(label) for label in known], dtype=np.str_)
    names, codes = np.unique(known, return_inverse=True)
    return [str(name) for name in names.tolist()], codes


def _points(axes: Axes, places: Floats, look: Look, *, label: str = "") -> None:
    colour, marker = look
    size, shown = 14 if len(places) <= MANY else 4, label or "no label"
    x, y = places[:, 0], places[:, 1]
    axes.scatter(x, y, s=size, color=colour, marker=marker, alpha=0.7, linewidths=0, label=shown)


def _look(name: str, *, code: int, of: int) -> Look:
    if of > len(LOOKS) or not name:
        return UNKNOWN
    return LOOKS[code * 5 % len(LOOKS)]  # neighbours in the legend differ in both


def _name(axes: Axes, places: Floats, name: str) -> None:
    x, y = places.mean(axis=0)
    box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
    shown = drawable(name, most=MOST_LETTERS)
    axes.text(x, y, shown, ha="center", va="center", fontsize=9, bbox=box, zorder=4)


def _pictures(
    axes: Axes,
    places: Floats,
    codes: NDArray[np.int64],
    pictures: Sequence[tuple[Path, Box | None]],
    colours: Sequence[str],
) -> None:
    """Draw pictures over their points, with an edge in the colour of their label."""
    if not pictures:
        return
    side = (float(np.ptp(places, axis=0).max()) or 1.0) / ACROSS
    for row in apart(places, fair_order(codes), side=ROOM * side, most=MOST_PICTURES):
        path, box = pictures[row]
        picture = small(path, SHARPNESS, box=box)
        half = np.array(picture.size) * side / (2 * max(picture.size))
        (left, bottom), (right, top) = places[row] - half, places[row] + half
        extent = (float(left), float(right), float(bottom), float(top))
        axes.imshow(np.asarray(picture), extent=extent, interpolation="none", zorder=3)
        edge = ([left, right, right, left, left], [bottom, bottom, top, top, bottom])
        axes.plot(*edge, color=colours[codes[row]], linewidth=1.0, zorder=3)
    axes.autoscale_view()


def fair_order(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """[n] rows, the labels by turns: one of each, then a second one of each, as far as they go.

    Args:
        codes: [n] the label of each row as a number.

    >>> fair_order(np.array([0, 0, 0, 1, 2, 2])).tolist()
    [0, 3, 4, 1, 5, 2]
    """
    by_label = np.argsort(codes, kind="stable")
    grouped = codes[by_label]
    turn = np.arange(len(codes)) - np.searchsorted(grouped, grouped)  # place of a row within its label
    return by_label[np.lexsort((grouped, turn))]


def apart(places: Floats, order: NDArray[np.int64], *, side: float, most: int) -> Iterator[int]:
    """Rows, in the given order, whose squares of this side do not overlap those of the rows before them."""
    taken = np.empty((0, 2), np.float64)
    for row in order.tolist():
        if len(taken) == most:
            return
        place = places[row].astype(np.float64)
        if not (np.abs(taken - place).max(axis=1, initial=0.0) < side).any():
            taken = np.vstack([taken, place])
            yield row
