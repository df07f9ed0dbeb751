"""A study: a file of settings and spaces, and a table, in; trials, the best settings and their worth out.

The folder keeps study.db (or nothing, where another storage is named), split.parquet, trials.csv, best.yaml,
report.html and, of the best trial, a run folder with its model. Run again, a study goes on where it was.
"""

from __future__ import annotations

import difflib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import filelock
import optuna
import yaml

from lookalike.errors import ConfigError
from lookalike.evaluation import Evaluation
from lookalike.files import write_atomically
from lookalike.models.model import Model
from lookalike.presenting.trials import COSTS, Objective, Trial, best_trial, finished, trials_csv
from lookalike.presenting.tuning_page import StudyPage, best_in_words, tried_in_words, write_study
from lookalike.records import SILENT, Watcher
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.claim import SPLIT
from lookalike.training.preflight import check_settings
from lookalike.training.run import prepared_table
from lookalike.training.tuning_final import Final, now, train_finally
from lookalike.training.tuning_jobs import helpers, new_search
from lookalike.training.tuning_search import Search
from lookalike.training.tuning_space import StudyFile, load_study
from lookalike.training.tuning_store import hushed, open_study, trials_of
from lookalike.training.tuning_trial import known_figures, objectives_of, on_features

DATABASE, TABLE, BEST, PAGE, LOCK = "study.db", "trials.csv", "best.yaml", "report.html", ".end.lock"

FEWEST = 2  # finished trials between which anything differs


@dataclass(frozen=True)
class Study:
    """What a study has found.

    Attributes:
        trials: all that were begun, in order.
        best: the best of them; None where none came to its end.
        settings: the best settings as a run file; model: trained on them; evaluation: its figures on test.
    """

    folder: Path
    objectives: tuple[Objective, ...]
    trials: tuple[Trial, ...]
    best: Trial | None
    settings: Path | None = None
    model: Model | None = None
    evaluation: Evaluation | None = None


def tune(
    study: str | Path,
    data: ImageTable | str | Path | None = None,
    *,
    out: str | Path | None = None,
    trials: int | None = None,
    timeout: float | None = None,
    jobs: int = 1,
    storage: str | None = None,
    overrides: Sequence[str] = (),
    watcher: Watcher = SILENT,
) -> Study:
    """Try settings, keep the best, train it once more and judge it once on test.

    Called again, also from other processes and machines at the same time, a study goes on until as many
    trials as wanted have ended. With one process, the same seed gives the same trials.

    Args:
        study: a study file.
        data: a table, or what `ImageTable.read` takes; None takes the file's `data`.
        out: the study's folder; None takes runs/<name>.
        trials: how many are wanted; None takes the file's study.trials.
        timeout: seconds after which no further trial begins; None takes the file's study.timeout.
        jobs: processes on this machine that search together.
        storage: URL of an Optuna storage; None keeps study.db in the folder.
        overrides: "key=value" entries that win over the file.

    Raises:
        ConfigError: the file or an override is wrong, or the storage holds another study of that name.
        TableError: the data cannot be read or not be trained on.
        TrainingError: three trials in a row failed with the same message.
    """
    given = {"study.trials": trials, "study.timeout": timeout}
    said = [f"{key}={value}" for key, value in given.items() if value is not None]
    file = load_study(Path(study), overrides=[*overrides, *said])
    if jobs < 1:
        raise ConfigError(
            "a value does not fit", where="jobs", saw=f"{jobs}", wanted="1 or more", do="change it"
        )
    objectives = _objectives(file)
    table = prepared_table(file.base, data, watcher)
    check_settings(file.base, table)
    folder = Path(out) if out is not None else Path("runs") / file.base.name
    _make(folder)
    url = storage or f"sqlite:///{(folder / DATABASE).resolve()}"
    with filelock.FileLock(folder / LOCK):  # one process makes the tables
        opened = open_study(file, url, objectives=objectives, data=table.fingerprint())
        table.save(folder / SPLIT)
    search = new_search(file, opened, folder, table, objectives, jobs=jobs, watcher=watcher)
    try:
        if on_features(file.base):
            search.material.prepared(file.base)  # before other processes ask for it
        with helpers(search, url, count=jobs - 1):
            search.run()
    finally:
        found = _write_table(search)
    return _end(search, found)


