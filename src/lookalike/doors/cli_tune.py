"""The command that searches for settings: tune."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

NOTHING = 1  # no trial came to its end


def tune(
    study: Annotated[Path, typer.Argument(help="Study file, for example recipes/emoji_study.yaml.")],
    *,
    data: Annotated[
        str | None, typer.Option(help="Folder, manifest or NAME:FOLDER; wins over the study file's data.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Study folder; runs/<name> if left out.")] = None,
    trials: Annotated[int | None, typer.Option(help="How many are wanted, over all processes.")] = None,
    timeout: Annotated[
        float | None, typer.Option(help="Seconds after which no further trial begins.")
    ] = None,
    jobs: Annotated[int, typer.Option(help="Processes that search together.")] = 1,
    storage: Annotated[
        str | None, typer.Option(help="URL of an Optuna storage that several machines share.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Set a key.")
    ] = None,
) -> None:
    """Try settings, keep the best, train it once more and judge it on test; run again, it goes on."""
    from lookalike.doors.console import Talk, put
    from lookalike.presenting.tuning_page import study_lines
    from lookalike.training.tuning import tune as search

    with Talk() as talk:
        found = search(
            study, data, out=out, trials=trials, timeout=timeout, jobs=jobs, storage=storage,
            overrides=overrides or (), watcher=talk,
        )  # fmt: skip
    figures = found.report.figures if found.report else found.attributes
    put("\n".join(study_lines(found.trials, found.objectives, figures=figures, folder=found.folder)))
    if found.best is None:
        raise typer.Exit(NOTHING)
