"""Answers by a base and what came after it, against comparing everything in a dictionary."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lookalike.errors import StoreError
from lookalike.indexing import answering, gallery, proposals
from lookalike.indexing.answering import Answering
from lookalike.indexing.base import Base
from lookalike.indexing.base_build import build_base
from lookalike.indexing.base_file import BaseNote, base_path
from lookalike.indexing.candidates import Answer, Wanted
from lookalike.indexing.gallery import Gallery
from lookalike.indexing.schema import Changes, Item
from lookalike.indexing.selection import ALL, Selection, selected
from lookalike.indexing.store import Store
from lookalike.judging.similarity import cosine
from lookalike.records import Floats
from stores import FACTS, item, spoil, vector

ROWS = 150
LABELS = ("cat", "dog")


def numbered(number: int) -> Item:
    return replace(item(f"{number}.png"), label=LABELS[number % 2])


def fill(path: Path, rows: int) -> Store:
    """A store whose every third vector is there twice."""
    store = Store.create(path, FACTS)
    with store.writing() as writer:
        writer.add_root("/pictures", "/pictures")
        writer.apply(Changes(puts=[(numbered(n), vector(n - n % 3 % 2)) for n in range(rows)]))
    return store


def with_effort(store: Store, *, full: bool) -> BaseNote:
    """Build a base and search all of it, or as little as can be."""
    note = build_base(store)
    rows = note.rows
    note = replace(note, probes=note.lists, fetch=10 * rows) if full else replace(note, probes=1, fetch=10)
    store.note_base(note.text())
    return note


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store and its base, for copies."""
    folder = tmp_path_factory.mktemp("prepared")
    store = fill(folder / "a.idx", ROWS)
    with_effort(store, full=True)
    store.close()
    return folder


@pytest.fixture
def store(prepared: Path, tmp_path: Path) -> Iterator[Store]:
    shutil.copytree(prepared, tmp_path / "copy")
    opened = Store(tmp_path / "copy" / "a.idx")
    yield opened
    opened.close()


