"""From decisions to "known, or none": what was decided, and a target, enter; a threshold leaves.

The promise is about things like those it was made on, asked in a gallery as large as it was there. It is
refused where the pictures do not support it. How many independent errors the errors are worth is another
room's business (open errors). Nothing is stored here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.errors import CalibrationError
from lookalike.judging.bounds import ErrorShare
from lookalike.judging.decisions import GRID, Decisions, OpenCounts, count_at, open_curve
from lookalike.judging.open_errors import candidates, of_named, of_strangers
from lookalike.judging.target import all_alike
from lookalike.open_threshold import MOST_VOTES, OpenThreshold

RATE, PRECISION = "false-identification-rate", "precision"
PROMISED = (PRECISION, RATE)
BEST = ("f1", "accuracy")

_NEAREST = 1e-6  # that a target may come to 0 or 1, where nothing or everything is allowed


@dataclass(frozen=True)
class OpenTarget:
    """What is asked of a threshold for identification.

    f1, accuracy: the best of these; nothing is promised. precision=x: at least x of what is named is named
    rightly. false-identification-rate=x: at most x of the strangers are taken for something. For these two
    the worse end of the (two-sided) confidence interval must keep x.

    Attributes:
        name: "f1", "accuracy", "precision" or "false-identification-rate".
        value: the floor of precision or the ceiling of the rate, in [1e-6, 1 - 1e-6]; None for the others.
    """

    name: str
    value: float | None = None

    @classmethod
    def parse(cls, text: str) -> OpenTarget:
        """Read "f1", "accuracy", "precision=0.95" or "false-identification-rate=0.01".

        Raises:
            CalibrationError: it is none of these, or the number is not between 0 and 1, or all but 0 or 1.
        """
        name, _, number = text.strip().partition("=")
        if text.strip() in BEST:
            return cls(name)
        try:
            value = float(number) if name in PROMISED else np.nan
        except ValueError:
            value = np.nan
        if not _NEAREST <= value <= 1.0 - _NEAREST:
            raise CalibrationError(
                "the target is not understood",
                where="target",
                saw=repr(text),
                wanted=f"{', '.join(BEST)}, {PRECISION}=x or {RATE}=x with x between 0 and 1, "
                f"no nearer to either than {_NEAREST:.0e}",
                do=f"for example --target {RATE}=0.01",
            )
        return cls(name, value)

    @property
    def limit(self) -> float:
        """The share of errors that is allowed: of what is named, or of the strangers."""
        value = self.value or 0.0
        return 1.0 - value if self.name == PRECISION else value


def check_open_options(*, vote: int, stranger_share: float, confidence: float) -> None:
    """Refuse what no threshold for identification can be chosen with.

    Raises:
        CalibrationError: votes outside [1, MOST_VOTES], a share of strangers outside (0, 1) or a confidence
            outside (0.5, 1).
    """
    if not 1 <= vote <= MOST_VOTES:
        raise CalibrationError(
            "the number of votes does not fit",
            where="--vote",
            saw=f"{vote}",
            wanted=f"between 1 and {MOST_VOTES:,}",
            do="for example --vote 5",
        )
    _check_between(stranger_share, 0.0, "the share of strangers", option="--strangers 0.5")
    _check_between(confidence, 0.5, "the confidence", option="--confidence 0.95")


def choose_open_threshold(
    decisions: Decisions,
    *,
    target: str,
    stranger_share: float = 0.5,
    confidence: float = 0.95,
    split: str = "val",
) -> OpenThreshold:
    """Choose the lowest similarity that keeps a target (see `OpenTarget`), or the best one.

    Args:
        stranger_share: of all who will ask, in (0, 1): precision, f1 and accuracy depend on it.
        confidence: of the promise, in (0.5, 1).
        split: where the pictures come from, for the record.

    Raises:
        CalibrationError: a wrong target, share or confidence, similarities that are all equal, or too little
            to support the target.
        EvaluationError: no picture has another of its label.
    """
    wanted = OpenTarget.parse(target)
    check_open_options(vote=decisions.vote, stranger_share=stranger_share, confidence=confidence)
    curve = open_curve(decisions, stranger_share=stranger_share)
    _check_spread(curve)
    if wanted.name in BEST:
        similarity, bound = float(curve.similarity[np.argmax(getattr(curve, wanted.name))]), None
    else:
        similarity, bound = _promised(decisions, curve, wanted, confidence)
    counts = count_at(decisions, similarity, stranger_share=stranger_share)
    return OpenThreshold(
        similarity,
        target.strip(),
        decisions.vote,
        true_identification_rate=float(counts.true_identification_rate),
        wrong_identification_rate=float(counts.wrong_identification_rate),
        false_identification_rate=float(counts.false_identification_rate),
        precision=float(counts.precision),
        f1=float(counts.f1),
        accuracy=float(counts.accuracy),
        stranger_share=stranger_share,
        confidence=None if bound is None else confidence,
        bound=bound,
        known=int(decisions.known.sum()),
        strangers=len(decisions.classes),
        gallery=round(decisions.met),
        images=decisions.images,
        classes=len(decisions.names),
        split=split,
    )


def _promised(
    decisions: Decisions, curve: OpenCounts, wanted: OpenTarget, confidence: float
) -> tuple[float, float]:
    """The lowest threshold whose bound keeps the target, and that bound."""
    sure = (1.0 + confidence) / 2  # of one end; the spare half pays for choosing among thresholds
    edges = candidates(curve, classes=len(decisions.names))
    if wanted.name == PRECISION:
        shares = of_named(decisions, edges, sure, stranger_share=curve.stranger_share)
    else:
        shares = of_strangers(decisions, edges, sure)
    supported = np.flatnonzero(shares.supports(wanted.limit, confidence=sure))
    if not len(supported):
        raise _refusal(decisions, shares, wanted, confidence=confidence, sure=sure)
    chosen = int(supported[-1])
    bound = float(shares.at(chosen).bounds(confidence=sure)[0])
    return float(edges[::-1][chosen]), 1.0 - bound if wanted.name == PRECISION else bound


def _refusal(
    decisions: Decisions, shares: ErrorShare, wanted: OpenTarget, *, confidence: float, sure: float
) -> CalibrationError:
    bounds = shares.bounds(confidence=sure)
    nearest = int(np.argmin(bounds))
    seen, bound = float(shares.share[nearest]), float(bounds[nearest])
    side = "at most"
    if wanted.name == PRECISION:
        side, seen, bound = "at least", 1.0 - seen, 1.0 - bound
    classes = len(np.unique(decisions.classes))
    more = float(shares.more_needed(wanted.limit, confidence=sure).min())
    needed = (
        f"label pictures of more things: about {np.ceil(classes * more):,.0f} instead of {classes:,}"
        if np.isfinite(more)
        else "train further, as more pictures alone would not help"
    )
    return CalibrationError(
        "the labelled pictures do not support the target",
        where=f"{wanted.name}={wanted.value:g}",
        saw=f"{seen:.4g} at best, which shows {side} {bound:.4g}, on {int(decisions.known.sum()):,} known "
        f"and {len(decisions.classes):,} strangers of {classes:,} classes",
        wanted=f"{side} {wanted.value:g} with {100 * confidence:g}% confidence",
        do=f"{needed}; or ask for less, for example --target f1",
    )


def _check_spread(curve: OpenCounts) -> None:
    if curve.similarity[0] - curve.similarity[-1] <= 1.0 / GRID:
        saw = f"nearest pictures that are all alike by {curve.similarity[0]:.4f}"
        raise all_alike(saw=saw, wanted="known things that are more alike than strangers")


def _check_between(value: float, low: float, what: str, *, option: str) -> None:
    if not low < value < 1.0:
        raise CalibrationError(
            f"{what} does not fit",
            where=option.partition(" ")[0],
            saw=f"{value:g}",
            wanted=f"between {low:g} and 1",
            do=f"for example {option}",
        )
