"""From similarity to "the same": labelled pairs and a target enter; a threshold and its promise leave.

The promise is about pairs like the ones it was made on: other pictures of other classes from where these
came, mixed alike (with a larger share of different pairs precision falls; the false-match rate does not). It
is refused where the pairs do not support it. What it cannot know is a kind of confusion between classes that
is so rare that no two classes here show it. Nothing is stored here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from lookalike.errors import CalibrationError, EvaluationError
from lookalike.judging.bounds import ErrorShare, error_share
from lookalike.judging.curves import Curve, threshold_curve
from lookalike.judging.pairs import ClassPairs, both_kinds, class_pairs, first_bin, pair_histogram
from lookalike.judging.similarity import Doubles, Ints, class_codes
from lookalike.judging.target import Target as Target
from lookalike.judging.target import all_alike, check_confidence
from lookalike.records import Floats, Labels, PairHistogram, Threshold

BINS = 2**18  # thresholds lie on multiples of 2^-17 (about 8e-6), each exact in float32

_CANDIDATES = 400  # thresholds that are tried, at even steps of the logarithm of the number of matches
_FEWEST_CANDIDATES = 50
_MOST_CELLS = 2**23  # classes x candidates


@dataclass(frozen=True)
class Measured:
    """The pairs of labelled pictures, compared once for whatever is asked of them.

    Attributes:
        histogram: all pairs, in BINS bins.
        curve: what each threshold gives, exact.
        images, classes: of which the pairs are.
        count: gives the pairs of every class between edges of bins.
    """

    histogram: PairHistogram
    curve: Curve
    images: int
    classes: int
    count: Callable[[Doubles], ClassPairs]

    @cached_property
    def by_class(self) -> ClassPairs:
        """The pairs of every class between some hundred thresholds, densest where few pairs match."""
        return self.count(_candidates(self.curve, self.classes))


def choose_threshold(
    vectors: Floats,
    labels: Labels,
    *,
    target: str,
    confidence: float = 0.95,
    identity: Ints | None = None,
    split: str = "val",
) -> Threshold:
    """Choose the lowest similarity that keeps a target (see `Target`) on all pairs of labelled pictures.

    Args:
        vectors, labels: [n, d] float32, rows of unit length, and [n] of any type.
        confidence: of the promise, in (0.5, 1).
        identity: [n] or [n, e] int64; pairs with one code (same file content, same group) are left out.
        split: where the vectors come from, for the record.

    Raises:
        CalibrationError: a wrong target, vectors that are not finite rows of unit length, no same or no
            different pairs, similarities that are all equal, or too little to support the target.
    """
    wanted = Target.parse(target)
    check_confidence(confidence)
    return threshold_of(
        measure(vectors, labels, identity=identity), wanted, confidence=confidence, split=split
    )


def measure(vectors: Floats, labels: Labels, *, identity: Ints | None = None) -> Measured:
    """Compare all pairs of labelled pictures, as `choose_threshold` does.

    Raises:
        CalibrationError: as in `choose_threshold`, as far as it is the pairs' fault.
    """
    try:
        histogram = pair_histogram(vectors, labels, identity=identity, bins=BINS)
    except EvaluationError as error:
        raise _no_calibration(error) from error

    def count(edges: Doubles) -> ClassPairs:
        return class_pairs(vectors, labels, edges=edges, identity=identity, bins=BINS)

    classes = int(class_codes(labels)[0].max()) + 1
    return measured_of(histogram, images=len(vectors), classes=classes, count=count)


def measured_of(
    histogram: PairHistogram, *, images: int, classes: int, count: Callable[[Doubles], ClassPairs]
) -> Measured:
    """Pairs that are counted already, in BINS bins, as `threshold_of` takes them.

    Raises:
        CalibrationError: there are no same or no different pairs, or all are equally alike.
    """
    try:
        curve = threshold_curve(histogram)
    except EvaluationError as error:
        raise _no_calibration(error) from error
    if curve.similarity[0] - curve.similarity[-1] <= 2.0 / BINS:
        saw = f"all pairs with a similarity of {curve.similarity[0]:.4f}"
        raise all_alike(saw=saw, wanted="pairs that are more and less alike")
    return Measured(histogram, curve, images, classes, count)


def threshold_of(
    measured: Measured, target: Target, *, confidence: float = 0.95, split: str = "val"
) -> Threshold:
    """Choose the similarity that keeps a target on pairs that are compared already.

    Raises:
        CalibrationError: there is too little to support the target.
    """
    histogram, bound = measured.histogram, None
    if target.value is None:
        every = measured.curve
        best = every.f1 if target.name == "f1" else every.same + every.different[-1] - every.different
        similarity = _amid(every.similarity, int(np.argmax(best)))
    else:
        kept = kept_threshold(measured.by_class, target, confidence=confidence)
        if kept is None:
            raise _refusal(measured.by_class, target, confidence)
        similarity, shares = kept
        bound = float(shares.bounds(confidence=_one_sided(confidence))[0])
        bound = 1.0 - bound if target.is_floor else bound
    return Threshold(
        similarity,
        target.text,
        **_shares_at(histogram, similarity),
        confidence=None if bound is None else confidence,
        bound=bound,
        images=measured.images,
        classes=measured.classes,
        split=split,
    )


def kept_threshold(
    pairs: ClassPairs, wanted: Target, *, confidence: float
) -> tuple[float, ErrorShare] | None:
    """The threshold that keeps a target and costs least, among the edges of the pairs; its share of errors.

    None where the pairs support none.

    Args:
        wanted: a target with a number.
    """
    edges, shares = _shares(pairs, wanted, _one_sided(confidence))
    supported = np.flatnonzero(shares.supports(wanted.limit, confidence=_one_sided(confidence)))
    if not len(supported):
        return None
    chosen = int(supported[-1])
    return float(edges[chosen]), shares.at(chosen)


def metrics_at(histogram: PairHistogram, similarity: float) -> dict[str, float]:
    """Return what a threshold does to all pairs: shares in [0, 1], and counts.

    Args:
        similarity: pairs match when theirs is >= this. It is exact at the edges of bins; between two edges
            the upper one is taken, so the pairs of one bin all stand or fall.

    Returns:
        precision (0 where nothing matches), recall, f1, false_match_rate, accuracy; and the counts
        right_matches, wrong_matches, missed_matches, right_rejections.

    Raises:
        EvaluationError: there are no same or no different pairs.
    """
    same, different = both_kinds(histogram)
    first = first_bin(similarity, bins=len(same))
    right, wrong = float(same[first:].sum()), float(different[first:].sum())
    missed, rejected = float(same.sum()) - right, float(different.sum()) - wrong
    return {
        "precision": right / max(right + wrong, 1.0),
        "recall": right / (right + missed),
        "f1": 2 * right / (2 * right + wrong + missed),
        "false_match_rate": wrong / (wrong + rejected),
        "accuracy": (right + rejected) / (right + wrong + missed + rejected),
        "right_matches": right,
        "wrong_matches": wrong,
        "missed_matches": missed,
        "right_rejections": rejected,
    }


def _no_calibration(error: EvaluationError) -> CalibrationError:
    return CalibrationError(error.what, where=error.where, saw=error.saw, wanted=error.wanted, do=error.do)


def _amid(edges: Doubles, chosen: int) -> float:
    """The middle of the gap below the pairs that are let in: no pair lies there, so nothing else changes.

    Args:
        edges: lower edges of the bins that hold pairs, falling.
        chosen: the last that is let in.
    """
    if chosen + 1 == len(edges):
        return float(edges[chosen])
    empty = round((edges[chosen] - edges[chosen + 1]) * BINS / 2) - 1  # bins between the two
    return float(edges[chosen] - empty // 2 * (2.0 / BINS))


def _shares_at(histogram: PairHistogram, similarity: float) -> dict[str, Any]:
    every = metrics_at(histogram, similarity)
    shares = {name: every[name] for name in ("precision", "recall", "f1", "false_match_rate")}
    counts = {"same_pairs": histogram.same, "different_pairs": histogram.different}
    return {**shares, **{name: int(part.sum()) for name, part in counts.items()}}


def _candidates(curve: Curve, classes: int) -> Doubles:
    """Thresholds to try, rising from -1; where they lie does not depend on which pairs are right."""
    matches = curve.same + curve.different
    count = max(_FEWEST_CANDIDATES, min(_CANDIDATES, _MOST_CELLS // classes))
    kept = np.searchsorted(matches, np.geomspace(1.0, matches[-1], count))
    return np.unique(np.append(curve.similarity[np.minimum(kept, len(matches) - 1)], -1.0))


def _shares(pairs: ClassPairs, wanted: Target, sure: float) -> tuple[Doubles, ErrorShare]:
    """Thresholds in the order in which errors become more, [t], and their shares of errors."""
    if wanted.name == "recall":
        found = np.cumsum(pairs.same, axis=1, dtype=np.float64)
        every = np.broadcast_to(found[:, -1:], found.shape)
        missed = found - pairs.same
        return pairs.edges, error_share(missed, every, every.sum(axis=0), confidence=sure, ends=1)
    same, wrong = (
        np.cumsum(part[:, ::-1], axis=1, dtype=np.float64) for part in (pairs.same, pairs.different)
    )
    if wanted.name == "precision":
        shares = error_share(wrong, same + wrong, (same + wrong / 2).sum(axis=0), confidence=sure)
    else:
        every = np.broadcast_to(wrong[:, -1:], wrong.shape)
        shares = error_share(wrong, every, every.sum(axis=0) / 2, confidence=sure)
    return pairs.edges[::-1], shares


def _one_sided(confidence: float) -> float:
    """That of one end of the two-sided interval; the spare half pays for choosing among thresholds."""
    return (1.0 + confidence) / 2


def _refusal(pairs: ClassPairs, wanted: Target, confidence: float) -> CalibrationError:
    _, shares = _shares(pairs, wanted, _one_sided(confidence))
    bounds = shares.bounds(confidence=_one_sided(confidence))
    more = float(shares.more_needed(wanted.limit, confidence=_one_sided(confidence)).min())
    nearest = int(np.argmin(bounds))
    seen, bound = float(shares.share[nearest]), float(bounds[nearest])
    counts = {"same": int(pairs.same.sum()), "different": int(pairs.different.sum()) // 2}
    kind, side = "different", "at most"
    if wanted.is_floor:
        kind, side, seen, bound = "same", "at least", 1.0 - seen, 1.0 - bound
    classes = len(pairs.same)
    # pairs of two things grow with the square of their number, pairs of one thing with the number
    things = classes * (more if kind == "same" else more**0.5)
    needed = (
        f"label more pictures of more things: of about {things:,.0f} things instead of {classes:,}, which "
        f"make about {counts[kind] * more:,.0f} {kind} pairs"
        if np.isfinite(more)
        else "train further, as more pictures alone would not help"
    )
    return CalibrationError(
        "the labelled pairs do not support the target",
        where=f"{wanted.name}={wanted.value:g}",
        saw=f"{seen:.4g} at best, which shows {side} {bound:.4g}, on {counts['same']:,} same and "
        f"{counts['different']:,} different pairs of {classes:,} classes",
        wanted=f"{side} {wanted.value:g} with {100 * confidence:g}% confidence",
        do=f"{needed}; or ask for less, for example --target f1 (of a training: --set calibration.target=f1)",
    )
