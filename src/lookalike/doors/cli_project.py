"""The command that lays a model's embeddings out to look at: project."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lookalike.doors.cli_judge import Root
from lookalike.doors.cli_look import Data
from lookalike.doors.cli_options import ModelName

if TYPE_CHECKING:
    from lookalike.presenting.projection import Method


def project(
    model: ModelName,
    data: Data,
    *,
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the map; a new or empty one.")],
    split: Annotated[str, typer.Option(help="test, val, train or all.")] = "all",
    method: Annotated[str, typer.Option(help="pca: a true plane; umap: neighbours stay near.")] = "pca",
    root: Root = None,
) -> None:
    """Lay embeddings out as a map: a page, and files for TensorBoard's projector."""
    from typing import cast

    from lookalike.doors.console import Talk, put, tell_notes, tell_skipped
    from lookalike.models.model import Model
    from lookalike.presenting.projector import PAGE, PARQUET, write_projector
    from lookalike.tables.table import ImageTable

    table = ImageTable.read(data, root=root)
    with Talk() as talk:
        tell_notes(talk, table)
        made = write_projector(
            Model.load(model, say=talk.say), table, out,
            split=split, method=cast("Method", method), watcher=talk,
        )  # fmt: skip
        tell_skipped(talk, made.skipped)
        for note in made.notes:
            talk.say(note)
    put(f"{len(made.table):,} pictures")
    put(f"map          {out / PAGE}")
    put(f"tensorboard  tensorboard --logdir {out}")
    put(f"vectors      {out / PARQUET}")
