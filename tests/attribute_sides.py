"""Made-up pictures whose features show their attributes, as the sides that a training takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lookalike.config import RunConfig
from lookalike.records import Floats
from lookalike.runfile import parse_config
from lookalike.tables.attribute_values import Values
from lookalike.tables.table import ImageTable
from lookalike.training.attribute_data import AttributeSide
from lookalike.training.side import Side

NAMES = ("smiling", "male", "hat", "beard")


def planted(n: int, *, seed: int, dim: int = 24) -> tuple[Floats, Values]:
    """Features [n, dim] that show four attributes along fixed directions, under noise."""
    rng = np.random.default_rng(seed)
    directions = np.random.default_rng(7).normal(size=(len(NAMES), dim))
    values = np.where(rng.random((n, len(NAMES))) < (0.5, 0.5, 0.2, 0.3), 1, -1)
    features = values @ directions + rng.normal(size=(n, dim)) * 1.5
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    return features.astype(np.float32), values.astype(np.int8)


def side(n: int, *, seed: int, **columns: list[Any]) -> Side:
    """A split's pictures with their attributes in the table."""
    features, values = planted(n, seed=seed)
    frame = pl.DataFrame(
        {
            "image": [f"{seed}-{row}.png" for row in range(n)],
            "label": [None] * n,
            **{name: values[:, place].tolist() for place, name in enumerate(NAMES)},
            **columns,
        },
        schema_overrides={"label": pl.String},
    )
    hashes = tuple(f"{seed}-{row}".encode() for row in range(n))
    return Side(ImageTable(Path("/pictures"), frame), np.array([""] * n), features, hashes, ())


def attribute_side(n: int, *, seed: int) -> AttributeSide:
    """The same with its values."""
    return AttributeSide.of(side(n, seed=seed), NAMES)


def config(*, head: str = "linear", start: str | None = None, **sections: Any) -> RunConfig:
    """A run file of attribute training."""
    network: dict[str, Any] = {"head": head, "embedding_dim": 16}
    if start is not None:
        network["head_start"] = start
    training = {"epochs": 3, "early_stopping_patience": None, "device": "cpu", "learning_rate": 0.003}
    return parse_config(
        {
            "network": network,
            "attributes": {"batch": 32, **sections.pop("attributes", {})},
            "training": {**training, **sections.pop("training", {})},
            **sections,
        }
    )
