"""Figures in words: a value in its unit, whether training helped, and the lines of a table.

A Figure enters; a few characters, a word or lines leave. Nothing is measured here, and whether training
helped is read off the difference from the untrained value and its interval by one rule (`verdict`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from lookalike.records import Figure, Report

Verdict = Literal["helped", "not measurably", "did not help", "no baseline"]

HEADLINES = (  # what a person sees first; all other figures stand behind
    *("recall@1", "recall@4", "recall@8", "precision@8", "map", "r_precision", "map@r", "first_rank"),
    *("roc_auc", "pr_auc", "eer", "tmr@0.001"),
)
MEANINGS = (  # the first that fits a figure's name explains it; {k} is the number behind the @
    (r"recall@1$", "queries whose most similar picture is right"),
    (r"recall@(?P<k>\d+)$", "queries with a right picture among the first {k}"),
    (r"precision@1$", "right pictures in first place"),
    (r"precision@(?P<k>\d+)$", "right pictures among the first {k}"),
    (r"map$", "mean average precision: how early all right pictures come"),
    (r"r_precision$", "right pictures among the first R, where R is how many there are to find"),
    (r"map@r$", "the same, and how early they come: 100 only if the first R are all right"),
    (r"mrr$", "mean of 1 / rank of the first right picture; 100 if it always comes first"),
    (r"ndcg@(?P<k>\d+)$", "right pictures among the first {k}, early ones weighing more; 100 at best"),
    (r"ap@(?P<k>\d+)$", "average precision of the first {k} answers"),
    (r"first_rank$", "mean rank of the first right picture; 1 is best"),
    (r"mean_rank$", "mean rank of all right pictures"),
    (r"macro_(?P<k>.+)$", "{k} as the mean of the classes' means: every class weighs the same"),
    (r"roc_auc$", "chance that a pair of one label is more alike than a pair of two; 50 is guessing"),
    (r"pr_auc$", "mean precision of pairs over all thresholds; guessing gives the share of same pairs"),
    (r"eer$", "errors at the threshold where as large a share of pairs matches wrongly as is missed"),
    (r"tmr@0\.01$", "same-label pairs that match where 1% of the different-label ones do"),
    (r"tmr@0\.001$", "same-label pairs that match where 0.1% of the different-label ones do"),
)


def verdict(figure: Figure) -> Verdict:
    """Whether training helped: only where the whole interval of the difference lies on the good side.

    A figure without that interval is judged by its own, as if the untrained value were known exactly.
    """
    if figure.baseline is None:
        return "no baseline"
    sign = 1 if figure.better == "higher" else -1
    ends = figure.gain or (figure.low - figure.baseline, figure.high - figure.baseline)
    low, high = sorted(sign * end for end in ends)
    if sign * (figure.value - figure.baseline) <= 0 or high < 0:
        return "did not help"
    return "helped" if low > 0 else "not measurably"


def headlines(report: Report) -> dict[str, Figure]:
    """The dozen figures that a person sees first, by name."""
    return {name: report.figures[name] for name in HEADLINES if name in report.figures}


def details(report: Report) -> dict[str, Figure]:
    """All other figures, by name."""
    return {name: figure for name, figure in report.figures.items() if name not in HEADLINES}


def percent(share: float, decimals: int = 1) -> str:
    """A share in [0, 1] as a number of percent, without the sign; a dash for NaN."""
    return "–" if math.isnan(share) else f"{100 * share:.{decimals}f}"


def shown(value: float | None, unit: str = "share") -> str:
    """A value of a figure in its unit: a number of percent, or a rank; a dash for what is not known."""
    if value is None or math.isnan(value):
        return "–"
    return percent(value) if unit == "share" else f"{value:,.2f}"


def span(figure: Figure) -> str:
    """A figure's 95 % interval."""
    return f"{shown(figure.low, figure.unit)}–{shown(figure.high, figure.unit)}"


def difference(figure: Figure) -> str:
    """Model minus untrained with its sign, in percentage points or ranks; a dash where there is none."""
    return signed(None if figure.baseline is None else figure.value - figure.baseline, figure.unit)


def gain(figure: Figure) -> str:
    """The 95 % interval of that difference; a dash where there is none."""
    return " to ".join(signed(end, figure.unit) for end in figure.gain) if figure.gain else "–"


def signed(value: float | None, unit: str = "share") -> str:
    """A difference with its sign, in percentage points or ranks; a dash for what is not known."""
    if value is None or math.isnan(value):
        return "–"
    scale, decimals = (100, 1) if unit == "share" else (1, 2)
    return f"{round(scale * value, decimals) + 0.0:+,.{decimals}f}".replace(
        "-", "−"
    )  # no minus before a zero


def plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """The same without NaN and infinity, which JSON has not: None stands for them."""
    return {name: _plain(value) for name, value in values.items()}


def footnote(figures: Mapping[str, Figure]) -> str:
    """What the marks of a table of figures mean; empty where there are none."""
    lower = any(figure.better == "lower" for figure in figures.values())
    ranks = [name for name, figure in figures.items() if figure.unit == "rank"]
    notes = ["↓ lower is better"] if lower else []
    return "; ".join([*notes, *([f"{', '.join(ranks)}: a rank, not percent"] if ranks else [])])


def marked(name: str, figure: Figure) -> str:
    """A figure's name, with an arrow where lower is better."""
    return f"{name} ↓" if figure.better == "lower" else name


def meaning(name: str) -> str:
    """What a figure says, in a few words; empty for a figure that is not known here."""
    for pattern, words in MEANINGS:
        if found := re.match(pattern, name):
            return words.format(**found.groupdict())
    return ""


def table_lines(figures: Mapping[str, Figure]) -> list[str]:
    """Figures with their intervals, the untrained values and the differences, in straight columns."""
    names = {marked(name, figure): figure for name, figure in figures.items()}
    width = max(map(len, ("figure (%)", *names)))
    head = f"{'figure (%)':{width}}  value  95% interval  untrained  difference  its 95% interval"
    lines = [_line(f"{name:{width}}", figure) for name, figure in names.items()]
    return [head, *lines, *filter(None, [footnote(figures)])]


def _line(name: str, figure: Figure) -> str:
    return (
        f"{name}  {shown(figure.value, figure.unit):>5}  {span(figure):>12}  "
        f"{shown(figure.baseline, figure.unit):>9}  {difference(figure):>10}  {gain(figure):>16}"
    )


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
