"""What the trainer costs beside the network: its step against a bare loop, and its waiting for pictures.

    python -m benchmarks.trainer [--quick]

The bare loop runs the same network, loss, optimiser and batches with nothing around them. Both are timed by
turns, epoch by epoch, in one process; the first epoch of each is left out. Of fine-tuning, batches are made
once and kept, so that no decoding is in the step; then pictures are decoded as in a run, and the share of the
training time that is spent waiting for them is what the run's own metrics say.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import nn

from lookalike.config import AugmentConfig, BatchConfig, RunConfig
from lookalike.records import Labels
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training import trainer
from lookalike.training.augment import make_augment
from lookalike.training.backbones import Features
from lookalike.training.learner import Learner
from lookalike.training.losses import make_loss
from lookalike.training.network import Head, Network
from lookalike.training.optimisers import freeze_statistics, make_optimizer
from lookalike.training.sources import WHOLE, Batch, FeatureSource, Part, PictureSource

SAMPLE = Path(__file__).parent.parent / "examples" / "emoji"
AUGMENT = AugmentConfig(rotation=0.04, random_resized_crop=(0.75, 1.0), channel_gain=0.2, grey=0.1)


class Listed:
    """A loader of batches that are there: Lightning takes a plain list for several loaders."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        return iter(self.batches)


class Kept:
    """The batches of one epoch, the same in every epoch, from memory."""

    def __init__(self, batches: list[Batch], labels: Labels) -> None:
        self.batches, self.labels = batches, labels
        self.identity: NDArray[np.int64] | None = None

    def training(self, batches: BatchConfig, *, seed: int, epoch: int, part: Part = WHOLE) -> Iterable[Batch]:
        """The kept batches."""
        del batches, seed, epoch
        return Listed(self.batches[part.start :])

    def evaluation(self) -> Iterable[Batch]:
        """Two batches: judging is not what is measured."""
        return Listed(self.batches[:2])


def settings(**changes: Any) -> RunConfig:
    """A run that neither stops early nor logs more than it does by default."""
    base = {
        "loss": {"name": "triplet_batch_hard", "margin": "soft"},
        "training": {"early_stopping_patience": None, "device": "cpu", **changes.pop("training", {})},
    }
    return parse_config({**base, **changes})


def bare_epoch(
    network: nn.Module, optimizer: torch.optim.Optimizer, loss: Any, batches: Iterable[Batch]
) -> float:
    """Seconds of the shortest loop that trains the same."""
    start = time.perf_counter()
    for inputs, labels in batches:
        optimizer.zero_grad()
        loss(network(inputs), labels).backward()
        optimizer.step()
    return time.perf_counter() - start


def epoch_seconds(network: nn.Module, config: RunConfig, train: Any, val: Any) -> list[float]:
    """Seconds of each epoch's steps in the trainer, from its first batch to the end of its last step."""
    seconds: list[float] = []
    marks: dict[str, float] = {}

    class Timed(Learner):
        def on_train_epoch_start(self) -> None:
            super().on_train_epoch_start()
            marks["start"] = time.perf_counter()

        def on_train_batch_end(self, *arguments: Any) -> None:
            super().on_train_batch_end(*arguments)
            marks["end"] = time.perf_counter()

        def on_train_epoch_end(self) -> None:
            seconds.append(marks["end"] - marks["start"])
            super().on_train_epoch_end()

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(trainer, "Learner", Timed):
        trainer.fit(network, config, train=train, val=val, folder=Path(folder))
    return seconds


def overhead(network: nn.Module, config: RunConfig, train: Any, val: Any, *, rounds: int) -> str:
    """Ours and bare by turns, as a line of text."""
    ours, bare = [], []
    epochs = config.training.epochs
    for _ in range(rounds):
        own = copy.deepcopy(network)
        ours += epoch_seconds(own, config, train, val)[1:]
        own = copy.deepcopy(network).train()
        if isinstance(own, Network):
            own.to(memory_format=torch.channels_last)
            freeze_statistics(own.features, config.training, pretrained=True)
        optimizer = make_optimizer(own, config.training)
        loss = make_loss(config.loss, classes=len(np.unique(train.labels)), dim=128)
        batches = [train.training(config.batches, seed=0, epoch=epoch) for epoch in range(epochs)]
        bare += [bare_epoch(own, optimizer, loss, each) for each in batches][1:]
    steps = len(list(train.training(config.batches, seed=0, epoch=0)))
    a, b = (statistics.median(each) / steps * 1e3 for each in (ours, bare))
    best = min(ours) / min(bare) - 1
    return f"step {a:.1f} ms, bare {b:.1f} ms: {a / b - 1:+.1%} (median), {best:+.1%} (best epochs)"


