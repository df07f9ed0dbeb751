"""Loggers by name: what is installed is used, what is missing is named, and nothing is sent unasked."""

from __future__ import annotations

import sys
from argparse import Namespace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from lookalike.config import RunConfig
from lookalike.errors import MissingExtraError
from lookalike.runfile import parse_config
from lookalike.training import loggers
from lookalike.training.loggers import NeptuneLogger, make_loggers


def config(*names: str) -> RunConfig:
    return parse_config({"name": "shoes", "training": {"loggers": list(names)}})


class Recorder:
    """Stands for a logger of Lightning; keeps what it was made with."""

    made: dict[str, Any]
    hyperparameters: Any = None

    def __init__(self, *arguments: Any, **options: Any) -> None:
        Recorder.made = {"arguments": arguments, **options}

    def log_hyperparams(self, values: Any) -> None:
        Recorder.hyperparameters = values


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As though every tool were installed, and no variable set."""
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda _: True)  # type: ignore[attr-defined]
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE", "NEPTUNE_MODE", "NEPTUNE_DATA_DIRECTORY"):
        monkeypatch.setenv(name, "set")  # so that it is put back afterwards
        monkeypatch.delenv(name)


def test_default_is_tensorboard_beside_the_own_file(tmp_path: Path) -> None:
    [found] = make_loggers(RunConfig(), tmp_path)
    assert found.save_dir == str(tmp_path)
    found.log_metrics({"val": 1.0}, step=1)
    found.finalize("success")
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert make_loggers(config("csv"), tmp_path) == []
    assert make_loggers(config(), tmp_path) == []


@pytest.mark.parametrize("name", ["mlflow", "wandb", "neptune"])
def test_missing_tool_is_answered_with_the_command(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loggers.importlib.util, "find_spec", lambda _: None)  # type: ignore[attr-defined]
    with pytest.raises(MissingExtraError, match=rf"{name}.*pip install 'lookalike\[{name}\]'"):
        make_loggers(config(name), tmp_path)


@pytest.mark.usefixtures("installed")
def test_mlflow_writes_to_the_run_folder_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "MLFlowLogger", Recorder)
    make_loggers(config("mlflow"), tmp_path)
    assert Recorder.made["tracking_uri"] == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert Recorder.made["artifact_location"] == (tmp_path / "mlflow").as_uri()
    assert Recorder.made["run_name"] == "shoes"
    assert Recorder.hyperparameters["training"]["epochs"] == 50
    assert (tmp_path / "mlflow").is_dir()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:5000")
    make_loggers(config("mlflow"), tmp_path)
    assert Recorder.made["tracking_uri"] == "http://127.0.0.1:5000"


@pytest.mark.usefixtures("installed")
def test_wandb_is_offline_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loggers, "WandbLogger", Recorder)
    make_loggers(config("wandb"), tmp_path)
    assert Recorder.made["offline"] is True
    assert loggers.os.environ["WANDB_MODE"] == "offline"  # type: ignore[attr-defined]
    assert Recorder.made["save_dir"] == tmp_path
    monkeypatch.setenv("WANDB_MODE", "online")
    make_loggers(config("wandb"), tmp_path)
    assert Recorder.made["offline"] is False


class Run(dict[str, Any]):
    """Stands for a run of Neptune."""

    stopped = False

    def __missing__(self, key: str) -> Any:
        self[key] = Series()
        return self[key]

    def stop(self) -> None:
        self.stopped = True


class Series(list[tuple[float, int | None]]):
    def append(self, value: float, *, step: int | None) -> None:  # type: ignore[override]
        super().append((value, step))


@pytest.mark.usefixtures("installed")
def test_neptune_is_offline_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[dict[str, Any]] = []
    run = Run()
    tool = ModuleType("neptune")
    tool.init_run = lambda **options: begun.append(options) or run  # type: ignore[attr-defined, func-returns-value]
    monkeypatch.setitem(sys.modules, "neptune", tool)
    [logger] = make_loggers(config("neptune"), tmp_path)
    assert begun == [{"name": "shoes", "mode": "offline"}]
    assert loggers.os.environ["NEPTUNE_DATA_DIRECTORY"] == str(tmp_path / "neptune")  # type: ignore[attr-defined]
    logger.log_metrics({"train_loss": 0.5}, step=3)
    logger.log_metrics({"train_loss": 0.4}, step=4)
    logger.finalize("success")
    assert run["train_loss"] == [(0.5, 3), (0.4, 4)]
    assert run["config"]["name"] == "shoes"
    assert run["status"] == "success"
    assert run.stopped
    assert (logger.name, logger.version) == ("shoes", "")
    logger.finalize("success")
    monkeypatch.setenv("NEPTUNE_MODE", "async")
    make_loggers(config("neptune"), tmp_path)
    assert begun[-1]["mode"] == "async"
    again = NeptuneLogger("x", mode="offline")
    again.log_hyperparams(Namespace(a=1))
    assert run["config"] == {"a": 1}
