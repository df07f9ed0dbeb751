"""A study that takes seconds, as a file; and trials that nobody had to train."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from lookalike.presenting.trials import Trial

STUDY: Mapping[str, Any] = {
    "name": "small",
    "study": {"trials": 4, "startup_trials": 2},
    "search": {
        "network.embedding_dim": [8, 16],
        "network.hidden": [[], [16]],
        "training.learning_rate": {"low": 0.0003, "high": 0.01, "log": True},
    },
    "split": {"by": "class", "train": 0.5, "val": 0.25, "test": 0.25},
    "network": {"head": "feed_forward"},
    "batches": {"classes": 8, "images": 4},
    "training": {"epochs": 3, "early_stopping_patience": None, "device": "cpu"},
}


def write_study(folder: Path, **changes: Any) -> Path:
    """The study file with sections changed; None takes one out."""
    values = {**STUDY, **changes}
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump({key: value for key, value in values.items() if value is not None}))
    return path


def made_up_trials(count: int = 20, *, objectives: int = 1) -> list[Trial]:
    """Trials of keys of all kinds, some of them pruned, one failed, one running."""
    drawn = random.Random(3)
    trials = []
    for number in range(count):
        dim, units = drawn.choice([128, 256, 1024]), drawn.choice([[], [256], [512, 256]])
        rate, dropout = 10 ** drawn.uniform(-4, -2), round(drawn.uniform(0, 0.5), 3)
        value = 0.3 + 0.05 * math.log2(dim / 128) + 0.04 * len(units) - 0.02 * (math.log10(rate) + 3) ** 2
        state: Any = {3: "pruned", 7: "pruned", count - 2: "failed", count - 1: "running"}.get(
            number, "complete"
        )
        trials.append(
            Trial(
                number=number,
                state=state,
                params={
                    "network.embedding_dim": dim,
                    "network.hidden": units,
                    "network.dropout": dropout,
                    "training.learning_rate": rate,
                    "training.optimizer": drawn.choice(["adam", "sgd"]),
                },
                values=(value, float(dim))[:objectives] if state == "complete" else (),
                course={epoch: value * (1 - math.exp(-epoch / 3)) for epoch in range(1, 3 + number % 5)},
                epochs=3,
                seconds=None if state == "running" else drawn.uniform(1, 200),
                message="no such column" if state == "failed" else "",
            )
        )
    return trials
