"""The report: one self-contained HTML page, and the same figures as JSON.

What was measured enters as a ReportPage; a page leaves that needs no network, no script and no other file.
Nothing is measured here: the words at the top are read off the figures and their intervals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure as Plot

from lookalike import plots, plots_training, wording
from lookalike.files import write_atomically
from lookalike.finding import is_there
from lookalike.gallery import data_uri
from lookalike.records import Alarm, Hits, PairHistogram, RankedRow, Report
from lookalike.wording import report_json as report_json
from lookalike.wording import summary as summary

THUMBNAIL = 144  # pixels; shown at about 90, so that dense screens stay sharp
MOST_SKIPPED = 200  # files that are listed one by one
CONDITIONS = {
    "precision": "matches that are right (precision)",
    "recall": "same-label pairs that match (recall)",
    "f1": "F1, the balance of the two",
    "false_match_rate": "different-label pairs that match (false-match rate)",
}
ALTS = {
    "recall": "Recall over the number of answers looked at; the figures are in the table above.",
    "threshold": "Precision, recall and F1 over the similarity threshold.",
    "similarity": "Densities of the similarity of same-label and of different-label pairs.",
    "roc": "True-match rate over false-match rate, of the model and of the untrained backbone.",
    "training": "Learning curves: every metric over the epochs of the training.",
    "course": "Similarity of same-label and of different-label pairs over the epochs.",
}
# controls and half characters, which HTML cannot hold: file names may have them
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


@dataclass(frozen=True)
class ReportPage:
    """What a report page is made of.

    Attributes:
        title: of the page, for example the run's name.
        report: the figures.
        pairs, baseline_pairs: similarities of all pairs, by the model and by the untrained backbone.
        history: metric name to one value an epoch; empty where nothing was trained by epochs.
        course: one an epoch, split to the similarities of its pairs.
        alarms: what went wrong in the training; notes: what it brought, in sentences.
        candidates: settings of a closed-form head that were tried, each as name to number; the one with the
            highest "map@r" was taken. Empty where the head was made otherwise.
        rows: a fair sample of queries with their answers; worst: the queries that did worst.
        recipe: the resolved run file, YAML; empty where the model has none.
        versions: package to version.
        split_counts: split to (images, classes).
        created: when it was made, as it shall be printed.
    """

    title: str
    report: Report
    pairs: PairHistogram
    baseline_pairs: PairHistogram | None = None
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    course: Sequence[Mapping[str, PairHistogram]] = ()
    alarms: Sequence[Alarm] = ()
    notes: Sequence[str] = ()
    candidates: Sequence[Mapping[str, float]] = ()
    rows: Sequence[RankedRow] = ()
    worst: Sequence[RankedRow] = ()
    recipe: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    split_counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    created: str = ""


def render_report(page: ReportPage) -> str:
    """The report as one HTML page that opens from disk: no network, no script, light and dark."""
    report = page.report
    best = max(page.candidates, key=lambda tried: tried.get("map@r", -math.inf), default=None)
    return render(
        "report.html.j2",
        page=page,
        report=report,
        words=wording,
        best=best,
        conditions=CONDITIONS,
        skipped=report.skipped[:MOST_SKIPPED],
        plots=_drawn(page),
    )


def write_report(page: ReportPage, path: Path) -> None:
    """Write the report, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    write_atomically(path, render_report(page).encode("utf-8"))


def search_page(answers: Sequence[Hits], title: str, *, attributes: str = "") -> str:
    """The answers to some queries as one HTML page of the report's kind.

    Args:
        attributes: what was asked for beside, or instead of, a picture; such answers carry no verdict.
    """
    thresholds = sorted({asked.threshold for asked in answers if asked.threshold is not None})
    return render(
        "search.html.j2", answers=answers, title=title, thresholds=thresholds, attributes=attributes
    )


def _by_attributes(asked: Hits) -> bool:
    """Whether what was asked for is not a picture, but attributes such as smiling=1."""
    return "=" in asked.query and not is_there(Path(asked.query))


def _drawn(page: ReportPage) -> dict[str, str]:
    """Every plot by its name, as SVG; empty where there is nothing to draw."""
    report, drawn = page.report, dict.fromkeys(ALTS, "")
    if page.history:
        shown = {name: values for name, values in page.history.items() if _tells(name, values)}
        drawn["training"] = _svg("training", plots_training.learning_curves(shown))
    if page.course:
        drawn["course"] = _svg("course", plots_training.similarity_course(page.course))
    if any(name.startswith("recall@") for name in report.figures):
        drawn["recall"] = _svg("recall", plots.recall_at_k(report.figures))
    if page.pairs.same.any() and page.pairs.different.any():
        drawn["roc"] = _svg("roc", plots.roc(page.pairs, page.baseline_pairs))
        drawn["similarity"] = _svg("similarity", plots.similarity_histogram(page.pairs, report.threshold))
        drawn["threshold"] = _svg("threshold", plots.metrics_over_threshold(page.pairs, report.threshold))
    return drawn


def _tells(name: str, values: Sequence[float]) -> bool:
    """Whether a curve adds something: not the middle of what the course draws, nor batches without fault."""
    return not name.endswith("_similarity") and not (name == "pairless" and not any(values))


def _svg(name: str, plot: Plot) -> Markup:
    return Markup(plots.to_svg(plot, alt=ALTS[name]))  # noqa: S704 - matplotlib has escaped every text


def render(template: str, **values: Any) -> str:
    """One of the pages in web/, with every text escaped; `picture` gives a small copy of a file."""
    environment = Environment(
        loader=PackageLoader("lookalike", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": wording.percent, "difference": wording.difference}
    environment.tests["by_attributes"] = _by_attributes
    environment.filters["meaning"] = wording.meaning
    environment.filters["file_name"] = lambda path: Path(path).name
    environment.filters["in_folder"] = lambda path: "/".join(Path(path).parts[-2:])
    environment.globals["picture"] = cache(lambda path: data_uri(path, THUMBNAIL))
    return _UNPRINTABLE.sub("\ufffd", environment.get_template(template).render(**values))
