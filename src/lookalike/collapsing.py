"""Answers that are one picture, folded into one: hits with their vectors enter; fewer hits leave.

A hit is folded into the first hit above it that it is a copy of. Each is compared with those that stay, never
with those that were folded, so there are no chains: what was folded into a hit is a copy of that very hit.
Nothing is searched here, and no picture is opened.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from lookalike.judging.calibrated import NEAR_COPY
from lookalike.judging.similarity import cosine
from lookalike.models.model import Model
from lookalike.models.verdicts import calibration_of
from lookalike.records import Floats, Hit

ALIKE = 0.95  # from which on two hits are called copies by a model that has no band for them


def copies_from(model: Model) -> float:
    """The similarity from which on two pictures count as copies of one.

    It is where the model's calibration says that near copies begin, else 0.95.

    Raises:
        ModelError: the calibration is damaged, or was made for another model.
    """
    calibration = calibration_of(model)
    bands = calibration.bands if calibration is not None else ()
    return next((band.similarity for band in bands if band.name == NEAR_COPY), ALIKE)


def collapse(
    hits: Sequence[Hit],
    vectors: Floats,
    contents: Mapping[int, bytes],
    *,
    alike: float,
    most: int,
) -> list[Hit]:
    """Fold copies into the first hit that they are copies of.

    Args:
        hits: c, the best first.
        vectors: [c, d] float32, unit rows, of the hits.
        contents: content hash by id, of all hits.
        alike: two hits are copies where their similarity is at least this, or their files are equal.
        most: >= 1, hits that may stay; all is done when the next one would.

    Returns:
        At most `most` hits in their order, each with the ids of its copies among those that were looked at.
    """
    kept: list[Hit] = []
    rows: list[int] = []
    first: dict[bytes, int] = {}  # content to its place among the kept
    for row, hit in enumerate(hits):
        place = first.get(contents[hit.id])
        if place is None and rows:
            similar = cosine(vectors[rows], vectors[row])  # [kept]
            place = int(np.argmax(similar >= alike)) if (similar >= alike).any() else None
        if place is not None:
            kept[place] = replace(kept[place], copies=(*kept[place].copies, hit.id))
            continue
        if len(kept) == most:
            break
        first[contents[hit.id]] = len(kept)
        kept.append(hit)
        rows.append(row)
    return kept
