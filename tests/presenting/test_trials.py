"""Which trial is the best, which are beaten by none, and their table."""

from __future__ import annotations

import csv
import io
import math
import random

import pytest

from lookalike.presenting.trials import (
    Objective,
    Trial,
    best_trial,
    duration_shown,
    finished,
    front,
    trials_csv,
)
from small_study import made_up_trials

MAP, DIMS = Objective("map@r"), Objective("dimensions", "lower")


def done(*values: float, number: int = 0) -> Trial:
    return Trial(number, "complete", {}, values)


def test_best_is_the_first_of_the_best() -> None:
    trials = [done(value, number=number) for number, value in enumerate([0.2, 0.7, 0.7, 0.1])]
    assert best_trial(trials, [MAP]) is trials[1]
    assert best_trial(trials, [Objective("mean_rank", "lower")]) is trials[3]
    assert best_trial([Trial(0, "failed", {}), Trial(1, "pruned", {})], [MAP]) is None


def test_a_value_that_is_no_number_is_never_the_best() -> None:
    trials = [done(math.nan), done(0.1, number=1)]
    assert finished(trials) == [trials[1]]
    assert best_trial(trials, [MAP]) is trials[1]


def test_front_is_what_no_other_beats() -> None:
    drawn = random.Random(0)
    trials = [done(drawn.randint(0, 6), drawn.randint(0, 6), number=number) for number in range(40)]
    slow = [
        trial
        for trial in trials
        if not any(
            other.values[0] >= trial.values[0]
            and other.values[1] <= trial.values[1]
            and other.values != trial.values
            for other in trials
        )
    ]
    assert front(trials, [MAP, DIMS]) == slow
    best = best_trial(trials, [MAP, DIMS])
    assert best in slow
    assert best is not None
    assert best.values[0] == max(trial.values[0] for trial in trials)


def test_table_has_a_line_for_every_trial() -> None:
    trials = made_up_trials(12)
    rows = list(csv.DictReader(io.StringIO(trials_csv(trials, [MAP]))))
    assert [int(row["trial"]) for row in rows] == list(range(12))
    assert float(rows[0]["map@r"]) == trials[0].values[0]
    assert rows[3]["state"] == "pruned"
    assert rows[3]["map@r"] == ""
    assert rows[10]["message"] == "no such column"
    assert {row["network.hidden"] for row in rows} <= {"[]", "[256]", "[512, 256]"}


@pytest.mark.parametrize(("seconds", "text"), [(0.2, "0 s"), (59.6, "1 min 0 s"), (3599.9, "1 h 0 min")])
def test_times_as_a_person_says_them(seconds: float, text: str) -> None:
    assert duration_shown(seconds) == text
