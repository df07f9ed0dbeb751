"""What an update does to an index: new, changed, touched, moved and copied pictures, each read once."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partialmethod
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from album import Album, counts
from fake_embedder import BROKEN, vector_of
from lookalike.errors import SkipReason
from lookalike.indexing.listing import Listing
from lookalike.tables.table import ImageTable


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    yield made
    made.index.close()


def test_new_pictures_are_embedded_once(album: Album) -> None:
    for n in range(20):
        album.write(f"cat/{n}.png")
    assert counts(album.update()) == {"added": 20}
    assert len(album.index) == 20
    assert album.is_right()
    assert counts(album.update()) == {"unchanged": 20}
    assert album.embedder.read == []


def test_only_what_is_new_or_changed_is_read(album: Album) -> None:
    for n in range(20):
        album.write(f"{n}.png")
    album.update()
    numbers = album.id_of("7.png")
    album.write("new.png")
    album.write("7.png", "other content")
    assert counts(album.update()) == {"added": 1, "updated": 1, "unchanged": 19}
    assert sorted(album.embedder.read) == ["7.png", "new.png"]
    assert album.id_of("7.png") == numbers
    assert album.is_right()


def test_a_change_that_keeps_the_size_is_seen_by_its_time(album: Album) -> None:
    album.write("a.png", "one", mtime=1)
    album.update()
    album.write("a.png", "two", mtime=2)
    assert counts(album.update()) == {"updated": 1}
    assert album.is_right()


def test_a_touched_picture_is_read_once_and_not_embedded(album: Album) -> None:
    album.write("a.png", mtime=1)
    album.update()
    album.write("a.png", mtime=2)
    assert counts(album.update()) == {"unchanged": 1}
    assert (album.embedder.read, album.embedder.embedded) == (["a.png"], [])
    assert counts(album.update()) == {"unchanged": 1}
    assert album.embedder.read == []


def test_a_moved_picture_stays_the_same_item(album: Album) -> None:
    old = album.write("cat/a.png")
    album.update()
    number = album.id_of("cat/a.png")
    (album.root / "dog").mkdir()
    old.rename(album.root / "dog" / "b.png")
    assert counts(album.update()) == {"moved": 1}
    assert album.embedder.embedded == []
    assert album.id_of("dog/b.png") == number
    assert list(album.stored()) == ["dog/b.png"]
    assert album.index.search(vector_of(b"cat/a.png")[None])[0].hits[0].label == "dog"


def test_two_copies_that_move_are_still_two(album: Album) -> None:
    for name in ("a.png", "b.png"):
        album.write(name, "same")
    album.update()
    before = sorted((album.id_of("a.png"), album.id_of("b.png")))
    (album.root / "a.png").rename(album.root / "c.png")
    (album.root / "b.png").rename(album.root / "d.png")
    assert counts(album.update()) == {"moved": 2}
    assert sorted((album.id_of("c.png"), album.id_of("d.png"))) == before


def test_a_copy_is_an_item_of_its_own_with_the_same_vector(album: Album) -> None:
    album.write("a.png", "same")
    album.update()
    album.write("b.png", "same")
    assert counts(album.update()) == {"added": 1, "unchanged": 1}
    assert album.embedder.embedded == []
    assert album.is_right()


def test_copies_that_arrive_together_are_embedded_once(album: Album) -> None:
    for n in range(30):
        album.write(f"{n}.png", "same")
    assert counts(album.update()) == {"added": 30}
    assert len(album.embedder.embedded) == 1


def test_two_pictures_that_swap_names_swap_vectors(album: Album) -> None:
    album.write("a.png", "one", mtime=1)
    album.write("b.png", "two", mtime=2)
    album.update()
    album.write("a.png", "two", mtime=2)
    album.write("b.png", "one", mtime=1)
    assert counts(album.update()) == {"updated": 2}
    assert album.embedder.embedded == []
    assert album.is_right()


def test_a_new_label_or_attribute_is_stored_without_reading_the_picture(album: Album) -> None:
    manifest = album.root / "list.csv"
    album.write("a.png")
    manifest.write_text("image,label,year\na.png,cat,2020\n")
    album.update(manifest)
    before = album.index._store.items(1)[0]
    assert (before.label, before.attributes) == ("cat", '{"year": 2020}')
    manifest.write_text("image,label,year\na.png,dog,2021\n")
    assert counts(album.update(manifest)) == {"updated": 1}
    assert album.embedder.read == []
    after = album.index._store.items(1)[0]
    assert (after.label, after.attributes, after.id) == ("dog", '{"year": 2021}', before.id)
    assert album.index.search(vector_of(b"a.png")[None])[0].hits[0].label == "dog"


def test_two_parts_of_a_picture_are_two_items_and_a_new_box_changes_one(album: Album) -> None:
    manifest = album.root / "list.csv"
    content = album.write("a.png").read_bytes()
    manifest.write_text('image,box\na.png,"0,0,4,4"\na.png,"4,4,8,8"\n')
    assert counts(album.update(manifest)) == {"added": 2}
    first, second = album.index._store.items(1)
    found = album.index.search(np.stack([vector_of(content, (0, 0, 4, 4)), vector_of(content, (4, 4, 8, 8))]))
    assert [answer.hits[0].id for answer in found] == [first.id, second.id]
    manifest.write_text('image,box\na.png,"0,0,4,4"\na.png,"4,4,9,9"\n')
    assert counts(album.update(manifest)) == {"updated": 1, "unchanged": 1}
    found = album.index.search(vector_of(content, (4, 4, 9, 9))[None])
    assert found[0].hits[0].id == second.id


def test_a_row_that_is_there_twice_is_indexed_once(album: Album) -> None:
    album.write("a.png")
    twice = pl.DataFrame({"image": ["a.png", "./a.png"]})
    table = replace(ImageTable.read(album.root), frame=twice)
    assert counts(album.index.update(table, embed=album.embedder)) == {"added": 1}
    assert len(album.embedder.read) == 1


def test_a_folder_inside_an_indexed_folder_doubles_nothing(album: Album) -> None:
    album.write("in/a.png", mtime=1)
    album.write("b.png")
    album.update()
    album.write("in/a.png", "changed", mtime=2)
    assert counts(album.update(album.root / "in")) == {"updated": 1}
    assert len(album.index) == 2
    assert album.is_right()
    assert counts(album.update()) == {"unchanged": 2}
    assert [Path(source).name for source in album.index.sources] == ["album", "in"]


@pytest.mark.parametrize(
    "name",
    ["line\nbreak.png", 'it\'s "so".png', "caf\u00e9.png", "cafe\u0301.png", "%20?#.png", "日本/é.png"],
)
def test_names_are_kept_as_they_are(album: Album, name: str) -> None:
    album.write(name, "x")
    album.update()
    assert counts(album.update()) == {"unchanged": 1}
    assert [
        os.path.relpath(hit.path, album.root) for hit in album.index.search(vector_of(b"x")[None])[0].hits
    ] == [name]


def test_a_name_that_is_not_utf8_never_reaches_the_store(album: Album) -> None:
    album.write("a.png")
    (album.root / os.fsdecode(b"\xff.png")).write_bytes(b"x")
    table = ImageTable.read(album.root)
    album.index.update(table, embed=album.embedder)
    assert [entry.reason for entry in table.skipped] == [SkipReason.BAD_NAME]
    assert list(album.stored()) == ["a.png"]


def test_progress_begins_with_what_was_done_and_ends_at_the_total(album: Album) -> None:
    for n in range(20):
        album.write(f"{n:02}.png")
    album.update()
    for n in range(20, 30):
        album.write(f"{n:02}.png")
    seen: list[tuple[int, int]] = []
    album.update(progress=lambda done, total: seen.append((done, total)))
    assert seen == [(20, 30), (28, 30), (30, 30)]


def everything(album: Album) -> list[dict[str, int]]:
    """Add, change, move, break, relabel and prune pictures of two roots; what each update did."""
    manifest, done = album.root / "list.csv", []
    for n in range(20):
        album.write(f"cat/{n:02}.png", mtime=1)
        album.write(f"other/{n:02}.png", mtime=1)
    done.append(counts(album.update(album.root / "cat")))
    manifest.write_text(
        "image,year\n" + "".join(f"other/{n:02}.png,{n}\ncat/{n:02}.png,1\n" for n in range(20))
    )
    done.append(counts(album.update(manifest)))
    for n in range(10):
        album.write(f"other/{n:02}.png", f"new {n % 5}" if n else BROKEN, mtime=2)
        (album.root / f"other/{10 + n}.png").rename(album.root / f"cat/{n}-moved.png")
    done.append(counts(album.update(album.root / "cat")))
    manifest.write_text("image,year\n" + "".join(f"other/{n:02}.png,{n + 1}\n" for n in range(20)))
    done += [counts(album.update(manifest)), counts(album.update(manifest, prune=True))]
    assert album.is_right()
    return done


def test_a_few_at_a_time_is_the_same_as_all_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = [tmp_path / name for name in ("once", "few")]
    for place in places:
        place.mkdir()
    once = Album(places[0])
    expected, items = everything(once), [once.index._store.items(root) for root in (1, 2)]
    once.index.close()
    for module in ("difference", "batches", "upkeep", "stored_items"):
        monkeypatch.setattr(f"lookalike.indexing.{module}.PAGE", 3)
    monkeypatch.setattr("lookalike.indexing.batches.COMMIT_ITEMS", 4)
    monkeypatch.setattr(Listing, "parts", partialmethod(Listing.parts, 3))
    few = Album(places[1])
    assert everything(few) == expected
    assert [few.index._store.items(root) for root in (1, 2)] == items
    assert expected[0] == {"added": 20}
    few.index.close()


def test_attributes_are_stored_as_json_without_what_json_lacks(album: Album) -> None:
    manifest = album.root / "list.jsonl"
    album.write("a.png")
    row = '{"image": "a.png", "text": "ü\\"", "share": NaN, "empty": null, "list": [1, 2], "split": "test"}'
    pl.read_ndjson(row.replace("NaN", "1.5").encode()).with_columns(share=float("nan")).write_parquet(
        manifest.with_suffix(".parquet")
    )
    album.update(manifest.with_suffix(".parquet"))
    (item,) = album.index._store.items(1)
    assert json.loads(item.attributes) == {"text": 'ü"', "list": [1, 2]}
