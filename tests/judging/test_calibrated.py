from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lookalike.errors import ModelError
from lookalike.judging.calibrated import (
    CURVE,
    Band,
    calibration_file,
    curve_csv,
    read_calibration,
    write_calibration,
)
from some_calibrations import calibration

Change = Callable[[dict[str, Any]], object]
BANDS = (Band("same picture", 0.95, "why"), Band("same thing", 0.7, "why"), Band("related", 0.2, "why"))


def cuts(*similarities: float) -> list[dict[str, Any]]:
    """Bands as they lie in the file."""
    return [{"name": "a", "similarity": similarity, "words": "why"} for similarity in similarities]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path, kept = calibration_file(tmp_path), calibration(bands=BANDS)
    assert read_calibration(path, fingerprint="abc") is None
    write_calibration(path, kept)
    assert read_calibration(path, fingerprint="abc") == kept
    assert path.name == "calibration.json"
    assert calibration_file(tmp_path, dimensions=32) != path


def test_another_model_is_refused(tmp_path: Path) -> None:
    path = calibration_file(tmp_path)
    write_calibration(path, calibration("abc"))
    with pytest.raises(
        ModelError, match=r"made for another model - .* saw fingerprint abc, wanted def .*calibrate"
    ):
        read_calibration(path, fingerprint="def")


@pytest.mark.parametrize(
    ("change", "saw"),
    [
        (lambda values: values.pop("format"), "'format'"),
        (lambda values: values.pop("split"), "KeyError: 'split'"),
        (lambda values: values.update(images="many"), "images is 'many', no count"),
        (lambda values: values.update(images=float("inf")), "images is inf, no count"),
        (lambda values: values.update(seen=-1), "seen is -1, no count"),
        (lambda values: values.update(classes=2.5), "classes is 2.5, no count"),
        (lambda values: values.update(basis="guesses"), "basis is 'guesses'"),
        (lambda values: values["probability"].update(log_odds=[2.0, -2.0]), "do not rise"),
        (lambda values: values["probability"].update(log_odds=[0.0]), "do not rise"),
        (lambda values: values["probability"].update(similarities=[], log_odds=[]), "do not rise"),
        (lambda values: values["probability"].update(prior=1.0), "do not rise"),
        (lambda values: values["probability"].update(prior="no"), "could not convert"),
        (lambda values: values["probability"].update(prior=10**400), "OverflowError"),
        (lambda values: values["probability"].update(kind="other"), "do not rise"),
        (lambda values: values["probability"].update(similarities=[0.0, 1.5]), "a column does not hold"),
        (lambda values: values["curve"].update(recall=[float("inf")]), "a column does not hold"),
        (lambda values: values["curve"].update(recall=[0.9, 0.5, 1.5]), "a column does not hold"),
        (lambda values: values["curve"].update(precision=[-0.1, 0.5, 0.1]), "a column does not hold"),
        (lambda values: values["curve"].update(similarity=[2.0, 0.5, 0.1]), "a column does not hold"),
        (lambda values: values["curve"].update(similarity=[0.1, 0.2, 0.3]), "the curve does not hold"),
        (lambda values: values["curve"].update(f1=[0.9, 0.5]), "the curve does not hold"),
        (lambda values: values.update(curve={name: [] for name in CURVE}), "the curve does not hold"),
        (lambda values: values.update(bands=3), "TypeError"),
        (lambda values: values.update(bands=[{"name": "same thing"}]), "KeyError: 'similarity'"),
        (lambda values: values.update(bands=cuts(0.5, 0.7)), "the bands do not fall"),
        (lambda values: values.update(bands=cuts(float("nan"))), "a column does not hold"),
        (lambda values: values.update(bands=cuts(1.5, 0.7)), "a column does not hold"),
    ],
    ids=[str(number) for number in range(27)],
)
def test_a_damaged_file_is_named(
    tmp_path: Path, change: Callable[[dict[str, Any]], object], saw: str
) -> None:
    path = calibration_file(tmp_path)
    write_calibration(path, calibration())
    values = json.loads(path.read_text())
    change(values)
    path.write_text(json.dumps(values))
    with pytest.raises(ModelError, match=rf"damaged - .*calibration\.json - saw .*{saw}.*make it again"):
        read_calibration(path, fingerprint="abc")


def test_half_a_file_and_another_format_are_named(tmp_path: Path) -> None:
    path = calibration_file(tmp_path)
    path.write_text("{")
    with pytest.raises(ModelError, match="the calibration is damaged"):
        read_calibration(path, fingerprint="abc")
    path.write_text("[" * 10**6)
    with pytest.raises(ModelError, match="the calibration is damaged"):
        read_calibration(path, fingerprint="abc")
    path.write_text('{"format": 2}')
    with pytest.raises(ModelError, match=r"another format version - .* saw format 2, wanted format 1"):
        read_calibration(path, fingerprint="abc")


@pytest.mark.parametrize(
    ("similarity", "name"),
    [
        (1.0, "same picture"),
        (0.95, "same picture"),
        (0.9499, "same thing"),
        (0.2, "related"),
        (0.1, "different"),
    ],
)
def test_bands_have_their_lower_end(similarity: float, name: str) -> None:
    assert calibration(bands=BANDS).band(similarity) == name
    assert calibration().band(similarity) is None


def test_curve_as_csv() -> None:
    lines = curve_csv(calibration()).splitlines()
    assert lines[0] == ",".join(CURVE) == "similarity,precision,recall,f1,false_match_rate"
    assert lines[1:] == [",".join([value] * 5) for value in ("0.9", "0.5", "0.1")]
