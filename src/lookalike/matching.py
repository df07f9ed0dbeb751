"""Two pictures, one verdict: MATCH or NO MATCH at a threshold that was calibrated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lookalike.composing import Given, Picture
from lookalike.errors import ImageError
from lookalike.judging.similarity import cosine
from lookalike.models.embedding import embed_chunks
from lookalike.models.model import DEFAULT, Model
from lookalike.models.verdicts import judge_of
from lookalike.records import Floats, Match


def match(
    model: Model, a: Picture, b: Picture, *, threshold: str = DEFAULT, prior: float | None = None
) -> Match:
    """Decide whether two pictures show the same, by the model's notion of the same.

    Args:
        a, b: files, or pictures that are embedded already.
        threshold: the name of one of the model's thresholds.
        prior: share of same pairs among those that are asked about, for the probability; None: as among the
            pairs of the calibration.

    Raises:
        ModelError: the model has no threshold of that name, or it was made for another model.
        CalibrationError: the prior is not between 0 and 1.
        ImageError: one of the pictures cannot be used.
    """
    required = model.require_threshold(threshold)
    judge = judge_of(model, threshold=threshold, prior=prior)
    vectors = _vectors(model, (a, b))
    similarity = float(cosine(vectors[:1], vectors[1:])[0])
    (verdict,) = judge.verdicts([similarity])
    return Match(
        a=_name(a),
        b=_name(b),
        similarity=similarity,
        threshold=required,
        probability=verdict.probability,
        prior=judge.share,
        band=verdict.band,
    )


def _name(picture: Picture) -> str:
    return picture.name if isinstance(picture, Given) else str(picture)


def _vectors(model: Model, pictures: Sequence[Picture]) -> Floats:
    """[n, d] unit rows."""
    files = [Path(picture) for picture in pictures if not isinstance(picture, Given)]
    embedded = iter(_embedded(model, files) if files else ())
    return np.stack([each.vector if isinstance(each, Given) else next(embedded) for each in pictures])


def _embedded(model: Model, files: Sequence[Path]) -> Floats:
    chunk = next(embed_chunks(model, files))
    for _, skipped in chunk.skipped:
        raise ImageError(
            "a picture cannot be used",
            reason=skipped.reason,
            where=skipped.path,
            saw=skipped.detail or skipped.reason,
            do="give another picture",
        )
    return chunk.vectors
