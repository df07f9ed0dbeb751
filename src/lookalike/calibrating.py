"""The verb calibrate: a table and a model enter; a threshold leaves, and is kept in the model.

With it are kept the curve of all thresholds, the probability of a match and the named bands. Which similarity
it is, and what it promises, is calibration's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from lookalike.errors import CalibrationError, ModelError, TableError
from lookalike.evaluation import left_out, part_of
from lookalike.judging.calibrated import Band, Calibration
from lookalike.judging.calibration import Measured, measure, threshold_of
from lookalike.judging.curves import threshold_curve
from lookalike.judging.probability import fit_probability
from lookalike.judging.similarity import Doubles, Ints
from lookalike.judging.target import Target, check_confidence, check_name
from lookalike.models.bands import bands_of
from lookalike.models.card import refresh_threshold
from lookalike.models.copies import Copies, embed_copies
from lookalike.models.embedding import embed_table
from lookalike.models.model import DEFAULT, Model
from lookalike.models.verdicts import calibration_of, keep_calibration
from lookalike.records import Floats, Labels, Progress, Skipped, Threshold
from lookalike.tables.roles import check_answers, pair_exclusions, roles_of
from lookalike.tables.table import ImageTable
from lookalike.threshold import COPIES

POINTS = 300  # thresholds of the curve that is kept
OF_IDENTIFYING = "identify"  # the usual name of a threshold for the other question

_OF_NEW_PICTURES = (
    "name others, for example --split val of the run's split.parquet; or --target f1, which promises nothing"
)

Tell = Callable[[Sequence[Skipped]], object]
TellMeasured = Callable[[Calibration], object]


@dataclass(frozen=True)
class _Sample:
    """What pairs are made of: vectors with labels, and what is known of their pictures."""

    vectors: Floats
    labels: Labels
    hashes: tuple[bytes, ...]  # of the pictures
    identity: Ints | None = None
    groups: int = 0
    copies: Copies | None = None
    basis: str = "labels"


def calibrate(
    model: Model,
    table: ImageTable,
    *,
    split: str = "val",
    target: str = "f1",
    confidence: float = 0.95,
    name: str = DEFAULT,
    copies: bool = False,
    bands: bool = False,
    progress: Progress | None = None,
    skipped: Tell = lambda _: None,
    measured: TellMeasured = lambda _: None,
) -> Threshold:
    """Choose the similarity that means "the same" on labelled pairs, and store it in the model.

    Pairs of one group are left out; where rows have roles, a pair is a query and a picture of the gallery.
    The threshold "default" brings the model's calibration.json up to date; a further one leaves it as it is.

    Args:
        split: where the pairs come from; never test, which is for reporting. A table without splits is
            taken whole.
        target: "f1" or "accuracy" for the best of it, "precision=0.99" (of the matches), "recall=0.9" (of
            same pairs) or "false-match-rate=0.001" (of different pairs).
        confidence: with which the promise holds.
        name: under which the model keeps it; "default" is the one that `match` and `search` use, and
            "identify" is not for two pictures.
        copies: look at no label: same pairs are edited copies of one picture, against other pictures.
        bands: edit copies of the pictures too, to tell same picture and near copy from same thing.
        skipped: told which pictures could not be used, before the threshold is chosen.
        measured: told what was measured on these pairs, also where the model does not keep it; its bands
            begin at this threshold.

    Raises:
        CalibrationError: the target is not understood, or the pairs do not support it; a promise is asked of
            pictures most of which the model was trained on; the split is test; bands are asked of another
            name than the default; or the name is none.
        TableError, EvaluationError: as in `evaluate`.
    """
    wanted = Target.parse(target)
    check_confidence(confidence)
    _check_name(name, bands=bands)
    part = _part_of(table, split)
    sample = (_copied if copies else _labelled)(model, part, progress, skipped)
    if bands and not copies:
        sample = replace(sample, copies=embed_copies(model, part, progress=progress))
    where = f"{wanted.text} on {split}"
    seen = count_seen(model, sample.hashes, wanted, where=where, do=_OF_NEW_PICTURES)
    pairs = measure(sample.vectors, sample.labels, identity=sample.identity)
    threshold = threshold_of(pairs, wanted, confidence=confidence, split=split)
    threshold = replace(
        threshold,
        images=len(sample.hashes),
        split=split if table.has_splits else "all",
        seen=seen,
        basis=sample.basis,
        groups=sample.groups,
        fingerprint=model.fingerprint,
    )
    measured(keep_threshold(model, threshold, pairs, copies=sample.copies, name=name))
    return threshold


def count_seen(model: Model, hashes: Sequence[bytes], wanted: Target, *, where: object, do: str) -> int:
    """How many of the pictures the model was trained on.

    Args:
        where, do: of the error, where they are too many.

    Raises:
        CalibrationError: a promise is asked of pictures most of which it was trained on.
    """
    seen = model.count_seen(hashes)
    if wanted.value is not None and 2 * seen > len(hashes):
        raise _trained_on(seen, len(hashes), where=where, do=do)
    return seen


def _check_name(name: str, *, bands: bool) -> None:
    check_name(name, but=OF_IDENTIFYING)
    if bands and name != DEFAULT:
        raise _not_of_default(name)


def _part_of(table: ImageTable, split: str) -> ImageTable:
    if split == "test" and table.has_splits:
        raise _for_reporting()
    return part_of(table, split)


def _labelled(model: Model, part: ImageTable, progress: Progress | None, skipped: Tell) -> _Sample:
    if len(part) and part.frame["label"].null_count() == len(part):
        raise TableError(
            "the table has no labels",
            where=part.source,
            saw=f"{len(part):,} pictures without one",
            do="put each thing's pictures in a folder of its own, or calibrate on copies of the pictures: "
            "lookalike calibrate MODEL DATA --copies",
        )
    check_answers(part)
    embedded = embed_table(model, part, progress=progress)
    skipped(left_out(part, embedded))
    usable = part.take(embedded.rows)
    return _Sample(
        embedded.embeddings.vectors,
        usable.labels,
        embedded.hashes,
        identity=pair_exclusions(usable, identity=embedded.identity),
        groups=roles_of(usable).groups,
    )


def _copied(model: Model, part: ImageTable, progress: Progress | None, skipped: Tell) -> _Sample:
    copies = embed_copies(model, part, progress=progress)
    unread = (replace(entry, path=str(part.root / entry.path)) for entry in part.skipped)
    skipped((*unread, *copies.skipped))
    vectors, pictures = copies.stacked()
    return _Sample(vectors, pictures, copies.hashes, copies=copies, basis=COPIES)


def keep_threshold(
    model: Model, threshold: Threshold, pairs: Measured, *, name: str, copies: Copies | None = None
) -> Calibration:
    """Store the threshold, and what was measured with it where it is the one that `match` uses."""
    before = calibration_before(model)
    kept = before.bands if name == DEFAULT and before and before.basis == threshold.basis else ()
    bands = bands_of(threshold, pairs.histogram, copies=copies, kept=kept)
    calibration = _calibration(threshold, pairs, bands=bands)
    if name == DEFAULT or before is None:
        keep_calibration(model, calibration)
    model.set_threshold(threshold, name=name)
    refresh_threshold(model)
    return calibration


def _calibration(threshold: Threshold, pairs: Measured, *, bands: tuple[Band, ...]) -> Calibration:
    curve = threshold_curve(pairs.histogram, points=POINTS)
    return Calibration(
        threshold.fingerprint,
        threshold.basis,
        threshold.split,
        threshold.same_pairs,
        threshold.different_pairs,
        threshold.images,
        threshold.classes,
        threshold.groups,
        threshold.seen,
        probability=fit_probability(pairs.by_class, images=threshold.images),
        curve={
            "similarity": _numbers(curve.similarity),
            "precision": _numbers(curve.precision),
            "recall": _numbers(curve.recall),
            "f1": _numbers(curve.f1),
            "false_match_rate": _numbers(curve.false_match_rate),
        },
        bands=bands,
    )


def calibration_before(model: Model) -> Calibration | None:
    """What an earlier calibration of this model measured; one that does not fit is made anew."""
    try:
        return calibration_of(model)
    except ModelError:
        return None


def _numbers(column: Doubles) -> tuple[float, ...]:
    return tuple(column.tolist())


def _for_reporting() -> CalibrationError:
    return CalibrationError(
        "a threshold is chosen on val, never on the pictures it is judged by",
        where="--split",
        saw="test",
        wanted="val, whose pictures no figure is told of",
        do="name --split val (a table without splits is taken whole)",
    )


def _not_of_default(name: str) -> CalibrationError:
    return CalibrationError(
        "bands begin at the threshold default",
        where="--bands",
        saw=name,
        wanted=DEFAULT,
        do="leave out --bands, or --name",
    )


def _trained_on(seen: int, images: int, *, where: object, do: str) -> CalibrationError:
    return CalibrationError(
        "pictures that the model was trained on support no promise",
        where=where,
        saw=f"{seen:,} of {images:,} pictures trained on",
        wanted="pictures that are new to the model",
        do=do,
    )
