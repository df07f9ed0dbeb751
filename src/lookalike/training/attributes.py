"""Attribute training: pictures and what is stated of them get one space, solved or trained by triplets.

One split's features enter, what is to be exported leaves: the image side as the model's own head, the
attribute side as a branch beside it. Labels play no part. Torch is brought in only where the run file asks
for training by gradient.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from lookalike.config import AttributeConfig, RunConfig
from lookalike.errors import MissingExtraError
from lookalike.judging.attribute_metrics import make_queries
from lookalike.records import Floats, Watcher
from lookalike.tables.attribute_values import Values
from lookalike.training.attribute_data import AttributeSide, Pair, learnable, left_out_in_words
from lookalike.training.attribute_export import TrainedBranch
from lookalike.training.attribute_solve import (
    Attempt,
    SharedSpace,
    choose_attributes,
    indicators,
    prototypes,
    score,
    solve_attributes,
)
from lookalike.training.graph import HeadGraph
from lookalike.training.settled import Settled
from lookalike.training.side import Side, Trained

PROBES = 64  # queries of each kind that the export is checked on


def train_attributes(
    config: RunConfig,
    train: Side,
    val: Side,
    *,
    plain: Floats,
    folder: Path,
    resume: bool,
    watcher: Watcher,
    settled: Settled | None = None,
) -> Trained:
    """Solve or train the space that a run file asks for.

    Args:
        plain: [n, D] untrained features of the training pictures, for the baseline.
        folder, resume: the run folder of a training by gradient, and whether to go on with it.
        settled: what was chosen before; then val is not looked at. None: choose on val.

    Raises:
        TableError: there are no attributes to learn, or one that was named cannot be.
    """
    names, left_out = learnable(train.table, config.attributes or AttributeConfig())
    sides = AttributeSide.of(train, names), AttributeSide.of(val, names)
    start, attempts = _start(config, *sides, options=settled.solved if settled else {})
    notes = (*left_out_in_words(left_out), *_solved_in_words(start, attempts, attributes=len(names)))
    for note in notes:
        watcher.say(note)
    if config.network.resolved_head == "closed_form" and start is not None:
        pair = _solved(start, sides[1], judged=settled is None)
    else:
        pair = _by_gradient(config, *sides, start, folder, resume=resume, watcher=watcher, settled=settled)
    used = np.isin(train.table.ids, sides[0].side.table.ids)
    probes = _probes(sides[1].values)
    branch = TrainedBranch(
        names=names,
        graph=pair.graph,
        probes=probes,
        expected=pair.embed(indicators(probes)),
        baseline=prototypes(plain[used], sides[0].values),
        facts={
            "left_out": left_out,
            "closed_form": [asdict(attempt) for attempt in attempts],
            "val_map": dict(pair.scores),
        },
    )
    chosen = replace(pair.trained.settled, solved=_best_options(attempts))
    return replace(pair.trained, attributes=branch, notes=(*notes, *pair.trained.notes), settled=chosen)


def _start(
    config: RunConfig, train: AttributeSide, val: AttributeSide, *, options: Mapping[str, float]
) -> tuple[SharedSpace | None, Sequence[Attempt]]:
    """The closed form, where the run file begins with it; by options that were chosen before, or on val."""
    if config.attribute_start != "closed_form":
        return None, ()
    network = config.network
    if options:
        dim = network.embedding_dim or train.values.shape[1]
        chosen = {name: options[name] for name in ("power", "shrinkage")}
        return solve_attributes(train.side.features, train.values, dim=dim, **chosen), ()
    return choose_attributes(
        train.side.features,
        train.values,
        val.side.features,
        val.values,
        dim=network.embedding_dim or train.values.shape[1],
        powers=network.powers,
        shrinkages=network.shrinkages,
    )


def _solved_in_words(
    space: SharedSpace | None, attempts: Sequence[Attempt], *, attributes: int
) -> tuple[str, ...]:
    if space is None or not attempts:
        return ()
    best = max(attempts, key=lambda attempt: attempt.map)
    return (
        f"Closed form: {attributes} attributes in {space.attributes.shape[1]} dimensions; val mAP "
        f"{best.map:.3f} with power {best.power:g} and shrinkage {best.shrinkage:g}.",
    )


def _best_options(attempts: Sequence[Attempt]) -> dict[str, float]:
    best = max(attempts, key=lambda attempt: attempt.map, default=None)
    return {} if best is None else asdict(best)


def _solved(space: SharedSpace, val: AttributeSide, *, judged: bool) -> Pair:
    image, graph = space.image, space.branch()
    head = HeadGraph(image.power, [(image.weight, image.bias)])
    weights = {
        "head.power": np.array(image.power, np.float32),
        "head.last.weight": np.ascontiguousarray(image.weight.T),
        "head.last.bias": image.bias,
    }
    branch = {"attributes.last.weight": np.ascontiguousarray(space.attributes.T)}
    scores = score(head.apply(val.side.features), val.values, graph.apply) if judged else {}
    return Pair(Trained(head, {**weights, **branch}), graph, graph.apply, scores)


def _by_gradient(
    config: RunConfig,
    train: AttributeSide,
    val: AttributeSide,
    start: SharedSpace | None,
    folder: Path,
    *,
    resume: bool,
    watcher: Watcher,
    settled: Settled | None,
) -> Pair:
    try:
        from lookalike.training.attribute_gradient import train_pair
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "torch", extra="train") from error
    until = settled.epochs if settled else None
    return train_pair(config, train, val, start, folder, resume=resume, watcher=watcher, until=until)


def _probes(values: Values) -> Values:
    return np.concatenate(list(make_queries(values, most=PROBES, seed=0).values()))
