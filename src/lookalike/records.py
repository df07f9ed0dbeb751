"""Frozen records that pass between the stages: what one room makes and the next one takes."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import SkipReason
from lookalike.hits import Hit as Hit
from lookalike.hits import Hits as Hits
from lookalike.showing import Shown
from lookalike.threshold import Threshold as Threshold

Floats = NDArray[np.float32]  # vectors and similarities
Pixels = NDArray[np.uint8]  # [h, w, 3] or [n, h, w, 3], RGB
Labels = NDArray[Any]  # [n] of any comparable type; lookalike's own tables give str
Box = tuple[int, int, int, int]  # left, top, right, bottom in pixels of the upright, full-size picture

Progress = Callable[[int, int], None]  # (done, total); total 0 = not known


class Watcher(Protocol):
    """Somebody who is told what goes on."""

    def say(self, text: str) -> None:
        """Take a sentence that a user should read."""

    def stage(self, name: str, /) -> Progress:
        """Begin a stage of work and give the callback that counts it."""


class Silent:
    """A watcher that tells nobody."""

    def say(self, text: str) -> None:
        """Drop the sentence."""

    def stage(self, _name: str) -> Progress:
        """Count for nobody."""
        return lambda _done, _total: None


SILENT = Silent()

UNIT_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Skipped:
    """A picture that was left out, with the reason."""

    path: str
    reason: SkipReason
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """A picture, or the part of it in a box, at a glance.

    Attributes:
        width, height: in pixels, upright and at full size; bytes: of the whole file.
        format: Pillow's name, for example JPEG.
        blank: whether all pixels have nearly one colour.
        print: the 16 x 16 grey print, 256 bytes, row by row.
    """

    width: int
    height: int
    format: str
    bytes: int
    blank: bool
    print: builtins.bytes


def check_unit(vectors: Floats) -> None:
    """Refuse what is not [n, d] float32 with rows of unit length.

    Raises:
        ValueError: it is not.
    """
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise ValueError(f"vectors must be [n, d] float32, got {vectors.shape} {vectors.dtype}")
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
    if not (np.abs(lengths - 1.0) < UNIT_TOLERANCE).all():
        worst = int(np.argmax(np.abs(lengths - 1.0)))
        raise ValueError(f"vector {worst} has length {lengths[worst]:.4f}, wanted 1")


@dataclass(frozen=True)
class Embeddings:
    """Vectors with the ids of what they stand for.

    Attributes:
        ids: [n] str or int64, one per row, unique (checked here).
        vectors: [n, d] float32, rows of unit length (checked here).
    """

    ids: Labels
    vectors: Floats

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.vectors):
            raise ValueError(f"{len(self.ids)} ids for {len(self.vectors)} vectors")
        if len(set(self.ids.tolist())) < len(self.ids):
            raise ValueError(f"ids must be unique, got {_twice(self.ids)!r} twice")
        check_unit(self.vectors)

    def __len__(self) -> int:
        return len(self.ids)


def _twice(ids: Labels) -> Any:
    names, counts = np.unique(ids, return_counts=True)
    return names[np.argmax(counts > 1)].item()


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured number with its 95 % interval, beside the same number of the untrained baseline.

    Attributes:
        gain: the 95 % interval of value - baseline, both judged by the same draws of classes (paired); None
            where there is no baseline.
        better: whether a higher or a lower value is better.
        unit: "share", in [0, 1], or "rank", a mean rank, >= 1.
    """

    value: float
    low: float
    high: float
    baseline: float | None = None
    gain: tuple[float, float] | None = None
    better: Literal["higher", "lower"] = "higher"
    unit: Literal["share", "rank"] = "share"


@dataclass(frozen=True, slots=True)
class PairHistogram:
    """How alike the same-label and the different-label pairs of a set are, over all its pairs.

    Attributes:
        same, different: [b] int64, pairs per bin; b equal bins over the cosine range [-1, 1], rising.
    """

    same: NDArray[np.int64]
    different: NDArray[np.int64]


