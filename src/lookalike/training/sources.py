"""Where training batches come from: features in memory, or pictures on disk.

Both give (inputs, labels) for the P x K batches of one epoch as a pure function of seed and epoch, from any
batch on, so a resumed training sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from lookalike.config import AugmentConfig, BatchConfig
from lookalike.pictures.images import Box, open_image
from lookalike.pictures.preprocess import Preprocess, prepare
from lookalike.records import Floats, Labels
from lookalike.training.augment import make_augment
from lookalike.training.batches import ClassBatches
from lookalike.training.reading import opened

EVALUATION_BATCH = 64
Batch = tuple[Tensor, Tensor]  # inputs [n, ...], labels [n] int64


@dataclass(frozen=True, slots=True)
class Part:
    """Which part of an epoch is asked for.

    Attributes:
        start: the first batch; those before it were seen before a training was stopped.
        rank, world: of several devices, the one whose share of every batch is wanted.
    """

    start: int = 0
    rank: int = 0
    world: int = 1


WHOLE = Part()


class Source(Protocol):
    """Labelled inputs of one split."""

    @property
    def labels(self) -> Labels:
        """[n]."""

    @property
    def identity(self) -> NDArray[np.int64] | None:
        """[n, e]; two inputs with one code in any column (file, group, role) do not find each other."""

    def training(self, batches: BatchConfig, *, seed: int, epoch: int, part: Part = WHOLE) -> Iterable[Batch]:
        """The P x K batches of one epoch; its length is that of the whole epoch, wherever it starts."""

    def evaluation(self) -> Iterable[Batch]:
        """All inputs once, in order, unchanged."""


@dataclass(frozen=True)
class FeatureSource:
    """Frozen features: [n, D] float32 in memory.

    Attributes:
        views: [n, v, D] float32, of v changed copies of every picture; each place of a batch takes one of
            them or the feature of the picture itself, at random.
        categories: [n], for batches of classes of one category.
    """

    features: Floats
    labels: Labels
    views: Floats | None = None
    categories: Labels | None = None
    identity: NDArray[np.int64] | None = None

    def training(self, batches: BatchConfig, *, seed: int, epoch: int, part: Part = WHOLE) -> Iterable[Batch]:
        """The P x K batches of one epoch."""
        return _Gather(self, _batches(self, batches, seed=seed, epoch=epoch, part=part), seed, epoch, part)

    def drawn(self, rows: Sequence[list[int]], *, seed: int, epoch: int) -> Iterable[Batch]:
        """The batches of given rows, as in training."""
        return _Gather(self, _Batches(rows), seed, epoch, WHOLE)

    def evaluation(self) -> Iterable[Batch]:
        """All features in one batch."""
        everything = list(range(len(self.labels)))
        return _Gather(replace(self, views=None), _Batches([everything]), 0, 0, WHOLE)


@dataclass(frozen=True)
class PictureSource:
    """Pictures that are opened, prepared and, for training, augmented anew in every epoch.

    Attributes:
        sizes: sides of the training pictures in turn, `epochs` shared out evenly among them; none: the size
            of `preprocess`, which pictures to be judged always have.
        categories: [n], for batches of classes of one category.
    """

    paths: Sequence[Path]
    boxes: Sequence[Box | None]
    labels: Labels
    preprocess: Preprocess
    augment: AugmentConfig | None
    workers: int
    sizes: tuple[int, ...] = ()
    epochs: int = 1
    categories: Labels | None = None
    identity: NDArray[np.int64] | None = None

    def training(self, batches: BatchConfig, *, seed: int, epoch: int, part: Part = WHOLE) -> Iterable[Batch]:
        """The P x K batches of one epoch, decoded by worker processes."""
        return self._decoded(_batches(self, batches, seed=seed, epoch=epoch, part=part), seed, epoch)

    def drawn(self, rows: Sequence[list[int]], *, seed: int, epoch: int) -> Iterable[Batch]:
        """The batches of given rows, as in training."""
        return self._decoded(_Batches(rows), seed, epoch)

    def _decoded(self, batches: _Batches, seed: int, epoch: int) -> Iterable[Batch]:
        preprocess = replace(self.preprocess, size=self.size_of(epoch))
        dataset = _Pictures(self, preprocess, augment=self.augment, seed=seed, epoch=epoch)
        return opened(dataset, batches=batches, workers=self.workers)

    def evaluation(self) -> Iterable[Batch]:
        """All pictures once, in order, not augmented."""
        dataset = _Pictures(self, self.preprocess, augment=None, seed=0, epoch=0)
        return opened(dataset, batch_size=EVALUATION_BATCH, workers=self.workers)

    def size_of(self, epoch: int) -> int:
        """The side of the training pictures of an epoch, in pixels."""
        place = min(epoch * len(self.sizes) // self.epochs, len(self.sizes) - 1)
        return self.sizes[place] if self.sizes else self.preprocess.size


@dataclass(frozen=True)
class _Batches:
    """The rows of an epoch's batches from the batch `start` on; its length is that of the whole epoch."""

    rows: Sequence[list[int]]
    start: int = 0

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[list[int]]:
        return iter(self.rows[self.start :])


