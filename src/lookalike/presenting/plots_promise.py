"""The plot of a calibration: what a similarity means. A Calibration enters; a matplotlib figure leaves."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure as Plot

from lookalike.judging.calibrated import Calibration
from lookalike.presenting.canvas import GRID, MARK, in_percent, new_plot, repeated, styled
from lookalike.records import Threshold

DRAWN = {"precision": "precision", "recall": "recall", "false_match_rate": "false-match rate"}
ENDS = 0.002  # shares that are as good as none, beyond which nothing is drawn


def calibration_curves(calibration: Calibration, threshold: Threshold | None = None) -> Plot:
    """Draw the probability of a match at a similarity, and what a threshold there would give.

    Upright grey lines are the lower ends of the named bands.

    Args:
        threshold: marked, where there is one.
    """
    similarities = np.array(calibration.curve["similarity"])
    with styled():
        plot = new_plot(height=3.2)
        axes = plot.add_subplot()
        looks = iter(repeated(len(DRAWN) + 1))
        places = np.linspace(similarities.min(), similarities.max(), 200)
        chance = calibration.probability.at(places)
        axes.plot(places, chance, label="probability of a match", **next(looks))
        for name, words in DRAWN.items():
            axes.plot(similarities, calibration.curve[name], label=words, **next(looks))
        for band in calibration.bands:
            axes.axvline(band.similarity, color=GRID, linewidth=0.8)
        if threshold is not None:
            label = f"threshold {threshold.similarity:.3f}"
            axes.axvline(threshold.similarity, label=label, **MARK)
        axes.set(xlabel="similarity (cosine)", ylabel="share (%)", ylim=(0, 1.01))
        axes.set_xlim(*_span(calibration))
        in_percent(axes.yaxis)
        plot.legend(loc="outside upper center", ncols=3)
    return plot


def _span(calibration: Calibration) -> tuple[float, float]:
    """From where nearly no different pair is left out, to where nearly no pair is left."""
    similarities = np.array(calibration.curve["similarity"])
    inside = np.array(calibration.curve["false_match_rate"]) < 1.0 - ENDS
    return float(similarities[inside].min(initial=similarities.max())), float(similarities.max())
