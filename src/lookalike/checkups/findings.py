"""What a doctor says of one thing that was looked at: a verdict, what was found, and what mends it.

The record, its text, and what the rooms that make findings share. "mend": what comes of it would be wrong, or
something is broken. "look": it may be meant so, a person should know. Nothing is looked at here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from lookalike.checkups.examination import Examination

_SHOWN = 5  # entries of a finding in the text; JSON has all


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


def worst(findings: Sequence[Finding]) -> Verdict:
    """The worst verdict of all."""
    return max((found.verdict for found in findings), key=list(Verdict).index)


def findings_lines(findings: Sequence[Finding]) -> list[str]:
    """Findings as text: the worst first, long lists cut, and what is in order in one line each."""
    ranked = sorted(findings, key=lambda entry: -list(Verdict).index(entry.verdict))
    return [line for entry in ranked for line in _lines(entry)]


def counts_line(findings: Sequence[Finding]) -> str:
    """How many things are to be mended, to be looked at and in order."""
    counts = Counter(entry.verdict for entry in findings)
    return f"{counts[Verdict.MEND]} to mend, {counts[Verdict.LOOK]} to look at, {counts[Verdict.OK]} in order"


def remedy(found: Finding) -> str:
    """What to do, with the command or setting, in one line; empty where nothing is to be done."""
    asked = f"--set {found.setting}" if found.setting else found.command
    return f"{found.do}: {asked}" if asked else found.do


def _lines(found: Finding) -> list[str]:
    marks = {Verdict.OK: "ok  ", Verdict.LOOK: "look", Verdict.MEND: "MEND"}
    more = len(found.entries) - _SHOWN
    return [
        f"{marks[found.verdict]}  {found.what}",
        *(f"      {entry}" for entry in found.entries[:_SHOWN]),
        *([f"      and {more:,} more"] if more > 0 else []),
        *([f"      -> {remedy(found)}"] if found.do else []),
    ]
