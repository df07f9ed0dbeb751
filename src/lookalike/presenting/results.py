"""An evaluation as plain values, for report.json and for `evaluate --json`.

What was measured enters, with what the table and the model know; a mapping leaves that says all that the page
says in figures and words. The page itself, and its pictures, are made elsewhere (report).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lookalike.evaluation import Evaluation
from lookalike.files import write_atomically
from lookalike.judging.curves import average_precision_error, equal_error_rate_error
from lookalike.judging.pairs import roc_auc_error
from lookalike.models.model import Model
from lookalike.presenting.pages import installed, split_counts
from lookalike.presenting.wording import claim, comparison, report_json, skipped_json
from lookalike.records import Alarm
from lookalike.tables.table import ImageTable

RESULTS = "report.json"
MOST_CLASSES = 2000  # that are told one by one


def results(
    evaluation: Evaluation,
    model: Model,
    *,
    table: ImageTable,
    created: str,
    recipe: Mapping[str, Any] | None = None,
    notes: Sequence[str] = (),
    alarms: Sequence[Alarm] = (),
) -> dict[str, Any]:
    """Join what was measured with what it was measured on and made by.

    To what `report_json` gives are added: summary (sentences), per_class (label, queries, recall@1 and map@r,
    worst first; None for more than 2,000 classes), roc_auc_error, average_precision_error and
    equal_error_rate_error (the most that counting pairs in bins costs these figures), data (the fingerprint
    of the table, as in a model's training.data), splits, network and training (as in model.json), recipe,
    notes, alarms, versions, created.
    Skipped files below the table's root are named from there.

    Args:
        table: the whole table, for its fingerprint and the sizes of its splits.
        created: when, as it shall be told.
        recipe: the resolved run file; notes, alarms: of the training. Where it is at hand.
    """
    report, classes = evaluation.report, evaluation.per_class()
    return {
        **report_json(report),
        "skipped": skipped_json(report.skipped, root=table.root),
        "summary": [claim(report), comparison(report)],
        "per_class": [{"label": entry.label, "queries": entry.queries, **entry.values} for entry in classes]
        if len(classes) <= MOST_CLASSES
        else None,
        "roc_auc_error": roc_auc_error(evaluation.pairs),
        "average_precision_error": average_precision_error(evaluation.pairs),
        "equal_error_rate_error": equal_error_rate_error(evaluation.pairs),
        "data": table.fingerprint(),
        "splits": {
            name: {"images": images, "classes": count}
            for name, (images, count) in split_counts(table).items()
        },
        "network": model.facts["network"],
        "training": model.facts["training"],
        "recipe": recipe,
        "notes": list(notes),
        "alarms": [asdict(alarm) for alarm in alarms],
        "versions": installed(),
        "created": created,
    }


def write_results(values: Mapping[str, Any], folder: Path) -> None:
    """Write report.json into a run folder, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    write_values(values, folder / RESULTS)


def write_values(values: Mapping[str, Any], path: Path) -> None:
    """Write plain values into a JSON file, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    text = json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False)
    write_atomically(path, text.encode("utf-8", "replace"))
