"""report.json says all that the page says."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import SkipReason
from lookalike.evaluation import Evaluation, evaluate
from lookalike.judging.curves import average_precision_error, equal_error_rate_error
from lookalike.judging.pairs import roc_auc_error
from lookalike.models.model import Model
from lookalike.presenting import results as room
from lookalike.presenting.results import RESULTS, results, write_results
from lookalike.records import Alarm, AlarmKind, Skipped
from lookalike.tables.table import ImageTable
from painted import much_alike


@pytest.fixture
def table(tmp_path: Path) -> ImageTable:
    whole = much_alike(tmp_path / "alike", things=12)
    return whole.with_splits(np.where(np.arange(48) < 16, "val", "test"))


@pytest.fixture
def found(tiny: Model, table: ImageTable) -> Evaluation:
    return evaluate(tiny, table, draws=50)


def test_results_hold_figures_classes_data_and_recipe(
    found: Evaluation, tiny: Model, table: ImageTable, tmp_path: Path
) -> None:
    alarm = Alarm(AlarmKind.TOO_EASY, 2, "Nearly all are easy.", "Take harder ones.")
    values = results(
        found, tiny, table=table, created="2026-01-01", recipe={"seed": 3}, notes=("solved",), alarms=(alarm,)
    )
    write_results(values, tmp_path)
    told = json.loads((tmp_path / RESULTS).read_text(encoding="utf-8"))
    assert told["recall@1"]["value"] == found.figures["recall@1"].value
    assert set(found.figures) <= set(told)
    assert told["per_class"][0] == {
        "label": found.per_class()[0].label, "queries": 4, **found.per_class()[0].values,
    }  # fmt: skip
    for error in (roc_auc_error, average_precision_error, equal_error_rate_error):
        assert told[error.__name__] == error(found.pairs) >= 0
    assert len(told["per_class"]) == told["classes"] == 8
    assert told["data"] == table.fingerprint()
    assert told["splits"] == {"val": {"images": 16, "classes": 4}, "test": {"images": 32, "classes": 8}}
    assert (told["recipe"], told["notes"], told["created"]) == ({"seed": 3}, ["solved"], "2026-01-01")
    assert told["alarms"] == [
        {"epoch": 2, "kind": "too easy", "remedy": "Take harder ones.", "what": "Nearly all are easy."}
    ]
    assert told["versions"]["numpy"] == np.__version__
    assert (told["fingerprint"], told["network"]) == (tiny.fingerprint, tiny.facts["network"])
    assert told["summary"][0].startswith("For ")


def test_skipped_files_are_named_from_the_tables_root(
    found: Evaluation, tiny: Model, table: ImageTable
) -> None:
    below = Skipped(str(table.root / "thing 1" / "cut.png"), SkipReason.TRUNCATED, "12 bytes are missing")
    skipped = (below, Skipped("/else/where.png", SkipReason.EMPTY))
    left = replace(found, report=replace(found.report, skipped=skipped))
    told = results(left, tiny, table=table, created="")["skipped"]
    assert told[0] == {"path": "thing 1/cut.png", "reason": "truncated", "detail": "12 bytes are missing"}
    assert told[1]["path"] == "/else/where.png"


def test_many_classes_are_not_told_one_by_one(
    found: Evaluation, tiny: Model, table: ImageTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_CLASSES", 7)
    assert results(found, tiny, table=table, created="")["per_class"] is None
