"""The head once more, in closed form, on the features that fine-tuning has made.

The exported features of a fine-tuned backbone enter; the solved head and what it reaches on validation leave.
Whether it is better than the head that was trained is for the caller to see. Heads are solved here too with
options that were chosen before. Needs no torch.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from lookalike.config import RunConfig
from lookalike.models.embedding import embed_table
from lookalike.models.model import GRAPH, Model, write_facts
from lookalike.pictures.preprocess import Preprocess
from lookalike.records import Watcher
from lookalike.training.closed_form import Candidate, LinearHead
from lookalike.training.folder import model_facts
from lookalike.training.side import Side
from lookalike.training.starting import choose_on, solve_as


@dataclass(frozen=True)
class Refitted:
    """A head, its mean MAP@R on validation, in [0, 1], and the options that reach it."""

    head: LinearHead
    map_at_r: float
    candidate: Candidate


def refit(
    graph: onnx.ModelProto,
    preprocess: Preprocess,
    config: RunConfig,
    *,
    train: Side,
    val: Side,
    watcher: Watcher,
) -> Refitted:
    """Solve a head for fine-tuned features.

    Args:
        graph: the features, with one output "embedding".
        train, val: pictures, embedded anew; the settings are chosen on val.

    Raises:
        EvaluationError: no picture could be used, or validation holds nothing to find.
        TableError: all training labels are equal.
    """
    known, judged = _features_of(graph, preprocess, config, (train, val), watcher)
    head, tried = choose_on(judged, config, known)
    best = max(tried, key=lambda candidate: candidate.map_at_r)
    return Refitted(head, best.map_at_r, best)


def refit_as(
    graph: onnx.ModelProto,
    preprocess: Preprocess,
    config: RunConfig,
    *,
    train: Side,
    options: Mapping[str, float],
    watcher: Watcher,
) -> LinearHead:
    """Solve a head for fine-tuned features with options that were chosen before.

    Args:
        graph, train: as in `refit`.
        options: of a `Candidate`.
    """
    (known,) = _features_of(graph, preprocess, config, (train,), watcher)
    return solve_as(config, known, options)


def _features_of(
    graph: onnx.ModelProto, preprocess: Preprocess, config: RunConfig, sides: Sequence[Side], watcher: Watcher
) -> list[Side]:
    with tempfile.TemporaryDirectory() as name:
        features = _model(graph, preprocess, config, Path(name))
        return [_embedded(features, side, watcher) for side in sides]


def _model(graph: onnx.ModelProto, preprocess: Preprocess, config: RunConfig, folder: Path) -> Model:
    onnx.save(graph, str(folder / GRAPH))
    output = graph.graph.output[0].type.tensor_type.shape.dim[-1]
    facts: dict[str, Any] = model_facts(
        name="fine-tuned features",
        graph=folder / GRAPH,
        dim=output.dim_value,
        preprocess=preprocess,
        network=config.network,
        created="",
    )
    write_facts(folder, facts)
    model = Model.load(folder)
    _ = model.session  # opened while the file is there
    return model


def _embedded(features: Model, side: Side, watcher: Watcher) -> Side:
    found = embed_table(features, side.table, progress=watcher.stage("features for the last head"))
    return Side(
        side.table.take(found.rows),
        np.asarray(side.labels[found.rows]),
        found.embeddings.vectors,
        found.hashes,
        found.skipped,
    )
