"""One trial of a study: settings enter; what they reach on validation leaves, and no file.

A head on frozen features is trained in memory. Where pictures themselves are trained on (a fine-tuned
backbone, pictures changed anew in every epoch), a trial is a normal training in a folder that is deleted.
Which settings are tried is not decided here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

from lookalike.config import RunConfig
from lookalike.judgement import LOWER_IS_BETTER, MACRO, judge
from lookalike.judging.pair_intervals import pair_figures
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.presenting.trials import COSTS, Objective
from lookalike.records import Floats, Labels
from lookalike.tables.roles import Roles, roles_of
from lookalike.tables.table import ImageTable
from lookalike.training.build import build
from lookalike.training.closed_form import LinearHead, apply
from lookalike.training.graph import AnyGraph
from lookalike.training.in_memory import fit_in_memory
from lookalike.training.keeping import EpochEnd, Heard
from lookalike.training.network import AnyHead, make_head
from lookalike.training.preflight import check_lengths
from lookalike.training.settled import Settled, best_options
from lookalike.training.side import Side
from lookalike.training.sources import FeatureSource
from lookalike.training.starting import closed_form_start
from lookalike.training.tuning_attributes import (
    attribute_figures,
    figures_of_model,
    figures_of_space,
    train_space,
)
from lookalike.training.tuning_material import Material, Prepared, embedding_milliseconds, milliseconds_of


@dataclass(frozen=True)
class Attempt:
    """What settings brought.

    Attributes:
        settled: what was chosen on val.
        head: what was trained on features, or solved; None: a whole network was trained.
        figures: of an evaluation on val, with the costs that were asked for.
    """

    settled: Settled
    head: AnyHead | LinearHead | AnyGraph | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


def on_features(config: RunConfig) -> bool:
    """Whether a run's pictures are seen once, and its head learns from features."""
    viewed = config.training.views is not None and config.attributes is None
    return config.network.frozen and (config.augment is None or viewed)


def objectives_of(names: tuple[str, ...]) -> tuple[Objective, ...]:
    """Which way each figure and cost is better."""
    lower = (*LOWER_IS_BETTER, *COSTS)
    return tuple(Objective(name, "lower" if name in lower else "higher") for name in names)


def known_figures(*, attributes: bool = False) -> tuple[str, ...]:
    """Names of the figures that an evaluation has, whatever it judges, and of the costs.

    Args:
        attributes: of an evaluation by attributes.
    """
    if attributes:
        return (*attribute_figures(), *COSTS)
    toy = np.array([[1.0, 0.0], [0.8, 0.6], [0.0, 1.0], [0.6, 0.8]], dtype=np.float32)
    rows = np.arange(4)
    roles = Roles(rows, rows, excluded=rows[:, None], unpaired=rows[:, None], given=False, groups=0)
    return (*figures_of(toy, np.array(["a", "a", "b", "b"]), roles), *COSTS)


def figures_of(vectors: Floats, labels: Labels, roles: Roles) -> dict[str, float]:
    """Every figure of an evaluation, without intervals.

    Args:
        vectors: [n, d] float32, rows of unit length.
        labels: [n].

    Raises:
        EvaluationError: no query has a right answer, or there are no different pairs.
    """
    judged = judge(vectors, labels, roles)
    sums = judged.by_class
    return {**sums.values(), **sums.macro(MACRO).values(), **pair_figures(judged.pairs)}


def attempt(
    config: RunConfig, material: Material, *, costs: tuple[str, ...] = (), epoch: EpochEnd | None = None
) -> Attempt:
    """Train and judge on val.

    Args:
        costs: which of the costs are asked for too.
        epoch: told each epoch's row; what it raises ends the trial and is raised.

    Raises:
        LookalikeError: the settings do not fit the data, or their training cannot go on.
    """
    if not on_features(config):
        return _whole(config, material, costs=costs, epoch=epoch)
    prepared = material.prepared(config)
    val = prepared.val
    if config.attributes is not None:
        trained = train_space(config, prepared, epoch=epoch)
        found = Attempt(trained.settled, trained.head)
        figures = figures_of_space(trained, prepared)
    else:
        found = train_head(config, prepared, epoch=epoch)
        vectors = head_function(found.head)(val.features)
        figures = figures_of(vectors, val.labels, roles_of(val.table, identity=val.content))
    if "dimensions" in costs:
        figures["dimensions"] = float(head_function(found.head)(val.features[:1]).shape[1])
    if "milliseconds" in costs:
        figures["milliseconds"] = material.milliseconds(config) + _head_milliseconds(found, val)
    return replace(found, figures=figures)


def train_head(
    config: RunConfig,
    prepared: Prepared,
    *,
    epoch: EpochEnd | None = None,
    settled: Settled | None = None,
) -> Attempt:
    """Train, or solve, a head on features; figures are not made.

    Args:
        settled: what was chosen before, which is kept whatever val says; None: choose on val.
    """
    check_lengths(config, feature_dim=prepared.backbone.dim)
    options = settled.solved if settled else {}
    start, candidates = closed_form_start(config, prepared.train, prepared.val, options=options)
    solved = options or best_options(candidates)
    if config.network.resolved_head == "closed_form":
        return Attempt(Settled(solved=solved), start)
    train, val = prepared.train, prepared.val
    torch.manual_seed(config.seed)
    head = make_head(config.network, inputs=train.features.shape[1], start=start)
    source = FeatureSource(train.features, train.labels, train.views, train.categories)
    judged = FeatureSource(val.features, val.labels, identity=val.identity)
    until = settled.epochs if settled else None
    fitted = fit_in_memory(head, config, train=source, val=judged, epoch=epoch, until=until)
    return Attempt(Settled(fitted.epochs if until is None else until, solved), head)


def head_function(head: AnyHead | LinearHead | AnyGraph | None) -> Callable[[Floats], Floats]:
    """What a head makes of features: [n, D] to [n, d] unit rows."""
    if isinstance(head, LinearHead):
        return lambda features: apply(head, features)
    if isinstance(head, AnyGraph):
        return head.apply
    assert head is not None  # noqa: S101 - a head was trained

    def compute(features: Floats) -> Floats:
        with torch.inference_mode():
            return head(torch.from_numpy(features)).numpy()  # type: ignore[no-any-return]

    return compute


def _whole(
    config: RunConfig, material: Material, *, costs: tuple[str, ...], epoch: EpochEnd | None
) -> Attempt:
    """A normal training of the whole network, judged as the model that it exports."""
    quiet = config.model_copy(update={"training": config.training.model_copy(update={"loggers": ()})})
    val = material.table.select("val")
    with tempfile.TemporaryDirectory() as folder:
        built = build(
            material.table, quiet, folder=Path(folder), resume=False, created="", watcher=Heard(epoch)
        )
        by_attributes = config.attributes is not None
        figures = figures_of_model(built.model, val) if by_attributes else _figures_by_label(built.model, val)
        if "dimensions" in costs:
            figures["dimensions"] = float(built.model.dim)
        if "milliseconds" in costs:
            figures["milliseconds"] = embedding_milliseconds(built.model)
    return Attempt(built.settled, figures=figures)


def _figures_by_label(model: Model, val: ImageTable) -> dict[str, float]:
    found = embed_table(model, val)
    usable = val.take(found.rows)
    return figures_of(found.embeddings.vectors, usable.labels, roles_of(usable, identity=found.identity))


def _head_milliseconds(found: Attempt, val: Side) -> float:
    """Of a head, a picture, in a batch."""
    some = val.features[:256]
    embed = head_function(found.head)
    return milliseconds_of(lambda: embed(some)) / len(some)
