"""What is said of a similarity: whether it matches, how likely the two are the same, and its band.

A model with what its calibration left enters; verdicts on similarities leave. Nothing is measured here.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from lookalike.errors import CalibrationError, ModelError
from lookalike.judging.calibrated import Calibration, calibration_file, read_calibration, write_calibration
from lookalike.judging.probability import check_prior
from lookalike.models.model import DEFAULT, Model
from lookalike.threshold import BY_HAND


class Verdict(NamedTuple):
    """What is said of one similarity; None where the model has nothing to say it by."""

    match: bool | None
    probability: float | None
    band: str | None


@dataclass(frozen=True)
class Judge:
    """Says what similarities mean.

    Attributes:
        limit: from which on a pair matches; None: no threshold.
        calibration: where probabilities and bands come from; None: neither is said.
        prior: share of same pairs among those that are asked about; None: as among the calibration's.
    """

    limit: float | None
    calibration: Calibration | None
    prior: float | None = None

    @property
    def share(self) -> float | None:
        """The share of same pairs that probabilities are taken at; None where none are said."""
        if self.calibration is None:
            return None
        return self.calibration.probability.prior if self.prior is None else self.prior

    def verdicts(self, similarities: Sequence[float]) -> list[Verdict]:
        """One verdict for each similarity."""
        matches = [None if self.limit is None else similarity >= self.limit for similarity in similarities]
        if self.calibration is None:
            return [Verdict(match, None, None) for match in matches]
        likely = self.calibration.probability.at(similarities, prior=self.prior).tolist()
        bands = map(self.calibration.band, similarities)
        return list(map(Verdict, matches, likely, bands))


def lowest_similarity(model: Model, probability: float, *, threshold: str = DEFAULT) -> float:
    """The lowest similarity, in [-1, 1], at which a match is at least as probable as asked for.

    Raises:
        ModelError: as in `judge_of`, or the model has no calibration that gives probabilities.
        CalibrationError: the probability is not between 0 and 1, or no similarity is that probable.
    """
    kept = judge_of(model, threshold=threshold).calibration
    if not 0.0 < probability < 1.0:
        raise CalibrationError(
            "there is no such probability",
            where="probability",
            saw=f"{probability:g}",
            wanted="between 0 and 1, both left out",
            do="for example --probability 0.9",
        )
    if kept is None:
        raise _no_probabilities(model, threshold, option="--probability")
    lowest = kept.probability.reached(probability)
    if lowest is None:
        raise CalibrationError(
            "no similarity makes a match that probable",
            where=f"probability, by the calibration of {model.folder}",
            saw=f"{probability:g}",
            wanted=f"at most {float(kept.probability.at(1.0)):.4f}, which the most alike pairs have",
            do="ask for less, or calibrate with more pictures",
        )
    return lowest


def judge_of(model: Model, *, threshold: str = DEFAULT, prior: float | None = None) -> Judge:
    """The judge of a model's similarities.

    Args:
        threshold: the name of one of the model's thresholds.
        prior: as of a Judge.

    Raises:
        ModelError: the model has no threshold of another name than the default, threshold or calibration are
            damaged or were made for another model, or there is a prior and nothing that it is for.
        CalibrationError: the prior is not between 0 and 1.
    """
    limit, kept = model.limit(threshold), calibration_of(model)
    chosen = model.thresholds.get(threshold)
    if kept is not None and chosen is not None and chosen.basis != kept.basis:
        kept = None  # copies of a picture are another question than labels
    if prior is not None:
        check_prior(prior)
        if kept is None:
            raise _no_probabilities(model, threshold, option="--prior")
    return Judge(limit, kept, prior)


def calibration_of(model: Model) -> Calibration | None:
    """What the model's last calibration measured; None before one.

    Raises:
        ModelError: it is damaged, or was made for another model.
    """
    place = _place(model)
    return _read(place, model.fingerprint, _stamp_of(place))


@lru_cache(maxsize=8)
def _read(path: Path, fingerprint: str, _stamp: tuple[int, ...]) -> Calibration | None:
    """A file that stays as it is, is read once: each of a thousand searches asks for it."""
    return read_calibration(path, fingerprint=fingerprint)


def _stamp_of(path: Path) -> tuple[int, ...]:
    try:
        facts = os.stat(path)  # noqa: PTH116 - once a search
    except OSError:
        return ()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def keep_calibration(model: Model, calibration: Calibration) -> None:
    """Store a calibration in the model's folder, in place of an earlier one."""
    write_calibration(_place(model), calibration)


def in_percent(probability: float) -> str:
    """A probability in (0, 1) as text; never 0 or 100 percent, because none is sure.

    >>> in_percent(0.5), in_percent(0.00001), in_percent(0.99999)
    ('50.0%', '<0.1%', '>99.9%')
    """
    if probability < 0.001:
        return "<0.1%"
    return f"{100 * probability:.1f}%" if probability <= 0.999 else ">99.9%"


def _no_probabilities(model: Model, threshold: str, *, option: str) -> ModelError:
    kept = model.thresholds.get(threshold)
    # the promise that stands is not to be lost
    same = f" --target {kept.target}" if kept and kept.target != BY_HAND else ""
    return ModelError(
        "the model has no probabilities of a match",
        where=model.folder,
        saw=f"none for the threshold {threshold}",
        wanted="those of a calibration",
        do=f"make them: lookalike calibrate {model.folder} DATA{same}; or leave out {option}",
    )


def _place(model: Model) -> Path:
    shortened = model.dim != model.facts["dim"]
    return calibration_file(model.folder, dimensions=model.dim if shortened else None)
