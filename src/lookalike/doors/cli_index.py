"""The command that makes an index and brings it up to date."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.doors.cli_search import IndexFile, expand
from lookalike.errors import LookalikeError, StoreError, TableError

if TYPE_CHECKING:
    from lookalike.doors.console import Talk
    from lookalike.indexing.index import Index
    from lookalike.indexing.upkeep import Update
    from lookalike.records import Skipped


def index(
    index_file: IndexFile,
    data: Annotated[
        list[str] | None,
        typer.Argument(help="Folders, manifests, NAME:FOLDER; none: those it has; - reads them from stdin."),
    ] = None,
    *,
    model: Annotated[str | None, typer.Option(help="Model folder; default: the untrained one.")] = None,
    skipped: Annotated[Path | None, typer.Option(help="List what was left out in this JSONL file.")] = None,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove pictures whose file is gone, and sources that are gone.")
    ] = False,
) -> None:
    """Make an index, or bring it up to date."""
    from lookalike.doors.console import Talk, tell_skipped
    from lookalike.files import check_writable

    if skipped is not None:
        check_writable(skipped)
    sources = _sources(data or [])
    with Talk() as talk, _open_or_create(index_file, model, sources, talk) as opened:
        left_out, unread = _bring_up_to_date(opened, sources or opened.sources, talk, prune=prune)
        tell_skipped(talk, left_out)
        if len(unread) < len(sources or opened.sources):
            talk.say(f"pictures in {index_file}: {len(opened):,}")
    if skipped is not None:
        _write_skipped(left_out, skipped)
    if unread:
        raise unread[0]


def _bring_up_to_date(
    opened: Index, sources: Sequence[str], talk: Talk, *, prune: bool
) -> tuple[list[Skipped], list[LookalikeError]]:
    """What was left out, and why sources could not be read; the others are up to date all the same."""
    from lookalike.doors.console import tell_notes
    from lookalike.tables.table import ImageTable

    left_out: list[Skipped] = []
    unread: list[LookalikeError] = []
    gone: list[str] = []
    for source in sources:
        try:
            table = ImageTable.read(source)
        except TableError as error:
            if _was_there(opened, source):
                gone.append(source)
            else:
                unread.append(error)
            continue
        tell_notes(talk, table)
        done = opened.update(table, source=source, prune=prune, progress=talk.stage(f"index {source}"))
        left_out += [*table.skipped, *done.skipped]
        talk.say(_what_was_done(done))
    for source in gone:  # after the others, so that what moved there is not lost
        if prune:
            talk.say(f"{source} is gone: dropped, with {opened.drop(source):,} pictures")
        else:
            unread.append(_source_is_gone(opened, source))
    return left_out, unread


def _sources(data: Sequence[str]) -> list[str]:
    sources = list(expand(data))
    if data and not sources:
        raise LookalikeError(
            "there is nothing to index",
            where="stdin",
            saw="not one line",
            do="give a folder or manifest on each line",
        )
    return sources


def _was_there(opened: Index, source: str) -> bool:
    """Whether the index has this source, and there is certainly no such folder or file any more."""
    from lookalike.layouts import placed
    from lookalike.pictures.finding import is_absent

    name, path = placed(source)
    return name in opened.sources and is_absent(path)


def _source_is_gone(opened: Index, source: str) -> StoreError:
    from lookalike.layouts import placed

    index_file, place = shlex.quote(str(opened.path)), shlex.quote(source)
    left = sum(root.items for root in opened.info().roots if root.source == placed(source)[0])
    moved = f"mount it; or, if it moved, lookalike index {index_file} FOLDER finds its pictures again; then "
    return StoreError(
        "a source of the index is gone",
        where=source,
        saw=f"no such file or folder, {left:,} pictures of it in the index",
        do=f"{moved if left else ''}lookalike index {index_file} {place} --prune drops it",
    )


def _open_or_create(path: Path, model: str | None, sources: Sequence[str], talk: Talk) -> Index:
    from lookalike.indexing.index import Index
    from lookalike.models.model import DEFAULT, Model
    from lookalike.tables.table import ImageTable

    if os.path.exists(path):  # noqa: PTH110 - Path.exists() fails where a name is too long
        return Index.open(path, model=None if model is None else Model.load(model))
    if not sources:
        raise LookalikeError(
            "there is no index to bring up to date",
            where=path,
            saw="no such file, and no DATA",
            do=f"lookalike index {shlex.quote(str(path))} FOLDER --model MODEL",
        )
    ImageTable.read(sources[0])  # a mistyped folder leaves no empty index behind
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
