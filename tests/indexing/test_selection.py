from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from album import Album
from fake_embedder import vector_of
from lookalike.errors import StoreError
from lookalike.indexing.filters import Filter
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Item
from lookalike.indexing.selection import Selection, selected
from lookalike.indexing.store import Store
from lookalike.search import search_ids
from stores import FACTS, four_beats, vector


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Two roots, one inside the other's neighbour, and a manifest whose pictures lie all over."""
    made = Store.create(tmp_path / "x.idx", FACTS)
    with made.writing() as writer:
        for place in ("photos/cats", "photos/dogs", "lists"):
            (tmp_path / place).mkdir(parents=True)
            writer.add_root(str(tmp_path / place), str(tmp_path / place))
        names = [
            (1, "a.png", '{"year": 2020}'),
            (1, "old/b.png", '{"year": 1999}'),
            (1, "older/c.png", "{}"),
            (2, "a.png", "{}"),
            (3, "../photos/birds/d.png", "{}"),
            (3, "../../far/e.png", "{}"),
            (3, str(tmp_path / "photos/dogs/f.png"), "{}"),
        ]
        puts = [
            (Item(root, name, "", 1, 1, name.encode(), "cat" if root == 1 else None, attributes), vector(n))
            for n, (root, name, attributes) in enumerate(names)
        ]
        writer.apply(Changes(puts=puts))
    yield made
    made.close()


@pytest.mark.parametrize(
    ("folder", "wanted"),
    [
        ("photos/cats", [1, 2, 3]),
        ("photos/cats/old", [2]),
        ("photos", [1, 2, 3, 4, 5, 7]),
        (".", [1, 2, 3, 4, 5, 7]),
        ("..", [1, 2, 3, 4, 5, 6, 7]),
        ("photos/dogs", [4, 7]),
        ("photos/birds", [5]),
    ],
)
def test_a_folder_has_all_that_lies_below_it(
    store: Store, tmp_path: Path, folder: str, wanted: list[int]
) -> None:
    assert selected(store, Selection(folder=tmp_path / folder)).tolist() == wanted


@pytest.mark.parametrize(
    ("folder", "saw"),
    [
        ("nowhere", "no such"),
        ("photos/cats/ol", "no such"),
        ("lists", "no picture"),
        ("photos/cats/...", "no such"),
        ("photos/cats/....", "no such"),
    ],
)
def test_a_folder_of_which_nothing_is_indexed_is_refused(
    store: Store, tmp_path: Path, folder: str, saw: str
) -> None:
    with pytest.raises(StoreError) as error:
        selected(store, Selection(folder=tmp_path / folder))
    four_beats(error, "nothing of the index lies in this folder", folder, saw, str(tmp_path / "photos/cats"))


def test_a_folder_whose_name_is_not_utf8_has_nothing_of_the_index(store: Store, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as error:
        selected(store, Selection(folder=tmp_path / os.fsdecode(b"x\xe9")))
    four_beats(error, "nothing of the index lies in this folder", "x\ufffd", "no such folder")
    assert store.ids_at(tmp_path / os.fsdecode(b"x\xe9.png")) == []


def test_a_folder_with_dots_for_a_name_is_one_of_its_own(store: Store, tmp_path: Path) -> None:
    with store.writing() as writer:
        writer.apply(Changes(puts=[(Item(1, ".../g.png", "", 1, 1, b"g", None, "{}"), vector(8))]))
    assert selected(store, Selection(folder=tmp_path / "photos/cats/...")).tolist() == [8]


def test_the_folder_of_all_has_everything(store: Store) -> None:
    assert selected(store, Selection(folder=Path("/"))).tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_a_folder_may_be_named_from_where_one_stands(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path / "photos")
    assert selected(store, Selection(folder=Path("cats"))).tolist() == [1, 2, 3]
    assert selected(store, Selection(folder=Path())).tolist() == [1, 2, 3, 4, 5, 7]


def test_filter_and_folder_hold_together(store: Store, tmp_path: Path) -> None:
    assert selected(store, Selection("label = 'cat' and year < 2000")).tolist() == [2]
    assert selected(store, Selection("year is null", tmp_path / "photos/cats")).tolist() == [3]
    assert selected(store, Selection()).tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_a_column_that_nobody_has_is_refused(store: Store) -> None:
    with pytest.raises(StoreError) as error:
        selected(store, Selection("not yaer > 1"))
    four_beats(
        error, "no picture of the index has this column", "yaer", "label, path, year", "did you mean year"
    )
    with pytest.raises(StoreError, match="index a manifest that has it"):
        selected(store, Selection("zzz = 1"))


@pytest.mark.parametrize("ends", [(0.5, 0.4), (-2.0, 0.0), (0.0, 1.5), (float("nan"), 1.0)])
def test_an_impossible_range_is_refused(ends: tuple[float, float]) -> None:
    with pytest.raises(StoreError) as error:
        Selection("", None, *ends)
    four_beats(error, "there is no similarity in this range", "--between")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Index]:
    album = Album(tmp_path)
    for number in range(40):
        album.write(f"{number % 4}/{number:02}.png")
    album.update()
    yield album.index
    album.index.close()


