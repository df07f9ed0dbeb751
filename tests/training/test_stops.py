from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import optuna
import pytest

from lookalike.training.stops import calls_stay_whole, stops_may_come, stops_wait


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


def test_a_stop_that_waits_comes_where_it_may() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), stops_wait():  # noqa: PT012 - what happens inside is the matter
        signal.raise_signal(signal.SIGINT)
        done.append("before")
        with stops_may_come():
            done.append("in it")
    assert done == ["before"]


def test_where_stops_may_come_a_block_in_which_they_wait_is_whole() -> None:
    done = []
    with pytest.raises(KeyboardInterrupt), stops_wait(), stops_may_come():  # noqa: PT012 - as above
        with stops_wait():
            signal.raise_signal(signal.SIGINT)
            done.append("all")
        done.append("more")
    assert done == ["all"]


def test_after_a_stop_cleaning_up_is_disturbed_by_no_other() -> None:
    cleaned: list[str] = []
    with pytest.raises(KeyboardInterrupt), stops_wait():  # noqa: PT012 - what happens inside is the matter
        try:
            with stops_may_come():
                signal.raise_signal(signal.SIGINT)
        finally:
            with stops_wait():
                signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGTERM)
            cleaned.append("all")
    assert cleaned == ["all"]


@pytest.mark.parametrize("where", ["wait", "may come", "end"])
def test_a_stop_that_python_drops_is_not_lost(monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    class Gone:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGINT)

    dropped: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", dropped.append)
    passed = []
    with pytest.raises(KeyboardInterrupt), stops_wait():  # noqa: PT012 - what happens inside is the matter
        with stops_may_come():
            Gone()
            if where == "wait":
                with stops_wait():
                    passed.append("whole")
                passed.append("too far")
        if where == "may come":
            with stops_may_come():
                passed.append("too far")
    assert len(dropped) == 1
    assert "too far" not in passed


def test_where_no_stop_waits_none_need_be_let_in() -> None:
    with pytest.raises(KeyboardInterrupt), stops_may_come():
        signal.raise_signal(signal.SIGINT)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stops_wait(), stops_may_come():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_process_that_nobody_taught_to_stop_ends() -> None:
    program = (
        "import signal; from lookalike.training.stops import stops_wait, stops_may_come\n"
        "with stops_wait():\n"
        "    signal.raise_signal(signal.SIGTERM); print('whole', flush=True)\n"
        "    with stops_may_come(): print('too far')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, b"whole\n")


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
