"""The option that draws why two pictures are alike."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from lookalike.models.model import Model


def _check_plot(path: Path | None) -> Path | None:
    if path is not None:
        from lookalike.files import check_writable
        from lookalike.presenting.canvas import kind_of

        kind_of(path)
        check_writable(path)
    return path


Plotted = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.png",
        callback=_check_plot,
        help="Draw which places of the two make their similarity (.png, .svg, .pdf).",
    ),
]


def draw(model: Model, a: str, b: str, path: Path) -> None:
    """Draw why two pictures are alike, and say where."""
    from lookalike.models.explanation import explain
    from lookalike.presenting.canvas import save
    from lookalike.presenting.plots_explanation import explanation_plot

    save(explanation_plot(explain(model, a, b)), path)
    typer.echo(f"picture  {path}", err=True)
