"""When a base is built: only where exact search is slow, when it is missing or stale, by one process."""

from __future__ import annotations

import json
import math
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import filelock
import pytest

from based_store import add, clustered, remove, store_of
from lookalike.errors import StoreError
from lookalike.indexing import base_build, base_upkeep
from lookalike.indexing.answering import Answering
from lookalike.indexing.base import find_base
from lookalike.indexing.base_build import build_base, measured_ms
from lookalike.indexing.base_file import BaseNote, base_path, bases_beside
from lookalike.indexing.base_upkeep import needs_base, refresh_base, refresh_in_background
from lookalike.indexing.candidates import Wanted
from lookalike.indexing.selection import ALL
from lookalike.indexing.store import Store
from stores import four_beats

ROWS = 800


class Clock:
    """What an exact search takes, as the test says; counts how often it was asked."""

    def __init__(self, milliseconds_per_1000: float) -> None:
        self.milliseconds, self.asked = milliseconds_per_1000, 0

    def __call__(self, _store: Store, rows: int) -> float:
        self.asked += 1
        return self.milliseconds * rows / 1000


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_of(tmp_path / "a.idx", clustered(ROWS))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(50.0)
    for module in (base_upkeep, base_build):
        monkeypatch.setattr(module, "measured_ms", clock)
    return clock


def noted(store: Store) -> BaseNote:
    note = BaseNote.from_text(store.meta().get("base"))
    assert note is not None
    return note


def test_a_small_index_stays_exact_by_measurement(store: Store) -> None:
    assert refresh_base(store) is None
    note = noted(store)
    assert (note.file, note.rows) == ("", ROWS)
    assert 0 < note.exact_ms < base_upkeep.EXACT_MS
    assert not list(bases_beside(store.path))


