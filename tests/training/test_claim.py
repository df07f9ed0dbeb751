"""A run folder: one training at a time, resumed only as it began, left as it is when finished."""

from __future__ import annotations

import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import filelock
import polars as pl
import pytest

from listening import Listener
from lookalike import Model, calibrate, train
from lookalike.errors import ConfigError, LookalikeError, TableError, TrainingError
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.claim import LOCK, claimed, held

SETTINGS: dict[str, Any] = {
    "name": "few",
    "split": {"by": "class", "train": 0.5, "val": 0.25, "test": 0.25},
    "network": {"embedding_dim": 16},
}


def test_a_second_training_into_a_folder_is_refused(tmp_path: Path) -> None:
    with held(tmp_path), pytest.raises(ConfigError, match=r"another training writes.*--out"), held(tmp_path):
        pytest.fail("the folder was given twice")
    with held(tmp_path):
        assert (tmp_path / LOCK).exists()


def test_a_full_disk_says_how_to_go_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"model\.onnx.*No space left.*--resume"), held(tmp_path):
        raise OSError(errno.ENOSPC, "No space left on device", "model.onnx")
    filelock.FileLock(tmp_path / LOCK, timeout=0).acquire().lock.release()  # nothing is held any more


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot be made.*--out"), held(tmp_path / "file" / "run"):
        pytest.fail("there is no such folder")


def test_a_finished_run_keeps_its_thresholds_and_its_files(
    few: Path, backbone: Model, tmp_path: Path
) -> None:
    config = parse_config(SETTINGS)
    first = train(config, few, out=tmp_path / "run")
    calibrate(first.model, ImageTable.read(tmp_path / "run" / "split.parquet"), name="mine")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    listener = Listener()
    again = train(config, few, out=tmp_path / "run", resume=True, watcher=listener)
    assert {path: path.read_bytes() for path in before} == before
    assert set(again.model.thresholds) == {"default", "mine"}
    assert again.evaluation is not None
    assert first.evaluation is not None
    assert again.evaluation.report.figures == first.evaluation.report.figures
    assert "is finished" in " ".join(listener.said)


def test_resume_refuses_other_data_and_takes_the_same(few: Path, tmp_path: Path) -> None:
    config = parse_config(SETTINGS)
    table = ImageTable.read(few)
    folder = tmp_path / "run"
    folder.mkdir()
    table.save(folder / "split.parquet")
    (folder / "config.yaml").write_text("name: few\nsplit: {by: class, train: 0.5, val: 0.25, test: 0.25}\n"
                                        "network: {embedding_dim: 16}\n")  # fmt: skip
    kept = claimed(folder, config, few)
    assert kept is not None
    assert len(kept) == len(table)
    other = tmp_path / "other"
    shutil.copytree(few, other)
    next(other.rglob("*.png")).unlink()
    with pytest.raises(ConfigError, match=r"cannot change its data.*saw 1 pictures"):
        claimed(folder, config, other)
    with pytest.raises(TableError, match="nowhere"):
        claimed(folder, config, tmp_path / "nowhere")


def test_resume_without_a_run_says_that_it_begins(few: Path, backbone: Model, tmp_path: Path) -> None:
    listener = Listener()
    train(parse_config(SETTINGS), few, out=tmp_path / "run", resume=True, watcher=listener)
    assert any("starts from the beginning" in said for said in listener.said)


@pytest.mark.parametrize("share", ["train", "val"])
def test_a_split_without_pictures_to_learn_or_choose_by_is_refused_at_once(
    share: str, few: Path, tmp_path: Path
) -> None:
    shares = {"train": 0.5, "val": 0.5, "test": 0.5, share: 0.0}
    config = parse_config({**SETTINGS, "split": {"by": "class", **shares}})
    with pytest.raises(TableError, match=f"split {share}.*give split.{share} a share above 0"):
        train(config, few, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_without_the_training_packages_the_command_is_named() -> None:
    code = "import sys; sys.modules['onnx'] = None\nfrom lookalike import train"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "MissingExtraError" in done.stderr
    assert "onnx - saw no such package - pip install 'lookalike[train]'" in done.stderr


def test_pictures_that_were_never_in_the_table_are_told(few: Path, backbone: Model, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(few, data)
    (next(data.iterdir()) / "gone.png").symlink_to(tmp_path / "nowhere.png")
    run = train(parse_config(SETTINGS), data, out=tmp_path / "run")
    assert [Path(entry.path).name for entry in run.skipped] == ["gone.png"]


def test_labels_are_compared_too(few: Path, tmp_path: Path) -> None:
    table = ImageTable.read(few)
    table.save(tmp_path / "split.parquet")
    (tmp_path / "config.yaml").write_text("name: run\n")
    frame = table.frame.with_columns(pl.lit("x").alias("label"))
    with pytest.raises(LookalikeError, match="cannot change its data"):
        claimed(tmp_path, parse_config({}), ImageTable(table.root, frame))


def test_a_target_that_means_nothing_is_refused_before_training(few: Path, tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match=r"target is not understood.*saw 'f2'"):
        train(parse_config({**SETTINGS, "calibration": {"target": "f2"}}), few, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
