"""The verb calibrate for identification: a labelled table and a model enter; a threshold leaves, and is kept
in the model's folder.

Which similarity it is, and what it promises, is open calibration's business.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from lookalike.errors import CalibrationError, ModelError
from lookalike.evaluation import left_out, part_of
from lookalike.judging.decisions import decide
from lookalike.judging.open_calibration import (
    OpenTarget,
    check_open_options,
    choose_open_threshold,
)
from lookalike.judging.open_kept import (
    check_made_for,
    open_thresholds_file,
    read_open_thresholds,
    write_open_thresholds,
)
from lookalike.judging.strangers import ask_twice
from lookalike.models.embedding import embed_table
from lookalike.models.model import DEFAULT, Model
from lookalike.open_threshold import OpenThreshold
from lookalike.records import Progress, Skipped
from lookalike.tables.roles import check_answers, roles_of
from lookalike.tables.table import ImageTable

IDENTIFY = "identify"


def calibrate_identification(
    model: Model,
    table: ImageTable,
    *,
    split: str = "val",
    target: str = "f1",
    vote: int = 1,
    stranger_share: float = 0.5,
    confidence: float = 0.95,
    name: str = IDENTIFY,
    progress: Progress | None = None,
    skipped: Callable[[Sequence[Skipped]], object] = lambda _: None,
) -> OpenThreshold:
    """Choose the similarity from which on a picture counts as a known thing, and keep it in the model.

    Every picture asks twice: as a known thing, only itself left out, and as a stranger, its whole label left
    out of the gallery. Pictures of one group do not answer each other; where rows have roles, queries ask and
    the gallery answers.

    Args:
        split: where the pictures come from; never test, which is for reporting. A table without splits is
            taken whole.
        target: "f1", "accuracy", "precision=0.95" (of what is named) or "false-identification-rate=0.01" (of
            the strangers).
        vote: how many of the nearest pictures vote, 1 to 1,000; 1: the nearest alone decides (see `decide`).
        stranger_share: of all who will ask, in (0, 1): precision, f1 and accuracy depend on it.
        confidence: with which the promise holds, in (0.5, 1).
        name: under which the model keeps it; "identify" is the one that `identify` uses.
        skipped: told which pictures could not be used, before the threshold is chosen.

    Raises:
        CalibrationError: the target or an option is not understood, or the pictures do not support it; a
            promise is asked of pictures most of which the model was trained on; the split is test.
        TableError, EvaluationError: as in `evaluate`, or all pictures are of one label.
    """
    wanted = OpenTarget.parse(target)
    check_open_options(vote=vote, stranger_share=stranger_share, confidence=confidence)
    _check_split(split)
    part = part_of(table, split)
    check_answers(part)
    embedded = embed_table(model, part, progress=progress)
    skipped(left_out(part, embedded))
    seen, vectors = model.count_seen(embedded.hashes), embedded.embeddings.vectors
    if wanted.value is not None:
        _check_new(target, seen, len(embedded.hashes), split=split)
    usable = part.take(embedded.rows)
    roles = roles_of(usable, identity=embedded.identity)
    asked = ask_twice(
        vectors, usable.labels, queries=roles.queries, gallery=roles.gallery, excluded=roles.excluded, k=vote
    )
    threshold = choose_open_threshold(
        decide(asked, vote=vote),
        target=target,
        stranger_share=stranger_share,
        confidence=confidence,
        split=split if table.has_splits else "all",
    )
    return keep_open_threshold(model, replace(threshold, seen=seen), name=name)


def open_thresholds(model: Model) -> dict[str, OpenThreshold]:
    """The thresholds for identification that a model has, by name.

    Raises:
        ModelError: the file that keeps them is damaged.
    """
    return read_open_thresholds(_file(model))


def require_open_threshold(model: Model, name: str = IDENTIFY) -> OpenThreshold:
    """The threshold for identification of a name.

    Raises:
        ModelError: the model has none of that name, or it was made for another model.
    """
    kept = open_thresholds(model)
    if name in kept:
        return check_made_for(_file(model), kept[name], fingerprint=model.fingerprint)
    named = "" if name in (IDENTIFY, DEFAULT) else f" --name {name}"
    other = f"{name}, which is for two pictures; " if name in model.thresholds else ""
    raise ModelError(
        "the model has no threshold for identification" + (" of that name" if named else ""),
        where=model.folder,
        saw=other + (", ".join(kept) or "no calibration for this question"),
        wanted="a similarity from which on a picture is one of the known things" if not named else name,
        do=f"lookalike calibrate {model.folder} DATA --question identification{named}",
    )


def keep_open_threshold(model: Model, threshold: OpenThreshold, *, name: str = IDENTIFY) -> OpenThreshold:
    """Keep a threshold under a name in the model's folder, bound to the model, and return it so."""
    bound = replace(threshold, fingerprint=model.fingerprint)
    write_open_thresholds(_file(model), {**open_thresholds(model), name: bound})
    return bound


def _file(model: Model) -> Path:
    whole = model.dim == model.facts["dim"]
    return open_thresholds_file(model.folder, dimensions=None if whole else model.dim)


def _check_split(split: str) -> None:
    if split == "test":
        raise CalibrationError(
            "a threshold is not chosen on the pictures it is judged by",
            where="--split",
            saw="test",
            wanted="val, whose pictures no figure is told of",
            do="name --split val; for a table without one, lookalike calibrate MODEL OTHER_DATA",
        )


def _check_new(target: str, seen: int, images: int, *, split: str) -> None:
    if 2 * seen > images:
        raise CalibrationError(
            "pictures that the model was trained on support no promise",
            where=f"{target.strip()} on {split}",
            saw=f"{seen:,} of {images:,} pictures trained on",
            wanted="pictures that are new to the model",
            do="name others, for example --split val of the run's split.parquet; or --target f1, which "
            "promises nothing",
        )
