"""Keeping a long-lived process's searches fast: what came and went is watched, and the base built again.

A store that is searched enters; where much changed since it was looked last, `base_upkeep` is asked in a
thread of its own. Whether a base is needed is decided there, and searches follow by themselves; nothing is
waited for here.
"""

from __future__ import annotations

import threading

from lookalike.indexing.base_upkeep import refresh_in_background
from lookalike.indexing.store import Store

LOOK_SHARE = 0.01  # of all vectors: so many that came or went are worth a look, a base bears more

_NEVER = -1
_ANY = 2**63 - 1  # the largest id that there can be


class FastKeeper:
    """Looks after the base of a store that is searched again and again; safe from several threads.

    Attributes:
        building: the thread that looks, and builds where a base is needed; None: none was started yet.
    """

    def __init__(self, store: Store) -> None:
        self.building: threading.Thread | None = None
        self._store = store
        self._generation = _NEVER  # of the store, when it was last looked
        self._followed = _NEVER  # of the store, up to which is known how much changed
        self._lock = threading.Lock()

    def follow(self) -> None:
        """Have it looked, unless that is going on, where enough changed; costs next to nothing where not."""
        if not self._lock.acquire(blocking=False):
            return
        try:
            generation = self._store.generation()
            if generation != self._followed and not self._is_building() and self._much_changed(generation):
                self._generation = generation
                self.building = refresh_in_background(self._store.path)
        finally:
            self._lock.release()

    def _is_building(self) -> bool:
        return self.building is not None and self.building.is_alive()

    def _much_changed(self, generation: int) -> bool:
        self._followed = generation
        if self._generation == _NEVER:
            return True
        _, changed = self._store.tail_size(self._generation, last=_ANY)  # put or gone since
        return changed > LOOK_SHARE * self._store.size()
