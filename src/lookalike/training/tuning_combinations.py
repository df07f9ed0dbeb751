"""Combinations of what a study may choose, and the run files that they make.

Spaces and what stays enter; candidates put together, and nested values, leave. Whether a run file takes them
is seen elsewhere.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Mapping
from typing import Any

from lookalike.training.spaces import Space

COMBINATIONS = 64  # random ones, tried to find one that a candidate fits


def combinations(spaces: Mapping[str, Space]) -> Iterator[dict[str, Any]]:
    """The first candidates of all, then one of them changed at a time, then some at random."""
    ends = {key: space.ends() for key, space in spaces.items()}
    first = {key: candidates[0] for key, candidates in ends.items()}
    yield first
    for key, candidates in ends.items():
        for candidate in candidates[1:]:
            yield {**first, key: candidate}
    drawn = random.Random(0)  # noqa: S311 - nothing is secret here
    for _ in range(COMBINATIONS):
        yield {key: drawn.choice(candidates) for key, candidates in ends.items()}


def placed(fixed: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The nested values with dotted keys set in them.

    >>> placed({"network": {"head": "linear"}}, {"network.dropout": 0.5})
    {'network': {'head': 'linear', 'dropout': 0.5}}
    """
    values: dict[str, Any] = copy.deepcopy(dict(fixed))
    for key, value in chosen.items():
        *parents, last = key.split(".")
        inner = values
        for parent in parents:
            if not isinstance(inner.get(parent), dict):
                inner[parent] = {}
            inner = inner[parent]
        inner[last] = copy.deepcopy(value)
    return values
