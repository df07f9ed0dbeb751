"""A report in words and in plain values: what the page, the command line and `--json` say of the figures.

A Report enters; sentences, lines or a mapping leave. Nothing is measured or drawn here, and whether training
helped is read off the figure, its interval and the untrained value by one rule (`verdict`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal

from lookalike.records import Figure, Report

Verdict = Literal["helped", "not measurably", "did not help", "no baseline"]

HEADLINE = "recall@1"
NO_THRESHOLD = "No match threshold: lookalike calibrate MODEL DATA --split val makes one."
FEW = 10  # classes: below, a bootstrap over them has too little to draw from
MEANINGS = (  # the first that fits a figure's name explains it; {k} is the number behind the @
    (r"recall@1$", "queries whose most similar picture is right"),
    (r"recall@(?P<k>\d+)$", "queries with a right picture among the first {k}"),
    (r"precision@1$", "right pictures in first place"),
    (r"precision@(?P<k>\d+)$", "right pictures among the first {k}"),
    (r"map$", "mean average precision: how early all right pictures come"),
    (r"r_precision$", "right pictures among the first R, where R is how many there are to find"),
    (r"map@r$", "the same with their order: 100 only if the first R are all right"),
    (r"roc_auc$", "chance that a pair of one label is more alike than a pair of two; 50 is guessing"),
)


def verdict(figure: Figure) -> Verdict:
    """Whether training helped: yes only where the untrained value lies below the whole interval."""
    if figure.baseline is None:
        return "no baseline"
    if figure.value <= figure.baseline:
        return "did not help"
    return "helped" if figure.low > figure.baseline else "not measurably"


def claim(report: Report) -> str:
    """How good the model is, in one sentence."""
    figure = report.figures.get(HEADLINE)
    if figure is None:
        return f"{HEADLINE} was not measured."
    return f"For {percent(figure.value)}% of the queries the most similar picture is the right one."


def interval(report: Report) -> str:
    """How sure the claim is, in one sentence; empty where there is no claim."""
    figure = report.figures.get(HEADLINE)
    if figure is None:
        return ""
    few = f" {report.classes} classes are too few to be sure of it." if report.classes < FEW else ""
    return f"The 95% interval is {percent(figure.low)}–{percent(figure.high)}%.{few}"


def comparison(report: Report) -> str:
    """Whether training helped, in one sentence."""
    figure = report.figures.get(HEADLINE)
    if figure is None or figure.baseline is None:
        return "There is no figure of the untrained backbone to compare it with."
    before = f"Without training it is {percent(figure.baseline)}%"
    gain = f"{percent(abs(figure.value - figure.baseline))} percentage points"
    found = verdict(figure)
    if found == "helped":
        return f"{before}: training helped by {gain}."
    if found == "not measurably":
        return f"{before}, which lies inside that interval: training did not help measurably."
    if figure.high < figure.baseline:
        return f"{before}: training did not help, it cost {gain}. Keep the untrained model."
    return f"{before}: training did not help. Keep the untrained model."


def basis(report: Report) -> str:
    """What the figures were measured on and what was left out, in one sentence."""
    place = "the whole data set" if report.split == "all" else f"the split {report.split}"
    lonely = f"left out for want of a partner: {report.without_partner:,}"
    if report.only_own_group:
        lonely += f", of which {report.only_own_group:,} have one in their own group only"
    return (
        f"Measured on {place}, {report.how}: {report.queries:,} queries among {report.gallery:,} pictures of "
        f"{report.classes:,} classes; {lonely}; files that could not be used: {len(report.skipped):,}."
    )


def caution(report: Report) -> str:
    """What makes the figures flatter the model, in one sentence; empty where nothing is known to."""
    if not report.seen:
        return ""
    return (
        f"{report.seen:,} of the {report.gallery:,} judged pictures were trained on, so the figures flatter "
        "the model; judge it on pictures it has not seen."
    )


def threshold_kept(report: Report) -> bool | None:
    """Whether the threshold does on this split what it was asked for.

    None where nothing was promised, and where it was chosen on these very pictures.
    """
    if report.threshold is None or report.threshold.split == report.split:
        return None
    name, _, wanted = report.threshold.target.partition("=")
    seen = report.at_threshold.get(name.replace("-", "_"))
    if not wanted or seen is None or math.isnan(seen):
        return None
    return seen >= float(wanted) if name == "precision" else seen <= float(wanted)


def summary(report: Report, *, no_threshold: str = NO_THRESHOLD) -> list[str]:
    """The report as lines of text for a terminal.

    Args:
        no_threshold: what is said where there is no threshold.
    """
    width = max((len(name) for name in report.figures), default=0)
    threshold = report.threshold
    return [
        claim(report),
        " ".join(filter(None, (interval(report), comparison(report)))),
        basis(report),
        *filter(None, (caution(report),)),
        "",
        f"{'figure (%)':{max(width, 10)}}  value  95% interval  untrained  difference",
        *(_line(name, figure, width=max(width, 10)) for name, figure in report.figures.items()),
        "",
        f"similarity >= {threshold.similarity:.4f} means the same: {threshold.promise}"
        if threshold
        else no_threshold,
        *([f"here: {at_threshold(report)}"] if threshold and report.at_threshold else []),
    ]


def at_threshold(report: Report) -> str:
    """What the threshold does on the pictures that were judged."""
    here = report.at_threshold
    if not here["right_matches"] + here["wrong_matches"]:
        return "nothing matches"
    return (
        f"{percent(here['precision'])}% of matches are right, {percent(here['recall'])}% of same pairs "
        f"match, {percent(here['false_match_rate'], 3)}% of different pairs match"
    )


def report_json(report: Report) -> dict[str, Any]:
    """The report as plain values: every figure by its name, and what it was measured on.

    A figure is {"value", "low", "high", "baseline"}; what is not known is None, never NaN.
    """
    return {
        **{name: _numbers(asdict(figure)) for name, figure in report.figures.items()},
        "protocol": report.protocol,
        "queries": report.queries,
        "gallery": report.gallery,
        "skipped": [{**asdict(entry), "reason": entry.reason.value} for entry in report.skipped],
        "split": report.split,
        "classes": report.classes,
        "without_partner": report.without_partner,
        "groups": report.groups,
        "only_own_group": report.only_own_group,
        "seen": report.seen,
        "model": report.model,
        "fingerprint": report.fingerprint,
        "baseline": report.baseline or None,
        "threshold": _numbers(asdict(report.threshold)) if report.threshold else None,
        "at_threshold": _numbers(report.at_threshold) if report.threshold else None,
    }


def percent(share: float, decimals: int = 1) -> str:
    """A share in [0, 1] as a number of percent, without the sign; a dash for NaN."""
    return "–" if math.isnan(share) else f"{100 * share:.{decimals}f}"


def difference(figure: Figure) -> str:
    """Model minus untrained in percentage points, with its sign; a dash where there is no untrained value."""
    if figure.baseline is None:
        return "–"
    points = round(100 * (figure.value - figure.baseline), 1) + 0.0  # no minus before a zero
    return f"{points:+.1f}".replace("-", "−")


def meaning(name: str) -> str:
    """What a figure says, in a few words; empty for a figure that is not known here."""
    for pattern, words in MEANINGS:
        if found := re.match(pattern, name):
            return words.format(**found.groupdict())
    return ""


def _line(name: str, figure: Figure, *, width: int) -> str:
    before = "–" if figure.baseline is None else percent(figure.baseline)
    span = f"{percent(figure.low)}–{percent(figure.high)}"
    return f"{name:{width}}  {percent(figure.value):>5}  {span:>12}  {before:>9}  {difference(figure):>10}"


def _numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
