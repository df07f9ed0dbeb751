"""Further processes of a search: one that ends before its time is told of."""

from __future__ import annotations

import multiprocessing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from listening import Listener
from lookalike.tables.table import ImageTable
from lookalike.training.tuning_jobs import helpers, new_search
from lookalike.training.tuning_search import Search
from lookalike.training.tuning_space import load_study
from lookalike.training.tuning_trial import objectives_of
from small_study import write_study


class Ended:
    """A process that has ended."""

    def __init__(self, code: int) -> None:
        self.exitcode = code

    def start(self) -> None:
        """Nothing is left to start."""

    def join(self, _seconds: float | None = None) -> None:
        """It has ended."""

    def is_alive(self) -> bool:
        return False


def search_of(folder: Path, listener: Listener) -> Search:
    file = load_study(write_study(folder))
    nothing = cast(Any, None)
    return new_search(
        file, nothing, folder, cast(ImageTable, nothing), objectives_of(("map@r",)), jobs=3, watcher=listener
    )


def test_a_process_that_ends_before_its_time_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = [0, -9]
    context = SimpleNamespace(Process=lambda **_: Ended(codes.pop()))
    monkeypatch.setattr(multiprocessing, "get_context", lambda _way: context)
    listener = Listener()
    with helpers(search_of(tmp_path, listener), "sqlite:///study.db", count=2):
        assert listener.said == []
    assert len(listener.said) == 1
    assert "ended before its time (exit code -9)" in listener.said[0]


def test_of_a_search_that_fails_nothing_is_added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    context = SimpleNamespace(Process=lambda **_: Ended(1))
    monkeypatch.setattr(multiprocessing, "get_context", lambda _way: context)
    listener = Listener()
    with pytest.raises(LookupError), helpers(search_of(tmp_path, listener), "sqlite:///s.db", count=1):
        raise LookupError
    assert listener.said == []
