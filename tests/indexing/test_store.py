from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import SkipReason, StoreError
from lookalike.indexing.schema import Changes, Unusable
from lookalike.indexing.store import Store
from stores import DIM, FACTS, four_beats, item, put, vector


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.create(tmp_path / "a b#?%.idx", FACTS)
    with made.writing() as writer:
        assert writer.add_root("/pictures", "/pictures") == 1
    yield made
    made.close()


def test_a_new_store_is_empty_and_keeps_its_facts(store: Store) -> None:
    snapshot = store.snapshot()
    assert (snapshot.ids.shape, snapshot.vectors.shape) == ((0,), (0, DIM))
    assert store.meta() == {**FACTS, "generation": "0"}
    assert sorted(file.name for file in store.path.parent.glob("*.new*")) == []


def test_what_is_put_comes_back_bit_for_bit(store: Store) -> None:
    put(store, item("a.png"), item("b/ü \n'\".png"), item("c.png", box="1,2,3,4"))
    snapshot = store.snapshot()
    assert snapshot.ids.tolist() == [1, 2, 3]
    assert snapshot.vectors.tobytes() == np.stack([vector(n) for n in range(3)]).tobytes()
    assert [entry.path for entry in store.items(1)] == ["a.png", "b/ü \n'\".png", "c.png"]
    assert store.items(1)[2] == replace(item("c.png", box="1,2,3,4"), id=3)
    assert store.facts([1, 9])[1].path == str(Path("/pictures/a.png"))
    assert list(store.facts([1, 9])) == [1]


def test_composed_and_decomposed_names_are_two_files(store: Store) -> None:
    put(store, item("caf\u00e9.png"), item("cafe\u0301.png"))
    assert {entry.path for entry in store.items(1)} == {"caf\u00e9.png", "cafe\u0301.png"}


def test_a_batch_stored_twice_is_stored_once(store: Store) -> None:
    batch = Changes(puts=[(item("a.png"), vector(0)), (item("b.png"), vector(1))])
    with store.writing() as writer:
        writer.apply(batch)
        writer.apply(batch)
    assert store.snapshot().ids.tolist() == [1, 2]


def test_ids_of_removed_items_are_never_given_again(store: Store) -> None:
    put(store, item("a.png"), item("b.png"))
    with store.writing() as writer:
        writer.apply(Changes(removals=[store.items(1)[1]]))
    assert store.vector(2) is None
    put(store, item("c.png"))
    assert store.snapshot().ids.tolist() == [1, 3]


def test_a_picture_that_became_unusable_leaves_and_one_that_was_mended_returns(store: Store) -> None:
    put(store, item("a.png"))
    broken = Unusable(1, "a.png", "", 5, 6, SkipReason.TRUNCATED, "half a file")
    with store.writing() as writer:
        writer.apply(Changes(unusable=[broken]))
    assert store.items(1) == []
    assert store.unusable(1) == [broken]
    put(store, item("a.png"))
    assert len(store.items(1)) == 1
    assert store.unusable(1) == []


def test_equal_content_is_found_by_its_hash(store: Store) -> None:
    put(store, item("a.png", content=b"x"), item("b.png", content=b"y"), item("c.png", content=b"x"))
    assert store.ids_of(b"x") == [1, 3]
    found = store.vector_of(b"y")
    assert found is not None
    assert found.tobytes() == vector(1).tobytes()
    assert store.vector_of(b"z") is None


def test_a_file_is_found_under_every_name_a_root_may_give_it(store: Store) -> None:
    with store.writing() as writer:
        other = writer.add_root("/pictures/lists", "/pictures/lists/all.csv")
    put(
        store,
        item("a.png"),
        item("../a.png", root=other),
        item("/pictures/a.png", root=other, box="1,1,2,2"),
        item("b.png"),
    )
    assert store.ids_at(Path("/pictures/lists/../a.png")) == [1, 2, 3]
    assert store.ids_at(Path("/elsewhere/a.png")) == []


def test_generation_grows_with_every_batch(store: Store) -> None:
    before = store.generation()
    put(store, item("a.png"))
    assert store.generation() == before + 1


def test_a_reader_stays_at_its_moment_while_a_writer_works(store: Store) -> None:
    put(store, item("a.png"))
    reader = Store(store.path)
    with reader.reading():
        assert len(reader.snapshot().ids) == 1
        put(store, item("b.png"))
        assert len(reader.snapshot().ids) == 1
        assert reader.info().items == 1
    assert len(reader.snapshot().ids) == 2
    reader.close()


def test_a_failed_batch_leaves_nothing_behind(store: Store) -> None:
    put(store, item("a.png"))
    with pytest.raises(AttributeError), store.writing() as writer:
        writer.apply(Changes(puts=[(item("b.png"), vector(1)), (item("c.png"), None)]))  # type: ignore[list-item]
    assert [entry.path for entry in store.items(1)] == ["a.png"]


def test_threads_may_read_at_once(store: Store) -> None:
    put(store, *(item(f"{n}.png") for n in range(50)))
    wrong: list[int] = []

    def read() -> None:
        for n in range(50):
            found = store.vector_of(f"{n}.png".encode())
            if found is None or found.tobytes() != vector(n).tobytes():
                wrong.append(n)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_info_counts(store: Store) -> None:
    put(store, item("a.png"), item("b.png"))
    with store.writing() as writer:
        other = writer.add_root("/more", "/more/list.csv")
        writer.apply(Changes(unusable=[Unusable(other, "x", "", 1, 2, SkipReason.EMPTY, "")]))
    info = store.info()
    assert (info.items, info.unusable, info.dim) == (2, 1, DIM)
    assert [(root.source, root.items, root.unusable) for root in info.roots] == [
        ("/pictures", 2, 0),
        ("/more/list.csv", 0, 1),
    ]
    assert info.bytes >= store.path.stat().st_size > 0
    assert (info.model, info.created) == ("m", "2024-01-01")


@pytest.mark.parametrize(
    "damage", ["UPDATE vectors SET vector = zeroblob(16)", "UPDATE vectors SET vector = x'00'"]
)
def test_a_damaged_vector_is_never_given_out(store: Store, damage: str) -> None:
    put(store, item("a.png"), item("b.png"))
    _spoil(store.path, f"{damage} WHERE id = 2")
    for read in (store.snapshot, lambda: store.vector(2), lambda: store.vector_of(b"b.png")):
        with pytest.raises(StoreError) as error:
            read()
        four_beats(error, "item 2", "fails its checksum")


def test_vectors_that_changed_places_are_noticed(store: Store) -> None:
    put(store, item("a.png"), item("b.png"))
    _spoil(store.path, "UPDATE vectors SET id = CASE id WHEN 1 THEN -2 ELSE -1 END")
    _spoil(store.path, "UPDATE vectors SET id = -id")
    with pytest.raises(StoreError, match="fails its checksum"):
        store.snapshot()


def test_a_torn_page_is_called_damage(store: Store) -> None:
    put(store, *(item(f"{n}.png") for n in range(2000)))
    store.close()
    content = bytearray(store.path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    store.path.write_bytes(content)
    with pytest.raises(StoreError) as error:
        Store(store.path).snapshot()
    four_beats(error, "damaged")


def _spoil(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(statement)
    connection.close()
