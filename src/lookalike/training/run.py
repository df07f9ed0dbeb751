"""One run: a table and a config in, a run folder out.

The folder keeps config.yaml, split.parquet, versions.json, metrics.csv, checkpoints/, tensorboard/, model/
and report.html. Everything after the export (threshold, figures, report) runs the exported model.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from lookalike.card import write_card
from lookalike.config import RunConfig
from lookalike.errors import CalibrationError, ConfigError, EvaluationError, TableError
from lookalike.evaluation import Evaluation, calibrate, evaluate
from lookalike.files import write_atomically
from lookalike.model import Model
from lookalike.pages import installed, report_page
from lookalike.records import SILENT, Skipped, Threshold, Watcher
from lookalike.report import write_report
from lookalike.runfile import apply_overrides, dump_config, load_config, parse_config
from lookalike.splits import check_judgeable, check_trainable, split_table
from lookalike.table import ImageTable
from lookalike.training.build import MODEL, Built, build
from lookalike.training.closed_form import Candidate

CONFIG, SPLIT, VERSIONS, REPORT = "config.yaml", "split.parquet", "versions.json", "report.html"
CHECKPOINTS = "checkpoints"


@dataclass(frozen=True)
class Run:
    """What a training leaves.

    Attributes:
        folder: the run folder; `model` lies in it, as does report.html.
        threshold: the match threshold from val; None where val could not support the target.
        evaluation: the figures on test; None where test holds nothing to judge.
        skipped: pictures that could not be used for training or validation.
    """

    folder: Path
    model: Model
    threshold: Threshold | None
    evaluation: Evaluation | None
    skipped: tuple[Skipped, ...]


def train(
    config: RunConfig | str | Path,
    data: ImageTable | str | Path | None = None,
    *,
    out: str | Path | None = None,
    overrides: Sequence[str] = (),
    resume: bool = False,
    watcher: Watcher = SILENT,
) -> Run:
    """Train, export, calibrate on val, evaluate on test and write the report.

    Args:
        config: a run file or a config.
        data: a table, or what `ImageTable.read` takes; None takes the config's `data`.
        out: the run folder; None takes runs/<name>.
        overrides: "key=value" entries that win over the run file.
        resume: continue a run that was stopped; without it, a folder that holds a run is refused.

    Raises:
        ConfigError: the run file or an override is wrong, or the folder holds another run.
        TableError: the data cannot be read or not be trained on.
        ModelError: a backbone's weights or the export failed.
    """
    settings = _settings(config, overrides)
    folder = Path(out) if out is not None else Path("runs") / settings.name
    if resume and (folder / CONFIG).exists():
        _check_same(load_config(folder / CONFIG), settings, folder)
        table = ImageTable.read(folder / SPLIT)
    else:
        _check_free(folder)
        table = _split(settings, data, watcher)
        _claim(folder, settings, table)
    built = build(table, settings, folder=folder, resume=resume, created=_now(), watcher=watcher)
    threshold = _calibrate(built.model, table, settings, watcher)
    evaluation = _evaluate(built.model, table, watcher)
    _report(folder, settings, table, built, evaluation)
    return Run(folder, built.model, threshold, evaluation, built.skipped)


def _settings(config: RunConfig | str | Path, overrides: Sequence[str]) -> RunConfig:
    if not isinstance(config, RunConfig):
        return load_config(Path(config), overrides=overrides)
    if not overrides:
        return config
    return parse_config(apply_overrides(config.model_dump(mode="json"), overrides))


def _check_free(folder: Path) -> None:
    """Refuse a folder in which something was trained already."""
    if any((folder / name).exists() for name in (MODEL, CHECKPOINTS)):
        raise ConfigError(
            "the folder holds a run already",
            where=folder,
            saw="a model or checkpoints",
            do="add --resume to go on with it, or give another folder with --out",
        )


def _claim(folder: Path, settings: RunConfig, table: ImageTable) -> None:
    """Write what the run is, once its settings and its data are known to be good."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            "the run folder cannot be made",
            where=folder,
            saw=error.strerror or str(error),
            do="give a folder that can be written with --out",
        ) from error
    write_atomically(folder / VERSIONS, json.dumps(installed(), indent=2).encode())
    table.save(folder / SPLIT)
    write_atomically(folder / CONFIG, dump_config(settings).encode())


def _check_same(stored: RunConfig, asked: RunConfig, folder: Path) -> None:
    before, now = _flat(stored.model_dump(mode="json")), _flat(asked.model_dump(mode="json"))
    changed = [key for key in now if now[key] != before.get(key) and key != "data"]
    if changed:
        key = changed[0]
        raise ConfigError(
            "a resumed run cannot change its settings",
            where=f"{folder}: {key}",
            saw=f"{now[key]}",
            wanted=f"{before.get(key)}, as when it began",
            do="take the change back, or start a new run with --out",
        )


def _flat(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = value
    return flat


def _split(settings: RunConfig, data: ImageTable | str | Path | None, watcher: Watcher) -> ImageTable:
    """The table with its splits, each of them fit for its job."""
    source = data if data is not None else settings.data
    if source is None:
        raise TableError(
            "no data was named",
            where="data",
            saw="neither --data nor a data: key",
            do="add --data FOLDER, a folder with one sub-folder per thing",
        )
    table = source if isinstance(source, ImageTable) else ImageTable.read(source)
    split = split_table(table, settings.split, seed=settings.seed)
    for note in split.notes:
        watcher.say(note)
    for note in check_trainable(split.table.select("train").labels):
        watcher.say(note)
    for name in ("val", "test") if settings.split.test or table.has_splits else ("val",):
        if name in split.table.splits:
            check_judgeable(split.table.select(name).labels, split=name)
    return split.table


def _calibrate(model: Model, table: ImageTable, settings: RunConfig, watcher: Watcher) -> Threshold | None:
    wanted = settings.calibration
    try:
        return calibrate(
            model,
            table,
            split="val",
            target=wanted.target,
            confidence=wanted.confidence,
            progress=watcher.stage("calibrate on val"),
        )
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
    folder: Path, settings: RunConfig, table: ImageTable, built: Built, evaluation: Evaluation | None
) -> None:
    write_card(built.model, evaluation.report if evaluation else None)
    if evaluation is None:
        return
    page = report_page(
        evaluation,
        built.model,
        table=table,
        created=_now(),
        history=built.history,
        candidates=[_candidate(tried) for tried in built.candidates],
        recipe=dump_config(settings),
    )
    write_report(page, folder / REPORT)


def _candidate(tried: Candidate) -> dict[str, float]:
    return {"power": tried.power, "shrinkage": tried.shrinkage, "fill": tried.fill, "map@r": tried.map_at_r}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
