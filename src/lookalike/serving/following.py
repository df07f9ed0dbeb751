"""What others change while an index is served: the model's thresholds are followed, the file must stay.

An open index enters; nothing leaves, but its model knows the thresholds of now. Pictures that come and go are
followed by the index itself.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from lookalike.errors import ModelError
from lookalike.indexing.index import Index
from lookalike.models.facts import FACTS
from lookalike.setting import reread

Stamp = tuple[int, int, int]


class Follower:
    """Keeps the model of an index as it lies in its folder; safe to use from several threads."""

    def __init__(self, index: Index) -> None:
        self._index = index
        self._lock = threading.Lock()
        self._known: Stamp | None = None  # the first who asks reads: it may have changed since it was opened

    def follow(self) -> None:
        """Take in thresholds that another process stored; where the folder is gone what is known stays."""
        if self._stamp() == self._known:
            return
        with self._lock, suppress(ModelError):
            stamp = self._stamp()
            if stamp is not None and stamp != self._known:
                reread(self._index.model)
                self._known = stamp

    def check(self) -> None:
        """Look whether index and model still lie where they were, and can be read.

        Raises:
            StoreError: the index was replaced or cannot be read.
            ModelError: the model is gone, or was trained again since.
        """
        self._index.store.check_in_place()
        _ = len(self._index), self._index.model.session
        if self._stamp() is None or self._stamp() != self._known:
            with self._lock:
                stamp = self._stamp()
                reread(self._index.model)
                self._known = stamp

    def _stamp(self) -> Stamp | None:
        try:
            facts = (self._index.model.folder / FACTS).stat()
        except OSError:
            return None
        return facts.st_ino, facts.st_size, facts.st_mtime_ns
