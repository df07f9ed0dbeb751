"""The commands that judge a model: evaluate, calibrate."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike import cli_search
from lookalike.cli_look import Data
from lookalike.cli_search import AsJson, ModelName

if TYPE_CHECKING:
    from lookalike.model import Model
    from lookalike.records import Skipped

Root = Annotated[
    Path | None, typer.Option(help="Where a manifest's pictures are, for example since they were moved.")
]


def evaluate(
    model: ModelName,
    data: Data,
    *,
    split: Annotated[str, typer.Option(help="test, val, train or all.")] = "test",
    root: Root = None,
    as_json: AsJson = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML report to this file.")] = None,
) -> None:
    """Judge a model on pictures it has not seen."""
    from datetime import UTC, datetime

    from lookalike.console import Talk, put, put_json, tell_notes, tell_skipped
    from lookalike.evaluation import evaluate as judge
    from lookalike.files import check_writable
    from lookalike.model import Model
    from lookalike.pages import report_page
    from lookalike.report import report_json, summary, write_report
    from lookalike.table import ImageTable

    if report is not None:
        check_writable(report)
    table = ImageTable.read(data, root=root)
    with Talk() as talk:
        tell_notes(talk, table)
        opened = Model.load(model, say=talk.say)
        if "attributes" in opened.facts:
            cli_search.judge_attributes(opened, table, split=split, talk=talk, as_json=as_json, report=report)
            return
        found = judge(opened, table, split=split, progress=talk.stage("embed"))
        tell_skipped(talk, found.report.skipped)
    if as_json:
        put_json(report_json(found.report))
    else:
        put("\n".join(summary(found.report)))
    if report is not None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_report(report_page(found, opened, table=table, created=now), report)


def _cautions(model: Model, *, name: str, split: str, untrained: bool) -> Iterator[str]:
    """What a new threshold replaces, and what to know of it."""
    if before := model.thresholds.get(name):
        yield f"This replaces {name}: similarity >= {before.similarity:.4f}, {before.promise}"
    if split == "test":
        yield "Figures of the split test flatter a threshold that was chosen on it: choose on val"
    if untrained:
        yield f"The threshold of the untrained model is kept in {model.folder}, for all that use it"


def calibrate(
    model: ModelName,
    data: Data,
    *,
    split: Annotated[str, typer.Option(help="Where the pairs come from: val, or all.")] = "val",
    root: Root = None,
    target: Annotated[str, typer.Option(help="f1, precision=0.99 or false-match-rate=0.001.")] = "f1",
    confidence: Annotated[float, typer.Option(help="With which the promise holds.")] = 0.95,
    name: Annotated[str, typer.Option(help="Under which the model keeps the threshold.")] = "default",
    as_json: AsJson = False,
) -> None:
    """Choose the similarity that means "the same"."""
    from dataclasses import asdict

    from lookalike.calibrating import calibrate as choose
    from lookalike.console import Talk, put, put_json, tell_notes, tell_skipped
    from lookalike.model import DEFAULT, Model
    from lookalike.table import ImageTable

    table = ImageTable.read(data, root=root)
    skipped: list[Skipped] = []
    with Talk() as talk:
        tell_notes(talk, table)
        opened = Model.load(model, say=talk.say)
        for caution in _cautions(opened, name=name, split=split, untrained=model == DEFAULT):
            talk.say(caution)
        try:
            threshold = choose(
                opened, table, split=split, target=target, confidence=confidence, name=name,
                progress=talk.stage("embed"), skipped=skipped.extend,
            )  # fmt: skip
        finally:
            tell_skipped(talk, skipped)
    if as_json:
        left_out = [asdict(entry) for entry in skipped]
        put_json({**asdict(threshold), "promise": threshold.promise, "skipped": left_out})
    else:
        put(f"similarity >= {threshold.similarity:.4f} means the same: {threshold.promise}")
