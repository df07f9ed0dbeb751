"""Work in the background: one piece at a time, ended on closing, leaving what it made or why it did not."""

from __future__ import annotations

import threading
import time

from lookalike.records import Watcher
from lookalike.serving.background import Background


def test_closing_ends_work_where_it_next_tells_how_far_it_is() -> None:
    begun, work = threading.Event(), Background[int]("count")

    def count(watcher: Watcher) -> int:
        tell = watcher.stage("count")
        for done in range(10_000):
            begun.set()
            tell(done, 10_000)
            time.sleep(0.001)
        return done

    assert work.start(count)
    assert begun.wait(10)
    assert not work.start(count)  # one at a time
    work.close()
    assert (work.made, work.error, work.is_working) == (None, None, False)
    assert work.course.stage == "count"
    assert not work.start(count)


def test_work_leaves_what_it_made_or_why_it_did_not() -> None:
    work = Background[int]("try")
    work.start(lambda _: 1 // 0)
    work.wait()
    assert work.made is None
    assert isinstance(work.error, ZeroDivisionError)
    assert isinstance(work.take_error(), ZeroDivisionError)
    assert work.take_error() is None
    again = Background[int]("try")

    def five(watcher: Watcher) -> int:
        watcher.say("nobody hears")
        return 5

    again.start(five)
    again.wait()
    assert (again.made, again.error, again.is_working) == (5, None, False)
