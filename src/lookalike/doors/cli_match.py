"""The commands that run a model on pictures or say what it is: embed, match, info."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lookalike.doors.cli_explain import Plotted, draw
from lookalike.doors.cli_options import (
    ERROR,
    NOTHING,
    OK,
    AsJson,
    ModelName,
    Pictures,
    Prior,
    ThresholdName,
    picture_paths,
)


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

    from lookalike.doors.console import index_lines, model_lines, put_json, put_lines
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
        put_lines(lines)
