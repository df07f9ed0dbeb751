"""The command evaluate: how good a model is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.doors.cli_identify import Asked, is_open, judge_open
from lookalike.doors.cli_look import Data
from lookalike.doors.cli_options import AsJson, ModelName

if TYPE_CHECKING:
    from lookalike.attribute_evaluation import AttributeReport
    from lookalike.doors.console import Talk
    from lookalike.evaluation import Evaluation
    from lookalike.models.model import Model
    from lookalike.tables.table import ImageTable

Root = Annotated[
    Path | None, typer.Option(help="Where a manifest's pictures are, for example since they were moved.")
]


def _check_file(path: Path | None) -> Path | None:
    if path is not None:
        from lookalike.files import check_writable

        check_writable(path)
    return path


def _check_report(path: Path | None) -> Path | None:
    if _check_file(path) is not None and path is not None:
        from lookalike.errors import LookalikeError

        if (values := _values_of(path)) == path:
            do = f"name the page {path.stem}.html; its figures are then in {path.name}"
            raise LookalikeError("a report is a page", where=path, saw="the name of a JSON file", do=do)
        _check_file(values)
    return path


def _values_of(report: Path) -> Path:
    """The file beside a report that has its figures."""
    return report.with_suffix(".json")


def _check_folder(path: Path | None) -> Path | None:
    if path is not None:
        _check_file(path / "rows.png" if path.is_dir() else path)
    return path


ReportFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.html",
        callback=_check_report,
        help="Write an HTML report to this file, and its figures to FILE.json beside it.",
    ),
]
PicturesFolder = Annotated[
    Path | None,
    typer.Option(
        callback=_check_folder, help="Write the report's plots and galleries into this folder, as PNG."
    ),
]


def evaluate(
    model: ModelName,
    data: Data,
    *,
    split: Annotated[str, typer.Option(help="test, val, train or all.")] = "test",
    root: Root = None,
    as_json: AsJson = False,
    report: ReportFile = None,
    pictures: PicturesFolder = None,
    question: Asked = None,
) -> None:
    """Judge a model on pictures it has not seen."""
    if is_open(question):
        refused = {"report": report, "pictures": pictures}
        return judge_open(model, data, root=root, split=split, as_json=as_json, refused=refused)
    from datetime import UTC, datetime

    from lookalike.doors.console import Talk, tell_notes, tell_skipped
    from lookalike.evaluation import evaluate as judge
    from lookalike.models.model import Model
    from lookalike.tables.table import ImageTable

    table = ImageTable.read(data, root=root)
    with Talk() as talk:
        tell_notes(talk, table)
        opened = Model.load(model, say=talk.say)
        if "attributes" in opened.facts:
            _judge_attributes(
                opened, table, talk, split=split, as_json=as_json, report=report, pictures=pictures
            )
            return
        found = judge(opened, table, split=split, progress=talk.stage("embed"))
        tell_skipped(talk, found.report.skipped)
    now = datetime.now(UTC).isoformat(timespec="seconds")
    _tell(found, opened, table, created=now, as_json=as_json)
    if report is not None or pictures is not None:
        _show(found, opened, table, created=now, report=report, pictures=pictures)


def _tell(found: Evaluation, model: Model, table: ImageTable, *, created: str, as_json: bool) -> None:
    """Print the figures."""
    from lookalike.doors.console import put, put_json
    from lookalike.presenting.report import summary
    from lookalike.presenting.results import results

    if as_json:
        put_json(results(found, model, table=table, created=created))
    else:
        put("\n".join(summary(found.report)))


def _show(
    found: Evaluation,
    model: Model,
    table: ImageTable,
    *,
    created: str,
    report: Path | None,
    pictures: Path | None,
) -> None:
    """Write the page, the pictures beside it, or both."""
    from lookalike.doors.console import Talk
    from lookalike.presenting.pages import report_page
    from lookalike.presenting.pictures import write_pictures
    from lookalike.presenting.report import write_report
    from lookalike.presenting.results import results, write_values

    with Talk() as talk:
        page = report_page(found, model, table=table, created=created, progress=talk.stage("draw"))
        if report is not None:
            write_values(results(found, model, table=table, created=created), _values_of(report))
            write_report(page, report)
        if pictures is not None:
            write_pictures(page, pictures)


def _judge_attributes(
    model: Model,
    table: ImageTable,
    talk: Talk,
    *,
    split: str,
    as_json: bool,
    report: Path | None,
    pictures: Path | None,
) -> None:
    """Judge a model of attributes, and print what was found."""
    from lookalike.attribute_evaluation import evaluate_attributes
    from lookalike.doors.console import put, put_json, tell_skipped
    from lookalike.presenting.attribute_wording import attribute_json, attribute_lines
    from lookalike.presenting.pictures import write_attribute_pictures

    found = evaluate_attributes(model, table, split=split, progress=talk.stage("embed"))
    tell_skipped(talk, found.skipped)
    if as_json:
        put_json(attribute_json(found, root=table.root))
    else:
        put("\n".join(attribute_lines(found)))
    if report is not None:
        _report_attributes(found, table, report)
    if pictures is not None:
        write_attribute_pictures(found, pictures)


def _report_attributes(found: AttributeReport, table: ImageTable, report: Path) -> None:
    """Write the page, and its figures beside it."""
    from datetime import UTC, datetime

    from lookalike.presenting.attribute_page import attribute_page, write_attributes
    from lookalike.presenting.attribute_wording import attribute_json
    from lookalike.presenting.results import write_values

    write_values(attribute_json(found, root=table.root), _values_of(report))
    created = datetime.now(UTC).isoformat(timespec="seconds")
    write_attributes(attribute_page(found, table, created=created), report)
