"""A whole study: it searches, goes on where it was, is honest about its best, and survives bad trials."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.trial import TrialState

from html_page import Page
from listening import Listener
from lookalike import evaluate, train
from lookalike.cli import app
from lookalike.errors import ConfigError, TableError, TrainingError
from lookalike.models.model import Model
from lookalike.runfile import load_config
from lookalike.tables.table import ImageTable
from lookalike.training import tuning_material, tuning_search, tuning_verdict
from lookalike.training.build import side_of
from lookalike.training.keeping import EpochEnd
from lookalike.training.settled import Settled
from lookalike.training.tuning import Study, tune
from lookalike.training.tuning_material import Material
from lookalike.training.tuning_trial import Attempt, attempt, known_figures
from small_study import write_study


@pytest.fixture(scope="module")
def listener() -> Listener:
    return Listener()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def study(few: Path, backbone: Model, place: Path, listener: Listener) -> Study:
    return tune(write_study(place), few, out=place / "study", watcher=listener)


def quick(settings: Any, value: float = 0.5) -> Attempt:
    """What no head had to be trained for."""
    return Attempt(
        Settled(1), figures=dict.fromkeys(known_figures(), value + settings.training.learning_rate)
    )


def test_a_study_ends_with_trials_a_run_file_and_a_model(study: Study, place: Path) -> None:
    assert [trial.state for trial in study.trials].count("complete") >= 2
    assert len(study.trials) == 4
    assert study.best is not None
    assert study.best.values[0] == max(trial.values[0] for trial in study.trials if trial.values)
    names = {
        "study.db",
        "study.json",
        "split.parquet",
        "trials.csv",
        "best.yaml",
        "report.html",
        f"trial_{study.best.number}",
    }
    assert names <= {path.name for path in (place / "study").iterdir()}
    with (place / "study" / "trials.csv").open() as file:
        assert len(list(csv.DictReader(file))) == 4


def test_the_best_is_trained_on_train_and_val_and_judged_on_test(study: Study) -> None:
    assert study.model is not None
    assert study.best is not None
    assert study.report is not None
    table = ImageTable.read(study.folder / "split.parquet")
    figures = evaluate(study.model, table, split="test").report
    assert figures.seen == 0
    assert figures.figures["map@r"] == study.report.figures["map@r"]
    assert evaluate(study.model, table, split="val", draws=10).report.seen == len(table.select("val"))
    facts = study.model.facts["training"]
    assert (facts["images"], facts["epochs"]) == (
        len(table.select("train")) + len(table.select("val")), study.best.epochs,
    )  # fmt: skip
    assert study.model.threshold is None


def test_train_takes_the_best_settings_as_they_are_and_reaches_the_same(
    study: Study, few: Path, tmp_path: Path
) -> None:
    assert study.settings is not None
    assert study.best is not None
    values = yaml.safe_load(study.settings.read_text())
    assert values["name"] == "small_best"
    assert values["data"] == str(few.absolute())
    assert load_config(study.settings).data == str(few.absolute())  # so that no --data is needed
    assert "search" not in values
    run = train(study.settings, few, out=tmp_path, overrides=["training.loggers=[csv]"])
    found = evaluate(run.model, ImageTable.read(tmp_path / "split.parquet"), split="val", draws=10).figures
    for name in ("map@r", "recall@1", "roc_auc", "mean_rank"):
        assert found[name].value == pytest.approx(study.best.figures[name], abs=2e-3)
    assert set(found) == set(study.best.figures)


def test_the_report_has_every_plot(study: Study) -> None:
    page = Page((study.folder / "report.html").read_text())
    assert "4 settings were tried" in page.words()
    for section in ("history", "intermediate", "importances", "durations", "slices", "parallel", "contours"):
        assert "Nothing to draw" not in page.words(section)
    assert not page.all("script")


def test_progress_is_told(study: Study, listener: Listener) -> None:
    assert listener.stages["trials"][0] == (0, 4)
    assert listener.stages["trials"][-1] == (4, 4)
    lines = [line for line in listener.said if line.startswith("Trial ")]
    assert len(lines) == 4
    assert "best so far map@r" in lines[0]
    assert "1 of 4 done, about" in lines[0]


def test_the_same_seed_gives_the_same_trials(study: Study, few: Path, place: Path, tmp_path: Path) -> None:
    first = tune(place / "small.yaml", few, out=tmp_path, trials=2)
    again = tune(place / "small.yaml", few, out=tmp_path)  # goes on
    assert [trial.number for trial in first.trials] == [0, 1]
    for one, other in zip(study.trials, again.trials, strict=True):
        assert (one.params, one.values, one.course) == (other.params, other.values, other.course)


def test_a_study_that_is_finished_tries_nothing_more(
    study: Study, few: Path, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning_search, "attempt", None)
    monkeypatch.setattr(tuning_verdict, "evaluate", None)  # what test said is read, and not asked again
    again = tune(place / "small.yaml", few, out=study.folder)
    assert again.trials == study.trials
    assert again.report is not None
    assert again.report == study.report


def test_the_dashboard_opens_the_study(study: Study) -> None:
    dashboard = pytest.importorskip("optuna_dashboard")
    storage = optuna.storages.RDBStorage(f"sqlite:///{study.folder / 'study.db'}")
    told: list[str] = []
    served = dashboard.wsgi(storage)(
        {"REQUEST_METHOD": "GET", "PATH_INFO": "/api/studies", "wsgi.input": None, "QUERY_STRING": ""},
        lambda status, _headers, *_rest: told.append(status),
    )
    assert b'"study_name": "small"' in b"".join(served)
    assert told == ["200 OK"]
    assert (
        optuna.load_study(study_name="small", storage=storage).best_value
        == study.trials[study.best.number if study.best else 0].values[0]
    )


def test_features_are_computed_once_for_all_trials(
    study: Study, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    make = side_of

    def count(*arguments: Any, **options: Any) -> Any:
        asked.append(arguments[2])
        return make(*arguments, **options)

    monkeypatch.setattr(tuning_material, "side_of", count)
    tune(write_study(tmp_path, study={"trials": 3, "startup_trials": 1}), few, out=tmp_path / "o")
    assert asked == ["train", "val", "train"]  # the last one: train and val together, of the best


def test_a_trial_is_pruned_at_once(
    few: Path, backbone: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []

    def pretend(settings: Any, *_: Any, epoch: EpochEnd, **__: Any) -> Attempt:
        told.append(0)
        for number in range(4):
            told[-1] += 1
            epoch({"epoch": number, "val_map@r": 0.1 * (number + 1) if len(told) < 4 else 0.01})
        return quick(settings)

    monkeypatch.setattr(tuning_search, "attempt", pretend)
    path = write_study(tmp_path, study={"trials": 6, "startup_trials": 3, "warmup_epochs": 1})
    found = tune(path, few, out=tmp_path / "o")
    assert told == [4, 4, 4, 2, 2, 2]  # the first epoch is spared
    assert [trial.state for trial in found.trials] == ["complete"] * 3 + ["pruned"] * 3
    assert [len(trial.course) for trial in found.trials] == told


def test_what_a_pruner_says_ends_a_real_training(few: Path, backbone: Model, tmp_path: Path) -> None:
    path = write_study(tmp_path, study={"trials": 2})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(optuna.Trial, "should_prune", lambda trial: len(trial.study.trials) > 1)
        found = tune(path, few, out=tmp_path / "o")
    assert [(trial.state, len(trial.course)) for trial in found.trials] == [("complete", 3), ("pruned", 1)]


def test_several_objectives_have_a_front(few: Path, backbone: Model, tmp_path: Path) -> None:
    path = write_study(tmp_path, study={"trials": 3, "objective": ["map@r", "dimensions", "milliseconds"]})
    found = tune(path, few, out=tmp_path / "o")
    assert all(trial.state == "complete" for trial in found.trials)
    for trial in found.trials:
        assert trial.values[1] == trial.params["network.embedding_dim"]
        assert trial.values[2] > 0
        assert list(trial.course) == [1, 2, 3]
    for section in ("pareto", "intermediate"):
        assert "Nothing to draw" not in Page((tmp_path / "o" / "report.html").read_text()).words(section)


def test_a_solved_head_is_a_trial_too(few: Path, backbone: Model, tmp_path: Path) -> None:
    path = write_study(
        tmp_path, network={"powers": [0.5, 1.0], "shrinkages": [1.0]},
        search={"network.embedding_dim": [8, 16], "network.head": ["closed_form", "linear"]},
        study={"trials": 4},
    )  # fmt: skip
    found = tune(path, few, out=tmp_path / "o")
    assert {trial.state for trial in found.trials} == {"complete"}
    assert found.best is not None
    assert found.best.solved["map_at_r"] > 0
    assert found.report is not None


def test_a_failed_trial_is_kept_with_its_message_and_the_study_goes_on(
    few: Path, backbone: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def fail(settings: Any, *_: Any, **__: Any) -> Attempt:
        calls.append(settings)
        if len(calls) in (1, 3):
            raise TrainingError("it went wrong", where="here", saw=f"call {len(calls)}", do="mend it")
        if len(calls) == 4:
            raise ValueError("not foreseen")
        return quick(settings)

    monkeypatch.setattr(tuning_search, "attempt", fail)
    listener = Listener()
    found = tune(write_study(tmp_path, study={"trials": 5}), few, out=tmp_path / "o", watcher=listener)
    assert [trial.state for trial in found.trials] == ["failed", "complete", "failed", "failed", "complete"]
    assert "it went wrong - here - saw call 1" in found.trials[0].message
    assert found.trials[3].message == "ValueError: not foreseen"
    assert any(line.startswith("Trial 0 failed: it went wrong") for line in listener.said)


def test_three_failures_alike_end_the_study(
    few: Path, backbone: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Attempt:
        raise TrainingError("it went wrong", where="here", saw="this", do="mend it")

    monkeypatch.setattr(tuning_search, "attempt", fail)
    path = write_study(tmp_path, study={"trials": 9})
    with pytest.raises(TrainingError, match=r"3 trials in a row failed with the same message.*it went wrong"):
        tune(path, few, out=tmp_path / "o")
    with (tmp_path / "o" / "trials.csv").open() as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["failed"] * 3
    monkeypatch.setattr(tuning_search, "attempt", lambda settings, *_, **__: quick(settings))
    assert len(tune(path, few, out=tmp_path / "o", trials=5).trials) == 5  # mended, it goes on


def test_failures_of_other_processes_count_and_those_of_the_dead_do_not(
    few: Path, backbone: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> Attempt:
        fails.append(TrainingError("it went wrong", where="here", saw="this", do="mend it"))
        study = optuna.load_study(study_name="small", storage=f"sqlite:///{tmp_path / 'o' / 'study.db'}")
        for message in ({"message": str(fails[0])}, {}):  # of another process, and of one that died
            study.add_trial(optuna.create_trial(state=TrialState.FAIL, user_attrs=message))
        raise fails[0]

    fails: list[TrainingError] = []
    monkeypatch.setattr(tuning_search, "attempt", fail)
    with pytest.raises(TrainingError, match="3 trials in a row failed with the same message"):
        tune(write_study(tmp_path, study={"trials": 9}), few, out=tmp_path / "o")
    assert len(fails) == 2


def test_time_that_is_over_begins_no_trial(few: Path, backbone: Model, tmp_path: Path) -> None:
    listener = Listener()
    found = tune(write_study(tmp_path), few, out=tmp_path / "o", timeout=1e-9, watcher=listener)
    assert found.trials == ()
    assert found.best is None
    assert "No trial came to its end, so there are no best settings." in listener.said
    assert "No trial came to its end" in (tmp_path / "o" / "report.html").read_text()


def test_a_whole_network_is_trained_as_a_run_would(few: Path, backbone: Model, tmp_path: Path) -> None:
    path = write_study(
        tmp_path,
        preprocess={"size": 32},
        network={
            "backbone": "similarity_convnet",
            "pretrained": False,
            "frozen": False,
            "head_start": "random",
        },
        search={"network.embedding_dim": [4, 6]},
        training={"epochs": 1, "refit": False, "workers": 0, "device": "cpu"},
        study={"trials": 1, "objective": ["map@r", "dimensions", "milliseconds"]},
    )
    found = tune(path, few, out=tmp_path / "o")
    assert found.trials[0].state == "complete", found.trials[0].message
    assert found.trials[0].values[1] == found.trials[0].params["network.embedding_dim"]
    assert found.report is not None
    note = "1 setting was tried: 1 to the end. Chosen as the best of them on validation"
    words = Page((tmp_path / "o" / "trial_0" / "report.html").read_text()).words("training")
    assert note in words
    assert "trained again on train and val" in words
    assert "No threshold was chosen" in words
    assert found.model is not None
    assert found.model.threshold is None
    table = ImageTable.read(tmp_path / "o" / "split.parquet")
    facts, best = found.model.facts["training"], found.trials[0]
    assert facts["images"] == len(table) - len(table.select("test"))
    assert facts["epochs"] == best.epochs
    assert not (tmp_path / "o" / "trial_0" / "checkpoints" / "best.ckpt").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"study": {"objective": "map@k"}}, "a metric is not computed - .*saw 'map@k'.*did you mean map@r"),
        ({"study": {"objective": "zz"}}, "a metric is not computed.*choose one of these"),
        ({"study": {"objective": ["dimensions", "map@r"]}}, "the objectives do not fit"),
        ({"study": {"objective": ["map@r", "map@r"]}}, "the objectives do not fit"),
        ({"batches": {"category": "colour"}}, "the table has no such column"),
        (
            {"network": {}, "search": {"batches.class_list": [None, ["no such thing"]]}},
            r"batches\.class_list - saw 'no such thing'",
        ),
    ],
    ids=str,
)
def test_what_no_trial_can_do_is_refused_before_any(
    few: Path, tmp_path: Path, changes: Mapping[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        tune(write_study(tmp_path, **changes), few, out=tmp_path / "o")


def test_bad_arguments_are_refused(few: Path, tmp_path: Path) -> None:
    path = write_study(tmp_path)
    with pytest.raises(ConfigError, match="jobs - saw 0, wanted 1 or more"):
        tune(path, few, out=tmp_path / "o", jobs=0)
    with pytest.raises(ConfigError, match=r"study\.trials - saw 0"):
        tune(path, few, out=tmp_path / "o", trials=0)
    with pytest.raises(TableError, match="no data was named"):
        tune(path, out=tmp_path / "o")
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="the study's folder cannot be made"):
        tune(path, few, out=tmp_path / "file" / "o")
    with pytest.raises(
        ConfigError, match=r"storage is no file - --storage - saw sqlite://, wanted sqlite:///FILE"
    ):
        tune(path, few, out=tmp_path / "o", storage="sqlite://")


def test_a_trial_counts_what_evaluate_counts(study: Study) -> None:
    material = Material(ImageTable.read(study.folder / "split.parquet"))
    from lookalike.training.tuning_space import load_study

    file = load_study(study.folder.parent / "small.yaml")
    assert study.best is not None
    again = attempt(file.settings(study.best.params), material)
    assert again.figures["map@r"] == pytest.approx(study.best.values[0], abs=1e-6)
    assert set(known_figures()) - {"milliseconds", "dimensions"} <= set(again.figures)


def test_the_command_prints_the_best(
    study: Study, few: Path, place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["tune", str(place / "small.yaml"), "--data", str(few), "--out", str(study.folder)]
    assert app(command, standalone_mode=False) == 0
    shown = capfd.readouterr().out
    assert "4 settings were tried" in shown
    assert f"Settings: {study.folder / 'best.yaml'}" in shown
    empty = [*command[:4], "--out", str(place / "empty"), "--timeout", "1e-9"]
    assert app(empty, standalone_mode=False) == 1
