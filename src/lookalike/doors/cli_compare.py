"""The command that compares two models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.doors.cli_judge import Root
from lookalike.doors.cli_look import Data
from lookalike.doors.cli_options import AsJson

if TYPE_CHECKING:
    from lookalike.doors.console import Talk
    from lookalike.models.model import Model

UNTRAINED = "untrained"

One = Annotated[
    str, typer.Argument(metavar="MODEL_A", help='Model folder, or the word "default" or "untrained".')
]
Other = Annotated[
    str, typer.Argument(metavar="MODEL_B", help='Model folder, "default", or "untrained": of the other.')
]


def compare(
    a: One,
    b: Other,
    data: Data,
    *,
    split: Annotated[str, typer.Option(help="test, val, train or all.")] = "test",
    root: Root = None,
    as_json: AsJson = False,
    report: Annotated[Path | None, typer.Option(help="Write an HTML page to this file.")] = None,
) -> None:
    """Say whether one model is better than another on the same pictures."""
    from datetime import UTC, datetime

    from lookalike.comparison import compare as judge
    from lookalike.doors.console import Talk, put, put_json, tell_notes, tell_skipped
    from lookalike.files import check_writable
    from lookalike.presenting.comparison_page import write_comparison
    from lookalike.presenting.comparison_wording import comparison_json, comparison_lines
    from lookalike.tables.table import ImageTable

    if report is not None:
        check_writable(report)
    table = ImageTable.read(data, root=root)
    with Talk() as talk:
        tell_notes(talk, table)
        one, other = _opened(a, b, talk)
        found = judge(one, other, table, split=split, progress=talk.stage("embed"))
        tell_skipped(talk, found.b.skipped)
    if as_json:
        put_json(comparison_json(found))
    else:
        put("\n".join(comparison_lines(found, names=(a, b))))
    if report is not None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        write_comparison(found, report, names=(a, b), created=now)


def _opened(a: str, b: str, talk: Talk) -> tuple[Model, Model]:
    from lookalike.baseline import baseline_of
    from lookalike.models.model import Model

    names = (b, a) if a == UNTRAINED else (a, b)  # the trained one first: the other may be made from it
    one = Model.load(names[0], say=talk.say)
    other = baseline_of(one) if names[1] == UNTRAINED else Model.load(names[1], say=talk.say)
    return (other, one) if a == UNTRAINED else (one, other)
