"""An index that is going to be asked at once: opened with its model, also where that has to be made first.

A path enters; an open index leaves, and whoever waits is told why. What is asked of it is the callers'
business.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from lookalike.indexing.index import Index
from lookalike.indexing.made_by import find_model
from lookalike.indexing.store import Store


def open_ready(path: Path, *, keep_fast: bool = False, say: Callable[[str], None] = lambda _: None) -> Index:
    """Open an index and its model.

    Args:
        keep_fast: as of `Index.open`.
        say: told where something is done that takes its time.

    Raises:
        StoreError: there is no index, it is of another format version, or its model is not to be found.
    """
    store = Store(path)
    try:
        return Index(store, find_model(store, say=say), keep_fast=keep_fast)
    except BaseException:
        store.close()
        raise
