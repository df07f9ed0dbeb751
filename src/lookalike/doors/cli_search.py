"""The command search: everything that can be asked of an index about pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lookalike.doors.cli_asking import Question, ask, read_question, selection_of
from lookalike.doors.cli_options import (
    ERROR,
    NOTHING,
    OK,
    AsJson,
    IndexFile,
    OpenPage,
    Page,
    ThresholdName,
    check_style,
    nothing_asked,
    style_of,
)
from lookalike.hits import Rerank

if TYPE_CHECKING:
    from lookalike.records import Hits, Skipped

Queries = Annotated[
    list[str] | None,
    typer.Argument(metavar="IMAGE...", help="Pictures, each a query of its own; - reads paths from stdin."),
]
Ids = Annotated[
    list[int] | None, typer.Option("--id", metavar="N", help="An item of the index as a query; repeatable.")
]
Stated = Annotated[
    str | None,
    typer.Option(metavar="A=1,B=0", help="With A, without B; with IMAGE: like it, but with A, without B."),
]
Plus = Annotated[list[str] | None, typer.Option(metavar="IMAGE", help="Like this picture too; repeatable.")]
Minus = Annotated[list[str] | None, typer.Option(metavar="IMAGE", help="Unlike this picture; repeatable.")]
Together = Annotated[bool, typer.Option("--together", help="All of IMAGE... are one query.")]
Weights = Annotated[
    str | None,
    typer.Option(metavar="W,W,...", help="One query of all IMAGE..., a weight for each; below 0: unlike it."),
]
Count = Annotated[int, typer.Option("-k", min=1, help="Answers wanted.")]
Skip = Annotated[int, typer.Option(min=0, metavar="N", help="Pass over the first N answers: the next page.")]
AtLeast = Annotated[
    float | None, typer.Option(metavar="S", help="Only answers with a similarity of at least S.")
]
Likely = Annotated[
    float | None,
    typer.Option(
        "--probability", metavar="P", help="Only answers that match with at least this probability."
    ),
]
Between = Annotated[
    tuple[float, float] | None,
    typer.Option(metavar="LOW HIGH", help="Only answers with a similarity from LOW to HIGH."),
]
Where = Annotated[
    str | None,
    typer.Option(metavar="FILTER", help="Only pictures that fit: \"label = 'cat' and year >= 2020\"."),
]
Folder = Annotated[Path | None, typer.Option("--in", metavar="FOLDER", help="Only pictures below it.")]
Copies = Annotated[bool, typer.Option("--copies", help="Answer with exact copies of the picture too.")]
Collapse = Annotated[
    bool, typer.Option("--collapse", help="Fold answers that are copies of a better one into it.")
]
Order = Annotated[
    Rerank | None, typer.Option("--rerank", help="Another order of the most alike; similarities stay.")
]
JsonLines = Annotated[bool, typer.Option("--jsonl", help="Print one line of JSON per query.")]
Paths = Annotated[bool, typer.Option("--paths", help="Print the answers' paths only.")]
Zero = Annotated[bool, typer.Option("-0", help="As --paths, each ended by a zero byte.")]


def search(
    index_file: IndexFile,
    images: Queries = None,
    *,
    ids: Ids = None,
    attributes: Stated = None,
    plus: Plus = None,
    minus: Minus = None,
    together: Together = False,
    weights: Weights = None,
    k: Count = 10,
    skip: Skip = 0,
    at_least: AtLeast = None,
    probability: Likely = None,
    between: Between = None,
    where: Where = None,
    folder: Folder = None,
    copies: Copies = False,
    collapse: Collapse = False,
    rerank: Order = None,
    threshold: ThresholdName = "default",
    as_json: AsJson = False,
    jsonl: JsonLines = False,
    paths: Paths = False,
    zero: Zero = False,
    html: Page = None,
    open_page: OpenPage = False,
) -> None:
    """Find the pictures most alike to a picture, to several together, or to an item (exit code 1: none).

    Several IMAGE are several queries. --together makes them one, --weights too and gives each a weight, in
    their order; --plus and --minus join a picture to every query. Names that begin with - go after --.
    """
    question, unfit = read_question(images, ids, attributes, plus, minus, together=together, weights=weights)
    selection = selection_of(where, folder, between, at_least)
    judging = {"threshold": threshold, "probability": probability, "rerank": rerank}
    options = {"k": k, "skip": skip, "copies": copies, "collapse": collapse, "selection": selection}
    style = style_of(json=as_json, jsonl=jsonl, paths=paths or zero)
    style = "zero" if zero else style
    answers = _answer(index_file, question, unfit, style=style, judging=judging, options=options)
    if html is not None or open_page:
        _show_page(answers, html, attributes=attributes or "", browser=open_page)
    raise typer.Exit(ERROR if not answers else OK if any(len(answer) for answer in answers) else NOTHING)


def _answer(
    index_file: Path,
    question: Question,
    unfit: Sequence[Skipped],
    *,
    style: str,
    judging: Mapping[str, Any],
    options: Mapping[str, Any],
) -> list[Hits]:
    """Print the answers, and return them."""
    from lookalike.doors.console import Talk, tell_skipped
    from lookalike.indexing.ready import open_ready

    check_style(style, pictures=question.count)
    with Talk() as talk, open_ready(index_file, say=talk.say) as opened:
        found = ask(opened, question, judging=judging, **options)
        answers, unusable = _put_each(found, style=style, changes=question.changes)
        skipped = [*unfit, *unusable]
        tell_skipped(talk, skipped)
    if skipped and not answers:
        raise nothing_asked(skipped)
    return answers


def _put_each(
    found: Iterable[Hits | Skipped], *, style: str, changes: str
) -> tuple[list[Hits], list[Skipped]]:
    """Print every answer as soon as it is there; return them, and what could not be used."""
    from lookalike.doors.console import put_answers
    from lookalike.records import Hits

    answers: list[Hits] = []
    skipped: list[Skipped] = []
    for answer in found:
        if isinstance(answer, Hits):
            put_answers(answer, style=style, changes=changes)
            answers.append(answer)
        else:
            skipped.append(answer)
    return answers, skipped


def _show_page(answers: Sequence[Hits], path: Path | None, *, attributes: str, browser: bool) -> None:
    import tempfile
    import webbrowser

    from lookalike.files import write_atomically
    from lookalike.presenting.report import search_page

    if path is None:
        with tempfile.NamedTemporaryFile(prefix="lookalike-", suffix=".html", delete=False) as file:
            path = Path(file.name)
    write_atomically(path, search_page(answers, "Search", attributes=attributes).encode())
    typer.echo(f"page  {path}", err=True)
    if browser:
        webbrowser.open(path.resolve().as_uri())
