"""The verb calibrate, on pairs that a person decided on: a model and decisions enter; a threshold leaves.

Only those pairs are counted, as they are; no pair is made up of two others. How a threshold is chosen and
what it promises is calibration's business. The promise is about pairs like these: such as were worth asking
about, which are harder to tell than two pictures at random.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lookalike.calibrating import OF_IDENTIFYING, count_seen, keep_threshold
from lookalike.duplicates.agreement import contradictions, things_of
from lookalike.duplicates.deciding import check_agreement
from lookalike.duplicates.decision_files import decision_of, hashes_of, place_of, read_rows
from lookalike.errors import CalibrationError, SkipReason
from lookalike.indexing.schema import Decision
from lookalike.judging.calibrated import Calibration
from lookalike.judging.calibration import threshold_of
from lookalike.judging.given_pairs import measure_pairs
from lookalike.judging.similarity import Doubles
from lookalike.judging.target import Target, check_confidence, check_name
from lookalike.models.embedding import embed_chunks
from lookalike.models.model import DEFAULT, Model
from lookalike.records import Floats, Progress, Skipped, Threshold
from lookalike.threshold import DECISIONS

FEWEST = 30  # pairs of either kind: below, one more pair would move the threshold at will

_OF_NEW_PICTURES = (
    "decide on pairs of pictures that it was not trained on; or --target f1 --name decided, "
    "which promises nothing"
)

Tell = Callable[[Sequence[Skipped]], object]
TellMeasured = Callable[[Calibration], object]


@dataclass(frozen=True)
class _Pictures:
    """Decisions, and the vector of each content that they name and that could be embedded."""

    decisions: list[Decision]
    paths: dict[bytes, str]
    vectors: dict[bytes, Floats]


def calibrate_pairs(
    model: Model,
    pairs: Path,
    *,
    target: str = "f1",
    confidence: float = 0.95,
    name: str | None = None,
    progress: Progress | None = None,
    skipped: Tell = lambda _: None,
    measured: TellMeasured = lambda _: None,
) -> Threshold:
    """Choose the similarity that means "the same" on pairs that somebody decided on, and store it.

    "same" counts as a same pair, "different" as a different one; "keep-both" says neither.

    Args:
        pairs: what `lookalike decisions INDEX --export` wrote, or a CSV or JSON file with first, second and
            verdict; the pictures have to be where it says.
        name: under which the model keeps it; None: the default one, which `match` and `search` use, unless
            that would replace a promise by none.
        target, confidence, progress, skipped, measured: as in `calibrate`.

    Raises:
        TableError: the file cannot be read, or its decisions contradict each other.
        CalibrationError: there are too few pairs of a kind, a promise would be replaced by none without a
            name that says so, or the rest as in `calibrate`.
    """
    wanted = Target.parse(target)
    check_confidence(confidence)
    name = _checked_name(model, name, wanted, pairs)
    pictures = _embedded(model, pairs, progress, skipped)
    check_agreement(contradictions(pictures.decisions), pictures.paths, where=pairs)
    usable = [
        entry
        for entry in pictures.decisions
        if _says_something(entry) and {entry.first, entry.second} <= pictures.vectors.keys()
    ]
    _check_enough(usable, pairs)
    hashes = sorted({digest for entry in usable for digest in (entry.first, entry.second)})
    seen = count_seen(model, hashes, wanted, where=pairs, do=_OF_NEW_PICTURES)
    thing_of = {digest: number for number, thing in enumerate(things_of(usable)) for digest in thing}
    found = measure_pairs(
        _similarities(usable, pictures.vectors),
        np.array([entry.verdict == "same" for entry in usable]),
        np.array([(thing_of[entry.first], thing_of[entry.second]) for entry in usable], np.int64),
        images=len(hashes),
    )
    threshold = replace(
        threshold_of(found, wanted, confidence=confidence, split="all"),
        seen=seen,
        basis=DECISIONS,
        fingerprint=model.fingerprint,
    )
    measured(keep_threshold(model, threshold, found, name=name))
    return threshold


def _checked_name(model: Model, name: str | None, wanted: Target, pairs: Path) -> str:
    before = model.thresholds.get(DEFAULT)
    if name is not None:
        check_name(name, but=OF_IDENTIFYING)
    elif before is not None and before.confidence is not None and wanted.value is None:
        raise CalibrationError(
            "the model's threshold makes a promise, and this one would make none",
            where=pairs,
            saw=f"{wanted.text} in place of {before.target}, measured on {before.images:,} images",
            wanted="a target that promises something, or a name",
            do="keep both by --name decided, ask for a promise, for example --target precision=0.95, "
            "or replace it by --name default",
        )
    return name or DEFAULT


def _embedded(model: Model, pairs: Path, progress: Progress | None, skipped: Tell) -> _Pictures:
    """The decisions with the vectors of their pictures, where these are what was decided on."""
    rows = read_rows(pairs)
    decisions = [decision_of(row, pairs, made="") for row in rows]
    paths = {
        digest: str(place_of(name, pairs))
        for row in rows
        for name, digest in zip((row.first, row.second), hashes_of(row, pairs), strict=True)
        if name
    }
    files = sorted(set(paths.values()))
    vectors: dict[bytes, Floats] = {}
    left_out: list[Skipped] = []
    for chunk in embed_chunks(model, [Path(file) for file in files]):
        left_out += [entry for _, entry in chunk.skipped]
        vectors |= dict(zip(chunk.hashes, chunk.vectors, strict=True))
        if progress is not None:
            progress(int(chunk.rows.max(initial=0)) + 1, len(files))
    needed = {
        digest for entry in decisions if _says_something(entry) for digest in (entry.first, entry.second)
    }
    known = {entry.path for entry in left_out}
    for digest in sorted(needed - vectors.keys()):
        if (place := paths.get(digest, digest.hex())) not in known:
            left_out.append(Skipped(place, SkipReason.MISSING, "no file with what was decided on"))
    skipped(left_out)
    return _Pictures(decisions, paths, vectors)


def _says_something(decision: Decision) -> bool:
    """Whether a model can be right or wrong on it: not on copies byte for byte, nor where both may stay."""
    return decision.verdict != "keep-both" and decision.first != decision.second


def _similarities(decisions: Sequence[Decision], vectors: dict[bytes, Floats]) -> Doubles:
    first, second = (
        np.stack([vectors[getattr(entry, side)] for entry in decisions]).astype(np.float64)
        for side in ("first", "second")
    )
    similarities: Doubles = np.einsum("pd,pd->p", first, second)
    return similarities


def _check_enough(usable: Sequence[Decision], pairs: Path) -> None:
    same = sum(entry.verdict == "same" for entry in usable)
    counts = {"same": same, "different": len(usable) - same}
    missing = {kind: FEWEST - count for kind, count in counts.items() if count < FEWEST}
    if missing:
        raise CalibrationError(
            "there are too few decisions to calibrate on",
            where=pairs,
            saw=" and ".join(f"{count} {kind}" for kind, count in counts.items()) + " with usable pictures",
            wanted=f"at least {FEWEST} of each",
            do="decide on "
            + " and ".join(f"{count} more that are {kind}" for kind, count in missing.items())
            + ": lookalike decide INDEX A B --same or --different",
        )
