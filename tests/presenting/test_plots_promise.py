"""The curves of a calibration are those that were kept, with its bands and the threshold."""

from __future__ import annotations

import numpy as np

from lookalike.judging.calibrated import CURVE, Band, Calibration
from lookalike.judging.probability import Probability
from lookalike.presenting.plots_promise import calibration_curves
from some_records import threshold

POINTS = (0.9, 0.6, 0.3, -0.2)
COLUMNS = {
    "similarity": POINTS, "precision": (1.0, 0.9, 0.5, 0.1), "recall": (0.1, 0.5, 0.9, 1.0),
    "f1": (0.2, 0.6, 0.6, 0.2), "false_match_rate": (0.0, 0.01, 0.2, 1.0),
}  # fmt: skip
CALIBRATION = Calibration(
    "f" * 64, "labels", "val", 100, 900, 60, 12, 0, 0, Probability((0.0, 1.0), (-3.0, 3.0), 0.1, "logistic"),
    COLUMNS, (Band("same thing", 0.7, "chosen"), Band("related", 0.4, "the most alike")),
)  # fmt: skip


def test_curves_are_those_that_were_kept() -> None:
    assert set(COLUMNS) == set(CURVE)
    axes = calibration_curves(CALIBRATION, threshold("f1", similarity=0.7)).axes[0]
    lines = {str(line.get_label()): np.asarray(line.get_xydata(), np.float64) for line in axes.lines}
    for name, words in (("precision", "precision"), ("false_match_rate", "false-match rate")):
        assert lines[words].tolist() == [list(point) for point in zip(POINTS, COLUMNS[name], strict=True)]
    chance = lines["probability of a match"]
    assert np.allclose(chance[:, 1], CALIBRATION.probability.at(chance[:, 0]))
    assert lines["threshold 0.700"][0, 0] == 0.7
    uprights = sorted(points[0, 0] for points in (np.asarray(line.get_xydata()) for line in axes.lines)
                      if len(points) == 2 and points[0, 0] == points[1, 0])  # fmt: skip
    assert uprights == [0.4, 0.7, 0.7]


def test_no_two_curves_look_the_same_when_printed_grey() -> None:
    axes = calibration_curves(CALIBRATION).axes[0]
    named = [line for line in axes.lines if not str(line.get_label()).startswith("_")]
    looks = [(str(vars(line)["_dash_pattern"]), line.get_marker()) for line in named]
    assert len(looks) == len(set(looks)) == 4


def test_what_lies_below_all_different_pairs_is_not_drawn() -> None:
    left, right = calibration_curves(CALIBRATION).axes[0].get_xlim()
    assert (left, right) == (0.3, 0.9)
