"""A comparison of two models in words: lines for a terminal, and plain values for JSON.

A Comparison enters; sentences, lines or a mapping leave. Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from lookalike.comparison import Answered, Comparison, Difference
from lookalike.judging.figure_wording import footnote, headlines, percent, plain
from lookalike.judging.figure_wording import marked as marked
from lookalike.judging.figure_wording import shown as shown
from lookalike.judging.figure_wording import signed as signed
from lookalike.presenting.wording import FEW
from lookalike.presenting.wording import HEADLINE as HEADLINE
from lookalike.presenting.wording import basis as basis
from lookalike.records import RankedRow, Report

EXAMPLES = 3  # queries of each kind that lines name


def comparison_lines(found: Comparison, *, names: tuple[str, str] = ("", "")) -> list[str]:
    """The comparison as lines of text.

    Args:
        names: of A and of B as the user wrote them, to be told beside their own.
    """
    return [
        *(
            f"{letter}: {f'{name}, ' if name else ''}{named(report)}"
            for letter, name, report in zip("AB", names, (found.a, found.b), strict=True)
        ),
        conclusion(found),
        basis(found.b),
        *cautions(found),
        "",
        *_table(found),
        "",
        *_first_answers(found),
    ]


def comparison_json(found: Comparison) -> dict[str, Any]:
    """The comparison as plain values.

    A figure is {"a", "b", "difference", "better", "unit"}: a and b are {"value", "low", "high"}, and so is
    the difference, with "shown": the model that is shown to be better, "A" or "B", or None.
    """
    first = found.first
    return {
        "models": {name: _model(report) for name, report in (("a", found.a), ("b", found.b))},
        "conclusion": conclusion(found),
        "figures": {name: _figure(found, name) for name in found.differences},
        "first_answers": {
            **{name: getattr(first, name) for name in ("both", "only_a", "only_b", "neither")},
            "lost": [_answered(entry) for entry in first.lost],
            "won": [_answered(entry) for entry in first.won],
        },
        "split": found.b.split,
        "protocol": found.b.protocol,
        "queries": found.b.queries,
        "gallery": found.b.gallery,
        "classes": found.b.classes,
        "without_partner": found.b.without_partner,
        "groups": found.b.groups,
        "only_own_group": found.b.only_own_group,
        "skipped": [{**asdict(entry), "reason": entry.reason.value} for entry in found.b.skipped],
    }


def named(report: Report) -> str:
    """A model by its name and the beginning of its fingerprint."""
    return f"{report.model} ({report.fingerprint[:12]})"


def conclusion(found: Comparison) -> str:
    """Which model is shown to be better at the headline figure, and at how many others."""
    return f"{shares(found)}: {verdict_on(found.differences[HEADLINE])}. {tally(found)}"


def shares(found: Comparison) -> str:
    """The headline figure of both, as a sentence without its end."""
    one, other = (percent(report.figures[HEADLINE].value) for report in (found.a, found.b))
    return f"A puts a right picture first for {one}% of the queries, B for {other}%"


def tally(found: Comparison) -> str:
    """In how many of the figures that a person sees first a model is shown to be better, in one sentence."""
    told = [found.differences[name] for name in headlines(found.b)]
    wins = {name: sum(entry.better == name for entry in told) for name in ("A", "B", None)}
    return (
        f"Of the {len(told)} figures below B is shown to be better in {wins['B']}, A in {wins['A']}; "
        f"{wins[None]} show no difference."
    )


def verdict_on(difference: Difference) -> str:
    """What the difference of a share shows, with its interval."""
    low, high = signed(difference.low), signed(difference.high)
    if difference.better is None:
        return f"no difference shown ({signed(difference.value)} percentage points, {low} to {high})"
    if difference.better == "A":
        low, high = signed(-difference.high), signed(-difference.low)
    amount = f"{percent(abs(difference.value))} percentage points"
    return f"{difference.better} is better by {amount} ({low} to {high})"


def cautions(found: Comparison) -> list[str]:
    """What makes the comparison unfair, or unsure, a sentence each."""
    said = [
        f"{name} was trained on {report.seen:,} of the {report.gallery:,} judged pictures, so its figures "
        "flatter it; compare on pictures that neither has seen."
        for name, report in (("A", found.a), ("B", found.b))
        if report.seen
    ]
    if found.a.fingerprint == found.b.fingerprint:
        said.append("A and B are the same model.")
    if found.b.classes < FEW:
        said.append(f"{found.b.classes} classes are too few to be sure of a difference.")
    return said


def _table(found: Comparison) -> list[str]:
    told = headlines(found.b)
    width = max(len("figure (%)"), *(len(marked(name, figure)) for name, figure in told.items()))
    head = f"{'figure (%)':{width}}      A      B   B - A      95% interval  better"
    lines = []
    for name, figure in told.items():
        entry, unit = found.differences[name], figure.unit
        one, other = (shown(report.figures[name].value, unit) for report in (found.a, found.b))
        more, low, high = (signed(value, unit) for value in (entry.value, entry.low, entry.high))
        span = f"{low} to {high}"
        lines.append(
            f"{marked(name, figure):{width}}  {one:>5}  {other:>5}  {more:>6}  {span:>16}  "
            f"{entry.better or '–'}"
        )
    rest = len(found.differences) - len(told)
    return [head, *lines, footnote(told), f"{rest:,} more figures: compare --json"]


def _first_answers(found: Comparison) -> list[str]:
    first = found.first
    counts = (
        f"First answers to {found.b.queries:,} queries: both right {first.both:,}, only A {first.only_a:,}, "
        f"only B {first.only_b:,}, neither {first.neither:,}."
    )
    return [counts, *_examples("only A", first.lost), *_examples("only B", first.won)]


def _examples(who: str, answered: Sequence[Answered]) -> list[str]:
    return [
        f"  {who}: {entry.a.query} is {entry.a.label}; A says {entry.a.answers[0].label}, "
        f"B says {entry.b.answers[0].label}"
        for entry in answered[:EXAMPLES]
    ]


def _model(report: Report) -> dict[str, Any]:
    return {"name": report.model, "fingerprint": report.fingerprint, "seen": report.seen}


def _figure(found: Comparison, name: str) -> dict[str, Any]:
    entry, figure = found.differences[name], found.b.figures[name]
    values = {
        side: plain({key: getattr(report.figures[name], key) for key in ("value", "low", "high")})
        for side, report in (("a", found.a), ("b", found.b))
    }
    difference = plain({"value": entry.value, "low": entry.low, "high": entry.high, "shown": entry.better})
    return {**values, "difference": difference, "better": figure.better, "unit": figure.unit}


def _answered(entry: Answered) -> dict[str, Any]:
    return {
        "query": str(entry.a.query),
        "label": entry.a.label,
        "a": _answers(entry.a),
        "b": _answers(entry.b),
    }


def _answers(row: RankedRow) -> list[dict[str, Any]]:
    return [
        {"path": str(answer.path), "label": answer.label, "similarity": answer.similarity}
        for answer in row.answers
    ]
