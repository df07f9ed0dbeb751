"""What is drawn is what was counted."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import Rectangle
from test_probability import drawn

from lookalike.errors import EvaluationError
from lookalike.judging.probability import fit_probability, total_of
from lookalike.judging.reliability import reliability_of
from lookalike.presenting.plots_calibration import reliability
from lookalike.records import PairHistogram


def test_points_bars_and_counts_are_those_measured() -> None:
    fitted, pairs = fit_probability(drawn(60, pairs=100, seed=1), images=600), drawn(60, pairs=100, seed=2)
    found = reliability_of(fitted, pairs)
    plot = reliability(fitted, pairs)
    upper, lower = plot.axes
    [bars] = [entry for entry in upper.containers if isinstance(entry, ErrorbarContainer)]
    points = bars.lines[0]
    assert np.allclose(points.get_xydata(), np.stack([found.predicted, found.observed], axis=1))
    heights = [patch.get_height() for patch in lower.patches if isinstance(patch, Rectangle)]
    assert heights == found.pairs.tolist()
    assert "classes drawn again" in plot.get_suptitle()
    assert "as if pairs were independent" in reliability(fitted, total_of(pairs)).get_suptitle()


def test_pairs_of_one_kind_are_not_drawn() -> None:
    fitted = fit_probability(drawn(20, pairs=50, seed=1), images=100)
    with pytest.raises(EvaluationError, match="pairs of both kinds"):
        reliability(fitted, PairHistogram(np.zeros(4, np.int64), np.ones(4, np.int64)))
