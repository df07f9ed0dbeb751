"""What is trained by gradient: a head on frozen features, or a whole network on pictures."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import nn

from lookalike.config import RunConfig
from lookalike.models.model import GRAPH
from lookalike.records import Floats, Watcher
from lookalike.training.backbones import Features
from lookalike.training.closed_form import LinearHead
from lookalike.training.export import export_features, named_weights, sample_pixels
from lookalike.training.keeping import heard_by
from lookalike.training.network import AnyHead, Head, Network, make_head
from lookalike.training.optimisers import unfreeze
from lookalike.training.processes import is_first
from lookalike.training.refit import refit, refit_as
from lookalike.training.settled import Settled
from lookalike.training.side import Side, Trained
from lookalike.training.sizing import fitting
from lookalike.training.sources import FeatureSource, PictureSource, Source
from lookalike.training.trainer import Fitted, fit, history_columns
from lookalike.training.until import fit_until


def train_by_gradient(
    config: RunConfig,
    train: Side,
    val: Side,
    start: LinearHead | None,
    folder: Path,
    *,
    resume: bool,
    watcher: Watcher,
    settled: Settled | None = None,
) -> Trained:
    """Train a head on cached features, or on pictures where they change (augmented or fine-tuned).

    Args:
        settled: what was chosen before; then val is not looked at. None: choose on val.
    """
    torch.manual_seed(config.seed)
    head = make_head(config.learned.network, inputs=train.features.shape[1], start=start)
    if config.network.frozen and (config.augment is None or train.views is not None):
        source = FeatureSource(train.features, train.labels, train.views, train.categories)
        judged = FeatureSource(val.features, val.labels, identity=val.identity)
        fitted = _fitted(
            head, config, (source, judged), folder, resume=resume, watcher=watcher, settled=settled
        )
        return _frozen(head, fitted)
    return _train_on_pictures(
        config, train, val, head, folder, resume=resume, watcher=watcher, settled=settled
    )


def _fitted(
    network: nn.Module, config: RunConfig, sources: tuple[Source, Source], folder: Path,
    *, resume: bool, watcher: Watcher, settled: Settled | None,
) -> Fitted:  # fmt: skip
    """The network trained, by what val says or for as long as is settled."""
    progress, heard = watcher.stage("train"), heard_by(watcher)
    if settled is None:
        fitted = fit(
            network, config, train=sources[0], val=sources[1], folder=folder, resume=resume,
            progress=progress, say=watcher.say, epoch=heard,
        )  # fmt: skip
    else:
        fitted = fit_until(
            network, config, train=sources[0], folder=folder, epochs=settled.epochs, resume=resume,
            progress=progress, epoch=heard,
        )  # fmt: skip
    tell(fitted, watcher)
    return fitted


def _train_on_pictures(
    config: RunConfig, train: Side, val: Side, head: AnyHead, folder: Path,
    *, resume: bool, watcher: Watcher, settled: Settled | None,
) -> Trained:  # fmt: skip
    torch.manual_seed(config.seed)  # random weights are then those of the exported backbone
    features = Features(config.learned.network, config.preprocess)
    features.requires_grad_(requires_grad=False)
    if not config.network.frozen:
        unfreeze(features, config.training)
    check_sizes(features, config.training.sizes)
    network = Network(features, head)
    sources = (
        _pictures(train, config, features, augmented=True),
        _pictures(val, config, features, augmented=False),
    )
    fitted = _fitted(network, config, sources, folder, resume=resume, watcher=watcher, settled=settled)
    if config.network.frozen:
        return _frozen(head, fitted)
    trained = Trained(**_parts(network, _graph(features)), **_course(fitted))
    if not (config.training.refit and config.network.resolved_head == "linear" and is_first()):
        return trained
    return _solved_again(
        config, trained, fitted, features=features, train=train, val=val, watcher=watcher, settled=settled
    )


def _graph(features: Features) -> onnx.ModelProto:
    with tempfile.TemporaryDirectory() as place:
        return export_features(features, Path(place) / GRAPH, pixels=sample_pixels(features.preprocess))


def _frozen(head: AnyHead, fitted: Fitted) -> Trained:
    return Trained(head.as_graph(), _prefixed("head", head), compute=_in_torch(head), **_course(fitted))


def _in_torch(network: nn.Module) -> Callable[[Any], Floats]:
    """A network or a head as a function of arrays, to check the export by."""

    def compute(inputs: Any) -> Floats:
        with torch.inference_mode():
            return network(torch.from_numpy(inputs)).numpy()  # type: ignore[no-any-return]

    return compute


def _solved_again(
    config: RunConfig,
    trained: Trained,
    fitted: Fitted,
    *,
    features: Features,
    train: Side,
    val: Side,
    watcher: Watcher,
    settled: Settled | None,
) -> Trained:
    """The head solved on what was learned, where it does better on validation than the one that was trained.

    A head that learned through the last map alone is replaced in any case: only the other sees all. Where it
    is settled which one is kept, val is not asked.
    """
    if settled is not None and not settled.refitted:
        return trained
    whole, graph = features, trained.features_graph
    if config.learned is not config:
        whole = Features(config.network, config.preprocess)
        whole.backbone.load_state_dict(features.backbone.state_dict())
        graph = _graph(whole)
    if settled is not None:
        options = settled.refitted
        solved = refit_as(graph, whole.preprocess, config, train=train, options=options, watcher=watcher)
        return replace(trained, **_parts(Network(whole, Head.from_closed_form(solved)), graph))
    found = refit(graph, whole.preprocess, config, train=train, val=val, watcher=watcher)
    better = whole is not features or found.map_at_r > fitted.best
    note = (
        f"Solved once more in closed form on the fine-tuned features, the head reaches MAP@R "
        f"{found.map_at_r:.3f} on val: {'it' if better else 'the trained one'} is kept."
    )
    watcher.say(note)
    trained = replace(trained, notes=(*trained.notes, note))
    if not better:
        return trained
    network = Network(whole, Head.from_closed_form(found.head))
    chosen = replace(trained.settled, refitted=asdict(found.candidate))
    return replace(trained, **_parts(network, graph), settled=chosen)


def _parts(network: Network, graph: onnx.ModelProto) -> dict[str, Any]:
    """What is exported of a network."""
    return {
        "head": network.head.as_graph(),
        "weights": named_weights(network),
        "features_graph": graph,
        "embed": _in_torch(network),
    }


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
        identity=side.identity,
    )


def check_sizes(features: Features, sizes: Sequence[int]) -> None:
    """Refuse picture sizes that a backbone cannot take.

    Raises:
        ConfigError: it was made for one size, as vision transformers are.
    """
    for size in sizes:
        own = f"{features.preprocess.size}"
        with torch.inference_mode(), fitting(size, key="training.sizes", wanted=own):
            features(torch.zeros(1, size, size, 3, dtype=torch.uint8))


def _course(fitted: Fitted) -> dict[str, Any]:
    """How the training went, for the record."""
    history = history_columns(fitted.history)
    course = {"alarms": fitted.alarms, "similarities": fitted.similarities}
    start = fitted.start if fitted.judged else None
    settled = Settled(epochs=fitted.epochs)
    return {"history": history, "notes": notes_of(fitted), "start": start, "settled": settled, **course}


def _prefixed(prefix: str, head: AnyHead) -> dict[str, Floats]:
    return {f"{prefix}.{name}": value for name, value in named_weights(head).items()}


def tell(fitted: Fitted, watcher: Watcher) -> None:
    """Say in words what the training brought on validation."""
    for note in notes_of(fitted):
        watcher.say(note)


def notes_of(fitted: Fitted) -> tuple[str, ...]:
    """What a training brought on validation, in sentences."""
    ran = f"Trained {len(fitted.history)} epochs on {fitted.device}."
    if not fitted.judged:
        return ran, "Its length was settled before: val was learned from, and chose nothing."
    if fitted.epochs == 0:
        kept = f"No epoch was better on val than the start (MAP@R {fitted.start:.3f}): the start is kept."
        return ran, kept
    return ran, f"Val MAP@R rose from {fitted.start:.4f} to {fitted.best:.4f}: epoch {fitted.epochs} is kept."
