"""Losses that keep something, in a real training: it is learned, saved, and resumed bit for bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from lookalike.config import RunConfig
from lookalike.runfile import parse_config
from lookalike.training.learner import Learner
from lookalike.training.network import Head
from lookalike.training.sources import FeatureSource
from lookalike.training.trainer import Fitted, fit

LOSSES: dict[str, dict[str, Any]] = {
    "memory": {"name": "contrastive", "dimensions": [4], "memory": {"size": 40, "start": 2}},
    "proxies": {"name": "proxy_anchor", "learning_rate": 0.1},
    "foreign": {"name": "pytorch_metric_learning.losses.ProxyAnchorLoss"},
}
EVERY = pytest.mark.parametrize("name", LOSSES)


class Killed(BaseException):
    """Stands for a process that dies."""


def source(classes: int, *, seed: int) -> FeatureSource:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), 4)
    features = rng.normal(size=(classes, 12))[labels] + 0.5 * rng.normal(size=(len(labels), 12))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return FeatureSource(features.astype(np.float32), labels.astype(str))


def config(loss: dict[str, Any], epochs: int) -> RunConfig:
    training = {"epochs": epochs, "device": "cpu", "loggers": [], "learning_rate": 0.01}
    return parse_config({"loss": loss, "batches": {"classes": 5, "images": 4}, "training": training})


def run(folder: Path, loss: dict[str, Any], *, epochs: int = 3, resume: bool = False) -> Fitted:
    torch.manual_seed(0)
    settings = config(loss, epochs)
    train, val = source(15, seed=1), source(8, seed=2)
    return fit(Head(12, 6), settings, train=train, val=val, folder=folder, resume=resume)


def last(folder: Path) -> dict[str, Any]:
    path = folder / "checkpoints" / "last.ckpt"
    return cast(dict[str, Any], torch.load(path, weights_only=True))


def same(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


@EVERY
def test_resume_is_bit_for_bit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "whole", LOSSES[name])
    step, seen = Learner.training_step, []

    def die(self: Learner, batch: Any, number: int) -> Any:
        seen.append(number)
        if len(seen) == 8:  # the second batch of the third epoch
            raise Killed
        return step(self, batch, number)

    monkeypatch.setattr(Learner, "training_step", die)
    with pytest.raises((Killed, SystemExit)):
        run(tmp_path / "cut", LOSSES[name])
    monkeypatch.setattr(Learner, "training_step", step)
    run(tmp_path / "cut", LOSSES[name], resume=True)
    whole, cut = last(tmp_path / "whole"), last(tmp_path / "cut")
    assert any(key.startswith("loss.") for key in whole["state_dict"])
    assert same(whole["state_dict"], cut["state_dict"])


def test_memory_holds_the_latest_embeddings(tmp_path: Path) -> None:
    fitted = run(tmp_path, LOSSES["memory"])
    state = last(tmp_path)["state_dict"]
    assert (int(state["loss.filled"]), int(state["loss.steps"])) == (40, 9)
    assert not any("loss" in key for key in fitted.network.state_dict())


def test_learned_vectors_move_at_their_own_rate(tmp_path: Path) -> None:
    run(tmp_path, LOSSES["proxies"], epochs=1)
    groups = {group["name"]: group for group in last(tmp_path)["optimizer_states"][0]["param_groups"]}
    assert groups["loss"]["lr"] == 0.1
    assert groups["head"]["lr"] == 0.01
    torch.manual_seed(0)
    learner = Learner(Head(12, 6), config(LOSSES["proxies"], 1), source(15, seed=1), source(8, seed=2))
    start = cast(nn.Module, learner.loss).state_dict()["weight"]
    assert not torch.equal(last(tmp_path)["state_dict"]["loss.weight"], start)


def test_foreign_loss_is_told_classes_and_length(tmp_path: Path) -> None:
    run(tmp_path, LOSSES["foreign"], epochs=1)
    shapes = {key: tuple(value.shape) for key, value in last(tmp_path)["state_dict"].items()}
    assert shapes["loss.loss.proxies"] == (15, 6)
