"""An evaluation as a report page: what was measured, joined with what the table and the model know."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from lookalike.errors import EvaluationError
from lookalike.evaluation import Evaluation
from lookalike.judging.pairs import ClassPairs, class_pairs, quantile_edges
from lookalike.models.model import DEFAULT, Model
from lookalike.models.verdicts import calibration_of
from lookalike.open_calibrating import open_thresholds
from lookalike.presenting.contents import Places, ReportPage
from lookalike.presenting.highlights import highlights
from lookalike.presenting.projection import project
from lookalike.presenting.reasons import explained
from lookalike.records import Alarm, PairHistogram, Progress
from lookalike.tables.roles import roles_of
from lookalike.tables.table import ImageTable

MOST_PLACES = 2000  # pictures on the map
MOST_COUNTED = 20_000  # pictures whose pairs are counted once more, class by class

RUN_FILES = ("config.yaml", "versions.json")

PACKAGES = (
    "lookalike",
    "numpy",
    "onnxruntime",
    "pillow",
    "torch",
    "torchvision",
    "timm",
    "pytorch-lightning",
)


def report_page(
    evaluation: Evaluation,
    model: Model,
    *,
    table: ImageTable,
    created: str,
    history: Mapping[str, Sequence[float]] | None = None,
    start: Mapping[str, float] | None = None,
    course: Sequence[Mapping[str, PairHistogram]] = (),
    alarms: Sequence[Alarm] = (),
    notes: Sequence[str] = (),
    candidates: Sequence[Mapping[str, float]] = (),
    recipe: str = "",
    seed: int = 0,
    progress: Progress | None = None,
) -> ReportPage:
    """Join what a page shows.

    Args:
        model: asked why some pictures are alike, and for its calibration.
        table: the whole table, for the sizes of its splits.
        created: when, as it shall be printed.
        history, start, course, alarms, notes, candidates, recipe: of the training, where it is at hand; the
            recipe of a model that lies in its run folder is found there.
        seed: of what is drawn from many.
        progress: told after each of the parts that take their time.

    Raises:
        ModelError: the model's calibration is damaged.
    """
    kept = "" if recipe else recipe_beside(model)
    return ReportPage(
        title=model.name,
        report=evaluation.report,
        pairs=evaluation.pairs,
        baseline_pairs=evaluation.baseline_pairs,
        history=history or {},
        start=start or {},
        course=course,
        alarms=alarms,
        notes=notes,
        candidates=candidates,
        rows=evaluation.rows,
        worst=evaluation.worst,
        recipe=recipe or kept,
        beside=bool(kept),
        versions=installed(),
        data=table.fingerprint(),
        trained_on=str((model.facts["training"] or {}).get("data", "")),
        split_counts=split_counts(table),
        class_counts=_class_counts(evaluation.table),
        created=created,
        **_looked_for(evaluation, model, seed=seed, progress=progress),
    )


def _class_counts(table: ImageTable) -> dict[str, int]:
    names, counts = np.unique(table.labels, return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def _looked_for(
    evaluation: Evaluation, model: Model, *, seed: int, progress: Progress | None
) -> dict[str, Any]:
    """The model's thresholds, and the parts that take their time, each told when it is done."""
    calibration = calibration_of(model)
    makers: dict[str, Callable[[], Any]] = {
        "highlights": lambda: highlights(evaluation, seed=seed),
        "explained": lambda: explained(evaluation, model, seed=seed),
        "places": lambda: places(evaluation, seed=seed),
        "class_pairs": lambda: pairs_by_class(evaluation) if calibration else None,
    }
    found: dict[str, Any] = {
        "calibration": calibration,
        "thresholds": {name: kept for name, kept in model.thresholds.items() if name != DEFAULT},
        "identification": open_thresholds(model),
    }
    for done, (name, make) in enumerate(makers.items(), start=1):
        found[name] = make()
        if progress is not None:
            progress(done, len(makers))
    return found


def places(evaluation: Evaluation, *, seed: int) -> Places | None:
    """Where a fair sample of the judged pictures lie; None where they all lie on one place."""
    table = evaluation.table
    count = min(MOST_PLACES, len(table))
    rows = np.sort(np.random.default_rng(seed).choice(len(table), size=count, replace=False))
    try:
        projection = project(evaluation.vectors[rows])
    except EvaluationError:
        return None
    part = table.take(rows)
    return Places(projection, part.labels.tolist(), part.paths, part.boxes)


def pairs_by_class(evaluation: Evaluation) -> ClassPairs | None:
    """The pairs of every class; None for a set so large that counting them again would take its time."""
    if len(evaluation.table) > MOST_COUNTED:
        return None
    labels, roles = evaluation.table.labels, roles_of(evaluation.table)
    edges = quantile_edges(evaluation.pairs)
    return class_pairs(evaluation.vectors, labels, edges=edges, identity=roles.unpaired)


def recipe_beside(model: Model) -> str:
    """The run file of the run folder that a trained model still lies in; empty where it lies elsewhere."""
    run = model.folder.resolve().parent
    if not model.facts["training"] or not all((run / name).is_file() for name in RUN_FILES):
        return ""
    return (run / RUN_FILES[0]).read_text(encoding="utf-8", errors="replace")


def split_counts(table: ImageTable) -> dict[str, tuple[int, int]]:
    """Split to (images, classes)."""
    names = (
        [name for name in ("train", "val", "test") if name in table.splits] if table.has_splits else ["all"]
    )
    parts = {name: table.select(name) for name in names}
    return {name: (len(part), len(np.unique(part.labels))) for name, part in parts.items()}


def installed() -> dict[str, str]:
    """Package to version, of Python and of what the results depend on; missing ones are left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
