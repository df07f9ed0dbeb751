"""Plots of how a training went. A history and histograms, one an epoch, enter; matplotlib figures leave.

Nothing is measured here beyond quantiles of a histogram.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lookalike.presenting.canvas import (
    GRID,
    INK,
    LINES,
    in_percent,
    new_plot,
    nothing_to_draw,
    repeated,
    styled,
)
from lookalike.records import PairHistogram

PANELS = (  # which metrics share a panel and the label of its axis; the first that fits decides
    (re.compile(r"(.*[_/. ])?loss"), "loss"),
    (re.compile(r"train[_/. ](share_)?(easy|semi_hard|hard)"), "training triplets (%)"),
    (re.compile(r"\w+[_/. ](share_)?(easy|semi_hard|hard)"), "validation triplets (%)"),
    (re.compile(r"train_active|pairless"), "share (%)"),
    (re.compile(r"\w+_spread"), "spread"),
    (re.compile(r"\w+_effective_rank"), "effective rank (dimensions)"),
    (re.compile(r"gradient_norm"), "length of the gradient"),
    (re.compile(r"(\w+[_/. ])?(recall|precision|map|r_precision|roc_auc)"), "score (%)"),
)
BAND = (0.1, 0.5, 0.9)  # of each kind of pairs: the middle line, and eight of ten pairs around it
SHADE = 0.16
TITLES = {"train": "training batches", "val": "validation"}


def learning_curves(
    history: Mapping[str, Sequence[float]], *, start: Mapping[str, float] | None = None
) -> Plot:
    """Draw every metric of a training per epoch, metrics of one kind in one panel.

    Args:
        history: name to one value an epoch, for example "train_loss", "val_map@r", "val_easy"; an "epoch"
            entry gives the epoch numbers, else they count from 1. NaN leaves a gap.
        start: name of a metric to its value before the first epoch; a diamond beside the axis, and a dotted
            line that shows what the training came from.

    Raises:
        EvaluationError: the history holds no metric.
    """
    panels: dict[str, dict[str, Sequence[float]]] = {}
    for name, values in history.items():
        if name != "epoch" and len(values):
            panels.setdefault(_panel(name), {})[name] = values
    if not panels:
        raise nothing_to_draw("a training history", saw="no metric per epoch")
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    with styled():
        plot = new_plot(height=3.0 if len(panels) == 1 else 2.7 * rows)
        for place, (label, series) in enumerate(panels.items(), start=1):
            axes = plot.add_subplot(rows, columns, place)
            _curves(axes, label, series, epochs=history.get("epoch"))
            _starts(axes, {name: value for name, value in (start or {}).items() if name in series})
    return plot


def similarity_course(similarities: Sequence[Mapping[str, PairHistogram]]) -> Plot:
    """Draw, epoch by epoch, how alike same-label and different-label pairs are, a panel for each split.

    A line goes through the median pair, and a band holds the middle eight of ten. A training that learns
    draws the two bands apart; one that collapses draws both to the top.

    Args:
        similarities: one entry an epoch, split ("train", "val") to the similarities of its pairs. A kind
            without pairs leaves a gap.

    Raises:
        EvaluationError: there is no epoch.
    """
    if not similarities:
        raise nothing_to_draw("similarities of a training", saw="no epoch")
    splits = list(similarities[0])
    with styled():
        plot = new_plot(height=3.0)
        panels = plot.subplots(1, len(splits), sharey=True, squeeze=False)[0]
        for axes, split in zip(panels, splits, strict=True):
            _bands(axes, [epoch[split] for epoch in similarities])
            axes.set(xlabel="epoch", title=TITLES.get(split, split))
        panels[0].set_ylabel("similarity (cosine)")
        panels[0].legend(loc="best")
    return plot


def quantiles(counts: NDArray[np.int64], shares: Sequence[float]) -> NDArray[np.float64]:
    """The similarities below which these shares of pairs lie, pairs spread evenly within a bin.

    Args:
        counts: [b] pairs in equal bins over [-1, 1].
        shares: in (0, 1).

    Returns:
        One for each share; NaN where there are no pairs.
    """
    total = counts.sum()
    if not total:
        return np.full(len(shares), np.nan)
    edges = np.linspace(-1.0, 1.0, len(counts) + 1)
    return np.interp(shares, np.append(0.0, counts.cumsum() / total), edges)


def _panel(name: str) -> str:
    """The axis label that the metrics of one kind share; a metric of no known kind stands alone."""
    return next((label for pattern, label in PANELS if pattern.match(name)), name.replace("_", " "))


def _curves(
    axes: Axes, label: str, series: Mapping[str, Sequence[float]], *, epochs: Sequence[float] | None
) -> None:
    for (name, values), line in zip(series.items(), repeated(len(series)), strict=True):
        places = range(1, len(values) + 1) if epochs is None else epochs
        axes.plot(places, values, label=name.replace("_", " "), **line)
    axes.set(xlabel="epoch", ylabel=label)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    if label.endswith("(%)"):
        in_percent(axes.yaxis)
    if label.replace(" ", "_") not in series:
        _legend(axes)


def _starts(axes: Axes, values: Mapping[str, float]) -> None:
    """Mark where metrics stood before the first epoch, which lies one epoch before the first value."""
    for name, value in values.items():
        first = float(np.asarray(axes.lines[0].get_xdata(), np.float64)[0]) - 1.0
        axes.axhline(value, color=GRID, linewidth=1.0, linestyle=(0, (1, 2)))
        axes.plot(
            [first],
            [value],
            color=INK,
            marker="D",
            linestyle="none",
            label=f"{name.replace('_', ' ')} before",
        )
        _legend(axes)


def _legend(axes: Axes) -> None:
    """Names above the panel, where no curve can run through them."""
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.02, 1.0), fontsize=9, labelspacing=0.2, borderaxespad=0.2
    )


def _bands(axes: Axes, epochs: Sequence[PairHistogram]) -> None:
    places = range(1, len(epochs) + 1)
    for line, kind in zip(LINES, ("same", "different"), strict=False):
        low, middle, high = np.array([quantiles(getattr(pairs, kind), BAND) for pairs in epochs]).T
        axes.fill_between(places, low, high, color=line.color, alpha=SHADE, linewidth=0)
        label = "same label" if kind == "same" else "different labels"
        marker = "o" if len(epochs) == 1 else ""
        axes.plot(places, middle, label=label, **{**line._asdict(), "marker": marker})
    axes.set_ylim(-1.02, 1.02)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
