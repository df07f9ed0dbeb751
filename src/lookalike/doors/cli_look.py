"""The commands that look at a set of pictures before training: describe and doctor."""

from __future__ import annotations

import inspect
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.doors.cli_doctor import index_at, look_at_index
from lookalike.doors.cli_options import NOTHING, OK, AsJson

if TYPE_CHECKING:
    from lookalike.checkups.checkup import Checkup
    from lookalike.doors.console import Talk
    from lookalike.models.embedding import Memory
    from lookalike.models.model import Model

DATA = (
    "Folder with one sub-folder per thing; CSV, Parquet or JSONL manifest; or NAME:FOLDER, a published data "
    "set, for example cub200:birds."
)
Data = Annotated[str, typer.Argument(help=DATA)]
DataOrIndex = Annotated[str, typer.Argument(metavar="DATA|INDEX", help=f"{DATA} Or an index file.")]


def describe(
    data: Data,
    *,
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="Write the same as a page, with the classes.")] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw the class distribution to this file.")] = None,
) -> None:
    """Look at a set of pictures before training: facts only."""
    from lookalike.checkups.description import describe as look
    from lookalike.checkups.description import lines
    from lookalike.doors.console import Talk, put_json, put_lines
    from lookalike.tables.table import ImageTable

    if plot is not None:
        _check_plot(plot)
    if html is not None:
        _check_page(html)
    with Talk() as talk:
        found = look(ImageTable.read(data), progress=talk.stage("open pictures"))
    if as_json:
        put_json(found.to_json())
    else:
        put_lines(lines(found))
    if html is not None:
        from lookalike.presenting.description_page import write_description

        write_description(found, html, data=data, created=_now())
    if plot is not None:
        from lookalike.presenting.plots import class_distribution, save

        save(class_distribution(found.filled), plot)


def _check_plot(path: Path) -> None:
    from lookalike.files import check_writable
    from lookalike.presenting.canvas import kind_of

    kind_of(path)
    check_writable(path)


def _check_page(path: Path) -> None:
    from lookalike.files import check_writable

    check_writable(path)


def doctor(
    data: DataOrIndex,
    *,
    model: Annotated[
        str | None, typer.Option(help="Model folder that embeds; default: the untrained one.")
    ] = None,
    similarity: Annotated[
        float, typer.Option(min=0.01, max=1.0, help="Of embeddings, from which on a pair is looked at twice.")
    ] = 0.85,
    as_json: AsJson = False,
    html: Annotated[Path | None, typer.Option(help="Write a page with the pairs side by side.")] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(help="Write a manifest of what is usable, with one of each: CSV or Parquet."),
    ] = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="Of an INDEX: mend what can be made again from the files.")
    ] = False,
) -> None:
    """Say what would go wrong in training with DATA, or what is wrong with an INDEX, and what mends it.

    Of DATA every picture is opened and embedded once, which takes as long as indexing them; embeddings are
    kept in the cache. Of an INDEX every row is read and every file asked for its size and time. Nothing is
    changed on the disk without --repair. The exit code is 1 where something has to be mended.
    """
    from lookalike.checkups.cleaning import check_manifest, write_manifest
    from lookalike.checkups.findings import Verdict
    from lookalike.doors.console import Talk

    only_of_data = {"--html": html, "--manifest": manifest}
    if found_in := index_at(data, repair=repair, refused=only_of_data):
        raise typer.Exit(look_at_index(found_in, model=model, mend=repair, as_json=as_json))
    if manifest is not None:
        check_manifest(manifest, data=Path(data))
    if html is not None:
        _check_page(html)
    with Talk() as talk:
        checkup = _examined(data, model, similarity, talk)
        if manifest is not None:
            write_manifest(checkup.cleaned, manifest)
            talk.say(_what_was_written(checkup, manifest))
    if html is not None:
        _write_page(checkup, html, data)
    _show(checkup, as_json=as_json)
    raise typer.Exit(NOTHING if checkup.verdict == Verdict.MEND else OK)


def _show(checkup: Checkup, *, as_json: bool) -> None:
    from lookalike.checkups.checkup import lines
    from lookalike.doors.console import put_json, put_lines

    if as_json:
        put_json(checkup.to_json())
    else:
        put_lines(lines(checkup))


def _examined(data: str, model: str | None, similarity: float, talk: Talk) -> Checkup:
    from lookalike.checkups.checkup import doctor as look
    from lookalike.checkups.cleaning import suggested
    from lookalike.models.model import DEFAULT, Model
    from lookalike.tables.table import ImageTable

    table = ImageTable.read(data)
    opened = Model.load(model or DEFAULT, say=talk.say)
    talk.say(f"Opening and embedding {len(table):,} pictures; describe only opens them, and is faster")
    again = ["lookalike", "doctor", data, *(["--model", model] if model else [])]
    if similarity != inspect.signature(look).parameters["similarity"].default:
        again += ["--similarity", f"{similarity:g}"]
    with _kept_embeddings(opened) as memory:
        return look(
            table,
            model=opened,
            memory=memory,
            similarity=similarity,
            command=shlex.join(again),
            manifest=suggested(table, data=data),
            watcher=talk,
        )


@contextmanager
def _kept_embeddings(model: Model) -> Iterator[Memory]:
    from lookalike.cache import cache_folder
    from lookalike.training.features import FeatureCache, cache_path, unusable

    path = cache_path(model, cache_folder())
    try:
        with FeatureCache(path, dim=model.dim) as memory:
            yield memory
    except (sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error


def _what_was_written(checkup: Checkup, path: Path) -> str:
    from lookalike.checkups.cleaning import beside

    kept, gone = len(checkup.cleaned.table), len(checkup.cleaned.left_out)
    return f"{kept:,} pictures are in {path}; {gone:,} are not, and are listed in {beside(path)}"


def _write_page(checkup: Checkup, path: Path, data: str) -> None:
    from lookalike.presenting.checkup_page import write_checkup

    write_checkup(checkup, path, data=data, created=_now())


def _now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat(timespec="seconds")
