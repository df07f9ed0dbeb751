"""Records between the stages of a training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from lookalike.records import Floats, Labels, Pixels, Skipped
from lookalike.table import ImageTable
from lookalike.training.graph import HeadGraph


@dataclass(frozen=True)
class Side:
    """One split's usable pictures with their labels, frozen features [n, D] and content hashes."""

    table: ImageTable
    labels: Labels
    features: Floats
    hashes: tuple[bytes, ...]
    skipped: tuple[Skipped, ...]


@dataclass(frozen=True)
class Trained:
    """What is to be exported.

    Attributes:
        head: grown onto the features' graph.
        weights: under torch names, the head's and, where fine-tuned, the features'.
        features_graph: the fine-tuned features as an onnx.ModelProto; None: the untrained backbone's.
        embed: the trained network itself, pixels to unit vectors, to check the export by; None where the
            head's own arithmetic is the reference.
        history: metric to one value an epoch.
    """

    head: HeadGraph
    weights: Mapping[str, Any]
    features_graph: Any | None = None
    embed: Callable[[Pixels], Floats] | None = None
    history: Mapping[str, list[float]] = field(default_factory=dict)
