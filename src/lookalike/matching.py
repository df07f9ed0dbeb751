"""Two pictures, one verdict: MATCH or NO MATCH at a threshold that was calibrated."""

from __future__ import annotations

from pathlib import Path

from lookalike.errors import ImageError
from lookalike.judging.similarity import cosine
from lookalike.models.embedding import embed_chunks
from lookalike.models.model import DEFAULT, Model
from lookalike.models.verdicts import judge_of
from lookalike.records import Match


def match(
    model: Model, a: str | Path, b: str | Path, *, threshold: str = DEFAULT, prior: float | None = None
) -> Match:
    """Decide whether two pictures show the same, by the model's notion of the same.

    Args:
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
    paths = [Path(a), Path(b)]
    chunk = next(embed_chunks(model, paths))
    for _, skipped in chunk.skipped:
        raise ImageError(
            "a picture cannot be used",
            reason=skipped.reason,
            where=skipped.path,
            saw=skipped.detail or skipped.reason,
            do="give another picture",
        )
    similarity = float(cosine(chunk.vectors[:1], chunk.vectors[1:])[0])
    (verdict,) = judge.verdicts([similarity])
    return Match(
        a=str(a),
        b=str(b),
        similarity=similarity,
        threshold=required,
        probability=verdict.probability,
        prior=judge.share,
        band=verdict.band,
    )
