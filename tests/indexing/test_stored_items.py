from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lookalike.indexing.schema import Changes
from lookalike.indexing.store import Store
from lookalike.indexing.stored_items import folders, places_in
from stores import FACTS, item, vector

PATHS = (
    "a.png",
    "a/1.png",
    "a/b/2.png",
    "a/b/3.png",
    "a/z.png",
    "a-b/4.png",
    "a0/5.png",
    "é/6.png",
    "/far/7.png",
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.create(tmp_path / "some.idx", FACTS)
    with made.writing() as writer:
        for name in ("one", "two"):
            writer.add_root(str(tmp_path / name), name)
        items = [item(path) for path in PATHS]
        items += [item("a/1.png", box="0,0,9,9"), item("a/other.png", root=2)]
        writer.apply(Changes(puts=[(each, vector(place)) for place, each in enumerate(items)]))
    yield made
    made.close()


def folder_of(path: str) -> str:
    return path[: path.rfind("/") + 1]


def test_folders_are_those_of_the_paths(store: Store) -> None:
    assert sorted(folders(store, 1)) == sorted({folder_of(path) for path in PATHS})
    assert folders(store, 2) == ["a/"]
    assert folders(store, 3) == []


@pytest.mark.parametrize("folder", sorted({*map(folder_of, PATHS), "none/"}))
def test_a_folder_gives_what_it_holds_itself(store: Store, folder: str) -> None:
    found = sorted((path, box) for _, path, box in places_in(store, 1, folder))
    wanted = [(path, "") for path in PATHS if folder_of(path) == folder]
    assert found == sorted([*wanted, *([("a/1.png", "0,0,9,9")] if folder == "a/" else [])])
