"""After fine-tuning the head is solved once more, and the better of the two on validation is exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from lookalike import ImageTable, train
from lookalike.embedding import embed_table
from lookalike.metrics import retrieval
from lookalike.records import SILENT, Floats
from lookalike.runfile import parse_config
from lookalike.training.closed_form import LinearHead
from lookalike.training.gradient import _better
from lookalike.training.graph import HeadGraph
from lookalike.training.refit import Refitted
from lookalike.training.run import Run
from lookalike.training.side import Trained
from lookalike.training.trainer import Fitted


def settings(**training: Any) -> Any:
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


@pytest.mark.parametrize(("reached", "kept"), [(0.5, "the trained one is kept"), (0.7, "it is kept")])
def test_the_better_one_is_kept(reached: float, kept: str) -> None:
    from torch import nn

    head = LinearHead(0.5, np.eye(4, 2, dtype=np.float32), np.zeros(2, np.float32))
    old: Floats = np.ones((4, 2), np.float32)
    trained = Trained(HeadGraph(1.0, [(old, np.zeros(2, np.float32))]), {"head.last.weight": old, "a.b": old})
    fitted = Fitted(nn.Identity(), [], start=0.1, best=0.6, device="cpu")
    features: Any = nn.Identity()
    result = _better(trained, Refitted(head, reached), fitted, features=features, watcher=SILENT)
    assert result.notes[-1].endswith(kept + ".")
    assert (result.head is trained.head) is (reached < 0.6)
    assert set(result.weights) >= {"a.b"}
    if reached > 0.6:
        np.testing.assert_array_equal(result.weights["head.last.weight"], head.weight.T)
        assert result.embed is not None
        embedded = result.embed(np.array([[0.25, 0.0, 0.0, 0.0]], np.float32))
        np.testing.assert_allclose(embedded, [[1.0, 0.0]], atol=1e-6)
