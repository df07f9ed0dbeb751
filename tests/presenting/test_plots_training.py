"""The course of similarities is what was counted, and a collapse can be seen in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.presenting import canvas
from lookalike.presenting.plots_training import learning_curves, quantiles, similarity_course
from lookalike.records import PairHistogram

BINS = 64


def counted(values: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.histogram(values, BINS, (-1, 1))[0].astype(np.int64)


def epoch(seed: int, *, gap: float) -> dict[str, PairHistogram]:
    random = np.random.default_rng(seed)

    def hill(middle: float) -> NDArray[np.int64]:
        return counted(np.clip(random.normal(middle, 0.1, 2000), -1, 1))

    return {split: PairHistogram(hill(gap), hill(0.0)) for split in ("train", "val")}


COURSE = [epoch(number, gap=0.1 * number) for number in range(6)]


def line(axes: Axes, label: str) -> NDArray[np.float64]:
    found = next(drawn for drawn in axes.get_lines() if drawn.get_label() == label)
    return np.asarray(found.get_xydata(), np.float64)


@pytest.mark.parametrize("shares", [(0.1, 0.5, 0.9), (0.25, 0.75)])
def test_quantiles_are_those_of_the_pairs_to_within_a_bin(shares: tuple[float, ...]) -> None:
    values = np.random.default_rng(0).normal(0.2, 0.3, 5000).clip(-1, 1)
    assert quantiles(counted(values), shares) == pytest.approx(np.quantile(values, shares), abs=2 / BINS)


def test_quantiles_by_hand() -> None:
    counts = np.zeros(4, np.int64)  # bins of 0.5
    counts[1], counts[3] = 2, 2
    assert quantiles(counts, (0.25, 0.75)).tolist() == [-0.25, 0.75], "pairs lie evenly in their bins"
    assert np.isnan(quantiles(np.zeros(4, np.int64), (0.5,))).all()


def test_a_panel_for_each_split_with_its_medians() -> None:
    panels = similarity_course(COURSE).get_axes()
    assert [axes.get_title() for axes in panels] == ["training batches", "validation"]
    for axes, split in zip(panels, ("train", "val"), strict=True):
        for label, kind in (("same label", "same"), ("different labels", "different")):
            medians = [quantiles(getattr(pairs[split], kind), (0.5,))[0] for pairs in COURSE]
            drawn = line(axes, label)
            assert drawn[:, 0].tolist() == [1, 2, 3, 4, 5, 6]
            assert drawn[:, 1] == pytest.approx(medians)
        assert axes.get_xlabel() == "epoch"
    assert panels[0].get_ylabel() == "similarity (cosine)"
    assert panels[0].get_legend() is not None


def test_kinds_differ_without_colour() -> None:
    same, different = similarity_course(COURSE).get_axes()[0].get_lines()
    assert same.get_linestyle() != different.get_linestyle()


def test_one_epoch_is_a_point() -> None:
    drawn = similarity_course(COURSE[:1]).get_axes()[0].get_lines()[0]
    assert drawn.get_marker() == "o"


def test_a_kind_without_pairs_leaves_a_gap() -> None:
    nothing = np.zeros(BINS, np.int64)
    gap = {"val": PairHistogram(nothing, nothing)}
    axes = similarity_course([{"val": COURSE[0]["val"]}, gap, {"val": COURSE[2]["val"]}]).get_axes()[0]
    assert np.isnan(line(axes, "same label")[:, 1]).tolist() == [False, True, False]


def test_it_can_be_saved_and_shown(tmp_path: Path) -> None:
    plot = similarity_course(COURSE)
    canvas.save(plot, tmp_path / "course.png")
    assert (tmp_path / "course.png").stat().st_size > 1000
    assert canvas.to_svg(plot, alt="the course").startswith("<svg")


def test_without_epochs_there_is_nothing_to_draw() -> None:
    with pytest.raises(EvaluationError, match="nothing to draw - similarities of a training - saw no epoch"):
        similarity_course([])


def test_where_a_metric_stood_before_the_first_epoch_is_marked() -> None:
    history = {"val_map@r": [0.2, 0.3], "train_loss": [2.0, 1.0]}
    score, loss = learning_curves(history, start={"val_map@r": 0.1, "not drawn": 0.5}).get_axes()
    mark = next(line for line in score.lines if line.get_label() == "val map@r before")
    assert np.asarray(mark.get_xydata()).tolist() == [[0.0, 0.1]]
    assert {float(np.asarray(line.get_ydata())[0]) for line in score.lines} == {0.1, 0.2}
    assert len(loss.lines) == 1
    late = learning_curves({"epoch": [5, 6], **history}, start={"train_loss": 3.0}).get_axes()[1]
    assert np.asarray(late.lines[-1].get_xydata()).tolist() == [[4.0, 3.0]]


def test_names_stand_above_the_curves() -> None:
    plot = learning_curves({f"train_{kind}": [0.3, 0.4] for kind in ("easy", "semi_hard", "hard")})
    plot.draw_without_rendering()
    [axes] = plot.get_axes()
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_window_extent().y0 >= axes.get_window_extent().y1 - 1
    assert legend.get_window_extent().x1 <= plot.bbox.x1
