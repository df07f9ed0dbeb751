"""Kill -9 in the middle of a training, then --resume: the end is that of a training nobody touched."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.numpy import load_file

RECIPE = """
name: killed
split: {by: class, train: 0.5, val: 0.25, test: 0.25}
network: {head: feed_forward, hidden: [32], dropout: 0.2, embedding_dim: 16}
batches: {classes: 8, images: 4}
training: {epochs: 40, early_stopping_patience: null, device: cpu}
"""
PATIENCE_SECONDS = 240


def start(recipe: Path, data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from lookalike.cli import main; main()", "train"]
    arguments = [str(recipe), "--data", str(data), "--out", str(out), *more]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, "the training ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def epochs_done(out: Path) -> int:
    path = out / "metrics.csv"
    return len(path.read_text().splitlines()) - 1 if path.exists() else 0


def measured(out: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv, without the times that its columns "waiting" and "seconds" keep."""
    with (out / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [
        {name: value for name, value in row.items() if name not in ("waiting", "seconds")} for row in rows
    ]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "killed.yaml"
    path.write_text(RECIPE)
    return path


def test_killed_training_resumes_to_the_same_end(
    recipe: Path, few: Path, cache: Path, tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    untouched = start(recipe, few, whole)
    assert untouched.communicate()[1] is not None
    assert untouched.returncode == 0
    for epochs in (3, 17):
        resume = ["--resume"] if cut.exists() else []
        process = start(recipe, few, cut, *resume)
        wait_for(lambda bar=epochs: epochs_done(cut) >= bar, process)  # type: ignore[misc]
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        assert not (cut / "model").exists()
    last = start(recipe, few, cut, "--resume")
    assert last.communicate()[1] is not None
    assert last.returncode == 0
    assert measured(cut) == measured(whole)
    before, after = (load_file(folder / "model" / "weights.safetensors") for folder in (whole, cut))
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)
    assert epochs_done(cut) == 40


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_training_says_how_to_go_on(
    recipe: Path, few: Path, cache: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start(recipe, few, tmp_path / "run")
    wait_for(lambda: epochs_done(tmp_path / "run") >= 1, process)
    process.send_signal(number)
    shown = process.communicate()[1].decode()
    assert process.returncode == code
    assert "run the same command with --resume to go on" in shown
    assert "Traceback" not in shown
