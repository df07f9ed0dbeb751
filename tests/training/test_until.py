"""A training of a known length: what it leaves is what a chosen one had after so many epochs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from clustered import even_clusters
from lookalike.config import RunConfig
from lookalike.runfile import parse_config
from lookalike.training.gradient import notes_of
from lookalike.training.network import Head
from lookalike.training.trainer import Fitted, fit
from lookalike.training.until import fit_until


def config(**training: Any) -> RunConfig:
    values = {
        "epochs": 4,
        "learning_rate": 0.01,
        "early_stopping_patience": 1,
        "device": "cpu",
        "schedule": "cosine",
        "loggers": ["csv"],
        **training,
    }
    return parse_config({"seed": 3, "batches": {"classes": 8, "images": 4}, "training": values})


def head() -> Head:
    torch.manual_seed(0)
    return Head(24, 8, hidden=(16,), dropout=0.2)


def until(folder: Path, epochs: int, settings: RunConfig, **options: Any) -> Fitted:
    return fit_until(head(), settings, train=even_clusters(1), folder=folder, epochs=epochs, **options)


def same(one: Fitted, other: Fitted) -> bool:
    pair = one.network.state_dict(), other.network.state_dict()
    return all(torch.equal(pair[0][name], pair[1][name]) for name in pair[0])


@pytest.mark.parametrize("training", [{}, {"ema": 0.8}], ids=str)
def test_it_leaves_what_val_would_have_kept(training: dict[str, Any], tmp_path: Path) -> None:
    settings = config(**training)
    chosen = fit(head(), settings, train=even_clusters(1), val=even_clusters(2), folder=tmp_path / "chosen")
    assert chosen.epochs > 0
    settled = until(tmp_path / "settled", chosen.epochs, settings)
    assert same(settled, chosen)
    assert (settled.judged, settled.epochs) == (False, chosen.epochs)
    assert not any(name.startswith("val_") for row in settled.history for name in row)
    assert "val was learned from, and chose nothing" in notes_of(settled)[1]


def test_no_epoch_leaves_the_start(tmp_path: Path) -> None:
    start = until(tmp_path, 0, config())
    assert start.history == []
    assert all(
        torch.equal(a, b) for a, b in zip(start.network.parameters(), head().parameters(), strict=True)
    )


class _Stopped(Exception):
    pass


def test_a_stopped_training_goes_on_and_one_that_is_over_learns_no_more(tmp_path: Path) -> None:
    def stop(row: Mapping[str, float]) -> None:
        if row["epoch"] == 1:
            raise _Stopped

    whole = until(tmp_path / "whole", 3, config())
    with pytest.raises(_Stopped):
        until(tmp_path / "parts", 3, config(), epoch=stop)
    rows: list[Mapping[str, float]] = []
    parts = until(tmp_path / "parts", 3, config(), resume=True, epoch=rows.append)
    assert same(whole, parts)
    assert len(rows) < 3
    rows.clear()
    over = until(tmp_path / "parts", 3, config(), resume=True, epoch=rows.append)
    assert rows == []
    assert len(over.history) == 3
    assert same(whole, over)
