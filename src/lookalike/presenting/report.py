"""The report: one self-contained HTML page, and the same figures as JSON.

What was measured enters as a ReportPage; a page leaves that needs no network, no script and no other file.
Nothing is measured here: the words at the top are read off the figures and their intervals.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure as Plot

from lookalike.files import write_atomically
from lookalike.hits import BY_SIMILARITY
from lookalike.models.verdicts import in_percent
from lookalike.pictures.finding import is_there
from lookalike.presenting import gallery_views, plots, wording
from lookalike.presenting.contents import ReportPage as ReportPage
from lookalike.presenting.drawings import ALTS, drawings
from lookalike.presenting.plots_explanation import draw_explanation
from lookalike.presenting.thumbnails import data_uri, jpeg_uri
from lookalike.presenting.wording import report_json as report_json
from lookalike.presenting.wording import summary as summary
from lookalike.records import Hits

THUMBNAIL = 144  # pixels; shown at about 90, so that dense screens stay sharp
HEAT_MAP = 260  # pixels of each of its four pictures
MOST_SKIPPED = 200  # files that are listed one by one
CONDITIONS = {
    "precision": "matches that are right (precision)",
    "recall": "same-label pairs that match (recall)",
    "f1": "F1, the balance of the two",
    "false_match_rate": "different-label pairs that match (false-match rate)",
}
# controls and half characters, which HTML cannot hold: file names may have them
_UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


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
        plots=_svgs(page),
        exhibits=gallery_views,
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
    orders = sorted({asked.order for asked in answers if asked.order != BY_SIMILARITY})
    likely = any(hit.probability is not None for asked in answers for hit in asked.hits)
    return render(
        "search.html.j2",
        answers=answers,
        title=title,
        thresholds=thresholds,
        attributes=attributes,
        likely=likely,
        orders=orders,
        combined=any(asked.parts for asked in answers),
    )


def _by_attributes(asked: Hits) -> bool:
    """Whether what was asked for is not a picture, but attributes such as smiling=1."""
    return "=" in asked.query and not is_there(Path(asked.query))


def _svgs(page: ReportPage) -> dict[str, Markup]:
    """Every plot by its name, as SVG; empty where there is nothing to draw."""
    drawn = drawings(page)
    return {name: _svg(drawn[name], words) if name in drawn else Markup() for name, words in ALTS.items()}


def _svg(plot: Plot, words: str) -> Markup:
    return Markup(plots.to_svg(plot, alt=words))  # noqa: S704 - matplotlib has escaped every text


def render(template: str, **values: Any) -> str:
    """One of the pages in web/, all text escaped; `picture` is a small copy of a file, or of a box of it."""
    environment = Environment(
        loader=PackageLoader("lookalike", "web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": wording.percent, "difference": wording.difference}
    environment.tests["by_attributes"] = _by_attributes
    environment.filters["likely"] = in_percent
    environment.filters["weight"] = lambda part: f"{'−' if part.weight < 0 else '+'} {abs(part.weight):g}"
    environment.filters["copies"] = wording.copies_in_words
    environment.filters["capitalise"] = lambda text: text[:1].upper() + text[1:]
    environment.filters["meaning"] = wording.meaning
    environment.filters["file_name"] = lambda path: Path(path).name
    environment.filters["in_folder"] = lambda path: "/".join(Path(path).parts[-2:])
    environment.filters["heat_map"] = lambda found: jpeg_uri(draw_explanation(found, tile=HEAT_MAP))
    environment.globals["picture"] = cache(lambda path, box=None: data_uri(path, THUMBNAIL, box=box))
    return _UNPRINTABLE.sub("\ufffd", environment.get_template(template).render(**values))
