"""A folder of files that changes, with an index of it. Tests of the index and its upkeep use it."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from fake_embedder import FakeEmbedder, fake_model, vector_of
from lookalike.indexing.index import Index
from lookalike.indexing.upkeep import Update
from lookalike.records import Floats
from lookalike.tables.table import ImageTable


class Album:
    """A folder of files, an index of it, and a count of what was embedded."""

    def __init__(self, place: Path) -> None:
        self.root = place / "album"
        self.root.mkdir()
        self.model = fake_model(place / "model")
        self.path = place / "album.idx"
        self.index = Index.create(self.path, self.model)
        self.embedder = FakeEmbedder()

    def write(self, name: str, content: str | bytes | None = None, *, mtime: int | None = None) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content or name.encode())
        if mtime is not None:
            os.utime(path, ns=(mtime, mtime))
        return path

    def update(self, source: Path | None = None, **options: object) -> Update:
        self.embedder.forget()
        where = source or self.root
        table = ImageTable.read(where)
        return self.index.update(table, source=where, embed=self.embedder, **options)  # type: ignore[arg-type]

    def stored(self) -> dict[str, Floats]:
        """Path below the root to vector."""
        snapshot = self.index._store.snapshot()
        facts = self.index._store.facts(snapshot.ids.tolist())
        return {
            os.path.relpath(facts[item].path, self.root): vector
            for item, vector in zip(snapshot.ids.tolist(), snapshot.vectors, strict=True)
        }

    def id_of(self, name: str) -> int:
        (found,) = self.index._store.ids_at(self.root / name)
        return found

    def is_right(self) -> bool:
        """Whether every item has the vector of its file's content."""
        return all(
            np.array_equal(vector, vector_of((self.root / name).read_bytes()))
            for name, vector in self.stored().items()
        )


def counts(update: Update) -> dict[str, int]:
    names = ("added", "updated", "moved", "unchanged", "missing", "removed")
    return {name: getattr(update, name) for name in names if getattr(update, name)} | (
        {"skipped": len(update.skipped)} if update.skipped else {}
    )
