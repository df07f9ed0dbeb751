"""What a study ends with: the best settings trained once more, on train and validation, judged once on test.

A trial and its settings enter; a run folder with a model, its card and its figures leaves. Which trial is the
best is not decided here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from lookalike.config import RunConfig
from lookalike.errors import EvaluationError, LookalikeError, TableError
from lookalike.evaluation import Evaluation, evaluate
from lookalike.files import write_atomically
from lookalike.models.card import write_card
from lookalike.models.model import Model
from lookalike.presenting.pages import report_page
from lookalike.presenting.report import write_report
from lookalike.records import Report, Watcher
from lookalike.runfile import dump_config
from lookalike.tables.table import ImageTable
from lookalike.training.build import MODEL, closed_form_weights, export_model
from lookalike.training.claim import claim, claimed, held
from lookalike.training.closed_form import Candidate, LinearHead
from lookalike.training.export import named_weights
from lookalike.training.graph import HeadGraph
from lookalike.training.network import AnyHead
from lookalike.training.run import REPORT, train
from lookalike.training.side import Trained
from lookalike.training.tuning_material import Material
from lookalike.training.tuning_trial import head_function, on_features, train_head

JUDGED = "test.json"  # the figures on test, once there are any to be kept


@dataclass(frozen=True)
class Judged:
    """What test said of a model; report: None where test holds nothing to judge."""

    report: Report | None


@dataclass(frozen=True)
class Final:
    """A model of the best settings.

    Attributes:
        report: on test; None where test holds nothing to judge.
        learned: what it learned from, in words.
    """

    folder: Path
    model: Model
    report: Report | None
    learned: str


def learned_from(config: RunConfig) -> str:
    """The splits that the last model of a study learns from, in words.

    A head on features learns from train and val, for as many epochs as the trial's was kept after. A whole
    network needs val to know when to stop: it learns from train, and keeps its threshold from val.
    """
    return "train and val" if on_features(config) else "train"


def train_finally(
    config: RunConfig,
    material: Material,
    *,
    folder: Path,
    epochs: int,
    solved: Mapping[str, float],
    note: str,
    watcher: Watcher,
) -> Final:
    """Train a trial's settings again and judge the model on test; what a folder holds of it is read instead.

    Args:
        folder: where to; beside it, where it holds other settings or other pictures.
        epochs, solved: of the trial: see `tuning_trial.Attempt`.
        note: what a reader of the report must know.
    """
    folder = _free_folder(folder, config, material.table)
    learned = learned_from(config)
    judged = _kept(folder)
    if judged is not None:
        return Final(folder, Model.load(folder / MODEL), judged.report, learned)
    if on_features(config):
        model, report = _head(
            config, material, folder, epochs=epochs, solved=solved, note=note, watcher=watcher
        )
    else:
        resume = folder.exists()
        run = train(config, material.table, out=folder, resume=resume, notes=[note], watcher=watcher)
        model, report = run.model, run.evaluation.report if run.evaluation else None
    write_atomically(folder / JUDGED, json.dumps(asdict(Judged(report)), indent=2, default=float).encode())
    return Final(folder, model, report, learned)


def _free_folder(wanted: Path, config: RunConfig, table: ImageTable) -> Path:
    """The wanted folder or, where it holds another run, the first beside it that does not."""
    folder = wanted
    for number in itertools.count(2):
        if not folder.exists() or _is_of(folder, config, table):
            break
        folder = wanted.with_name(f"{wanted.name}_{number}")
    return folder


def _is_of(folder: Path, config: RunConfig, table: ImageTable) -> bool:
    """Whether a folder holds a run of these settings, pictures and splits."""
    try:
        held_table = claimed(folder, config, table)
    except LookalikeError:
        return False
    return held_table is not None and held_table.fingerprint() == table.fingerprint()


def _kept(folder: Path) -> Judged | None:
    """What test said when the model was judged; None where it was not."""
    try:
        return TypeAdapter(Judged).validate_json((folder / JUDGED).read_bytes())
    except (OSError, ValueError):
        return None


def _head(
    config: RunConfig, material: Material, folder: Path, *, epochs: int, solved: Mapping[str, float],
    note: str, watcher: Watcher,
) -> tuple[Model, Report | None]:  # fmt: skip
    table = material.table
    with held(folder):
        claim(folder, config, table)
        model = _train_on_both(config, material, folder, epochs=epochs, solved=solved)
        evaluation = _evaluate(model, table, watcher)
        write_card(model, evaluation.report if evaluation else None)
        if evaluation is None:
            return model, None
        page = report_page(
            evaluation, model, table=table, created=now(), notes=[note], recipe=dump_config(config)
        )
        write_report(page, folder / REPORT)
    return model, evaluation.report


def _train_on_both(
    config: RunConfig, material: Material, folder: Path, *, epochs: int, solved: Mapping[str, float]
) -> Model:
    prepared = material.merged(config)
    known = Candidate(**solved) if solved else None
    found = train_head(config, prepared, until=epochs, solved=known)
    facts = {
        "classes": len(np.unique(prepared.train.labels)),
        "images": len(prepared.train.labels),
        "data": material.table.fingerprint(),
        "epochs": epochs,
        "seed": config.seed,
    }
    assert found.head is not None  # noqa: S101 - a head was trained
    trained = _trained(found.head)
    return export_model(
        config, prepared.backbone, trained, prepared.train, folder, created=now(), training=facts
    )


def _trained(head: AnyHead | LinearHead) -> Trained:
    if isinstance(head, LinearHead):
        return Trained(HeadGraph(head.power, [(head.weight, head.bias)]), closed_form_weights(head))
    weights: dict[str, Any] = {f"head.{name}": value for name, value in named_weights(head).items()}
    return Trained(head.as_graph(), weights, compute=head_function(head))


def _evaluate(model: Model, table: ImageTable, watcher: Watcher) -> Evaluation | None:
    try:
        return evaluate(model, table, split="test", progress=watcher.stage("evaluate on test"))
    except (EvaluationError, TableError) as error:
        watcher.say(f"No figures on test: {error}")
        return None


def now() -> str:
    """The time, as reports print it."""
    return datetime.now(UTC).isoformat(timespec="seconds")
