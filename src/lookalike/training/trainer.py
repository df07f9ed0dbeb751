"""Gradient training with Lightning: batches in, the network that was best on validation out.

An epoch is a pure function of weights, optimiser state, seed and epoch number, and both are written
atomically when it ends: a run that was killed at any moment continues as if nothing had happened. What a
run means (data, splits, export, reports) is decided elsewhere.
"""

from __future__ import annotations

import copy
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback, EarlyStopping, ModelCheckpoint
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from lookalike.config import RunConfig, TrainingConfig
from lookalike.errors import ConfigError
from lookalike.files import write_atomically
from lookalike.records import Progress
from lookalike.training.learner import MONITOR, History, Learner, score
from lookalike.training.sources import Source


@dataclass(frozen=True)
class Fitted:
    """What a training gives.

    Attributes:
        network: the best on validation, in evaluation mode, on the CPU.
        history: one row an epoch.
        start, best: val map@r before the first epoch and of the network returned.
        device: where it ran.
    """

    network: nn.Module
    history: History
    start: float
    best: float
    device: str


class AtomicCheckpoints(TorchCheckpointIO):
    """Checkpoints that are whole or not there, whenever the process dies."""

    def save_checkpoint(
        self,
        checkpoint: dict[str, Any],
        path: str | os.PathLike[str],
        storage_options: Any | None = None,  # noqa: ARG002 - of the interface
    ) -> None:
        """Write beside the target, sync, then rename."""
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, suffix=".part", delete=False) as file:
            torch.save(checkpoint, file)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(target)


class Reporter(Callback):
    """Tell progress by step and keep metrics.csv whole."""

    def __init__(self, folder: Path, progress: Progress) -> None:
        self.folder = folder
        self.progress = progress

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Count steps."""
        steps = int(trainer.num_training_batches)
        self.progress(trainer.global_step, steps * (trainer.max_epochs or 0))

    def on_train_epoch_start(self, _: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the epochs that are done."""
        self._write(cast(Learner, module).history)

    def on_fit_end(self, _: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the last epoch too."""
        self._write(cast(Learner, module).history)

    def _write(self, history: History) -> None:
        if history:
            write_atomically(self.folder / "metrics.csv", pl.DataFrame(history).write_csv().encode())


def fit(
    network: nn.Module,
    config: RunConfig,
    *,
    train: Source,
    val: Source,
    folder: Path,
    resume: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Fitted:
    """Train a network and return the state that had the best val map@r, the start included.

    Args:
        network: Head on features, or Network on pictures; begins as it is.
        folder: the run folder: checkpoints/, tensorboard/ and metrics.csv go there.
        resume: go on after the last finished epoch where there is one.

    Raises:
        ConfigError: the device that was asked for is not there.
        BatchError: a batch from which the loss cannot learn.
    """
    learner = Learner(network, config, train, val)
    start_state = copy.deepcopy(network.state_dict())
    learner.start = score(network, val)
    checkpoints = folder / "checkpoints"
    last = checkpoints / "last.ckpt"
    going_on = resume and last.exists()
    with quiet(), interruptible():
        trainer = _make_trainer(config.training, folder, progress)
        trainer.fit(learner, ckpt_path=str(last) if going_on else None, weights_only=True)
    best = max((row[MONITOR] for row in learner.history), default=-1.0)
    if best > learner.start:
        saved = torch.load(checkpoints / "best.ckpt", weights_only=True, map_location="cpu")
        state = {name.removeprefix("network."): value for name, value in saved["state_dict"].items()}
    else:
        state, best = start_state, learner.start
    network.load_state_dict(state)
    return Fitted(
        network.cpu().eval(), learner.history, learner.start, best, str(trainer.strategy.root_device)
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Hold back Lightning's talk; what a user needs to know is said by the run."""
    logger = logging.getLogger("pytorch_lightning")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module=r"pytorch_lightning|lightning|torch|tensorboard")
            warnings.filterwarnings("ignore", category=DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C come out as what it is: Lightning turns it into a silent exit with code 1."""
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def _make_trainer(training: TrainingConfig, folder: Path, progress: Progress) -> lightning.Trainer:
    checkpoint = ModelCheckpoint(
        dirpath=folder / "checkpoints",
        filename="best",
        monitor=MONITOR,
        mode="max",
        save_last=True,
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    callbacks: list[Callback] = [Reporter(folder, progress), checkpoint]
    if training.early_stopping_patience is not None:
        patience = training.early_stopping_patience
        callbacks.append(EarlyStopping(MONITOR, patience=patience, mode="max", check_on_train_epoch_end=True))
    try:
        return lightning.Trainer(
            accelerator=training.device,
            devices=1,
            max_epochs=training.epochs,
            logger=TensorBoardLogger(folder, name="tensorboard", version="", default_hp_metric=False),
            callbacks=callbacks,
            plugins=[AtomicCheckpoints()],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            reload_dataloaders_every_n_epochs=1,
            use_distributed_sampler=False,
            log_every_n_steps=1,
        )
    except MisconfigurationException as error:
        raise ConfigError(
            "the device is not there",
            where="training.device",
            saw=f"{training.device}: {error}"[:200],
            wanted="auto, cpu, gpu or mps",
            do="use --set training.device=auto",
        ) from error


def history_columns(history: History) -> Mapping[str, list[float]]:
    """The history by metric: name to one value an epoch."""
    return {
        name: [row[name] for row in history] for name in (history[0] if history else {}) if name != "epoch"
    }
