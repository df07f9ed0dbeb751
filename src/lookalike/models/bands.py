"""Names for similarities: a threshold, its pairs and copies of pictures enter; named bands leave.

Same thing begins at the match threshold, related where the most alike of different pairs lie. Same picture
and near copy begin where nearly all copies of a picture lie that were saved again, or edited. Where many
other pictures of the same thing lie there too, or the cut does not lie above the next one, it tells nothing
apart, and its band is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from lookalike.judging.calibrated import NEAR_COPY, RELATED, SAME_PICTURE, SAME_THING, Band
from lookalike.judging.calibration import metrics_at
from lookalike.judging.pairs import lower_edges
from lookalike.models.copies import Copies
from lookalike.records import Floats, PairHistogram, Threshold
from lookalike.threshold import BY_HAND, COPIES

REACHED = 0.95  # of copies
OTHERS = 0.05  # of pairs of the same thing: that many at most may be called copies
RELATED_SHARE = 0.05  # of different pairs


def bands_of(
    threshold: Threshold, pairs: PairHistogram, *, copies: Copies | None = None, kept: Sequence[Band] = ()
) -> tuple[Band, ...]:
    """Return the bands of a threshold, the highest first.

    Args:
        pairs: that the threshold was chosen on.
        copies: of pictures like those; None leaves the bands of copies as they are in `kept`.
        kept: of an earlier calibration of the same model.

    Returns:
        Up to four bands with falling cuts. Of a threshold made on copies, near copy begins at it, and none is
        called same thing.
    """
    name = NEAR_COPY if threshold.basis == COPIES else SAME_THING
    own = Band(name, threshold.similarity, words_of(threshold))
    above = {band.name: band for band in (kept if copies is None else _copied(threshold, pairs, copies))}
    related = _related(pairs)
    bands = [related, own] if related.similarity < own.similarity else [own]  # rising
    for higher in (NEAR_COPY, SAME_PICTURE):
        band = above.get(higher)
        if band is not None and higher != name and band.similarity > bands[-1].similarity:
            bands.append(band)
    return tuple(reversed(bands))


def words_of(threshold: Threshold) -> str:
    """What is said of the band that begins at a match threshold."""
    chosen = "set" if threshold.target == BY_HAND else "chosen by"
    return f"the match threshold, {chosen} {threshold.target}"


def moved(bands: Sequence[Band], threshold: Threshold) -> tuple[Band, ...]:
    """The bands of labels as they are once their threshold lies elsewhere, the highest first.

    Bands of copies that begin at it or lower, and what is related from there on, give way.
    """
    own = Band(SAME_THING, threshold.similarity, words_of(threshold))
    others = [band for band in bands if band.name != SAME_THING]
    above = [band for band in others if band.name != RELATED and band.similarity > own.similarity]
    below = [band for band in others if band.name == RELATED and band.similarity < own.similarity]
    return (*above, own, *below)


def left_out(bands: Sequence[Band]) -> str:
    """Which bands of copies are not there, and why, in a sentence; empty where both are."""
    there = {band.name for band in bands}
    missing = [name for name in (SAME_PICTURE, NEAR_COPY) if name not in there]
    if not missing:
        return ""
    return (
        f"No band for {' and '.join(missing)}: to this model such copies are hardly more alike than other "
        "pictures of the same thing"
    )


def reached_by(similarities: Floats, *, share: float) -> float:
    """The highest of these similarities that at least a share of them reach, share in (0, 1].

    >>> reached_by(np.array([0.9, 0.7, 0.8, 0.6], np.float32), share=0.75).__round__(3)
    0.7
    """
    ranked = np.sort(similarities)
    missed = int(np.floor((1.0 - share) * len(ranked) + 1e-9))
    return float(ranked[missed])


def _copied(threshold: Threshold, pairs: PairHistogram, copies: Copies) -> Iterator[Band]:
    for name, kind, done in (
        (SAME_PICTURE, "saved", "saved again or scaled"),
        (NEAR_COPY, "edited", "cropped, lit and turned a little"),
    ):
        cut = reached_by(copies.similarities(kind), share=REACHED)
        seen = metrics_at(pairs, cut)
        if threshold.basis != COPIES and seen["recall"] > OTHERS:
            continue
        others = f"{_percent(seen['false_match_rate'])} of different pairs"
        if threshold.basis != COPIES:
            others = f"{_percent(seen['recall'])} of pairs of the same thing and {others}"
        words = f"{_percent(REACHED)} of copies that were {done} reach it, as do {others}"
        yield Band(name, cut, words)


def _related(pairs: PairHistogram) -> Band:
    """From the lowest edge on that at most a twentieth of the different pairs reach."""
    above = np.cumsum(pairs.different[::-1])[::-1]  # pairs in this bin or a higher one
    first = int(np.argmax(above <= RELATED_SHARE * above[0]))
    words = f"the most alike {_percent(RELATED_SHARE)} of different pairs reach it"
    return Band(RELATED, float(lower_edges(len(above))[first]), words)


def _percent(share: float) -> str:
    return f"{100 * share:.3g}%"