class AlarmKind(StrEnum):
    """Why a training does not learn as it should."""

    COLLAPSE = "collapse"  # all pictures come to lie on nearly one point or one line
    NO_GRADIENT = "no gradient"  # the loss is not 0, but nothing moves the weights
    TOO_EASY = "too easy"  # nearly all triplets are right by more than the margin
    MARGIN = "margin too large"  # the loss falls, but no more triplets become right
    STANDING_STILL = "standing still"  # neither the loss nor the figure on val changes
    WORSE_THAN_START = "worse than the start"  # the figure on val, for several epochs
    OVERFITTING = "overfitting"  # train goes on getting better while val gets worse
    PAIRLESS = "batches without pairs"  # one class only, or no class twice
    WAITING = "waiting for pictures"  # the processors that decode are too few


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that went wrong in a training, in words, with what to do about it.

    Attributes:
        epoch: the first one at whose end it was seen, from 0.
        what: one sentence or two, with the numbers.
        remedy: a sentence that names the keys of the run file to change.
    """

    kind: AlarmKind
    epoch: int
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"Epoch {self.epoch + 1}: {self.what} {self.remedy}"


@dataclass(frozen=True, slots=True)
class RankedAnswer:
    """One picture, or the part in a box of it, in a ranked row; `right`: whether it has the query's label."""

    path: Path
    label: str
    similarity: float
    right: bool
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class RankedRow:
    """A query with its answers, most alike first, and its own average precision; `box`: of the query."""

    query: Path
    label: str
    answers: tuple[RankedAnswer, ...]
    average_precision: float
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Match(Shown):
    """The verdict on two pictures.

    Attributes:
        probability: in (0, 1), that they show the same, where a share `prior` of pairs does.
        band: the name of the similarity, for example "near copy"; None, like the two, without a calibration.
    """

    a: str
    b: str
    similarity: float
    threshold: Threshold
    probability: float | None = None
    prior: float | None = None
    band: str | None = None

    @property
    def match(self) -> bool:
        """Whether the two count as the same."""
        return self.similarity >= self.threshold.similarity


@dataclass(frozen=True, slots=True)
class Report(Shown):
    """How good a model is on one split.

    Attributes:
        figures: name to Figure: of queries (recall@k, map@r and the others of `metrics.Retrieval`, their mean
            ranks, macro_*: averages in which every class weighs the same), then of all pairs (roc_auc,
            pr_auc, eer, tmr@x).
        queries: number of queries judged; a query without a right answer in its gallery is left out
            (`without_partner`; `only_own_group` of these have one, but in their own group).
        gallery: number of pictures that can be answers.
        protocol: "self": each picture against all others; "query-gallery": queries against the gallery.
        groups: number of groups of which no picture is an answer to another of the same; 0: no column group.
        seen: how many of the judged pictures the model was trained on; figures on them flatter.
        baseline: what the baseline figures are of, for example "efficientnet_lite0, untrained"; empty
            where the model carries none.
        at_threshold: what the threshold does to all pairs, as `calibration.metrics_at` says it.
        at_threshold_intervals: the 95 % intervals of its precision, recall, f1 and false_match_rate.
    """

    figures: Mapping[str, Figure]
    split: str
    queries: int
    gallery: int
    classes: int
    without_partner: int
    skipped: tuple[Skipped, ...]
    model: str
    fingerprint: str
    baseline: str = ""
    seen: int = 0
    protocol: Literal["self", "query-gallery"] = "self"
    groups: int = 0
    only_own_group: int = 0
    threshold: Threshold | None = None
    at_threshold: Mapping[str, float] = field(default_factory=dict)
    at_threshold_intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def how(self) -> str:
        """Who was compared with whom, in a few words."""
        asked = "each picture against all others" if self.protocol == "self" else "queries against a gallery"
        return f"{asked}, answers of the query's own group left out" if self.groups else asked
