"""What test says of a study's last model: asked once, kept, and shown as a run's report is.

A model and the study's table enter; figures, the model's card and its page leave. How the model was trained
is not decided here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from lookalike.attribute_evaluation import AttributeReport, evaluate_attributes
from lookalike.config import RunConfig
from lookalike.errors import EvaluationError, TableError
from lookalike.evaluation import evaluate
from lookalike.files import write_atomically
from lookalike.models.card import write_card
from lookalike.presenting.attribute_page import attribute_page, write_attributes
from lookalike.presenting.attribute_wording import attribute_json, attribute_lines
from lookalike.presenting.pages import report_page
from lookalike.presenting.report import write_report
from lookalike.records import Figure, Report, Watcher
from lookalike.runfile import dump_config
from lookalike.tables.table import ImageTable
from lookalike.training.build import Built
from lookalike.training.run import ATTRIBUTES, REPORT

JUDGED = "test.json"  # the figures on test, once there are any to be kept


@dataclass(frozen=True)
class Judged:
    """What test said of a model.

    Attributes:
        report: None where test holds nothing to judge, and by attributes.
        attributes: by attributes, name to figure.
    """

    report: Report | None
    attributes: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def said(self) -> bool:
        """Whether test said anything."""
        return self.report is not None or bool(self.attributes)


def kept_verdict(folder: Path) -> Judged | None:
    """What test said when the model was judged; None where it was not."""
    try:
        return TypeAdapter(Judged).validate_json((folder / JUDGED).read_bytes())
    except (OSError, ValueError):
        return None


def keep_verdict(folder: Path, judged: Judged) -> None:
    """Write what test said, so that it is not asked again."""
    write_atomically(folder / JUDGED, json.dumps(asdict(judged), indent=2, default=float).encode())


def judge_built(
    config: RunConfig, table: ImageTable, folder: Path, built: Built, *, note: str, watcher: Watcher
) -> Judged:
    """Judge a model on test, once; write its card and its page into the run folder."""
    progress = watcher.stage("evaluate on test")
    try:
        if config.attributes is not None:
            found = evaluate_attributes(built.model, table, split="test", progress=progress)
            _show_attributes(config, table, folder, built, found, note=note)
            return Judged(None, figures_told(found))
        evaluation = evaluate(built.model, table, split="test", progress=progress)
    except (EvaluationError, TableError) as error:
        watcher.say(f"No figures on test: {error}")
        write_card(built.model, None)
        return Judged(None)
    write_card(built.model, evaluation.report)
    page = report_page(
        evaluation, built.model, table=table, created=now(), history=built.history,
        notes=[*built.notes, note], recipe=dump_config(config),
    )  # fmt: skip
    write_report(page, folder / REPORT)
    return Judged(evaluation.report)


def figures_told(report: AttributeReport) -> dict[str, Figure]:
    """Every figure of an evaluation by attributes, named as a study's objectives are."""
    return {f"{name}_{kind.name}": figure for kind in report.kinds for name, figure in kind.figures.items()}


def _show_attributes(
    config: RunConfig, table: ImageTable, folder: Path, built: Built, report: AttributeReport, *, note: str
) -> None:
    write_card(built.model, None, measured=attribute_lines(report))
    write_atomically(folder / ATTRIBUTES, json.dumps(attribute_json(report), indent=2).encode())
    page = attribute_page(
        report, table, created=now(), history=built.history, notes=[*built.notes, note],
        recipe=dump_config(config),
    )  # fmt: skip
    write_attributes(page, folder / REPORT)


def now() -> str:
    """The time, as reports print it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
