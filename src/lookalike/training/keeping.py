"""What a training keeps without writing a file, and who hears of each of its epochs.

A training in progress enters; weights in memory leave. Checkpoints on disk are checkpoints.py's business.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast, runtime_checkable

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint

from lookalike.records import Watcher
from lookalike.training.learner import MONITOR, Learner

EpochEnd = Callable[[Mapping[str, float]], None]  # told an epoch's row; what it raises ends the training


@runtime_checkable
class Follower(Watcher, Protocol):
    """A watcher that is told of every epoch too."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """Take an epoch's row; what is raised ends the training."""


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
