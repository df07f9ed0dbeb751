"""Gradient training with Lightning: batches in, the network that was best on validation out.

A step is a pure function of weights, optimiser state, seed and its place, and these are written atomically
when an epoch ends (and on the clock where asked for): a run that was killed at any moment continues as if
nothing had happened. What a run means (data, splits, export, reports) is decided elsewhere.
"""

from __future__ import annotations

import copy
import logging
import math
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import polars as pl
import pytorch_lightning as lightning
import torch
from lightning_fabric.utilities.exceptions import MisconfigurationException
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.plugins.io import TorchCheckpointIO
from torch import nn

from lookalike.config import RunConfig
from lookalike.errors import ConfigError
from lookalike.files import write_atomically
from lookalike.records import SILENT, Alarm, PairHistogram, Progress
from lookalike.training.alarms import alarms
from lookalike.training.allocation import kept_memory
from lookalike.training.distributed import device_options
from lookalike.training.doctor import Doctor
from lookalike.training.keeping import EpochEnd, Told, keepers_of
from lookalike.training.learner import MONITOR, History, Learner, score
from lookalike.training.loggers import OWN_FILE, make_loggers
from lookalike.training.network import Network
from lookalike.training.optimisers import device_of
from lookalike.training.processes import is_first
from lookalike.training.sources import Source

PLAIN: dict[str, Any] = {  # what every training asks of Lightning
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "reload_dataloaders_every_n_epochs": 1,
    "use_distributed_sampler": False,
    "log_every_n_steps": 0,  # what is logged is of epochs
}


@dataclass(frozen=True)
class Fitted:
    """What a training gives.

    Attributes:
        network: the best on validation, in evaluation mode, on the CPU.
        history: one row an epoch.
        start, best: val map@r before the first epoch and of the network returned; NaN where val was learned
            from and judged nothing.
        device: where it ran.
        alarms: what went wrong on the way.
        similarities: one an epoch, split to the similarities of its pairs.
    """

    network: nn.Module
    history: History
    start: float
    best: float
    device: str
    alarms: tuple[Alarm, ...] = ()
    similarities: Sequence[Mapping[str, PairHistogram]] = ()

    @property
    def judged(self) -> bool:
        """Whether val has chosen the network."""
        return not math.isnan(self.start)

    @property
    def epochs(self) -> int:
        """After how many epochs the network is what it is; 0: as it began."""
        if not self.judged:
            return len(self.history)
        scores = [row[MONITOR] for row in self.history]
        return scores.index(max(scores)) + 1 if self.best > self.start else 0


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
        self._write(cast(Learner, module))

    def on_fit_end(self, _: lightning.Trainer, module: lightning.LightningModule) -> None:
        """Write the last epoch too."""
        self._write(cast(Learner, module))

    def _write(self, learner: Learner) -> None:
        wanted = OWN_FILE in learner.config.training.loggers and learner.trainer.is_global_zero
        if wanted and learner.rows:
            write_atomically(self.folder / "metrics.csv", pl.DataFrame(learner.rows).write_csv().encode())


