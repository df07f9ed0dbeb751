"""From decisions to "known, or none": what was decided, and a target, enter; a threshold leaves.

The promise is about things like those it was made on, asked in a gallery as large as it was there. It is
refused where the pictures do not support it. An error counts for the class that asked and for the class it
was taken for, as either might not have been there: a thing that many strangers look like widens the bound as
much as a stranger that looks like many things. Nothing is stored here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.errors import CalibrationError
from lookalike.judging.bounds import ErrorShare, error_share
from lookalike.judging.decisions import GRID, NOTHING, Decisions, OpenCounts, count_at, open_curve
from lookalike.judging.similarity import Doubles, Ints
from lookalike.open_threshold import OpenThreshold

RATE, PRECISION = "false-identification-rate", "precision"
PROMISED = (PRECISION, RATE)
BEST = ("f1", "accuracy")

_CANDIDATES = 400  # thresholds that are tried, at even steps of the logarithm of what is accepted
_FEWEST_CANDIDATES = 50
_MOST_CELLS = 2**22  # classes x candidates


@dataclass(frozen=True)
class OpenTarget:
    """What is asked of a threshold for identification.

    f1, accuracy: the best of these; nothing is promised. precision=x: at least x of what is named is named
    rightly. false-identification-rate=x: at most x of the strangers are taken for something. For these two
    the worse end of the (two-sided) confidence interval must keep x.

    Attributes:
        name: "f1", "accuracy", "precision" or "false-identification-rate".
        value: the floor of precision or the ceiling of the rate, in (0, 1); None for the others.
    """

    name: str
    value: float | None = None

    @classmethod
    def parse(cls, text: str) -> OpenTarget:
        """Read "f1", "accuracy", "precision=0.95" or "false-identification-rate=0.01".

        Raises:
            CalibrationError: it is none of these, or the number is not between 0 and 1.
        """
        name, _, number = text.strip().partition("=")
        if text.strip() in BEST:
            return cls(name)
        try:
            value = float(number) if name in PROMISED else np.nan
        except ValueError:
            value = np.nan
        if not 0.0 < value < 1.0:
            raise CalibrationError(
                "the target is not understood",
                where="target",
                saw=repr(text),
                wanted=f"{', '.join(BEST)}, {PRECISION}=x or {RATE}=x with x between 0 and 1",
                do=f"for example --target {RATE}=0.01",
            )
        return cls(name, value)

    @property
    def limit(self) -> float:
        """The share of errors that is allowed: of what is named, or of the strangers."""
        value = self.value or 0.0
        return 1.0 - value if self.name == PRECISION else value


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
    _check_between(stranger_share, 0.0, "the share of strangers", option="--strangers 0.5")
    _check_between(confidence, 0.5, "the confidence", option="--confidence 0.95")
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
    edges = _candidates(curve, classes=len(decisions.names))
    shares = (_of_named if wanted.name == PRECISION else _of_strangers)(decisions, edges, curve, sure)
    supported = np.flatnonzero(shares.supports(wanted.limit, confidence=sure))
    if not len(supported):
        raise _refusal(decisions, shares, wanted, confidence=confidence, sure=sure)
    chosen = int(supported[-1])
    bound = float(shares.at(chosen).bounds(confidence=sure)[0])
    return float(edges[::-1][chosen]), 1.0 - bound if wanted.name == PRECISION else bound


def _candidates(curve: OpenCounts, *, classes: int) -> Doubles:
    """Thresholds to try, rising; where they lie does not depend on which decisions are right."""
    accepted = curve.right_accepts + curve.wrong_accepts + curve.false_accepts
    count = max(_FEWEST_CANDIDATES, min(_CANDIDATES, _MOST_CELLS // classes))
    places = np.searchsorted(accepted, np.geomspace(1.0, accepted[-1], count))
    return np.unique(curve.similarity[np.minimum(places, len(accepted) - 1)])


@dataclass(frozen=True)
class _Errors:
    """Wrong decisions, [e]: which class asked, what it was taken for, how surely, and the error's weight."""

    classes: Ints
    taken: Ints
    similarity: Doubles
    weights: Doubles

    @classmethod
    def of_strangers(cls, found: Decisions, weight: float) -> _Errors:
        there = found.stranger_taken != NOTHING
        weights = np.full(int(there.sum()), weight)
        return cls(
            found.classes[there], found.stranger_taken[there], found.stranger_similarity[there], weights
        )

    @classmethod
    def of_known(cls, found: Decisions, weight: float) -> _Errors:
        wrong = found.known & (found.taken != found.classes)
        weights = np.full(int(wrong.sum()), weight)
        return cls(found.classes[wrong], found.taken[wrong], found.similarity[wrong], weights)

    def __add__(self, other: _Errors) -> _Errors:
        mine, theirs = (vars(errors).values() for errors in (self, other))
        return _Errors(*(np.concatenate(both) for both in zip(mine, theirs, strict=True)))

    def by_class(self, edges: Doubles, count: int) -> Doubles:
        """Their weight for either class, [c, t], edges falling."""
        asked = _accepted(self.classes, self.similarity, self.weights, edges, count)
        return asked + _accepted(self.taken, self.similarity, self.weights, edges, count)

    def shared(self, edges: Doubles, count: int) -> Doubles:
        """The squared weight that two classes have in common, summed over all twos; [t], edges falling."""
        twos = np.minimum(self.classes, self.taken) * count + np.maximum(self.classes, self.taken)
        order = np.lexsort((-self.similarity, twos))
        weights, starts = self.weights[order], np.flatnonzero(np.diff(twos[order], prepend=-1))
        before = np.cumsum(weights) - weights
        before -= np.repeat(before[starts], np.diff(np.append(starts, len(order))))
        growth = weights * (2 * before + weights)  # of the square, by each error more
        (shared,) = _accepted(np.zeros_like(twos), self.similarity[order], growth, edges, 1)
        return np.asarray(shared)


