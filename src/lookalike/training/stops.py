"""Stops that wait: while something is done that must be whole, a signal to end is kept until it may come.

A stop is an error that a signal's handler raises, at any instruction. A database's own code does not expect
to be left in its middle, and makes other errors of it; where Python tidies up, an error is dropped, and the
stop would be lost. What is done about a stop is not decided here.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from optuna.storages import BaseStorage

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_Handler = Callable[[int, FrameType | None], Any] | int | None


class _Stops:
    """What becomes of signals while a block runs: they wait, but for the parts of it that they may enter."""

    def __init__(self) -> None:
        self.may_come = False
        self._stop: BaseException | None = None  # what a signal brought; one is enough
        self._waiting: int | None = None  # the signal that is kept
        self._before: dict[int, _Handler] = {}

    def begin(self) -> None:
        """Hear the signals; those that are ignored stay so."""
        handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._before = {n: handler for n, handler in handlers.items() if handler is not signal.SIG_IGN}
        for number in self._before:
            signal.signal(number, self._hear)

    def end(self) -> None:
        """Give them back; a handler that changed a signal's way has its will."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._hear:
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def come(self) -> None:
        """Raise what waits, or what was raised already and got lost."""
        if self._stop is not None:
            if not _is_on_its_way(self._stop):
                raise self._stop
        elif self._waiting is not None:
            number, self._waiting = self._waiting, None
            self._pass_on(number, None)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.may_come and self._stop is None:
            self._pass_on(number, frame)
        elif self._waiting is None:
            self._waiting = number

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        handler = self._before[number]
        if not callable(handler):  # the system's own way: the process ends here
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
            return
        try:
            handler(number, frame)
        except BaseException as stop:
            self._stop = stop
            raise


def _is_on_its_way(stop: BaseException) -> bool:
    """Whether an error is being handled just now, or led to the one that is."""
    error = sys.exc_info()[1]
    while error is not None and error is not stop:
        error = error.__context__
    return error is stop


_stops: _Stops | None = None  # handlers are the process's own: while a block has them, others are part of it


@contextmanager
def stops_wait() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM wait for the end of the block; only a main thread gets them.

    Inside another such block, they wait for the end of that one.
    """
    global _stops
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    if _stops is not None:
        with _set(_stops, may_come=False):
            yield
        return
    stops = _Stops()
    try:
        _stops = stops
        stops.begin()
        yield
    finally:
        _stops = None
        stops.end()
        stops.come()


@contextmanager
def stops_may_come() -> Iterator[None]:
    """Let them come at any moment of the block, which lies in one where they wait."""
    if _stops is None or threading.current_thread() is not threading.main_thread():
        yield
        return
    with _set(_stops, may_come=True):
        yield


@contextmanager
def _set(stops: _Stops, *, may_come: bool) -> Iterator[None]:
    before = stops.may_come
    try:
        stops.may_come = may_come
        if may_come:
            stops.come()
        yield
    finally:
        stops.may_come = before
    if before:
        stops.come()


def calls_stay_whole(storage: BaseStorage) -> None:
    """Let stops wait for the end of every call of a study's storage."""
    for name in [name for name in dir(type(storage)) if not name.startswith("__")]:
        call = getattr(storage, name)
        if callable(call):
            setattr(storage, name, _whole(call))


def _whole(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def whole(*given: Any, **named: Any) -> Any:
        with stops_wait():
            return call(*given, **named)

    return whole
