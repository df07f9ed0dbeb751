"""Small stores with vectors enough for an approximate base."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lookalike.indexing.schema import Changes, Item
from lookalike.indexing.store import Store
from lookalike.records import Floats

DIM = 16


def clustered(rows: int, *, seed: int = 0, clusters: int = 12, spread: float = 0.3) -> Floats:
    """[rows, DIM] unit vectors around a few centres."""
    chance = np.random.default_rng(seed)
    centres = np.random.default_rng(99).standard_normal((clusters, DIM))
    vectors = centres[chance.integers(0, clusters, rows)] + spread * chance.standard_normal((rows, DIM))
    unit: Floats = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def store_of(path: Path, vectors: Floats) -> Store:
    """A new store with these vectors, under the ids 1 to n."""
    facts = {"fingerprint": "f", "model": "/m", "model_name": "m", "created": "2024-01-01"}
    store = Store.create(path, {**facts, "dim": str(vectors.shape[1])})
    with store.writing() as writer:
        writer.add_root("/none", "/none")
    add(store, vectors)
    return store


def add(store: Store, vectors: Floats) -> None:
    """Put more vectors into a store."""
    first = store.size()
    puts = [(item(first + row), vector) for row, vector in enumerate(vectors)]
    with store.writing() as writer:
        writer.apply(Changes(puts=puts))


def remove(store: Store, ids: list[int]) -> None:
    """Take items out of a store."""
    gone = [entry for entry in store.items(1) if entry.id in set(ids)]
    with store.writing() as writer:
        writer.apply(Changes(removals=gone))


def item(row: int) -> Item:
    """An item whose picture never was."""
    return Item(1, f"{row}.png", "", 1, 1, b"%d" % row, "a", "{}")
