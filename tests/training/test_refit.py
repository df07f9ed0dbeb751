"""After fine-tuning the head is solved once more, and the better of the two on validation is exported."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from lookalike import ImageTable, train
from lookalike.config import RunConfig
from lookalike.errors import ConfigError
from lookalike.judging.metrics import retrieval
from lookalike.models.embedding import embed_table
from lookalike.runfile import parse_config
from lookalike.training import gradient
from lookalike.training.backbones import Features
from lookalike.training.refit import Refitted, refit
from lookalike.training.run import Run


def settings(*, network: dict[str, Any] | None = None, **training: Any) -> RunConfig:
    return parse_config(
        {
            "name": "few",
            "split": {"by": "class", "train": 0.5, "val": 0.25, "test": 0.25},
            "preprocess": {"size": 32},
            "network": {
                "backbone": "test_efficientnet",
                "pretrained": False,
                "frozen": False,
                "head_start": "random",
                "embedding_dim": 8,
                **(network or {}),
            },
            "batches": {"classes": 6, "images": 3},
            "training": {
                "epochs": 1,
                "device": "cpu",
                "workers": 0,
                "learning_rate": 1e-6,
                "backbone_learning_rate": 1e-6,
                **training,
            },
        }
    )


@pytest.fixture(scope="module")
def run(few: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(settings(), few, out=tmp_path_factory.mktemp("refit") / "run")


def val_map_at_r(run: Run) -> float:
    val = ImageTable.read(run.folder / "split.parquet").select("val")
    embedded = embed_table(run.model, val)
    found = retrieval(embedded.embeddings.vectors, val.labels[embedded.rows], identity=embedded.identity)
    return float(np.nanmean(found.values["map@r"]))


def test_the_solved_head_is_exported_where_it_is_better(run: Run) -> None:
    report = (run.folder / "report.html").read_text()
    assert f"reaches MAP@R {val_map_at_r(run):.3f} on val: it is kept" in report
    weights = load_file(run.folder / "model" / "weights.safetensors")
    assert weights["head.last.weight"].shape[0] == 8
    assert weights["head.power"] in (0.5, 1.0)  # a signed power, which the random head has not


def test_it_can_be_switched_off(few: Path, tmp_path: Path, run: Run) -> None:
    plain = train(settings(refit=False), few, out=tmp_path / "run")
    assert "Solved once more" not in (plain.folder / "report.html").read_text()
    assert val_map_at_r(plain) < val_map_at_r(run)


def test_the_trained_head_stays_where_it_is_better(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def poorly(*sides: Any, **more: Any) -> Refitted:
        return replace(refit(*sides, **more), map_at_r=-1.0)

    monkeypatch.setattr(gradient, "refit", poorly)
    kept = train(settings(), few, out=tmp_path / "run")
    assert "the trained one is kept" in (kept.folder / "report.html").read_text()
    weights = load_file(kept.folder / "model" / "weights.safetensors")
    assert weights["head.power"] == 1.0  # the random head's


def test_the_loss_may_see_the_last_map_alone(few: Path, tmp_path: Path) -> None:
    pooled = {"stages": 2, "pooling": ["spoc", "mac"], "head_start": None}
    config = settings(learn_through="last", network=pooled)
    seen = config.learned.network
    assert (seen.stages, seen.pooling, seen.quarters) == (1, ("spoc",), ())
    assert config.network.stages == 2
    run = train(config, few, out=tmp_path / "run")
    assert (
        f"reaches MAP@R {val_map_at_r(run):.3f} on val: it is kept"
        in (run.folder / "report.html").read_text()
    )
    assert run.model.facts["network"]["stages"] == 2
    weights = load_file(run.folder / "model" / "weights.safetensors")
    whole = Features(config.network, config.preprocess)
    assert weights["head.last.weight"].shape == (8, whole.dim)
    assert whole.dim > Features(seen, config.preprocess).dim


@pytest.mark.parametrize(
    "more", [{"refit": False}, {"network": {"frozen": True, "head": "linear"}}, {"network": {"head": "cgd"}}]
)
def test_what_was_not_seen_must_be_solved(more: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"learn_through: last goes with .*frozen: false.*refit: true"):
        settings(learn_through="last", **more)
