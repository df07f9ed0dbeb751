"""Attribute training by gradient: from two branches to what is exported, and words on how it went."""

from __future__ import annotations

import copy
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from lookalike.config import RunConfig
from lookalike.models.model import GRAPH
from lookalike.records import Floats, Pixels, Watcher
from lookalike.training.attribute_data import AttributeSide, Pair
from lookalike.training.attribute_learner import MONITOR, AttributeLearner, RowSource
from lookalike.training.attribute_solve import SharedSpace, mean_of_kinds, score
from lookalike.training.backbones import Features
from lookalike.training.export import export_features, named_weights, sample_pixels
from lookalike.training.gradient import check_sizes
from lookalike.training.keeping import Told, heard_by
from lookalike.training.network import AnyHead, Head, Network, make_head
from lookalike.training.optimisers import unfreeze
from lookalike.training.settled import Settled
from lookalike.training.side import Trained
from lookalike.training.sources import FeatureSource, PictureSource
from lookalike.training.trainer import (
    Reporter,
    history_columns,
    interruptible,
    make_trainer,
    quiet,
    steady,
)

MOST_CORRECT = 0.9  # above, triplets are too easy to learn from


def train_pair(
    config: RunConfig,
    train: AttributeSide,
    val: AttributeSide,
    start: SharedSpace | None,
    folder: Path,
    *,
    resume: bool,
    watcher: Watcher,
    until: int | None = None,
) -> Pair:
    """Train both branches and return the state that was best on val, the start included.

    Args:
        until: train for so many epochs and return what there is then; val is not looked at. 0: the start.
        start: the closed form that both sides begin as; None: random weights.
    """
    torch.manual_seed(config.seed)
    head, branch = make_branches(config, train, start)
    images: nn.Module = head
    if not config.network.frozen or config.augment is not None:
        torch.manual_seed(config.seed)  # random weights are then those of the exported backbone
        features = Features(config.network, config.preprocess)
        features.requires_grad_(requires_grad=False)
        if not config.network.frozen:
            unfreeze(features, config.training)
        check_sizes(features, config.training.sizes)
        images = Network(features, head).to(memory_format=torch.channels_last)  # as the pictures
    sources = _source(images, config, train, augmented=True), _source(images, config, val, augmented=False)
    learner = AttributeLearner(
        images, branch, config, train=(sources[0], train.values), val=(sources[1], val.values)
    )
    if until is None:
        scores = _fit(learner, folder, resume=resume, watcher=watcher)
        notes = tuple(remarks(learner.history, learner.start or 0.0))
    else:
        scores = {}
        _run(learner, folder, resume=resume, watcher=watcher, until=until)
        notes = (f"Trained {len(learner.history)} epochs, as was settled before: val was learned from.",)
    for sentence in notes:
        watcher.say(sentence)
    kept = Settled(epochs=_kept_after(learner) if until is None else until)
    trained = replace(_trained(images, head, branch, learner, config), notes=notes, settled=kept)
    return Pair(trained, branch.as_graph(), learner.embed, scores)


def make_branches(config: RunConfig, train: AttributeSide, start: SharedSpace | None) -> tuple[AnyHead, Head]:
    """The image head and the attribute branch, as the run file wants them to begin."""
    inputs, attributes = train.side.features.shape[1], train.values.shape[1]
    if start is None:
        head = make_head(config.network, inputs=inputs)
        return head, Head(2 * attributes, head.as_graph().dim, hidden=config.attribute_hidden)
    branch = Head(2 * attributes, start.attributes.shape[1])
    with torch.no_grad():
        branch.last.weight.copy_(torch.from_numpy(start.attributes.T.copy()))
        branch.last.bias.zero_()
    return make_head(config.network, inputs=inputs, start=start.image), branch


def remarks(history: Sequence[dict[str, float]], start: float) -> list[str]:
    """What a training shows, in words: what it brought, and whether its triplets were worth learning from.

    Args:
        history: one row an epoch.
        start: val mAP before the first.
    """
    best = max((row[MONITOR] for row in history), default=-1.0)
    said = [f"Trained {len(history)} epochs by attributes."]
    if best > start:
        said.append(f"Val mAP rose from {start:.3f} to {best:.3f}.")
    else:
        said.append(f"No epoch was better on val than the start (mAP {start:.3f}): the start is kept.")
    if not history:
        return said
    first, last = history[0], history[-1]
    shares = {kind: last[f"train_correct_{kind}"] for kind in ("random", "hard")}
    known = {kind: share for kind, share in shares.items() if not math.isnan(share)}
    if known and min(known.values()) > MOST_CORRECT:
        said.append(
            f"More than {MOST_CORRECT:.0%} of the triplets of every kind are correct and teach nothing more: "
            "raise attributes.hard_share, set attributes.flips to 1, or stop earlier."
        )
    falls = last["train_loss"] < 0.9 * first["train_loss"]
    rises = any(last[f"train_correct_{kind}"] > first[f"train_correct_{kind}"] + 0.01 for kind in known)
    if len(history) > 2 and falls and not rises:
        said.append(
            "The loss falls, but the share of correct triplets does not rise: attributes.margin is too large."
        )
    return said


