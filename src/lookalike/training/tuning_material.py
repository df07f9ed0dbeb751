"""What the trials of a study share: the split table, and frozen features of its pictures, in memory.

A table enters; sides with features leave, each kind computed once for all processes and read once in each.
What is trained on them is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import filelock
import numpy as np

from lookalike.cache import cache_folder
from lookalike.config import RunConfig
from lookalike.models.model import Model, untrained
from lookalike.records import SILENT, Watcher
from lookalike.tables.table import ImageTable
from lookalike.training.build import feature_spec, side_of
from lookalike.training.features import cache_path
from lookalike.training.material import limited, with_categories, with_views
from lookalike.training.settled import with_val
from lookalike.training.side import Side

_KEPT = 6  # kinds of features, with what is learned from of them, that stay in memory for the next trial
_TIMED, _ROUNDS = 16, 3  # pictures whose milliseconds are taken, and how often


@dataclass(frozen=True)
class Prepared:
    """A backbone with the features of the pictures to learn from and to be judged by."""

    backbone: Model
    train: Side
    val: Side


@dataclass
class Material:
    """What the trials of a process share; features are computed, or read, on first use; the last few stay.

    Attributes:
        table: the pictures with their splits.
    """

    table: ImageTable
    watcher: Watcher = SILENT
    _prepared: dict[str, Prepared] = field(default_factory=dict)
    _milliseconds: dict[str, float] = field(default_factory=dict)

    def prepared(self, config: RunConfig) -> Prepared:
        """The features that a run's head learns from, and those it is judged by."""
        plain = self._sides(config)
        augment = None if config.augment is None else config.augment.model_dump(mode="json")
        batches = config.batches
        chosen = (batches.class_list, batches.total_examples_per_class, batches.category, config.seed)
        key = json.dumps([feature_spec(config), augment, config.training.views, chosen])
        return self._kept(key, lambda: self._to_learn(plain, config))

    def content(self, config: RunConfig) -> dict[str, str]:
        """Digests of what the files of train and of val hold."""
        plain = self._sides(config)
        sides = {"train": plain.train, "val": plain.val}
        return {
            name: hashlib.sha256(b"".join(sorted(side.hashes))).hexdigest() for name, side in sides.items()
        }

    def merged(self, config: RunConfig) -> Prepared:
        """The same with train and val to learn from; val is there as it was."""
        plain = self._sides(config)
        train = side_of(plain.backbone, with_val(self.table), "train", self.watcher)
        return self._to_learn(replace(plain, train=train), config)

    def _to_learn(self, plain: Prepared, config: RunConfig) -> Prepared:
        if config.attributes is not None:  # batches of such a run are of pictures, whatever their labels
            return plain
        train = limited(plain.train, config.batches, seed=config.seed)
        train = with_categories(train, config.batches)
        with tempfile.TemporaryDirectory() as folder:
            train = with_views(train, plain.backbone, config, Path(folder), self.watcher)
        return replace(plain, train=train)

    def _sides(self, config: RunConfig) -> Prepared:
        return self._kept(json.dumps(feature_spec(config)), lambda: self._computed(config))

    def _computed(self, config: RunConfig) -> Prepared:
        backbone = untrained(feature_spec(config), say=self.watcher.say)
        lock = cache_path(backbone, cache_folder()).with_suffix(".lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(lock):  # of several processes one computes, and the others read
            labelled = config.attributes is None
            train, val = (
                side_of(backbone, self.table, name, self.watcher, labelled=labelled)
                for name in ("train", "val")
            )
        return Prepared(backbone, train, val)

    def _kept(self, key: str, make: Callable[[], Prepared]) -> Prepared:
        """What is in memory, or made; what was not used for longest gives way, to be read again if needed."""
        found = self._prepared.pop(key, None) or make()
        self._prepared[key] = found  # at the end: used last
        for old in list(self._prepared)[:-_KEPT]:
            del self._prepared[old]
        return found

    def milliseconds(self, config: RunConfig) -> float:
        """Of a backbone with its pooling, from pixels to a feature; a picture, in a batch."""
        key = json.dumps(feature_spec(config))
        if key not in self._milliseconds:
            self._milliseconds[key] = embedding_milliseconds(self._sides(config).backbone)
        return self._milliseconds[key]


def embedding_milliseconds(model: Model) -> float:
    """Of a model, from pixels to its vector; a picture, in a batch."""
    size = model.preprocess.size
    pixels = np.random.default_rng(0).integers(0, 256, (_TIMED, size, size, 3), dtype=np.uint8)
    model.embed_pixels(pixels)  # opens the session
    return milliseconds_of(lambda: model.embed_pixels(pixels)) / _TIMED


def milliseconds_of(work: Callable[[], object]) -> float:
    """The shortest of some rounds: what else the machine does only lengthens them."""
    rounds = []
    for _ in range(_ROUNDS):
        begun = time.perf_counter()
        work()
        rounds.append(1000 * (time.perf_counter() - begun))
    return min(rounds)