class Model:
    """What the store holds, in a dictionary."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.vectors = {
            int(number): found
            for number, found in zip(store.snapshot().ids, store.snapshot().vectors, strict=True)
        }
        self.labels = {number: LABELS[(number - 1) % 2] for number in self.vectors}
        self.ever = max(self.vectors)

    def add(self, seed: int) -> None:
        with self.store.writing() as writer:
            writer.apply(Changes(puts=[(numbered(self.ever), vector(seed))]))
        self.ever += 1
        self.vectors[self.ever] = vector(seed)
        self.labels[self.ever] = LABELS[(self.ever - 1) % 2]

    def change(self, number: int, seed: int) -> None:
        stored = replace(numbered(number - 1), id=number, size=seed)
        with self.store.writing() as writer:
            writer.apply(Changes(puts=[(stored, vector(seed))]))
        self.vectors[number] = vector(seed)

    def remove(self, number: int) -> None:
        with self.store.writing() as writer:
            writer.apply(Changes(removals=[replace(numbered(number - 1), id=number)]))
        del self.vectors[number]

    def answer(
        self,
        query: Floats,
        *,
        k: int,
        left_out: Collection[int] = (),
        label: str = "",
        lowest: float = -1.0,
        highest: float = 1.0,
    ) -> list[tuple[int, float]]:
        found = [(number, float(cosine(query, stored))) for number, stored in self.vectors.items()]
        fits = [
            (number, similarity)
            for number, similarity in found
            if number not in left_out
            and label in ("", self.labels[number])
            and np.float32(lowest) <= np.float32(similarity) <= np.float32(highest)
        ]
        return sorted(fits, key=lambda entry: (-entry[1], entry[0]))[:k]


def pairs(answer: Answer) -> list[tuple[int, float]]:
    return list(zip(answer.ids.tolist(), answer.similarities.tolist(), strict=True))


def queries(*seeds: int) -> Floats:
    return np.stack([vector(seed) for seed in seeds])


QUERIES = st.lists(st.integers(0, 400), min_size=1, max_size=3)
EDGES = st.tuples(st.sampled_from([-1.0, 0.0, 0.75]), st.sampled_from([0.9375, 1.0]))


@given(data=st.data())
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_base_with_full_effort_and_its_tail_answer_as_everything_does(
    prepared: Path, data: st.DataObject
) -> None:
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(prepared, Path(place) / "copy")
        store = Store(Path(place) / "copy" / "a.idx")
        model, answers = Model(store), Answering(store)
        for _ in range(data.draw(st.integers(1, 4))):
            for _ in range(data.draw(st.integers(0, 3))):
                change(model, data)
            compare(model, answers, data)
        store.close()


def change(model: Model, data: st.DataObject) -> None:
    kind, seed = data.draw(st.sampled_from(["add", "change", "remove"])), data.draw(st.integers(0, 400))
    if kind == "add":
        model.add(seed)
    elif kind == "change":
        model.change(data.draw(st.sampled_from(sorted(model.vectors))), seed)
    else:
        model.remove(data.draw(st.sampled_from(sorted(model.vectors))))


def compare(model: Model, answers: Answering, data: st.DataObject) -> None:
    seeds, k = data.draw(QUERIES), data.draw(st.sampled_from([1, 3, 10, 500]))
    lowest, highest = data.draw(EDGES)
    label = data.draw(st.sampled_from(["", "dog"]))
    left_out = [data.draw(st.sets(st.integers(1, model.ever), max_size=4)) for _ in seeds]
    asked = Wanted(queries(*seeds), k, left_out, lowest, highest)
    selection = Selection(where=f"label = '{label}'" if label else "", lowest=lowest, highest=highest)
    few = data.draw(st.sampled_from([0, answering.FEW_FLOATS]))
    with mock.patch.object(answering, "FEW_FLOATS", few):
        found = answers.nearest(asked, selection=selection)
    for query, barred, answer in zip(asked.queries, left_out, found, strict=True):
        wanted = model.answer(query, k=k, left_out=barred, label=label, lowest=lowest, highest=highest)
        assert pairs(answer) == wanted


def ask(store: Store | Answering, seed: int, *, k: int = 10, **how: object) -> Answer:
    answers = store if isinstance(store, Answering) else Answering(store)
    selection = how.pop("selection", ALL)
    assert isinstance(selection, Selection)
    leave_out: Sequence[Collection[int]] | None = how.pop("leave_out", None)  # type: ignore[assignment]
    asked = Wanted(queries(seed), k, leave_out, selection.lowest, selection.highest)
    return answers.nearest(asked, selection=selection)[0]


def test_an_answer_says_whether_everything_was_compared(store: Store) -> None:
    assert not ask(store, 7).exact
    assert ask(store, 7, selection=Selection(where="label = 'cat'")).exact
    store.note_base("")
    assert ask(store, 7).exact


def test_a_base_is_not_asked_before_it_is_there_and_is_from_then_on(tmp_path: Path) -> None:
    store = fill(tmp_path / "a.idx", 120)
    answers = Answering(store)
    before = ask(answers, 7)
    note = with_effort(store, full=True)
    after = ask(answers, 7)
    assert (before.exact, after.exact) == (True, False)
    assert pairs(before) == pairs(after)
    base_path(store.path, note).unlink()
    assert not ask(answers, 7).exact  # still open
    assert ask(store, 7).exact
    store.close()


def test_an_item_that_is_gone_is_no_answer_and_one_that_changed_is_judged_by_what_it_is(store: Store) -> None:
    model, answers = Model(store), Answering(store)
    (nearest,) = ask(answers, 4, k=1).ids.tolist()
    model.change(nearest, 900)
    assert nearest not in ask(answers, 4, k=1).ids
    assert pairs(ask(answers, 900, k=1)) == [(nearest, 1.0)]
    model.remove(nearest)
    assert nearest not in ask(answers, 900, k=ROWS).ids
    assert len(ask(answers, 900, k=ROWS).ids) == ROWS - 1


def test_an_index_says_how_old_its_base_is_and_whether_it_can_be_used(store: Store) -> None:
    info = store.info()
    assert info.base is not None
    assert (info.newer, info.outdated, info.base_fault) == (0, 0, "")
    model = Model(store)
    for seed in range(3):
        model.add(seed)
    model.change(4, 5)
    model.remove(5)
    info = store.info()
    assert info.base is not None
    assert (info.newer, info.outdated, info.base_fault) == (4, 2, "")
    base_path(store.path, info.base).unlink()
    assert store.info().base_fault.endswith("is missing")


def test_with_little_effort_nothing_false_is_answered(store: Store) -> None:
    with_effort(store, full=False)
    model, answers = Model(store), Answering(store)
    for seed in range(300, 320):
        everything = dict(model.answer(vector(seed), k=ROWS))
        found = pairs(ask(answers, seed))
        assert len(found) == 10
        assert all(everything[number] == similarity for number, similarity in found)
        assert found == sorted(found, key=lambda entry: (-entry[1], entry[0]))


@pytest.mark.parametrize("most", [0, proposals.MOST_WANTED], ids=["at once", "by and by"])
def test_a_base_that_proposes_too_few_is_asked_for_more_and_in_the_end_everything_is_compared(
    store: Store, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    with_effort(store, full=False)
    monkeypatch.setattr(proposals, "MOST_WANTED", most)
    monkeypatch.setattr(answering, "FEW_FLOATS", 0)
    model = Model(store)
    for selection, label in ((ALL, ""), (Selection(where="label = 'dog'"), "dog")):
        found = ask(store, 5, k=ROWS, selection=selection)
        assert pairs(found) == model.answer(vector(5), k=ROWS, label=label)
        assert found.exact is (most == 0)


def test_a_range_below_the_nearest_is_reached(store: Store) -> None:
    with_effort(store, full=False)
    found = ask(store, 5, k=3, selection=Selection(lowest=-1.0, highest=-0.5))
    assert pairs(found) == Model(store).answer(vector(5), k=3, highest=-0.5)


def test_all_that_is_left_out_makes_room_for_others(store: Store) -> None:
    nearest = ask(store, 5, k=40).ids.tolist()
    found = ask(store, 5, k=10, leave_out=[nearest])
    assert pairs(found) == Model(store).answer(vector(5), k=10, left_out=nearest)


def test_a_proposal_that_the_store_does_not_have_is_dropped(store: Store) -> None:
    spoil(store.path, "DELETE FROM vectors WHERE id = 5")
    spoil(store.path, "DELETE FROM gone")
    assert 5 not in ask(store, 4, k=ROWS).ids


def test_a_damaged_vector_is_never_compared(store: Store) -> None:
    spoil(store.path, "UPDATE vectors SET vector = zeroblob(16) WHERE id = 5")
    with pytest.raises(StoreError, match="item 5 with a vector that fails its checksum"):
        ask(store, 4, k=ROWS)


@pytest.mark.parametrize("with_base", [False, True], ids=["all in memory", "base"])
def test_a_small_change_is_taken_in_without_reading_the_rest(
    store: Store, monkeypatch: pytest.MonkeyPatch, with_base: bool
) -> None:
    if not with_base:
        store.note_base("")
    model, answers = Model(store), Answering(store)
    ask(answers, 5)
    monkeypatch.setattr(Gallery, "_read", lambda *_: pytest.fail("read again"))
    monkeypatch.setattr(Store, "blocks", lambda _store: pytest.fail("read again"))
    model.add(5)
    model.remove(3)
    model.change(9, 5)
    assert pairs(ask(answers, 5)) == model.answer(vector(5), k=10)


def test_what_was_found_for_a_filter_is_kept_until_something_changes(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Selection] = []
    find = selected

    def counted(store: Store, selection: Selection) -> object:
        asked.append(selection)
        return find(store, selection)

    monkeypatch.setattr(answering, "selected", counted)
    model, answers = Model(store), Answering(store)
    cats, dogs = Selection(where="label = 'cat'"), Selection(where="label = 'dog'")
    for selection in (cats, dogs, cats, dogs):
        ask(answers, 5, selection=selection)
    assert asked == [cats, dogs]
    model.add(5)
    assert pairs(ask(answers, 5, selection=dogs)) == model.answer(vector(5), k=10, label="dog")
    assert asked == [cats, dogs, dogs]


def test_no_more_than_a_few_selections_are_kept(store: Store) -> None:
    answers = Answering(store)
    for number in range(20):
        ask(answers, 5, selection=Selection(where=f"label != '{number}'"))
    assert len(answers._known) <= 4


def never(*_: object, **__: object) -> None:
    raise AssertionError("this costs too much")


def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each time that all vectors are read."""
    counted: list[int] = []
    read = Store.blocks

    def blocks(store: Store) -> object:
        counted.append(1)
        return read(store)

    monkeypatch.setattr(Store, "blocks", blocks)
    return counted


