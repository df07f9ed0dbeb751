"""What a study ends with: the best settings trained once more, on train and validation, judged once on test.

A trial and its settings enter; a run folder with a model, its card and its figures leaves. Which trial is the
best is not decided here, and nothing is left to choose: what val has to say, the trial has heard.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lookalike.config import RunConfig
from lookalike.errors import LookalikeError
from lookalike.models.model import Model
from lookalike.records import Figure, Report, Watcher
from lookalike.tables.table import ImageTable
from lookalike.training.build import MODEL, Built, build, export_model
from lookalike.training.claim import claim, claimed, held
from lookalike.training.closed_form import LinearHead
from lookalike.training.export import named_weights
from lookalike.training.graph import AnyGraph, HeadGraph
from lookalike.training.network import AnyHead
from lookalike.training.settled import Settled
from lookalike.training.side import Trained
from lookalike.training.starting import closed_form_weights
from lookalike.training.tuning_material import Material
from lookalike.training.tuning_trial import head_function, on_features, train_head
from lookalike.training.tuning_verdict import judge_built, keep_verdict, kept_verdict, now


@dataclass(frozen=True)
class Final:
    """A model of the best settings.

    Attributes:
        report: on test; None where test holds nothing to judge, and by attributes.
        attributes: by attributes, name to figure on test.
    """

    folder: Path
    model: Model
    report: Report | None
    attributes: Mapping[str, Figure] = field(default_factory=dict)

    @property
    def judged(self) -> bool:
        """Whether test said anything of it."""
        return self.report is not None or bool(self.attributes)


def train_finally(
    config: RunConfig,
    material: Material,
    *,
    folder: Path,
    settled: Settled,
    note: str,
    watcher: Watcher,
) -> Final:
    """Train a trial's settings again and judge the model on test; what a folder holds of it is read instead.

    The model learns from train and val, for as many epochs as the trial's was kept after, and gets no
    threshold: one that is chosen on pictures that were learned from would promise too much. A training that
    was stopped goes on.

    Args:
        folder: where to; beside it, where it holds other settings or other pictures.
        settled: what the trial has chosen on val.
        note: what a reader of the report must know.
    """
    table = material.table
    folder = _free_folder(folder, config, table)
    judged = kept_verdict(folder)
    if judged is not None:
        return Final(folder, Model.load(folder / MODEL), judged.report, judged.attributes)
    resume = folder.exists()
    with held(folder):
        claim(folder, config, table)
        if on_features(config) and config.attributes is None:
            built = _head_on_both(config, material, folder, settled=settled)
        else:
            built = build(
                table, config, folder=folder, resume=resume, created=now(), watcher=watcher, settled=settled
            )
        judged = judge_built(config, table, folder, built, note=note, watcher=watcher)
    keep_verdict(folder, judged)
    return Final(folder, built.model, judged.report, judged.attributes)


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


def _head_on_both(config: RunConfig, material: Material, folder: Path, *, settled: Settled) -> Built:
    """A head on the features that the trials have shared."""
    prepared = material.merged(config)
    found = train_head(config, prepared, settled=settled)
    facts = {
        "classes": len(np.unique(prepared.train.labels)),
        "images": len(prepared.train.labels),
        "data": material.table.fingerprint(),
        "epochs": settled.epochs,
        "seed": config.seed,
    }
    assert found.head is not None  # noqa: S101 - a head was trained
    model = export_model(
        config, prepared.backbone, _trained(found.head), prepared.train, folder,
        created=now(), training=facts,
    )  # fmt: skip
    return Built(model)


def _trained(head: AnyHead | LinearHead | AnyGraph) -> Trained:
    if isinstance(head, LinearHead):
        return Trained(HeadGraph(head.power, [(head.weight, head.bias)]), closed_form_weights(head))
    assert not isinstance(head, AnyGraph)  # noqa: S101 - that is a head by attributes
    weights: dict[str, Any] = {f"head.{name}": value for name, value in named_weights(head).items()}
    return Trained(head.as_graph(), weights, compute=head_function(head))
