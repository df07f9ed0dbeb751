from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import SkipReason, StoreError
from lookalike.indexing.schema import Changes, Decision, Unusable
from lookalike.indexing.store import Store, absolute
from lookalike.records import Look
from stores import DIM, FACTS, four_beats, item, new_store, put, spoil, vector


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with new_store(tmp_path) as made:
        yield made


def test_a_new_store_is_empty_and_keeps_its_facts(store: Store) -> None:
    snapshot = store.snapshot()
    assert (snapshot.ids.shape, snapshot.vectors.shape) == ((0,), (0, DIM))
    assert store.meta() == {**FACTS, "generation": "0", "vectors": "float32"}
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
    spoil(store.path, f"{damage} WHERE id = 2")
    for read in (store.snapshot, lambda: store.vector(2), lambda: store.vector_of(b"b.png")):
        with pytest.raises(StoreError) as error:
            read()
        four_beats(error, "item 2", "fails its checksum")


def test_vectors_that_changed_places_are_noticed(store: Store) -> None:
    put(store, item("a.png"), item("b.png"))
    spoil(store.path, "UPDATE vectors SET id = CASE id WHEN 1 THEN -2 ELSE -1 END")
    spoil(store.path, "UPDATE vectors SET id = -id")
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


@pytest.fixture
def halves(tmp_path: Path) -> Iterator[Store]:
    """A store that keeps vectors in float16."""
    made = Store.create(tmp_path / "half.idx", {**FACTS, "vectors": "float16"})
    with made.writing() as writer:
        writer.add_root("/pictures", "/pictures")
    yield made
    made.close()


def test_float16_takes_half_the_space_and_comes_back_as_unit_float32(halves: Store) -> None:
    put(halves, *(item(f"{n}.png") for n in range(100)))
    vectors = halves.snapshot().vectors
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(vectors, np.stack([vector(n) for n in range(100)]), atol=2**-10)
    assert halves.rows("SELECT DISTINCT length(vector) FROM vectors") == [(2 * DIM,)]
    one_by_one = np.concatenate([halves.vectors_of_ids([number]) for number in range(1, 101)])
    assert one_by_one.tobytes() == vectors.tobytes()


def test_what_was_read_is_stored_again_as_it_was(halves: Store) -> None:
    put(halves, *(item(f"{n}.png") for n in range(100)))
    before = halves.snapshot().vectors
    with halves.writing() as writer:
        writer.apply(Changes(puts=[(item(f"copy {n}.png"), before[n]) for n in range(100)]))
    assert halves.snapshot().vectors[100:].tobytes() == before.tobytes()


def test_vectors_that_nobody_can_read_are_refused(store: Store) -> None:
    spoil(store.path, "UPDATE meta SET value = 'float8' WHERE key = 'vectors'")
    with pytest.raises(StoreError) as error:
        Store(store.path)
    four_beats(error, "damaged", "vectors stored as 'float8'")


def test_vectors_come_in_the_order_asked_for_as_often_as_asked_for(store: Store) -> None:
    put(store, *(item(f"{n}.png") for n in range(600)))
    asked = [600, 3, 3, *range(1, 601), 1]
    wanted = np.stack([vector(number - 1) for number in asked])
    assert store.vectors_of_ids(asked).tobytes() == wanted.tobytes()
    assert store.vectors_of_ids([]).shape == (0, DIM)


def test_an_id_that_no_item_has_is_told(store: Store) -> None:
    put(store, item("a.png"))
    with pytest.raises(StoreError) as error:
        store.vectors_of_ids([1, 7, 5])
    four_beats(error, "there is no such item", "id 5")
    assert store.some_vectors(np.array([7, 1, 5, 1]))[0].tolist() == [1]


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_blocks_are_all_vectors_of_one_moment(store: Store, rows: int) -> None:
    put(store, *(item(f"{n}.png") for n in range(7)))
    blocks = store.blocks(rows=rows)
    first = next(blocks)
    put(store, item("late.png"))
    found = [first, *blocks]
    assert [len(ids) for ids, _ in found] == {1: [1] * 7, 3: [3, 3, 1], 100: [7]}[rows]
    assert np.concatenate([ids for ids, _ in found]).tolist() == list(range(1, 8))
    wanted = np.stack([vector(n) for n in range(7)])
    assert np.concatenate([part for _, part in found]).tobytes() == wanted.tobytes()


def test_what_changed_since_a_generation_is_told_and_nothing_else(store: Store) -> None:
    put(store, *(item(f"{n}.png") for n in range(5)))
    then = store.generation()
    put(store, item("new.png"), seed=50)
    put(store, replace(item("1.png"), id=2), seed=60)
    put(store, replace(item("renamed.png"), id=3), seed=2)  # the same vector under another name
    with store.writing() as writer:
        writer.apply(Changes(removals=[replace(item("3.png"), id=4)]))
    changed = store.changes_since(then)
    assert changed.generation == store.generation()
    assert changed.ids.tolist() == [2, 6]
    assert changed.vectors.tobytes() == np.stack([vector(60), vector(50)]).tobytes()
    assert changed.gone.tolist() == [4]
    assert store.tail_size(then, last=5) == (2, 2)
    everything = store.changes_since(-1)
    assert everything.ids.tolist() == store.snapshot().ids.tolist()
    now = store.changes_since(store.generation())
    assert (now.ids.tolist(), now.vectors.shape, now.gone.tolist()) == ([], (0, DIM), [])


