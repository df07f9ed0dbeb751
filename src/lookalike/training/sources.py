"""Where training batches come from: features in memory, or pictures on disk.

Both give (inputs, labels) for the P x K batches of one epoch as a pure function of seed and epoch, so a
resumed training sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from lookalike.config import AugmentConfig, BatchConfig
from lookalike.images import Box, open_image
from lookalike.preprocess import Preprocess, prepare
from lookalike.records import Floats, Labels
from lookalike.training.augment import make_augment
from lookalike.training.batches import ClassBatches

EVALUATION_BATCH = 64
Batch = tuple[Tensor, Tensor]  # inputs [n, ...], labels [n] int64


class Source(Protocol):
    """Labelled inputs of one split."""

    @property
    def labels(self) -> Labels:
        """[n]."""

    def training(self, batches: BatchConfig, *, seed: int, epoch: int) -> Iterable[Batch]:
        """The P x K batches of one epoch."""

    def evaluation(self) -> Iterable[Batch]:
        """All inputs once, in order, unchanged."""


@dataclass(frozen=True)
class FeatureSource:
    """Frozen features: [n, D] float32 in memory."""

    features: Floats
    labels: Labels

    def training(self, batches: BatchConfig, *, seed: int, epoch: int) -> Iterable[Batch]:
        """The P x K batches of one epoch."""
        return _Gather(
            torch.from_numpy(self.features),
            label_codes(self.labels),
            _sampler(self.labels, batches, seed, epoch),
        )

    def evaluation(self) -> Iterable[Batch]:
        """All features in one batch."""
        everything = list(range(len(self.labels)))
        return _Gather(torch.from_numpy(self.features), label_codes(self.labels), [everything])


@dataclass(frozen=True)
class PictureSource:
    """Pictures that are opened, prepared and, for training, augmented anew in every epoch."""

    paths: Sequence[Path]
    boxes: Sequence[Box | None]
    labels: Labels
    preprocess: Preprocess
    augment: AugmentConfig | None
    workers: int

    def training(self, batches: BatchConfig, *, seed: int, epoch: int) -> Iterable[Batch]:
        """The P x K batches of one epoch, decoded by worker processes."""
        dataset = _Pictures(self, augment=self.augment, seed=seed, epoch=epoch)
        sampler = _sampler(self.labels, batches, seed, epoch)
        return DataLoader(dataset, batch_sampler=sampler, num_workers=self.workers)

    def evaluation(self) -> Iterable[Batch]:
        """All pictures once, in order, not augmented."""
        dataset = _Pictures(self, augment=None, seed=0, epoch=0)
        return DataLoader(dataset, batch_size=EVALUATION_BATCH, num_workers=self.workers)


@dataclass(frozen=True)
class _Gather:
    features: Tensor
    labels: Tensor
    batches: ClassBatches | Sequence[list[int]]

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        for rows in self.batches:
            yield self.features[rows], self.labels[rows]


class _Pictures(Dataset[tuple[Tensor, Tensor]]):
    def __init__(
        self, source: PictureSource, *, augment: AugmentConfig | None, seed: int, epoch: int
    ) -> None:
        self.source = source
        self.codes = label_codes(source.labels)
        self.augment = make_augment(augment) if augment else None
        self.seed, self.epoch = seed, epoch

    def __len__(self) -> int:
        return len(self.source.paths)

    def __getitem__(self, row: int) -> Batch:
        source = self.source
        image = open_image(source.paths[row], target=source.preprocess.decode_target, box=source.boxes[row])
        pixels = torch.from_numpy(prepare(image, source.preprocess))  # [h, w, 3]
        if self.augment is not None:
            generator = torch.Generator().manual_seed(_sample_seed(self.seed, self.epoch, row))
            pixels = self.augment(pixels.permute(2, 0, 1), generator).permute(1, 2, 0)
        return pixels.contiguous(), self.codes[row]


def label_codes(labels: Labels) -> Tensor:
    """Number labels of any type: [n] int64."""
    codes: NDArray[np.int64] = np.unique(labels, return_inverse=True)[1]
    return torch.from_numpy(codes.astype(np.int64))


def _sampler(labels: Labels, batches: BatchConfig, seed: int, epoch: int) -> ClassBatches:
    sampler = ClassBatches(
        labels,
        classes=batches.classes,
        images=batches.images,
        class_list=batches.class_list,
        total_examples_per_class=batches.total_examples_per_class,
        seed=seed,
    )
    sampler.set_epoch(epoch)
    return sampler


def _sample_seed(seed: int, epoch: int, row: int) -> int:
    return int(np.random.SeedSequence((seed, epoch, row)).generate_state(1, np.uint64)[0] >> 1)
