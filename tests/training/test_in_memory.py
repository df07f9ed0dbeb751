"""A head that is trained in memory is the one that a run keeps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clustered import even_clusters
from lookalike.config import RunConfig
from lookalike.runfile import parse_config
from lookalike.training.in_memory import fit_in_memory
from lookalike.training.network import Head
from lookalike.training.trainer import Fitted, fit


def config(**training: Any) -> RunConfig:
    values = {
        "epochs": 5,
        "learning_rate": 0.01,
        "early_stopping_patience": None,
        "device": "cpu",
        **training,
    }
    return parse_config({"seed": 3, "batches": {"classes": 8, "images": 4}, "training": values})


def head() -> Head:
    torch.manual_seed(0)
    return Head(24, 8, hidden=(16,), dropout=0.2)


def in_memory(settings: RunConfig, **options: Any) -> Fitted:
    return fit_in_memory(head(), settings, train=even_clusters(1), val=even_clusters(2), **options)


def same(one: Fitted, other: Fitted) -> bool:
    pair = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(pair[0][name], pair[1][name]) for name in pair[0])


@pytest.mark.parametrize(
    "training", [{}, {"ema": 0.8}, {"schedule": "cosine", "gradient_clip": 1.0}], ids=str
)
def test_it_keeps_what_a_run_keeps(training: dict[str, Any], tmp_path: Path) -> None:
    settings = config(**training)
    run = fit(head(), settings, train=even_clusters(1), val=even_clusters(2), folder=tmp_path)
    alone = in_memory(settings)
    assert alone.best == run.best
    assert alone.best > alone.start
    assert same(alone, run)
    assert [row["val_map@r"] for row in alone.history] == [row["val_map@r"] for row in run.history]


def test_until_keeps_what_there_is_then() -> None:
    settings = config(schedule="cosine")
    best = in_memory(settings)
    kept = int(np.argmax([row["val_map@r"] for row in best.history])) + 1
    rows: list[Mapping[str, float]] = []
    until = in_memory(settings, until=kept, epoch=rows.append)
    assert len(rows) == kept
    assert same(until, best)
    start = in_memory(settings, until=0)
    assert same(start, in_memory(config(learning_rate=1e-12), until=0))
    assert start.history == []


def test_patience_and_epochs_are_those_of_a_run() -> None:
    rows: list[Mapping[str, float]] = []
    in_memory(config(epochs=30, early_stopping_patience=2, learning_rate=1e-9), epoch=rows.append)
    assert len(rows) < 10


def test_what_an_epoch_raises_ends_the_training() -> None:
    seen: list[int] = []

    def stop(row: Mapping[str, float]) -> None:
        seen.append(int(row["epoch"]))
        if len(seen) == 2:
            raise LookupError

    with pytest.raises(LookupError):
        in_memory(config(), epoch=stop)
    assert seen == [0, 1]


def test_it_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    in_memory(config())
    assert list(tmp_path.iterdir()) == []
