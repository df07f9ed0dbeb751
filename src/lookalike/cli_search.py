"""The commands that run a model: embed, index, search, match, info."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.errors import LookalikeError, TableError

if TYPE_CHECKING:
    from lookalike.console import Talk
    from lookalike.index import Index
    from lookalike.records import Hits, Skipped
    from lookalike.upkeep import Update

OK, NOTHING, ERROR = 0, 1, 2

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help='Model folder, or the word "default".')]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
IndexFile = Annotated[Path, typer.Argument(metavar="INDEX", help="Index file, for example photos.idx.")]
ThresholdName = Annotated[
    str, typer.Option(metavar="NAME", help="Which of the model's thresholds; calibrate --name makes them.")
]
Pictures = Annotated[list[str], typer.Argument(help="Pictures or folders; - reads paths from stdin.")]


class Verdict(StrEnum):
    """What match says."""

    SAME = "MATCH"
    DIFFERENT = "NO MATCH"


def embed(
    model: ModelName,
    images: Pictures,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Parquet file: id, path, vector.")],
) -> None:
    """Turn pictures into vectors."""
    from lookalike.console import Talk, tell_skipped
    from lookalike.model import Model
    from lookalike.vectors import embed_to_parquet

    paths, unfit = _paths(images)
    with Talk() as talk:
        skipped = embed_to_parquet(Model.load(model, say=talk.say), paths, out, progress=talk.stage("embed"))
        tell_skipped(talk, (*unfit, *skipped))
        talk.say(f"{len(paths) - len(skipped):,} vectors are in {out}")
    raise typer.Exit(OK if len(skipped) < len(paths) else ERROR)


def index(
    index_file: IndexFile,
    data: Annotated[
        list[str] | None, typer.Argument(help="Folders or manifests; none: those it has.")
    ] = None,
    *,
    model: Annotated[str | None, typer.Option(help="Model folder; default: the untrained one.")] = None,
    skipped: Annotated[Path | None, typer.Option(help="List what was left out in this JSONL file.")] = None,
    prune: Annotated[bool, typer.Option("--prune", help="Remove pictures whose file is gone.")] = False,
) -> None:
    """Make an index, or bring it up to date."""
    from lookalike.console import Talk, tell_skipped
    from lookalike.table import ImageTable

    with Talk() as talk, _open_or_create(index_file, model, data or [], talk) as opened:
        left_out: list[Skipped] = []
        unread: list[LookalikeError] = []
        for source in data or opened.sources:
            try:
                table = ImageTable.read(source)
            except TableError as error:  # the other sources can still be brought up to date
                unread.append(error)
                continue
            done = opened.update(table, source=source, prune=prune, progress=talk.stage(f"index {source}"))
            left_out += [*table.skipped, *done.skipped]
            talk.say(_what_was_done(done))
        tell_skipped(talk, left_out)
        talk.say(f"pictures in {index_file}: {len(opened):,}")
    if skipped is not None:
        _write_skipped(left_out, skipped)
    if unread:
        raise unread[0]


def search(
    index_file: IndexFile,
    images: Annotated[
        list[str], typer.Argument(metavar="IMAGE...", help="Pictures; - reads paths from stdin.")
    ],
    *,
    k: Annotated[int, typer.Option("-k", min=1, help="Answers wanted.")] = 10,
    as_json: AsJson = False,
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Print one line of JSON per query.")] = False,
    paths: Annotated[bool, typer.Option("--paths", help="Print the answers' paths only.")] = False,
    zero: Annotated[bool, typer.Option("-0", help="As --paths, each ended by a zero byte.")] = False,
    copies: Annotated[
        bool, typer.Option("--copies", help="Answer with exact copies of the picture too.")
    ] = False,
    threshold: ThresholdName = "default",
    html: Annotated[Path | None, typer.Option(help="Write the answers as a page.")] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the answers in the browser.")] = False,
) -> None:
    """Find the pictures most alike to a picture."""
    from lookalike.console import Talk, put_answers, tell_skipped
    from lookalike.index import Index
    from lookalike.records import Hits
    from lookalike.search import search_images

    queries, unfit = _paths(images)
    if as_json and len(queries) != 1:
        raise LookalikeError(
            "--json is for one picture", where="--json", saw=f"{len(queries)} pictures", do="use --jsonl"
        )
    style = "json" if as_json else "jsonl" if jsonl else "zero" if zero else "paths" if paths else "text"
    answers: list[Hits] = []
    skipped: list[Skipped] = [*unfit]
    with Talk() as talk, Index.open(index_file) as opened:
        for answer in search_images(opened, queries, k=k, copies=copies, threshold=threshold):
            if isinstance(answer, Hits):
                put_answers(answer, style=style)
                answers.append(answer)
            else:
                skipped.append(answer)
        tell_skipped(talk, skipped)
    if html is not None or open_page:
        _show_page(answers, html or index_file.with_suffix(".html"), browser=open_page)
    raise typer.Exit(ERROR if not answers else OK if any(len(answer) for answer in answers) else NOTHING)


def match_(
    model: ModelName,
    a: Annotated[str, typer.Argument(metavar="A", help="A picture.")],
    b: Annotated[str, typer.Argument(metavar="B", help="Another picture.")],
    *,
    threshold: ThresholdName = "default",
    as_json: AsJson = False,
) -> None:
    """Say whether two pictures show the same (exit code 0, else 1)."""
    from lookalike.console import put, put_json
    from lookalike.matching import match
    from lookalike.model import Model

    found = match(Model.load(model), a, b, threshold=threshold)
    verdict = Verdict.SAME if found.match else Verdict.DIFFERENT
    if as_json:
        put_json(
            {
                "match": found.match,
                "similarity": found.similarity,
                "threshold": found.threshold.similarity,
                "promise": found.threshold.promise,
            }
        )
    else:
        put(f"{verdict}  similarity {found.similarity:.4f}, threshold {found.threshold.similarity:.4f}")
        put(found.threshold.promise)
    raise typer.Exit(OK if found.match else NOTHING)


def info(
    target: Annotated[str, typer.Argument(metavar="MODEL|INDEX", help="Model folder or index file.")],
    *,
    as_json: AsJson = False,
) -> None:
    """Say what a model or an index is."""
    from dataclasses import asdict

    from lookalike.console import index_lines, model_lines, put, put_json
    from lookalike.index import Index
    from lookalike.model import Model

    if Path(target).is_file():
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


def _paths(names: Sequence[str]) -> tuple[list[Path], tuple[Skipped, ...]]:
    """Files as they are, folders as the pictures in them, - as the lines of stdin."""
    from lookalike.finding import find_images

    paths: list[Path] = []
    skipped: list[Skipped] = []
    for name in _expand(names):
        if Path(name).is_dir():
            found = find_images(Path(name))
            paths += [found.root / path for path in found.paths]
            skipped += found.skipped
        else:
            paths.append(Path(name))
    if not paths:
        raise LookalikeError(
            "there are no pictures",
            where=" ".join(names),
            saw="nothing to open",
            do="name pictures or folders",
        )
    return paths, tuple(skipped)


def _expand(names: Iterable[str]) -> Iterable[str]:
    for name in names:
        if name == "-":
            yield from (os.fsdecode(line.rstrip(b"\r\n")) for line in sys.stdin.buffer if line.strip())
        else:
            yield name


def _open_or_create(path: Path, model: str | None, data: Sequence[str], talk: Talk) -> Index:
    from lookalike.index import Index
    from lookalike.model import DEFAULT, Model
    from lookalike.table import ImageTable

    if path.exists():
        return Index.open(path, model=None if model is None else Model.load(model))
    if not data:
        raise LookalikeError(
            "there is no index to bring up to date",
            where=path,
            saw="no such file, and no DATA",
            do=f"lookalike index {path} FOLDER --model MODEL",
        )
    ImageTable.read(data[0])  # a mistyped folder leaves no empty index behind
    if model is None:
        talk.say('No --model: using "default", the untrained backbone')
    return Index.create(path, Model.load(model or DEFAULT, say=talk.say))


def _what_was_done(done: Update) -> str:
    counts = {
        "added": done.added,
        "updated": done.updated,
        "moved": done.moved,
        "removed": done.removed,
        "unchanged": done.unchanged,
        "missing from disk": done.missing,
    }
    told = [f"{count:,} {name}" for name, count in counts.items() if count]
    return f"{done.source}: " + (", ".join(told) or "nothing to do")


def _write_skipped(entries: Iterable[Skipped], path: Path) -> None:
    import json
    from dataclasses import asdict

    from lookalike.files import write_atomically

    lines = (json.dumps(asdict(entry), ensure_ascii=False) + "\n" for entry in entries)
    write_atomically(path, "".join(lines).encode("utf-8", "surrogateescape"))


def _show_page(answers: Sequence[Hits], path: Path, *, browser: bool) -> None:
    import webbrowser

    from lookalike.files import write_atomically
    from lookalike.report import search_page

    write_atomically(path, search_page(answers, "Search").encode())
    if browser:
        webbrowser.open(path.resolve().as_uri())
