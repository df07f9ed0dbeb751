"""From similarity to "the same": labelled pairs and a target enter; a threshold and its promise leave.

The promise is about pairs like the ones it was made on: other pictures of other classes from where these
came, mixed alike (with a larger share of different pairs precision falls; the false-match rate does not). It
is refused where the pairs do not support it. What it cannot know is a kind of confusion between classes that
is so rare that no two classes here show it. Nothing is stored here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.bounds import ErrorShare, error_share
from lookalike.curves import Curve, threshold_curve
from lookalike.errors import CalibrationError, EvaluationError
from lookalike.pairs import ClassPairs, both_kinds, class_pairs, pair_histogram
from lookalike.records import Floats, Labels, PairHistogram, Threshold
from lookalike.similarity import Doubles, Ints, class_codes

BINS = 2**18  # thresholds lie on multiples of 2^-17 (about 8e-6), each exact in float32

_CANDIDATES = 400  # thresholds that are tried, at even steps of the logarithm of the number of matches
_FEWEST_CANDIDATES = 50
_MOST_CELLS = 2**23  # classes x candidates
_NAMES = ("precision", "false-match-rate")


@dataclass(frozen=True)
class Target:
    """What is asked of a threshold.

    f1: the best balance of precision and recall; nothing is promised. precision=x: at least x of the matches
    are right. false-match-rate=x: at most x of the different pairs match. For these two the worse end of the
    (two-sided) confidence interval must keep x: a refusal is better than a wrong promise.

    Attributes:
        name: "f1", "precision" or "false-match-rate".
        value: the floor of precision or the ceiling of the rate, in (0, 1); None for f1.
    """

    name: str
    value: float | None = None

    @classmethod
    def parse(cls, text: str) -> Target:
        """Read "f1", "precision=0.99" or "false-match-rate=0.001".

        Raises:
            CalibrationError: it is none of these, or the number is not between 0 and 1.
        """
        name, _, number = text.strip().partition("=")
        if text.strip() == "f1":
            return cls("f1")
        try:
            value = float(number) if name in _NAMES else np.nan
        except ValueError:
            value = np.nan
        if not 0.0 < value < 1.0:
            raise CalibrationError(
                "the target is not understood",
                where="target",
                saw=repr(text),
                wanted="f1, precision=x or false-match-rate=x with x between 0 and 1",
                do="for example --target precision=0.99 or --target false-match-rate=0.001",
            )
        return cls(name, value)

    @property
    def limit(self) -> float:
        """The share of errors that is allowed: of the matches, or of the different pairs."""
        value = self.value or 0.0
        return 1.0 - value if self.name == "precision" else value


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
    _check_confidence(confidence)
    histogram, curve = _count(vectors, labels, identity)
    classes = int(class_codes(labels)[0].max()) + 1
    similarity, bound = float(curve.similarity[np.argmax(curve.f1)]), None
    if wanted.name != "f1":
        edges = _candidates(curve, classes)
        pairs = class_pairs(vectors, labels, edges=edges, identity=identity, bins=BINS)
        similarity, bound = _promised(pairs, wanted, confidence)
    return Threshold(
        similarity,
        target.strip(),
        **_measured(histogram, similarity),
        confidence=None if bound is None else confidence,
        bound=bound,
        images=len(vectors),
        classes=classes,
        split=split,
    )


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
    first = int(np.clip(np.ceil((similarity + 1.0) * (len(same) / 2)), 0, len(same)))
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


def _count(vectors: Floats, labels: Labels, identity: Ints | None) -> tuple[PairHistogram, Curve]:
    try:
        histogram = pair_histogram(vectors, labels, identity=identity, bins=BINS)
        curve = threshold_curve(histogram)
    except EvaluationError as error:
        raise CalibrationError(
            error.what, where=error.where, saw=error.saw, wanted=error.wanted, do=error.do
        ) from error
    if curve.similarity[0] - curve.similarity[-1] <= 2.0 / BINS:
        raise CalibrationError(
            "no threshold can tell anything apart",
            where="vectors",
            saw=f"all pairs with a similarity of {curve.similarity[0]:.4f}",
            wanted="pairs that are more and less alike",
            do="train again: this model gives every picture the same embedding",
        )
    return histogram, curve


def _measured(histogram: PairHistogram, similarity: float) -> dict[str, Any]:
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


def _promised(pairs: ClassPairs, wanted: Target, confidence: float) -> tuple[float, float]:
    """The lowest threshold whose bound keeps the target, and that bound."""
    falling = pairs.edges[::-1]
    sure = _one_sided(confidence)
    same, wrong = (
        np.cumsum(part[:, ::-1], axis=1, dtype=np.float64) for part in (pairs.same, pairs.different)
    )
    if wanted.name == "precision":
        shares = error_share(wrong, same + wrong, (same + wrong / 2).sum(axis=0), confidence=sure)
    else:
        every = np.broadcast_to(wrong[:, -1:], wrong.shape)
        shares = error_share(wrong, every, every.sum(axis=0) / 2, confidence=sure)
    supported = np.flatnonzero(shares.supports(wanted.limit, confidence=sure))
    if not len(supported):
        raise _refusal(pairs, shares, wanted, confidence)
    chosen = int(supported[-1])
    bound = float(shares.at(chosen).bounds(confidence=sure)[0])
    return float(falling[chosen]), 1.0 - bound if wanted.name == "precision" else bound


def _one_sided(confidence: float) -> float:
    """That of one end of the two-sided interval; the spare half pays for choosing among thresholds."""
    return (1.0 + confidence) / 2


def _refusal(pairs: ClassPairs, shares: ErrorShare, wanted: Target, confidence: float) -> CalibrationError:
    bounds = shares.bounds(confidence=_one_sided(confidence))
    more = float(shares.more_needed(wanted.limit, confidence=_one_sided(confidence)).min())
    nearest = int(np.argmin(bounds))
    seen, bound = float(shares.share[nearest]), float(bounds[nearest])
    counts = {"same": int(pairs.same.sum()), "different": int(pairs.different.sum()) // 2}
    if wanted.name == "precision":
        kind, side, seen, bound = "same", "at least", 1.0 - seen, 1.0 - bound
    else:
        kind, side = "different", "at most"
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


def _check_confidence(confidence: float) -> None:
    if not 0.5 < confidence < 1.0:
        raise CalibrationError(
            "the confidence does not fit",
            where="confidence",
            saw=f"{confidence:g}",
            wanted="between 0.5 and 1",
            do="for example --confidence 0.95",
        )
