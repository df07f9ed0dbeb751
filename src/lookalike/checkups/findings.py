"""What a doctor says of one thing that was looked at: a verdict, what was found, and what mends it.

The record, and what the rooms that make findings share. "mend": training or figures would be wrong, or a file
is broken. "look": it may be meant so, a person should know. Nothing is looked at here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from lookalike.checkups.examination import Examination


class Verdict(StrEnum):
    """What a doctor says of one thing."""

    OK = "ok"
    LOOK = "look"
    MEND = "mend"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: stable, for example "near_duplicates".
        figure: how many, or the ratio.
        what: one sentence.
        do: what mends it, one sentence; empty where nothing has to be done.
        command: to be typed as it stands, or empty.
        setting: what a run file may say, as KEY=VALUE for --set, or empty.
        entries: what it is about, one line each.
    """

    name: str
    verdict: Verdict
    figure: float
    what: str
    do: str = ""
    command: str = ""
    setting: str = ""
    entries: tuple[str, ...] = ()


Look = Callable[
    [Examination, str], Finding
]  # the second: the command that writes a manifest of what is usable


def count(number: int, one: str, several: str = "") -> str:
    """A number with its noun."""
    return f"{number:,} {one if number == 1 else several or one + 's'}"
