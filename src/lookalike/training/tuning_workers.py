"""Which processes of a study live: those that died leave trials behind, which are ended.

Locks beside the study tell of this machine's processes: the system lets go of them at any death. Of other
machines, Optuna's heartbeat tells. Nothing is tried here.
"""

from __future__ import annotations

import multiprocessing
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.exceptions import OptunaError
from optuna.trial import TrialState
from sqlalchemy.exc import SQLAlchemyError

from lookalike.training.stops import stops_may_come
from lookalike.training.tuning_storage import GRACE_SECONDS, HEARTBEAT_SECONDS
from lookalike.training.tuning_store import WORKER

_TURN_SECONDS = 0.02  # between looks whose turn it is


class Workers:
    """The processes of a study that share a folder: each holds a lock, which is free once it is dead."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.own = uuid.uuid4().hex
        self._lock = filelock.FileLock(self._path(self.own))

    def __enter__(self) -> Workers:
        self._lock.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._path(self.own).unlink(missing_ok=True)

    def is_dead(self, name: str) -> bool:
        """Whether it was a process with this folder, and lives no more."""
        path = self._path(name)
        if name == self.own or not path.exists():
            return False
        try:
            with filelock.FileLock(path, timeout=0):
                return True
        except filelock.Timeout:
            return False

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.lock"


@contextmanager
def beating(study: optuna.Study, trial: optuna.Trial) -> Iterator[None]:
    """Let other machines know, while the block runs, that the trial's process lives."""
    over = threading.Event()

    def beat() -> None:
        with suppress(SQLAlchemyError, OptunaError):  # the trial itself will say what is wrong
            while not over.wait(HEARTBEAT_SECONDS):
                storage.record_heartbeat(trial._trial_id)

    storage: Any = study._storage
    storage.record_heartbeat(trial._trial_id)
    threading.Thread(target=beat, daemon=True).start()
    try:
        yield
    finally:
        over.set()


def pause(seconds: float) -> None:
    """Wait; a stop comes at once."""
    with stops_may_come():
        time.sleep(seconds)


@contextmanager
def taken(claim: filelock.BaseFileLock) -> Iterator[None]:
    """Hold a lock while the block runs, or until it lets go of it; stops come while it is waited for."""
    while not claim.is_locked:
        with suppress(filelock.Timeout):
            claim.acquire(blocking=False)
            break
        pause(_TURN_SECONDS)
    try:
        yield
    finally:
        claim.release()


def orphaned() -> bool:
    """Whether this is a process that another one began, which lives no more."""
    parent = multiprocessing.parent_process()
    return parent is not None and not parent.is_alive()


def end_trials_of(study: optuna.Study, worker: str) -> None:
    """Mark what a process was at as failed."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if trial.user_attrs.get(WORKER) == worker:
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)


def end_trials_of_dead(study: optuna.Study, workers: Workers) -> None:
    """Mark trials as failed whose process has died; to be called while no process begins one."""
    optuna.storages.fail_stale_trials(study)  # of other machines
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        worker = trial.user_attrs.get(WORKER)
        begun = trial.datetime_start or datetime.now()
        nameless = worker is None and datetime.now() - begun > timedelta(seconds=GRACE_SECONDS)
        if nameless or (worker is not None and workers.is_dead(worker)):
            study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