def test_items_of_a_dropped_root_are_gone(store: Store) -> None:
    put(store, item("a.png"), item("b.png"))
    then = store.generation()
    with store.writing() as writer:
        writer.drop_root(1)
    assert store.changes_since(then).gone.tolist() == [1, 2]


def look(width: int) -> Look:
    return Look(width, 5, "JPEG", 999, blank=width == 1, print=bytes(range(256)))


def test_looks_go_with_the_last_item_of_their_content(store: Store) -> None:
    first, second = item("a.png", content=b"x"), item("b.png", content=b"x")
    with store.writing() as writer:
        puts = [(first, vector(0)), (second, vector(0)), (item("c.png", content=b"y"), vector(1))]
        writer.apply(Changes(puts=puts, looks=[(b"x", look(1)), (b"y", look(2)), (b"nobody's", look(3))]))
    assert store.looks([b"x", b"y", b"nobody's"]) == {b"x": look(1), b"y": look(2)}
    with store.writing() as writer:
        writer.apply(Changes(removals=[replace(first, id=1)]))
        assert store.looks([b"x"]) == {b"x": look(1)}
        writer.apply(Changes(puts=[(replace(second, id=2, hash=b"z"), vector(3))]))
    assert store.looks([b"x", b"y"]) == {b"y": look(2)}
    with store.writing() as writer:
        writer.drop_root(1)
    assert store.looks([b"x", b"y"]) == {}


def test_a_look_may_come_alone_and_be_replaced(store: Store) -> None:
    put(store, item("a.png", content=b"x"))
    with store.writing() as writer:
        assert not Changes(looks=[(b"x", look(1))]).is_empty
        writer.apply(Changes(looks=[(b"x", look(1))]))
        writer.apply(Changes(looks=[(b"x", look(2))]))
    assert store.looks([b"x"] * 1200) == {b"x": look(2)}


def test_of_two_decisions_on_a_pair_the_last_one_stands_and_they_outlive_the_items(store: Store) -> None:
    put(store, item("a.png", content=b"x"), item("b.png", content=b"y"))
    before = store.generation()
    with store.writing() as writer:
        writer.decide([Decision.of(b"y", b"x", "same", made="2026-01-01")])
        writer.decide(
            [
                Decision.of(b"x", b"y", "different", made="2026-01-02"),
                Decision.of(b"x", b"x", "keep-both", made="2026-01-03"),
            ]
        )
        assert store.generation() == before
        writer.drop_root(1)
    kept = [
        Decision(b"x", b"x", "keep-both", "2026-01-03"),
        Decision(b"x", b"y", "different", "2026-01-02"),
    ]
    assert store.decisions() == kept
    with store.writing() as writer:
        assert writer.forget_decisions([(b"y", b"x"), (b"q", b"r")]) == 1
        assert writer.forget_decisions([]) == 0
    assert store.decisions() == kept[:1]


def test_a_base_is_noted_while_somebody_writes_and_changes_no_generation(store: Store) -> None:
    before = store.generation()
    with store.writing():
        store.note_base("a note")
    assert (store.meta()["base"], store.generation()) == ("a note", before)


def test_content_hashes_are_told_for_items_that_exist(store: Store) -> None:
    put(store, item("a.png", content=b"x"), item("b.png", content=b"y"))
    assert store.contents([2, 9, 1]) == {1: b"x", 2: b"y"}


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**70)])
def test_a_number_that_no_item_can_have_is_none(store: Store, number: int) -> None:
    put(store, item("a.png"))
    with pytest.raises(StoreError) as error:
        store.vectors_of_ids([1, number])
    four_beats(error, "there is no such item", f"id {number}")


@pytest.mark.parametrize("value", [2**70, "\udce9"], ids=["number", "text"])
def test_a_value_that_no_index_can_hold_is_refused(store: Store, value: object) -> None:
    with pytest.raises(StoreError) as error:
        store.has_where("label = ?", [value])
    four_beats(error, "no index holds such a value", "64 bits", "UTF-8")


def test_a_root_goes_and_its_heirs_stay_or_nothing_happens(store: Store) -> None:
    put(store, item("a.png"))
    put(store, item("b.png"))
    with store.writing() as writer:
        other = writer.add_root("/other", "/other")
        with pytest.raises(sqlite3.IntegrityError):
            writer.drop_root(1, heirs=[(other, "x/a.png", 1), (99, "b.png", 2)])
        assert len(store.items(1)) == 2
        writer.drop_root(1, heirs=[(other, "x/a.png", 1)])
    assert [(kept.id, kept.path) for kept in store.items(other)] == [(1, "x/a.png")]
    assert store.snapshot().ids.tolist() == [1]


@pytest.mark.parametrize("root", ["/pictures", "/", "/pictures/"])
@pytest.mark.parametrize("path", ["a.png", "in/a.png", "/far/a.png", "../a.png", "c:a.png", "a:.png", ".a"])
def test_a_file_is_what_the_system_joins(root: str, path: str) -> None:
    assert absolute(root, path) == os.path.join(root, path)  # noqa: PTH118


def test_facts_of_more_items_than_one_statement_names(store: Store) -> None:
    put(store, *(item(f"{number}.png") for number in range(1100)))
    found = store.facts(range(0, 1200, 2))
    assert list(found) == list(range(2, 1101, 2))
    assert {Path(facts.path).name for facts in found.values()} == {f"{n}.png" for n in range(1, 1100, 2)}
