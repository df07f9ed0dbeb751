"""The commands that run a model: embed, search, match, info."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.doors.cli_explain import Plotted, draw
from lookalike.errors import LookalikeError

if TYPE_CHECKING:
    from lookalike.indexing.index import Index
    from lookalike.indexing.selection import Selection
    from lookalike.records import Hits, Skipped

OK, NOTHING, ERROR = 0, 1, 2

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help='Model folder, or the word "default".')]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
IndexFile = Annotated[Path, typer.Argument(metavar="INDEX", help="Index file, for example photos.idx.")]
ThresholdName = Annotated[
    str, typer.Option(metavar="NAME", help="Which of the model's thresholds; calibrate --name makes them.")
]
Prior = Annotated[
    float | None,
    typer.Option(metavar="SHARE", help="Of pairs like these, how many are the same; for the probability."),
]
Queries = Annotated[
    list[str] | None, typer.Argument(metavar="IMAGE...", help="Pictures; - reads paths from stdin.")
]
Stated = Annotated[
    str | None,
    typer.Option(metavar="A=1,B=0", help="With A, without B; with IMAGE: like it, but with A, without B."),
]
Where = Annotated[
    str | None,
    typer.Option(metavar="FILTER", help="Only pictures that fit: \"label = 'cat' and year >= 2020\"."),
]
Folder = Annotated[Path | None, typer.Option("--in", metavar="FOLDER", help="Only pictures below it.")]
Between = Annotated[
    tuple[float, float] | None,
    typer.Option(metavar="LOW HIGH", help="Only answers with a similarity from LOW to HIGH."),
]
Pictures = Annotated[list[str], typer.Argument(help="Pictures or folders; - reads paths from stdin.")]


def _check_page(path: Path | None) -> Path | None:
    from lookalike.files import check_writable

    if path is not None:
        check_writable(path)
    return path


Page = Annotated[Path | None, typer.Option(callback=_check_page, help="Write the answers as a page.")]
OpenPage = Annotated[
    bool, typer.Option("--open", help="Open the answers in the browser; without --html a temporary file.")
]


def embed(
    model: ModelName,
    images: Pictures,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Parquet file: id, path, vector.")],
) -> None:
    """Turn pictures into vectors."""
    from lookalike.doors.console import Talk, tell_skipped
    from lookalike.models.model import Model
    from lookalike.models.vectors import embed_to_parquet

    paths, unfit = picture_paths(images)
    with Talk() as talk:
        skipped = embed_to_parquet(Model.load(model, say=talk.say), paths, out, progress=talk.stage("embed"))
        tell_skipped(talk, (*unfit, *skipped))
        talk.say(f"{len(paths) - len(skipped):,} vectors are in {out}")
    raise typer.Exit(OK if len(skipped) < len(paths) else ERROR)


def search(
    index_file: IndexFile,
    images: Queries = None,
    *,
    attributes: Stated = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Answers wanted.")] = 10,
    as_json: AsJson = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one line of JSON per query.")] = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print the answers' paths only.")] = False,
    zero: Annotated[bool, typer.Option("-0", help="As --paths, each ended by a zero byte.")] = False,
    copies: Annotated[
        bool, typer.Option("--copies", help="Answer with exact copies of the picture too.")
    ] = False,
    threshold: ThresholdName = "default",
    where: Where = None,
    folder: Folder = None,
    between: Between = None,
    html: Page = None,
    open_page: OpenPage = False,
) -> None:
    """Find the pictures most alike to a picture."""
    from lookalike.doors.console import Talk, tell_skipped
    from lookalike.indexing.index import Index

    queries, unfit = picture_paths(images or []) if images or attributes is None else ([], ())
    style = "json" if as_json else "jsonl" if jsonl else "zero" if zero else "paths" if paths else "text"
    check_style(style, pictures=len(queries))
    chosen = _selection(where, folder, between)
    with Talk() as talk, Index.open(index_file) as opened:
        found = _ask(opened, queries, attributes, chosen, k=k, copies=copies, threshold=threshold)
        answers, unusable = _put_each(found, style=style, changes=attributes or "" if queries else "")
        skipped = [*unfit, *unusable]
        tell_skipped(talk, skipped)
    if skipped and not answers:
        raise nothing_asked(skipped)
    if html is not None or open_page:
        _show_page(answers, html, attributes=attributes or "", browser=open_page)
    raise typer.Exit(ERROR if not answers else OK if any(len(answer) for answer in answers) else NOTHING)


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


def check_style(style: str, *, pictures: int) -> None:
    """Refuse one JSON value for several pictures."""
    if style == "json" and pictures > 1:
        raise LookalikeError(
            "--json is for one picture", where="--json", saw=f"{pictures} pictures", do="use --jsonl"
        )


def nothing_asked(skipped: Sequence[Skipped]) -> LookalikeError:
    """The error of a command of whose pictures none could be used."""
    return LookalikeError(
        "there is nothing to search by",
        where=skipped[0].path,
        saw=f"{len(skipped)} that cannot be used, this one: {skipped[0].reason.value}",
        wanted="a picture",
        do="name a picture that opens; the reasons are above",
    )


def _selection(where: str | None, folder: Path | None, between: tuple[float, float] | None) -> Selection:
    from lookalike.indexing.selection import Selection

    return Selection(where or "", folder, *(between or ()))


def _ask(
    index: Index,
    queries: Sequence[Path],
    attributes: str | None,
    selection: Selection,
    *,
    k: int,
    copies: bool,
    threshold: str,
) -> Iterable[Hits | Skipped]:
    from lookalike.attribute_search import search_attributes, search_composed
    from lookalike.search import search_images

    if attributes is None:
        return search_images(index, queries, k=k, copies=copies, threshold=threshold, selection=selection)
    if threshold != "default":
        what, do = "a threshold is for two pictures, not for attributes", "leave out --threshold"
        raise LookalikeError(what, where="--threshold", saw=threshold, do=do)
    if not queries:
        return [search_attributes(index, attributes, k=k, selection=selection)]
    return search_composed(index, queries, attributes, k=k, copies=copies, selection=selection)


def match_(
    model: ModelName,
    a: Annotated[str, typer.Argument(metavar="A", help="A picture.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another picture.")],
    *,
    threshold: ThresholdName = "default",
    prior: Prior = None,
    as_json: AsJson = False,
    explain: Plotted = None,
) -> None:
    """Say whether two pictures show the same (exit code 0, else 1)."""
    from lookalike.doors.console import match_lines, match_values, put, put_json
    from lookalike.matching import match
    from lookalike.models.model import Model

    opened = Model.load(model)
    if explain is not None:  # first, because it needs no threshold
        draw(opened, a, b, explain)
    found = match(opened, a, b, threshold=threshold, prior=prior)
    if as_json:
        put_json(match_values(found))
    else:
        put("\n".join(match_lines(found)))
    raise typer.Exit(OK if found.match else NOTHING)


def info(
    target: Annotated[str, typer.Argument(metavar="MODEL|INDEX", help="Model folder or index file.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say what a model or an index is."""
    from dataclasses import asdict

    from lookalike.doors.console import index_lines, model_lines, put, put_json
    from lookalike.indexing.index import Index
    from lookalike.models.model import Model

    if os.path.isfile(target):  # noqa: PTH113 - Path.is_file() fails where a name is too long
        with Index.open(Path(target)) as opened:
            held = opened.info()
        facts, lines = asdict(held), index_lines(held)
    else:
        model = Model.load(target)
        facts, lines = {"folder": str(model.folder), **model.facts}, model_lines(model)
    if as_json:
        put_json(facts)
    else:
        put("\n".join(lines))


def picture_paths(names: Sequence[str]) -> tuple[list[Path], tuple[Skipped, ...]]:
    """Files as they are, folders as the pictures in them, - as the lines of stdin."""
    from lookalike.pictures.finding import find_images

    paths: list[Path] = []
    skipped: list[Skipped] = []
    for name in expand(names):
        if os.path.isdir(name):  # noqa: PTH112 - Path.is_dir() fails where a name is too long
            found = find_images(Path(name))
            paths += [found.root / path for path in found.paths]
            skipped += found.skipped
        else:
            paths.append(Path(name))
    if not paths:
        raise LookalikeError(
            "there are no pictures",
            where=" ".join(names) or "IMAGE",
            saw="nothing to open" if names else "none named",
            do="name pictures, or folders of them",
        )
    return paths, tuple(skipped)


def expand(names: Iterable[str]) -> Iterable[str]:
    """The names, - among them replaced by the lines of stdin."""
    for name in names:
        if name == "-":
            yield from (os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip())
        else:
            yield name


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
