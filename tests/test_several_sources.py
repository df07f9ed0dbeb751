"""An index of several sources: pictures that move between them, their labels, links, dropping a source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from album import Album, counts
from fake_embedder import BROKEN, vector_of
from lookalike.errors import StoreError
from lookalike.indexing.schema import Item
from lookalike.indexing.upkeep import remove_gone, settled
from lookalike.tables.table import ImageTable


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    yield made
    made.index.close()


def items(album: Album) -> dict[str, Item]:
    """Path as the store has it, below its source, to item."""
    roots = {root.id: Path(root.source).name for root in album.index._store.roots()}
    return {
        f"{roots[number]}: {item.path}": item for number in roots for item in album.index._store.items(number)
    }


def listed(album: Album, name: str, text: str) -> Path:
    manifest = album.root / name
    manifest.write_text(text)
    return manifest


def test_a_folder_that_moved_takes_its_pictures_along(album: Album) -> None:
    for n in range(10):
        album.write(f"{n}.png")
    album.update()
    numbers = {item.id for item in items(album).values()}
    moved = album.root.rename(album.root.with_name("moved"))
    assert counts(album.update(moved)) == {"moved": 10}
    assert album.embedder.embedded == []
    assert {name: item.id in numbers for name, item in items(album).items()} == {
        f"moved: {n}.png": True for n in range(10)
    }
    assert counts(album.update(moved)) == {"unchanged": 10}
    hits = album.index.search(vector_of(b"3.png")[None])[0].hits
    assert len(hits) == 10
    assert all(Path(hit.path).exists() for hit in hits)


def test_a_part_that_moved_to_another_source_is_not_doubled(album: Album) -> None:
    for n in range(4):
        album.write(f"{n}.png")
    album.update()
    other = album.root.with_name("other")
    other.mkdir()
    (album.root / "2.png").rename(other / "new.png")
    (other / "copy.png").write_bytes(b"1.png")
    assert counts(album.update(other)) == {"added": 1, "moved": 1}
    assert counts(album.update()) == {"unchanged": 3}
    assert sorted(items(album)) == [
        "album: 0.png",
        "album: 1.png",
        "album: 3.png",
        "other: copy.png",
        "other: new.png",
    ]


def test_missing_pictures_of_this_source_are_still_missing_when_others_moved_here(album: Album) -> None:
    other = album.root.with_name("other")
    other.mkdir()
    (other / "kept.png").write_bytes(b"kept")
    (other / "lost.png").write_bytes(b"lost")
    album.update(other)
    old = album.write("a.png")
    album.update()
    (other / "lost.png").unlink()
    old.rename(other / "b.png")
    assert counts(album.update(other)) == {"moved": 1, "unchanged": 1, "missing": 1}


def test_what_moved_keeps_the_label_and_attributes_that_only_its_old_source_knew(album: Album) -> None:
    album.write("a.png")
    album.update(listed(album, "list.csv", "image,label,year\na.png,cat,2020\n"))
    moved = album.root.rename(album.root.with_name("moved"))
    assert counts(album.update(moved)) == {"moved": 1}
    (item,) = items(album).values()
    assert (item.label, json.loads(item.attributes)) == ("cat", {"year": 2020})
    assert counts(album.update(moved)) == {"unchanged": 1}


def test_a_disk_that_is_away_loses_nothing_to_a_copy_of_it(album: Album) -> None:
    for name in ("a.png", "b.png"):
        album.write(name)
    album.update()
    away = album.root.rename(album.root.with_name("away"))
    copy = album.root.with_name("copy")
    copy.mkdir()
    (copy / "a.png").write_bytes(b"a.png")
    assert counts(album.update(copy)) == {"moved": 1}
    assert sorted(items(album)) == ["album: b.png", "copy: a.png"]
    away.rename(album.root)
    assert counts(album.update()) == {"added": 1, "unchanged": 1}
    assert album.embedder.embedded == []
    assert len(album.index) == 3


def test_a_source_that_is_dropped_is_forgotten_with_its_pictures(album: Album) -> None:
    album.write("a.png")
    album.write("broken.png", BROKEN)
    album.update()
    other = album.root.with_name("other")
    other.mkdir()
    (other / "b.png").write_bytes(b"b")
    album.update(other)
    assert album.index.drop(album.root) == 1
    assert album.index.sources == (str(other),)
    assert list(items(album)) == ["other: b.png"]
    assert album.index.info().unusable == 0
    assert album.index.drop(album.root) == 0
    assert counts(album.update()) == {"added": 1, "skipped": 1}


def test_pictures_of_a_dropped_manifest_that_lie_in_a_folder_of_the_index_stay(album: Album) -> None:
    for name in ("a.png", "b.png"):
        album.write(name)
    manifest = listed(album, "list.csv", "image,label\na.png,cat\nb.png,cat\n")
    album.update(manifest)
    album.update()
    (album.root / "b.png").unlink()
    assert album.index.drop(manifest) == 1
    assert list(items(album)) == ["album: a.png"]


def test_labels_that_come_later_are_taken_without_reading_the_pictures(album: Album) -> None:
    for name in ("a.png", "b.png", "c.png"):
        album.write(name)
    album.update()
    number = album.id_of("a.png")
    manifest = listed(album, "list.csv", "image,label,year\na.png,cat,2020\nb.png,dog,2021\n")
    assert counts(album.update(manifest)) == {"updated": 2}
    assert album.embedder.read == []
    assert album.id_of("a.png") == number
    assert album.index.search(vector_of(b"a.png")[None])[0].hits[0].label == "cat"
    assert json.loads(items(album)["list.csv: b.png"].attributes) == {"year": 2021}
    for _ in range(2):
        assert counts(album.update()) == {"unchanged": 3}
        assert counts(album.update(manifest)) == {"unchanged": 2}
    manifest.write_text("image,label,year\na.png,cow,2020\nb.png,dog,2022\n")
    assert counts(album.update(manifest)) == {"updated": 2}
    assert counts(album.update()) == {"unchanged": 3}
    assert [item.label for item in items(album).values()] == [None, "cow", "dog"]


def test_the_first_label_stays_and_new_attributes_join_it(album: Album) -> None:
    album.write("cat/a.png")
    album.update()
    manifest = listed(album, "list.csv", "image,label,year\ncat/a.png,animal,2020\n")
    assert counts(album.update(manifest)) == {"updated": 1}
    for year in ("2020", "2021"):
        manifest.write_text(f"image,label,year\ncat/a.png,animal,{year}\n")
        album.update(manifest)
        assert counts(album.update()) == {"unchanged": 1}
        assert counts(album.update(manifest)) == {"unchanged": 1}
        (item,) = items(album).values()
        assert (item.label, json.loads(item.attributes)) == ("cat", {"year": int(year)})


def test_a_single_source_that_says_no_more_takes_back_what_it_said(album: Album) -> None:
    album.write("a.png")
    manifest = listed(album, "list.csv", "image,label,year\na.png,cat,2020\n")
    album.update(manifest)
    manifest.write_text("image\na.png\n")
    assert counts(album.update(manifest)) == {"updated": 1}
    (item,) = items(album).values()
    assert (item.label, item.attributes) == (None, "{}")


def test_a_row_dropped_from_a_manifest_is_not_pruned_where_a_folder_has_its_file(album: Album) -> None:
    for name in ("a.png", "b.png"):
        album.write(name)
    album.update()
    manifest = listed(album, "list.csv", "image,label\na.png,cat\nb.png,dog\n")
    album.update(manifest)
    manifest.write_text("image,label\nb.png,dog\n")
    assert counts(album.update(manifest, prune=True)) == {"unchanged": 1}
    assert sorted(items(album)) == ["album: a.png", "list.csv: b.png"]
    assert counts(album.update(prune=True)) == {"unchanged": 2}


def test_a_picture_that_another_source_has_and_that_broke_is_taken_out(album: Album) -> None:
    album.write("a.png", mtime=1)
    album.write("b.png")
    album.update()
    manifest = listed(album, "list.csv", "image,label\na.png,cat\nb.png,cat\n")
    album.write("a.png", BROKEN, mtime=2)
    assert counts(album.update(manifest)) == {"updated": 1, "skipped": 1}
    assert list(album.stored()) == ["b.png"]


def test_a_folder_through_a_link_is_the_same_folder(album: Album, tmp_path: Path) -> None:
    album.write("in/a.png")
    album.write("b.png")
    album.update()
    link, inner = tmp_path / "link", tmp_path / "inner"
    link.symlink_to(album.root)
    inner.symlink_to(album.root / "in")
    assert counts(album.update(link)) == {"unchanged": 2}
    assert counts(album.update(inner)) == {"unchanged": 1}
    assert len(album.index) == 2
    assert album.index.same_content(None, link / "b.png") == [album.id_of("b.png")]


def test_a_linked_picture_is_one_of_its_own(album: Album) -> None:
    album.write("a.png")
    (album.root / "b.png").symlink_to(album.root / "a.png")
    assert counts(album.update()) == {"added": 2}
    assert counts(album.update()) == {"unchanged": 2}


def test_a_picture_listed_twice_through_a_link_is_indexed_once(album: Album) -> None:
    album.write("real/a.png")
    (album.root / "link").symlink_to(album.root / "real")
    manifest = listed(album, "list.csv", "image\nreal/a.png\nlink/a.png\n")
    assert counts(album.update(manifest)) == {"added": 1}
    manifest.write_text("image\nlink/a.png\nreal/a.png\n")
    assert counts(album.update(manifest)) == {"updated": 1}
    assert counts(album.update(manifest)) == {"unchanged": 1}


def test_a_folder_name_that_no_folder_can_have_is_skipped(album: Album) -> None:
    album.write("a.png")
    manifest = album.root / "list.jsonl"
    manifest.write_text('{"image": "a.png"}\n{"image": "b\\u0000/c.png"}\n')
    assert counts(album.update(manifest)) == {"added": 1, "skipped": 1}


@pytest.mark.parametrize("order", ["old first", "new first"])
@pytest.mark.parametrize("prune", [False, True])
def test_what_moved_between_two_sources_is_moved_in_whichever_order_they_are_compared(
    album: Album, order: str, prune: bool
) -> None:
    other = album.root.with_name("other")
    other.mkdir()
    (other / "kept.png").write_bytes(b"kept")
    for name in ("moved.png", "lost.png", "stays.png"):
        album.write(name)
    album.update()
    album.update(other)
    number = album.id_of("moved.png")
    (album.root / "moved.png").rename(other / "new name.png")
    (album.root / "lost.png").unlink()
    store, sources = album.index.store, [album.root, other] if order == "old first" else [other, album.root]
    done = {source: album.update(source) for source in sources}
    settle = remove_gone if prune else settled
    told = {source: counts(settle(store, update)) for source, update in done.items()}
    left = {"removed": 1} if prune else {"missing": 1}
    assert told == {album.root: {"unchanged": 1, **left}, other: {"unchanged": 1, "moved": 1}}
    assert items(album)["other: new name.png"].id == number
    assert ("album: lost.png" in items(album)) is not prune


def test_nothing_is_removed_where_not_one_picture_of_a_source_is_there_but_what_moved_is_found(
    album: Album,
) -> None:
    for name in ("a.png", "b.png"):
        album.write(name)
    table = ImageTable.read(album.root)
    album.update()
    other = album.root.with_name("other")
    other.mkdir()
    (album.root / "a.png").rename(other / "a.png")
    (album.root / "b.png").unlink()
    missed = album.index.update(table, embed=album.embedder)
    assert counts(missed) == {"missing": 2}
    album.update(other)
    with pytest.raises(StoreError, match=r"nothing was removed - .* - saw 1 indexed pictures"):
        remove_gone(album.index.store, missed)
    (other / "b.png").write_bytes(b"b.png")
    album.update(other)
    assert counts(remove_gone(album.index.store, missed)) == {}
    assert sorted(items(album)) == ["other: a.png", "other: b.png"]
