"""An evaluation as a report page: what was measured, joined with what the table and the model know."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from lookalike.evaluation import Evaluation
from lookalike.model import Model
from lookalike.records import Alarm, PairHistogram
from lookalike.report import ReportPage
from lookalike.table import ImageTable

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
    course: Sequence[Mapping[str, PairHistogram]] = (),
    alarms: Sequence[Alarm] = (),
    notes: Sequence[str] = (),
    candidates: Sequence[Mapping[str, float]] = (),
    recipe: str = "",
) -> ReportPage:
    """Join what a page shows.

    Args:
        table: the whole table, for the sizes of its splits.
        created: when, as it shall be printed.
        history, course, alarms, notes, candidates, recipe: of the training, where it is at hand.
    """
    return ReportPage(
        title=model.name,
        report=evaluation.report,
        pairs=evaluation.pairs,
        baseline_pairs=evaluation.baseline_pairs,
        history=history or {},
        course=course,
        alarms=alarms,
        notes=notes,
        candidates=candidates,
        rows=evaluation.rows,
        worst=evaluation.worst,
        recipe=recipe,
        versions=installed(),
        split_counts=split_counts(table),
        created=created,
    )


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
