"""A small training, run as a script by one process or by several that train together; prints nothing.

    python several_processes.py FOLDER DEVICES LOSS

Each process leaves FOLDER/<rank>.pt: the weights it ended with, its history and what it was told.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch

from lookalike.runfile import parse_config
from lookalike.training.distributed import rank, wait_for_all
from lookalike.training.learner import Learner
from lookalike.training.network import Head
from lookalike.training.sources import FeatureSource
from lookalike.training.trainer import fit


def source(seed: int) -> FeatureSource:
    rng = np.random.default_rng(seed)
    labels = np.repeat([f"{label:02}" for label in range(12)], 5)
    features = rng.normal(size=(60, 10)) * 0.4 + np.repeat(rng.normal(size=(12, 10)), 5, 0)
    return FeatureSource(features.astype(np.float32), labels)


def train(folder: Path, *, devices: int, loss: str) -> None:
    """Train and leave what came of it."""
    config = parse_config(
        {
            "seed": 5,
            "loss": {"name": loss},
            "batches": {"classes": 6, "images": 2},
            "training": {
                "epochs": 2,
                "early_stopping_patience": None,
                "optimizer": "sgd",
                "learning_rate": 0.05,
                "device": "cpu",
                "devices": devices,
                "loggers": ["csv"],
                "ema": 0.5,
                "gradient_clip": 5.0,
                "checkpoint_minutes": 1e-9,
            },
        }
    )
    torch.manual_seed(0)
    told: list[tuple[int, int]] = []
    learners: list[Learner] = []
    begin = Learner.on_train_start

    def listen(self: Learner) -> None:
        learners[:] = [self]
        begin(self)

    Learner.on_train_start = listen  # type: ignore[method-assign]
    fitted = fit(
        Head(10, 4, hidden=()),
        config,
        train=source(1),
        val=source(2),
        folder=folder,
        progress=lambda *counts: told.append(counts),
    )
    Learner.on_train_start = begin  # type: ignore[method-assign]
    state = {name: value.detach().clone() for name, value in learners[0].state_dict().items()}
    kept = {"state": state, "history": fitted.history, "told": len(told)}
    torch.save(kept, folder / f"{rank()}.pt")
    wait_for_all()


if __name__ == "__main__":
    train(Path(sys.argv[1]), devices=int(sys.argv[2]), loss=sys.argv[3])