def _objectives(file: StudyFile) -> tuple[Objective, ...]:
    """What is searched for, each known.

    Raises:
        ConfigError: an evaluation has no such figure, or there is a cost and no figure.
    """
    names, known = file.study.objective, known_figures()
    where = f"{file.path}: study.objective"
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ConfigError(
                "a metric is not computed",
                where=where,
                saw=repr(name),
                wanted=", ".join(known),
                do=f"did you mean {near[0]}?" if near else "choose one of these",
            )
    if len(set(names)) < len(names) or names[0] in COSTS:
        raise ConfigError(
            "the objectives do not fit",
            where=where,
            saw=", ".join(names),
            wanted="a figure first, and each one once",
            do="write for example objective: [map@r, dimensions]",
        )
    return objectives_of(names)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "the study's folder cannot be made",
            where=folder,
            saw=error.strerror or str(error),
            do="give a folder that can be written with --out",
        ) from error


def _write_table(search: Search) -> tuple[Trial, ...]:
    """Keep the trials as a table, and the best settings as a run file; also of a study that was stopped."""
    found = tuple(trials_of(search.study, search.file.spaces))
    write_atomically(search.folder / TABLE, trials_csv(found, search.objectives).encode())
    best = best_trial(found, search.objectives)
    if best is not None:
        write_atomically(search.folder / BEST, _recipe(search, best, found).encode())
    return found


def _settings(search: Search, best: Trial) -> dict[str, Any]:
    name = {"name": f"{search.file.base.name}_best"}
    return {
        **name,
        **{key: value for key, value in search.file.run_file(best.params).items() if key != "name"},
    }


def _recipe(search: Search, best: Trial, found: Sequence[Trial]) -> str:
    heading = [
        f"# {best_in_words(found, search.objectives)}",
        f"# {tried_in_words(found)} The best of many looks better on validation than it is.",
    ]
    values = yaml.safe_dump(_settings(search, best), sort_keys=False, allow_unicode=True)
    return "\n".join([*heading, values])


def _end(search: Search, found: tuple[Trial, ...]) -> Study:
    """Train the best once more, judge it, and write the report."""
    best = best_trial(found, search.objectives)
    study = Study(search.folder, search.objectives, found, best)
    with filelock.FileLock(search.folder / LOCK):  # of several processes one trains, and the others read
        if best is None:
            search.watcher.say("No trial came to its end, so there are no best settings.")
            _write_page(search, found, None)
            return study
        final = train_finally(
            parse_config(_settings(search, best)),
            search.material,
            folder=search.folder / f"trial_{best.number}",
            epochs=best.epochs,
            solved=best.solved,
            note=f"{tried_in_words(found)} Chosen as the best of them on validation, then trained again on "
            "train and val and judged once on test. No threshold was chosen: all labelled pictures but those "
            "of test were learned from.",
            watcher=search.watcher,
        )
        _write_page(search, found, final)
    settings = search.folder / BEST
    return replace(study, settings=settings, model=final.model, evaluation=final.evaluation)


def _write_page(search: Search, found: Sequence[Trial], final: Final | None) -> None:
    best = best_trial(found, search.objectives)
    page = StudyPage(
        title=search.file.base.name,
        objectives=search.objectives,
        trials=found,
        importances=_importances(search, found),
        report=final.evaluation.report if final and final.evaluation else None,
        learned=final.learned if final else "",
        recipe=_recipe(search, best, found) if best else "",
        created=now(),
    )
    write_study(page, search.folder / PAGE)


def _importances(search: Search, found: Sequence[Trial]) -> dict[str, dict[str, float]]:
    """Which share of the differences each key explains, of the first objective and of the duration."""
    if len(finished(found)) < FEWEST:
        return {}
    goal = search.objectives[0]
    sign = -1.0 if goal.better == "higher" else 1.0  # low is what keys are asked to explain
    targets: dict[str, Callable[[Any], float]] = {
        goal.name: lambda trial: sign * trial.values[0],
        "duration": lambda trial: trial.duration.total_seconds(),
    }
    explained: dict[str, dict[str, float]] = {}
    for name, target in targets.items():
        with hushed(), warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that low values are explained, as is meant
            try:
                shares = optuna.importance.get_param_importances(search.study, target=target)
            except (ValueError, RuntimeError):  # too few trials, or none that differ
                shares = {}
        explained[name] = {key: share for key, share in shares.items() if math.isfinite(share)}
    return explained
