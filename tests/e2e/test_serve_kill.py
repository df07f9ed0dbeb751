"""A server that adds pictures survives kill -9: what it acknowledged is there, once, with its own vector."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2 as httpx
import numpy as np
import pytest

from lookalike.indexing.index import Index
from lookalike.models.embedding import content_hash, embed_chunks
from lookalike.models.model import Model
from lookalike.pictures.finding import LISTED
from lookalike.tables.table import ImageTable
from pictures import content
from scenes import scene, write
from served import client, running

KILLS = 40 if "LOOKALIKE_LONG_TESTS" in os.environ else 3
CLIENTS = 3
LONGEST = 0.6  # seconds of adding, before a kill

Acknowledged = dict[int, bytes]  # the content hash of each item that was said to be there


class Client:
    """Adds one to three pictures again and again, some of which others add too, until nobody answers."""

    def __init__(self, address: str, number: int, seed: int) -> None:
        self.acknowledged: Acknowledged = {}
        self.first = threading.Event()
        self._address, self._random, self._number = address, random.Random(f"{seed} {number}"), number
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def join(self) -> None:
        self._thread.join(60)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        with httpx.Client(base_url=self._address, timeout=30) as asking:
            try:
                while True:
                    self._add(asking)
                    self.first.set()
            except httpx.TransportError:  # killed: what was asked last is not acknowledged
                self.first.set()

    def _add(self, asking: httpx.Client) -> None:
        seeds = [self._random.randrange(100_000) for _ in range(self._random.randrange(1, 3))]
        contents = [*map(picture, seeds), picture(self._random.randrange(20))]
        files = [("picture", ("a.png", each, "image/png")) for each in contents]
        answer = asking.post("/v1/items", files=files, data={"label": f"client {self._number}"})
        assert answer.status_code in (200, 201), answer.text
        body = answer.json()
        assert body["skipped"] == []
        for entry in (*body["added"], *body["known"]):
            self.acknowledged[entry["id"]] = content_hash(contents[entry["upload"]])


def picture(seed: int) -> bytes:
    return content(scene(seed, 24, 24), "PNG")


def add_until_killed(path: Path, chance: random.Random) -> Acknowledged:
    """Let clients add to a server that is killed at a random moment; what it acknowledged."""
    with running(path, "--writable") as served:
        address = served.address.partition("#")[0]
        clients = [Client(address, number, chance.randrange(10**9)) for number in range(CLIENTS)]
        assert all(each.first.wait(60) for each in clients)
        time.sleep(chance.uniform(0.0, LONGEST))
        served.process.kill()
        served.process.wait(30)
        for each in clients:
            each.join()
    return {number: digest for each in clients for number, digest in each.acknowledged.items()}


def check(path: Path, acknowledged: Acknowledged) -> None:
    """All of it is there, each content once and with its own vector, and every file is whole."""
    with Index.open(path) as index:
        roots = {root.id: Path(root.path) for root in index.store.roots()}
        items = {item.id or 0: item for root in roots for item in index.store.items(root)}
        assert {number: items[number].hash for number in acknowledged} == acknowledged
        assert len({item.hash for item in items.values()}) == len(items)
        numbers = sorted(items)
        files = [roots[items[number].root] / items[number].path for number in numbers]
        chunks = list(embed_chunks(index.model, files))
        vectors = np.concatenate([chunk.vectors for chunk in chunks])
        assert [digest for chunk in chunks for digest in chunk.hashes] == [
            items[number].hash for number in numbers
        ]
        assert np.allclose(index.vectors(numbers), vectors, atol=1e-5)


def commanded(*words: object) -> str:
    command = [sys.executable, "-m", "lookalike", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dump(path: Path) -> Sequence[object]:
    with Index.open(path) as index:
        return [item for root in index.store.roots() for item in index.store.items(root.id)]


@pytest.mark.parametrize("seed", [1])
def test_kill_while_clients_add_loses_nothing_acknowledged(tmp_path: Path, tiny: Model, seed: int) -> None:
    write(tmp_path / "photos" / "cat" / "0.png", scene(0, 24, 24))
    path, chance = tmp_path / "a.idx", random.Random(seed)
    with Index.create(path, tiny) as index:
        index.update(ImageTable.read(tmp_path / "photos"), source=tmp_path / "photos")
    acknowledged: Acknowledged = {}
    for _ in range(KILLS):
        acknowledged |= add_until_killed(path, chance)
        check(path, acknowledged)
    assert len(acknowledged) > KILLS
    with client(path, writable=True):  # finishes what was begun
        pass
    before = dump(path)
    names = {file.name for file in tmp_path.joinpath("a.idx-added").iterdir()}
    assert {name for name in names if name.startswith(".")} == {LISTED}
    assert "added" not in commanded("index", path)
    assert dump(path) == before
    check(path, acknowledged)
