"""A trial of a study by attributes: settings and shared features enter, a space and its figures on val leave.

The figures are those of an evaluation by attributes, without intervals. Which settings are tried is not
decided here, nor is how a space is solved or trained.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import numpy as np

from lookalike.attribute_evaluation import MEANINGS
from lookalike.attribute_search import STRENGTH, compose
from lookalike.config import RunConfig
from lookalike.judging.attribute_metrics import KS, between, judge, make_changes, make_queries, means
from lookalike.models.attributes import AttributeBranch
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.records import Floats
from lookalike.tables.attribute_values import Values, attribute_values
from lookalike.tables.table import ImageTable
from lookalike.training.attribute_solve import indicators
from lookalike.training.attributes import train_attributes
from lookalike.training.keeping import EpochEnd, Heard
from lookalike.training.side import Trained
from lookalike.training.tuning_material import Prepared

COMPOSED = "composed"
MEASURES = (*(f"precision@{k}" for k in KS), "map", "mean_precision")
MOST_QUERIES = 1000  # of each kind, as in an evaluation

Embed: TypeAlias = Callable[[Values], Floats]


def attribute_figures() -> tuple[str, ...]:
    """Names of the figures: of each kind of query, and the mean over the kinds that state attributes alone.

    >>> names = attribute_figures()
    >>> "map" in names, "precision@1_one" in names, "map_composed" in names
    (True, True, True)
    """
    return (*MEASURES, *(f"{name}_{kind}" for kind in MEANINGS for name in MEASURES))


def train_space(config: RunConfig, prepared: Prepared, *, epoch: EpochEnd | None) -> Trained:
    """Solve or train a space on features, as a run does; no file is left.

    Args:
        epoch: told each epoch's row; what it raises ends the training and is raised.
    """
    quiet = config.model_copy(update={"training": config.training.model_copy(update={"loggers": ()})})
    plain = prepared.train.features  # of a baseline, which no trial has
    with tempfile.TemporaryDirectory() as folder:
        return train_attributes(
            quiet, prepared.train, prepared.val, plain=plain, folder=Path(folder), resume=False,
            watcher=Heard(epoch),
        )  # fmt: skip


def figures_of_space(trained: Trained, prepared: Prepared) -> dict[str, float]:
    """Every figure of a space on val."""
    branch, val = trained.attributes, prepared.val
    assert branch is not None  # noqa: S101 - it was trained by attributes
    gallery = (trained.compute or trained.head.apply)(val.features)
    values = attribute_values(val.table, branch.names)
    return figures_of(lambda stated: branch.graph.apply(indicators(stated)), gallery, values)


def figures_of_model(model: Model, table: ImageTable) -> dict[str, float]:
    """Every figure of a model with a branch on the pictures of a table."""
    branch = AttributeBranch(model)
    embedded = embed_table(model, table)
    values = attribute_values(table, branch.names)[embedded.rows]
    return figures_of(branch.embed, embedded.embeddings.vectors, values)


def figures_of(embed: Embed, gallery: Floats, values: Values) -> dict[str, float]:
    """The figures that `evaluate_attributes` has on some pictures, without intervals.

    Args:
        embed: stated [q, a] to [q, d] unit rows.
        gallery: [n, d] unit rows.
        values: [n, a], of the gallery.

    Returns:
        Name to figure, in [0, 1], higher is better; without kinds of query that the pictures do not allow.
    """
    kinds = {
        name: means(judge(between(embed(stated), gallery), stated, values))
        for name, stated in make_queries(values, most=MOST_QUERIES, seed=0).items()
        if len(stated) > 1
    }
    averages = {name: float(np.mean([found[name] for found in kinds.values()])) for name in MEASURES if kinds}
    rows, changes, wanted = make_changes(values, most=MOST_QUERIES, seed=0)
    if len(rows) > 1:
        queries = compose(gallery[rows], embed(changes), strength=STRENGTH)
        kinds[COMPOSED] = means(judge(between(queries, gallery), wanted, values, itself=rows))
    return {
        **averages,
        **{f"{name}_{kind}": value for kind, found in kinds.items() for name, value in found.items()},
    }