def _fit(learner: AttributeLearner, folder: Path, *, resume: bool, watcher: Watcher) -> dict[str, float]:
    """Train; leave the learner with what was best on val, and return its scores."""
    before = copy.deepcopy(learner.state_dict())
    start_scores = _judge(learner)
    learner.start = mean_of_kinds(start_scores)
    _run(learner, folder, resume=resume, watcher=watcher)
    best = max((row[MONITOR] for row in learner.history), default=-1.0)
    if best > learner.start:
        path = folder / "checkpoints" / "best.ckpt"
        before = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    learner.load_state_dict(before)
    return _judge(learner) if best > learner.start else start_scores


def _run(
    learner: AttributeLearner, folder: Path, *, resume: bool, watcher: Watcher, until: int | None = None
) -> None:
    """Let the epochs pass; the learner is left as the last one made it."""
    last, heard = folder / "checkpoints" / "last.ckpt", heard_by(watcher)
    told = [] if heard is None else [Told(heard)]
    with quiet(), interruptible(), steady(learner.network, learner.config):
        trainer = make_trainer(
            learner.config,
            folder,
            [Reporter(folder, watcher.stage("train")), *told],
            fine_tuned=isinstance(learner.network, Network),
            monitor=MONITOR,
            until=until,
        )
        if until != 0:
            path = str(last) if resume and last.exists() else None
            trainer.fit(learner, ckpt_path=path, weights_only=True)
    learner.cpu().to(memory_format=torch.contiguous_format).eval()


def _kept_after(learner: AttributeLearner) -> int:
    """After how many epochs the branches are what they are; 0: as they began."""
    scores = [row[MONITOR] for row in learner.history]
    best = max(scores, default=-1.0)
    return scores.index(best) + 1 if learner.start is not None and best > learner.start else 0


@torch.no_grad()
def _judge(learner: AttributeLearner) -> dict[str, float]:
    source, values = learner.val_side
    learned = learner.network.training
    learner.network.eval()
    pictures = torch.cat([learner.network(inputs) for inputs, _ in source.evaluation()])
    learner.network.train(learned)
    return score(pictures.numpy(), values, learner.embed)


def _source(images: nn.Module, config: RunConfig, part: AttributeSide, *, augmented: bool) -> RowSource:
    rows = np.arange(len(part.values))
    if not isinstance(images, Network):
        return FeatureSource(part.side.features, rows)
    workers = config.training.workers
    features = images.features
    assert isinstance(features, Features)  # noqa: S101 - for the type checker
    return PictureSource(
        paths=part.side.table.paths,
        boxes=part.side.table.boxes,
        labels=rows,
        preprocess=features.preprocess,
        augment=config.augment if augmented else None,
        workers=max((os.cpu_count() or 1) - 1, 0) if workers is None else workers,
        sizes=config.training.sizes if augmented else (),
        epochs=config.training.epochs,
    )


def _trained(
    images: nn.Module, head: AnyHead, branch: Head, learner: AttributeLearner, config: RunConfig
) -> Trained:
    history = history_columns(learner.history)
    weights = {f"attributes.{name}": value for name, value in named_weights(branch).items()}
    if config.network.frozen:
        own = {f"head.{name}": value for name, value in named_weights(head).items()}
        return Trained(head.as_graph(), {**own, **weights}, history=history)
    assert isinstance(images, Network)  # noqa: S101 - fine-tuning runs on pictures
    features = images.features
    assert isinstance(features, Features)  # noqa: S101
    with tempfile.TemporaryDirectory() as place:
        graph = export_features(features, Path(place) / GRAPH, pixels=sample_pixels(features.preprocess))

    def embed(pixels: Pixels) -> Floats:
        with torch.inference_mode():
            return images(torch.from_numpy(pixels)).numpy()  # type: ignore[no-any-return]

    return Trained(head.as_graph(), {**named_weights(images), **weights}, graph, embed, history=history)
