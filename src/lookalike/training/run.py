"""One run: a table and a config in, a run folder out.

The folder keeps config.yaml, split.parquet, versions.json, metrics.csv, checkpoints/, tensorboard/, model/,
report.html and report.json. Everything after the export (threshold, figures, report) runs the exported model.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from lookalike.attribute_evaluation import AttributeReport, evaluate_attributes
from lookalike.calibrating import calibrate
from lookalike.config import RunConfig
from lookalike.errors import CalibrationError, EvaluationError, MissingExtraError, TableError
from lookalike.evaluation import Evaluation, evaluate
from lookalike.files import write_atomically
from lookalike.judging.calibration import Target
from lookalike.models.card import write_card
from lookalike.models.model import Model
from lookalike.presenting.attribute_page import attribute_page, write_attributes
from lookalike.presenting.attribute_wording import attribute_json, attribute_lines
from lookalike.presenting.pages import report_page
from lookalike.presenting.report import write_report
from lookalike.presenting.results import results, write_results
from lookalike.records import SILENT, Alarm, Skipped, Threshold, Watcher
from lookalike.runfile import apply_overrides, dump_config, load_config, parse_config
from lookalike.tables.splits import check_judgeable, check_trainable, split_table, split_unlabelled
from lookalike.tables.table import ImageTable
from lookalike.training.claim import check_free, claim, claimed, held
from lookalike.training.closed_form import Candidate
from lookalike.training.processes import is_first
from lookalike.training.unused import memory_in_words, unused_in_words

try:
    from lookalike.training.build import MODEL, Built, build
    from lookalike.training.preflight import check_settings
except ModuleNotFoundError as error:
    raise MissingExtraError(error.name or "onnx", extra="train") from error

CHECKPOINTS, REPORT, ATTRIBUTES = "checkpoints", "report.html", "attributes.json"


@dataclass(frozen=True)
class Run:
    """What a training leaves.

    Attributes:
        folder: the run folder; `model` lies in it, as do report.html and report.json.
        threshold: the match threshold from val; None where val could not support the target.
        evaluation: the figures on test; None where test holds nothing to judge.
        skipped: pictures that could not be used for training or validation.
        alarms: what went wrong in a training by gradient; each was said when it was seen.
        attributes: the figures of attribute retrieval on test, of a run with attributes; such a run has
            neither threshold nor evaluation, because labels play no part in it.
    """

    folder: Path
    model: Model
    threshold: Threshold | None
    evaluation: Evaluation | None
    skipped: tuple[Skipped, ...]
    alarms: tuple[Alarm, ...] = ()
    attributes: AttributeReport | None = None


def train(
    config: RunConfig | str | Path,
    data: ImageTable | str | Path | None = None,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    notes: Sequence[str] = (),
    watcher: Watcher = SILENT,
) -> Run:
    """Train, export, calibrate on val, evaluate on test and write the report.

    Args:
        config: a run file or a config.
        data: a table, or what `ImageTable.read` takes; None takes the config's `data`.
        out: the run folder; None takes runs/<name>.
        overrides: "key=value" entries that win over the run file.
        resume: continue a run that was stopped; without it, a folder that holds a run is refused.
        notes: sentences that the report shall say too.

    Raises:
        ConfigError: the run file or an override is wrong, or the folder holds another run.
        CalibrationError: the target of the threshold is not understood.
        TableError: the data cannot be read or not be trained on.
        ModelError: a backbone's weights or the export failed.
    """
    settings = _settings(config, overrides)
    Target.parse(settings.calibration.target)
    folder = Path(out) if out is not None else Path("runs") / settings.name
    watcher = watcher if is_first() else SILENT
    new = not resume and is_first()
    if new:
        check_free(folder, MODEL, CHECKPOINTS)
    table = claimed(folder, settings, data) if resume else None
    if table is None:
        if resume:
            watcher.say(f"{folder} holds no run yet: this one starts from the beginning.")
        table = prepared_table(settings, data, watcher)
    elif (folder / MODEL).exists() and any((folder / name).exists() for name in (REPORT, ATTRIBUTES)):
        watcher.say(f"The run in {folder} is finished: its model is judged once more, and left as it is.")
        return _finished(folder, table, settings, watcher)
    check_settings(settings, table)
    with held(folder):
        if new:
            check_free(folder, MODEL, CHECKPOINTS)
        claim(folder, settings, table)
        return _run(folder, table, settings, resume=resume, notes=notes, watcher=watcher)


def _run(
    folder: Path,
    table: ImageTable,
    settings: RunConfig,
    *,
    resume: bool,
    notes: Sequence[str],
    watcher: Watcher,
) -> Run:
    built = build(table, settings, folder=folder, resume=resume, created=_now(), watcher=watcher)
    built = replace(built, notes=(*built.notes, *notes))
    skipped = (*table.skipped, *built.skipped)
    if not is_first():  # what follows is done once
        return Run(folder, built.model, built.model.threshold, None, skipped, built.alarms)
    if settings.attributes is not None:
        report = _evaluate_attributes(built.model, table, watcher)
        write_card(built.model, None, measured=attribute_lines(report) if report else ())
        if report is not None:
            write_atomically(folder / ATTRIBUTES, json.dumps(attribute_json(report), indent=2).encode())
            _report_attributes(folder, settings, table, built, report)
        return Run(folder, built.model, None, None, skipped, built.alarms, report)
    threshold = _calibrate(built.model, table, settings, watcher)
    evaluation = _evaluate(built.model, table, watcher)
    _report(folder, settings, table, built, evaluation, watcher)
    return Run(folder, built.model, threshold, evaluation, skipped, built.alarms)


def _finished(folder: Path, table: ImageTable, settings: RunConfig, watcher: Watcher) -> Run:
    model = Model.load(folder / MODEL)
    if settings.attributes is not None:
        report = _evaluate_attributes(model, table, watcher)
        return Run(folder, model, None, None, (), attributes=report)
    return Run(folder, model, model.threshold, _evaluate(model, table, watcher), ())


def _settings(config: RunConfig | str | Path, overrides: Sequence[str]) -> RunConfig:
    if not isinstance(config, RunConfig):
        return load_config(Path(config), overrides=overrides)
    if not overrides:
        return config
    return parse_config(apply_overrides(config.model_dump(mode="json"), overrides))


def prepared_table(settings: RunConfig, data: ImageTable | str | Path | None, watcher: Watcher) -> ImageTable:
    """The table with its splits, each of them fit for its job.

    Raises:
        TableError: there is none, or a split does not serve.
    """
    for note in unused_in_words(settings):
        watcher.say(note)
    source = data if data is not None else settings.data
    if source is None:
        raise TableError(
            "no data was named",
            where="data",
            saw="neither --data nor a data: key",
            do="add --data FOLDER, a folder with one sub-folder per thing",
        )
    table = source if isinstance(source, ImageTable) else ImageTable.read(source)
    if settings.attributes is not None:
        return _split_unchecked(table, settings, watcher)
    table = _labelled(table, watcher)
    split = split_table(table, settings.split, seed=settings.seed)
    for note in (*table.notes, *split.notes):
        watcher.say(note)
    _check_there(split.table, "train", job="learn from")
    labels = split.table.select("train").labels
    for note in (*check_trainable(labels, by=settings.split.by), *memory_in_words(settings, labels)):
        watcher.say(note)
    _check_there(split.table, "val", job="choose settings and the threshold by")
    for name in ("val", "test"):
        if name in split.table.splits:
            check_judgeable(split.table.select(name), split=name, by=settings.split.by)
    return split.table


def _labelled(table: ImageTable, watcher: Watcher) -> ImageTable:
    """The pictures with a label, where only some have one."""
    known = table.frame["label"].is_not_null().to_numpy()
    if known.all() or not known.any():
        return table
    watcher.say(f"pictures without a label, which are left out: {(~known).sum():,}")
    return table.filter(known)


def _split_unchecked(table: ImageTable, settings: RunConfig, watcher: Watcher) -> ImageTable:
    """The table with its splits, where labels need not say anything."""
    whole = table.frame["label"].null_count() == 0
    split = (split_table if whole else split_unlabelled)(table, settings.split, seed=settings.seed)
    for note in (*table.notes, *split.notes):
        watcher.say(note)
    return split.table


def _check_there(table: ImageTable, name: str, *, job: str) -> None:
    """Refuse a table without the pictures for a job."""
    if name not in table.splits:
        raise TableError(
            f"there is nothing to {job}",
            where=f"split {name}",
            saw=f"pictures of {' and '.join(table.splits)} only",
            do=f"give split.{name} a share above 0, or mark some pictures as {name}",
        )


def _evaluate_attributes(model: Model, table: ImageTable, watcher: Watcher) -> AttributeReport | None:
    try:
        progress = watcher.stage("evaluate on test")
        return evaluate_attributes(model, table, split="test", progress=progress)
    except (EvaluationError, TableError) as error:
        watcher.say(f"No figures: {error}")
        return None


def _calibrate(model: Model, table: ImageTable, settings: RunConfig, watcher: Watcher) -> Threshold | None:
    wanted = settings.calibration
    try:
        return calibrate(
            model, table, split="val", target=wanted.target, confidence=wanted.confidence,
            progress=watcher.stage("calibrate on val"),
        )  # fmt: skip
    except (CalibrationError, EvaluationError, TableError) as error:
        watcher.say(f"No threshold: {error}")
        return None


def _evaluate(model: Model, table: ImageTable, watcher: Watcher) -> Evaluation | None:
    try:
        return evaluate(model, table, split="test", progress=watcher.stage("evaluate on test"))
    except (EvaluationError, TableError) as error:
        watcher.say(f"No figures: {error}")
        return None


def _report(
    folder: Path,
    settings: RunConfig,
    table: ImageTable,
    built: Built,
    evaluation: Evaluation | None,
    watcher: Watcher,
) -> None:
    write_card(built.model, evaluation.report if evaluation else None)
    if evaluation is None:
        return
    page = report_page(
        evaluation, built.model, table=table, created=_now(), history=built.history, start=built.start,
        course=built.similarities, alarms=built.alarms, notes=built.notes,
        candidates=[_candidate(tried) for tried in built.candidates], recipe=dump_config(settings),
        progress=watcher.stage("draw the report"),
    )  # fmt: skip
    values = results(
        evaluation, built.model, table=table, created=page.created, recipe=settings.model_dump(mode="json"),
        notes=built.notes, alarms=built.alarms,
    )  # fmt: skip
    write_results(values, folder)
    write_report(page, folder / REPORT)


def _report_attributes(
    folder: Path, settings: RunConfig, table: ImageTable, built: Built, report: AttributeReport
) -> None:
    page = attribute_page(
        report,
        table,
        created=_now(),
        history=built.history,
        notes=built.notes,
        recipe=dump_config(settings),
    )
    write_attributes(page, folder / REPORT)


def _candidate(tried: Candidate) -> dict[str, float]:
    return {"power": tried.power, "shrinkage": tried.shrinkage, "fill": tried.fill, "map@r": tried.map_at_r}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
