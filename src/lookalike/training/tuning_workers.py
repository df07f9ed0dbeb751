"""Which processes of a study live: those that died leave trials behind, which are ended.

Locks beside the study tell of this machine's processes: the system lets go of them at any death. Of other
machines, Optuna's heartbeat tells. Nothing is tried here.
"""

from __future__ import annotations

import threading
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

from lookalike.training.tuning_storage import GRACE_SECONDS, HEARTBEAT_SECONDS
from lookalike.training.tuning_store import WORKER


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
