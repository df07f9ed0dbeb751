"""From similarity to "the same": labelled pairs and a target enter; a threshold and its promise leave.

The promise is about pairs like the ones it was made on: other pictures of other classes from where these
came, mixed alike (with a larger share of different pairs precision falls; the false-match rate does not). It
is refused where the pairs do not support it. What it cannot know is a kind of confusion between classes that
is so rare that no two classes here show it. Nothing is stored here.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    """Choose the lowest similarity that keeps a target, from all pairs of labelled pictures.

    f1 takes the threshold with the best F1 and promises nothing. The others take the lowest threshold whose
    upper confidence bound on the share of errors holds the target; a refusal is better than a wrong promise.

    Args:
        vectors: [n, d] float32, rows of unit length.
        labels: [n] of any type.
        target: "f1"; "precision=x": at least x of the matches are right; "false-match-rate=x": at most x
            of the different pairs match.
        confidence: of the promise, in (0.5, 1).
        identity: [n] int64; pairs with one code (the same file content) are left out.
        split: where the vectors come from, for the record.

    Raises:
        CalibrationError: a target that is not understood, vectors that are not finite rows of unit length,
            no same or no different pairs, similarities that are all equal, or too little to support the
            target; the message then says how many pairs it would take.
    """
    wanted = Target.parse(target)
    _check_confidence(confidence)
    try:
        histogram = pair_histogram(vectors, labels, identity=identity, bins=BINS)
        curve = threshold_curve(histogram)
    except EvaluationError as error:
        raise _as_calibration_error(error) from error
    _check_spread(curve)
    if wanted.value is None:
        similarity, bound = float(curve.similarity[np.argmax(curve.f1)]), None
    else:
        edges = _candidates(curve, classes=len(np.unique(class_codes(labels)[0])))
        pairs = class_pairs(vectors, labels, edges=edges, identity=identity, bins=BINS)
        similarity, bound = _promised(pairs, wanted, confidence)
    measured = metrics_at(histogram, similarity)
    return Threshold(
        similarity=similarity,
        target=target.strip(),
        **{name: measured[name] for name in ("precision", "recall", "f1", "false_match_rate")},
        confidence=None if bound is None else confidence,
        bound=bound,
        same_pairs=int(histogram.same.sum()),
        different_pairs=int(histogram.different.sum()),
        images=len(vectors),
        classes=len(np.unique(class_codes(labels)[0])),
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


def _candidates(curve: Curve, *, classes: int) -> Doubles:
    """Thresholds to try, rising from -1; where they lie does not depend on which pairs are right."""
    matches = curve.same + curve.different
    count = max(_FEWEST_CANDIDATES, min(_CANDIDATES, _MOST_CELLS // classes))
    kept = np.searchsorted(matches, np.geomspace(1.0, matches[-1], count))
    return np.unique(np.append(curve.similarity[np.minimum(kept, len(matches) - 1)], -1.0))


def _promised(pairs: ClassPairs, wanted: Target, confidence: float) -> tuple[float, float]:
    """The lowest threshold whose bound keeps the target, and that bound."""
    falling = pairs.edges[::-1]
    same, wrong = (
        np.cumsum(part[:, ::-1], axis=1, dtype=np.float64) for part in (pairs.same, pairs.different)
    )
    if wanted.name == "precision":
        shares = error_share(wrong, same + wrong, (same + wrong / 2).sum(axis=0), confidence=confidence)
    else:
        every = np.broadcast_to(wrong[:, -1:], wrong.shape)
        shares = error_share(wrong, every, every.sum(axis=0) / 2, confidence=confidence)
    supported = np.flatnonzero(shares.supports(wanted.limit, confidence=confidence))
    if not len(supported):
        raise _refusal(pairs, shares, wanted, confidence)
    chosen = int(supported[-1])
    bound = shares.bound(chosen, confidence=confidence)
    return float(falling[chosen]), 1.0 - bound if wanted.name == "precision" else bound


def _refusal(pairs: ClassPairs, shares: ErrorShare, wanted: Target, confidence: float) -> CalibrationError:
    more = shares.more_needed(wanted.limit, confidence=confidence)
    nearest = int(np.argmin(more) if np.isfinite(more).any() else np.argmin(shares.share))
    share, bound = float(shares.share[nearest]), shares.bound(nearest, confidence=confidence)
    counts = {"same": int(pairs.same.sum()), "different": int(pairs.different.sum()) // 2}
    kind = "same" if wanted.name == "precision" else "different"
    floor = wanted.name == "precision"
    reached = f"{1 - share:.4g}, for sure {1 - bound:.4g}" if floor else f"{share:.3g}, for sure {bound:.3g}"
    if np.isfinite(more[nearest]):
        needed = f"label more pictures of more things: about {counts[kind] * more[nearest]:,.0f} {kind} pairs"
    else:
        needed = "train further, as more pictures alone would not help"
    return CalibrationError(
        "the labelled pairs do not support the target",
        where=f"{wanted.name}={wanted.value:g}",
        saw=f"{reached} at best, on {counts['same']:,} same and {counts['different']:,} different pairs "
        f"of {len(pairs.same):,} classes",
        wanted=f"{'at least' if floor else 'at most'} {wanted.value:g} with {confidence:.0%} confidence",
        do=f"{needed}; or ask for less, for example --target f1",
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


def _check_spread(curve: Curve) -> None:
    if curve.similarity[0] - curve.similarity[-1] <= 2.0 / BINS:
        raise CalibrationError(
            "no threshold can tell anything apart",
            where="vectors",
            saw=f"all pairs with a similarity of {curve.similarity[0]:.4f}",
            wanted="pairs that are more and less alike",
            do="train again: this model gives every picture the same embedding",
        )


def _as_calibration_error(error: EvaluationError) -> CalibrationError:
    return CalibrationError(error.what, where=error.where, saw=error.saw, wanted=error.wanted, do=error.do)