def features(rows: int) -> FeatureSource:
    """Random features of 1280 numbers, 8 of a class."""
    rng = np.random.default_rng(0)
    return FeatureSource(rng.normal(size=(rows, 1280)).astype(np.float32), np.arange(rows) // 8)


def pictures(network: Network, *, augment: AugmentConfig | None, workers: int) -> PictureSource:
    """The sample's pictures."""
    table = ImageTable.read(SAMPLE)
    preprocess: Any = network.features.preprocess
    return PictureSource(table.paths, table.boxes, table.labels, preprocess, augment, workers)


def picture_milliseconds(source: PictureSource, count: int) -> tuple[float, float]:
    """Of one picture in one process: decoding with preparing, and augmenting."""
    whole = iter(source.evaluation())
    start, seen = time.perf_counter(), 0
    while seen < count:
        seen += len(next(whole)[0])
    decoding = (time.perf_counter() - start) / seen
    change, image = make_augment(AUGMENT), next(iter(source.evaluation()))[0][0].permute(2, 0, 1)
    start = time.perf_counter()
    for _ in range(count):
        change(image)
    return decoding * 1e3, (time.perf_counter() - start) / count * 1e3


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer and shorter epochs")
    quick = parser.parse_args().quick
    rounds = 1 if quick else 3
    for name, hidden, batch in (("linear head, 32 x 4", (), 32), ("512-256 head, 32 x 4", (512, 256), 32)):
        config = settings(training={"epochs": 3}, batches={"classes": batch, "images": 4})
        rows = features(6_000 if quick else 20_000)
        found = overhead(Head(1280, 128, hidden=hidden), config, rows, features(64), rounds=rounds)
        print(f"{name}: {found}")
    config = settings(
        network={"frozen": False},
        training={"epochs": 2 if quick else 3},
        batches={"classes": 12, "images": 4},
        preprocess={"size": 112},
    )
    network = Network(Features(config.network, config.preprocess), Head(1280, 128))
    source = pictures(network, augment=AUGMENT, workers=0)
    some = [
        batch
        for batch, _ in zip(
            source.training(config.batches, seed=0, epoch=0), range(3 if quick else 8), strict=False
        )
    ]
    kept = Kept(some, source.labels)
    judged = Kept(some, np.concatenate([labels.numpy() for _, labels in some[:2]]))
    print(f"fine-tuning, 12 x 4 at 112 px: {overhead(network, config, kept, judged, rounds=1)}")
    decoding, changing = picture_milliseconds(source, 100)
    print(f"one picture at 112 px: decode and prepare {decoding:.2f} ms, augment {changing:.2f} ms")
    print_waiting(network, config, judged, epochs=1)


def print_waiting(network: Network, config: RunConfig, judged: Kept, *, epochs: int) -> None:
    """The share of the training time that is spent waiting, with and without a process that decodes."""
    for workers in (0, 1):
        own = config.model_copy(update={"training": config.training.model_copy(update={"epochs": epochs})})
        source = pictures(network, augment=AUGMENT, workers=workers)
        with tempfile.TemporaryDirectory() as folder:
            trainer.fit(copy.deepcopy(network), own, train=source, val=judged, folder=Path(folder))
            rows = pl.read_csv(Path(folder) / "metrics.csv")
        waiting, seconds = rows.select("waiting", "seconds").mean().row(0)
        print(f"{workers} decoding processes: {waiting:.1%} of an epoch's {seconds:.0f} s are spent waiting")


if __name__ == "__main__":
    main()
