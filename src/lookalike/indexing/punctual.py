"""Take what a slow generator makes, and a turn of one's own whenever it is late.

An iterator enters; its items leave in order, with None in between each time the caller's patience ran out, so
that the caller can store what it has. The iterator runs in a thread of its own, one item ahead; leaving early
ends it after the item that it is making.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

A = TypeVar("A")


def punctual(items: Iterator[A], *, patience: Callable[[], float | None]) -> Generator[A | None]:
    """Items in order; None where the next one was not there in time.

    Args:
        patience: asked before each wait: seconds to wait at most, or None: as long as it takes.

    Raises:
        BaseException: whatever making an item raised.
    """
    ready: queue.Queue[tuple[A] | BaseException] = queue.Queue(maxsize=1)
    left = threading.Event()
    maker = threading.Thread(target=_make, args=(items, ready, left), daemon=True)
    maker.start()
    try:
        while True:
            try:
                made = ready.get(timeout=patience())
            except queue.Empty:
                yield None
                continue
            if isinstance(made, StopIteration):
                return
            if isinstance(made, BaseException):
                raise made
            yield made[0]
    finally:
        left.set()
        while maker.is_alive():  # it may be waiting for room
            try:
                ready.get(timeout=0.01)
            except queue.Empty:
                continue


def _make(items: Iterator[A], ready: queue.Queue[tuple[A] | BaseException], left: threading.Event) -> None:
    end: BaseException = StopIteration()
    try:
        for item in items:
            ready.put((item,))
            if left.is_set():
                break
    except BaseException as error:  # noqa: BLE001 - the caller's to handle, Ctrl-C among them
        end = error
    finally:
        if isinstance(items, Generator):
            items.close()  # an embedder stops its threads now, not when it is collected
        ready.put(end)
