"""Adding and removing survive kill -9 before any of their steps: what was acknowledged is there, once."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from killed_adder import picture
from lookalike.indexing.added_folder import AddedFolder
from lookalike.indexing.adding import add_pictures, finish_adding
from lookalike.indexing.index import Index
from lookalike.models.embedding import content_hash, embed_chunks
from lookalike.models.model import Model
from lookalike.pictures.finding import LISTED
from lookalike.tables.table import ImageTable
from scenes import scene, write

TESTS = Path(__file__).parent.parent
STRIDE = 1 if "LOOKALIKE_LONG_TESTS" in os.environ else 9  # of the steps before which a process is killed
MOST_STEPS = 200


class Killed:
    """Gives orders to a `killed_adder`."""

    def __init__(self, index: Path, model: Path) -> None:
        paths = os.pathsep.join([str(TESTS), *sys.path])
        self.process = subprocess.Popen(
            [sys.executable, str(TESTS / "killed_adder.py"), str(index), str(model)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )

    def order(self, **order: Any) -> tuple[Any, int]:
        """What was acknowledged, None where nothing was; and how the child ended."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(f"{json.dumps(order)}\n")
        self.process.stdin.flush()
        told = None
        while True:
            line = json.loads(self.process.stdout.readline())
            if "end" in line:
                return told, line["end"]
            told = line["done"]

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()


@pytest.fixture
def path(tmp_path: Path, tiny_folder: Path) -> Path:
    write(tmp_path / "photos" / "0.png", scene(0))
    with Index.create(tmp_path / "a.idx", Model.load(tiny_folder)) as index:
        index.update(ImageTable.read(tmp_path / "photos"), source=tmp_path / "photos")
    return tmp_path / "a.idx"


@pytest.fixture
def killed(path: Path, tiny_folder: Path) -> Iterator[Killed]:
    made = Killed(path, tiny_folder)
    yield made
    made.close()


def check_whole(index: Index) -> dict[str, str | None]:
    """Every item has a file with its content, and its vector; labels by the names of added files."""
    connection = sqlite3.connect(index.path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    folder = AddedFolder(index.path)
    files = {file.name for file in folder.path.iterdir()} if folder.path.is_dir() else set()
    labels = dict[str, str | None]()
    hashes = list[bytes]()
    for root in index.store.roots():
        for item in index.store.items(root.id):
            file = Path(root.path) / item.path
            assert content_hash(file.read_bytes()) == item.hash
            (chunk,) = embed_chunks(index.model, [file])
            assert np.allclose(index.vectors([item.id or 0])[0], chunk.vectors[0], atol=1e-6)
            hashes.append(item.hash)
            if root.path == str(folder.path):
                labels[item.path] = item.label
                assert item.path in files
    assert len(set(hashes)) == len(hashes), "a content is there twice"
    return labels


def check_follows(index: Index) -> None:
    """Nothing is to be done, by whoever brings the index up to date."""
    for source in index.sources:
        update = index.update(ImageTable.read(source), source=source)
        assert (update.added, update.updated, update.moved, update.spoiled) == (0, 0, 0, 0)


def check_no_rest(index: Index) -> None:
    """No file that is half written is left."""
    folder = AddedFolder(index.path).path
    names = {file.name for file in folder.iterdir()} if folder.is_dir() else set()
    assert {name for name in names if name.startswith(".")} <= {LISTED}


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "later"])
def test_adding_is_killed_before_any_step(
    path: Path, killed: Killed, tiny_folder: Path, is_first: bool
) -> None:
    model = Model.load(tiny_folder)
    if not is_first:
        with Index.open(path, model=model) as index:
            add_pictures(index, [picture(900)], label="old")
    before = shutil.copytree(path.parent, path.parent.parent / f"{path.parent.name} before")
    for step in range(0, MOST_STEPS, STRIDE):
        shutil.rmtree(path.parent)
        shutil.copytree(before, path.parent)
        acknowledged, code = killed.order(add=[1, 2], label="new", die_at=step)
        assert code in (0, -signal.SIGKILL)
        with Index.open(path, model=model) as index:
            check_whole(index)
            finish_adding(index)
            added = add_pictures(index, [picture(2), picture(1), picture(3)], label="new")
            assert len(added.added) + len(added.known) == 3
            if acknowledged is not None:
                assert set(acknowledged) == set(added.known)
            labels = check_whole(index)
            assert sorted(map(str, labels.values())) == ["new"] * 3 + ["old"] * (not is_first)
            check_no_rest(index)
            check_follows(index)
        if code == 0:
            break
    assert code == 0, "it takes more steps"
    assert step > 10
    shutil.rmtree(before)


@pytest.mark.parametrize("numbers", [[2], [2, 3], [1, 3]], ids=["one", "last", "mixed"])
def test_removing_is_killed_before_any_step(
    path: Path, killed: Killed, tiny_folder: Path, numbers: list[int]
) -> None:
    model = Model.load(tiny_folder)
    with Index.open(path, model=model) as index:
        add_pictures(index, [picture(1), picture(2)], label="old")
    before = shutil.copytree(path.parent, path.parent.parent / f"{path.parent.name} before")
    for step in range(0, MOST_STEPS, STRIDE):
        shutil.rmtree(path.parent)
        shutil.copytree(before, path.parent)
        acknowledged, code = killed.order(remove=numbers, die_at=step)
        with Index.open(path, model=model) as index:
            left = set(index.store.contents([1, 2, 3]))
            assert left in ({1, 2, 3}, {1, 2, 3} - set(numbers))  # all of it or nothing
            assert acknowledged is None or not left & set(numbers)
            finish_adding(index)
            check_whole(index)
            add_pictures(index, [picture(3)], label="new")
            check_whole(index)
            for source in index.sources:
                index.update(ImageTable.read(source), source=source)
            check_no_rest(index)
        if code == 0:
            break
    assert code == 0, "it takes more steps"
    shutil.rmtree(before)
