"""What a calibration leaves in a model folder beside thresholds: its curve, probabilities and named bands.

They lie in calibration.json, bound to the fingerprint of the model that they were measured with. A file
enters; a record leaves that everything after can rely on, or a ModelError. How they are made is not known
here, nor is a match decided.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np

from lookalike.errors import ModelError
from lookalike.files import write_atomically
from lookalike.judging.probability import Kind, Probability
from lookalike.records import UNIT_TOLERANCE
from lookalike.threshold import BASES

FORMAT = 1
COUNTS = ("same_pairs", "different_pairs", "images", "classes", "groups", "seen")
CURVE = ("similarity", "precision", "recall", "f1", "false_match_rate")
SAME_PICTURE, NEAR_COPY, SAME_THING, RELATED = "same picture", "near copy", "same thing", "related"
DIFFERENT = "different"  # what lies below all bands

Columns = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Band:
    """A name for similarities from one cut up to the next.

    Attributes:
        similarity: the lowest that is called so.
        words: what the cut means and what was measured at it, half a sentence.
    """

    name: str
    similarity: float
    words: str


@dataclass(frozen=True)
class Calibration:
    """All that was measured on the pairs of a calibration.

    Attributes:
        fingerprint: of the model whose similarities these are.
        basis: "labels" or "copies", as of a Threshold; split, same_pairs, different_pairs, images, classes,
            groups, seen: likewise.
        probability: that a pair is the same, for each similarity.
        curve: the columns of CURVE, each [t], similarity falling; a few hundred thresholds.
        bands: the highest first.
    """

    fingerprint: str
    basis: str
    split: str
    same_pairs: int
    different_pairs: int
    images: int
    classes: int
    groups: int
    seen: int
    probability: Probability
    curve: Columns
    bands: tuple[Band, ...] = ()

    def band(self, similarity: float) -> str | None:
        """The name of the band that a similarity lies in; None where there are no bands."""
        if not self.bands:
            return None
        return next((band.name for band in self.bands if similarity >= band.similarity), DIFFERENT)


def calibration_file(folder: Path, *, dimensions: int | None = None) -> Path:
    """Where the calibration of a model folder lies; that of a shortened model lies beside it."""
    return folder / ("calibration.json" if dimensions is None else f"calibration_{dimensions}.json")


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    values = {"format": FORMAT, **asdict(calibration)}
    write_atomically(path, json.dumps(values, ensure_ascii=False, allow_nan=False).encode())


def read_calibration(path: Path, *, fingerprint: str) -> Calibration | None:
    """Read what `write_calibration` wrote; None where there is no file.

    Args:
        fingerprint: of the model that the similarities of now come from.

    Raises:
        ModelError: the file is damaged, of another format version, or was made for another model.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        version = values["format"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise _damaged(path, str(error) or type(error).__name__) from error
    if version != FORMAT:
        what, do = "the calibration is of another format version", "update lookalike, or calibrate again"
        raise ModelError(what, where=path, saw=f"format {version}", wanted=f"format {FORMAT}", do=do)
    try:
        calibration = calibration_from(values)
    except (ValueError, KeyError, TypeError, OverflowError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error
    if calibration.fingerprint != fingerprint:
        raise made_for_another(path, saw=calibration.fingerprint, wanted=fingerprint)
    return calibration


def curve_csv(calibration: Calibration) -> str:
    """The curve as CSV, a line for each threshold."""
    lines = [
        ",".join(f"{value:.9g}" for value in row) for row in zip(*calibration.curve.values(), strict=True)
    ]
    return "\n".join([",".join(calibration.curve), *lines, ""])


def made_for_another(where: object, *, saw: str, wanted: str) -> ModelError:
    """The error of a threshold or calibration that lies beside a model that it was not made for."""
    return ModelError(
        "the calibration was made for another model",
        where=where,
        saw=f"fingerprint {saw[:12]}",
        wanted=wanted[:12],
        do="make it again: lookalike calibrate MODEL DATA",
    )


def calibration_from(values: Mapping[str, Any]) -> Calibration:
    """The calibration of plain values, as `asdict` gives them; raises what Python does where it is none."""
    same, different, images, classes, groups, seen = (_count(values, name) for name in COUNTS)
    if values["basis"] not in BASES:
        raise ValueError(f"basis is {values['basis']!r}")
    return Calibration(
        str(values["fingerprint"]),
        values["basis"],
        str(values["split"]),
        same,
        different,
        images,
        classes,
        groups,
        seen,
        probability=_probability(values["probability"]),
        curve=_curve(values["curve"]),
        bands=_bands(values["bands"]),
    )


def _count(values: Mapping[str, Any], name: str) -> int:
    count = values[name]
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise ValueError(f"{name} is {count!r}, no count")
    return count


def _curve(values: Mapping[str, Any]) -> Columns:
    similarity = _numbers(values["similarity"], low=-1.0, high=1.0)
    shares = {name: _numbers(values[name], low=0.0, high=1.0) for name in CURVE[1:]}
    columns = {"similarity": similarity, **shares}
    if not similarity or len({len(column) for column in columns.values()}) > 1 or not _falls(similarity):
        raise ValueError("the curve does not hold what it should")
    return columns


def _bands(values: Any) -> tuple[Band, ...]:
    bands = tuple(Band(str(each["name"]), float(each["similarity"]), str(each["words"])) for each in values)
    reach = 1.0 + UNIT_TOLERANCE  # cuts of copies are similarities, which are rounded
    if not _falls(_numbers([band.similarity for band in bands], low=-reach, high=reach)):
        raise ValueError("the bands do not fall")
    return bands


def _probability(values: Mapping[str, Any]) -> Probability:
    similarities = _numbers(values["similarities"], low=-1.0, high=1.0)
    odds = _numbers(values["log_odds"], low=-math.inf, high=math.inf)
    prior = float(values["prior"])
    rises = _falls(similarities[::-1]) and np.all(np.diff(odds) >= 0) and values["kind"] in get_args(Kind)
    if not similarities or len(similarities) != len(odds) or not rises or not 0.0 < prior < 1.0:
        raise ValueError("the probabilities do not rise with the similarity")
    return Probability(similarities, odds, prior, str(values["kind"]))


def _numbers(values: Any, *, low: float, high: float) -> tuple[float, ...]:
    numbers = tuple(float(value) for value in values)
    if not all(math.isfinite(value) and low <= value <= high for value in numbers):
        raise ValueError("a column does not hold what it should")
    return numbers


def _falls(values: Sequence[float]) -> bool:
    return all(first > second for first, second in pairwise(values))


def _damaged(path: Path, saw: str) -> ModelError:
    return ModelError(
        "the calibration is damaged",
        where=path,
        saw=saw.partition("\n")[0][:200],
        wanted="what lookalike calibrate wrote",
        do="make it again: lookalike calibrate MODEL DATA",
    )
