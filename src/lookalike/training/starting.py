"""The closed form as a run uses it: as its head, or as what its head begins with.

Settings and sides with features enter; a solved head leaves, with what was tried for it, or by options that
were chosen before. How it is solved is closed_form.py's business. Needs no torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lookalike.config import RunConfig
from lookalike.records import Floats
from lookalike.training.closed_form import Candidate, LinearHead, choose, solve
from lookalike.training.material import all_samples
from lookalike.training.settled import Settled, best_options
from lookalike.training.side import Side


def closed_form_start(
    config: RunConfig, train: Side, val: Side, *, options: Mapping[str, float]
) -> tuple[LinearHead | None, Sequence[Candidate]]:
    """The solved head that a run begins with, or is, and what was tried for it; None: it begins otherwise.

    Args:
        options: those that were chosen before; empty: choose on val.
    """
    network = config.network
    if network.resolved_start != "closed_form" or config.attributes is not None:
        return None, ()
    if options:
        return solve_as(config, train, options), ()
    return choose_on(val, config, train)


def choose_on(val: Side, config: RunConfig, train: Side) -> tuple[LinearHead, Sequence[Candidate]]:
    """Solve a head on a side with the options that are best on another, and what was tried for it."""
    features, labels = all_samples(train)
    return choose(
        features,
        labels,
        val.features,
        val.labels,
        dim=config.network.embedding_dim or features.shape[1],
        powers=config.network.powers,
        shrinkages=config.network.shrinkages,
        val_identity=val.identity,
    )


def solve_as(config: RunConfig, side: Side, options: Mapping[str, float]) -> LinearHead:
    """Solve a head on a side with options that were chosen before: power, shrinkage and fill."""
    features, labels = all_samples(side)
    dim = config.network.embedding_dim or features.shape[1]
    chosen = {name: options[name] for name in ("power", "shrinkage", "fill")}
    return solve(features, labels, dim=dim, **chosen)


def solved_in_words(candidates: Sequence[Candidate], settled: Settled | None) -> str:
    """What a head is that was solved, and what it reaches where it was chosen on val."""
    best = settled.solved if settled else best_options(candidates)
    reached = "" if settled else f"MAP@R {best['map_at_r']:.3f} on val "
    settings = f"power {best['power']:g} and shrinkage {best['shrinkage']:g}"
    return f"Solved the head in closed form on the processor: {reached}with {settings}."


def closed_form_weights(head: LinearHead) -> dict[str, Floats]:
    """Under the names that the torch head gives them."""
    return {
        "head.power": np.array(head.power, np.float32),
        "head.last.weight": np.ascontiguousarray(head.weight.T),
        "head.last.bias": head.bias,
    }
