"""Work that takes its time, in a thread of its own: one piece at a time, watched while it goes on.

A function enters that is given a watcher; what it returned or raised, and how far it is, can be asked for at
any time. What is worked at is the callers' business.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar

from lookalike.errors import LookalikeError
from lookalike.records import Progress, Watcher

Made = TypeVar("Made")

LOG = logging.getLogger(__name__)
NICENESS = 10  # of the work: requests are waited for, this is not
_PATIENCE = 3.0  # seconds that closing waits for a thread: what reads, or stores whole steps, may be cut off


@dataclass(frozen=True, slots=True)
class Course:
    """How far a piece of work is: the stage it is in, and what is done of it; total 0: not known."""

    stage: str = ""
    done: int = 0
    total: int = 0


class _Stopped(BaseException):
    """Raised where the work tells how far it is, to end it."""


class Background(Generic[Made]):
    """One piece of work at a time.

    Attributes:
        made: what the last piece that succeeded returned; None: none did yet.
        error: why the last piece failed; None where it did not.
        course: of the piece under way.
    """

    def __init__(self, name: str) -> None:
        self.made: Made | None = None
        self.error: Exception | None = None
        self.course = Course()
        self._name = name
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @property
    def is_working(self) -> bool:
        """Whether a piece is under way."""
        return self._thread is not None

    def start(self, work: Callable[[Watcher], Made]) -> bool:
        """Begin a piece of work, unless one is under way already; whether it began."""
        with self._lock:
            if self._thread is not None or self._is_closed:
                return False
            self.error, self.course = None, Course()
            self._thread = threading.Thread(target=self._run, args=(work,), name=self._name, daemon=True)
            self._thread.start()
            return True

    def take_error(self) -> Exception | None:
        """Why the last piece failed; told once."""
        with self._lock:
            error, self.error = self.error, None
            return error

    def wait(self, seconds: float | None = None) -> None:
        """Wait until nothing is under way, at most so long."""
        thread = self._thread
        if thread is not None:
            thread.join(seconds)

    def end(self) -> None:
        """Have what is under way end where it next tells how far it is; nothing can be started any more."""
        with self._lock:
            self._is_closed = True

    def close(self) -> None:
        """The same, and wait for it."""
        self.end()
        self.wait(_PATIENCE)

    def say(self, _text: str) -> None:
        """Drop a sentence: nobody reads along."""

    def stage(self, name: str, /) -> Progress:
        """Note that a stage begins."""

        def tell(done: int, total: int) -> None:
            if self._is_closed:
                raise _Stopped
            self.course = Course(name, done, total)

        tell(0, 0)
        return tell

    def _run(self, work: Callable[[Watcher], Made]) -> None:
        try:
            _stand_back()
            self.made = work(self)
        except _Stopped:
            pass
        except LookalikeError as error:
            self.error = error
        except Exception as error:
            LOG.exception("%s failed", self._name)
            self.error = error
        finally:
            self._thread = None


def _stand_back() -> None:
    """Have the system give this thread, and those that it starts, what processors the others leave."""
    if sys.platform == "linux":  # elsewhere this would be about the whole process
        own = threading.get_native_id()
        with suppress(OSError):  # a container may forbid it
            os.setpriority(os.PRIO_PROCESS, own, os.getpriority(os.PRIO_PROCESS, own) + NICENESS)
