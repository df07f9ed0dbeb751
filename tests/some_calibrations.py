"""Calibrations with plausible values."""

from __future__ import annotations

from lookalike.judging.calibrated import CURVE, Band, Calibration
from lookalike.judging.probability import Probability
from lookalike.models.model import Model


def calibration(fingerprint: str = "abc", *, bands: tuple[Band, ...] = ()) -> Calibration:
    """Half likely at a similarity of 0.5, whatever was measured."""
    columns = dict.fromkeys(CURVE, (0.9, 0.5, 0.1))
    chance = Probability((0.0, 1.0), (-2.0, 2.0), prior=0.5, kind="logistic")
    return Calibration(fingerprint, "labels", "val", 10, 90, 20, 5, 0, 0, chance, columns, bands)


def of_model(model: Model) -> Calibration:
    """The same, with bands, for a model."""
    bands = (Band("near copy", 0.9, "as edited copies are"), Band("same thing", 0.5, "the match threshold"))
    return calibration(model.fingerprint, bands=bands)
