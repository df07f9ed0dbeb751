"""A tiny model that knows three attributes: how red, green and blue a picture is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from PIL import Image

from lookalike.evaluation import baseline_folder
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model, write_facts
from lookalike.records import Floats
from lookalike.tables.attribute_values import Values
from lookalike.tables.table import ImageTable
from lookalike.training.attribute_export import TrainedBranch
from lookalike.training.attribute_solve import indicators, prototypes
from lookalike.training.graph import HeadGraph

NAMES = ("red", "green", "blue")
COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255), "yellow": (255, 255, 0),
           "cyan": (0, 255, 255), "white": (255, 255, 255), "black": (0, 0, 0)}  # fmt: skip


def colour_values(rgb: tuple[int, int, int]) -> list[int]:
    """1 where a channel is there, -1 where not."""
    return [1 if part else -1 for part in rgb]


def branch_weights() -> Floats:
    """[6, 48]: present along a channel of the tiny model's embedding, absent against it."""
    channels = np.repeat(np.eye(3, dtype=np.float32), 16, axis=1)  # [3, 48], channel after channel
    return np.concatenate([channels, -channels])


def tiny_branch(*, baseline: Floats | None = None, values: Values | None = None) -> TrainedBranch:
    """The branch; its baseline is made of features and values, where they are given."""
    graph = HeadGraph(1.0, [(branch_weights(), np.zeros(48, np.float32))])
    probes = np.array([[1, 0, 0], [0, -1, 1], [1, 1, 1]], np.int8)
    kept = prototypes(
        np.ones((2, 48), np.float32) if baseline is None else baseline,
        np.array([[1, 1, 1], [-1, -1, -1]], np.int8) if values is None else values,
    )
    return TrainedBranch(NAMES, graph, probes, graph.apply(indicators(probes)), kept)


def with_branch(model: Model) -> Model:
    """The same tiny model, with attributes."""
    facts = {**model.facts, "attributes": tiny_branch().write(model.folder)}
    write_facts(model.folder, facts)
    return Model.load(model.folder)


def paint(folder: Path, *names: str) -> Path:
    """Draw a picture of each colour, with a grey corner so that no two files are alike by chance."""
    folder.mkdir(parents=True, exist_ok=True)
    for place, name in enumerate(names):
        image = Image.new("RGB", (32, 32), COLOURS[name.split("-", maxsplit=1)[0]])
        image.putpixel((0, 0), (100 + place, 100, 100))
        image.save(folder / f"{name}.png")
    return folder


def gallery(folder: Path, *, each: int = 3, **columns: list[Any]) -> ImageTable:
    """Each colour several times, with its channels as attributes; no labels."""
    names = [f"{colour}-{number}" for colour in COLOURS for number in range(each)]
    paint(folder, *names)
    values = np.array([colour_values(COLOURS[name.split("-")[0]]) for name in names])
    attributes = {channel: values[:, place].tolist() for place, channel in enumerate(NAMES)}
    frame = pl.DataFrame({"image": [f"{name}.png" for name in names], **attributes, **columns})
    frame.write_csv(folder / "pictures.csv")
    return ImageTable.read(folder / "pictures.csv")


def with_baseline(tiny: Model, table: ImageTable, values: Values) -> Model:
    """A run's model whose untrained backbone is the tiny model itself."""
    model = with_branch(tiny)
    shutil.copytree(model.folder, baseline_folder(model))
    features = embed_table(model, table).embeddings.vectors
    tiny_branch(baseline=features, values=values).write(model.folder)
    write_facts(model.folder, {**model.facts, "baseline": "tiny, untrained"})
    return Model.load(model.folder)
