"""An index that is held open keeps its base: built again meanwhile, once at a time, searched from then on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from based_store import add, clustered, remove, store_of
from fake_embedder import fake_model
from lookalike.indexing import base_build, base_upkeep, keeping_fast
from lookalike.indexing.base import find_base
from lookalike.indexing.base_upkeep import refresh_base
from lookalike.indexing.index import Index
from lookalike.indexing.keeping_fast import FastKeeper
from lookalike.indexing.store import Store
from lookalike.records import Hits

ROWS = 400
QUERY = clustered(1, seed=5)


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store of which exact search counts as slow, with its base."""
    for module in (base_upkeep, base_build):
        monkeypatch.setattr(module, "measured_ms", lambda _store, rows: float(rows))
    made = store_of(tmp_path / "a.idx", clustered(ROWS))
    refresh_base(made)
    yield made
    made.close()


class Builds:
    """Builds of bases, each held up until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.may_end, self.count = threading.Event(), threading.Event(), 0
        build = base_build.build_base

        def held_up(store: Store, **how: object) -> object:
            self.count += 1
            self.begun.set()
            assert self.may_end.wait(60)
            return build(store, **how)  # type: ignore[arg-type]

        monkeypatch.setattr(base_upkeep, "build_base", held_up)


def opened(store: Store, monkeypatch: pytest.MonkeyPatch) -> Index:
    monkeypatch.setattr("lookalike.indexing.index.check_model", lambda *_: None)
    return Index.open(store.path, model=fake_model(store.path.parent / "model"), keep_fast=True)


def search(index: Index, *, k: int = 10) -> Hits:
    (found,) = index.search(QUERY, k=k)
    return found


def wait(index: Index) -> None:
    assert index._keeper is not None
    assert index._keeper.building is not None
    index._keeper.building.join(60)
    assert not index._keeper.building.is_alive()


def generation(store: Store) -> int:
    base = find_base(store)[0]
    assert base is not None
    return base.generation


def test_a_search_goes_on_while_the_base_is_built_and_has_the_new_one_afterwards(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    builds, first = Builds(monkeypatch), generation(store)
    with opened(store, monkeypatch) as index:
        search(index)
        wait(index)
        assert builds.count == 0  # nothing changed since the base was built
        add(store, clustered(ROWS // 10, seed=2))
        search(index)
        assert builds.begun.wait(60)
        meanwhile = search(index)
        assert not meanwhile.exact
        assert generation(store) == first
        add(store, QUERY)
        assert search(index, k=1).hits[0].similarity == pytest.approx(1.0, abs=1e-6)
        assert builds.count == 1
        builds.may_end.set()
        wait(index)
        assert generation(store) > first
        assert not search(index).exact
        assert index._answering._base is not None
        assert index._answering._base.generation == generation(store)
        assert builds.count == 1


def test_an_index_that_was_not_asked_to_builds_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lookalike.indexing.index.check_model", lambda *_: None)
    add(store, clustered(ROWS, seed=2))
    with Index.open(store.path, model=fake_model(store.path.parent / "model")) as index:
        search(index)
        assert index._keeper is None


def test_a_build_that_fails_leaves_everything_as_it_was(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = generation(store)

    def fail(path: Path, *_: object) -> object:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(base_build, "write_base", fail)
    with opened(store, monkeypatch) as index:
        add(store, clustered(ROWS // 10, seed=2))
        search(index)
        wait(index)
        assert generation(store) == first
        assert not search(index).exact


class Looks:
    """Counts how often it was looked; a thread of it lasts until it is let go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count, self.may_end = 0, threading.Event()
        monkeypatch.setattr(keeping_fast, "refresh_in_background", self.look)

    def look(self, _path: Path) -> threading.Thread:
        self.count += 1
        thread = threading.Thread(target=self.may_end.wait, args=(60,))
        thread.start()
        return thread


def test_it_is_looked_again_when_one_in_a_hundred_came_or_went_one_at_a_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, keeper = Looks(monkeypatch), FastKeeper(store)
    keeper.follow()
    assert looks.count == 1
    add(store, clustered(3, seed=2))
    remove(store, [1, 2])
    keeper.follow()
    assert looks.count == 1  # the first goes on
    looks.may_end.set()
    assert keeper.building is not None
    keeper.building.join(60)
    keeper.follow()
    assert looks.count == 2
    assert keeper.building is not None
    keeper.building.join(60)
    remove(store, [3, 4, 5])
    keeper.follow()
    assert looks.count == 2  # three of some four hundred
    remove(store, [6, 7])
    keeper.follow()
    assert looks.count == 3
