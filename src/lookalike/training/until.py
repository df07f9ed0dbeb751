"""A training of a known length: nothing is chosen on the way, so val can be learned from too.

A network, pictures to learn from and a number of epochs enter; what there is after them leaves. How many
there should be was found before, by a training that val judged. Checkpoints are those of any training.
"""

from __future__ import annotations

import copy
import math
from pathlib import Path

import torch
from torch import nn

from lookalike.config import RunConfig
from lookalike.records import Progress
from lookalike.training.keeping import EpochEnd, Told
from lookalike.training.learner import Learner
from lookalike.training.network import Network
from lookalike.training.processes import is_first
from lookalike.training.sources import Source
from lookalike.training.trainer import (
    Fitted,
    Reporter,
    fitted_of,
    interruptible,
    make_trainer,
    quiet,
    steady,
)


def fit_until(
    network: nn.Module,
    config: RunConfig,
    *,
    train: Source,
    folder: Path,
    epochs: int,
    resume: bool = False,
    progress: Progress = lambda _done, _total: None,
    epoch: EpochEnd | None = None,
) -> Fitted:
    """Train a network as `trainer.fit` does, for so many epochs, and return what there is then.

    The learning rate follows the schedule of training.epochs, of which these are the first. Val is not
    looked at: nothing is judged, nothing stops early, and no alarm is raised.

    Args:
        folder: the run folder: checkpoints/, tensorboard/ and metrics.csv go there.
        epochs: 0: the network stays as it begins.
        resume: go on after the last finished epoch where there is one.
        epoch: told each epoch's row; what it raises ends the training and is raised.

    Raises:
        ConfigError: the device that was asked for is not there.
        BatchError: a batch from which the loss cannot learn.
        TrainingError: loss or gradient are not finite.
    """
    pictures = isinstance(network, Network)
    if pictures:
        network.to(memory_format=torch.channels_last)  # as the pictures
    learner = Learner(network, config, train, train, measured=False)
    learner.start = math.nan
    last = folder / "checkpoints" / "last.ckpt"
    with quiet(), interruptible(), steady(network, config):
        reporters = [Reporter(folder, progress)] if is_first() else []
        heard = [] if epoch is None else [Told(epoch)]
        trainer = make_trainer(config, folder, [*reporters, *heard], fine_tuned=pictures, until=epochs)
        if epochs > 0:
            ckpt = str(last) if resume and last.exists() else None
            trainer.fit(learner, ckpt_path=ckpt, weights_only=True)
    return fitted_of(learner, trainer, copy.deepcopy(learner.judged.state_dict()), math.nan)
