"""Small stores, for tests of the store and of what lies below it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import StoreError
from lookalike.indexing.schema import Changes, Item
from lookalike.indexing.store import Store
from lookalike.records import Floats

DIM = 4
FACTS = {"dim": str(DIM), "fingerprint": "f", "model": "/m", "model_name": "m", "created": "2024-01-01"}


def vector(seed: int) -> Floats:
    values = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return values / np.linalg.norm(values)


def item(name: str, *, root: int = 1, box: str = "", content: bytes | None = None) -> Item:
    return Item(root, name, box, 10, 20, content or name.encode(), "cat", "{}")


def put(store: Store, *items: Item, seed: int = 0) -> None:
    with store.writing() as writer:
        writer.apply(Changes(puts=[(entry, vector(seed + n)) for n, entry in enumerate(items)]))


def four_beats(error: pytest.ExceptionInfo[StoreError], *parts: str) -> None:
    message = str(error.value)
    assert message.count(" - ") >= 3
    assert "\n" not in message
    for part in parts:
        assert part in message


def spoil(path: Path, statement: str) -> None:
    """Do to an index file what no lookalike does."""
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()


@contextmanager
def new_store(folder: Path) -> Iterator[Store]:
    """A store with one root and nothing in it, under a name that a URL would not take."""
    made = Store.create(folder / "a b#?%.idx", FACTS)
    with made.writing() as writer:
        assert writer.add_root("/pictures", "/pictures") == 1
    yield made
    made.close()


@contextmanager
def read_only_copy(index: Path) -> Iterator[Path]:
    """An index in a folder where this process may not write, root or not."""
    folder = Path(tempfile.mkdtemp())
    copy = folder / "a.idx"
    copy.write_bytes(index.read_bytes())
    copy.chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        yield copy
    finally:
        os.seteuid(user)
        folder.chmod(0o755)
        shutil.rmtree(folder)
