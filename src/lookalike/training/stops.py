"""Stops that wait: while something is written that must be whole, a signal to end is kept until it is.

A database's own code does not expect to be left in its middle, and makes other errors of it.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import BaseStorage


@contextmanager
def stops_wait() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of the block; only a main thread gets them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda asked, _: caught.append(asked)) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for asked in caught[:1]:
            signal.raise_signal(asked)


def calls_stay_whole(storage: BaseStorage) -> None:
    """Let stops wait for the end of every call of a study's storage."""
    for name in [name for name in dir(type(storage)) if not name.startswith("_")]:
        call = getattr(storage, name)
        if callable(call):
            setattr(storage, name, _whole(call))


def _whole(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def whole(*given: Any, **named: Any) -> Any:
        with stops_wait():
            return call(*given, **named)

    return whole
