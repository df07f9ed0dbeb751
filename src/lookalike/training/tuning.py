"""A study: a file of settings and spaces, and a table, in; trials, the best settings and their worth out.

The folder keeps study.db (or nothing, where another storage is named), study.json, split.parquet, trials.csv,
best.yaml, report.html and, of the best trial, a run folder with its model. Run again, a study goes on.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import filelock
import yaml

from lookalike import layouts
from lookalike.errors import ConfigError, LookalikeError, TableError
from lookalike.files import write_atomically
from lookalike.models.model import Model
from lookalike.presenting.trials import COSTS, Objective, Trial, best_trial, trials_csv
from lookalike.presenting.tuning_page import StudyPage, best_in_words, tried_in_words, write_study
from lookalike.records import SILENT, Figure, Report, Watcher
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.claim import SPLIT
from lookalike.training.preflight import check_settings
from lookalike.training.run import prepared_table
from lookalike.training.settled import Settled
from lookalike.training.stops import stops_wait
from lookalike.training.tuning_final import Final, train_finally
from lookalike.training.tuning_folder import make_folder, take_folder
from lookalike.training.tuning_importances import importances_of
from lookalike.training.tuning_jobs import helpers, new_search
from lookalike.training.tuning_search import Search
from lookalike.training.tuning_space import StudyFile, load_study
from lookalike.training.tuning_storage import working
from lookalike.training.tuning_store import (
    check_content,
    count_judged,
    open_study,
    trials_of,
)
from lookalike.training.tuning_trial import known_figures, objectives_of, on_features
from lookalike.training.tuning_verdict import now

DATABASE, TABLE, BEST, PAGE, LOCK = "study.db", "trials.csv", "best.yaml", "report.html", ".end.lock"

LEARNED = "train and val"  # by the last model


@dataclass(frozen=True)
class Study:
    """What a study has found.

    Attributes:
        trials: all that were begun, in order.
        best: the best of them; None where none came to its end.
        settings: the best settings as a run file; model: trained on them.
        report: the model's figures on test; None where there are none, and by attributes.
        attributes: of a study by attributes, name to figure on test.
    """

    folder: Path
    objectives: tuple[Objective, ...]
    trials: tuple[Trial, ...]
    best: Trial | None
    settings: Path | None = None
    model: Model | None = None
    report: Report | None = None
    attributes: Mapping[str, Figure] = field(default_factory=dict)


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
        ConfigError: the file or an override is wrong, or storage or folder hold another study.
        TableError: the data cannot be read or not be trained on.
        TrainingError: three trials in a row failed with the same message, or the storage failed.
    """
    given = {"study.trials": trials, "study.timeout": timeout}
    said = [f"{key}={value}" for key, value in given.items() if value is not None]
    file = _placed(load_study(Path(study), overrides=[*overrides, *said]), data)
    if jobs < 1:
        raise ConfigError(
            "a value does not fit", where="jobs", saw=f"{jobs}", wanted="1 or more", do="change it"
        )
    objectives = _objectives(file)
    table = prepared_table(file.base, data, watcher)
    _check_candidates(file, table)
    folder = Path(out) if out is not None else Path("runs") / file.base.name
    make_folder(folder, file.base.name)
    url = storage or f"sqlite:///{(folder / DATABASE).resolve()}"
    with working(url):
        with filelock.FileLock(folder / LOCK):  # one process makes the tables
            opened = open_study(file, url, objectives=objectives, data=table.fingerprint())
            take_folder(folder, opened)
            table.save(folder / SPLIT)
        search = new_search(file, opened, folder, table, objectives, jobs=jobs, watcher=watcher)
        return _end(search, _searched(search, url))


def _placed(file: StudyFile, data: ImageTable | str | Path | None) -> StudyFile:
    """The file with the place of data that was named beside it, so that its run files can be used alone."""
    if data is None or isinstance(data, ImageTable):
        return file
    return replace(file, fixed={**file.fixed, "data": layouts.placed(data)[0]})


def _check_candidates(file: StudyFile, table: ImageTable) -> None:
    """Refuse choices, and ends of ranges, that no run on this table can have."""
    check_settings(file.base, table)
    for runs in file.of_candidates():
        errors: list[LookalikeError] = []
        for config in runs:
            try:
                check_settings(config, table)
                break
            except (ConfigError, TableError) as error:
                errors.append(error)
        else:
            raise errors[0]


def _searched(search: Search, url: str) -> tuple[Trial, ...]:
    """Every trial, once the search is over; the table of trials is kept also of one that was stopped."""
    try:
        if on_features(search.file.base):
            search.material.prepared(search.file.base)  # before other processes ask for it
            check_content(search.study, search.material.content(search.file.base))
        with helpers(search, url, count=search.jobs - 1):
            search.run()
    finally:
        with stops_wait():
            found = _write_table(search)
    return found


def _objectives(file: StudyFile) -> tuple[Objective, ...]:
    """What is searched for, each known.

    Raises:
        ConfigError: an evaluation has no such figure, or there is a cost and no figure.
    """
    names, known = file.study.objective, known_figures(attributes=file.by_attributes)
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
        final = _train_best(search, best, found)
        judged = count_judged(search.study, final.folder.name if final.judged else None)
        _write_page(search, found, final, judged=judged)
    settings = search.folder / BEST
    return replace(
        study, settings=settings, model=final.model, report=final.report, attributes=final.attributes
    )


def _train_best(search: Search, best: Trial, found: Sequence[Trial]) -> Final:
    config = parse_config(_settings(search, best))
    settled, before = Settled(best.epochs, best.solved, best.refitted), count_judged(search.study)
    note = (
        f"{tried_in_words(found)} Chosen as the best of them on validation, then trained again on {LEARNED} "
    )
    note += f"{_length_in_words(settled)}and judged once on test."
    if before:
        note += f" Before this one, test has judged {before} model{'s' * (before > 1)} of this study."
    if not search.file.by_attributes:
        note += " No threshold was chosen: all labelled pictures but those of test were learned from."
    return train_finally(
        config, search.material, folder=search.folder / f"trial_{best.number}", settled=settled, note=note,
        watcher=search.watcher,
    )  # fmt: skip


def _length_in_words(settled: Settled) -> str:
    """How long the best was trained again; nothing of what is solved or stays as it began."""
    epochs = settled.epochs
    return f"for {epochs} epoch{'s' * (epochs > 1)}, as many as were best there, " if epochs else ""


def _write_page(search: Search, found: Sequence[Trial], final: Final | None, *, judged: int = 0) -> None:
    best = best_trial(found, search.objectives)
    page = StudyPage(
        title=search.file.base.name,
        objectives=search.objectives,
        trials=found,
        importances=importances_of(search.study, found, search.objectives),
        report=final.report if final else None,
        judged=judged,
        attributes=final.attributes if final else {},
        learned=LEARNED,
        course=search.course,
        folder=final.folder.name if final else "",
        recipe=_recipe(search, best, found) if best else "",
        created=now(),
    )
    write_study(page, search.folder / PAGE)
