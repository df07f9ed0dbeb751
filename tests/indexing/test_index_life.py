"""Random lives of an index of two sources against a plain dictionary, searches included.

`Life.known` is what the index must hold; what an update does to it is said here a second time, without a look
at the store.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from fake_embedder import BROKEN, FakeEmbedder, fake_model, vector_of
from lookalike.errors import StoreError
from lookalike.indexing.base_build import FEWEST, build_base
from lookalike.indexing.index import Index
from lookalike.indexing.schema import VERDICTS, Decision, Verdict
from lookalike.indexing.upkeep import Update
from lookalike.models.embedding import content_hash
from lookalike.records import Floats
from lookalike.tables.table import ImageTable

ROOTS = ("left", "right")
FILL = "fill"
NAMES = ("a.png", "b.png", "c.png", "sub/a.png", "sub/b.png")
CONTENTS = (b"one", b"two", b"three", b"four", BROKEN)
LABELS = ("cat", "dog", "owl")

Place = tuple[str, str]  # root and name
places = st.tuples(st.sampled_from(ROOTS), st.sampled_from(NAMES))
contents, labels = st.sampled_from(CONTENTS), st.sampled_from(LABELS)
verdicts = st.sampled_from((*VERDICTS, None))


@dataclass(frozen=True)
class Known:
    """What the index must say of a picture."""

    id: int
    content: bytes
    label: str


class Life(RuleBasedStateMachine):
    """Two folders with a manifest each.

    Attributes:
        disk: what lies there; listed: what the manifests say; known: what the index must hold.
        decided: what was decided about pairs of contents.
        away: folders that are not there now, as if their disk were not mounted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp())
        for root in (*ROOTS, FILL):
            (self.place / root / "sub").mkdir(parents=True)
        self.index = Index.create(self.place / "a.idx", fake_model(self.place / "model"))
        self.disk: dict[Place, bytes] = {}
        self.listed: dict[Place, str] = {}
        self.known: dict[Place, Known] = {}
        self.away: set[str] = set()
        self.decided: dict[tuple[bytes, bytes], str | None] = {}
        self.highest = self.clock = 0

    def teardown(self) -> None:
        self.index.close()
        shutil.rmtree(self.place)

    @initialize(files=st.dictionaries(places, st.tuples(contents, labels), min_size=4, max_size=9))
    def begin(self, files: dict[Place, tuple[bytes, str]]) -> None:
        """Not with nothing, and with a source that only shrinks, so that there is enough for a base."""
        for n in range(FEWEST):
            self.write((FILL, f"{n:03}.png"), b"fill %d" % n, "fill")
        self.update(FILL, prune=False)
        for place, (content, label) in files.items():
            self.write(place, content, label)
        for root in ROOTS:
            self.update(root, prune=False)

    @rule(place=places, content=contents, label=labels)
    def write(self, place: Place, content: bytes, label: str) -> None:
        """A new file, or another content under the same name."""
        self.clock += 1
        self.disk[place] = content
        self.listed[place] = label
        self._file(place).write_bytes(content)
        os.utime(self._file(place), ns=(self.clock, self.clock))

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), to=places)
    def move(self, data: st.DataObject, to: Place) -> None:
        """Another name, perhaps in the other folder, perhaps over what lay there."""
        self._move(data.draw(st.sampled_from(sorted(self.disk))), to)

    def _move(self, old: Place, to: Place) -> None:
        self._file(old).replace(self._file(to))
        self.disk[to] = self.disk.pop(old)
        self.listed[to] = self.listed.pop(old, LABELS[0])

    @precondition(lambda self: self.disk)
    @rule(data=st.data(), listed=st.booleans())
    def delete(self, data: st.DataObject, listed: bool) -> None:
        """A file goes; its manifest may still have it."""
        place = data.draw(st.sampled_from(sorted(self.disk)))
        self._file(place).unlink()
        del self.disk[place]
        if not listed:
            self.listed.pop(place, None)

    @precondition(lambda self: self.listed)
    @rule(data=st.data(), label=st.sampled_from((*LABELS, None)))
    def relabel(self, data: st.DataObject, label: str | None) -> None:
        """Another label; None takes the picture out of the manifest."""
        place = data.draw(st.sampled_from(sorted(self.listed)))
        if label is None:
            del self.listed[place]
        else:
            self.listed[place] = label

    @precondition(lambda self: not self.away)
    @rule(root=st.sampled_from(ROOTS), prune=st.booleans())
    def unmount(self, root: str, prune: bool) -> None:
        """Take a folder away, and bring the index up to date without it."""
        (self.place / root).rename(self.place / f"{root} away")
        self.away = {root}
        self.update(root, prune=prune)

    @precondition(lambda self: self.away)
    @rule()
    def mount(self) -> None:
        """Bring it back."""
        root = self.away.pop()
        (self.place / f"{root} away").rename(self.place / root)

    @rule(root=st.sampled_from(ROOTS), prune=st.booleans())
    def move_all(self, root: str, prune: bool) -> None:
        """What lies in the other folder goes into this one, which is brought up to date first, or last."""
        for place in [place for place in sorted(self.disk) if place[0] not in (root, FILL)]:
            self._move(place, (root, place[1]))
        for each in sorted(ROOTS, key=lambda name: (name == root) == prune):
            self.update(each, prune=prune)

    @rule(root=st.sampled_from(ROOTS), prune=st.booleans())
    def update(self, root: str, prune: bool) -> None:
        """Bring one source up to date."""
        listed = {place: label for place, label in self.listed.items() if place[0] == root}
        if not listed:
            return  # a manifest without rows is refused where it is read
        table = self._table(listed)
        there = (
            {} if root in self.away else {place: self.disk[place] for place in listed if place in self.disk}
        )
        gone = {place for place in self._of(root) if place not in there}
        embedder = FakeEmbedder()
        if prune and gone and not there:
            with pytest.raises(StoreError, match="nothing was removed"):
                self.index.update(table, source=self._manifest(root), embed=embedder, prune=True)
            return
        done = self.index.update(table, source=self._manifest(root), embed=embedder, prune=prune)
        usable = {place: content for place, content in there.items() if content != BROKEN}
        assert set(embedder.embedded) <= {place[1].rpartition("/")[2] for place in there}
        new_contents = set(usable.values()) - {entry.content for entry in self.known.values()}
        assert len(embedder.embedded) == len(new_contents)
        self._follow(root, usable, set(there) - set(usable), gone, done, prune=prune)

    @precondition(lambda self: len(self.known) > FEWEST + 6)
    @rule(root=st.sampled_from(ROOTS))
    def drop(self, root: str) -> None:
        """Forget a source."""
        assert self.index.drop(self._manifest(root)) == len(self._of(root))
        self.known = {place: entry for place, entry in self.known.items() if place[0] != root}

    @precondition(lambda self: len(self.known) >= FEWEST)
    @rule()
    def build(self) -> None:
        """An approximate base of what is there now, which later searches go on from."""
        assert build_base(self.index._store).rows == len(self.known)

    @rule(pair=st.tuples(st.sampled_from(CONTENTS), st.sampled_from(CONTENTS)), verdict=verdicts)
    def decide(self, pair: tuple[bytes, bytes], verdict: Verdict | None) -> None:
        """Decide about two contents, whether they are there or not, or take it back."""
        one, other = map(content_hash, pair)
        key = (min(one, other), max(one, other))
        with self.index._store.writing() as writer:
            if verdict is None:
                assert writer.forget_decisions([(one, other)]) == (key in self.decided)
            else:
                writer.decide([Decision.of(one, other, verdict, made="now")])
        self.decided = {**self.decided, key: verdict}
        self.decided = {pair: kept for pair, kept in self.decided.items() if kept is not None}

    @rule()
    def open_again(self) -> None:
        """As another process would."""
        self.index.close()
        self.index = Index.open(self.place / "a.idx", model=fake_model(self.place / "model"))

    @rule(seed=st.integers(0, 9), k=st.integers(1, 12))
    def search(self, seed: int, k: int) -> None:
        """The nearest, against every similarity computed here."""
        query = vector_of(str(seed).encode())
        (answer,) = self.index.search(query[None], k=k)
        wanted = self._similarities(query)
        known = {entry.id: (place, entry) for place, entry in self.known.items()}
        for hit in answer.hits:
            place, entry = known[hit.id]
            assert (hit.path, hit.label) == (str(self._named(place)), entry.label)
            assert abs(hit.similarity - wanted[hit.id]) < 1e-6
        order = [(-hit.similarity, hit.id) for hit in answer.hits]
        assert order == sorted(order)
        best = sorted(wanted.values(), reverse=True)[:k]
        assert len({hit.id for hit in answer.hits}) == len(best)
        if answer.exact:  # a base may miss one
            assert np.allclose([hit.similarity for hit in answer.hits], best, atol=1e-6)

    @invariant()
    def the_index_holds_what_it_should(self) -> None:
        """Every item with its label and the vector of its content, bit for bit, and nothing else."""
        store = self.index._store
        with store.reading():
            snapshot, items = (
                store.snapshot(),
                [item for root in store.roots() for item in store.items(root.id)],
            )
            assert len(self.index) == len(self.known)
        vectors = dict(zip(snapshot.ids.tolist(), snapshot.vectors, strict=True))
        assert sorted(vectors) == sorted(entry.id for entry in self.known.values())
        assert {item.id: item.label for item in items} == {
            entry.id: entry.label for entry in self.known.values()
        }
        decisions = {(entry.first, entry.second): entry.verdict for entry in store.decisions()}
        assert decisions == self.decided
        for entry in self.known.values():
            assert vectors[entry.id].tobytes() == vector_of(entry.content).tobytes()

    def _follow(
        self,
        root: str,
        usable: dict[Place, bytes],
        broken: set[Place],
        gone: set[Place],
        done: Update,
        *,
        prune: bool,
    ) -> None:
        """Do to `known` what the update had to do. Of equal contents that are gone any may be what moved."""
        before, now = self.known, self._ids()
        fresh = [place for place in usable if place not in before]
        heirs = gone | {place for place in before if place[0] != root and self._is_absent(place)}
        moved = 0
        for content, count in Counter(usable[place] for place in fresh).items():
            same = {before[place].id: place[0] for place in heirs if before[place].content == content}
            taken = [now[place] for place in fresh if usable[place] == content and now[place] in same]
            within = sum(of == root for of in same.values())
            assert sum(same[number] == root for number in taken) == min(count, within)
            assert len(taken) == min(count, len(same))
            moved += len(taken)
        assert (done.added, done.moved) == (len(fresh) - moved, moved)
        assert all(now[place] == before[place].id for place in usable if place in before)
        taken_ids = {now[place] for place in fresh}
        assert all(number > self.highest or number in {e.id for e in before.values()} for number in taken_ids)
        left = {place: entry for place, entry in before.items() if entry.id not in taken_ids}
        still_gone = {place for place in gone - broken if place in left}
        removed = {place for place in still_gone if prune and not self._is_perhaps_away(place)}
        dropped = broken | removed
        assert (done.removed, done.missing) == (len(removed), len(still_gone - removed))
        assert {*done.away} == {str(self._named(place).parent) for place in still_gone - removed if prune}
        kept = {place: entry for place, entry in left.items() if place not in dropped}
        self.known = kept | {
            place: Known(now[place], content, self.listed[place]) for place, content in usable.items()
        }
        self.highest = max(self.highest, *now.values(), 0)

    def _ids(self) -> dict[Place, int]:
        store = self.index._store
        named = {root.id: Path(root.source).stem for root in store.roots()}
        return {
            (named[item.root], item.path.removeprefix(f"{named[item.root]}/")): item.id
            for root in store.roots()
            for item in store.items(root.id)
            if item.id is not None
        }

    def _similarities(self, query: Floats) -> dict[int, float]:
        return {entry.id: float(query @ vector_of(entry.content)) for entry in self.known.values()}

    def _is_absent(self, place: Place) -> bool:
        return place not in self.disk or place[0] in self.away

    def _is_perhaps_away(self, place: Place) -> bool:
        """Whether its folder is there and empty, as that of a disk that is not mounted."""
        folder = self._named(place).parent
        return folder.is_dir() and not any(folder.iterdir())

    def _of(self, root: str) -> list[Place]:
        return [place for place in self.known if place[0] == root]

    def _manifest(self, root: str) -> Path:
        return self.place / f"{root}.csv"

    def _table(self, listed: dict[Place, str]) -> ImageTable:
        """What reading the manifest gives; reading itself refuses one of which not one picture is there."""
        images = ["/".join(place) for place in listed]
        return ImageTable(self.place, pl.DataFrame({"image": images, "label": [*listed.values()]}))

    def _named(self, place: Place) -> Path:
        return self.place / place[0] / place[1]

    def _file(self, place: Place) -> Path:
        return self.place / (f"{place[0]} away" if place[0] in self.away else place[0]) / place[1]


EXAMPLES = 500 if "LOOKALIKE_LONG_TESTS" in os.environ else 25


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=EXAMPLES, stateful_step_count=30, deadline=None)
