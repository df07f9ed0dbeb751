"""The figures of attribute retrieval in words: lines for a terminal, and plain values for JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from lookalike.records import Figure

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
        _claim(report),
        _basis(report),
        *_caution(report),
        *(line for kind in report.kinds for line in ("", *_table(kind, report.baseline))),
    ]


def attribute_json(report: AttributeReport) -> dict[str, Any]:
    """The report as plain values: kinds by name, every figure as {"value", "low", "high", "baseline"}.

    What is not known is None, never NaN.
    """
    facts = {name: value for name, value in asdict(report).items() if name != "kinds"}
    facts["skipped"] = [{**asdict(entry), "reason": entry.reason.value} for entry in report.skipped]
    facts["names"] = list(report.names)
    return {**facts, "kinds": {kind.name: _kind_json(kind) for kind in report.kinds}}


def _claim(report: AttributeReport) -> str:
    parts = [
        f"{_percent(kind.figures[HEADLINE].value)}% for {TITLES[kind.name]}"
        for kind in report.kinds
        if kind.name != "composed"
    ]
    if not parts:
        return "There was no query to judge."
    return f"Asked by attributes, the first picture is right: {', '.join(parts)}."


def _basis(report: AttributeReport) -> str:
    place = "the whole data set" if report.split == "all" else f"the split {report.split}"
    unknown = f" {_percent(report.unknown)}% of their values are not stated." if report.unknown else ""
    return (
        f"Measured on {place}: {report.gallery:,} pictures, {len(report.names)} attributes.{unknown} Files "
        f"that could not be used: {len(report.skipped):,}."
    )


def _caution(report: AttributeReport) -> list[str]:
    if not report.seen:
        return []
    return [
        f"{report.seen:,} of these pictures were trained on, so the figures flatter the model; judge it on "
        "pictures it has not seen."
    ]


def _table(kind: QueryKind, baseline: str) -> list[str]:
    first = "picture alone" if kind.name == "composed" else "untrained"
    known = kind.name == "composed" or baseline
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
        "figures": {name: _figure_json(figure) for name, figure in kind.figures.items()},
        "references": {name: _numbers(values) for name, values in kind.references.items()},
    }


def _figure_json(figure: Figure) -> dict[str, Any]:
    return _numbers(asdict(figure))


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }


def _percent(share: float | None) -> str:
    return "–" if share is None or math.isnan(share) else f"{100 * share:.1f}"
