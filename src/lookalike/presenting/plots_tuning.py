"""Plots of the course of a search for settings: trials enter, matplotlib figures leave.

Nothing is computed here beyond the best value so far. What each key brings is drawn in plots_tuning_keys.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure as Plot
from matplotlib.ticker import MaxNLocator

from lookalike.presenting.canvas import BLUE, GRID, ORANGE, new_plot, nothing_to_draw, styled
from lookalike.presenting.trials import Objective, Trial, finished, front

_TICK = {"color": ORANGE, "markersize": 9, "clip_on": False}


def optimisation_history(trials: Sequence[Trial], objective: Objective, *, place: int = 0) -> Plot:
    """Draw what every finished trial reached, and the best until then; pruned ones are ticks below.

    Args:
        place: of the objective among a trial's values.

    Raises:
        EvaluationError: no trial was finished.
    """
    done = finished_ones(trials)
    numbers = np.array([trial.number for trial in done])
    values = np.array([trial.values[place] for trial in done])
    running = (np.maximum if objective.better == "higher" else np.minimum).accumulate(values)
    with styled():
        plot = new_plot(height=3.0)
        axes = plot.add_subplot()
        axes.step(numbers, running, where="post", color=BLUE, label="best so far")
        axes.plot(numbers, values, "o", color=BLUE, markerfacecolor="white", label="finished trial")
        pruned = [trial.number for trial in trials if trial.state == "pruned"]
        if pruned:
            low = axes.get_ylim()[0]
            axes.plot(
                pruned, [low] * len(pruned), "|", color=ORANGE, markersize=9, label="pruned", clip_on=False
            )
            axes.set_ylim(bottom=low)
        axes.set(xlabel="trial", ylabel=f"{objective.name} on val")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10))
        axes.legend(loc="best")
    return plot


def intermediate_values(trials: Sequence[Trial], *, name: str, best: int | None = None) -> Plot:
    """Draw every trial's figure on validation over its epochs, the best one thick, pruned ones dashed.

    Args:
        best: number of the trial that is drawn thick.

    Raises:
        EvaluationError: no trial has an epoch.
    """
    told = [trial for trial in trials if trial.course]
    if not told:
        raise nothing_to_draw("intermediate values", saw="no trial with an epoch")
    with styled():
        plot = new_plot(height=3.2)
        axes = plot.add_subplot()
        for trial in sorted(told, key=lambda each: each.number == best):
            chosen = trial.number == best
            label = f"trial {best}, the best" if chosen else None
            dash = (0, (3, 2)) if trial.state == "pruned" else "-"
            axes.plot(
                list(trial.course), list(trial.course.values()), label=label, linestyle=dash,
                color=BLUE if chosen else ORANGE if trial.state == "pruned" else GRID,
                linewidth=2.2 if chosen else 1.0, marker="o" if len(trial.course) == 1 else "",
            )  # fmt: skip
        for label, color, dash in (("other trial", GRID, "-"), ("pruned", ORANGE, (0, (3, 2)))):
            if label != "pruned" or any(trial.state == "pruned" for trial in told):
                axes.plot([], [], color=color, linestyle=dash, linewidth=1.0, label=label)
        axes.set(xlabel="epoch", ylabel=f"{name} on val")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.legend(loc="best")
    return plot


def importances(shares: Mapping[str, float], *, of: str) -> Plot:
    """Draw how much each key tells of what sets the best trials apart from the rest, the largest first.

    Args:
        shares: key to share, in [0, 1].
        of: by what they are best, for example "map@r" or "duration".

    Raises:
        EvaluationError: there are none.
    """
    if not shares:
        raise nothing_to_draw("importances", saw="no key that tells the best trials from the rest")
    ranked = sorted(shares.items(), key=lambda entry: entry[1])
    with styled():
        plot = new_plot(height=0.9 + 0.36 * len(ranked))
        axes = plot.add_subplot()
        bars = axes.barh(
            [key for key, _ in ranked], [100 * share for _, share in ranked], color=BLUE, height=0.6
        )
        axes.bar_label(bars, fmt="%.0f", padding=4)
        axes.set(
            xlabel=f"importance for {of} (% of what sets the best trials apart)",
            xlim=(0, 110 * max(shares.values()) or 1),
        )
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    return plot


def pareto_front(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Plot:
    """Draw finished trials by their first two objectives, and those that no other one beats.

    With three objectives or more, a trial of the front may seem beaten in this view.

    Raises:
        EvaluationError: no trial was finished, or there is one objective only.
    """
    done = finished_ones(trials)
    if len(objectives) < 2:
        raise nothing_to_draw("a Pareto front", saw="one objective")
    best = sorted(front(trials, objectives), key=lambda trial: trial.values[1])
    with styled():
        plot = new_plot(height=3.4)
        axes = plot.add_subplot()
        points = np.array([trial.values[:2] for trial in done])
        axes.plot(
            points[:, 1], points[:, 0], "o", color=GRID, markerfacecolor="white", label="finished trial"
        )
        line = np.array([trial.values[:2] for trial in best])
        drawstyle = "steps-post" if len(objectives) == 2 else "default"
        axes.plot(line[:, 1], line[:, 0], "-o", color=BLUE, drawstyle=drawstyle, label="beaten by none")
        for trial in best:
            axes.annotate(f"{trial.number}", (trial.values[1], trial.values[0]), xytext=(5, 5),
                          textcoords="offset points", fontsize=9)  # fmt: skip
        axes.set(xlabel=_worded(objectives[1]), ylabel=_worded(objectives[0]))
        axes.legend(loc="best")
    return plot


def _worded(objective: Objective) -> str:
    unit = {"milliseconds": "milliseconds a picture", "dimensions": "dimensions"}.get(objective.name)
    return f"{unit or f'{objective.name} on val'} ({objective.better} is better)"


def finished_ones(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that can be drawn.

    Raises:
        EvaluationError: there are none.
    """
    done = finished(trials)
    if not done:
        raise nothing_to_draw("a study", saw="no finished trial")
    return done
