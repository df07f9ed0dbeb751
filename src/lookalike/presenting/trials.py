"""What trying many settings brought: records of trials, which is the best, and their table.

Trials enter as a search has left them; choices among them, words and CSV leave. Nothing is trained here, and
how trials are found and stored is the search's business.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["complete", "pruned", "failed", "running"]
COSTS = ("milliseconds", "dimensions")  # of an embedding, beside the figures of an evaluation


@dataclass(frozen=True, slots=True)
class Objective:
    """What is searched for: a figure of an evaluation on validation, or a cost."""

    name: str
    better: Literal["higher", "lower"] = "higher"

    def is_better(self, one: float, other: float) -> bool:
        """Whether the first value is the better one; equal ones are not."""
        return one > other if self.better == "higher" else one < other


@dataclass(frozen=True, slots=True)
class Trial:
    """One of the settings that were tried.

    Attributes:
        number: from 0, in the order of their beginning.
        params: dotted key to what was chosen; lists and sections as JSON text.
        values: one an objective; of a trial that was not finished, empty.
        course: epoch, from 1, to the figure on validation after it.
        epochs: after how many the network was kept; 0: as it began, or a head that is solved.
        solved: the settings of a solved head, or start: power, shrinkage, fill and map_at_r; by attributes
            power, shrinkage and map.
        refitted: of a head that was solved once more in the end, and kept; else empty.
        seconds: how long it took; None while it runs.
        message: why it failed.
        figures: every figure on validation.
        interrupted: its process was ended before it; it counts for nothing.
        logarithmic: of the keys that were drawn from a range, whether its logarithm was.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    values: tuple[float, ...] = ()
    course: Mapping[int, float] = field(default_factory=dict)
    epochs: int = 0
    solved: Mapping[str, float] = field(default_factory=dict)
    refitted: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    message: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    interrupted: bool = False
    logarithmic: Mapping[str, bool] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether it came to an end of its own."""
        return self.state != "running" and not self.interrupted


def finished(trials: Sequence[Trial]) -> list[Trial]:
    """The trials that came to their end, with all their values."""
    return [trial for trial in trials if trial.state == "complete" and all(map(math.isfinite, trial.values))]


def best_trial(trials: Sequence[Trial], objectives: Sequence[Objective]) -> Trial | None:
    """The trial with the best first objective; of equal ones the first. None: no trial was finished.

    With several objectives it lies on the front.

    >>> tried = [Trial(0, "complete", {}, (0.5, 8.0)), Trial(1, "complete", {}, (0.5, 4.0))]
    >>> best_trial(tried, [Objective("map@r"), Objective("dimensions", "lower")]).number
    1
    """
    found = front(trials, objectives)
    best: Trial | None = None
    for trial in found:
        if best is None or objectives[0].is_better(trial.values[0], best.values[0]):
            best = trial
    return best


def front(trials: Sequence[Trial], objectives: Sequence[Objective]) -> list[Trial]:
    """The finished trials that no other one beats: as good in every objective, and better in one.

    >>> tried = [Trial(n, "complete", {}, values) for n, values in enumerate([(3, 9), (2, 5), (1, 7)])]
    >>> [trial.number for trial in front(tried, [Objective("map"), Objective("dimensions", "lower")])]
    [0, 1]
    """
    done = finished(trials)
    return [trial for trial in done if not any(_beats(other, trial, objectives) for other in done)]


def _beats(one: Trial, other: Trial, objectives: Sequence[Objective]) -> bool:
    pairs = list(zip(objectives, one.values, other.values, strict=True))
    return any(goal.is_better(a, b) for goal, a, b in pairs) and not any(
        goal.is_better(b, a) for goal, a, b in pairs
    )


def trials_csv(trials: Sequence[Trial], objectives: Sequence[Objective]) -> str:
    """The table of trials: a line each, with what was chosen, what it brought, and why it failed."""
    keys = keys_of(trials)
    names = [objective.name for objective in objectives]
    figures = list(dict.fromkeys(name for trial in trials for name in trial.figures if name not in names))
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["trial", "state", *names, *keys, "epochs", "seconds", "message", *figures])
    for trial in trials:
        values = trial.values or [""] * len(names)
        seconds = "" if trial.seconds is None else round(trial.seconds, 2)
        chosen = [_cell(trial.params[key]) if key in trial.params else "" for key in keys]
        row = [trial.number, trial.state, *values, *chosen, trial.epochs, seconds, trial.message]
        table.writerow([*row, *(trial.figures.get(name, "") for name in figures)])
    return text.getvalue()


def keys_of(trials: Sequence[Trial]) -> list[str]:
    """The keys that were searched, in the order in which trials have them."""
    return list(dict.fromkeys(key for trial in trials for key in trial.params))


def _cell(value: object) -> str:
    """A value as a run file has it."""
    return value if isinstance(value, str) else json.dumps(value)


def shown(value: object) -> str:
    """A value that was chosen, as a person reads it.

    >>> [shown(0.30000000000000004), shown(True), shown([512, 256]), shown(None), shown("adam")]
    ['0.3', 'true', '[512, 256]', 'null', 'adam']
    >>> shown({"name": "triplet_batch_hard", "margin": "soft"})
    'triplet_batch_hard, margin soft'
    """
    if isinstance(value, Mapping):
        return ", ".join(
            shown(part) if key == "name" else f"{key} {shown(part)}" for key, part in value.items()
        )
    return f"{value:.4g}" if isinstance(value, float) else _cell(value)


def figure_shown(name: str, value: float) -> str:
    """An objective's value in words: shares with four digits, milliseconds with two, counts whole.

    >>> figure_shown("map@r", 0.41236), figure_shown("milliseconds", 7.128), figure_shown("dimensions", 128.0)
    ('0.4124', '7.13', '128')
    """
    if name == "dimensions":
        return f"{value:.0f}"
    return f"{value:.2f}" if name == "milliseconds" else f"{value:.4f}"


def duration_shown(seconds: float) -> str:
    """A time as a person says it.

    >>> duration_shown(4.2), duration_shown(75), duration_shown(7300)
    ('4 s', '1 min 15 s', '2 h 1 min')
    """
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
