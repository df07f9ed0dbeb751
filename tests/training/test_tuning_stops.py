"""A study that is stopped at any moment: nothing is left running, and no stop gets lost."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NoReturn, cast

import optuna
import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from lookalike.presenting.trials import Objective
from lookalike.tables.table import ImageTable
from lookalike.training import tuning_search
from lookalike.training.keeping import EpochEnd
from lookalike.training.settled import Settled
from lookalike.training.tuning_material import Material
from lookalike.training.tuning_search import Search
from lookalike.training.tuning_space import load_study
from lookalike.training.tuning_store import open_study
from lookalike.training.tuning_trial import Attempt, known_figures
from small_study import write_study

MAP = (Objective("map@r"),)


class Stopped(KeyboardInterrupt):
    """What the signal brings here."""


@pytest.fixture
def search(tmp_path: Path) -> Search:
    file = load_study(write_study(tmp_path, study={"trials": 2, "startup_trials": 99}))
    study = open_study(file, f"sqlite:///{tmp_path / 'study.db'}", objectives=MAP, data="d")
    return Search(file, study, tmp_path, Material(cast(ImageTable, None)), MAP, wanted=2)


def stop(_number: int, _frame: object) -> NoReturn:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stopped


@contextmanager
def stopped_in_statement(number: int) -> Iterator[list[int]]:
    """Send the signal in the middle of a statement of the database, counted from 1; gives all of them."""
    seen: list[int] = []

    def count(*_: object) -> None:
        seen.append(len(seen) + 1)
        if seen[-1] == number:
            signal.raise_signal(signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    event.listen(Engine, "before_cursor_execute", count)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", count)
        signal.signal(signal.SIGTERM, before)


def quick(_config: Any, _material: Any, *, epoch: EpochEnd, **_: Any) -> Attempt:
    epoch({"epoch": 0, "val_map@r": 0.5})
    return Attempt(Settled(1), figures=dict.fromkeys(known_figures(), 0.5))


def states(search: Search) -> list[str]:
    """As another process sees them."""
    storage = optuna.storages.RDBStorage(str(search.study._storage._backend.url))  # type: ignore[attr-defined]
    found = optuna.load_study(study_name="small", storage=storage).trials
    storage.remove_session()
    storage.engine.dispose()
    return [trial.state.name for trial in found]


def test_a_stop_in_any_statement_of_the_database_leaves_nothing_running(
    search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tuning_search, "attempt", quick)
    outcomes = []
    for number in range(1, 1000, 17):
        search.wanted = 1 + states(search).count("COMPLETE")
        with stopped_in_statement(number) as seen, suppress(Stopped):
            search.run()
            outcomes.append("went on")
        assert set(states(search)) <= {"COMPLETE", "FAIL"}, f"stopped in statement {number}"
        if len(seen) < number:  # it ended before
            break
        assert len(outcomes) == 0, f"the stop in statement {number} got lost"
    assert outcomes == ["went on"]
