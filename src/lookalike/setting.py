"""The verb set: a similarity that a person chose by looking enters; a threshold leaves, kept in the model.

It says that it was set by hand and what was measured at it, and promises nothing beyond. Choosing one for a
promise is calibration's business.
"""

from __future__ import annotations

import math
from dataclasses import replace

from lookalike.calibrating import OF_IDENTIFYING, calibration_before, keep_threshold
from lookalike.errors import CalibrationError
from lookalike.judging.calibrated import Calibration, made_for_another
from lookalike.judging.calibration import Measured, metrics_at
from lookalike.judging.target import check_name
from lookalike.models.bands import moved
from lookalike.models.card import refresh_threshold
from lookalike.models.model import DEFAULT, Model, write_facts
from lookalike.models.shortening import shorten
from lookalike.models.verdicts import keep_calibration
from lookalike.records import Threshold
from lookalike.threshold import BY_HAND


def set_threshold(model: Model, similarity: float, *, name: str, pairs: Measured, seen: int) -> Threshold:
    """Store a similarity that somebody chose as one of the model's thresholds.

    Probabilities that a calibration by labels left stay; of the threshold "default" the band of the same
    thing moves along. Where there is no such calibration, these pairs make one, as `calibrate` would.

    Args:
        name: under which the model keeps it; "default" is the one that `match` and `search` use.
        pairs: of labelled pictures, on which it is measured.
        seen: how many of these pictures the model was trained on, see `Model.count_seen`.

    Raises:
        CalibrationError: the similarity is none, or the name is not one for a threshold.
        ModelError: the model folder is not there any more, or was trained again since.
    """
    check_name(name, but=OF_IDENTIFYING)
    threshold = by_hand(model, similarity, pairs=pairs, seen=seen)
    reread(model)
    before = calibration_before(model)
    if before is None or before.basis != threshold.basis:
        keep_threshold(model, threshold, pairs, name=name)
        return threshold
    if name == DEFAULT:
        keep_calibration(model, replace(before, bands=moved(before.bands, threshold)))
    model.set_threshold(threshold, name=name)
    refresh_threshold(model)
    return threshold


def restore_threshold(
    model: Model, threshold: Threshold, *, name: str, calibration: Calibration | None
) -> None:
    """Store again a threshold that another one replaced.

    Args:
        calibration: what was measured with it, as `calibration_before` gave it; None: there was none.

    Raises:
        ModelError: the model folder is not there any more, or was trained again since.
    """
    reread(model)
    if calibration is not None:
        keep_calibration(model, calibration)
    model.set_threshold(threshold, name=name)
    refresh_threshold(model)


def remove_threshold(model: Model, name: str) -> None:
    """Forget a threshold that was set by hand.

    Raises:
        CalibrationError: it was not set by hand.
        ModelError: the model has none of that name, its folder is not there any more, or it was trained
            again since.
    """
    reread(model)
    threshold = model.require_threshold(name)
    if threshold.target != BY_HAND:
        raise CalibrationError(
            "the threshold was not set by hand",
            where=name,
            saw=f"it was calibrated for {threshold.target}",
            wanted="one that was set by hand",
            do="keep it, or set another one under its name",
        )
    kept = {each: facts for each, facts in model.facts["thresholds"].items() if each != name}
    model.facts = {**model.facts, "thresholds": kept}
    write_facts(model.folder, model.facts)
    model.thresholds = {each: one for each, one in model.thresholds.items() if each != name}
    refresh_threshold(model)


def by_hand(model: Model, similarity: float, *, pairs: Measured, seen: int) -> Threshold:
    """The threshold that a similarity makes on these pairs, not stored; as of `set_threshold`.

    Raises:
        CalibrationError: the similarity is none.
    """
    if not -1.0 <= similarity <= 1.0:  # NaN is not
        raise CalibrationError(
            "the similarity does not fit",
            where="similarity",
            saw=f"{similarity:g}" if not math.isnan(similarity) else "no number",
            wanted="between -1 and 1",
            do="for example 0.8",
        )
    every = metrics_at(pairs.histogram, similarity)
    return Threshold(
        similarity,
        BY_HAND,
        precision=every["precision"],
        recall=every["recall"],
        f1=every["f1"],
        false_match_rate=every["false_match_rate"],
        confidence=None,
        bound=None,
        same_pairs=int(pairs.histogram.same.sum()),
        different_pairs=int(pairs.histogram.different.sum()),
        images=pairs.images,
        classes=pairs.classes,
        split="all",
        seen=seen,
        fingerprint=model.fingerprint,
    )


def reread(model: Model) -> None:
    """Take in the thresholds that others stored in the model's folder since it was opened.

    Raises:
        ModelError: the folder is not there any more, or was trained again since.
    """
    fresh = shorten(Model.load(model.folder), model.dim)
    if fresh.fingerprint != model.fingerprint:
        raise made_for_another(model.folder, saw=model.fingerprint, wanted=fresh.fingerprint)
    model.facts, model.thresholds = fresh.facts, fresh.thresholds
