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
from lookalike.presenting.trials import COSTS, Objective
from lookalike.records import Floats, Labels, Progress
from lookalike.tables.roles import Roles, roles_of
from lookalike.training.build import build, closed_form_start
from lookalike.training.closed_form import Candidate, LinearHead, apply, solve
from lookalike.training.in_memory import fit_in_memory
from lookalike.training.keeping import EpochEnd
from lookalike.training.learner import MONITOR
from lookalike.training.material import all_samples
from lookalike.training.network import AnyHead, make_head
from lookalike.training.preflight import check_lengths
from lookalike.training.side import Side
from lookalike.training.sources import FeatureSource
from lookalike.training.tuning_material import Material, Prepared, embedding_milliseconds, milliseconds_of


@dataclass(frozen=True)
class Attempt:
    """What settings brought.

    Attributes:
        epochs: after how many the network was kept; 0: as it began, or a head that is solved.
        solved: of a closed-form head, or start, what was chosen on val.
        head: what was trained on features, or solved; None: a whole network was trained.
        figures: of an evaluation on val, with the costs that were asked for.
    """

    epochs: int
    solved: Candidate | None = None
    head: AnyHead | LinearHead | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class _Heard:
    """A watcher of a trial: it hears of epochs only."""

    epoch: EpochEnd

    def say(self, text: str) -> None:
        """Drop the sentence: trials are many."""

    def stage(self, _name: str) -> Progress:
        """Count for nobody."""
        return lambda _done, _total: None


def on_features(config: RunConfig) -> bool:
    """Whether a run's pictures are seen once, and its head learns from features."""
    return config.network.frozen and (config.augment is None or config.training.views is not None)


def objectives_of(names: tuple[str, ...]) -> tuple[Objective, ...]:
    """Which way each figure and cost is better."""
    lower = (*LOWER_IS_BETTER, *COSTS)
    return tuple(Objective(name, "lower" if name in lower else "higher") for name in names)


def known_figures() -> tuple[str, ...]:
    """Names of the figures that an evaluation has, whatever it judges, and of the costs."""
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
    found = train_head(config, prepared, epoch=epoch)
    vectors = head_function(found.head)(val.features)
    figures = figures_of(vectors, val.labels, roles_of(val.table, identity=val.content))
    if "dimensions" in costs:
        figures["dimensions"] = float(vectors.shape[1])
    if "milliseconds" in costs:
        figures["milliseconds"] = material.milliseconds(config) + _head_milliseconds(found, val)
    return replace(found, figures=figures)


def train_head(
    config: RunConfig,
    prepared: Prepared,
    *,
    epoch: EpochEnd | None = None,
    until: int | None = None,
    solved: Candidate | None = None,
) -> Attempt:
    """Train, or solve, a head on features; figures are not made.

    Args:
        until: keep what there is after so many epochs, whatever val says.
        solved: the closed form's settings, where they are known already.
    """
    check_lengths(config, feature_dim=prepared.backbone.dim)
    start, best = _start(config, prepared, solved)
    if config.network.resolved_head == "closed_form":
        return Attempt(0, best, start)
    train, val = prepared.train, prepared.val
    torch.manual_seed(config.seed)
    head = make_head(config.network, inputs=train.features.shape[1], start=start)
    source = FeatureSource(train.features, train.labels, train.views, train.categories)
    judged = FeatureSource(val.features, val.labels, identity=val.identity)
    fitted = fit_in_memory(head, config, train=source, val=judged, epoch=epoch, until=until)
    if until is not None:
        return Attempt(until, best, head)
    improved = fitted.best > fitted.start
    return Attempt(_best_epoch([row[MONITOR] for row in fitted.history]) if improved else 0, best, head)


def head_function(head: AnyHead | LinearHead | None) -> Callable[[Floats], Floats]:
    """What a head makes of features: [n, D] to [n, d] unit rows."""
    if isinstance(head, LinearHead):
        return lambda features: apply(head, features)
    assert head is not None  # noqa: S101 - a head was trained

    def compute(features: Floats) -> Floats:
        with torch.inference_mode():
            return head(torch.from_numpy(features)).numpy()  # type: ignore[no-any-return]

    return compute


def _start(
    config: RunConfig, prepared: Prepared, solved: Candidate | None
) -> tuple[LinearHead | None, Candidate | None]:
    """The solved head that a run begins with, or is, and its settings."""
    if solved is None:
        start, candidates = closed_form_start(config, prepared.train, prepared.val)
        return start, max(candidates, key=lambda tried: tried.map_at_r, default=None)
    features, labels = all_samples(prepared.train)
    dim = config.network.embedding_dim or features.shape[1]
    options = {"power": solved.power, "shrinkage": solved.shrinkage, "fill": solved.fill}
    return solve(features, labels, dim=dim, **options), solved


def _whole(
    config: RunConfig, material: Material, *, costs: tuple[str, ...], epoch: EpochEnd | None
) -> Attempt:
    """A normal training of the whole network, judged as the model that it exports."""
    quiet = config.model_copy(update={"training": config.training.model_copy(update={"loggers": ()})})
    watcher = _Heard(epoch or (lambda _row: None))
    with tempfile.TemporaryDirectory() as folder:
        built = build(material.table, quiet, folder=Path(folder), resume=False, created="", watcher=watcher)
        found = embed_table(built.model, material.table.select("val"))
        usable = material.table.select("val").take(found.rows)
        roles = roles_of(usable, identity=found.identity)
        figures = figures_of(found.embeddings.vectors, usable.labels, roles)
        if "dimensions" in costs:
            figures["dimensions"] = float(built.model.dim)
        if "milliseconds" in costs:
            figures["milliseconds"] = embedding_milliseconds(built.model)
    return Attempt(_best_epoch(built.history.get(MONITOR, [])), figures=figures)


def _best_epoch(scores: list[float]) -> int:
    """The first of the best epochs, from 1; 0 where there was none."""
    return int(np.argmax(scores)) + 1 if scores else 0


def _head_milliseconds(found: Attempt, val: Side) -> float:
    """Of a head, a picture, in a batch."""
    some = val.features[:256]
    embed = head_function(found.head)
    return milliseconds_of(lambda: embed(some)) / len(some)
