"""An index survives kill -9 at any moment: what was acknowledged is there, once, with its own vector."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_embedder import FakeEmbedder, fake_model, vector_of
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Item
from lookalike.indexing.store import Store
from lookalike.models.embedding import content_hash
from lookalike.tables.table import ImageTable

TESTS = Path(__file__).parent.parent
KILLS = 20

# Imports once and forks a child for every update, so that a round costs milliseconds. A child writes a line
# for each chunk that is embedded and, after it was stored, for each batch.
SERVER = """
import json, os, sys
from pathlib import Path
from fake_embedder import FakeEmbedder
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Writer
from lookalike.tables.table import ImageTable

index, album, pause = Path(sys.argv[1]), Path(sys.argv[2]), float(sys.argv[3])
store = Writer.apply

def acknowledged(self, changes):
    store(self, changes)
    put = [[item.path, item.hash.hex()] for item, _ in changes.puts]
    print(json.dumps({"put": put, "gone": [item.path for item in changes.removals]}), flush=True)

def update(commit_seconds):
    Writer.apply = acknowledged
    with Index.open(index) as opened:
        opened.update(
            ImageTable.read(album),
            embed=FakeEmbedder(pause=pause),
            prune=True,
            progress=lambda done, total: print(json.dumps({"done": done}), flush=True),
            commit_seconds=commit_seconds,
        )

for line in iter(sys.stdin.readline, ""):
    child = os.fork()
    if child == 0:
        code = 1
        try:
            print(json.dumps({"pid": os.getpid()}), flush=True)
            update(float(line))
            code = 0
        except KeyboardInterrupt:
            code = 130
        finally:
            print(json.dumps({"finished": code}), flush=True)
            os._exit(code)
    sys.stdin.readline()  # until it is reaped the child keeps its number, dead or alive
    _, status = os.waitpid(child, 0)
    print(flush=True)
    print(json.dumps({"end": os.waitstatus_to_exitcode(status)}), flush=True)
"""


class Server:
    """Runs updates that can be killed."""

    def __init__(self, index: Path, album: Path, *, pause: float) -> None:
        command = [sys.executable, "-c", SERVER, str(index), str(album), str(pause)]
        environment = {**os.environ, "PYTHONPATH": str(TESTS)}
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
        )
        self.lines: list[dict[str, Any]] = []

    def start(self, *, commit_seconds: float = 0.0) -> int:
        """Begin an update; the process that does it."""
        self.lines.clear()
        self._say(str(commit_seconds))
        return int(self._line()["pid"])

    def wait(self, key: str, *, times: int = 1) -> None:
        """Wait for so many lines with a key, or until the update has finished."""
        while sum(key in line for line in self.lines) < times:
            if key != "end" and any("finished" in line for line in self.lines):
                break
            self.lines.append(self._line())

    def end(self) -> tuple[list[dict[str, Any]], int]:
        """The acknowledged batches, and the exit code (minus the signal) of the update."""
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
        self.clock += 1
        content = f"content {self.clock}".encode()
        self.contents[content_hash(content)] = content
        (self.root / name).write_bytes(content)
        os.utime(self.root / name, ns=(self.clock, self.clock))

    def change(self) -> None:
        """New, changed, moved and deleted files."""
        names = self.random.sample(sorted(file.name for file in self.root.iterdir()), 25)
        for name in names[:10]:
            self.write(name)
        for name in names[10:18]:
            self.clock += 1
            (self.root / name).rename(self.root / f"moved {self.clock}.png")
        for name in names[18:]:
            (self.root / name).unlink()
        for _ in range(12):
            self.write(f"new {self.clock}.png")

    def hashes(self) -> dict[str, bytes]:
        return {file.name: content_hash(file.read_bytes()) for file in self.root.iterdir()}


@pytest.fixture
def album(tmp_path: Path) -> Album:
    made = Album(tmp_path / "album", seed=7)
    for n in range(150):
        made.write(f"{n:03}.png")
    return made


@pytest.fixture
def server(tmp_path: Path, album: Album) -> Iterator[Server]:
    path = tmp_path / "a.idx"
    Index.create(path, fake_model(tmp_path / "model")).close()
    made = Server(path, album.root, pause=0.005)
    yield made
    made.close()


def stored(path: Path) -> dict[str, Item]:
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


def check_acknowledged(after: dict[str, Item], batches: list[dict[str, Any]]) -> None:
    for batch in batches:
        for name, digest in batch["put"]:
            assert after[name].hash.hex() == digest
        assert not set(batch["gone"]) & set(after)


def check_nothing_lost(before: dict[str, Item], after: dict[str, Item], on_disk: dict[str, bytes]) -> None:
    for name, item in before.items():
        if on_disk.get(name) == item.hash:
            assert after[name] == item


def check_readable(path: Path) -> None:
    """What another process sees at this moment belongs together."""
    store = Store(path)
    with store.reading():
        assert len(store.snapshot().ids) == store.info().items
    store.close()


def test_kill_at_random_moments_loses_nothing_doubles_nothing_mixes_nothing(
    tmp_path: Path, album: Album, server: Server
) -> None:
    path = tmp_path / "a.idx"
    killed = acknowledged = 0
    for _ in range(KILLS):
        before = stored(path)
        pid = server.start()
        for times in range(album.random.randrange(9)):
            server.wait("done", times=times + 1)
            check_readable(path)
        time.sleep(album.random.uniform(0.0, 0.03))
        os.kill(pid, signal.SIGKILL)
        batches, code = server.end()
        killed += code == -signal.SIGKILL
        acknowledged += len(batches)
        check_whole(path, album)
        after = stored(path)
        check_acknowledged(after, batches)
        check_nothing_lost(before, after, album.hashes())
        album.change()
    assert killed > KILLS // 3
    assert acknowledged > KILLS // 3
    server.start()
    assert server.end()[1] == 0
    check_whole(path, album)
    assert {name: item.hash for name, item in stored(path).items()} == album.hashes()


def test_a_run_after_a_kill_embeds_only_the_rest(tmp_path: Path, album: Album, server: Server) -> None:
    path = tmp_path / "a.idx"
    pid = server.start()
    server.wait("put", times=3)
    os.kill(pid, signal.SIGKILL)
    server.end()
    kept = len(stored(path))
    assert 0 < kept < 150
    embedder = FakeEmbedder()
    with Index.open(path) as index:
        update = index.update(ImageTable.read(album.root), embed=embedder)
    assert (update.added, update.unchanged) == (150 - kept, kept)
    assert len(embedder.embedded) == 150 - kept


def test_ctrl_c_keeps_what_was_embedded(tmp_path: Path, album: Album, server: Server) -> None:
    path = tmp_path / "a.idx"
    pid = server.start(commit_seconds=1000.0)
    server.wait("done", times=4)
    os.kill(pid, signal.SIGINT)
    batches, code = server.end()
    assert code == 130
    assert len(batches) == 1
    assert 24 <= len(stored(path)) < 150
    check_whole(path, album)
