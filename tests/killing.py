"""Killing a process that changes an index, and looking at what it left behind."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fake_embedder import fake_model, vector_of
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Item
from lookalike.indexing.store import Store
from lookalike.models.embedding import content_hash

TESTS = Path(__file__).parent
Lines = list[dict[str, Any]]


class Server:
    """Gives orders to a `killed_writer`."""

    def __init__(self, index: Path, album: Path) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path]),
            "OMP_NUM_THREADS": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, str(TESTS / "killed_writer.py"), str(index), str(album)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.lines: Lines = []

    def start(
        self,
        do: str = "update",
        *,
        prune: bool = True,
        pause: float = 0.001,
        commit_seconds: float = 0.0,
        die_at: int | None = None,
        **more: object,
    ) -> int:
        """Give an order; the process that follows it."""
        self.lines = []
        options = {"prune": prune, "pause": pause, "commit_seconds": commit_seconds, "die_at": die_at}
        self._say(json.dumps({"do": do, **options, **more}))
        return int(self._line()["pid"])

    def wait(self, key: str, *, times: int = 1) -> None:
        """Wait for so many lines with a key, or until the order has been followed."""
        while sum(key in line for line in self.lines) < times:
            if key != "end" and any("finished" in line or "end" in line for line in self.lines):
                break
            self.lines.append(self._line())

    def end(self) -> tuple[Lines, int]:
        """The acknowledged batches, and the exit code (minus the signal) of the process."""
        self._say("reap")
        self.wait("end")
        return [line for line in self.lines if "put" in line], int(self.lines[-1]["end"])

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(timeout=30)
        self.process.stdout.close()

    def _say(self, text: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{text}\n")
        self.process.stdin.flush()

    def _line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        for text in self.process.stdout:
            try:
                line = json.loads(text)
            except ValueError:  # cut by the kill, or the empty line that ends such a one
                continue
            assert isinstance(line, dict)
            return line
        raise AssertionError("the server died")


class Album:
    """A folder that changes, and every content that it ever had."""

    def __init__(self, root: Path, *, seed: int) -> None:
        self.root = root
        self.root.mkdir()
        self.random = random.Random(seed)
        self.contents: dict[bytes, bytes] = {}
        self.clock = 0

    def write(self, name: str) -> None:
        """Give a file a content that no other ever had."""
        self.clock += 1
        content = f"content {self.clock}".encode()
        self.contents[content_hash(content)] = content
        (self.root / name).write_bytes(content)
        os.utime(self.root / name, ns=(self.clock, self.clock))

    def add(self, count: int = 24) -> None:
        for _ in range(count):
            self.write(f"new {self.clock}.png")

    def rewrite(self, count: int = 24) -> None:
        for name in self._some(count):
            self.write(name)

    def move(self, count: int = 8) -> None:
        for name in self._some(count):
            self.clock += 1
            (self.root / name).rename(self.root / f"moved {self.clock}.png")

    def remove(self, count: int = 16) -> None:
        for name in self._some(count):
            (self.root / name).unlink()

    def everything(self) -> None:
        """New, changed, moved and deleted files."""
        self.rewrite(10)
        self.move(8)
        self.remove(7)
        self.add(12)

    def shrink(self) -> None:
        """Mostly fewer files, so that most of the work is to remove."""
        self.remove(16)
        self.add(16)
        self.move(4)

    def hashes(self) -> dict[str, bytes]:
        """What lies there now: content hash by name."""
        return {file.name: content_hash(file.read_bytes()) for file in self.root.iterdir()}

    def _some(self, count: int) -> list[str]:
        names = sorted(file.name for file in self.root.iterdir())
        return self.random.sample(names, min(count, len(names) - 1))


class Course:
    """Kills a server again and again while an album changes, and checks every time what is left."""

    def __init__(self, index: Path, album: Album, server: Server) -> None:
        self.index, self.album, self.server = index, album, server
        self.killed = self.acknowledged = 0
        self.seen: set[int] = set()  # the ids that ever were
        self.now: set[int] = set()

    def run(self, kills: int, change: Callable[[], None]) -> None:
        """Change the album and bring the index up to date until the process was killed so often."""
        for _ in range(4 * kills):
            if self.killed == kills:
                break
            self.round()
            change()
        assert self.killed == kills, "the kills come too late"

    def round(self) -> None:
        """One update, killed at a random moment or, as often, before a random statement of a transaction."""
        before, chance = stored(self.index), self.album.random
        inside = chance.random() < 0.5
        pid = self.server.start(die_at=chance.randrange(150) if inside else None)
        if not inside:
            for times in range(chance.randrange(6)):
                self.server.wait("done", times=times + 1)
                check_readable(self.index)
            time.sleep(chance.uniform(0.0, 0.012))
            os.kill(pid, signal.SIGKILL)
        batches, code = self.server.end()
        assert code in (0, -signal.SIGKILL)
        self.killed += code == -signal.SIGKILL
        self.acknowledged += len(batches)
        self.check(before, batches)

    def check(self, before: dict[str, Item], batches: Lines) -> None:
        """Nothing that was acknowledged is missing, doubled or wrong."""
        check_whole(self.index, self.album)
        after = stored(self.index)
        check_acknowledged(after, batches)
        check_nothing_lost(before, after, self.album.hashes())
        ids = {item.id for item in after.values() if item.id is not None}
        assert not (ids - self.now) & self.seen, "an id was given twice"
        self.seen |= ids
        self.now = ids

    def finish(self) -> None:
        """Once nobody kills, the index says what lies on the disk, and a search finds it."""
        self.server.start(pause=0.0)
        assert self.server.end()[1] == 0
        check_whole(self.index, self.album)
        assert {name: item.hash for name, item in stored(self.index).items()} == self.album.hashes()
        check_found(self.index, self.album)


def stored(path: Path) -> dict[str, Item]:
    """The items by name, which are none's twice."""
    store = Store(path)
    with store.reading():
        items = [item for root in store.roots() for item in store.items(root.id)]
    store.close()
    assert len({item.path for item in items}) == len(items)
    return {item.path: item for item in items}


