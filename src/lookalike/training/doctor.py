"""The training doctor at work: after every epoch it says what is wrong, and what to do about it.

A training in progress enters; sentences leave, and TensorBoard gets the times and the similarities of pairs.
What is measured stands in monitor.py, what is alarming in alarms.py. Nothing is changed in the training.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

import numpy as np
import pytorch_lightning as lightning
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger

from lookalike.records import AlarmKind, PairHistogram
from lookalike.training.alarms import alarms, arising
from lookalike.training.learner import Learner


class Doctor(Callback):
    """Examines each epoch when it is over; what was said before a training was resumed is not said again.

    Args:
        say: told each alarm once.
    """

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._examined = 0  # epochs
        self._known: set[AlarmKind] = set()

    def on_train_start(self, _: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Take up where a resumed training stopped."""
        learner = cast(Learner, module)
        self._examined = len(learner.rows)
        self._known = {alarm.kind for alarm in alarms(learner.rows, learner.case)}

    def on_train_epoch_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Examine the epoch before."""
        self._examine(trainer, cast(Learner, module))

    def on_train_end(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Examine the last epoch."""
        self._examine(trainer, cast(Learner, module))

    def _examine(self, trainer: lightning.Trainer, learner: Learner) -> None:
        rows = learner.rows
        if len(rows) == self._examined:
            return
        self._examined = len(rows)
        for alarm in arising(rows, learner.case, known=self._known):
            self._known.add(alarm.kind)
            self._say(str(alarm))
        for logger in trainer.loggers:
            logger.log_metrics(learner.monitor.times[-1], step=trainer.global_step)
            if isinstance(logger, TensorBoardLogger):
                _show_pairs(logger, learner.monitor.similarities[-1], epoch=len(rows) - 1)


def _show_pairs(logger: TensorBoardLogger, similarities: Mapping[str, PairHistogram], *, epoch: int) -> None:
    """Give TensorBoard the histograms as they are counted, not to be counted again."""
    for split, pairs in similarities.items():
        for kind, counts in (("same", pairs.same), ("different", pairs.different)):
            edges = np.linspace(-1.0, 1.0, len(counts) + 1)
            middles = (edges[1:] + edges[:-1]) / 2
            logger.experiment.add_histogram_raw(
                f"{split}_{kind}_similarities",
                min=-1.0,
                max=1.0,
                num=int(counts.sum()),
                sum=float(counts @ middles),
                sum_squares=float(counts @ middles**2),
                bucket_limits=edges[1:].tolist(),
                bucket_counts=counts.tolist(),
                global_step=epoch,
            )
