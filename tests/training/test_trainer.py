"""Gradient training: it learns, keeps the best, resumes bit for bit, and writes what it says."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
import torch

from clustered import clusters
from lookalike.config import RunConfig
from lookalike.errors import ConfigError
from lookalike.runfile import parse_config
from lookalike.training import trainer as trainer_module
from lookalike.training.learner import MONITOR, Learner, score
from lookalike.training.network import Head
from lookalike.training.trainer import fit


def config(**training: Any) -> RunConfig:
    return parse_config(
        {
            "seed": 3,
            "loss": {"name": "triplet_batch_hard", "margin": "soft"},
            "batches": {"classes": 8, "images": 4},
            "training": {"epochs": 4, "early_stopping_patience": None, "device": "cpu", **training},
        }
    )


def new_head(dropout: float = 0.2) -> Head:
    torch.manual_seed(0)
    return Head(24, 8, hidden=(16,), dropout=dropout)


def run(
    folder: Path, settings: RunConfig, *, resume: bool = False, head: Head | None = None
) -> trainer_module.Fitted:
    train, val = clusters(30, 6, seed=1), clusters(12, 6, seed=2)
    return fit(head or new_head(), settings, train=train, val=val, folder=folder, resume=resume)


def weights(fitted: trainer_module.Fitted) -> dict[str, torch.Tensor]:
    return dict(fitted.network.state_dict())


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_training_ends_better_than_it_began(tmp_path: Path) -> None:
    fitted = run(tmp_path, config(epochs=12, learning_rate=0.01))
    assert fitted.best > fitted.start + 0.1
    assert fitted.best == max(row[MONITOR] for row in fitted.history)
    assert fitted.history[-1]["train_loss"] < fitted.history[0]["train_loss"]
    assert score(fitted.network, clusters(12, 6, seed=2)) == pytest.approx(fitted.best, abs=1e-6)
    assert not any(parameter.device.type != "cpu" for parameter in fitted.network.parameters())


def test_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    settings = config(learning_rate=0.01)
    first, second = run(tmp_path / "a", settings), run(tmp_path / "b", settings)
    assert same(weights(first), weights(second))
    other = run(tmp_path / "c", settings.model_copy(update={"seed": 4}))
    assert not same(weights(first), weights(other))


class Killed(BaseException):
    """Stands for a process that dies."""


def test_resume_continues_bit_for_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run(tmp_path / "whole", config(epochs=5))
    step = Learner.training_step
    seen: list[int] = []

    def die(self: Any, batch: Any, number: int) -> Any:
        seen.append(number)
        if len(seen) == 8:  # in the middle of the third epoch
            raise Killed
        return step(self, batch, number)

    monkeypatch.setattr(Learner, "training_step", die)
    with pytest.raises((Killed, SystemExit)):
        run(tmp_path / "cut", config(epochs=5))
    monkeypatch.setattr(Learner, "training_step", step)
    resumed = run(tmp_path / "cut", config(epochs=5), resume=True)
    assert resumed.history == whole.history
    assert same(weights(resumed), weights(whole))
    last = [
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)
        for name in ("whole", "cut")
    ]
    assert same(last[0]["state_dict"], last[1]["state_dict"])
    moments = [checkpoint["optimizer_states"][0]["state"] for checkpoint in last]
    assert all(same(moments[0][key], moments[1][key]) for key in moments[0])


def test_resume_of_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, config())
    again = run(tmp_path, config(), resume=True)
    assert again.history == first.history
    assert same(weights(first), weights(again))


def test_start_is_kept_where_no_epoch_is_better(tmp_path: Path) -> None:
    good = run(tmp_path / "good", config(epochs=10, learning_rate=0.01)).network
    start = {name: value.clone() for name, value in good.state_dict().items()}
    ruined = run(tmp_path / "ruined", config(epochs=1, learning_rate=50.0), head=good)  # type: ignore[arg-type]
    assert ruined.history[0][MONITOR] < ruined.start
    assert ruined.best == ruined.start
    assert same(weights(ruined), start)


def test_patience_stops_early(tmp_path: Path) -> None:
    fitted = run(tmp_path, config(epochs=50, early_stopping_patience=2, learning_rate=1e-9))
    assert len(fitted.history) < 10


def test_metrics_and_checkpoints_are_there(tmp_path: Path) -> None:
    steps: list[tuple[int, int]] = []
    train, val = clusters(30, 6, seed=1), clusters(12, 6, seed=2)
    progress = lambda done, total: steps.append((done, total))  # noqa: E731
    fitted = fit(new_head(), config(), train=train, val=val, folder=tmp_path, progress=progress)
    with (tmp_path / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(row["train_loss"]) for row in rows] == [row["train_loss"] for row in fitted.history]
    assert {"epoch", "train_loss", "val_map@r", "val_recall@1"} <= set(rows[0])
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"best.ckpt", "last.ckpt"}
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert steps[-1][0] == steps[-1][1] == len(steps)


def test_missing_device_is_explained(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(ConfigError, match=r"device is not there.*training\.device.*gpu"):
        run(tmp_path, config(device="gpu"))
