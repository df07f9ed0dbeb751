from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import CalibrationError, ModelError
from lookalike.matching import match
from lookalike.models.facts import FACTS
from lookalike.models.model import Model
from lookalike.models.verdicts import Judge, calibration_of, in_percent, judge_of, keep_calibration
from some_calibrations import calibration, of_model
from some_records import threshold


def test_without_anything_nothing_is_said(tiny: Model) -> None:
    assert judge_of(tiny).verdicts([0.5]) == [(None, None, None)]
    assert judge_of(tiny).share is None
    tiny.set_threshold(replace(threshold("f1"), similarity=0.6))
    assert judge_of(tiny).verdicts([0.5, 0.6]) == [(False, None, None), (True, None, None)]


def test_match_probability_and_band(tiny: Model) -> None:
    tiny.set_threshold(replace(threshold("f1"), similarity=0.5))
    tiny.set_threshold(replace(threshold("f1"), similarity=0.8), name="strict")
    keep_calibration(tiny, of_model(tiny))
    found = judge_of(tiny).verdicts([0.5, 0.95, 0.0])
    assert [verdict.match for verdict in found] == [True, True, False]
    assert [verdict.band for verdict in found] == ["same thing", "near copy", "different"]
    assert found[0].probability == pytest.approx(0.5)
    assert judge_of(tiny, threshold="strict").verdicts([0.5])[0].match is False
    assert judge_of(tiny, prior=0.1).verdicts([0.5])[0].probability == pytest.approx(0.1)
    assert (judge_of(tiny).share, judge_of(tiny, prior=0.1).share) == (0.5, 0.1)
    with pytest.raises(CalibrationError, match="share of same pairs"):
        judge_of(tiny, prior=2.0)


def test_a_match_carries_what_is_said(tiny: Model) -> None:
    picture = tiny.folder.parent / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)).save(picture)
    tiny.set_threshold(replace(threshold("f1"), similarity=0.5))
    assert (match(tiny, picture, picture).probability, match(tiny, picture, picture).prior) == (None, None)
    keep_calibration(tiny, of_model(tiny))
    found = match(tiny, picture, picture, prior=0.01)
    assert (found.band, found.prior) == ("near copy", 0.01)
    assert found.probability == pytest.approx(judge_of(tiny, prior=0.01).verdicts([1.0])[0].probability)


def test_thresholds_of_another_model_are_refused(tiny: Model) -> None:
    tiny.set_threshold(replace(threshold("f1"), fingerprint="0123456789abcdef"))
    for ask in (tiny.limit, tiny.require_threshold, lambda: tiny.threshold, lambda: judge_of(tiny)):
        with pytest.raises(
            ModelError, match=rf"made for another model - .*{FACTS} - saw fingerprint 0123456789ab, wanted"
        ):
            ask()
    tiny.set_threshold(replace(threshold("f1"), fingerprint=tiny.fingerprint))
    assert tiny.threshold is not None
    assert Model.load(tiny.folder).threshold == tiny.threshold


def test_of_another_kind_of_pairs_nothing_is_said(tiny: Model) -> None:
    keep_calibration(tiny, of_model(tiny))
    tiny.set_threshold(replace(threshold("f1"), similarity=0.5, basis="copies"), name="copies")
    assert judge_of(tiny, threshold="copies").verdicts([0.7]) == [(True, None, None)]
    with pytest.raises(ModelError, match=r"no probabilities of a match - .* threshold copies, .*--prior"):
        judge_of(tiny, threshold="copies", prior=0.5)


def test_a_calibration_of_another_model_is_refused(tiny: Model) -> None:
    keep_calibration(tiny, calibration("0123456789abcdef"))
    with pytest.raises(ModelError, match="the calibration was made for another model"):
        calibration_of(tiny)
    with pytest.raises(ModelError, match="the calibration was made for another model"):
        judge_of(tiny)


def test_a_judge_needs_no_threshold_for_probabilities() -> None:
    (verdict,) = Judge(None, calibration()).verdicts([0.5])
    assert (verdict.match, verdict.band) == (None, None)
    assert verdict.probability == pytest.approx(0.5)


def test_no_probability_is_printed_as_sure() -> None:
    assert in_percent(1 - 1e-9) == ">99.9%"
    assert in_percent(0.9985) == "99.9%"
    assert in_percent(0.0004) == "<0.1%"


def test_a_calibration_that_was_made_again_or_taken_away_is_noticed(tiny: Model) -> None:
    assert calibration_of(tiny) is None
    for _ in range(2):
        keep_calibration(tiny, of_model(tiny))
        kept = calibration_of(tiny)
        assert kept == of_model(tiny)
        assert calibration_of(tiny) is kept, "what stays as it is, is read once"
        (file,) = tiny.folder.glob("calibration*.json")
        file.unlink()
        assert calibration_of(tiny) is None
