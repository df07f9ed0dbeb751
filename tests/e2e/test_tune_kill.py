"""Studies as processes: killed and gone on with, stopped, shared over SQLite and over PostgreSQL."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import optuna
import pytest

import postgres
from lookalike.models.model import Model
from lookalike.training.tuning_storage import hushed
from lookalike.training.tuning_store import MESSAGE, WORKER, count_done
from small_study import STUDY, write_study

PATIENCE_SECONDS = 240


def written(folder: Path, *, epochs: int) -> Path:
    training = {**STUDY["training"], "epochs": epochs}
    return write_study(folder, study={"trials": 6, "startup_trials": 6}, training=training)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("file"), epochs=6)


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study that takes so long that a second process comes in time."""
    return written(tmp_path_factory.mktemp("longer"), epochs=40)


def start(study: Path, data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from lookalike.cli import main; main()", "tune", str(study)]
    arguments = ["--data", str(data), "--out", str(out), *more]
    return subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process.poll() is None, "the study ended before it could be stopped"
        assert time.monotonic() < deadline
        time.sleep(0.01)


def states(out: Path) -> list[str]:
    """The state of every trial, in order."""
    path = out / "study.db"
    if not path.exists():
        return []
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return [state for (state,) in database.execute("SELECT state FROM trials ORDER BY number")]
    except sqlite3.OperationalError:  # its tables are being made
        return []
    finally:
        database.close()


def trials(url: str) -> list[optuna.trial.FrozenTrial]:
    with hushed():
        storage = optuna.storages.RDBStorage(url)
        found = optuna.load_study(study_name="small", storage=storage).trials
        storage.remove_session()
        storage.engine.dispose()
    return found


def in_the_middle_of(out: Path, number: int) -> Callable[[], bool]:
    return lambda: len(states(out)) > number and states(out)[number:] == ["RUNNING"]


def ended(process: subprocess.Popen[bytes]) -> str:
    """What it said; it ended well."""
    shown, said = process.communicate()
    assert process.returncode == 0, said.decode()
    return shown.decode()


def test_killed_studies_go_on_and_lose_the_running_trial_only(
    study: Path, few: Path, backbone: Model, tmp_path: Path
) -> None:
    for number in (1, 3):
        process = start(study, few, tmp_path)
        wait_for(in_the_middle_of(tmp_path, number), process)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert "6 settings were tried" in ended(start(study, few, tmp_path))
    found = trials(f"sqlite:///{tmp_path / 'study.db'}")
    assert count_done(found) == 6
    lost = [trial.number for trial in found if trial.state == optuna.trial.TrialState.FAIL]
    assert lost == [1, 3]
    assert not any(MESSAGE in trial.user_attrs for trial in found)
    assert "RUNNING" not in states(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_study_keeps_what_it_has_and_says_how_to_go_on(
    study: Path, few: Path, backbone: Model, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start(study, few, tmp_path)
    wait_for(in_the_middle_of(tmp_path, 1), process)
    process.send_signal(number)
    said = process.communicate()[1].decode()
    assert process.returncode == code, said
    assert "run the same command to go on" in said
    assert "Traceback" not in said
    assert states(tmp_path) == ["COMPLETE", "FAIL"]
    assert (tmp_path / "best.yaml").exists()
    assert "trial 0" in (tmp_path / "best.yaml").read_text()


def shared(study: Path, data: Path, folders: Sequence[Path], url: str, *more: str) -> None:
    """Two processes with one study: both end well, and each has done some of it."""
    processes = [start(study, data, folder, *more) for folder in folders]
    told = [ended(process) for process in processes]
    found = trials(url)
    assert count_done(found) == 6
    assert len({trial.user_attrs[WORKER] for trial in found}) == 2
    assert all("6 settings were tried" in text for text in told)
    assert all((folder / "report.html").exists() for folder in folders)


def test_two_processes_share_a_study_over_sqlite(
    longer: Path, few: Path, backbone: Model, tmp_path: Path
) -> None:
    shared(longer, few, [tmp_path, tmp_path], f"sqlite:///{tmp_path / 'study.db'}")


def test_jobs_are_processes_that_share_a_study(
    longer: Path, few: Path, backbone: Model, tmp_path: Path
) -> None:
    ended(start(longer, few, tmp_path, "--jobs", "2", "--trials", "12"))
    found = trials(f"sqlite:///{tmp_path / 'study.db'}")
    assert len(found) == count_done(found) == 12
    assert len({trial.user_attrs[WORKER] for trial in found}) == 2


PLACE = postgres.programs()


@pytest.mark.skipif(PLACE is None, reason="PostgreSQL is not installed: apt-get install postgresql")
def test_two_processes_in_folders_of_their_own_share_a_study_over_postgresql(
    longer: Path, few: Path, backbone: Model, tmp_path: Path
) -> None:
    pytest.importorskip("psycopg")
    assert PLACE is not None
    folders = [tmp_path / "one", tmp_path / "other"]
    with postgres.served(PLACE) as url:
        shared(longer, few, folders, url, "--storage", url)
    assert not (folders[0] / "study.db").exists()
