"""A study's storage: whose it is, what may change, who lives, and what is said where none opens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState

from lookalike.errors import ConfigError
from lookalike.presenting.trials import Objective
from lookalike.training.tuning_space import StudyFile, load_study
from lookalike.training.tuning_storage import hushed, shown_url
from lookalike.training.tuning_store import (
    MESSAGE,
    WORKER,
    count_done,
    new_pruner,
    new_sampler,
    open_study,
    trials_of,
)
from lookalike.training.tuning_workers import Workers, end_trials_of, end_trials_of_dead
from small_study import STUDY, write_study

MAP = (Objective("map@r"),)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture
def file(tmp_path: Path) -> StudyFile:
    return load_study(write_study(tmp_path))


def begin(study: optuna.Study, **attributes: Any) -> optuna.Trial:
    with hushed():
        trial = study.ask()
    for name, value in attributes.items():
        trial.set_user_attr(name, value)
    return trial


def test_a_study_is_made_once_and_found_again(file: StudyFile, url: str) -> None:
    first = open_study(file, url, objectives=MAP, data="d")
    assert open_study(file, url, objectives=MAP, data="d").user_attrs == first.user_attrs
    assert first.user_attrs["lookalike"]["search"]["network.hidden"] == [[], [16]]
    assert first.metric_names == ["map@r"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batches": {"classes": 6, "images": 4}}, r"study small: batches\.classes - saw 6, wanted 8"),
        (
            {"network": {"head": "feed_forward", "dropout": 0.1}},
            r"network\.dropout - saw 0\.1, wanted nothing",
        ),
        (
            {"search": {"network.embedding_dim": [8], "network.hidden": [[]]}},
            r"search\.network\.embedding_dim",
        ),
        (
            {"search": {**STUDY["search"], "network.hidden": [[16]]}},
            r"network\.hidden - saw \[\[16\]\], wanted \[\[\]",
        ),
        ({"study": {"objective": "recall@1"}}, r"objective - saw \[\"recall@1\"\], wanted \[\"map@r\"\]"),
    ],
    ids=str,
)
def test_a_changed_file_is_refused_and_the_change_is_named(
    file: StudyFile, url: str, tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    open_study(file, url, objectives=MAP, data="d")
    changed = load_study(write_study(tmp_path, **changes))
    with pytest.raises(ConfigError, match=rf"{message}.*--set name="):
        open_study(changed, url, objectives=MAP, data="d")


def test_other_pictures_are_refused(file: StudyFile, url: str) -> None:
    open_study(file, url, objectives=MAP, data="d")
    with pytest.raises(ConfigError, match="saw other pictures, labels or splits"):
        open_study(file, url, objectives=MAP, data="e")


def test_how_to_search_and_where_to_compute_may_change(file: StudyFile, url: str, tmp_path: Path) -> None:
    open_study(file, url, objectives=MAP, data="d")
    training = {**STUDY["training"], "workers": 0, "loggers": ["csv"]}
    more = write_study(
        tmp_path, study={"trials": 90, "pruner": "hyperband"}, training=training, data="elsewhere"
    )
    open_study(load_study(more), url, objectives=MAP, data="d")
    renamed = load_study(write_study(tmp_path, name="other", study={"objective": "map"}))
    assert open_study(renamed, url, objectives=(Objective("map"),), data="d").study_name == "other"


@pytest.mark.parametrize(
    "changes",
    [
        {"preprocess": {}},
        {"network": {"head": "feed_forward", "frozen": True}},
        {"training": {**STUDY["training"], "epochs": 3.0, "workers": 1}},
    ],
    ids=str,
)
def test_what_is_only_said_in_other_words_has_not_changed(
    file: StudyFile, url: str, tmp_path: Path, changes: dict[str, Any]
) -> None:
    first = open_study(file, url, objectives=MAP, data="d")
    again = open_study(load_study(write_study(tmp_path, **changes)), url, objectives=MAP, data="d")
    assert again.user_attrs == first.user_attrs
    with pytest.raises(ConfigError, match="saw other pictures"):
        open_study(load_study(write_study(tmp_path, **changes)), url, objectives=MAP, data="e")


def test_what_began_with_settings_that_are_no_longer_known_is_another_study(
    file: StudyFile, url: str
) -> None:
    study = open_study(file, url, objectives=MAP, data="d")
    kept = study.user_attrs["lookalike"]
    study.set_user_attr("lookalike", {**kept, "fixed": {**kept["fixed"], "gone": 1}})
    with pytest.raises(ConfigError, match="small: gone - saw nothing, wanted 1, as when it began"):
        open_study(file, url, objectives=MAP, data="d")


@pytest.mark.parametrize(
    ("search", "longest"),
    [
        ({"network.embedding_dim": [8]}, 3),
        ({"training.epochs": {"low": 2, "high": 9}}, 9),
        ({"training": [{"epochs": 4}, {"epochs": 7}]}, 7),
    ],
    ids=str,
)
def test_hyperband_knows_the_most_epochs(tmp_path: Path, search: dict[str, Any], longest: int) -> None:
    training = {"epochs": 3} if "network.embedding_dim" in search else None
    changes = {"network": {}, "training": training, "study": {"pruner": "hyperband"}}
    file = load_study(write_study(tmp_path, search=search, **changes))
    assert new_pruner(file)._max_resource == longest  # type: ignore[attr-defined]


def test_a_study_of_somebody_else_is_not_touched(file: StudyFile, url: str) -> None:
    with hushed():
        other = optuna.create_study(storage=url, study_name="small", direction="maximize")
    other.ask()
    with pytest.raises(ConfigError, match="lookalike did not make"):
        open_study(file, url, objectives=MAP, data="d")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("nonsense", "cannot be opened - --storage"),
        ("sqlite:////no/such/folder/study.db", "cannot be opened"),
        ("sqlite://", "is no file"),
        ("sqlite:///", "is no file - --storage - saw sqlite:///"),
        ("sqlite:///:memory:", "is no file"),
        ("nosuch://user:secret@host/name", r"nosuch://user:\*\*\*@host/name"),
        ("postgresql+pg8000://user:secret@host/name", "pip install"),
    ],
)
def test_a_storage_that_cannot_be_opened_is_explained(file: StudyFile, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        open_study(file, url, objectives=MAP, data="d")
    assert "secret" not in str(caught.value)
    assert "secret" not in shown_url(url)


def test_a_file_that_is_no_database_is_explained(file: StudyFile, tmp_path: Path) -> None:
    (tmp_path / "study.db").write_text("no database, but long enough to be read as the head of one " * 4)
    with pytest.raises(ConfigError, match=rf"not a database.*move {tmp_path / 'study.db'} away"):
        open_study(file, f"sqlite:///{tmp_path / 'study.db'}", objectives=MAP, data="d")


DIE = """
import os, sys
from pathlib import Path
from lookalike.training.tuning_workers import Workers
with Workers(Path(sys.argv[1])) as workers:
    print(workers.own, flush=True)
    os._exit(9)
