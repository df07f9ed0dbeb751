"""Plots of what each key of a search brings: trials enter, matplotlib figures leave.

Nothing is computed here beyond a surface between points. The course of a search is drawn in plots_tuning.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import MaxNLocator, NullFormatter
from numpy.typing import NDArray

from lookalike.presenting.canvas import BLUE, INK, drawable, new_plot, nothing_to_draw, styled
from lookalike.presenting.plots_tuning import finished_ones
from lookalike.presenting.trials import Objective, Trial, keys_of, shown

Doubles = NDArray[np.float64]
MOST_PAIRS, MOST_LABEL = 6, 22
_LOG_FROM = 30.0  # choices of positive numbers this wide apart are drawn on a logarithmic axis
_FEW = 6  # different numbers that stand side by side like names
_CELLS = 40  # of the surface, along each side
_FAINTEST = 0.2  # opacity: on a dark ground as on a light one, stronger means more
_SHADES = LinearSegmentedColormap.from_list("shades", ["#dce8f5", "#6f9fd0", "#0a3d73"])


class Scale(NamedTuple):
    """Where the values of one key lie on an axis.

    Attributes:
        places: key value of each trial, as a number; NaN where a trial has none.
        ticks, labels: of an axis of names; empty for one of numbers.
    """

    name: str
    places: Doubles
    ticks: Sequence[float]
    labels: Sequence[str]
    log: bool

    @property
    def short(self) -> str:
        """The key without its section, for an axis of a small panel."""
        return drawable(self.name.rpartition(".")[2] or self.name, most=40)

    def drawn(self) -> Doubles:
        """The places as they lie on paper, before they are stretched."""
        return np.log10(self.places) if self.log else self.places


def slices(trials: Sequence[Trial], objective: Objective, *, place: int = 0) -> Plot:
    """Draw the objective over each key that was searched, a panel for each; later trials stronger.

    Raises:
        EvaluationError: no trial was finished.
    """
    done = finished_ones(trials)
    keys = keys_of(done)
    columns = min(2, len(keys))
    rows = math.ceil(len(keys) / columns)
    values = np.array([trial.values[place] for trial in done])
    order = _FAINTEST + (1 - _FAINTEST) * np.arange(1, len(done) + 1) / len(done)
    with styled():
        plot = new_plot(height=2.6 * rows)
        panels = plot.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes, key in zip(panels, keys, strict=False):
            scale = scale_of(done, key)
            axes.scatter(scale.places, values, color=BLUE, alpha=np.minimum(order, 1.0), s=24, linewidths=0.4)
            _name(axes, scale, side="x")
        for place_, axes in enumerate(panels):
            axes.set_visible(place_ < len(keys))
            if place_ % columns == 0:
                axes.set_ylabel(f"{objective.name} on val")
    return plot


def parallel_coordinates(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Plot:
    """Draw each finished trial as a line through what it chose and what it reached; better ones stronger.

    Raises:
        EvaluationError: no trial was finished.
    """
    done = finished_ones(trials)
    scales = [_values_scale(done, place, goal) for place, goal in enumerate(objectives)]
    scales += [scale_of(done, key) for key in keys_of(done)]
    heights = np.array([_stretched(scale) for scale in scales])  # [axes, trials]
    rank = heights[0] if objectives[0].better == "higher" else 1.0 - heights[0]
    with styled():
        plot = new_plot(height=3.6)
        axes = plot.add_subplot()
        for trial in np.argsort(rank):
            strength = _FAINTEST + (1 - _FAINTEST) * rank[trial]
            axes.plot(
                heights[:, trial], color=BLUE, linewidth=1.0 + 1.2 * rank[trial], alpha=min(strength, 1.0)
            )
        axes.set(xlim=(-0.15, len(scales) - 0.55), ylim=(-0.04, 1.04), yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        for place, scale in enumerate(scales):
            _axis_at(axes, place, scale)
        axes.set_xticks(range(len(scales)), [scale.name.replace(".", ".\n", 1) for scale in scales])
        axes.tick_params(axis="x", length=0, labelsize=9)
    return plot


def contours(
    trials: Sequence[Trial], objective: Objective, *, keys: Sequence[str] | None = None, place: int = 0
) -> Plot:
    """Draw the objective over pairs of keys, as a surface between the trials; darker is better.

    The surface is the mean of the trials weighted by one over the squared distance: a reading aid, no model.

    Args:
        keys: which, for example the most important ones; None: all. Six pairs are drawn at most.

    Raises:
        EvaluationError: no trial was finished, or fewer than two keys were searched.
    """
    done = finished_ones(trials)
    searched = [key for key in keys or keys_of(done) if len(set(scale_of(done, key).places)) > 1]
    pairs = list(combinations(searched, 2))[:MOST_PAIRS]
    if not pairs:
        raise nothing_to_draw("contours", saw=f"{len(searched)} keys that differ between trials")
    values = np.array([trial.values[place] for trial in done])
    columns = min(2 if len(pairs) > 1 else 1, len(pairs))
    rows = math.ceil(len(pairs) / columns)
    norm = Normalize(values.min(), values.max() if np.ptp(values) else values.max() + 1e-9)
    shades = _SHADES if objective.better == "higher" else _SHADES.reversed()
    with styled():
        plot = new_plot(height=0.7 + 2.6 * rows)
        panels = plot.subplots(rows, columns, squeeze=False).ravel()
        for axes, (first, second) in zip(panels, pairs, strict=False):
            _surface(axes, scale_of(done, first), scale_of(done, second), values, norm=norm, shades=shades)
        for axes in panels[len(pairs) :]:
            axes.set_visible(False)
        bar = plot.colorbar(
            panels[0].collections[0], ax=list(panels), location="bottom", shrink=0.7, aspect=40
        )
        bar.locator = MaxNLocator(nbins=5)
        bar.update_ticks()
        bar.set_label(f"{objective.name} on val")
        bar.outline.set_visible(False)
    return plot


def scale_of(trials: Sequence[Trial], key: str) -> Scale:
    """How a key's values lie on an axis: numbers as they are, a few of them or anything else by name.

    Numbers of a range lie as they were drawn: on a logarithmic axis where its logarithm was.
    """
    values = [trial.params.get(key) for trial in trials]
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    if numbers and len(set(values)) > _FEW:
        places = np.array(values, dtype=np.float64)
        wide = bool(places.min() > 0 and places.max() / places.min() >= _LOG_FROM)
        return Scale(key, places, (), (), log=trials[0].logarithmic.get(key, wide))
    names = [drawable(shown(value), most=MOST_LABEL) if value is not None else "null" for value in values]
    known = sorted(dict.fromkeys(names), key=lambda name: _order(values[names.index(name)]))
    places = np.array([known.index(name) for name in names], dtype=np.float64)
    return Scale(key, places, range(len(known)), known, log=False)


def _order(value: Any) -> tuple[int, float, str]:
    """Lists by their length and sum, other values by their text."""
    if isinstance(value, list) and all(isinstance(entry, int | float) for entry in value):
        return len(value), float(sum(value)), ""
    number = isinstance(value, int | float)
    return 0, float(value) if number else 0.0, "" if number else shown(value)


def _values_scale(trials: Sequence[Trial], place: int, goal: Objective) -> Scale:
    return Scale(goal.name, np.array([trial.values[place] for trial in trials]), (), (), log=False)


def _stretched(scale: Scale) -> Doubles:
    """Places from 0 to 1."""
    drawn = scale.drawn()
    low, high = (0.0, float(len(scale.ticks) - 1)) if scale.labels else (drawn.min(), drawn.max())
    return np.full(len(drawn), 0.5) if high <= low else (drawn - low) / (high - low)


def _axis_at(axes: Axes, place: int, scale: Scale) -> None:
    """One upright axis of parallel coordinates, with its values."""
    axes.axvline(place, color=INK, linewidth=0.8)
    heights = _stretched(scale)
    if scale.labels:
        top = max(len(scale.ticks) - 1, 1)
        marks = {label: tick / top for tick, label in zip(scale.ticks, scale.labels, strict=True)}
    else:
        ends = (int(np.argmin(scale.places)), int(np.argmax(scale.places)))
        marks = {f"{scale.places[row]:.4g}": float(heights[row]) for row in ends}
    for text, height in marks.items():
        axes.annotate(
            text, (place, height if len(marks) > 1 else 0.5), xytext=(4, 0), textcoords="offset points",
            fontsize=8.5, va="bottom",
        )  # fmt: skip


def _surface(
    axes: Axes, across: Scale, up: Scale, values: Doubles, *, norm: Normalize, shades: LinearSegmentedColormap
) -> None:
    x, y = _stretched(across), _stretched(up)
    side = np.linspace(-0.06, 1.06, _CELLS)
    distance = (side[None, :, None] - x) ** 2 + (side[:, None, None] - y) ** 2  # [cells, cells, trials]
    weight = 1.0 / (distance + 1e-4)
    surface = (weight * values).sum(axis=2) / weight.sum(axis=2)
    axes.contourf(
        _unstretched(across, side), _unstretched(up, side), surface, levels=10, cmap=shades, norm=norm
    )
    axes.scatter(across.places, up.places, c=values, cmap=shades, norm=norm, s=26, edgecolors="white",
                 linewidths=0.9)  # fmt: skip
    axes.grid(visible=False)
    _name(axes, across, side="x")
    _name(axes, up, side="y")


def _unstretched(scale: Scale, side: Doubles) -> Doubles:
    drawn = scale.drawn()
    low, high = (0.0, float(len(scale.ticks) - 1)) if scale.labels else (drawn.min(), drawn.max())
    places = low + side * (high - low)
    return 10.0**places if scale.log else places


def _name(axes: Axes, scale: Scale, *, side: str) -> None:
    """Name an axis by its key and, where its values are names, by these."""
    axis = getattr(axes, f"{side}axis")
    getattr(axes, f"set_{side}label")(scale.short)
    if scale.labels:
        turned = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
        many = side == "x" and sum(map(len, scale.labels)) > 18
        axis.set_ticks(list(scale.ticks), list(scale.labels), **(turned if many else {}))
    elif scale.log:
        getattr(axes, f"set_{side}scale")("log")
        axis.set_major_formatter(lambda number, _: f"{number:g}")
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(MaxNLocator(nbins=3))
