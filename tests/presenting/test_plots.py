"""What is drawn is what was given, every axis says what it shows, and no plot needs its colours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure as Plot
from matplotlib.patches import Rectangle, StepPatch
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.presenting import plots, plots_training
from lookalike.records import Figure, PairHistogram, Threshold

BINS = 2**12
THRESHOLD = Threshold(0.5, "f1", 0.9, 0.8, 0.85, 0.01, None, None, 10, 20, 8, 3)
FIGURES = {
    "recall@8": Figure(0.8, 0.7, 0.9, 0.6),
    "recall@1": Figure(0.4, 0.3, 0.5, 0.2),
    "recall@2": Figure(0.5, 0.4, 0.6, 0.3),
    "map@r": Figure(0.1, 0.0, 0.2, 0.1),
}


def pairs_of(same: NDArray[np.float64], different: NDArray[np.float64], bins: int = BINS) -> PairHistogram:
    def counted(values: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.histogram(values, bins, (-1, 1))[0].astype(np.int64)

    return PairHistogram(counted(same), counted(different))


def two_hills(seed: int = 0, *, gap: float = 0.5) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    generator = np.random.default_rng(seed)
    same = np.clip(generator.normal(0.1 + gap, 0.2, 700), -1, 1)
    return same, np.clip(generator.normal(0.1, 0.15, 9000), -1, 1)


PAIRS = pairs_of(*two_hills())
ALL_PLOTS = {
    "learning": lambda: plots_training.learning_curves({
        "train_loss": [3, 2, 1], "val_loss": [3, 2, 2], "val_map@r": [0.1, 0.2, 0.3],
        "val_recall@1": [0.2, 0.3, 0.4],
        "train_easy": [0.2, 0.4, 0.6], "train_semi_hard": [0.5, 0.4, 0.3], "train_hard": [0.3, 0.2, 0.1],
        "val_easy": [0.1, 0.2, 0.3], "learning_rate": [1e-3, 1e-4, 1e-5],
    }),
    "roc": lambda: plots.roc(PAIRS, pairs_of(*two_hills(1, gap=0.2))),
    "similarity": lambda: plots.similarity_histogram(PAIRS, THRESHOLD),
    "few classes": lambda: plots.class_distribution({"a": 3, "b": 2}),
    "many classes": lambda: plots.class_distribution({f"c{n}": n + 1 for n in range(60)}),
    "recall": lambda: plots.recall_at_k(FIGURES),
    "threshold": lambda: plots.metrics_over_threshold(PAIRS, THRESHOLD),
}  # fmt: skip


def drawn(axes: Axes, label: str) -> NDArray[np.float64]:
    """[n, 2] points of the line with a label."""
    return np.asarray(next(line for line in axes.lines if line.get_label() == label).get_xydata(), np.float64)


def outlines(axes: Axes) -> list[StepPatch]:
    return [patch for patch in axes.patches if isinstance(patch, StepPatch) and not patch.get_fill()]


@pytest.mark.parametrize("name", ALL_PLOTS)
def test_every_plot_is_six_inches_wide_and_labels_its_axes(name: str) -> None:
    plot: Plot = ALL_PLOTS[name]()
    assert plot.get_size_inches()[0] == 6.0
    for number, axes in enumerate(plot.axes):
        assert axes.get_xlabel()
        assert axes.get_ylabel() or (name, number) in {("few classes", 0), ("roc", 1)}


@pytest.mark.parametrize("name", ALL_PLOTS)
def test_no_two_lines_of_a_panel_look_the_same_when_printed_grey(name: str) -> None:
    for axes in ALL_PLOTS[name]().axes:
        looks = [(str(vars(line)["_dash_pattern"]), line.get_marker()) for line in axes.lines]
        assert len(looks) == len(set(looks))
        steps = [str(step.get_linestyle()) for step in outlines(axes)]
        assert len(steps) == len(set(steps))


@pytest.mark.parametrize("name", ALL_PLOTS)
def test_letters_are_large_enough(name: str, tmp_path: Path) -> None:
    plot = ALL_PLOTS[name]()
    plots.save(plot, tmp_path / "plot.png")
    for axes in plot.axes:
        texts = [axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]
        texts += legend.get_texts() if (legend := axes.get_legend()) else []
        assert min(float(text.get_fontsize()) for text in texts) >= 9


def test_learning_curves_draw_the_history_they_are_given() -> None:
    history = {
        "train_loss": [3.0, 2.0, 1.5],
        "val_loss": [3.0, float("nan"), 2.0],
        "val_map@r": [0.1, 0.2, 0.25],
    }
    loss, score = plots_training.learning_curves(history).axes
    np.testing.assert_array_equal(drawn(loss, "train loss"), [[1, 3], [2, 2], [3, 1.5]])
    np.testing.assert_array_equal(drawn(loss, "val loss"), [[1, 3], [2, np.nan], [3, 2]])
    np.testing.assert_array_equal(drawn(score, "val map@r"), [[1, 0.1], [2, 0.2], [3, 0.25]])
    assert (loss.get_ylabel(), score.get_ylabel()) == ("loss", "score (%)")


def test_learning_curves_take_the_epochs_where_they_are_given() -> None:
    history: dict[str, Any] = {"epoch": np.array([10, 20]), "train_loss": np.array([2.0, 1.0])}
    axes = plots_training.learning_curves(history).axes[0]
    np.testing.assert_array_equal(drawn(axes, "train loss"), [[10, 2], [20, 1]])


def test_learning_curves_put_one_kind_in_one_panel() -> None:
    labels = [axes.get_ylabel() for axes in ALL_PLOTS["learning"]().axes]
    assert labels == [
        "loss",
        "score (%)",
        "training triplets (%)",
        "validation triplets (%)",
        "learning rate",
    ]


@pytest.mark.parametrize("history", [{}, {"epoch": [1, 2]}, {"train_loss": []}])
def test_learning_curves_of_nothing_are_refused(history: dict[str, list[float]]) -> None:
    with pytest.raises(EvaluationError, match="nothing to draw - a training history - saw no metric"):
        plots_training.learning_curves(history)


def exact_rates(values: NDArray[np.float64], thresholds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([(values >= threshold).mean() for threshold in thresholds])


def test_roc_passes_through_exact_points_only_and_misses_none_that_shows() -> None:
    same, different = two_hills()
    edges = np.linspace(-1, 1, BINS + 1)[:-1]
    true_rate, false_rate = exact_rates(same, edges), exact_rates(different, edges)
    whole, low_end = plots.roc(PAIRS).axes
    points = drawn(whole, "model")
    every = np.stack([np.append(false_rate, 0), np.append(true_rate, 0)], axis=1)
    assert {tuple(point) for point in points.round(12)} <= {tuple(point) for point in every.round(12)}
    length, place = every.sum(axis=1), points[::-1].sum(axis=1)
    middle = np.stack([np.interp(length, place, points[::-1, axis]) for axis in (0, 1)], axis=1)
    assert np.abs(middle - every).max() < 0.006
    assert points[0].tolist() == [1, 1]
    assert points[-1].tolist() == [0, 0]
    np.testing.assert_array_equal(drawn(low_end, "model"), points[points[:, 0] > 0])


def test_roc_of_millions_of_pairs_stays_small() -> None:
    generator = np.random.default_rng(0)
    counts = generator.integers(0, 50, (2, 2**18))
    points = drawn(plots.roc(PairHistogram(counts[0], counts[1])).axes[0], "model")
    assert 300 < len(points) < 2500


def test_roc_draws_the_baseline_dashed_and_only_where_there_is_one() -> None:
    whole = ALL_PLOTS["roc"]().axes[0]
    assert next(line for line in whole.lines if line.get_label() == "untrained").get_linestyle() == "--"
    assert [line.get_label() for line in plots.roc(PAIRS).axes[0].lines] == ["model", "chance"]


def test_roc_of_perfect_pairs_is_a_corner(tmp_path: Path) -> None:
    perfect = plots.roc(pairs_of(np.array([0.9, 0.95]), np.array([0.1, 0.2])))
    np.testing.assert_array_equal(
        drawn(perfect.axes[0], "model"), [[1, 1], [0.5, 1], [0, 1], [0, 0.5], [0, 0]]
    )
    plots.save(perfect, tmp_path / "roc.png")


def test_similarity_histogram_has_area_one_for_each_kind_and_loses_no_pair() -> None:
    same, different = two_hills()
    axes = plots.similarity_histogram(PAIRS, THRESHOLD).axes[0]
    for patch, values in zip(outlines(axes), (same, different), strict=True):
        density, edges, _ = patch.get_data()
        expected, _ = np.histogram(values, edges)
        assert expected.sum() == len(values)
        np.testing.assert_allclose(density * np.diff(edges) * len(values), expected, atol=1e-9)
        assert np.sum(density * np.diff(edges)) == pytest.approx(1)
    assert [patch.get_label() for patch in outlines(axes)] == ["same label", "different labels"]


@pytest.mark.parametrize("draw", [plots.similarity_histogram, plots.metrics_over_threshold])
def test_the_threshold_stands_where_it_is_and_only_where_there_is_one(draw: object) -> None:
    assert callable(draw)
    marked, plain = draw(PAIRS, THRESHOLD).axes[0], draw(PAIRS).axes[0]
    assert drawn(marked, "threshold 0.500")[:, 0].tolist() == [0.5, 0.5]
    assert not any(line.get_linestyle() == "-" for line in marked.lines if "thr" in str(line.get_label()))
    assert not any(str(line.get_label()).startswith("threshold") for line in plain.lines)


def test_metrics_over_threshold_agree_with_counting_pairs() -> None:
    same, different = two_hills()
    axes = plots.metrics_over_threshold(PAIRS).axes[0]
    for similarity, precision in drawn(axes, "precision")[::7]:
        right, wrong = (same >= similarity).sum(), (different >= similarity).sum()
        recall = dict(drawn(axes, "recall").tolist())[similarity]
        f1 = dict(drawn(axes, "F1").tolist())[similarity]
        exact = right / (right + wrong)
        assert precision == pytest.approx(exact if right + wrong >= 10 else np.nan, nan_ok=True)
        assert recall == pytest.approx(right / len(same))
        assert f1 == pytest.approx(2 * exact * recall / (exact + recall) if right else 0)


def _is_drawn(axes: Axes) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    nothing = np.isnan(drawn(axes, "precision")[:, 1])
    return ~nothing, nothing


def test_precision_ends_where_hardly_a_pair_matches() -> None:
    same, different = np.linspace(0.0, 0.9, 31), np.linspace(-0.5, 0.3, 200)
    [axes] = plots.metrics_over_threshold(pairs_of(same, different)).axes
    left, ends = (drawn(axes, "precision")[kept, 0] for kept in _is_drawn(axes))
    assert (same >= left.max()).sum() >= 10 > (same >= ends.min()).sum()
    assert not np.isnan(drawn(axes, "recall")).any()


@pytest.mark.parametrize("draw", [plots.roc, plots.similarity_histogram, plots.metrics_over_threshold])
def test_pairs_of_one_kind_cannot_be_drawn(draw: object) -> None:
    assert callable(draw)
    with pytest.raises(EvaluationError, match="pairs of both kinds - saw 2 same and 0 different pairs"):
        draw(pairs_of(np.array([0.5, 0.6]), np.array([])))


@pytest.mark.parametrize("draw", [plots.roc, plots.similarity_histogram, plots.metrics_over_threshold])
def test_pairs_that_are_all_alike_are_drawn(draw: object, tmp_path: Path) -> None:
    assert callable(draw)
    plots.save(draw(pairs_of(np.array([1.0]), np.array([1.0, 1.0]))), tmp_path / "plot.png")


def test_recall_at_k_is_drawn_in_the_order_of_k_with_its_intervals() -> None:
    axes = plots.recall_at_k(FIGURES).axes[0]
    model, untrained = (np.asarray(line.get_xydata()) for line in axes.lines)
    np.testing.assert_array_equal(model, [[1, 0.4], [2, 0.5], [8, 0.8]])
    np.testing.assert_array_equal(untrained, [[1, 0.2], [2, 0.3], [8, 0.6]])
    band = axes.collections[0].get_paths()[0].vertices
    assert {(1.0, 0.3), (1.0, 0.5), (8.0, 0.7), (8.0, 0.9)} <= {
        tuple(point) for point in np.asarray(band).tolist()
    }


def test_recall_at_k_without_baseline_draws_none() -> None:
    axes = plots.recall_at_k({"recall@1": Figure(0.4, 0.3, 0.5)}).axes[0]
    assert len(axes.lines) == 1


def test_recall_at_k_without_recall_is_refused() -> None:
    with pytest.raises(EvaluationError, match="recall over k - saw figures map@r"):
        plots.recall_at_k({"map@r": FIGURES["map@r"]})


def test_few_classes_get_a_bar_with_a_name_each_largest_first() -> None:
    axes = plots.class_distribution({"ant": 2, "bee": 5, "$cat$": 3}).axes[0]
    assert [bar.get_width() for bar in axes.patches if isinstance(bar, Rectangle)] == [5, 3, 2]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["bee", "$cat$", "ant"]


def test_classes_without_a_picture_are_drawn(tmp_path: Path) -> None:
    plots.save(plots.class_distribution({"a": 0}), tmp_path / "plot.png")


def test_many_classes_become_one_outline_largest_first() -> None:
    axes = plots.class_distribution({f"c{n}": n % 7 + 1 for n in range(70)}).axes[0]
    sizes, edges, _ = outlines(axes)[0].get_data()
    assert sizes.tolist() == sorted((n % 7 + 1 for n in range(70)), reverse=True)
    assert edges[[0, -1]].tolist() == [0.5, 70.5]


@pytest.mark.parametrize(
    ("counts", "title"),
    [
        ({"a": 1}, "1 class, 1 picture each"),
        ({"a": 7, "b": 7}, "2 classes, 7 pictures each"),
        ({"a": 4, "b": 3}, "2 classes, 3 to 4 pictures each, median 3.5"),
        (
            {"a": 4000, "b": 1, "c": 1},
            "3 classes, 1 to 4,000 pictures each, median 1; 2 with a single picture",
        ),
    ],
)
def test_class_distribution_says_how_uneven_it_is(counts: dict[str, int], title: str) -> None:
    assert plots.class_distribution(counts).get_suptitle() == title


def test_class_names_of_any_kind_are_drawn(tmp_path: Path) -> None:
    names = {"漢字": 3, "a" * 300: 2, "line\nend": 2, "half \udcff": 1, "$\\frac": 1, "_hidden": 1, "": 1}
    plot = plots.class_distribution(names)
    plots.save(plot, tmp_path / "plot.png")
    plots.save(plot, tmp_path / "plot.svg")
    shown = [text.get_text() for text in plot.axes[0].get_yticklabels()]
    assert max(len(name) for name in shown) <= plots.MOST_LETTERS
    assert "$\\frac" in shown


def test_no_class_is_refused() -> None:
    with pytest.raises(EvaluationError, match="a class distribution - saw no class"):
        plots.class_distribution({})


def test_picture_sizes_are_dots_as_large_as_they_are_frequent() -> None:
    (axes,) = plots.picture_sizes([(100, 50)] * 3 + [(640, 480)]).axes
    (dots,) = axes.collections
    assert isinstance(dots, PathCollection)
    assert np.asarray(dots.get_offsets()).tolist() == [[100, 50], [640, 480]]
    areas = dots.get_sizes()
    assert areas[0] > areas[1] > 0
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("width (pixels)", "height (pixels)")
    assert axes.get_xlim() == axes.get_ylim()


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ([(64, 64), (90, 60)], {"50", "60", "70", "80", "90", "100"}),
        ([(64, 64), (900, 600)], {"50", "100", "200", "500", "1,000"}),
        ([(8, 8), (4000, 3000)], {"10", "100", "1,000"}),
    ],
)
def test_picture_sizes_have_named_ticks(sizes: list[tuple[int, int]], named: set[str]) -> None:
    drawn = plots.to_svg(plots.picture_sizes(sizes))
    texts = set(re.findall(r">([\d,]+)</text>", drawn))
    assert texts == named


def test_picture_sizes_of_nothing() -> None:
    with pytest.raises(EvaluationError, match=r"nothing to draw.*no picture"):
        plots.picture_sizes([])
