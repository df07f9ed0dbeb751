"""Plots of a study show its trials, and say so where there is nothing to show."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.figure import Figure as Plot

from lookalike.errors import EvaluationError
from lookalike.presenting.plots_tuning import (
    importances,
    intermediate_values,
    optimisation_history,
    pareto_front,
)
from lookalike.presenting.plots_tuning_keys import contours, parallel_coordinates, scale_of, slices
from lookalike.presenting.trials import Objective, Trial, finished
from small_study import made_up_trials

MAP = Objective("map@r")
TRIALS = made_up_trials(24)


def test_history_rises_to_the_best() -> None:
    axes = optimisation_history(TRIALS, MAP).axes[0]
    best, each = (line.get_ydata() for line in axes.lines[:2])
    assert np.all(np.diff(np.asarray(best)) >= 0)
    assert max(np.asarray(best)) == max(trial.values[0] for trial in finished(TRIALS))
    assert len(np.asarray(each)) == len(finished(TRIALS))
    falling = optimisation_history(TRIALS, Objective("mean_rank", "lower")).axes[0]
    assert np.all(np.diff(np.asarray(falling.lines[0].get_ydata())) <= 0)


def test_intermediate_values_have_a_line_for_each_trial_with_epochs() -> None:
    lines = intermediate_values(TRIALS, name="map@r", best=5).axes[0].lines
    drawn = [line for line in lines if len(np.asarray(line.get_xdata()))]
    assert len(drawn) == sum(bool(trial.course) for trial in TRIALS)
    thick = max(drawn, key=lambda line: line.get_linewidth())
    assert list(np.asarray(thick.get_ydata())) == list(TRIALS[5].course.values())


def test_slices_have_a_panel_for_each_key() -> None:
    panels = [axes for axes in slices(TRIALS, MAP).axes if axes.get_visible()]
    assert [axes.get_xlabel() for axes in panels] == [
        "embedding_dim", "hidden", "dropout", "learning_rate", "optimizer",
    ]  # fmt: skip
    assert panels[3].get_xscale() == "log"
    assert [text.get_text() for text in panels[1].get_xticklabels()] == ["[]", "[256]", "[512, 256]"]


def test_parallel_coordinates_have_a_line_for_each_finished_trial() -> None:
    axes = parallel_coordinates(TRIALS, [MAP]).axes[0]
    heights = [np.asarray(line.get_ydata()) for line in axes.lines if len(np.asarray(line.get_ydata())) == 6]
    assert len(heights) == len(finished(TRIALS))
    assert max(height[0] for height in heights) == 1.0


@pytest.mark.parametrize("count", [3, 6, 12, 24])
def test_the_strongest_trial_is_not_more_than_opaque(count: int) -> None:
    trials = finished(made_up_trials(40))[:count]  # rounding takes the last of so many past 1
    assert len(trials) == count
    assert slices(trials, MAP).axes
    assert parallel_coordinates(trials, [MAP]).axes


def test_contours_draw_pairs_of_keys() -> None:
    keys = ["network.hidden", "training.learning_rate", "network.dropout"]
    plot = contours(TRIALS, MAP, keys=keys)
    assert sum(axes.get_visible() for axes in plot.axes) == 3 + 1  # and the bar


def test_importances_are_ranked() -> None:
    axes = importances({"a": 0.1, "b": 0.7, "c": 0.2}, of="map@r").axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["a", "c", "b"]


def test_front_is_joined() -> None:
    trials = made_up_trials(24, objectives=2)
    axes = pareto_front(trials, [MAP, Objective("dimensions", "lower")]).axes[0]
    line = axes.lines[1]
    assert np.all(np.diff(np.asarray(line.get_xdata())) >= 0)
    assert np.all(np.diff(np.asarray(line.get_ydata())) >= 0)


def test_a_few_numbers_stand_side_by_side_and_lists_by_their_length() -> None:
    trials = [Trial(number, "complete", {"key": [1] * (3 - number)}, (0.5,)) for number in range(3)]
    assert scale_of(trials, "key").labels == ["[1]", "[1, 1]", "[1, 1, 1]"]
    numbers = [Trial(n, "complete", {"key": value}, (0.5,)) for n, value in enumerate([1024, 128, 256])]
    assert scale_of(numbers, "key").labels == ["128", "256", "1024"]


@pytest.mark.parametrize(("values", "log"), [((0.1, 9.0), True), ((0.001, 1.0), False)], ids=str)
def test_a_range_lies_on_the_axis_as_it_was_drawn(values: tuple[float, float], log: bool) -> None:
    places = np.linspace(*values, 12)
    trials = [
        Trial(number, "complete", {"key": float(place)}, (0.5,), logarithmic={"key": log})
        for number, place in enumerate(places)
    ]
    assert scale_of(trials, "key").log is log
    plain = [Trial(trial.number, "complete", trial.params, (0.5,)) for trial in trials]
    assert scale_of(plain, "key").log  # of choices, their width decides


@pytest.mark.parametrize(
    "draw",
    [
        lambda: optimisation_history(TRIALS[-2:], MAP),
        lambda: slices(TRIALS[-2:], MAP),
        lambda: parallel_coordinates([], [MAP]),
        lambda: contours(TRIALS, MAP, keys=["network.hidden"]),
        lambda: importances({}, of="duration"),
        lambda: intermediate_values([Trial(0, "complete", {}, (0.5,))], name="map@r"),
        lambda: pareto_front(TRIALS, [MAP]),
    ],
    ids=["history", "slices", "parallel", "contours", "importances", "intermediate", "front"],
)
def test_nothing_to_draw_is_said(draw: Callable[[], Plot]) -> None:
    with pytest.raises(EvaluationError, match="there is nothing to draw"):
        draw()


def test_one_trial_can_be_drawn() -> None:
    one = [Trial(0, "complete", {"a": 1.5, "b": [2], "c": True}, (0.5,), {1: 0.5})]
    for plot in (optimisation_history(one, MAP), slices(one, MAP), parallel_coordinates(one, [MAP])):
        assert plot.axes