@dataclass(frozen=True)
class _Gather:
    source: FeatureSource
    batches: _Batches
    seed: int
    epoch: int
    part: Part

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[Batch]:
        features, codes = torch.from_numpy(self.source.features), label_codes(self.source.labels)
        views = None if self.source.views is None else torch.from_numpy(self.source.views)
        for number, places in enumerate(self.batches, start=self.batches.start):
            rows = [place % len(codes) for place in places]
            if views is None:
                yield features[rows], codes[rows]
                continue
            drawn = np.random.default_rng((self.seed, self.epoch, number)).integers(
                -1, views.shape[1], (self.part.world, len(rows))
            )
            chosen = torch.from_numpy(drawn[self.part.rank])  # [m], -1: the picture itself
            plain = (chosen < 0)[:, None]
            yield torch.where(plain, features[rows], views[rows, chosen.clamp(min=0)]), codes[rows]


class _Pictures(Dataset[tuple[Tensor, Tensor]]):
    def __init__(
        self,
        source: PictureSource,
        preprocess: Preprocess,
        *,
        augment: AugmentConfig | None,
        seed: int,
        epoch: int,
    ) -> None:
        self.source = source
        self.preprocess = preprocess
        self.codes = label_codes(source.labels)
        self.augment = make_augment(augment) if augment else None
        self.seed, self.epoch = seed, epoch

    def __len__(self) -> int:
        return len(self.source.paths)

    def __getitem__(self, place: int) -> Batch:
        turn, row = divmod(place, len(self))
        source, preprocess = self.source, self.preprocess
        image = open_image(source.paths[row], target=preprocess.decode_target, box=source.boxes[row])
        pixels = torch.from_numpy(prepare(image, preprocess))  # [h, w, 3]
        if self.augment is not None:
            generator = torch.Generator().manual_seed(seed_of(self.seed, self.epoch + turn, row))
            pixels = self.augment(pixels.permute(2, 0, 1), generator).permute(1, 2, 0)
        return pixels.contiguous(), self.codes[row]


def label_codes(labels: Labels) -> Tensor:
    """Number labels of any type: [n] int64."""
    codes: NDArray[np.int64] = np.unique(labels, return_inverse=True)[1]
    return torch.from_numpy(codes.astype(np.int64))


def _batches(
    source: FeatureSource | PictureSource, batches: BatchConfig, *, seed: int, epoch: int, part: Part
) -> _Batches:
    sampler = ClassBatches(
        source.labels,
        classes=batches.classes,
        images=batches.images,
        class_list=batches.class_list,
        total_examples_per_class=batches.total_examples_per_class,
        categories=source.categories,
        category_share=batches.category_share,
        seed=seed,
        rank=part.rank,
        world=part.world,
    )
    if batches.steps_per_epoch is None:
        return _Batches(sampler.rows_of_epoch(epoch).tolist(), part.start)
    places = _steps(sampler, batches.steps_per_epoch, rows=len(source.labels), epoch=epoch)
    return _Batches(places.tolist(), part.start)


def _steps(sampler: ClassBatches, steps: int, *, rows: int, epoch: int) -> NDArray[np.int64]:
    """The batches of an epoch of so many steps: [steps, n] places, row + turn x rows.

    The sampler's own epochs follow each other, and every epoch of the training goes on where the last one
    stopped. The turn is how far the sampler is ahead of the training: what a picture is changed by depends
    on the sampler's epoch, so that it is another change each time.
    """
    first, length = epoch * steps, len(sampler)
    turns = range(first // length, (first + steps - 1) // length + 1)
    places = np.concatenate([sampler.rows_of_epoch(turn) + (turn - epoch) * rows for turn in turns])
    return places[first - turns[0] * length :][:steps]


def seed_of(*numbers: int) -> int:
    """One seed from several numbers >= 0, in [0, 2^63)."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
