from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest

from lookalike.training.stops import calls_stay_whole, stops_wait


def test_a_stop_waits_for_the_end_of_the_block() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt):  # noqa: PT012 - what happens inside is the matter
        with stops_wait():
            signal.raise_signal(signal.SIGINT)
            done.append("all")
        done.append("more")
    assert done == ["all"]


def test_the_process_has_its_own_way_again_after_the_block() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with stops_wait():
        assert signal.getsignal(signal.SIGINT) is not before[0]
    with pytest.raises(ValueError, match="from inside"), stops_wait():
        raise ValueError("from inside")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_handler_that_was_there_gets_the_signal() -> None:
    got: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: got.append(number))
    try:
        with stops_wait():
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            assert got == []
    finally:
        signal.signal(signal.SIGTERM, before)
    assert got == [signal.SIGTERM]


def test_other_threads_are_left_alone() -> None:
    seen = []

    def work() -> None:
        with stops_wait():
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_a_storage_is_not_left_in_its_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = optuna.storages.RDBStorage(f"sqlite:///{tmp_path / 'study.db'}")
    write = storage.set_study_user_attr

    def interrupted(*given: Any) -> None:
        signal.raise_signal(signal.SIGINT)
        write(*given)

    monkeypatch.setattr(storage, "set_study_user_attr", interrupted)
    calls_stay_whole(storage)
    study = optuna.create_study(storage=storage, study_name="a")
    with pytest.raises(KeyboardInterrupt):
        study.set_user_attr("kept", 1)
    assert optuna.load_study(study_name="a", storage=storage).user_attrs == {"kept": 1}
    storage.engine.dispose()
