"""Wait for another process that writes to an index, where a command was asked to.

A step that writes enters, and is done anew where the other process was at it; the watcher hears of it once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from lookalike.errors import BusyError

if TYPE_CHECKING:
    from lookalike.records import Watcher

A = TypeVar("A")

_PAUSE_SECONDS = 0.5  # between two looks whether the other one still writes


class Patience:
    """Somebody who waits for another process that writes, if asked to."""

    def __init__(self, index_file: Path, watcher: Watcher, *, wait: bool) -> None:
        self._index_file, self._watcher, self._wait = index_file, watcher, wait

    def of(self, step: Callable[[], A]) -> A:
        """Do something that writes, anew where another process was at it."""
        while True:
            try:
                return step()
            except BusyError:
                if not self._wait:
                    raise
                self._wait_for_the_other()

    def _wait_for_the_other(self) -> None:
        from lookalike.indexing.database import writer_lock

        self._watcher.say(f"Waiting for another process that writes to {self._index_file}")
        while True:
            try:
                with writer_lock(self._index_file):
                    return
            except BusyError:
                time.sleep(_PAUSE_SECONDS)