def test_answers_come_from_the_selection_alone(index: Index, tmp_path: Path) -> None:
    query = vector_of(b"q")[None]
    (every,) = index.search(query, k=40)
    folder = Path(every.hits[0].path).parent
    wanted = [hit.path for hit in every.hits if Path(hit.path).parent == folder]
    (found,) = index.search(query, k=40, selection=Selection(folder=folder))
    assert [hit.path for hit in found.hits] == wanted
    assert len(wanted) == 10
    (fewer,) = index.search(query, k=3, selection=Selection(f"path < '{folder.name}0'", folder=folder))
    assert [hit.path for hit in fewer.hits] == wanted[:3]


def test_a_range_of_similarities_is_cut_out_of_the_ranking(index: Index) -> None:
    query = vector_of(b"q")[None]
    (every,) = index.search(query, k=40)
    low, high = every.hits[25].similarity, every.hits[10].similarity
    (found,) = index.search(query, k=7, selection=Selection(lowest=low, highest=high))
    assert [hit.id for hit in found.hits] == [hit.id for hit in every.hits[10:17]]
    (found,) = index.search(query, k=40, selection=Selection(lowest=low, highest=high))
    assert [hit.id for hit in found.hits] == [hit.id for hit in every.hits[10:26]]
    assert [hit.rank for hit in found.hits] == list(range(1, 17))


def test_where_nothing_fits_the_answer_is_empty(index: Index) -> None:
    query = vector_of(b"q")[None]
    (found,) = index.search(query, selection=Selection("path = 'nothing'"))
    assert len(found) == 0
    top = index.search(query)[0].hits[0].similarity
    (found,) = index.search(
        query, selection=Selection(lowest=float(np.nextafter(np.float32(top), np.float32(2))))
    )
    assert len(found) == 0


def test_what_is_stored_later_is_selected_too(tmp_path: Path) -> None:
    album = Album(tmp_path)
    album.write("a/1.png")
    album.write("b/2.png")
    album.update()
    asked = Selection(folder=album.root / "a")
    query = vector_of(b"q")[None]
    assert len(album.index.search(query, selection=asked)[0]) == 1
    album.write("a/3.png")
    album.update()
    assert len(album.index.search(query, selection=asked)[0]) == 2
    album.index.close()


def test_an_item_is_answered_from_the_selection(index: Index) -> None:
    (found,) = search_ids(index, [1], k=40, selection=Selection(highest=0.0))
    assert found.hits
    assert max(hit.similarity for hit in found.hits) <= 0.0


@pytest.mark.parametrize(
    "where", ["label = 'cat'", "label in ('cat', 'dog')", "label = 'cat' and year >= 2020"]
)
def test_items_of_a_label_are_found_by_the_index_of_labels(tmp_path: Path, where: str) -> None:
    store = Store.create(tmp_path / "a.idx", FACTS)
    condition = Filter.parse(where).condition
    plan = store.rows(
        f"EXPLAIN QUERY PLAN SELECT id FROM items WHERE {condition.sql()} ORDER BY id", *condition.values()
    )
    assert "items_by_label" in plan[0][3]
    store.close()


def test_a_column_that_is_no_word_is_told_as_a_filter_says_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Store, "attribute_names", lambda _: ["kw:food"])
    with pytest.raises(StoreError) as error:
        selected(store, Selection('"kw:fod" = 1'))
    four_beats(error, "kw:fod", 'label, path, "kw:food"', 'did you mean "kw:food"?')
    with pytest.raises(StoreError) as error:
        selected(store, Selection("kw:food = 1"))
    four_beats(error, "the filter is not understood", 'stands in double quotes: "kw:food"')
