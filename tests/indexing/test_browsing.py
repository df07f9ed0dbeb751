"""Reading an index a few items at a time: as a slower way counts, and never by going through all before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lookalike.indexing import browsing
from lookalike.indexing.schema import Changes, Item
from lookalike.indexing.store import Store
from stores import FACTS, vector

LABELS = ("cat", "car", "cab", "dog", "", "zoo", "\U0010ffff", "Cat", None)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store.create(tmp_path / "a.idx", FACTS)
    with made.writing() as writer:
        root = writer.add_root("/pets", "/pets")
        items = [
            Item(root, f"{n % 4}/{n}.png", "", 1, 1, bytes([n]), LABELS[n % len(LABELS)], "{}")
            for n in range(40)
        ]
        writer.apply(Changes(puts=[(item, vector(number)) for number, item in enumerate(items)]))
        gone = [item for item in made.items(root) if (item.id or 0) % 5 == 0]
        writer.apply(Changes(removals=gone))
    yield made
    made.close()


def test_pages_joined_are_all_items(store: Store) -> None:
    found, last = list[Item](), 0
    while page := browsing.items_after(store, last, limit=7):
        assert len(page) <= 7
        found += page
        last = page[-1].id or 0
    assert found == store.items(1)


def test_labels_joined_are_all_labels(store: Store) -> None:
    counted = Counter(item.label for item in store.items(1) if item.label)
    found, last = list[tuple[str, int]](), ""
    while page := browsing.labels_after(store, last, start="", limit=2):
        found += page
        last = page[-1][0]
    beyond = "\U0010ffff"  # sorts after all that begin a range; no name has it
    assert found == sorted((label, count) for label, count in counted.items() if label != beyond)
    assert browsing.count_labels(store, start="") == len(found)


@pytest.mark.parametrize(("start", "wanted"), [("ca", ["cab", "car", "cat"]), ("C", ["Cat"]), ("x", [])])
def test_labels_that_begin_with_a_text(store: Store, start: str, wanted: list[str]) -> None:
    assert [label for label, _ in browsing.labels_after(store, "", start=start, limit=9)] == wanted
    assert browsing.count_labels(store, start=start) == len(wanted)


def test_places_of_items(store: Store) -> None:
    assert browsing.located(store, [1, 2, 5]) == {1: (1, "0/0.png"), 2: (1, "1/1.png")}


@pytest.mark.parametrize(
    "read",
    [
        lambda store: browsing.items_after(store, 30, limit=2),
        lambda store: browsing.labels_after(store, "cat", start="c", limit=2),
        lambda store: browsing.count_labels(store, start="c"),
        lambda store: browsing.located(store, [3]),
        lambda store: browsing.steps_below(store, 1, "1/"),
    ],
    ids=["items", "labels", "count", "places", "folders"],
)
def test_what_is_asked_is_read_by_a_range(
    store: Store, read: Callable[[Store], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, tuple[object, ...]]] = []
    real = store.rows

    def noted(text: str, *values: object) -> list[Any]:
        asked.append((text, values))
        return real(text, *values)

    monkeypatch.setattr(store, "rows", noted)
    read(store)
    ((text, values),) = asked
    plan = [row[-1] for row in real(f"EXPLAIN QUERY PLAN {text}", *values)]
    assert any(step.startswith("SEARCH items USING") for step in plan)
    assert not any(step.startswith("SCAN items") for step in plan)
