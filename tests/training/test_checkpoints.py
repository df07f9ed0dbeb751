"""Checkpoints within an epoch: a training that dies at any step goes on bit for bit from the last one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lookalike.config import RunConfig
from lookalike.runfile import parse_config
from lookalike.training.checkpoints import Last
from lookalike.training.learner import Learner
from lookalike.training.network import Head
from lookalike.training.sources import FeatureSource
from lookalike.training.trainer import Fitted, fit

MANNERS: dict[str, dict[str, Any]] = {
    "plain": {},
    "everything": {
        "ema": 0.9,
        "schedule": "cosine",
        "warmup": 0.2,
        "optimizer": "adamw",
        "weight_decay": 0.01,
        "gradient_clip": 0.5,
    },
}


class Killed(BaseException):
    """Stands for a process that dies."""


def source(seed: int, *, views: int = 0) -> FeatureSource:
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"{label:02}" for label in range(20)], 6)
    features = rng.normal(size=(120, 12)) * 0.3 + np.repeat(np.eye(20, 12), 6, 0)
    changed = features[:, None] + rng.normal(size=(120, views, 12)) * 0.1
    return FeatureSource(
        features.astype(np.float32), labels, changed.astype(np.float32) if views else None, labels
    )


def config(**training: Any) -> RunConfig:
    return parse_config(
        {
            "seed": 3,
            "loss": {"name": "triplet_batch_hard", "margin": "soft"},
            "batches": {"classes": 5, "images": 3},
            "training": {"epochs": 3, "early_stopping_patience": None, "device": "cpu", **training},
        }
    )


def run(folder: Path, settings: RunConfig, *, resume: bool = False) -> Fitted:
    torch.manual_seed(0)
    head = Head(12, 8, hidden=(16,), dropout=0.3)
    return fit(head, settings, train=source(1, views=2), val=source(2), folder=folder, resume=resume)


def last(folder: Path) -> dict[str, Any]:
    return dict(torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True))


def equal(a: Any, b: Any) -> bool:
    """Whether two checkpoints' parts are the same, tensors bit for bit."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(equal(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b) or (a != a and b != b)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tested is the process's death, not the machine's."""
    monkeypatch.setattr("os.fsync", lambda _: None)


@pytest.mark.parametrize(
    ("manner", "dies_at"), [("plain", 3), ("plain", 19), ("everything", 8), ("everything", 13)]
)
def test_a_killed_training_goes_on_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dies_at: int, manner: str
) -> None:
    settings = config(checkpoint_minutes=1e-9, **MANNERS[manner])  # after every batch
    whole = run(tmp_path / "whole", settings)
    step, seen = Learner.training_step, []

    def die(self: Any, batch: Any, number: int) -> Any:
        seen.append((self.current_epoch, number))
        if len(seen) == dies_at:
            raise Killed
        return step(self, batch, number)

    monkeypatch.setattr(Learner, "training_step", die)
    with pytest.raises((Killed, SystemExit)):
        run(tmp_path / "cut", settings)
    died_in = seen[-1]
    assert last(tmp_path / "cut")["within"]["batch"] == died_in[1], "the batches of this epoch that were done"
    dies_at = 0
    resumed = run(tmp_path / "cut", settings, resume=True)
    again = seen.index(died_in) + 1
    assert seen[again] == died_in, "it goes on with the batch that was lost"
    assert [place for place in seen if place != died_in] == sorted(set(seen) - {died_in}), (
        "none is done twice"
    )

    assert equal(dict(resumed.network.state_dict()), dict(whole.network.state_dict()))
    assert equal(resumed.history, whole.history)
    kept = [last(tmp_path / name) for name in ("whole", "cut")]
    for part in ("state_dict", "optimizer_states", "lr_schedulers"):
        assert equal(kept[0][part], kept[1][part]), part


def test_checkpoints_come_when_it_is_time(tmp_path: Path) -> None:
    class Strategy:
        def broadcast(self, due: bool) -> bool:
            return due

    class Trainer:
        strategy, is_last_batch, saved = Strategy(), False, 0

        def save_checkpoint(self, path: Path) -> None:
            assert path == tmp_path
            self.saved += 1

    now = [0.0]
    trainer: Any = Trainer()
    last_kept = Last(tmp_path, minutes=2, clock=lambda: now[0])
    counts = []
    for seconds in (60, 60, 60, 30, 45):
        now[0] += seconds
        last_kept.on_train_batch_end(trainer)
        counts.append(trainer.saved)
    assert counts == [0, 1, 1, 1, 2]
    now[0] += 500
    trainer.is_last_batch = True
    last_kept.on_train_batch_end(trainer)
    assert trainer.saved == 2, "the epoch's own checkpoint follows"
    last_kept.on_train_epoch_end(trainer)
    assert trainer.saved == 3
    now[0] += 119
    trainer.is_last_batch = False
    last_kept.on_train_batch_end(trainer)
    assert trainer.saved == 3, "the epoch's own checkpoint counts"


def test_last_checkpoint_is_of_the_last_epoch_even_where_it_is_not_the_best(tmp_path: Path) -> None:
    fitted = run(tmp_path, config(learning_rate=5.0))
    assert fitted.history[-1]["val_map@r"] < max(fitted.start, *(row["val_map@r"] for row in fitted.history))
    assert equal(last(tmp_path)["lookalike"]["history"], fitted.history)


def test_average_is_judged_kept_and_returned(tmp_path: Path) -> None:
    fitted = run(tmp_path, config(ema=0.9, learning_rate=0.02))
    best = torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    assert fitted.best > fitted.start
    for name, value in fitted.network.state_dict().items():
        assert torch.equal(value, best[f"average.module.{name}"])
    assert not torch.equal(fitted.network.state_dict()["last.weight"], best["network.last.weight"])
