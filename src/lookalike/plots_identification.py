"""Plots of what pictures are taken for. Counts, histograms and vectors enter; matplotlib figures leave.

Nothing is measured here beyond shares of counts and the plane in which vectors differ most.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure as Plot
from numpy.typing import NDArray

from lookalike.canvas import (
    BLUE,
    GREEN,
    GRID,
    INK,
    LINES,
    ORANGE,
    PURPLE,
    drawable,
    in_percent,
    new_plot,
    nothing_to_draw,
    styled,
)
from lookalike.curves import precision_recall_curve
from lookalike.identification import NO_MATCH, Confusion
from lookalike.records import Floats, Labels, PairHistogram

Doubles = NDArray[np.float64]

MOST_NUMBERS = 20  # classes whose counts are still written into their cells
MOST_NAMES = 40  # classes that still have their names at the sides
MOST_LETTERS = 18  # of a class name
SHADES = LinearSegmentedColormap.from_list("shades", ["white", BLUE])
DARK = 0.6  # of a row: from here on its number is written in white
LOOKS = tuple(product((BLUE, ORANGE, GREEN, PURPLE), "os^D"))  # a colour and a marker for each label


def confusion_matrix(found: Confusion) -> Plot:
    """Draw what the queries of each label were taken for, a row each, and what had no match.

    A cell is as dark as its share of the row. Up to 20 labels the counts are written into the cells.
    """
    counts = found.counts
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    names = [drawable(label, most=MOST_LETTERS) for label in found.labels]
    with styled():
        plot = new_plot(height=min(max(2.6, 1.4 + 0.3 * len(names)), 7.0))
        axes = plot.add_subplot()
        axes.imshow(shares, cmap=SHADES, vmin=0.0, vmax=1.0, aspect="auto")
        axes.axvline(len(names) - 0.5, color=INK, linewidth=1.0)
        axes.grid(visible=False)
        if len(names) <= MOST_NAMES:
            axes.set_xticks(range(len(names) + 1), [*names, NO_MATCH], rotation=90)
            axes.set_yticks(range(len(names)), names)
        axes.set(xlabel="taken for", ylabel="is")
        for row, column in np.argwhere(counts) if len(names) <= MOST_NUMBERS else ():
            colour = "white" if shares[row, column] >= DARK else INK
            number = f"{counts[row, column]:,}"
            axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=8)
    return plot


def precision_recall(histogram: PairHistogram) -> Plot:
    """Draw precision over recall of "match", from the highest threshold to the lowest.

    Raises:
        EvaluationError: there are no same-label or no different-label pairs.
    """
    precision, recall, _ = precision_recall_curve(histogram)
    with styled():
        plot = new_plot(height=3.0)
        axes = plot.add_subplot()
        axes.plot(recall, precision, drawstyle="steps-pre", **LINES[0]._asdict())
        axes.set(xlabel="recall (%)", ylabel="precision (%)", xlim=(0, 1.01), ylim=(0, 1.01))
        in_percent(axes.xaxis, axes.yaxis)
    return plot


def clusters(vectors: Floats, labels: Labels) -> Plot:
    """Draw embeddings in the plane in which they differ most.

    A plane shows a part only of what tells embeddings apart; how much is written above it. Up to 16 labels
    each has a look of its own, up to 40 its name stands in the middle of its embeddings.

    Args:
        vectors: [n, d], d >= 2.
        labels: [n] of any type.

    Raises:
        EvaluationError: there are fewer than three vectors, or all are equal.
    """
    if len(vectors) < 3:
        raise nothing_to_draw("clusters", saw=f"{len(vectors)} embeddings")
    places, share = _plane(vectors)
    names, codes = np.unique(np.asarray(labels), return_inverse=True)
    with styled():
        plot = new_plot(height=3.8)
        axes = plot.add_subplot()
        for code, name in enumerate(names.tolist()):
            _cluster(axes, places[codes == code], str(name), code=code, of=len(names))
        axes.set(xlabel="first direction", ylabel="second direction")
        axes.set_aspect("equal", adjustable="datalim")
        if len(names) <= len(LOOKS):
            plot.legend(loc="outside right upper", handlelength=1.0)
        plot.suptitle(f"{100 * share:.0f}% of what tells them apart", x=0.01, ha="left", fontsize=10)
    return plot


def _plane(vectors: Floats) -> tuple[Doubles, float]:
    """Places [n, 2] in the plane of largest variance, and the plane's share of all variance."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    values, directions = np.linalg.eigh(centred.T @ centred)  # rising
    total = float(values.sum())
    if total <= 1e-12 * len(vectors):
        raise nothing_to_draw("clusters", saw="embeddings that are all equal")
    return centred @ directions[:, :-3:-1], float(values[-2:].sum()) / total


def _cluster(axes: Axes, places: Doubles, name: str, *, code: int, of: int) -> None:
    shown = drawable(name, most=MOST_LETTERS)
    if of <= len(LOOKS):
        colour, marker = LOOKS[code * 5 % len(LOOKS)]  # neighbours differ in both
        axes.scatter(*_sides(places), s=14, color=colour, marker=marker, alpha=0.7, linewidths=0, label=shown)
        return
    axes.scatter(*_sides(places), s=14, color=GRID, alpha=0.7, linewidths=0)
    if of <= MOST_NAMES:
        x, y = places.mean(axis=0)
        box = {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": "none", "alpha": 0.75}
        axes.text(x, y, shown, ha="center", va="center", fontsize=9, bbox=box)


def _sides(places: Doubles) -> tuple[Doubles, Doubles]:
    return places[:, 0], places[:, 1]
