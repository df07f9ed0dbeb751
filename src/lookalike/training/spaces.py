"""What a key of a run file may be in a search: choices, or a range of numbers.

Values of a YAML file enter; spaces leave, which know their ends and draw from an Optuna trial. Whether a key
takes what a space holds is tuning_space.py's business.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from lookalike.errors import ConfigError

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

RANGE = ("low", "high", "log", "step")
_MOST = 40  # signs of a value, in a message
_PLAIN = (str, int, float, type(None))


@dataclass(frozen=True)
class Choices:
    """One of some values, of any kind: numbers, words, lists, sections."""

    options: tuple[Any, ...]

    @property
    def labels(self) -> tuple[Any, ...]:
        """How the options are stored: as they are, or all as JSON text where one is a list or a section."""
        plain = all(isinstance(option, _PLAIN) for option in self.options)
        if plain and len(set(self.options)) == len(self.options):  # 1 and true are one to Python
            return self.options
        return tuple(json.dumps(option) for option in self.options)

    def ends(self) -> tuple[Any, ...]:
        """Every option."""
        return self.options

    def fitted(self, kinds: set[type]) -> Choices:
        """The same: a choice is taken as it is written."""
        del kinds
        return self

    def draw(self, trial: BaseTrial, key: str) -> Any:
        """What a trial takes."""
        label = trial.suggest_categorical(key, self.labels)
        return self.options[self.labels.index(label)]

    def value(self, stored: Any) -> Any:
        """The option that a trial has stored."""
        return self.options[self.labels.index(stored)]

    def plain(self) -> Any:
        """As a study file has it."""
        return list(self.options)


@dataclass(frozen=True)
class Range:
    """A number from low to high, both included; `whole` once it is known that its key takes no others."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False
    where: str = ""

    def ends(self) -> tuple[float, ...]:
        """Its lowest and its highest number."""
        return (self.low,) if self.low == self.high else (self.low, self.high)

    def fitted(self, kinds: set[type]) -> Range:
        """The range with numbers of the kind that its key takes.

        Raises:
            ConfigError: the key takes no numbers, or whole ones only and an end is not whole.
        """
        numbers = [number for number in (self.low, self.high, self.step) if number is not None]
        if not kinds:
            raise _refused(self.where, "a key takes no range", saw=str(self.plain()), wanted="choices",
                           do="write what it may be as a list, [a, b]")  # fmt: skip
        if float in kinds:
            return replace(self, low=float(self.low), high=float(self.high))
        if odd := [number for number in numbers if number != int(number)]:
            raise _refused(self.where, "a key takes whole numbers", saw=f"{odd[0]:g}", wanted="no fraction",
                           do="round it, or write what it may be as a list")  # fmt: skip
        step = None if self.step is None else int(self.step)
        return replace(self, low=int(self.low), high=int(self.high), step=step, whole=True)

    def draw(self, trial: BaseTrial, key: str) -> Any:
        """What a trial takes."""
        if self.whole:
            step = 1 if self.step is None else int(self.step)
            return trial.suggest_int(key, int(self.low), int(self.last), step=step, log=self.log)
        return self.value(trial.suggest_float(key, self.low, self.last, step=self.step, log=self.log))

    def value(self, stored: Any) -> Any:
        """The number that a trial has stored; 0.3, and not 0.1 + 0.1 + 0.1."""
        return stored if self.whole or self.step is None else round(stored, 12)

    def plain(self) -> Any:
        """As a study file has it."""
        more = {"log": True} if self.log else {}
        return {"low": self.low, "high": self.high, **more, **({"step": self.step} if self.step else {})}

    @property
    def last(self) -> float:
        """The highest number that steps reach."""
        if self.step is None:
            return self.high
        steps = math.floor((self.high - self.low) / self.step + 1e-9)
        reached = round(self.low + steps * self.step, 12)
        return self.high if math.isclose(reached, self.high, rel_tol=1e-9) else reached


Space = Choices | Range


def is_space(values: Mapping[Any, Any]) -> bool:
    """Whether a mapping is a range, and not a section of keys to be searched."""
    return not set(RANGE).isdisjoint(values)


def read_space(value: Any, *, where: str) -> Space:
    """A list as choices, a mapping as a range.

    Raises:
        ConfigError: neither, no choice, one that is there twice, or a range without numbers between its ends.
    """
    if isinstance(value, list):
        return _choices(value, where)
    if isinstance(value, Mapping) and is_space(value):
        return _range(value, where)
    raise _refused(
        where,
        "a space is neither choices nor a range",
        saw=repr(value),
        wanted="[a, b, c], or {low: a, high: b}",
        do="write what it may be; what stays stands beside search, not in it",
    )


def _choices(options: list[Any], where: str) -> Choices:
    if not options:
        raise _refused(where, "there is nothing to choose from", saw="[]", wanted="one choice or more",
                       do="write what it may be, or take the key out of search")  # fmt: skip
    texts = [json.dumps(option, default=str) for option in options]
    if twice := [text for text in texts if texts.count(text) > 1]:
        raise _refused(where, "a choice is there twice", saw=twice[0], wanted="choices that differ",
                       do="take one of them out")  # fmt: skip
    return Choices(tuple(options))


def _range(value: Mapping[str, Any], where: str) -> Range:
    if unknown := [str(key) for key in value if key not in RANGE]:
        raise _refused(where, "unknown key of a range", saw=unknown[0], wanted=", ".join(RANGE),
                       do="take it out; choices are written as a list, [a, b]")  # fmt: skip
    low, high = (_number(value, name, where) for name in ("low", "high"))
    step = _number(value, "step", where) if value.get("step") is not None else None
    log = value.get("log", False)
    if not isinstance(log, bool):
        raise _refused(f"{where}.log", "a value does not fit", saw=repr(log), wanted="true or false",
                       do="write log: true, or leave it out")  # fmt: skip
    if low > high:
        raise _refused(where, "a range ends before it begins", saw=f"low {low:g}, high {high:g}",
                       wanted="low <= high", do="exchange the two")  # fmt: skip
    if log and (low <= 0 or step is not None):
        saw = f"low {low:g}" if low <= 0 else f"step {step:g}"
        raise _refused(where, "a logarithmic range does not fit", saw=saw, wanted="low > 0, and no step",
                       do="change it, or take log out")  # fmt: skip
    if step is not None and not 0 < step <= high - low:
        raise _refused(f"{where}.step", "a value does not fit", saw=f"{step:g}",
                       wanted=f"more than 0, at most {high - low:g}", do="change the step")  # fmt: skip
    found = Range(low, high, log, step, where=where)
    if step is not None and (last := found.last) != high:
        raise _refused(where, "the steps of a range do not meet its end", saw=f"high {high:g}, step {step:g}",
                       wanted=f"high {last:g} or {round(last + step, 12):g}",
                       do="change high, or the step")  # fmt: skip
    return found


def _number(value: Mapping[str, Any], name: str, where: str) -> float:
    """A finite number, also as the text that YAML makes of 1e-4."""
    given = value.get(name)
    try:
        number = float("nan") if given is None or isinstance(given, bool) else float(given)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise _refused(f"{where}.{name}", "a value does not fit", saw=_short(given), wanted="a number",
                       do="write both ends: {low: 0.1, high: 0.5}")  # fmt: skip
    return int(given) if isinstance(given, int) else number


def _short(given: Any) -> str:
    text = repr(given)
    return text if len(text) <= _MOST else f"{text[:_MOST]}…"


def _refused(where: str, what: str, *, saw: str, wanted: str, do: str) -> ConfigError:
    return ConfigError(what, where=where, saw=saw, wanted=wanted, do=do)
