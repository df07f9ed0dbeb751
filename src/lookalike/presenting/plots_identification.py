"""Plots of what pictures are taken for. Counts and histograms enter; matplotlib figures leave.

Nothing is measured here beyond shares and sums of counts.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, to_rgba
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from lookalike.identification import NO_MATCH, Confusion
from lookalike.judging.curves import precision_recall_curve
from lookalike.judging.decisions import OpenCounts
from lookalike.open_threshold import OpenThreshold
from lookalike.presenting.canvas import (
    BLUE,
    GRID,
    INK,
    LINES,
    MARK,
    drawable,
    in_percent,
    new_plot,
    nothing_to_draw,
    repeated,
    styled,
)
from lookalike.records import PairHistogram

MOST_NUMBERS = 20  # labels whose counts are still written into their cells
MOST_NAMES = 40  # labels that are still drawn; of more, those with the most errors
MOST_LETTERS = 18  # of a label
OTHERS, ANOTHER, STRANGERS, BLANK = "other labels", "another of these", "strangers", "(blank)"
SHADES = LinearSegmentedColormap.from_list("shades", [to_rgba(BLUE, 0.0), to_rgba(BLUE)])  # on any ground
DARK = 0.6  # of a row: from here on its number is written in white
MOST_POINTS = 1000  # of a line

Ints = NDArray[np.int64]


def confusion_matrix(found: Confusion) -> Plot:
    """Draw what the queries of each label were taken for, a row each, and what had no match.

    A cell is as dark as its share of the row. Up to 20 labels the counts are written into the cells. Of more
    than 40 labels those with the most errors are drawn, and the others as one; "another of these" is then a
    column of its own for queries of one of the others that were taken for another of them. Strangers, where
    there are any, have a row of their own below a line.
    """
    labels, counts = _largest(found)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    named = [drawable(label, most=MOST_LETTERS) if label.strip() else BLANK for label in labels]
    columns = [*named, ANOTHER] if counts.shape[1] == len(labels) + 2 else named
    rows = [*named, STRANGERS] if found.strangers is not None else named
    with styled():
        plot = new_plot(height=min(max(2.6, 1.4 + 0.3 * len(rows)), 7.0))
        axes = plot.add_subplot()
        axes.imshow(shares, cmap=SHADES, vmin=0.0, vmax=1.0, aspect="auto")
        axes.axvline(len(columns) - 0.5, color=INK, linewidth=1.0)
        if found.strangers is not None:
            axes.axhline(len(named) - 0.5, color=INK, linewidth=1.0)
        axes.grid(visible=False)
        size = 8 if len(named) > MOST_NUMBERS else 10
        axes.set_xticks(range(len(columns) + 1), [*columns, NO_MATCH], rotation=90, fontsize=size)
        axes.set_yticks(range(len(rows)), rows, fontsize=size)
        axes.set(xlabel="taken for", ylabel="is (label)")
        if len(named) <= MOST_NUMBERS:
            _write_numbers(axes, counts, shares)
        if len(labels) < len(found.labels):
            shown = f"the {len(labels) - 1} of {len(found.labels):,} labels with the most errors"
            plot.suptitle(shown, x=0.01, ha="left", fontsize=10)
    return plot


def identification_over_threshold(curve: OpenCounts, threshold: OpenThreshold | None = None) -> Plot:
    """Draw how well things are named over the similarity from which on a picture counts as known.

    Args:
        curve: the outcomes at every threshold, of `open_curve`.
        threshold: is marked.

    Raises:
        EvaluationError: the curve has no threshold.
    """
    kept = _thinned(curve)
    share = f"{100 * curve.stranger_share:g}% strangers"
    lines = {
        f"precision ({share})": curve.precision,
        "true-identification rate": curve.true_identification_rate,
        f"F1 ({share})": curve.f1,
        "false-identification rate": curve.false_identification_rate,
    }
    with styled():
        plot = new_plot(height=3.3)
        axes = plot.add_subplot()
        for (name, values), line in zip(lines.items(), repeated(len(lines)), strict=True):
            axes.plot(curve.similarity[kept], values[kept], label=name, **line)
        axes.set(xlabel="threshold (cosine similarity)", ylabel="share (%)", ylim=(0, 1.01))
        in_percent(axes.yaxis)
        if threshold is not None:
            label = f"threshold {threshold.similarity:.3f}"
            axes.axvline(threshold.similarity, label=label, **MARK)
        plot.legend(loc="outside lower center", ncols=2)
    return plot


def detection_and_identification(curve: OpenCounts, threshold: OpenThreshold | None = None) -> Plot:
    """Draw the share of known things that are named rightly over the share of strangers that are let in.

    Args:
        curve, threshold: as in `identification_over_threshold`.

    Raises:
        EvaluationError: the curve has no threshold.

    Reference:
        Phillips, Grother and Micheals, Evaluation Methods in Face Recognition, Handbook of Face Recognition,
        2011: the detection and identification rate.
    """
    kept = _thinned(curve)
    strangers = curve.false_accepts[0] + curve.right_rejects[0]
    rate = np.maximum(curve.false_identification_rate, 0.5 / strangers)  # what is 0 stands at the left edge
    with styled():
        plot = new_plot(height=3.0)
        axes = plot.add_subplot()
        named = curve.true_identification_rate[kept]
        axes.plot(rate[kept], named, drawstyle="steps-post", **LINES[0]._asdict())
        if threshold is not None:
            at = int(np.argmin(np.abs(curve.similarity - threshold.similarity)))
            place = rate[at], curve.true_identification_rate[at]
            axes.plot(*place, color=INK, marker="o", markersize=6, linestyle="none")
            label = f"threshold {threshold.similarity:.3f}"
            axes.annotate(label, place, xytext=(-8, 4), textcoords="offset points", ha="right")
        axes.set(xscale="log", xlim=(None, 1.05), ylim=(0, 1.01))
        axes.set(xlabel="false-identification rate of strangers (%), log scale")
        axes.set(ylabel="known things named rightly (%)")
        in_percent(axes.xaxis, axes.yaxis)
        axes.xaxis.set_minor_formatter(NullFormatter())
    return plot


def precision_recall(histogram: PairHistogram, baseline: PairHistogram | None = None) -> Plot:
    """Draw precision over recall of "match", from the highest threshold to the lowest.

    The level of chance is the share of same-label pairs: what is right where all pairs match.

    Args:
        histogram: pairs of the model.
        baseline: pairs of the untrained backbone, drawn dashed.

    Raises:
        EvaluationError: there are no same-label or no different-label pairs.
    """
    curves = [("model", LINES[0], histogram)]
    if baseline is not None:
        curves.append(("untrained", LINES[1], baseline))
    chance = histogram.same.sum() / max(int(histogram.same.sum() + histogram.different.sum()), 1)
    with styled():
        plot = new_plot(height=3.0)
        axes = plot.add_subplot()
        for name, line, pairs in curves:
            precision, recall, _ = precision_recall_curve(pairs)
            axes.plot(recall, precision, drawstyle="steps-pre", label=name, **line._asdict())
        axes.axhline(chance, color=GRID, linewidth=1.0, linestyle=(0, (1, 2)), label="chance")
        axes.set(xlabel="recall (%)", ylabel="precision (%)", xlim=(0, 1.01), ylim=(0, 1.01))
        in_percent(axes.xaxis, axes.yaxis)
        axes.legend(loc="best")
    return plot


def _largest(found: Confusion) -> tuple[list[str], Ints]:
    """Labels and counts, a row for strangers included; of many labels the worst, and one for all others.

    Where one stands for several, the column before the last is for those taken for another one of these.
    """
    counts = found.counts if found.strangers is None else np.vstack([found.counts, found.strangers])
    labels = list(found.labels)
    if len(labels) <= MOST_NAMES:
        return labels, counts
    square = found.counts[:, : len(labels)]
    errors = found.counts.sum(axis=1) + square.sum(axis=0) - 2 * np.diagonal(square)
    if several := counts.shape[1] == len(labels) + 2:
        errors[-1] = -1  # it is one of those that share a row
    worst = np.sort(np.argsort(-errors, kind="stable")[:MOST_NAMES])
    place = np.full(len(labels), MOST_NAMES)  # of a label among those shown
    place[worst] = np.arange(MOST_NAMES)
    rows = [*place, *([MOST_NAMES + 1] if found.strangers is not None else [])]
    columns = [*place, *([MOST_NAMES + 1] if several else []), MOST_NAMES + 2]
    joined = np.zeros((max(rows) + 1, MOST_NAMES + 3), np.int64)
    np.add.at(joined, (np.array(rows)[:, None], np.array(columns)[None]), counts)
    right = int(np.diagonal(square)[place == MOST_NAMES].sum())
    joined[MOST_NAMES, MOST_NAMES + 1] += joined[MOST_NAMES, MOST_NAMES] - right
    joined[MOST_NAMES, MOST_NAMES] = right
    return [*(labels[code] for code in worst), OTHERS], joined


def _write_numbers(axes: Axes, counts: Ints, shares: NDArray[np.float64]) -> None:
    for row, column in np.argwhere(counts):
        colour = "white" if shares[row, column] >= DARK else INK
        number = f"{counts[row, column]:,}"
        axes.text(column, row, number, ha="center", va="center", color=colour, fontsize=8)


def _thinned(curve: OpenCounts) -> Ints:
    """Places of thresholds to draw, evenly taken where there are many; the first and the last among them."""
    if not len(curve.similarity):
        raise nothing_to_draw("identification over the threshold", saw="no threshold")
    last = len(curve.similarity) - 1
    return np.unique(np.linspace(0, last, min(last + 1, MOST_POINTS)).astype(np.int64))
