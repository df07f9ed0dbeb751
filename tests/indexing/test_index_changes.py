"""Random sequences of changes to a folder: the index against a dictionary that does the same."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fake_embedder import BROKEN, FakeEmbedder, fake_model, vector_of
from lookalike.errors import TableError
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Item
from lookalike.indexing.upkeep import Update
from lookalike.tables.table import ImageTable

NAMES = [f"{folder}{name}.png" for folder in ("", "cat/", "dog/") for name in "abcd"]
CONTENTS = [b"one", b"two", b"three", b"four", BROKEN]


class Changes(RuleBasedStateMachine):
    """`disk` is what lies in the folder, `known` what the index should hold: name to content."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        self.root = self.place / "album"
        self.root.mkdir()
        self.index = Index.create(self.place / "a.idx", fake_model(self.place / "model"))
        self.disk: dict[str, bytes] = {}
        self.known: dict[str, bytes] = {}
        self.numbers: dict[str, int] = {}
        self.highest = 0
        self.clock = 0

    def teardown(self) -> None:
        self.index.close()
        shutil.rmtree(self.place)

    @rule(name=st.sampled_from(NAMES), content=st.sampled_from(CONTENTS))
    def write(self, name: str, content: bytes) -> None:
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / name).write_bytes(content)
        self.disk[name] = content
        self._touch(name)

    @precondition(lambda self: self.disk)
    @rule(data=st.data())
    def touch(self, data: st.DataObject) -> None:
        self._touch(self._any_file(data))

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), name=st.sampled_from(NAMES))
    def move(self, data: st.DataObject, name: str) -> None:
        old = self._any_file(data)
        (self.root / name).parent.mkdir(exist_ok=True)
        (self.root / old).replace(self.root / name)
        self.disk[name] = self.disk.pop(old)

    @precondition(lambda self: self.disk)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        name = self._any_file(data)
        (self.root / name).unlink()
        del self.disk[name]

    @rule(prune=st.booleans())
    def update(self, prune: bool) -> None:
        embedder = FakeEmbedder()
        if not self.disk:
            with pytest.raises(TableError):
                ImageTable.read(self.root)
            return
        done = self.index.update(ImageTable.read(self.root), embed=embedder, prune=prune)
        usable = {name: content for name, content in self.disk.items() if content != BROKEN}
        assert len(embedder.embedded) == len(set(usable.values()) - set(self.known.values()))
        self._follow(usable, prune, done)

    @rule()
    def open_again(self) -> None:
        self.index.close()
        self.index = Index.open(self.place / "a.idx", model=fake_model(self.place / "model"))

    @invariant()
    def the_index_holds_what_it_should(self) -> None:
        items = self._items()
        snapshot = self.index._store.snapshot()
        assert snapshot.ids.tolist() == sorted(item.id for item in items.values() if item.id is not None)
        vectors = dict(zip(snapshot.ids.tolist(), snapshot.vectors, strict=True))
        assert set(items) == set(self.known)
        for name, content in self.known.items():
            number = items[name].id
            assert number is not None
            assert vectors[number].tobytes() == vector_of(content).tobytes()
            assert items[name].label == (name.split("/")[0] if "/" in name else None)

    def _touch(self, name: str) -> None:
        self.clock += 1
        os.utime(self.root / name, ns=(self.clock, self.clock))

    def _any_file(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(sorted(self.disk)))

    def _items(self) -> dict[str, Item]:
        return {
            item.path: item for root in self.index._store.roots() for item in self.index._store.items(root.id)
        }

    def _follow(self, usable: dict[str, bytes], prune: bool, done: Update) -> None:
        """Do to `known` what the update had to do, and compare the counts."""
        gone = {name: content for name, content in self.known.items() if name not in self.disk}
        new = {name: content for name, content in usable.items() if name not in self.known}
        moved = sum((Counter(gone.values()) & Counter(new.values())).values())
        stays = {name: content for name, content in self.known.items() if name in usable}
        assert (done.added, done.moved) == (len(new) - moved, moved)
        assert done.unchanged == sum(content == usable[name] for name, content in stays.items())
        assert done.updated == len(stays) - done.unchanged
        assert len(done.skipped) == len(self.disk) - len(usable)
        left = len(gone) - moved
        # of several gone files with the same content any may be the one that moved
        items = self._items()
        kept = {name: content for name, content in gone.items() if name in items}
        assert (done.missing, done.removed) == (len(kept), left - len(kept))
        away = {name for name in gone if not any((self.root / name).parent.iterdir())}
        certain = {name for name in away if gone[name] not in new.values()}  # that did not move
        assert certain <= kept.keys() <= away if prune else len(kept) == left
        assert Counter(kept.values()) <= Counter(gone.values())
        self._follow_numbers(items, {*stays, *kept}, set(gone), done)
        self.known = {**usable, **kept}

    def _follow_numbers(self, items: dict[str, Item], same: set[str], gone: set[str], done: Update) -> None:
        """What stays keeps its id, what moved takes the old one along, what is new has one never seen."""
        now = {name: item.id for name, item in items.items() if item.id is not None}
        assert {name: now[name] for name in same} == {name: self.numbers[name] for name in same}
        fresh = [number for name, number in now.items() if name not in same]
        assert sum(number in {self.numbers[name] for name in gone} for number in fresh) == done.moved
        assert sum(number > self.highest for number in fresh) == done.added
        self.highest = max(self.highest, *now.values(), 0)
        self.numbers = now


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=20, stateful_step_count=25, deadline=None)
