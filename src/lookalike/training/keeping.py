"""What a training keeps, when it stops, and who hears of each of its epochs.

A training in progress enters; weights in memory leave. The checkpoint that a stopped training goes on from is
checkpoints.py's business.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, cast, runtime_checkable

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback, Checkpoint, EarlyStopping, ModelCheckpoint

from lookalike.config import TrainingConfig
from lookalike.records import Progress, Watcher
from lookalike.training.checkpoints import Last
from lookalike.training.learner import MONITOR, Learner

EpochEnd = Callable[[Mapping[str, float]], None]  # told an epoch's row; what it raises ends the training


@runtime_checkable
class Follower(Watcher, Protocol):
    """A watcher that is told of every epoch too."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """Take an epoch's row; what is raised ends the training."""


class Heard:
    """A watcher that passes epochs on, and drops all else that it is told."""

    def __init__(self, epoch: EpochEnd | None) -> None:
        self._epoch = epoch

    def say(self, text: str) -> None:
        """Drop the sentence."""

    def stage(self, _name: str) -> Progress:
        """Count for nobody."""
        return lambda _done, _total: None

    def epoch(self, row: Mapping[str, float]) -> None:
        """Pass an epoch's row on; what is raised ends the training."""
        if self._epoch is not None:
            self._epoch(row)


def heard_by(watcher: Watcher) -> EpochEnd | None:
    """What a training calls when an epoch ends; None where the watcher does not ask for it."""
    return watcher.epoch if isinstance(watcher, Follower) else None


class Kept(Checkpoint):
    """Keeps in memory what was best on validation, or what there is after a number of epochs.

    As a Checkpoint, this comes after the epoch's row.

    Args:
        until: end the training after so many epochs and keep what there is then; None: the best.

    Attributes:
        state: the weights; None before an epoch has ended.
        best: of validation, the figure of what is kept.
    """

    def __init__(self, until: int | None) -> None:
        self._until = until
        self.state: dict[str, Any] | None = None
        self.best = -1.0

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Keep what the epoch brought, where it is wanted."""
        learner = cast(Learner, module)
        figure = learner.history[-1][MONITOR]
        if self._until is not None or figure > self.best:
            self.best = figure
            self.state = copy.deepcopy(learner.judged.state_dict())
        if self._until is not None and len(learner.history) >= self._until:
            trainer.should_stop = True


class Told(Checkpoint):
    """Tells somebody the row of every epoch; as a Checkpoint, when the row is there."""

    def __init__(self, epoch: EpochEnd) -> None:
        self._epoch = epoch

    def on_train_epoch_end(self, _: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Tell it."""
        self._epoch(cast(Learner, module).history[-1])


class Until(Checkpoint):
    """Ends a training after so many epochs, also one that goes on when they are over."""

    def __init__(self, epochs: int) -> None:
        self._epochs = epochs

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """End what has nothing left to do."""
        self._end(trainer, module)

    def on_train_epoch_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """End after the last epoch."""
        self._end(trainer, module)

    def _end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        if len(cast(Learner, module).history) >= self._epochs:
            trainer.should_stop = True


def keepers_of(
    training: TrainingConfig, folder: Path, monitor: str = MONITOR, *, until: int | None = None
) -> list[Callback]:
    """What keeps the last network and the best one, and stops when nothing is gained any more.

    Args:
        folder: of the checkpoints.
        until: stop after so many epochs instead; there is no best one then.
    """
    last = Last(folder / "last.ckpt", minutes=training.checkpoint_minutes)
    if until is not None:
        return [Until(until), last]
    best = ModelCheckpoint(
        dirpath=folder,
        filename="best",
        monitor=monitor,
        mode="max",
        save_on_train_epoch_end=True,
        enable_version_counter=False,
    )
    return [*patience_of(training, monitor), best, last]


def patience_of(training: TrainingConfig, monitor: str = MONITOR) -> list[Callback]:
    """What stops when nothing is gained any more, where that is asked for."""
    patience = training.early_stopping_patience
    if patience is None:
        return []
    return [EarlyStopping(monitor, patience=patience, mode="max", check_on_train_epoch_end=True)]
