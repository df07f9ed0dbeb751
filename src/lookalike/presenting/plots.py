"""Plots of what was measured. Histories, histograms, figures and counts enter; matplotlib figures leave.

Every series has a dash or marker of its own beside its colour, so that a grey print still reads, and every
drawn point is an exact one. Nothing is measured here beyond sums over a histogram.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator, ScalarFormatter
from numpy.typing import NDArray

from lookalike.presenting.canvas import (
    BLUE,
    GRID,
    LINES,
    MARK,
    drawable,
    in_percent,
    new_plot,
    nothing_to_draw,
    repeated,
    styled,
)
from lookalike.presenting.canvas import save as save
from lookalike.presenting.canvas import to_svg as to_svg
from lookalike.records import Figure, PairHistogram, Threshold

Doubles = NDArray[np.float64]

MOST_BARS = 40  # classes that still get a bar with a name each
MOST_LETTERS = 28  # of a class name
FEWEST = 10  # pairs that match, for a precision to be drawn
CURVE_STEPS = 400  # resolution of a drawn curve along either axis
SHADE = 0.16  # opacity of a filled area
MODEL, UNTRAINED, MARKED_MODEL, MARKED_UNTRAINED = LINES[0], LINES[1], LINES[4], LINES[5]


def roc(histogram: PairHistogram, baseline: PairHistogram | None = None) -> Plot:
    """Draw true-match rate over false-match rate, as it is and with a stretched low end.

    Args:
        histogram: pairs of the model.
        baseline: pairs of the untrained backbone, drawn dashed.

    Raises:
        EvaluationError: there are no same-label or no different-label pairs.
    """
    curves = [("model", MODEL, histogram)]
    if baseline is not None:
        curves.append(("untrained", UNTRAINED, baseline))
    with styled():
        plot = new_plot(height=3.0)
        whole, low_end = plot.add_subplot(1, 2, 1), plot.add_subplot(1, 2, 2)
        for name, line, pairs in curves:
            false_rate, true_rate = _roc_points(pairs)
            whole.plot(false_rate, true_rate, label=name, **line._asdict())
            low_end.plot(false_rate[false_rate > 0], true_rate[false_rate > 0], label=name, **line._asdict())
        whole.plot([0, 1], [0, 1], color=GRID, linewidth=1.0, linestyle=(0, (1, 2)), label="chance")
        whole.set(xlabel="false-match rate (%)", ylabel="true-match rate (%)", xlim=(0, 1), ylim=(0, 1.01))
        low_end.set(xlabel="false-match rate (%), log scale", xscale="log", xlim=(None, 1), ylim=(0, 1.01))
        in_percent(whole.xaxis, whole.yaxis, low_end.xaxis, low_end.yaxis)
        low_end.xaxis.set_minor_formatter(NullFormatter())
        whole.legend(loc="lower right")
    return plot


def similarity_histogram(histogram: PairHistogram, threshold: Threshold | None = None) -> Plot:
    """Draw how alike the same-label and the different-label pairs are, each kind as a density.

    Each kind has area 1, so that the many different pairs do not drown the few same ones.

    Raises:
        EvaluationError: there are no same-label or no different-label pairs.
    """
    _need_both(histogram)
    edges, same, different = _display_bins(histogram)
    with styled():
        plot = new_plot(height=3.0)
        axes = plot.add_subplot()
        for name, line, counts in (("same label", MODEL, same), ("different labels", UNTRAINED, different)):
            density = counts / counts.sum() / np.diff(edges)
            axes.stairs(density, edges, fill=True, color=line.color, alpha=SHADE)
            axes.stairs(density, edges, color=line.color, linestyle=line.linestyle, linewidth=1.6, label=name)
        axes.set(xlabel="similarity (cosine)", ylabel="density (share of pairs per unit)", ylim=(0, None))
        _mark(axes, threshold)
        axes.legend(loc="best")
    return plot


def class_distribution(counts: Mapping[str, int]) -> Plot:
    """Draw how many pictures each class has: a bar with a name each, or one sorted outline past 40 classes.

    Raises:
        EvaluationError: there is no class.
    """
    if not counts:
        raise nothing_to_draw("a class distribution", saw="no class")
    ranked = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
    sizes = [size for _, size in ranked]
    few = len(ranked) <= MOST_BARS
    with styled():
        plot = new_plot(height=max(1.6, 0.9 + 0.23 * len(ranked)) if few else 3.0)
        axes = plot.add_subplot()
        if few:
            _bars(axes, [label for label, _ in ranked], sizes)
        else:
            _outline(axes, sizes)
        plot.suptitle(_spread(sizes), x=0.01, ha="left", fontsize=10)
    return plot


def picture_sizes(sizes: Sequence[tuple[int, int]]) -> Plot:
    """Draw every size that pictures have, its dot as large as it is frequent, and the line of the squares.

    Args:
        sizes: width and height of each picture, in pixels.

    Raises:
        EvaluationError: there is no picture.
    """
    if not sizes:
        raise nothing_to_draw("picture sizes", saw="no picture")
    found, counts = np.unique(np.array(sizes), axis=0, return_counts=True)
    span = float(found.min()) / 1.3, float(found.max()) * 1.3
    with styled():
        plot = new_plot(height=3.6)
        axes = plot.add_subplot()
        axes.plot(span, span, color=GRID, linewidth=1.0, linestyle=(0, (1, 2)), label="square")
        areas = 12 + 300 * counts / counts.sum()
        axes.scatter(found[:, 0], found[:, 1], s=areas, color=BLUE, alpha=0.6, linewidth=0, label="pictures")
        axes.set(xlabel="width (pixels)", ylabel="height (pixels)", xlim=span, ylim=span)
        axes.set(xscale="log", yscale="log")
        for side in (axes.xaxis, axes.yaxis):
            side.set_major_formatter(lambda pixels, _: f"{pixels:,.0f}")
            side.set_minor_formatter(_named_minor(span))
        axes.legend(loc="upper left")
    return plot


def recall_at_k(figures: Mapping[str, Figure]) -> Plot:
    """Draw recall over k with its 95% intervals, and the untrained baseline dashed beside it.

    Args:
        figures: as in a Report; the entries "recall@<k>" are drawn, the others are left.

    Raises:
        EvaluationError: no entry is a recall@k.
    """
    found = {int(name[7:]): value for name, value in figures.items() if re.fullmatch(r"recall@\d+", name)}
    if not found:
        raise nothing_to_draw("recall over k", saw=f"figures {', '.join(figures) or 'none'}")
    ks = sorted(found)
    baseline = {k: base for k in ks if (base := found[k].baseline) is not None}
    with styled():
        plot = new_plot(height=3.0)
        axes = plot.add_subplot()
        low, high = [found[k].low for k in ks], [found[k].high for k in ks]
        axes.fill_between(ks, low, high, color=BLUE, alpha=SHADE, linewidth=0)
        values = [found[k].value for k in ks]
        axes.plot(ks, values, label="model, with its 95% interval", **MARKED_MODEL._asdict())
        if baseline:
            axes.plot([*baseline], [*baseline.values()], label="untrained", **MARKED_UNTRAINED._asdict())
        axes.set_xscale("log", base=2)
        axes.xaxis.set(major_locator=FixedLocator(ks), minor_locator=NullLocator())
        axes.xaxis.set_major_formatter(ScalarFormatter())
        axes.set(xlabel="k (answers looked at)", ylabel="queries with a right answer (%)", ylim=(0, 1.01))
        in_percent(axes.yaxis)
        axes.legend(loc="lower right")
    return plot


def metrics_over_threshold(histogram: PairHistogram, threshold: Threshold | None = None) -> Plot:
    """Draw precision, recall and F1 of "match" over the similarity at which a match begins.

    Precision ends where fewer than 10 pairs match: of so few it says nothing.

    Raises:
        EvaluationError: there are no same-label or no different-label pairs.
    """
    _need_both(histogram)
    edges, same, different = _display_bins(histogram, steps=CURVE_STEPS)
    right, wrong = _at_least(same)[:-1], _at_least(different)[:-1]  # the last edge lies past every pair
    curves = {
        "precision": np.where(right + wrong < FEWEST, np.nan, right / (right + wrong)),
        "recall": right / right[0],
        "F1": 2 * right / (right + wrong + right[0]),
    }
    with styled():
        plot = new_plot(height=3.0)
        axes = plot.add_subplot()
        for (name, values), line in zip(curves.items(), repeated(len(curves)), strict=True):
            axes.plot(edges[:-1], values, label=name, **line)
        axes.set(xlabel="threshold (cosine similarity)", ylabel="share (%)", ylim=(0, 1.01))
        in_percent(axes.yaxis)
        _mark(axes, threshold)
        axes.legend(loc="best")
    return plot


def _named_minor(span: tuple[float, float]) -> FuncFormatter:
    """Names between the powers of ten of a log axis: all where there are few, else 2 and 5 times, or none."""
    spread = span[1] / span[0]
    named = "23456789" if spread < 6 else "25" if spread < 100 else ""
    return FuncFormatter(lambda pixels, _: f"{pixels:,.0f}" if f"{pixels:.0e}"[0] in named else "")


def _mark(axes: Axes, threshold: Threshold | None) -> None:
    if threshold is not None:
        label = f"threshold {threshold.similarity:.3f}"
        axes.axvline(threshold.similarity, label=label, **MARK)


def _at_least(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """[b + 1] pairs at or above each bin edge."""
    return np.append(counts[::-1].cumsum()[::-1], 0)


def _roc_points(pairs: PairHistogram) -> tuple[Doubles, Doubles]:
    """Points of the exact curve, from (1, 1) to (0, 0), thinned where two would fall on one spot."""
    _need_both(pairs)
    occupied = (pairs.same + pairs.different) > 0
    true_rate = _at_least(pairs.same[occupied]) / pairs.same.sum()
    false_rate = _at_least(pairs.different[occupied]) / pairs.different.sum()
    decades = CURVE_STEPS / 8 * np.log10(np.maximum(false_rate, 1 / pairs.different.sum()))
    spots = np.stack([CURVE_STEPS * true_rate, CURVE_STEPS * false_rate, decades]).astype(np.int64)
    moves = (np.diff(spots, axis=1) != 0).any(axis=0)  # both ends of a move are kept: a jump stays a jump
    kept = np.append(moves, True) | np.insert(moves, 0, True)
    return false_rate[kept], true_rate[kept]


def _display_bins(
    pairs: PairHistogram, *, steps: int = 80
) -> tuple[Doubles, NDArray[np.int64], NDArray[np.int64]]:
    """Join bins until about `steps` of them cover all pairs; edges [m + 1], same [m], different [m]."""
    first, last = np.flatnonzero(pairs.same + pairs.different)[[0, -1]] + (0, 1)
    joined = max(1, math.ceil((last - first) / steps))
    starts = np.arange(first, last, joined)
    edges = np.append(starts, min(starts[-1] + joined, len(pairs.same))) * (2.0 / len(pairs.same)) - 1.0
    return edges, np.add.reduceat(pairs.same, starts), np.add.reduceat(pairs.different, starts)


def _bars(axes: Axes, labels: Sequence[str], sizes: Sequence[int]) -> None:
    bars = axes.barh(range(len(sizes)), sizes, color=BLUE, height=0.7)
    axes.bar_label(bars, padding=3, fontsize=9)
    axes.set_yticks(range(len(sizes)), [drawable(label, most=MOST_LETTERS) for label in labels])
    axes.set(xlabel="pictures", ylim=(len(sizes) - 0.4, -0.6), xlim=(0, 1.08 * max(*sizes, 1)))
    axes.locator_params(axis="x", integer=True)
    axes.grid(visible=False, axis="y")


def _outline(axes: Axes, sizes: Sequence[int]) -> None:
    axes.stairs(sizes, np.arange(len(sizes) + 1) + 0.5, fill=True, color=BLUE, alpha=SHADE)
    axes.stairs(sizes, np.arange(len(sizes) + 1) + 0.5, color=BLUE, linewidth=1.4)
    axes.set(xlabel="class, largest first", ylabel="pictures", xlim=(0.5, len(sizes) + 0.5), ylim=(0, None))
    axes.locator_params(integer=True)


def _spread(sizes: Sequence[int]) -> str:
    classes = "1 class" if len(sizes) == 1 else f"{len(sizes):,} classes"
    alone = sum(size == 1 for size in sizes)
    if sizes[0] == sizes[-1]:
        return f"{classes}, {sizes[0]:,} {'picture' if sizes[0] == 1 else 'pictures'} each"
    spread = f"{classes}, {sizes[-1]:,} to {sizes[0]:,} pictures each, median {np.median(sizes):,g}"
    return f"{spread}; {alone:,} with a single picture" if alone else spread


def _need_both(pairs: PairHistogram) -> None:
    same, different = int(pairs.same.sum()), int(pairs.different.sum())
    if not same or not different:
        raise nothing_to_draw("pairs of both kinds", saw=f"{same:,} same and {different:,} different pairs")
