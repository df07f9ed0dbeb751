"""Choices and ranges: what they hold, what they draw, and what is refused."""

from __future__ import annotations

from typing import Any

import optuna
import pytest

from lookalike.errors import ConfigError
from lookalike.training.spaces import Choices, Range, read_space

Fixed = optuna.trial.FixedTrial


def test_plain_choices_are_stored_as_they_are_and_others_as_text() -> None:
    assert Choices((8, 16)).labels == (8, 16)
    lists = Choices(([], [512, 256]))
    assert lists.labels == ("[]", "[512, 256]")
    assert lists.draw(Fixed({"a": "[512, 256]"}), "a") == [512, 256]
    assert lists.value("[]") == []
    mixed = Choices((1, True, None))
    assert [mixed.value(label) for label in mixed.labels] == [1, True, None]
    assert [type(mixed.value(label)) for label in mixed.labels] == [int, bool, type(None)]


def test_a_range_takes_the_kind_of_its_key() -> None:
    both = Range(0, 1)
    assert both.fitted({float}).draw(Fixed({"a": 0.25}), "a") == 0.25
    whole = Range(2, 8, step=3).fitted({int})
    assert whole.ends() == (2, 8)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = {whole.draw(study.ask(), "a") for _ in range(60)}
    assert drawn == {2, 5, 8}
    assert all(isinstance(number, int) for number in drawn)


def test_steps_of_a_tenth_are_tenths() -> None:
    space = Range(0.0, 0.5, step=0.1).fitted({float})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    assert {space.draw(study.ask(), "a") for _ in range(80)} == {0.0, 0.1, 0.2, 0.3, 0.4, 0.5}


def test_numbers_that_yaml_reads_as_text_are_numbers() -> None:
    space = read_space({"low": "1e-4", "high": "1e-2", "log": True}, where="a")
    assert space == Range(1e-4, 1e-2, log=True, where="a")


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "nothing to choose from"),
        ([1, 2, 1], "a choice is there twice.*saw 1"),
        (3, "neither choices nor a range"),
        ("adam", "neither choices nor a range"),
        ({"low": 2, "high": 1}, "ends before it begins.*saw low 2, high 1"),
        ({"low": 1}, r"a\.high.*saw None"),
        ({"low": "x", "high": 1}, r"a\.low.*saw 'x'"),
        ({"low": True, "high": 1}, r"a\.low.*saw True"),
        ({"low": [1], "high": 1}, r"a\.low.*saw \[1\]"),
        ({"low": 0, "high": float("inf")}, r"a\.high.*saw inf"),
        ({"low": 0, "high": 10**400}, r"a\.high.*saw 1000+…, wanted a number"),
        ({"low": 0, "high": 0.5, "step": 0.3}, r"do not meet its end.*high 0\.5.*wanted high 0\.3 or 0\.6"),
        ({"low": 2, "high": 9, "step": 3}, r"do not meet its end.*wanted high 8 or 11"),
        ({"low": 0, "high": 1, "stp": 1}, "unknown key of a range.*saw stp"),
        ({"low": 0, "high": 1, "log": True}, "logarithmic range.*saw low 0"),
        ({"low": 1, "high": 2, "log": True, "step": 1}, "logarithmic range.*saw step 1"),
        ({"low": 1, "high": 2, "log": "yes"}, r"a\.log.*saw 'yes'"),
        ({"low": 1, "high": 2, "step": 3}, r"a\.step.*at most 1"),
        ({"low": 1, "high": 2, "step": -1}, r"a\.step.*more than 0"),
    ],
    ids=str,
)
def test_what_is_no_space_is_refused(value: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_space(value, where="a")


def test_a_range_that_its_key_does_not_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="a key takes no range"):
        Range(0, 1).fitted(set())
    with pytest.raises(ConfigError, match=r"a key takes whole numbers.*saw 1\.5"):
        Range(1.5, 3).fitted({int})
