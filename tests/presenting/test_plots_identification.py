"""What is drawn is what was counted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import EvaluationError
from lookalike.identification import Confusion
from lookalike.judging.curves import precision_recall_curve
from lookalike.judging.decisions import OpenCounts
from lookalike.presenting.canvas import save
from lookalike.presenting.plots_identification import (
    confusion_matrix,
    detection_and_identification,
    identification_over_threshold,
    precision_recall,
)
from lookalike.records import PairHistogram
from some_open_threshold import some_open_threshold

FOUND = Confusion(("cup", "hat"), np.array([[8, 0, 2], [1, 3, 0]]), 0.5)


def test_confusion_matrix_shows_counts_and_shares() -> None:
    [axes] = confusion_matrix(FOUND).axes
    [image] = axes.images
    assert np.allclose(np.asarray(image.get_array()), [[0.8, 0, 0.2], [0.25, 0.75, 0]])
    numbers = {(text.get_position(), text.get_text(), str(text.get_color())) for text in axes.texts}
    assert numbers == {
        ((0, 0), "8", "white"),
        ((2, 0), "2", "#1c1c1e"),
        ((0, 1), "1", "#1c1c1e"),
        ((1, 1), "3", "white"),
    }
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["cup", "hat", "no match"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cup", "hat"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("taken for", "is (label)")


def test_a_blank_label_is_named() -> None:
    [axes] = confusion_matrix(replace(FOUND, labels=("", "hat"))).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["(blank)", "hat"]


def test_label_without_a_query_is_an_empty_row() -> None:
    [axes] = confusion_matrix(Confusion(("cup", "hat"), np.array([[1, 0, 0], [0, 0, 0]]), 0.5)).axes
    assert np.asarray(axes.images[0].get_array())[1].tolist() == [0, 0, 0]


def test_many_labels_are_drawn_without_numbers() -> None:
    def drawn(count: int) -> tuple[int, int]:
        labels = tuple(f"label {number:02}" for number in range(count))
        [axes] = confusion_matrix(Confusion(labels, np.eye(count, count + 1, dtype=np.int64), 0.5)).axes
        return len(axes.texts), len(axes.get_yticklabels())

    assert drawn(20) == (20, 20)
    assert drawn(21) == (0, 21)
    assert drawn(40) == (0, 40)


def test_of_very_many_labels_the_worst_are_drawn_and_the_others_as_one() -> None:
    counts = np.hstack([8 * np.eye(60, dtype=np.int64), np.zeros((60, 1), np.int64)])
    counts[7, 9], counts[50, -1], counts[3, 55] = 3, 5, 2
    found = Confusion(tuple(f"label {n:02}" for n in range(60)), counts, 0.5, strangers=np.arange(61))
    plot = confusion_matrix(found)
    [axes] = plot.axes
    assert plot.get_suptitle() == "the 40 of 60 labels with the most errors"
    columns = [tick.get_text() for tick in axes.get_xticklabels()]
    rows = [tick.get_text() for tick in axes.get_yticklabels()]
    assert (len(columns), columns[-3:], rows[-2:]) == (
        43,
        ["other labels", "another of these", "no match"],
        ["other labels", "strangers"],
    )
    assert {"label 03", "label 07", "label 09", "label 50", "label 55"} <= set(columns)
    shares = np.asarray(axes.images[0].get_array())
    place = {name: at for at, name in enumerate(columns)}
    assert shares[place["label 07"], place["label 09"]] == 3 / 11
    assert shares[place["label 50"], -1] == 5 / 13
    assert shares[-2, -3:].tolist() == [1.0, 0.0, 0.0]  # all others are right
    others = sum(n for n in range(60) if f"label {n:02}" not in columns)
    assert np.allclose([shares[-1, -3], shares[-1, -1]], np.array([others, 60]) / np.arange(61).sum())


def test_of_the_others_those_taken_for_another_of_them_stand_apart() -> None:
    counts = np.hstack([8 * np.eye(60, dtype=np.int64), np.zeros((60, 1), np.int64)])
    counts[np.arange(40), -1] = 5  # the first 40 are the worst
    counts[50, 51] = 2
    labels = tuple(f"label {n:02}" for n in range(60))
    [axes] = confusion_matrix(Confusion(labels, counts, 0.5)).axes
    assert np.allclose(np.asarray(axes.images[0].get_array())[-1, -3:], [160 / 162, 2 / 162, 0])
    several = np.insert(counts, 60, 0, axis=1)  # the last label stands for several already
    several[-1, 60] = 3
    [axes] = confusion_matrix(Confusion((*labels[:-1], "9 others"), several, 0.5)).axes
    assert np.allclose(np.asarray(axes.images[0].get_array())[-1, -3:], [160 / 165, 5 / 165, 0])


def test_strangers_stand_below_a_line() -> None:
    found = Confusion(("cup", "hat"), np.array([[8, 0, 2], [1, 3, 0]]), 0.5, strangers=np.array([1, 0, 9]))
    [axes] = confusion_matrix(found).axes
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["cup", "hat", "strangers"]
    assert np.allclose(np.asarray(axes.images[0].get_array())[-1], [0.1, 0, 0.9])
    assert {text.get_text() for text in axes.texts} == {"8", "2", "1", "3", "9"}
    upright, level = axes.lines
    assert np.allclose(upright.get_xdata(), 1.5)
    assert np.allclose(level.get_ydata(), 1.5)


def some_curve(*, thresholds: int = 4) -> OpenCounts:
    steps = np.arange(1, thresholds + 1, dtype=np.float64)
    similarity = 1 - steps / (2 * thresholds)
    return OpenCounts(
        similarity, 2 * steps, steps, 6 * thresholds - 3 * steps, steps - 1, thresholds - steps, 0.5
    )


def test_lines_over_the_threshold_are_those_of_the_curve() -> None:
    curve = some_curve()
    [axes] = identification_over_threshold(curve, some_open_threshold(similarity=0.75)).axes
    named = {str(line.get_label()): line for line in axes.lines}
    values = {
        "precision (50% strangers)": curve.precision,
        "true-identification rate": curve.true_identification_rate,
        "F1 (50% strangers)": curve.f1,
        "false-identification rate": curve.false_identification_rate,
    }
    for name, expected in values.items():
        assert np.allclose(named[name].get_xdata(), curve.similarity)
        assert np.allclose(named[name].get_ydata(), expected)
    assert np.allclose(named["threshold 0.750"].get_xdata(), 0.75)
    looks = {(str(line.get_linestyle()), str(line.get_color())) for line in axes.lines}
    assert len(looks) == 5
    assert len(identification_over_threshold(curve).axes[0].lines) == 4


def test_long_curves_are_thinned_and_keep_their_ends() -> None:
    curve = some_curve(thresholds=5000)
    line = identification_over_threshold(curve).axes[0].lines[0]
    xs = np.asarray(line.get_xdata())
    assert len(xs) == 1000
    assert (xs[0], xs[-1]) == (curve.similarity[0], curve.similarity[-1])


def test_named_rightly_over_strangers_let_in() -> None:
    curve = some_curve()
    [axes] = detection_and_identification(curve, some_open_threshold(similarity=0.75)).axes
    line, mark = axes.lines
    assert np.allclose(np.asarray(line.get_ydata()), curve.true_identification_rate)
    assert np.allclose(
        np.asarray(line.get_xdata()), np.array([0.5, 1, 2, 3]) / 3
    )  # 0 is drawn as half a stranger
    assert np.allclose(np.asarray(mark.get_xydata()), [[1 / 3, curve.true_identification_rate[1]]])
    assert [text.get_text() for text in axes.texts] == ["threshold 0.750"]
    assert len(detection_and_identification(curve).axes[0].lines) == 1


@pytest.mark.parametrize("plot", [identification_over_threshold, detection_and_identification])
def test_a_curve_without_a_threshold_is_no_plot(plot: Callable[[OpenCounts], object]) -> None:
    none = np.zeros(0)
    with pytest.raises(EvaluationError, match="nothing to draw - identification over the threshold"):
        plot(OpenCounts(none, none, none, none, none, none, 0.5))


def test_precision_over_recall_goes_through_every_threshold() -> None:
    same, different = np.zeros((2, 1024), np.int64)
    same[[1000, 800]], different[[900, 700]] = [1, 1], [2, 1]
    [axes] = precision_recall(PairHistogram(same, different)).axes
    line, chance = axes.lines
    assert np.allclose(chance.get_ydata(), 2 / 5)
    assert np.allclose(np.asarray(line.get_xydata()), [[0.5, 1], [0.5, 1 / 3], [1, 0.5], [1, 0.4]])


def test_the_untrained_curve_stands_beside_the_models() -> None:
    generator = np.random.default_rng(0)
    histograms = [
        PairHistogram(*(generator.integers(0, 9, 1024).astype(np.int64) for _ in range(2))) for _ in range(2)
    ]
    [axes] = precision_recall(*histograms).axes
    curves = {str(line.get_label()): line for line in axes.lines}
    assert list(curves) == ["model", "untrained", "chance"]
    for name, pairs in zip(curves, histograms, strict=False):
        precision, recall, _ = precision_recall_curve(pairs)
        assert np.array_equal(np.asarray(curves[name].get_xydata()), np.stack([recall, precision], axis=1))
    assert len({str(vars(line)["_dash_pattern"]) for line in axes.lines}) == 3


def test_all_can_be_saved(tmp_path: Path) -> None:
    curve = some_curve()
    plots = {
        "confusion": confusion_matrix(FOUND),
        "over threshold": identification_over_threshold(curve),
        "named": detection_and_identification(curve),
    }
    for name, plot in plots.items():
        save(plot, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").stat().st_size > 4000