def _of_strangers(decisions: Decisions, edges: Doubles, _curve: OpenCounts, sure: float) -> ErrorShare:
    """The share of strangers that are taken for something, at falling thresholds."""
    count = len(decisions.names)
    asked = np.bincount(decisions.classes, minlength=count).astype(np.float64)
    wrong = _Errors.of_strangers(decisions, 1.0)
    trials = np.broadcast_to((asked + asked.sum() / count)[:, None], (count, len(edges)))
    total = np.full(len(edges), asked.sum())
    shared = wrong.shared(edges, count)
    return error_share(wrong.by_class(edges, count), trials, total, confidence=sure, shared=shared)


def _of_named(decisions: Decisions, edges: Doubles, curve: OpenCounts, sure: float) -> ErrorShare:
    """The share of what is named that is named wrongly, at falling thresholds.

    Known things and strangers are weighed by their share of all who ask; the heavier kind counts 1 each.
    """
    count, known = len(decisions.names), decisions.known
    weights = np.array([(1.0 - curve.stranger_share) / known.sum(), curve.stranger_share / len(known)])
    of_known, of_strangers = (weights / weights.max()).tolist()
    wrong = _Errors.of_known(decisions, of_known) + _Errors.of_strangers(decisions, of_strangers)
    right = known & (decisions.taken == decisions.classes)
    weight = np.full(int(right.sum()), of_known)
    named = _accepted(decisions.classes[right], decisions.similarity[right], weight, edges, count)
    errors = wrong.by_class(edges, count)
    total = np.maximum(named.sum(axis=0) + errors.sum(axis=0) / 2, np.finfo(np.float64).tiny)
    return error_share(errors, named + errors, total, confidence=sure, shared=wrong.shared(edges, count))


def _accepted(codes: Ints, similar: Doubles, weights: Doubles, edges: Doubles, count: int) -> Doubles:
    """The weight, by code, of what reaches each edge; [count, t], edges falling."""
    places = np.searchsorted(edges, similar, side="right") - 1  # accepted at this edge and at all lower ones
    counted = places >= 0
    cells = codes[counted] * len(edges) + places[counted]
    found = np.bincount(cells, weights[counted], minlength=count * len(edges)).reshape(count, len(edges))
    return np.asarray(np.cumsum(found[:, ::-1], axis=1))


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
        raise CalibrationError(
            "no threshold can tell anything apart",
            where="vectors",
            saw=f"nearest pictures that are all alike by {curve.similarity[0]:.4f}",
            wanted="known things that are more alike than strangers",
            do="train again: this model gives every picture the same embedding",
        )


def _check_between(value: float, low: float, what: str, *, option: str) -> None:
    if not low < value < 1.0:
        raise CalibrationError(
            f"{what} does not fit",
            where=option.partition(" ")[0],
            saw=f"{value:g}",
            wanted=f"between {low:g} and 1",
            do=f"for example {option}",
        )