def test_the_time_of_all_is_that_of_a_part_in_proportion(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(base_build, "_TIMED_BYTES", 100 * 4 * store.dim)
    monkeypatch.setattr(base_build, "nearest", lambda _queries, gallery, **_: sizes.append(len(gallery)))
    ticks = iter(range(100))
    monkeypatch.setattr("time.perf_counter", lambda: float(next(ticks)))
    assert measured_ms(store, ROWS) == 1000 * ROWS / 100
    assert set(sizes) == {100}


def test_an_empty_index_takes_no_time(tmp_path: Path) -> None:
    assert measured_ms(store_of(tmp_path / "e.idx", clustered(2)[:0].reshape(0, 16)), 0) == 0.0


def test_it_is_measured_once_for_about_so_many(store: Store, clock: Clock) -> None:
    clock.milliseconds = 1.0
    for _ in range(3):
        assert not needs_base(store)
    assert clock.asked == 1
    add(store, clustered(ROWS // 8, seed=2))
    assert not needs_base(store)
    assert clock.asked == 1
    add(store, clustered(ROWS // 4, seed=3))
    assert not needs_base(store)
    assert clock.asked == 2


@pytest.mark.usefixtures("clock")
def test_where_exact_search_is_slow_a_base_is_built_once(store: Store) -> None:
    assert "40 ms" in needs_base(store)
    note = refresh_base(store, recall=0.9)
    assert note == noted(store)
    assert note.exact_ms == 40.0
    assert not needs_base(store)
    assert refresh_base(store) is None


@pytest.mark.usefixtures("clock")
def test_a_base_that_is_missing_is_built_again(store: Store) -> None:
    note = refresh_base(store, recall=0.9, storage="float16")
    assert note is not None
    base_path(store.path, note).unlink()
    assert "missing" in needs_base(store)
    again = refresh_base(store)
    assert again is not None
    assert (again.wanted, again.storage) == (0.9, "float16")


@pytest.mark.usefixtures("clock")
def test_another_recall_or_storage_is_built(store: Store) -> None:
    refresh_base(store, recall=0.9)
    assert not needs_base(store, recall=0.9, storage="int8")
    assert "asked for" in needs_base(store, recall=0.95)
    assert "asked for" in needs_base(store, storage="float16")


@pytest.mark.usefixtures("clock")
def test_a_base_is_built_again_when_much_came_after_it(store: Store) -> None:
    refresh_base(store)
    add(store, clustered(ROWS // 20, seed=2))
    assert not needs_base(store)
    add(store, clustered(1, seed=3))
    assert "41 pictures came after" in needs_base(store)
    refresh_base(store)
    assert not needs_base(store)


@pytest.mark.usefixtures("clock")
def test_a_base_is_built_again_when_much_of_it_is_gone(store: Store) -> None:
    refresh_base(store)
    remove(store, list(range(1, ROWS // 5 + 1)))
    assert not needs_base(store)
    remove(store, [ROWS // 5 + 1])
    assert "161 of the base's 800" in needs_base(store)


@pytest.mark.usefixtures("clock")
def test_a_base_that_is_needed_no_more_is_removed(store: Store) -> None:
    refresh_base(store)
    remove(store, list(range(1, 500)))
    assert "gone" in needs_base(store)  # 15 ms: still not removed, or it would come and go
    remove(store, list(range(500, 650)))
    assert not needs_base(store)
    assert noted(store).file == ""
    assert not list(bases_beside(store.path))
    assert find_base(store) == (None, "none was built")


def test_what_is_asked_of_a_small_index_holds_when_it_has_grown(store: Store, clock: Clock) -> None:
    clock.milliseconds = 10.0
    assert refresh_base(store, recall=0.9, storage="float16") is None
    add(store, clustered(3 * ROWS, seed=2))
    assert refresh_base(store) is not None
    assert (noted(store).wanted, noted(store).storage) == (0.9, "float16")


@pytest.mark.usefixtures("clock")
def test_too_few_vectors_have_no_base_however_slow(tmp_path: Path, clock: Clock) -> None:
    clock.milliseconds = 1e6
    assert not needs_base(store_of(tmp_path / "few.idx", clustered(99)))


@pytest.mark.usefixtures("clock")
def test_only_one_process_builds(store: Store) -> None:
    with filelock.FileLock(f"{store.path}-base.lock"):
        assert refresh_base(store) is None
    assert refresh_base(store) is not None


@pytest.mark.usefixtures("clock")
def test_a_base_is_built_beside_a_writer(store: Store) -> None:
    with store.writing():
        assert refresh_base(store) is not None


@pytest.mark.usefixtures("clock")
def test_a_thread_builds_while_its_process_searches(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def held_up(store: Store, **how: object) -> object:
        begun.set()
        assert may_end.wait(60)
        return build_base(store, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(base_upkeep, "build_base", held_up)
    wanted, answers = Wanted(clustered(3, seed=7), k=10), Answering(store)
    thread = refresh_in_background(store.path, recall=0.9)
    assert begun.wait(60)
    before = answers.nearest(wanted, selection=ALL)
    may_end.set()
    thread.join(timeout=60)
    assert not thread.is_alive()
    after = answers.nearest(wanted, selection=ALL)
    assert {answer.exact for answer in before} == {True}
    assert {answer.exact for answer in after} == {False}
    assert find_base(store)[0] is not None


def test_a_thread_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    thread = refresh_in_background(tmp_path / "none.idx")
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert not (tmp_path / "none.idx").exists()


@pytest.mark.parametrize(
    ("asked", "saw"),
    [
        ({"recall": 2.0}, "recall 2.0"),
        ({"recall": 0.0}, "recall 0.0"),
        ({"recall": math.nan}, "recall nan"),
        ({"storage": "x"}, "storage x"),
    ],
    ids=["more than all", "nothing", "no number", "no storage"],
)
def test_what_no_base_can_be_like_is_refused_before_it_is_noted(
    store: Store, asked: dict[str, Any], saw: str
) -> None:
    refresh_base(store, recall=0.9)
    before = store.meta()["base"]
    for refuse in (
        lambda: refresh_base(store, **asked),
        lambda: needs_base(store, **asked),
        lambda: refresh_in_background(store.path, **asked),
    ):
        with pytest.raises(StoreError) as error:
            refuse()
        four_beats(error, "no approximate base can be like this", saw, "above 0", "int8, float16")
    assert store.meta()["base"] == before
    assert noted(store).wanted == 0.9


@pytest.mark.usefixtures("clock")
def test_a_note_of_a_recall_that_none_can_have_is_not_followed(store: Store) -> None:
    store.note_base(replace(base_upkeep.NOTHING_NOTED, wanted=2.0).text())
    built = refresh_base(store)
    assert built is not None
    assert built.wanted == base_build.RECALL


def test_a_limit_for_exact_search_is_kept_until_another_is_asked_for(store: Store, clock: Clock) -> None:
    clock.milliseconds = 2.0
    assert not needs_base(store)
    built = refresh_base(store, exact_within=1.0)
    assert built is not None
    assert (built.within, noted(store).within) == (1.0, 1.0)
    assert refresh_base(store) is None
    assert noted(store).file == built.file
    assert refresh_base(store, exact_within=10.0) is None  # less than half of it: exact again
    assert (noted(store).file, noted(store).within) == ("", 10.0)


def test_notes_from_before_there_was_a_limit_are_read() -> None:
    text = json.loads(BaseNote(file="", generation=1, rows=5, exact_ms=2.0).text())
    del text["within"]
    assert BaseNote.from_text(json.dumps(text)) == BaseNote(file="", generation=1, rows=5, exact_ms=2.0)
    del text["rows"]
    assert BaseNote.from_text(json.dumps(text)) is None


@pytest.mark.parametrize("within", [0.0, -1.0, math.inf, math.nan], ids=str)
def test_milliseconds_that_none_can_take_are_refused(store: Store, within: float) -> None:
    for refuse in (refresh_base, needs_base):
        with pytest.raises(StoreError) as error:
            refuse(store, exact_within=within)
        four_beats(error, "no approximate base can be like this", f"exact within {within} ms", "above 0")
