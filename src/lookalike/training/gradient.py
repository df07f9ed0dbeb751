"""What is trained by gradient: a head on frozen features, or a whole network on pictures."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from lookalike.config import RunConfig
from lookalike.errors import ConfigError
from lookalike.model import GRAPH
from lookalike.records import Floats, Pixels, Watcher
from lookalike.training.alarms import MONITOR
from lookalike.training.backbones import Features
from lookalike.training.closed_form import LinearHead
from lookalike.training.export import export_features, named_weights, sample_pixels
from lookalike.training.network import AnyHead, Network, make_head
from lookalike.training.optimisers import unfreeze
from lookalike.training.side import Side, Trained
from lookalike.training.sources import FeatureSource, PictureSource
from lookalike.training.trainer import Fitted, fit, history_columns


def train_by_gradient(
    config: RunConfig,
    train: Side,
    val: Side,
    start: LinearHead | None,
    folder: Path,
    *,
    resume: bool,
    watcher: Watcher,
) -> Trained:
    """Train a head on cached features, or on pictures where they change (augmented or fine-tuned)."""
    torch.manual_seed(config.seed)
    head = make_head(config.network, inputs=train.features.shape[1], start=start)
    if config.network.frozen and (config.augment is None or train.views is not None):
        source = FeatureSource(train.features, train.labels, train.views, train.categories)
        judged = FeatureSource(val.features, val.labels)
        fitted = fit(head, config, train=source, val=judged, folder=folder, resume=resume,
                     progress=watcher.stage("train"), say=watcher.say)  # fmt: skip
        tell(fitted, watcher)
        return Trained(head.as_graph(), _prefixed("head", head), **_course(fitted))
    return _train_on_pictures(config, train, val, head, folder, resume=resume, watcher=watcher)


def _train_on_pictures(
    config: RunConfig, train: Side, val: Side, head: AnyHead, folder: Path, *, resume: bool, watcher: Watcher
) -> Trained:
    torch.manual_seed(config.seed)  # random weights are then those of the exported backbone
    features = Features(config.network, config.preprocess)
    features.requires_grad_(requires_grad=False)
    if not config.network.frozen:
        unfreeze(features, config.training)
    check_sizes(features, config.training.sizes)
    network = Network(features, head)
    fitted = fit(
        network,
        config,
        train=_pictures(train, config, features, augmented=True),
        val=_pictures(val, config, features, augmented=False),
        folder=folder,
        resume=resume,
        progress=watcher.stage("train"),
        say=watcher.say,
    )
    tell(fitted, watcher)
    if config.network.frozen:
        return Trained(head.as_graph(), _prefixed("head", head), **_course(fitted))
    with tempfile.TemporaryDirectory() as place:
        graph = export_features(features, Path(place) / GRAPH, pixels=sample_pixels(features.preprocess))

    def embed(pixels: Pixels) -> Floats:
        with torch.inference_mode():
            return network(torch.from_numpy(pixels)).numpy()  # type: ignore[no-any-return]

    return Trained(head.as_graph(), named_weights(network), graph, embed, **_course(fitted))


def _pictures(side: Side, config: RunConfig, features: Features, *, augmented: bool) -> PictureSource:
    workers = config.training.workers
    return PictureSource(
        paths=side.table.paths,
        boxes=side.table.boxes,
        labels=side.labels,
        preprocess=features.preprocess,
        augment=config.augment if augmented else None,
        workers=max((os.cpu_count() or 1) - 1, 0) if workers is None else workers,
        sizes=config.training.sizes if augmented else (),
        epochs=config.training.epochs,
        categories=side.categories if augmented else None,
    )


def check_sizes(features: Features, sizes: Sequence[int]) -> None:
    """Refuse picture sizes that a backbone cannot take.

    Raises:
        ConfigError: it was made for one size, as vision transformers are.
    """
    for size in sizes:
        try:
            with torch.inference_mode():
                features(torch.zeros(1, size, size, 3, dtype=torch.uint8))
        except (AssertionError, RuntimeError) as error:
            raise ConfigError(
                "the backbone does not take pictures of this size",
                where="training.sizes",
                saw=f"{size}: {error}"[:200],
                wanted=f"{features.preprocess.size}",
                do="leave out training.sizes, or choose a convolutional backbone",
            ) from error


def _course(fitted: Fitted) -> dict[str, Any]:
    """How the training went, for the record."""
    history = history_columns(fitted.history)
    course = {"alarms": fitted.alarms, "similarities": fitted.similarities}
    return {"history": history, "notes": notes_of(fitted), **course}


def _prefixed(prefix: str, head: AnyHead) -> dict[str, Floats]:
    return {f"{prefix}.{name}": value for name, value in named_weights(head).items()}


def tell(fitted: Fitted, watcher: Watcher) -> None:
    """Say in words what the training brought on validation."""
    for note in notes_of(fitted):
        watcher.say(note)


def notes_of(fitted: Fitted) -> tuple[str, ...]:
    """What a training brought on validation, in sentences."""
    ran = f"Trained {len(fitted.history)} epochs on {fitted.device}."
    if fitted.best <= fitted.start:
        kept = f"No epoch was better on val than the start (MAP@R {fitted.start:.3f}): the start is kept."
        return ran, kept
    best = max(range(len(fitted.history)), key=lambda epoch: fitted.history[epoch][MONITOR])
    return ran, f"Val MAP@R rose from {fitted.start:.3f} to {fitted.best:.3f}: epoch {best + 1} is kept."