"""


def test_trials_of_dead_processes_are_ended_and_those_of_others_are_not(
    file: StudyFile, url: str, tmp_path: Path
) -> None:
    study = open_study(file, url, objectives=MAP, data="d")
    command = [sys.executable, "-c", DIE, str(tmp_path / "w")]
    dead = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
    with Workers(tmp_path / "w") as own, Workers(tmp_path / "w") as other:
        for name in (dead, own.own, other.own, "on another machine"):
            begin(study, **{WORKER: name})
        begin(study)
        with hushed():
            end_trials_of_dead(study, own)
        states = [trial.state for trial in study.get_trials()]
        assert states == [TrialState.FAIL, *[TrialState.RUNNING] * 4]
        ended = trials_of(study, file.spaces)[0]
        assert (ended.interrupted, ended.ended, ended.message) == (True, False, "its process was ended")
        end_trials_of(study, own.own)
        assert [trial.state for trial in study.get_trials()].count(TrialState.FAIL) == 2
    assert list((tmp_path / "w").glob(f"{own.own}*")) == []


def test_what_counts_as_done(file: StudyFile, url: str) -> None:
    study = open_study(file, url, objectives=MAP, data="d")
    study.tell(begin(study), 0.5)
    study.tell(begin(study), state=TrialState.FAIL)
    study.tell(begin(study, **{MESSAGE: "no"}), state=TrialState.FAIL)
    pruned = begin(study)
    pruned.report(0.1, 1)
    study.tell(pruned, state=TrialState.PRUNED)
    begin(study)
    assert count_done(study.get_trials()) == 3
    kinds = [trial.state for trial in trials_of(study, file.spaces)]
    assert kinds == ["complete", "failed", "failed", "pruned", "running"]


def test_draws_hang_on_seed_and_number(file: StudyFile, tmp_path: Path) -> None:
    def draw(of: StudyFile, number: int) -> dict[str, Any]:
        study = optuna.create_study(sampler=new_sampler(of, number))
        trial = study.ask()
        return {key: space.draw(trial, key) for key, space in of.spaces.items()}

    with hushed():
        assert draw(file, 3) == draw(file, 3)
        assert draw(file, 3) != draw(file, 4)
        seeded = load_study(write_study(tmp_path, study={"seed": 7}))
        assert draw(seeded, 3) != draw(file, 3)
        random = load_study(write_study(tmp_path, study={"sampler": "random"}))
        assert draw(random, 3) == draw(random, 3)


@pytest.mark.parametrize(
    ("study", "kind"),
    [
        ({}, "MedianPruner"),
        ({"pruner": "hyperband"}, "HyperbandPruner"),
        ({"pruner": "none"}, "NopPruner"),
        ({"objective": ["map@r", "dimensions"]}, "NopPruner"),
    ],
    ids=str,
)
def test_pruners_are_those_asked_for(tmp_path: Path, study: dict[str, Any], kind: str) -> None:
    assert type(new_pruner(load_study(write_study(tmp_path, study=study)))).__name__ == kind