@pytest.mark.parametrize("label", ["", "dog"])
@pytest.mark.parametrize("kind", ["range", "k", "left out"])
def test_what_a_base_cannot_answer_is_compared_with_all_that_is_then_kept(
    store: Store, monkeypatch: pytest.MonkeyPatch, kind: str, label: str
) -> None:
    monkeypatch.setattr(proposals, "MOST_WANTED", 20)
    monkeypatch.setattr(answering, "FEW_FLOATS", 0)
    monkeypatch.setattr(Base, "search", never)
    model, answers, counted = Model(store), Answering(store), reads(monkeypatch)
    low, high = (-1.0, 0.5) if kind == "range" else (-1.0, 1.0)
    k, left_out = {"range": (3, []), "k": (21, []), "left out": (3, list(range(1, 31)))}[kind]
    where = Selection(f"label = '{label}'" if label else "", lowest=low, highest=high)
    for seed in range(3):
        found = ask(answers, seed, k=k, leave_out=[left_out], selection=where)
        assert found.exact
        assert pairs(found) == model.answer(
            vector(seed), k=k, left_out=left_out, label=label, lowest=low, highest=high
        )
        model.add(seed)
        model.remove(40 + seed)
        model.change(50 + seed, seed)
    assert len(counted) == 1


def test_a_query_that_a_base_answers_is_not_held_up_by_another(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "MOST_WANTED", 20)
    wanted = Wanted(queries(3, 4), 5, [[], list(range(1, 31))])
    easy, hard = Answering(store).nearest(wanted, selection=ALL)
    assert (easy.exact, hard.exact) == (False, True)
    assert pairs(hard) == Model(store).answer(vector(4), k=5, left_out=range(1, 31))