def check_whole(path: Path, album: Album) -> None:
    """Nothing is torn, and every item has the vector of the content that it claims to be."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()
    store = Store(path)
    with store.reading():
        snapshot = store.snapshot()
        items = [item for root in store.roots() for item in store.items(root.id)]
    store.close()
    vectors = dict(zip(snapshot.ids.tolist(), snapshot.vectors, strict=True))
    assert {item.id for item in items} == set(vectors)
    for item in items:
        assert vectors[item.id].tobytes() == vector_of(album.contents[item.hash]).tobytes()


def check_acknowledged(after: dict[str, Item], batches: Lines) -> None:
    """What the process said was stored is stored."""
    said: dict[str, str | None] = {}
    for batch in batches:
        said |= dict.fromkeys(batch["gone"]) | dict(batch["put"])
    for name, digest in said.items():
        assert (after[name].hash.hex() if name in after else None) == digest


def check_nothing_lost(before: dict[str, Item], after: dict[str, Item], on_disk: dict[str, bytes]) -> None:
    """What was right before the kill is as it was."""
    for name, item in before.items():
        if on_disk.get(name) == item.hash:
            assert after[name] == item


def check_readable(path: Path) -> None:
    """What another process sees at this moment belongs together."""
    store = Store(path)
    with store.reading():
        assert len(store.snapshot().ids) == store.info().items
    store.close()


def check_found(path: Path, album: Album) -> bool:
    """Each picture is the nearest to its own vector, by a similarity of 1; whether all were compared."""
    items = stored(path)
    if not items:
        return True
    queries = np.stack([vector_of(album.contents[item.hash]) for item in items.values()])
    with Index.open(path, model=fake_model(path.parent / "model")) as index:
        answers = index.search(queries, k=1)
    for item, answer in zip(items.values(), answers, strict=True):
        assert answer.hits[0].id == item.id
        assert abs(answer.hits[0].similarity - 1.0) < 1e-6
    return all(answer.exact for answer in answers)
