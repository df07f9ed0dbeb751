"""A process that changes an index all the time and says which states it went through. Run as a script.

    python busy_writer.py INDEX FOLDER SECONDS SEED PICTURES

With more pictures than an approximate base needs, it builds one again and again.

Every picture's content is a number that no other ever had, and its label is that number, so that an answer
says by itself which vector it has to come from. A line on stdout is one committed state: id to number.
"""

from __future__ import annotations

import csv
import json
import os
import random
import sys
import time
from functools import wraps
from pathlib import Path

from fake_embedder import FakeEmbedder, fake_model
from lookalike.indexing import base_upkeep
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Writer
from lookalike.tables.table import ImageTable


def tell_states(index: Index) -> None:
    """After each batch, what the index holds: read by its only writer, so nothing can have come between."""
    store = Writer.apply

    @wraps(store)
    def apply(self: Writer, changes: Changes) -> None:
        store(self, changes)
        reader = index._store
        with reader.reading():
            items = [item for root in reader.roots() for item in reader.items(root.id)]
        print(json.dumps({str(item.id): item.label for item in items}), flush=True)

    Writer.apply = apply  # type: ignore[method-assign]


class Pictures:
    """A folder of numbered contents with a manifest beside it."""

    def __init__(self, folder: Path, seed: int, pictures: int) -> None:
        self.folder, self.random = folder, random.Random(seed)
        self.manifest = folder / "all.csv"
        self.numbers: dict[str, int] = {}
        self.clock = 0
        self.change(pictures)

    def change(self, writes: int = 12) -> None:
        """New and changed files, moved and deleted ones, and a manifest that says what is there now."""
        for name in self._some(6):
            (self.folder / name).unlink()
            del self.numbers[name]
        for name in self._some(4):
            self.clock += 1
            moved = f"moved {self.clock}.png"
            (self.folder / name).rename(self.folder / moved)
            self.numbers[moved] = self.numbers.pop(name)
        for name in [*self._some(writes // 2), *(f"{self.clock} {n}.png" for n in range(writes // 2))]:
            self._write(name)
        with self.manifest.open("w", newline="") as file:
            csv.writer(file).writerows([("image", "label"), *self.numbers.items()])

    def _write(self, name: str) -> None:
        self.clock += 1
        (self.folder / name).write_bytes(str(self.clock).encode())
        os.utime(self.folder / name, ns=(self.clock, self.clock))
        self.numbers[name] = self.clock

    def _some(self, count: int) -> list[str]:
        names = sorted(self.numbers)
        return self.random.sample(names, min(count, len(names) // 2))


def main(path: Path, folder: Path, seconds: float, seed: int, size: int) -> None:
    """Change, commit a few pictures at a time, and begin again."""
    base_upkeep.EXACT_MS = 0.0  # though exact search would be fast enough
    pictures = Pictures(folder, seed, size)
    end = time.monotonic() + seconds
    with Index.open(path, model=fake_model(path.parent / "model")) as index:
        tell_states(index)
        while time.monotonic() < end:
            table = ImageTable.read(pictures.manifest)
            index.update(table, embed=FakeEmbedder(), prune=True, commit_seconds=0.0)
            index.refresh()
            pictures.change()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3]), *map(int, sys.argv[4:]))
