"""Plots of how a training went. Histograms of similarities, one an epoch, enter; matplotlib figures leave.

The curves of the history are drawn in plots.py. Nothing is measured here beyond quantiles of a histogram.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from lookalike.canvas import LINES, new_plot, styled
from lookalike.errors import EvaluationError
from lookalike.records import PairHistogram

BAND = (0.1, 0.5, 0.9)  # of each kind of pairs: the middle line, and eight of ten pairs around it
SHADE = 0.16
TITLES = {"train": "training batches", "val": "validation"}


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
        raise EvaluationError(
            "there is nothing to draw",
            where="similarities of a training",
            saw="no epoch",
            do="draw what a training by gradient gives; a closed-form head has no epochs",
        )
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
