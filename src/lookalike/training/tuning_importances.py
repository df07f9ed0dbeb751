"""Which keys of a study tell its best trials from the rest, and its shortest.

A study with its trials enters; shares by key leave. How they are drawn is not decided here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.importance import PedAnovaImportanceEvaluator

from lookalike.presenting.trials import Objective, Trial, finished
from lookalike.training.tuning_storage import hushed

FEWEST = 2  # finished trials between which anything differs


def importances_of(
    study: optuna.Study, found: Sequence[Trial], objectives: Sequence[Objective]
) -> dict[str, dict[str, float]]:
    """What each key tells of the best trials: which share of what sets them apart from the rest (PED-ANOVA).

    The best by the first objective and, as "duration", the shortest ones. Where no key tells anything, none
    is named.
    """
    if len(finished(found)) < FEWEST:
        return {}
    goal = objectives[0]
    sign = -1.0 if goal.better == "higher" else 1.0  # the lowest are those that are told from the rest
    targets: dict[str, Callable[[Any], float]] = {
        goal.name: lambda trial: sign * trial.values[0],
        "duration": lambda trial: trial.duration.total_seconds(),
    }
    explained: dict[str, dict[str, float]] = {}
    for name, target in targets.items():
        with hushed(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that the lowest are told apart, as is meant
            try:
                told = PedAnovaImportanceEvaluator().evaluate(study, target=target)
            except (ValueError, RuntimeError):  # too few trials, or none that differ
                told = {}
        told = {key: share for key, share in told.items() if math.isfinite(share)}
        total = sum(told.values())
        explained[name] = {key: share / total for key, share in told.items()} if total > 0 else {}
    return explained
