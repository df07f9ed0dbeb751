"""A report in words and in plain values: what the page, the command line and `--json` say of the figures.

A Report enters; sentences, lines or a mapping leave. Nothing is measured or drawn here. The words for a
single figure, and the rule that says whether training helped, stand in a room of their own (figure_wording).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lookalike.judging.figure_wording import details as details
from lookalike.judging.figure_wording import difference as difference
from lookalike.judging.figure_wording import footnote as footnote
from lookalike.judging.figure_wording import gain as gain
from lookalike.judging.figure_wording import headlines as headlines
from lookalike.judging.figure_wording import marked as marked
from lookalike.judging.figure_wording import meaning as meaning
from lookalike.judging.figure_wording import percent as percent
from lookalike.judging.figure_wording import plain, table_lines
from lookalike.judging.figure_wording import shown as shown
from lookalike.judging.figure_wording import span as span
from lookalike.judging.figure_wording import verdict as verdict
from lookalike.records import Report, Skipped
from lookalike.threshold import COPIES

FEW = 10  # classes: below, a bootstrap over them has too little to draw from
HEADLINE = "recall@1"
NO_THRESHOLD = "No match threshold: lookalike calibrate MODEL DATA --split val makes one."


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
    change = f"{difference(figure)} percentage points" + (f", {gain(figure)}" if figure.gain else "")
    found = verdict(figure)
    if found == "helped":
        sure = f" ({gain(figure)})" if figure.gain else ""
        return (
            f"{before}: training helped by {percent(figure.value - figure.baseline)} percentage points{sure}."
        )
    if found == "not measurably":
        return f"{before}: training did not help measurably ({change})."
    return f"{before}: training did not help ({change}). Keep the untrained model."


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

    None where nothing was promised, or not of labels, and where it was chosen on these very pictures.
    """
    if report.threshold is None or report.threshold.split == report.split:
        return None
    if report.threshold.basis == COPIES:
        return None
    name, _, wanted = report.threshold.target.partition("=")
    seen = report.at_threshold.get(name.replace("-", "_"))
    if not wanted or seen is None or math.isnan(seen):
        return None
    return seen >= float(wanted) if name in ("precision", "recall") else seen <= float(wanted)


def summary(
    report: Report, *, no_threshold: str = NO_THRESHOLD, others: str = "evaluate --json"
) -> list[str]:
    """The report as lines of text for a terminal.

    Args:
        no_threshold: what is said where there is no threshold.
        others: where the further figures are.
    """
    threshold = report.threshold
    return [
        claim(report),
        " ".join(filter(None, (interval(report), comparison(report)))),
        basis(report),
        *filter(None, (caution(report),)),
        "",
        *table_lines(headlines(report)),
        *([f"{len(more):,} more figures: {others}"] if (more := details(report)) else []),
        "",
        f"similarity >= {threshold.similarity:.4f} means {threshold.meaning}: {threshold.promise}"
        if threshold
        else no_threshold,
        *([f"here: {at_threshold(report)}"] if threshold and report.at_threshold else []),
        *filter(None, (threshold_caution(report),)),
    ]


def at_threshold(report: Report) -> str:
    """What the threshold does on the pictures that were judged."""
    here = report.at_threshold
    if not here["right_matches"] + here["wrong_matches"]:
        return "nothing matches"
    return (
        f"{_here(report, 'precision')} of matches are right, {_here(report, 'recall')} of same pairs "
        f"match, {_here(report, 'false_match_rate', 3)} of different pairs match"
    )


def _here(report: Report, name: str, digits: int = 1) -> str:
    return f"{percent(report.at_threshold[name], digits)}%{interval_at_threshold(report, name, digits)}"


def interval_at_threshold(report: Report, name: str, digits: int = 1) -> str:
    """The 95 % interval of what the threshold does, in brackets after a space; empty where none is known."""
    if name not in report.at_threshold_intervals:
        return ""
    low, high = report.at_threshold_intervals[name]
    return f" ({percent(low, digits)}–{percent(high, digits)})"


def threshold_caution(report: Report) -> str:
    """That the threshold is judged by what it was chosen on, in one sentence; empty where it is not."""
    if report.threshold is None or report.threshold.split != report.split:
        return ""
    if report.split == "all":
        return "The threshold was chosen on a whole data set: if on this one, what it does here flatters it."
    return (
        f"The threshold was chosen on the split {report.split} too, so what it does here flatters it; "
        "judge it on test."
    )


def report_json(report: Report) -> dict[str, Any]:
    """The report as plain values: every figure by its name, and what it was measured on.

    A figure is {"value", "low", "high", "baseline", "gain", "better", "unit"}, where "gain" is [low, high] of
    value - baseline; what is not known is None, never NaN.
    """
    return {
        **{name: plain(asdict(figure)) for name, figure in report.figures.items()},
        "protocol": report.protocol,
        "queries": report.queries,
        "gallery": report.gallery,
        "skipped": skipped_json(report.skipped),
        "split": report.split,
        "classes": report.classes,
        "without_partner": report.without_partner,
        "groups": report.groups,
        "only_own_group": report.only_own_group,
        "seen": report.seen,
        "model": report.model,
        "fingerprint": report.fingerprint,
        "baseline": report.baseline or None,
        "threshold": plain(asdict(report.threshold)) if report.threshold else None,
        "at_threshold": plain(report.at_threshold) if report.threshold else None,
        "at_threshold_intervals": plain(report.at_threshold_intervals) if report.threshold else None,
    }


def skipped_json(skipped: Sequence[Skipped], *, root: Path | None = None) -> list[dict[str, str]]:
    """What was left out as plain values; files below `root` are named from there."""
    told = []
    for entry in skipped:
        named = entry.path
        if root is not None and Path(named).is_relative_to(root):
            named = Path(named).relative_to(root).as_posix()
        told.append({"path": named, "reason": entry.reason.value, "detail": entry.detail})
    return told


def copies_in_words(ids: Sequence[int]) -> str:
    """How many copies were folded into an answer; empty where none was."""
    return f"+{len(ids):,} {'copy' if len(ids) == 1 else 'copies'}" if ids else ""
