"""From a split table to an exported model: features, head, training where asked for, graph, checks.

A closed-form head on a backbone that was exported before needs no torch at all; gradient training is
brought in only where the config asks for it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from safetensors.numpy import load_file, save

from lookalike.config import RunConfig
from lookalike.errors import MissingExtraError
from lookalike.images import open_image
from lookalike.model import GRAPH, WEIGHTS, Model, cache_folder, untrained, write_facts, write_seen
from lookalike.preprocess import prepare
from lookalike.records import Floats, Pixels, Skipped, Watcher
from lookalike.table import ImageTable
from lookalike.training.closed_form import Candidate, LinearHead, choose
from lookalike.training.features import table_features
from lookalike.training.folder import check_parity, making, model_facts
from lookalike.training.graph import HeadGraph, grow_head, load_graph
from lookalike.training.side import Side, Trained

PARITY_PICTURES = 16
MODEL, BASELINE = "model", "baseline"


@dataclass(frozen=True)
class Built:
    """An exported model and how it came to be.

    Attributes:
        history: metric to one value an epoch; empty for a closed-form head.
        candidates: the closed-form settings tried, where any were.
        skipped: train and val pictures that could not be used.
    """

    model: Model
    history: Mapping[str, list[float]] = field(default_factory=dict)
    candidates: Sequence[Candidate] = ()
    skipped: tuple[Skipped, ...] = ()


def build(
    table: ImageTable, config: RunConfig, *, folder: Path, resume: bool, created: str, watcher: Watcher
) -> Built:
    """Train what the config asks for and export it to folder/model.

    Raises:
        ModelError: a backbone's weights cannot be had, or the export does not compute what was trained.
        EvaluationError: no picture of a split could be used.
    """
    backbone = untrained(_spec(config))
    train = _side(backbone, table, "train", watcher)
    val = _side(backbone, table, "val", watcher)
    start, candidates = _closed_form(config, train, val)
    if config.network.resolved_head == "closed_form":
        assert start is not None  # noqa: S101 - this head is always solved
        trained = Trained(HeadGraph(start.power, [(start.weight, start.bias)]), _closed_form_weights(start))
    else:
        trained = _by_gradient(config, train, val, start, folder, resume=resume, watcher=watcher)
    facts = {
        "classes": len(np.unique(train.labels)),
        "images": len(train.labels),
        "data": table.fingerprint(),
        "epochs": len(next(iter(trained.history.values()), [])),
        "seed": config.seed,
    }
    model = _export(config, backbone, trained, train, folder, created=created, training=facts)
    return Built(model, trained.history, candidates, train.skipped + val.skipped)


def _spec(config: RunConfig) -> dict[str, Any]:
    network = config.network
    spec: dict[str, Any] = {
        "backbone": network.backbone,
        "pretrained": network.pretrained,
        "pooling": network.pooling,
        "preprocess": config.preprocess.model_dump(mode="json"),
    }
    return spec if network.pretrained else {**spec, "seed": config.seed}


def _side(backbone: Model, table: ImageTable, split: str, watcher: Watcher) -> Side:
    part = table.select(split)
    embedded = table_features(
        backbone, part, cache_folder=cache_folder(), progress=watcher.stage(f"features of {split}")
    )
    usable = part.take(embedded.rows)
    return Side(usable, usable.labels, embedded.embeddings.vectors, embedded.hashes, embedded.skipped)


def _closed_form(config: RunConfig, train: Side, val: Side) -> tuple[LinearHead | None, Sequence[Candidate]]:
    network = config.network
    wanted = network.resolved_head == "closed_form" or (
        network.resolved_head == "linear" and network.head_start == "closed_form"
    )
    if not wanted:
        return None, ()
    return choose(
        train.features,
        train.labels,
        val.features,
        val.labels,
        dim=network.embedding_dim,
        powers=network.powers,
        shrinkages=network.shrinkages,
    )


def _closed_form_weights(head: LinearHead) -> dict[str, Floats]:
    """Under the names that the torch head gives them."""
    return {
        "head.power": np.array(head.power, np.float32),
        "head.last.weight": np.ascontiguousarray(head.weight.T),
        "head.last.bias": head.bias,
    }


def _by_gradient(
    config: RunConfig,
    train: Side,
    val: Side,
    start: LinearHead | None,
    folder: Path,
    *,
    resume: bool,
    watcher: Watcher,
) -> Trained:
    try:
        from lookalike.training.gradient import train_by_gradient
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", extra="train") from error
    return train_by_gradient(config, train, val, start, folder, resume=resume, watcher=watcher)


def _export(
    config: RunConfig,
    backbone: Model,
    trained: Trained,
    train: Side,
    folder: Path,
    *,
    created: str,
    training: dict[str, Any],
) -> Model:
    """Write folder/model, whole and checked on real pictures, and folder/baseline where it is needed."""
    frozen = trained.features_graph is None
    base = trained.features_graph or load_graph(backbone.folder / GRAPH)
    pixels = _some_pixels(backbone, train.table)
    expected = trained.embed(pixels) if trained.embed else trained.head.apply(backbone.embed_pixels(pixels))
    with making(folder / MODEL) as place:
        onnx.save(grow_head(base, trained.head, keep_feature=frozen), str(place / GRAPH))
        training["parity"] = check_parity(place / GRAPH, pixels, expected)
        facts = model_facts(
            name=config.name,
            graph=place / GRAPH,
            dim=expected.shape[1],
            preprocess=backbone.preprocess,
            network=config.network,
            created=created,
            baseline=backbone.name,
            feature_dim=backbone.dim if frozen else None,
            training=training,
        )
        weights = load_file(backbone.folder / WEIGHTS) if frozen else {}
        prefixed = {f"features.{name}": value for name, value in weights.items()}
        (place / WEIGHTS).write_bytes(save({**prefixed, **trained.weights}))
        write_seen(place, train.hashes)
        write_facts(place, facts)
    if not frozen:
        shutil.copytree(backbone.folder, folder / BASELINE, dirs_exist_ok=True)
    return Model.load(folder / MODEL)


def _some_pixels(backbone: Model, table: ImageTable) -> Pixels:
    """A few real pictures, evenly from the table."""
    rows = np.unique(np.linspace(0, len(table) - 1, PARITY_PICTURES).astype(int))
    target = backbone.preprocess.decode_target
    images = (open_image(table.paths[row], target=target, box=table.boxes[row]) for row in rows)
    return np.stack([prepare(image, backbone.preprocess) for image in images])
