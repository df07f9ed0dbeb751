"""The head once more, in closed form, on the features that fine-tuning has made.

The exported features of a fine-tuned backbone enter; the solved head and what it reaches on validation leave.
Whether it is better than the head that was trained is for the caller to see. Needs no torch.
"""

from __future__ import annotations

import tempfile
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
from lookalike.training.closed_form import LinearHead, choose
from lookalike.training.folder import model_facts
from lookalike.training.side import Side


@dataclass(frozen=True)
class Refitted:
    """A head, and its mean MAP@R on validation, in [0, 1]."""

    head: LinearHead
    map_at_r: float


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
    with tempfile.TemporaryDirectory() as name:
        features = _model(graph, preprocess, config, Path(name))
        known, judged = _embedded(features, train, watcher), _embedded(features, val, watcher)
    network = config.network
    head, tried = choose(
        known.features,
        known.labels,
        judged.features,
        judged.labels,
        dim=network.embedding_dim or known.features.shape[1],
        powers=network.powers,
        shrinkages=network.shrinkages,
        val_identity=judged.identity,
    )
    return Refitted(head, max(candidate.map_at_r for candidate in tried))


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