def test_more_vectors_than_may_be_kept_are_read_in_blocks_each_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, answers, counted = Model(store), Answering(store), reads(monkeypatch)
    middle = Selection(lowest=-0.5, highest=0.5)
    ask(answers, 5, selection=middle)
    monkeypatch.setattr(answering, "WHOLE_BYTES", store.size() * store.dim * 4 - 1)
    for seed in range(2):
        found = ask(answers, seed, selection=middle)
        assert pairs(found) == model.answer(vector(seed), k=10, lowest=-0.5, highest=0.5)
    assert len(counted) == 3
    assert answers._whole is None


def test_all_vectors_are_given_in_parts_of_a_bounded_size(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gallery, "BLOCK_FLOATS", 7 * store.dim)
    monkeypatch.setattr(answering, "FEW_FLOATS", 0)
    found = ask(store, 5, k=9, selection=Selection("label = 'dog'", highest=0.5))
    assert pairs(found) == Model(store).answer(vector(5), k=9, label="dog", highest=0.5)


def test_when_the_base_goes_all_that_is_held_is_searched(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, counted = Answering(store), reads(monkeypatch)
    ask(answers, 5, selection=Selection(highest=0.5))
    store.note_base("")
    found = ask(answers, 5)
    assert len(counted) == 1
    assert answers._whole is None
    assert pairs(found) == Model(store).answer(vector(5), k=10)


def test_a_damaged_vector_is_not_passed_over_the_next_time(store: Store) -> None:
    spoil(store.path, "UPDATE vectors SET vector = zeroblob(16) WHERE id = 140")
    answers = Answering(store)
    for _ in range(3):
        with pytest.raises(StoreError, match="item 140 with a vector that fails its checksum"):
            ask(answers, 4, selection=Selection(highest=0.5))


def test_a_lowest_similarity_takes_no_more_than_the_first_proposals(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    search = Base.search

    def counted(base: Base, found: Floats, *, k: int, **how: Any) -> object:
        asked.append(k)
        return search(base, found, k=k, **how)

    monkeypatch.setattr(Base, "search", counted)
    with_effort(store, full=False)
    found = ask(store, 5, k=50, selection=Selection(lowest=0.9))
    assert 0 < len(found.ids) < 50
    assert asked == [50]


@pytest.mark.parametrize("of", [list, set, np.array], ids=["list", "set", "array"])
@pytest.mark.parametrize("with_base", [False, True], ids=["all in memory", "base"])
def test_ids_to_leave_out_come_in_any_collection(store: Store, of: Any, with_base: bool) -> None:
    if not with_base:
        store.note_base("")
    nearest = ask(store, 5, k=3).ids.tolist()
    found = ask(store, 5, k=10, leave_out=[of(nearest)])
    assert pairs(found) == Model(store).answer(vector(5), k=10, left_out=nearest)


@pytest.mark.parametrize("places", [[0, 1, 2], [2, 0, 1], [1], []])
def test_a_part_has_the_queries_in_the_order_asked_for(places: list[int]) -> None:
    asked = Wanted(np.eye(3, dtype=np.float32), 5, [[10], [11], [12]], 0.1, 0.9)
    part = asked.part(places)
    assert part.queries.tolist() == [asked.queries[place].tolist() for place in places]
    assert part.leave_out == [[10 + place] for place in places]
    assert (part.k, part.lowest, part.highest) == (5, 0.1, 0.9)
