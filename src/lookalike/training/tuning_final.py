"""What a study ends with: the best settings trained once more, on train and validation, judged once on test.

A trial and its settings enter; a run folder with a model, its card and its figures leaves. Which trial is the
best is not decided here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lookalike.config import RunConfig
from lookalike.errors import EvaluationError, TableError
from lookalike.evaluation import Evaluation, evaluate
from lookalike.models.card import write_card
from lookalike.models.model import Model
from lookalike.presenting.pages import report_page
from lookalike.presenting.report import write_report
from lookalike.records import Watcher
from lookalike.runfile import dump_config
from lookalike.tables.table import ImageTable
from lookalike.training.build import MODEL, closed_form_weights, export_model
from lookalike.training.claim import claim, held
from lookalike.training.closed_form import Candidate, LinearHead
from lookalike.training.export import named_weights
from lookalike.training.graph import HeadGraph
from lookalike.training.network import AnyHead
from lookalike.training.run import REPORT, train
from lookalike.training.side import Trained
from lookalike.training.tuning_material import Material
from lookalike.training.tuning_trial import head_function, on_features, train_head


@dataclass(frozen=True)
class Final:
    """A model of the best settings.

    Attributes:
        evaluation: on test; None where test holds nothing to judge.
        learned: what it learned from, in words.
    """

    folder: Path
    model: Model
    evaluation: Evaluation | None
    learned: str


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
    """Train a trial's settings again and judge the model on test; a folder that holds it is judged only.

    A head on features learns from train and val, for as many epochs as the trial's was kept after. A whole
    network needs val to know when to stop: it learns from train, and keeps its threshold from val.

    Args:
        epochs, solved: of the trial: see `tuning_trial.Attempt`.
        note: what a reader of the report must know.
    """
    table = material.table
    whole = not on_features(config)
    learned = "train" if whole else "train and val"
    if (folder / REPORT).exists():
        model = Model.load(folder / MODEL)
        return Final(folder, model, _evaluate(model, table, watcher), learned)
    if whole:
        run = train(config, table, out=folder, resume=folder.exists(), watcher=watcher)
        return Final(folder, run.model, run.evaluation, learned)
    with held(folder):
        claim(folder, config, table)
        model = _train_on_both(config, material, folder, epochs=epochs, solved=solved)
        evaluation = _evaluate(model, table, watcher)
        write_card(model, evaluation.report if evaluation else None)
        if evaluation is not None:
            page = report_page(
                evaluation, model, table=table, created=now(), notes=[note], recipe=dump_config(config)
            )
            write_report(page, folder / REPORT)
    return Final(folder, model, evaluation, learned)


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
