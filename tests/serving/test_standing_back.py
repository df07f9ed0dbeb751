"""Work in the background leaves processors to requests, and ends soon when the server does."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from labelled_index import labelled_index
from lookalike.indexing.index import Index
from lookalike.models.embedding import map_in_order
from lookalike.models.model import Model
from lookalike.records import Watcher
from lookalike.serving import background, mapping, reviewing
from lookalike.serving.background import NICENESS, Background
from lookalike.serving.desk import Desk
from lookalike.serving.settings import Settings

ENDS = 19  # niceness of what is least urgent


@pytest.fixture
def index(tiny: Model, tmp_path: Path) -> Path:
    return labelled_index(tmp_path, tiny, {"cat": 4, "dog": 4})


def niceness(_item: int = 0) -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no niceness of their own elsewhere")
def test_its_threads_are_less_urgent_than_those_of_requests() -> None:
    usual, work = niceness(), Background[list[int]]("look")
    work.start(lambda _: [niceness(), *map_in_order(niceness, [1, 2], workers=2)])
    work.wait()
    assert work.made == [min(usual + NICENESS, ENDS)] * 3
    assert niceness() == usual


def test_work_goes_on_where_urgency_cannot_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "setpriority", forbidden)
    work = Background[int]("look")
    work.start(lambda _: 5)
    work.wait()
    assert (work.made, work.error) == (5, None)


def test_what_is_to_end_need_not_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, going, work = threading.Event(), threading.Event(), Background[int]("look")

    def look(watcher: Watcher) -> int:
        tell = watcher.stage("look")
        begun.set()
        assert going.wait(10)
        tell(1, 2)
        return 5

    work.start(look)
    assert begun.wait(10)
    work.end()
    assert work.is_working
    assert not work.start(look)
    monkeypatch.setattr(background, "_PATIENCE", 0.01)
    work.close()  # gives up on what never tells how far it is
    assert work.is_working
    going.set()
    work.wait()
    assert (work.made, work.error, work.is_working) == (None, None, False)


def test_all_work_of_a_server_ends_together(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looking, laying, ended = threading.Event(), threading.Event(), threading.Event()
    heard = list[bool]()

    def look(_index: Index, *, watcher: Watcher) -> Iterator[None]:
        tell = watcher.stage("look")
        try:
            while True:
                tell(1, 2)
                looking.set()
                time.sleep(0.005)
        finally:
            ended.set()

    def lay_out(*_: object) -> None:
        laying.set()
        heard.append(ended.wait(2.5))

    monkeypatch.setattr(reviewing, "look_for", look)
    monkeypatch.setattr(mapping, "_places", lay_out)
    desk = Desk.open(Settings(index))
    desk.review.refresh()
    desk.map.show("pca")
    assert looking.wait(20)
    assert laying.wait(20)
    desk.close()
    desk.map.wait()
    assert heard == [True]
    desk.review.refresh()
    assert not desk.review._work.is_working
