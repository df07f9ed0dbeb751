"""What there is to learn from beside the pictures' own features: their categories and changed views of them.

A split's side enters; the same leaves, with more on it. Batches and heads are made of it elsewhere. Torch is
needed only where pictures are changed.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from pathlib import Path

import numpy as np

from lookalike.cache import cache_folder
from lookalike.config import BatchConfig, RunConfig
from lookalike.errors import ConfigError, MissingExtraError
from lookalike.models.model import Model
from lookalike.records import Floats, Labels, Watcher
from lookalike.tables.table import ImageTable
from lookalike.training.batches import chosen_rows
from lookalike.training.processes import is_first
from lookalike.training.side import Side

SAMPLES = "samples.png"


def with_categories(side: Side, batches: BatchConfig) -> Side:
    """The side with the category of each picture, where batches are to be made by one.

    A picture without one has the category of all that have none.

    Raises:
        ConfigError: the table has no such column.
    """
    name = batches.category
    if name is None:
        return side
    check_category(side.table, batches)
    values = side.table.frame[name].to_list()
    return replace(side, categories=np.array([str(value) for value in values], np.str_))


def check_category(table: ImageTable, batches: BatchConfig) -> None:
    """Refuse a category that the table has no column of.

    Raises:
        ConfigError: it has none; the message names the nearest.
    """
    name, columns = batches.category, table.frame.columns
    if name is None or name in columns:
        return
    near = difflib.get_close_matches(name, columns, n=1)
    raise ConfigError(
        "the table has no such column",
        where="batches.category",
        saw=repr(name),
        wanted=f"one of {', '.join(columns)}",
        do=f"did you mean {near[0]}?" if near else "add the column to the manifest",
    )


def limited(side: Side, batches: BatchConfig, *, seed: int) -> Side:
    """The side without the pictures that batches.class_list and total_examples_per_class leave out.

    Raises:
        ConfigError: the list names a label that no picture has.
    """
    if batches.class_list is None and batches.total_examples_per_class is None:
        return side
    rows = chosen_rows(
        side.labels,
        class_list=batches.class_list,
        total_examples_per_class=batches.total_examples_per_class,
        seed=seed,
    )
    return side.take(rows)


def with_views(side: Side, backbone: Model, config: RunConfig, folder: Path, watcher: Watcher) -> Side:
    """The side with features of changed pictures, where a backbone is frozen and pictures are augmented.

    What augmentation does is drawn to samples.png in any case.

    Raises:
        MissingExtraError: torch is not installed.
    """
    augment, views = config.augment, config.training.views
    if augment is None:
        return side
    try:
        from lookalike.training.samples import write_samples
        from lookalike.training.views import table_views
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", extra="train") from error
    if is_first():
        folder.mkdir(parents=True, exist_ok=True)
        write_samples(folder / SAMPLES, side.table, backbone.preprocess, augment, seed=config.seed)
    if views is None or not config.network.frozen or config.attributes is not None:
        return side
    found = table_views(
        backbone,
        side.table,
        side.hashes,
        augment=augment,
        views=views,
        seed=config.seed,
        cache_folder=cache_folder(),
        progress=watcher.stage("features of augmented train"),
    )
    return replace(side, views=found)


def all_samples(side: Side) -> tuple[Floats, Labels]:
    """Features [m, D] and labels [m]: the pictures and, where there are any, their views."""
    if side.views is None:
        return side.features, side.labels
    views = side.views.reshape(-1, side.features.shape[1])  # [n v, D]
    labels = np.repeat(side.labels, side.views.shape[1])
    return np.concatenate([side.features, views]), np.concatenate([side.labels, labels])
