"""The plot of what probabilities are worth. A map and other pairs enter; a matplotlib figure leaves."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import NullFormatter

from lookalike.judging.pairs import ClassPairs
from lookalike.judging.probability import Probability
from lookalike.judging.reliability import Reliability, reliability_of
from lookalike.presenting.canvas import BLUE, GRID, INK, in_percent, new_plot, styled
from lookalike.records import PairHistogram


def reliability(
    probability: Probability, pairs: PairHistogram | ClassPairs, *, bins: int = 10, seed: int = 0
) -> Plot:
    """Draw how many pairs are the same over how likely that was called, with the number of pairs below.

    Points on the line keep their word; above it pairs are the same more often than was said. Bars are 95 %
    intervals, and the title says of what kind.

    Args:
        pairs: that the map was not fitted on; by class gives bars that hold, a histogram bars that are too
            narrow, because pairs share pictures.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    found = reliability_of(probability, pairs, bins=bins, seed=seed)
    with styled():
        plot = new_plot(height=4.2)
        upper, lower = plot.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        _said_and_so(upper, found)
        _counts(lower, found, bins=bins)
        kind = "classes drawn again" if found.by_class else "as if pairs were independent"
        share = f"{100 * found.prior:.2g}% of the pairs are the same"
        plot.suptitle(f"{share}; bars: 95% intervals, {kind}", x=0.01, ha="left", fontsize=10)
    return plot


def _said_and_so(axes: Axes, found: Reliability) -> None:
    axes.plot([0, 1], [0, 1], color=GRID, linewidth=1.0, linestyle=(0, (4, 3)), label="as said")
    reach = np.maximum([found.observed - found.low, found.high - found.observed], 0.0)
    axes.errorbar(
        found.predicted, found.observed, yerr=reach, color=BLUE, ecolor=INK, elinewidth=1.2, capsize=3,
        marker="o", markersize=5.5, linewidth=1.4, label="pairs that are the same",
    )  # fmt: skip
    axes.set(ylabel="are the same (%)", xlim=(-0.02, 1.02), ylim=(-0.02, 1.04))
    in_percent(axes.xaxis, axes.yaxis)
    axes.legend(loc="lower right")


def _counts(axes: Axes, found: Reliability, *, bins: int) -> None:
    left = np.minimum(np.floor(found.predicted * bins), bins - 1) / bins
    axes.bar(left, found.pairs, width=1 / bins, align="edge", color=BLUE, edgecolor="white", linewidth=0.8)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(lambda count, _: f"{count:,.0f}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="probability of a match (%)", ylabel="pairs", ylim=(0.7, 3.0 * found.pairs.max()))
