"""Records between the stages of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.records import Alarm, Floats, Labels, PairHistogram, Pixels, Skipped
from lookalike.tables.roles import pair_exclusions
from lookalike.tables.table import ImageTable
from lookalike.training.attribute_export import TrainedBranch
from lookalike.training.graph import AnyGraph
from lookalike.training.settled import Settled


@dataclass(frozen=True)
class Side:
    """One split's usable pictures with their labels, frozen features [n, D] and content hashes.

    Attributes:
        views: [n, v, D], features of v changed copies of every picture, where augmentation is cached.
        categories: [n], where batches are made of classes of one category.
    """

    table: ImageTable
    labels: Labels
    features: Floats
    hashes: tuple[bytes, ...]
    skipped: tuple[Skipped, ...]
    views: Floats | None = None
    categories: Labels | None = None

    @property
    def content(self) -> NDArray[np.int64]:
        """[n], equal for pictures whose files are equal."""
        codes: dict[bytes, int] = {}
        return np.array([codes.setdefault(digest, len(codes)) for digest in self.hashes], dtype=np.int64)

    @property
    def identity(self) -> NDArray[np.int64]:
        """[n, e]; two pictures with one code in any column do not find each other: they are one file, of one
        group, or both queries (both of the gallery).
        """
        return pair_exclusions(self.table, identity=self.content)

    def take(self, rows: NDArray[np.int64]) -> Side:
        """The pictures of some rows, in that order; what was skipped stays noted."""
        return replace(
            self,
            table=self.table.take(rows),
            labels=self.labels[rows],
            features=self.features[rows],
            hashes=tuple(self.hashes[row] for row in rows),
            views=None if self.views is None else self.views[rows],
            categories=None if self.categories is None else self.categories[rows],
        )


@dataclass(frozen=True)
class Trained:
    """What is to be exported.

    Attributes:
        head: grown onto the features' graph.
        weights: under torch names, the head's and, where fine-tuned, the features'.
        features_graph: the fine-tuned features as an onnx.ModelProto; None: the untrained backbone's.
        embed: the trained network itself, pixels to unit vectors, to check the export by.
        compute: the same of a head alone, from frozen features; where neither is there, the head's own
            arithmetic is the reference.
        history: metric to one value an epoch.
        alarms: what went wrong on the way.
        similarities: one an epoch, split ("train", "val") to the similarities of its pairs.
        attributes: the attribute branch, where pictures were trained by attributes.
        notes: what the training brought, in sentences.
        start: val map@r before the first epoch; None where there are no epochs, or val judged none.
        settled: what was chosen on val.
    """

    head: AnyGraph
    weights: Mapping[str, Any]
    features_graph: Any | None = None
    embed: Callable[[Pixels], Floats] | None = None
    compute: Callable[[Floats], Floats] | None = None
    history: Mapping[str, list[float]] = field(default_factory=dict)
    alarms: tuple[Alarm, ...] = ()
    similarities: Sequence[Mapping[str, PairHistogram]] = ()
    attributes: TrainedBranch | None = None
    notes: tuple[str, ...] = ()
    start: float | None = None
    settled: Settled = field(default_factory=Settled)
