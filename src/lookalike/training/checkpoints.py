"""The checkpoint that a stopped training goes on from: after every epoch, and on the clock where asked for.

A training in progress enters; checkpoints/last.ckpt leaves, whole. What a checkpoint holds is Lightning's and
the learner's. Lightning's own last.ckpt is not used: it is written only when an epoch is the best so far.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Checkpoint


class Last(Checkpoint):
    """Keeps the training as it is.

    Args:
        path: the file that is written.
        minutes: how old it may become within an epoch; None: an epoch.
        clock: seconds, rising.
    """

    def __init__(
        self, path: Path, *, minutes: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path, self._minutes, self._clock = path, minutes, clock
        self._kept = clock()

    def on_train_epoch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Keep what the epoch brought; as a Checkpoint, this comes after its row and the best network."""
        self._keep(trainer)

    def on_train_batch_end(self, trainer: lightning.Trainer, *_: Any) -> None:
        """Keep where it is time; the last batch leaves it to the epoch."""
        if self._minutes is None or trainer.is_last_batch:
            return
        due = self._clock() - self._kept >= 60 * self._minutes
        if trainer.strategy.broadcast(due):  # the first device decides for all, who save together
            self._keep(trainer)

    def _keep(self, trainer: lightning.Trainer) -> None:
        trainer.save_checkpoint(self._path)
        self._kept = self._clock()
