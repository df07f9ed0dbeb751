"""The figures of attribute retrieval in words: lines for a terminal, and plain values for JSON."""

from __future__ import annotations

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lookalike.judging.figure_wording import gain, plain, verdict
from lookalike.judging.figure_wording import meaning as figure_meaning
from lookalike.presenting.wording import skipped_json

if TYPE_CHECKING:
    from lookalike.attribute_evaluation import AttributeReport, QueryKind

HEADLINE = "precision@1"
TITLES = {
    "full": "all attributes",
    "one": "one attribute",
    "several": "two to four attributes",
    "composed": "a picture, but changed",
}


def attribute_lines(report: AttributeReport) -> list[str]:
    """The report as lines of text."""
    return [
        claim(report),
        basis(report),
        *caution(report),
        *(line for kind in report.kinds for line in ("", *_table(kind, report.baseline))),
    ]


def attribute_json(report: AttributeReport, *, root: Path | None = None) -> dict[str, Any]:
    """The report as plain values: kinds by name, every figure as {"value", "low", "high", "baseline"}.

    What is not known is None, never NaN. Skipped files below `root` are named from there.
    """
    facts = {name: value for name, value in asdict(report).items() if name != "kinds"}
    facts["skipped"] = skipped_json(report.skipped, root=root)
    facts["names"] = list(report.names)
    return {**facts, "kinds": {kind.name: _kind_json(kind) for kind in report.kinds}}


def claim(report: AttributeReport) -> str:
    """How often the first picture is right, in one sentence."""
    parts = [
        f"{_percent(kind.figures[HEADLINE].value)}% for {TITLES[kind.name]}"
        for kind in report.kinds
        if kind.name != "composed"
    ]
    if not parts:
        return "There was no query to judge."
    return f"Asked by attributes, the first picture is right: {', '.join(parts)}."


def basis(report: AttributeReport) -> str:
    """What was measured on, in a few sentences."""
    place = "the whole data set" if report.split == "all" else f"the split {report.split}"
    unknown = f" {_percent(report.unknown)}% of their values are not stated." if report.unknown else ""
    return (
        f"Measured on {place}: {report.gallery:,} pictures, {len(report.names)} attributes.{unknown} Files "
        f"that could not be used: {len(report.skipped):,}."
    )


def caution(report: AttributeReport) -> list[str]:
    """What makes the figures flatter the model."""
    if not report.seen:
        return []
    return [
        f"{report.seen:,} of these pictures were trained on, so the figures flatter the model; judge it on "
        "pictures it has not seen."
    ]


def beside(kind: QueryKind, baseline: str) -> str:
    """What a figure's baseline is; empty where it has none."""
    return "picture alone" if kind.name == "composed" else "untrained" if baseline else ""


def comparisons(report: AttributeReport) -> list[str]:
    """Whether training helped, a sentence for each kind of query that the untrained backbone answers too."""
    helped = {"helped": "training helped", "not measurably": "training did not help measurably"}
    said = []
    for kind in report.kinds:
        figure, random = kind.figures["map"], kind.references["chance"]["map"]
        if kind.name == "composed" or figure.baseline is None:
            continue
        span = f"{_percent(figure.low)}–{_percent(figure.high)}"
        sure = f" (the difference: {gain(figure)})" if figure.gain else ""
        said.append(
            f"{TITLES[kind.name].capitalize()}: mean average precision {_percent(figure.value)}% ({span}%); "
            f"without training {_percent(figure.baseline)}%, by chance {_percent(random)}%: "
            f"{helped.get(verdict(figure), 'training did not help')}{sure}."
        )
    return said


def meaning(name: str) -> str:
    """What a figure says, in a few words."""
    if name == "mean_precision":
        return "mean of precision@1 up to the number of right pictures"
    return figure_meaning(name)


def _table(kind: QueryKind, baseline: str) -> list[str]:
    first = beside(kind, baseline)
    known = bool(first)
    others = [*([first] if known else []), *kind.references]
    head = f"{'figure (%)':15}  value  95% interval" + "".join(f"  {name:>{_width(name)}}" for name in others)
    lines = [
        f"{TITLES[kind.name]}: {kind.queries:,} queries, answered by {kind.right:.1f} pictures on average",
        f"  {kind.meaning}",
        head,
    ]
    for name, figure in kind.figures.items():
        values = [figure.baseline] if known else []
        values += [reference.get(name) for reference in kind.references.values()]
        cells = "".join(
            f"  {_percent(value):>{_width(other)}}" for other, value in zip(others, values, strict=True)
        )
        span = f"{_percent(figure.low)}–{_percent(figure.high)}"
        lines.append(f"{name:15}  {_percent(figure.value):>5}  {span:>12}{cells}")
    return lines


def _width(name: str) -> int:
    return max(len(name), 5)


def _kind_json(kind: QueryKind) -> dict[str, Any]:
    return {
        "meaning": kind.meaning,
        "queries": kind.queries,
        "right": kind.right,
        "figures": {name: plain(asdict(figure)) for name, figure in kind.figures.items()},
        "references": {name: plain(values) for name, values in kind.references.items()},
    }


def _percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f}"
