"""Public names: no server path, the same both ways, folders counted as a walk over all paths counts them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from lookalike.errors import StoreError
from lookalike.indexing.schema import Changes, Item
from lookalike.indexing.selection import Selection, selected
from lookalike.indexing.store import Store
from lookalike.serving.names import Folder, Names
from stores import FACTS, four_beats, vector

PATHS = (
    "b.png",
    "cat/1.png",
    "cat/2.png",
    "cat/old/3.png",
    "cat!/4.png",
    "dog/5.png",
    "dog/ä/6.png",
    "zoo.png",
)


def filled(folder: Path, *places: tuple[str, str, tuple[str, ...]]) -> Store:
    """A store with roots, each a path, a source and the paths of its items; all below a folder."""
    store = Store.create(folder / "a.idx", FACTS)
    with store.writing() as writer:
        for path, source, items in places:
            root = writer.add_root(str(folder / path), str(folder / source))
            puts = [Item(root, name, "", 1, 1, f"{root} {name}".encode(), None, "{}") for name in items]
            writer.apply(Changes(puts=[(item, vector(number)) for number, item in enumerate(puts)]))
    return store


def ids(store: Store) -> list[int]:
    return [item.id or 0 for root in store.roots() for item in store.items(root.id)]


def test_names_begin_with_the_roots_last_name(tmp_path: Path) -> None:
    store = filled(tmp_path, ("pets", "pets", PATHS))
    names = Names(store)
    called = names.of(ids(store))
    assert sorted(called.values()) == sorted(f"pets/{path}" for path in PATHS)
    assert not any(str(tmp_path) in name for name in called.values())
    store.close()


def test_items_that_are_not_there_have_no_name(tmp_path: Path) -> None:
    store = filled(tmp_path, ("pets", "pets", PATHS[:2]))
    assert Names(store).of([1, 77]) == {1: "pets/b.png"}
    store.close()


def test_roots_of_one_last_name_are_numbered(tmp_path: Path) -> None:
    one, two = ("x.png",), ("y.png",)
    store = filled(
        tmp_path, ("a/pets", "a/pets", one), ("b/pets", "b/pets", two), ("pets (2)", "pets (2)", one)
    )
    names = Names(store)
    assert [names.of([number])[number] for number in ids(store)] == [
        "pets/x.png",
        "pets (2)/y.png",
        "pets (2) (2)/x.png",
    ]
    assert names.folder("pets") == tmp_path / "a/pets"
    assert names.folder("pets (2)/") == tmp_path / "b/pets"
    assert [folder.name for folder in names.folders()] == ["pets", "pets (2)", "pets (2) (2)"]
    store.close()


def test_a_folder_and_a_manifest_in_it_have_one_name(tmp_path: Path) -> None:
    store = filled(tmp_path, ("pets", "pets", ("x.png",)), ("pets", "pets/list.csv", ("y.png", "in/z.png")))
    names = Names(store)
    assert set(names.of(ids(store)).values()) == {"pets/x.png", "pets/y.png", "pets/in/z.png"}
    assert names.folders() == (Folder("pets", 3, True),)
    assert names.folders("pets") == (Folder("pets/in", 1, False),)
    store.close()


@pytest.mark.parametrize("outside", ["/elsewhere/x.png", "../other/x.png"])
def test_an_item_outside_its_root_goes_by_its_files_name(tmp_path: Path, outside: str) -> None:
    store = filled(tmp_path, ("pets", "list.csv", (outside, "cat/1.png")))
    names = Names(store)
    assert set(names.of(ids(store)).values()) == {"pets/x.png", "pets/cat/1.png"}
    assert names.folders() == (Folder("pets", 1, True),)
    assert names.folders("pets") == (Folder("pets/cat", 1, False),)
    store.close()


def test_folders_are_counted_as_a_walk_counts_them(tmp_path: Path) -> None:
    store = filled(tmp_path, ("pets", "pets", PATHS), ("toys", "toys", ("dog/1.png",)))
    names, walked = Names(store), Counter[str]()
    for name in names.of(ids(store)).values():
        steps = name.split("/")
        walked.update("/".join(steps[:depth]) for depth in range(1, len(steps)))
    found, waiting = dict[str, int](), [""]
    while waiting:
        for folder in names.folders(waiting.pop()):
            found[folder.name] = folder.count
            assert folder.folders == any(name.startswith(f"{folder.name}/") for name in walked)
            waiting.append(folder.name)
    assert found == dict(walked)
    for name, count in found.items():
        assert len(selected(store, Selection(folder=names.folder(name)))) == count
    store.close()


def test_a_root_inside_another_is_counted_in_both(tmp_path: Path) -> None:
    store = filled(
        tmp_path, ("pets", "pets", ("cat/1.png",)), ("pets/cat", "pets/cat", ("2.png", "in/3.png"))
    )
    names = Names(store)
    assert names.folders("pets") == (Folder("pets/cat", 3, True),)
    assert names.folders("pets/cat") == (Folder("pets/cat/in", 1, False),)
    assert names.folders("cat") == (Folder("cat/in", 1, False),)
    store.close()


def test_a_folder_that_only_leads_to_another_root_has_folders(tmp_path: Path) -> None:
    store = filled(tmp_path, ("pets", "pets", ("1.png",)), ("pets/a/b", "pets/a/b", ("2.png",)))
    names = Names(store)
    assert names.folders() == (Folder("pets", 1, True), Folder("b", 1, False))
    assert names.folders("pets") == (Folder("pets/a", 1, True),)
    assert names.folders("pets/a") == (Folder("pets/a/b", 1, False),)
    store.close()


def test_listings_follow_the_index(tmp_path: Path) -> None:
    store = filled(tmp_path, ("pets", "pets", ("cat/1.png",)))
    names = Names(store)
    assert names.folders("pets") == (Folder("pets/cat", 1, False),)
    with store.writing() as writer:
        more = [Item(1, f"{name}/1.png", "", 1, 1, name.encode(), None, "{}") for name in ("cow", "dog")]
        writer.apply(Changes(puts=[(item, vector(number)) for number, item in enumerate(more, start=9)]))
    assert [folder.name for folder in names.folders("pets")] == ["pets/cat", "pets/cow", "pets/dog"]
    store.close()


def test_an_empty_index_has_no_folders(tmp_path: Path) -> None:
    store = filled(tmp_path)
    assert Names(store).folders() == ()
    with pytest.raises(StoreError) as error:
        Names(store).folders("pets")
    four_beats(error, "nothing of the index lies in this folder", "the index is empty")
    store.close()


@pytest.mark.parametrize(
    "name",
    [
        "cow",
        "pets/cow",
        "pets/cat/../dog",
        "pets/./cat",
        "pets//cat",
        "..",
        ".",
        "/",
        "/etc",
        "pets/ca",
        "pets/\0",
    ],
)
def test_what_is_no_folder_is_refused_without_a_path(tmp_path: Path, name: str) -> None:
    store = filled(tmp_path, ("pets", "pets", PATHS))
    with pytest.raises(StoreError) as error:
        Names(store).folder(name)
    four_beats(error, "nothing of the index lies in this folder", "wanted pets", "GET /v1/folders")
    assert str(tmp_path) not in str(error.value)
    store.close()
