"""A whole run from Python: its folder, that it is deterministic and honest, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from safetensors.numpy import load_file

from listening import Listener
from lookalike import evaluate, train
from lookalike.config import RunConfig
from lookalike.errors import ConfigError, TableError
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.runfile import load_config, parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.run import Run

ROOT = Path(__file__).parents[2]


def settings(**changes: Any) -> RunConfig:
    base: dict[str, Any] = {
        "name": "few",
        "split": {"by": "class", "train": 0.5, "val": 0.25, "test": 0.25},
        "network": {"embedding_dim": 16},
        "training": {"epochs": 2, "device": "cpu", "workers": 0},
        "batches": {"classes": 8, "images": 4},
    }
    return parse_config({**base, **changes})


@pytest.fixture(scope="module")
def run(few: Path, backbone: Model, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(settings(), few, out=tmp_path_factory.mktemp("run") / "few")


def test_training_on_the_sample_beats_the_untrained_backbone(
    sample: Path, backbone: Model, tmp_path: Path
) -> None:
    run = train(ROOT / "recipes" / "emoji.yaml", sample, out=tmp_path / "emoji")
    assert run.evaluation is not None
    for name in ("recall@1", "map@r", "roc_auc"):
        figure = run.evaluation.figures[name]
        assert figure.baseline is not None
        assert figure.low > figure.baseline
    assert run.threshold is not None
    assert run.threshold.split == "val"


def test_baseline_is_the_default_model_judged_on_the_same_pictures(run: Run, backbone: Model) -> None:
    assert run.evaluation is not None
    table = ImageTable.read(run.folder / "split.parquet")
    bare = evaluate(backbone, table, split="test", draws=10)
    for name, figure in run.evaluation.figures.items():
        assert figure.baseline == pytest.approx(bare.figures[name].value, abs=1e-6)


def test_report_json_holds_figures_recipe_and_data(run: Run) -> None:
    assert run.evaluation is not None
    told = json.loads((run.folder / "report.json").read_text(encoding="utf-8"))
    figure = run.evaluation.figures["recall@1"]
    assert told["recall@1"]["value"] == figure.value
    assert told["recall@1"]["gain"] == list(figure.gain or ())
    assert told["data"] == run.model.facts["training"]["data"] == told["training"]["data"]
    assert told["recipe"] == settings().model_dump(mode="json")
    assert told["threshold"]["similarity"] == (run.threshold and run.threshold.similarity)


def test_splits_share_no_class_and_train_is_remembered(run: Run) -> None:
    table = ImageTable.read(run.folder / "split.parquet")
    parts = {split: table.select(split) for split in ("train", "val", "test")}
    classes = [set(part.classes) for part in parts.values()]
    assert sum(map(len, classes)) == len(set.union(*classes)) == 30
    seen = {split: run.model.count_seen(embed_table(run.model, part).hashes) for split, part in parts.items()}
    assert seen == {"train": len(parts["train"]), "val": 0, "test": 0}


def test_same_seed_gives_the_same_model(run: Run, few: Path, tmp_path: Path) -> None:
    again = train(settings(), few, out=tmp_path / "again")
    assert again.model.fingerprint == run.model.fingerprint
    assert again.threshold == run.threshold
    other = train(settings(seed=1), few, out=tmp_path / "other")
    assert other.model.fingerprint != run.model.fingerprint


def test_config_is_kept_as_resolved(run: Run) -> None:
    assert load_config(run.folder / "config.yaml") == settings()
    assert "onnxruntime" in json.loads((run.folder / "versions.json").read_text())


def test_weights_are_those_of_the_graph(run: Run) -> None:
    weights = load_file(run.folder / "model" / "weights.safetensors")
    assert weights["head.last.weight"].shape == (16, 1280)
    assert "features.backbone.conv_stem.weight" in weights


def test_finished_run_is_not_overwritten_and_settings_hold(run: Run, few: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds a run already.*--resume"):
        train(settings(), few, out=run.folder)
    with pytest.raises(ConfigError, match=r"cannot change its settings.*embedding_dim.*saw 8, wanted 16"):
        train(settings(network={"embedding_dim": 8}), few, out=run.folder, resume=True)


def test_resume_of_a_finished_run_gives_the_same_model(few: Path, backbone: Model, tmp_path: Path) -> None:
    head = {"head": "linear", "embedding_dim": 8, "head_start": "random"}
    first = train(settings(network=head), few, out=tmp_path)
    before = load_file(tmp_path / "model" / "weights.safetensors")
    again = train(settings(network=head), few, out=tmp_path, resume=True)
    after = load_file(tmp_path / "model" / "weights.safetensors")
    assert all((before[name] == after[name]).all() for name in before)
    assert again.model.fingerprint == first.model.fingerprint


def test_overrides_win(few: Path, backbone: Model, tmp_path: Path) -> None:
    run = train(settings(), few, out=tmp_path, overrides=["network.embedding_dim=4"])
    assert run.model.dim == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"frozen": False, "embedding_dim": 8}, "preprocess": {"size": 64}},
        {
            "network": {"head": "linear", "embedding_dim": 8},
            "image_augmentation": True,
            "preprocess": {"size": 64},
        },
        {"network": {"head": "feed_forward", "hidden": [16], "dropout": 0.2, "embedding_dim": 8}},
        {"network": {"head": "linear", "embedding_dim": 2000}},
    ],
    ids=["fine-tuned", "augmented", "feed-forward", "more dimensions than features"],
)
def test_every_kind_of_training_ends_in_a_model(
    few: Path, backbone: Model, tmp_path: Path, changes: dict[str, Any]
) -> None:
    listener = Listener()
    loss = {"name": "triplet_batch_hard", "margin": "soft"}
    run = train(settings(loss=loss, **changes), few, out=tmp_path / "run", watcher=listener)
    assert run.evaluation is not None
    assert run.evaluation.figures["map@r"].baseline is not None
    assert run.model.dim == changes["network"]["embedding_dim"]
    assert (tmp_path / "run" / "baseline").exists() is not settings(**changes).network.frozen
    assert any("Trained" in text for text in listener.said)
    assert all(done == total for *_, (done, total) in listener.stages.values())
    history = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert 2 <= len(history) <= 3
    assert "val map@r before" in (tmp_path / "run" / "report.html").read_text()


def test_without_test_pictures_there_are_no_figures_and_it_is_said(
    few: Path, backbone: Model, tmp_path: Path
) -> None:
    listener = Listener()
    split = {"by": "class", "train": 0.7, "val": 0.3, "test": 0.0}
    run = train(settings(split=split), few, out=tmp_path, watcher=listener)
    assert run.evaluation is None
    assert run.threshold is not None
    assert any("No figures" in text for text in listener.said)


def test_bad_pictures_are_left_out_and_told(few: Path, backbone: Model, tmp_path: Path) -> None:
    import shutil

    data = tmp_path / "data"
    shutil.copytree(few, data)
    bad = sorted(data.rglob("noto.png"))[::5]
    for path in bad:
        path.write_bytes(path.read_bytes()[:50])
    run = train(settings(), data, out=tmp_path / "run")
    assert run.evaluation is not None
    told = {entry.path for entry in (*run.skipped, *run.evaluation.report.skipped)}
    assert told == {str(path) for path in bad}
    facts = run.model.facts["training"]
    assert facts["images"] == int(np.load(run.model.folder / "seen.npy").size)


def test_data_must_be_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"no data was named.*--data FOLDER"):
        train(settings(), out=tmp_path)


def test_pictures_without_a_label_are_left_out_and_told(few: Path, backbone: Model, tmp_path: Path) -> None:
    table = ImageTable.read(few)
    loose = pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise(pl.col("label")).alias("label")
    listener = Listener()
    mixed = ImageTable(table.root, table.frame.with_columns(loose))
    run = train(settings(), mixed, out=tmp_path / "run", watcher=listener)
    assert "pictures without a label, which are left out: 3" in listener.said
    assert len(ImageTable.read(run.folder / "split.parquet")) == len(table) - 3
    assert any("Solved the head in closed form on the processor: MAP@R" in text for text in listener.said)
    assert "Solved the head in closed form" in (run.folder / "report.html").read_text()