def fit(
    network: nn.Module,
    config: RunConfig,
    *,
    train: Source,
    val: Source,
    folder: Path,
    resume: bool = False,
    progress: Progress = lambda _done, _total: None,
    say: Callable[[str], None] = SILENT.say,
    epoch: EpochEnd | None = None,
) -> Fitted:
    """Train a network and return the state that had the best val map@r, the start included.

    Args:
        network: Head on features, or Network on pictures; begins as it is.
        folder: the run folder: checkpoints/, tensorboard/ and metrics.csv go there.
        resume: go on after the last finished epoch where there is one.
        say: told, in words, when an epoch shows that something is wrong.
        epoch: told each epoch's row; what it raises ends the training and is raised.

    Raises:
        ConfigError: the device that was asked for is not there.
        BatchError: a batch from which the loss cannot learn.
        TrainingError: loss or gradient are not finite; the best epoch until then is in checkpoints/best.ckpt.
    """
    learner, start_state = new_learner(network, config, train, val)
    checkpoints = folder / "checkpoints"
    last = checkpoints / "last.ckpt"
    going_on = resume and last.exists()
    with quiet(), interruptible(), steady(network, config):
        reporters = [Reporter(folder, progress), Doctor(say)] if is_first() else []
        heard = [] if epoch is None else [Told(epoch)]
        fine_tuned = isinstance(network, Network)
        trainer = make_trainer(config, folder, [*reporters, *heard], fine_tuned=fine_tuned)
        trainer.fit(learner, ckpt_path=str(last) if going_on else None, weights_only=True)
    best = max((row[MONITOR] for row in learner.history), default=-1.0)
    if best > cast(float, learner.start):
        state = _best_state(checkpoints / "best.ckpt", averaged=learner.average is not None)
    else:
        state, best = start_state, cast(float, learner.start)
    return fitted_of(learner, trainer, state, best)


def new_learner(
    network: nn.Module, config: RunConfig, train: Source, val: Source, *, measured: bool = True
) -> tuple[Learner, Mapping[str, Any]]:
    """What Lightning trains, its start judged, and the weights that it begins with."""
    if isinstance(network, Network):
        network.to(memory_format=torch.channels_last)  # as the pictures; mixed, a step takes 5 x as long
    learner = Learner(network, config, train, val, measured=measured)
    start_state = copy.deepcopy(network.state_dict())
    learner.start = score(network, val)
    return learner, start_state


def fitted_of(learner: Learner, trainer: lightning.Trainer, state: Mapping[str, Any], best: float) -> Fitted:
    """What a training gives, its network in the state that was chosen."""
    network = learner.network
    network.load_state_dict(state)
    return Fitted(
        network.cpu().to(memory_format=torch.contiguous_format).eval(),
        learner.history,
        cast(float, learner.start),
        best,
        str(trainer.strategy.root_device),
        alarms(learner.rows, learner.case) if learner.monitor.similarities else (),
        tuple(learner.monitor.similarities),
    )


def steady(network: nn.Module, config: RunConfig) -> AbstractContextManager[object]:
    """What spares a fine-tuning on a processor from asking the system for the same memory in every step."""
    pictures = isinstance(network, Network) and device_of(config.training) == "cpu"
    return kept_memory() if pictures else nullcontext()


def _best_state(path: Path, *, averaged: bool) -> Mapping[str, Any]:
    """The network's part of a checkpoint: what was judged, the averaged weights where there are any."""
    saved = torch.load(path, weights_only=True, map_location="cpu")["state_dict"]
    prefix = "average.module." if averaged else "network."
    return {name.removeprefix(prefix): value for name, value in saved.items() if name.startswith(prefix)}


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
            raise error.__context__ from None
        raise


def make_trainer(
    config: RunConfig,
    folder: Path,
    reporters: Sequence[Callback],
    *,
    fine_tuned: bool,
    monitor: str = MONITOR,
    until: int | None = None,
) -> lightning.Trainer:
    """The loop that a run file asks for.

    Args:
        monitor: what the learner logs in every epoch, higher is better: it decides which epoch is kept in
            checkpoints/best.ckpt, and when to stop.
        until: stop after so many epochs; nothing is judged then.

    Raises:
        ConfigError: the device that was asked for is not there.
    """
    training = config.training
    try:
        return lightning.Trainer(
            **device_options(training, fine_tuned=fine_tuned),
            max_epochs=training.epochs,
            gradient_clip_val=training.gradient_clip,
            logger=make_loggers(config, folder),
            limit_val_batches=1.0 if until is None else 0,
            callbacks=[*reporters, *keepers_of(training, folder / "checkpoints", monitor, until=until)],
            plugins=[AtomicCheckpoints()],
            **PLAIN,
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
