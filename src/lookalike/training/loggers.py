"""Where a training writes its curves: TensorBoard, CSV, MLflow, Weights & Biases, Neptune.

Names of a run file enter; Lightning loggers leave. metrics.csv is the run's own file and is written by the
trainer. Nothing leaves this machine unless its owner says so in the tool's own way: MLflow writes to the run
folder unless MLFLOW_TRACKING_URI is set, Weights & Biases and Neptune stay offline unless WANDB_MODE or
NEPTUNE_MODE say otherwise.
"""

from __future__ import annotations

import importlib.util
import os
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from lookalike.config import RunConfig
from lookalike.errors import MissingExtraError

OWN_FILE = "csv"


def make_loggers(config: RunConfig, folder: Path) -> list[Logger]:
    """The loggers that a run file asks for, given the whole run file to keep with the curves.

    Args:
        folder: the run folder; tensorboard/, mlflow/, wandb/ and neptune/ go there.

    Raises:
        MissingExtraError: a tool is not installed.
    """
    makers: Mapping[str, Callable[[str, Path], Logger]] = {
        "tensorboard": _tensorboard,
        "mlflow": _mlflow,
        "wandb": _wandb,
        "neptune": _neptune,
    }
    check_installed(config.training.loggers)
    loggers = []
    for name in config.training.loggers:
        if name == OWN_FILE:
            continue
        loggers.append(makers[name](config.name, folder))
        if name != "tensorboard":  # which would show the settings as a table of runs with no metric
            loggers[-1].log_hyperparams(config.model_dump(mode="json"))
    return loggers


def check_installed(names: Sequence[str]) -> None:
    """Refuse tools that are not installed.

    Raises:
        MissingExtraError: one is not.
    """
    for name in names:
        if name != OWN_FILE and importlib.util.find_spec(name) is None:
            raise MissingExtraError(name, extra=name if name != "tensorboard" else "train")


def _tensorboard(_: str, folder: Path) -> Logger:
    return TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False)


def _mlflow(name: str, folder: Path) -> Logger:
    own = (folder / "mlflow").absolute()
    place = os.environ.get("MLFLOW_TRACKING_URI")
    if place is None:  # a database, since MLflow has given up its folders of files
        own.mkdir(parents=True, exist_ok=True)
        place = f"sqlite:///{own}/mlflow.db"
    return MLFlowLogger("lookalike", run_name=name, tracking_uri=place, artifact_location=own.as_uri())


def _wandb(name: str, folder: Path) -> Logger:
    mode = os.environ.setdefault("WANDB_MODE", "offline")
    return WandbLogger(name=name, project="lookalike", save_dir=folder, offline=mode == "offline")


def _neptune(name: str, folder: Path) -> Logger:
    os.environ.setdefault("NEPTUNE_DATA_DIRECTORY", str(folder / "neptune"))
    return NeptuneLogger(name, mode=os.environ.get("NEPTUNE_MODE", "offline"))


class NeptuneLogger(Logger):
    """Curves as series of a Neptune run: Lightning no longer has a logger for it."""

    def __init__(self, name: str, *, mode: str) -> None:
        super().__init__()
        self._name, self._mode = name, mode
        self._run: Any = None

    @property
    def name(self) -> str:
        """The run's name."""
        return self._name

    @property
    def version(self) -> str:
        """Neptune counts by itself."""
        return ""

    @property
    def run(self) -> Any:
        """The Neptune run, begun on first use."""
        if self._run is None:
            import neptune  # type: ignore[import-not-found]

            self._run = neptune.init_run(name=self._name, mode=self._mode)
        return self._run

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *_: Any, **__: Any) -> None:
        """Keep the run file."""
        self.run["config"] = vars(params) if isinstance(params, Namespace) else params

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Add a point to each curve."""
        for name, value in metrics.items():
            self.run[name].append(value, step=step)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        """End the run."""
        if self._run is not None:
            self._run["status"] = status
            self._run.stop()
            self._run = None
