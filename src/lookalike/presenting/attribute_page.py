"""An evaluation by attributes as one self-contained HTML page of the report's kind.

Figures and rows enter as an AttributePage; a page leaves that needs no network, no script and no other file.
Nothing is measured here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from markupsafe import Markup

from lookalike.attribute_evaluation import LIKENESS, AttributeReport
from lookalike.files import write_atomically
from lookalike.presenting import attribute_wording, plots, plots_training
from lookalike.presenting.pages import installed
from lookalike.presenting.report import MOST_SKIPPED, render
from lookalike.tables.table import ImageTable

ALT = "Learning curves: every metric over the epochs of the training."


@dataclass(frozen=True)
class AttributePage:
    """What a report page of attribute retrieval is made of.

    Attributes:
        title: of the page, for example the run's name.
        report: the figures, and some queries with their answers.
        history: metric name to one value an epoch; empty where nothing was trained by epochs.
        notes: what the training brought, in sentences.
        recipe: the resolved run file, YAML; empty where the model has none.
        versions: package to version.
        pictures: split to how many there are.
        created: when it was made, as it shall be printed.
    """

    title: str
    report: AttributeReport
    history: Mapping[str, Sequence[float]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    recipe: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    pictures: Mapping[str, int] = field(default_factory=dict)
    created: str = ""


def attribute_page(
    report: AttributeReport,
    table: ImageTable,
    *,
    created: str,
    history: Mapping[str, Sequence[float]] | None = None,
    notes: Sequence[str] = (),
    recipe: str = "",
) -> AttributePage:
    """Join what a page shows.

    Args:
        table: the whole table, for the sizes of its splits.
        created: when, as it shall be printed.
        history, notes, recipe: of the training, where it is at hand.
    """
    names = ("train", "val", "test") if table.has_splits else ("all",)
    pictures = {name: len(table.select(name)) for name in names if name in (*table.splits, "all")}
    return AttributePage(report.model, report, history or {}, notes, recipe, installed(), pictures, created)


def render_attributes(page: AttributePage) -> str:
    """The page as text; it opens from disk, light and dark."""
    report = page.report
    return render(
        "attributes.html.j2",
        page=page,
        report=report,
        words=attribute_wording,
        shares=[name for name in report.kinds[0].figures if name != LIKENESS] if report.kinds else [],
        likeness=LIKENESS,
        skipped=report.skipped[:MOST_SKIPPED],
        curves=_curves(page.history),
    )


def write_attributes(page: AttributePage, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        LookalikeError: the folder is missing, read-only or full.
    """
    write_atomically(path, render_attributes(page).encode("utf-8"))


def _curves(history: Mapping[str, Sequence[float]]) -> Markup:
    if not history:
        return Markup()
    drawn = plots.to_svg(plots_training.learning_curves(history), alt=ALT)
    return Markup(drawn)  # noqa: S704 - matplotlib has escaped every text
