"""The search itself: one process's part of a study, trial after trial, until as many as wanted have ended.

A study, its file and what trials share enter; trials in the storage leave. Any number of processes may do
this at once, and any of them may die at any moment. What comes of the trials is decided elsewhere.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

import filelock
import optuna
import torch
from optuna.trial import FrozenTrial, TrialState

from lookalike.errors import LookalikeError, TrainingError
from lookalike.presenting.trials import COSTS, Objective, Trial, best_trial, duration_shown, figure_shown
from lookalike.records import SILENT, Watcher
from lookalike.training.stops import stops_may_come, stops_wait
from lookalike.training.tuning_material import Material
from lookalike.training.tuning_space import StudyFile
from lookalike.training.tuning_storage import hushed
from lookalike.training.tuning_store import (
    COURSE,
    EPOCHS,
    FIGURES,
    MESSAGE,
    REFITTED,
    SOLVED,
    WORKER,
    count_done,
    new_pruner,
    new_sampler,
    trials_of,
)
from lookalike.training.tuning_trial import attempt, on_features
from lookalike.training.tuning_workers import (
    Workers,
    beating,
    end_trials_of,
    end_trials_of_dead,
    orphaned,
    pause,
    taken,
)

ALIKE = 3  # so many failures in a row with one message end a search
_LOCK, _WORKERS = ".claim.lock", ".workers"
_PAUSE_SECONDS = 0.2  # between looks at what other processes do


class _Failed(Exception):
    """A trial that is marked as failed; its message is kept with it, unless it counts for nothing."""


@dataclass
class Search:
    """One process's part of a study.

    Attributes:
        wanted: trials that are to end, over all processes.
        deadline: of time.monotonic, after which no further trial begins.
        jobs: processes on this machine, among which its processors are shared.
    """

    file: StudyFile
    study: optuna.Study
    folder: Path
    material: Material
    objectives: tuple[Objective, ...]
    wanted: int
    deadline: float = math.inf
    jobs: int = 1
    watcher: Watcher = SILENT
    _before: set[int] = field(default_factory=set)  # trials that had ended when this process began

    @property
    def course(self) -> str:
        """The figure that is told after every epoch."""
        if self.file.by_attributes:
            return "map"
        return "recall@1" if self.objectives[0].name == "recall@1" else "map@r"

    def run(self) -> None:
        """Try settings until as many trials as wanted have ended, here or elsewhere, or time is over.

        Raises:
            TrainingError: three trials failed in a row, with the same message, since this process began.
        """
        report = Report(self)
        trials = self.study.get_trials(deepcopy=False)
        self._before = {trial.number for trial in trials if trial.state.is_finished()}
        self.study.pruner = new_pruner(self.file)
        with stops_wait(), hushed(), Workers(self.folder / _WORKERS) as workers:
            claim = filelock.FileLock(self.folder / _LOCK)
            try:
                while self._go_on(claim, workers):
                    report.tell()
                    self._check_failures()
            finally:
                end_trials_of(self.study, workers.own)  # of one that was stopped, wherever it was
        report.tell()

    def _go_on(self, claim: filelock.BaseFileLock, workers: Workers) -> bool:
        """Do a trial, or wait for those of others; False: none is left to do."""
        with taken(claim):  # until the trial says whose it is: then nobody else begins one
            end_trials_of_dead(self.study, workers)
            trials = self.study.get_trials(deepcopy=False)
            done = count_done(trials)
            running = sum(trial.state == TrialState.RUNNING for trial in trials)
            if done >= self.wanted or time.monotonic() >= self.deadline or orphaned():
                return False
            if done + running < self.wanted:
                self.study.sampler = new_sampler(self.file, self._announce(trials, workers))
                self._do(self.study.ask(), claim, workers)
                return True
        pause(_PAUSE_SECONDS)
        return True

    def _do(self, trial: optuna.Trial, claim: filelock.BaseFileLock, workers: Workers) -> None:
        """Do a trial and tell how it ended. What stops the whole process leaves it to the caller."""
        try:
            with beating(self.study, trial):
                values = self._try(trial, claim, workers)
        except optuna.TrialPruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        except _Failed:
            self.study.tell(trial, state=TrialState.FAIL)
        else:
            self.study.tell(trial, values)

    def _try(self, trial: optuna.Trial, claim: filelock.BaseFileLock, workers: Workers) -> tuple[float, ...]:
        trial.set_user_attr(WORKER, workers.own)
        self._check_needed(trial)
        chosen = {key: space.draw(trial, key) for key, space in self.file.spaces.items()}
        claim.release()
        try:
            config = self.file.settings(chosen)
            costs = tuple(goal.name for goal in self.objectives if goal.name in COSTS)
            with _processors(1 if on_features(config) else None, jobs=self.jobs), stops_may_come():
                found = attempt(config, self.material, costs=costs, epoch=self._listener(trial))
            values = tuple(_figure(found.figures, goal.name) for goal in self.objectives)
        except optuna.TrialPruned:
            raise
        except Exception as error:
            own = isinstance(error, LookalikeError)
            self._keep_failure(trial, str(error) if own else f"{type(error).__name__}: {error}")
            raise _Failed from error
        trial.set_user_attr(FIGURES, dict(found.figures))
        kept = asdict(found.settled)
        for name in (EPOCHS, SOLVED, REFITTED):
            trial.set_user_attr(name, kept[name])
        return values

    def _announce(self, trials: list[FrozenTrial], workers: Workers) -> int:
        """Say in one step that a trial begins and whose it is, so that no death leaves one that is nobody's.

        Returns:
            The trial's number: that of one that was announced and not begun, or a new one.
        """
        left = [trial.number for trial in trials if trial.state == TrialState.WAITING]
        if left:
            return left[0]
        self.study.enqueue_trial({}, user_attrs={WORKER: workers.own})
        return len(trials)

    def _check_needed(self, trial: optuna.Trial) -> None:
        """Give way where another machine, which holds no lock with this one, has begun the last trial."""
        before = [other for other in self.study.get_trials(deepcopy=False) if other.number < trial.number]
        running = sum(other.state == TrialState.RUNNING for other in before)
        if count_done(before) + running >= self.wanted:
            raise _Failed

    def _listener(self, trial: optuna.Trial) -> Callable[[Mapping[str, float]], None]:
        """What hears of each epoch of a trial, and may end it."""
        column = f"val_{self.course}"
        course: dict[str, float] = {}

        def hear(row: Mapping[str, float]) -> None:
            if orphaned():
                raise KeyboardInterrupt
            with stops_wait():
                tell(row)

        def tell(row: Mapping[str, float]) -> None:
            epoch = int(row["epoch"]) + 1
            trial.set_user_attr(EPOCHS, epoch)
            if len(self.objectives) > 1:  # no trial is pruned where one may be good in another way
                course[str(epoch)] = float(row[column])
                trial.set_user_attr(COURSE, course)
                return
            trial.report(row[column], epoch)
            if self._may_prune() and trial.should_prune():
                raise optuna.TrialPruned

        return hear

    def _may_prune(self) -> bool:
        """A pruner compares figures of which more is better."""
        return self.objectives[0].better == "higher"

    def _keep_failure(self, trial: optuna.Trial, message: str) -> None:
        trial.set_user_attr(MESSAGE, message)
        self.watcher.say(f"Trial {trial.number} failed: {message}")

    def _check_failures(self) -> None:
        """Look at what ended since this process began, wherever it was tried."""
        trials = self.study.get_trials(deepcopy=False)
        ended = [trial for trial in trials if trial.state.is_finished() and not _is_lost(trial)]
        ended = [trial for trial in ended if trial.number not in self._before]
        ended.sort(key=lambda trial: (trial.datetime_complete or datetime.min, trial.number))
        last = [trial.user_attrs.get(MESSAGE) for trial in ended[-ALIKE:]]
        if len(last) == ALIKE and last[0] is not None and len(set(last)) == 1:
            raise TrainingError(
                f"{ALIKE} trials in a row failed with the same message",
                where=f"study {self.study.study_name}",
                saw=last[0],
                do="mend what it names, then run the same command again; trials that ended are kept",
            )


class Report:
    """Tells how far a study is: trials done, the best so far, time left."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._begun = time.monotonic()
        self._told = self._ended(self._trials())
        self._first = len(self._told)
        self._count = search.watcher.stage("trials")
        self._count(self._first, search.wanted)

    def tell(self) -> None:
        """Say what has ended since the last time."""
        trials = self._trials()
        ended = self._ended(trials)
        best = best_trial(trials, self._search.objectives)
        for number in sorted(ended - self._told):
            self._search.watcher.say(self._line(trials[number], best, done=len(ended)))
        self._told = ended
        self._count(len(ended), self._search.wanted)

    def _trials(self) -> list[Trial]:
        return trials_of(self._search.study, self._search.file.spaces)

    @staticmethod
    def _ended(trials: list[Trial]) -> set[int]:
        return {trial.number for trial in trials if trial.ended}

    def _line(self, trial: Trial, best: Trial | None, *, done: int) -> str:
        names = [goal.name for goal in self._search.objectives]
        spoken = [
            f"{name} {figure_shown(name, value)}" for name, value in zip(names, trial.values, strict=False)
        ]
        what = {"complete": ", ".join(spoken), "pruned": f"pruned after epoch {max(trial.course, default=0)}"}
        line = f"Trial {trial.number}: {what.get(trial.state, 'failed')}"
        if best is not None:
            value = figure_shown(names[0], best.values[0])
            line += f"; best so far {names[0]} {value} (trial {best.number})"
        left = self._search.wanted - done
        fresh = done - self._first
        if left <= 0 or fresh <= 0:
            return f"{line}; {done} of {self._search.wanted} done"
        seconds = (time.monotonic() - self._begun) / fresh * left
        return f"{line}; {done} of {self._search.wanted} done, about {duration_shown(seconds)} left"


def _is_lost(trial: FrozenTrial) -> bool:  # its process was ended, which tells nothing of its settings
    return trial.state == TrialState.FAIL and MESSAGE not in trial.user_attrs


def _figure(figures: Mapping[str, float], name: str) -> float:
    value = figures.get(name, math.nan)  # by attributes, of a kind of query that val does not allow
    if not math.isfinite(value):
        raise TrainingError(
            "a figure is no number", where=f"study.objective: {name}", saw=f"{value}",
            do="choose another objective; with so few pictures on val it says nothing",
        )  # fmt: skip
    return value


@contextmanager
def _processors(count: int | None, *, jobs: int) -> Iterator[None]:
    """Compute with so many processors in this block; None: this process's share of all.

    A head is trained on one: more hardly help it, and sums come out alike on every machine.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(max(before // jobs, 1) if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
