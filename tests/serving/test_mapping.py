"""The map of an index: every picture in its place, against laying all of them out at once."""

from __future__ import annotations

import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from labelled_index import drawn_vectors, labelled_index
from lookalike.errors import StoreError
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.presenting import projection
from lookalike.presenting.map_page import GRAIN, MOST_COLUMNS
from lookalike.presenting.projection import Plane, project
from lookalike.serving import mapping
from lookalike.serving.map_columns import FEW, Column, columns_of, first_column
from lookalike.serving.mapping import Map
from served import client

CLASSES: dict[str | None, int] = {"cat": 20, "dog": 15, None: 5}
ALL = 40


@pytest.fixture
def place(tiny: Model, tmp_path: Path) -> Path:
    return labelled_index(tmp_path, tiny, CLASSES, attributes='{"year": 2001, "kind": "x"}')


@pytest.fixture
def asking(place: Path) -> Iterator[TestClient]:
    with client(place, writable=True) as found:
        yield found


def made(asking: TestClient, **options: Any) -> dict[str, Any]:
    """The map once it is made."""
    for _ in range(2000):
        answer = asking.get("/v1/map", params=options)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        if found["state"] != "working":
            return found
        assert found["ids"] == []
        time.sleep(0.005)
    raise AssertionError(found)


def whole(places: np.ndarray) -> list[list[int]]:
    """Places as whole numbers, worked out one by one."""
    low = places.min(axis=0)
    span = max(float(places[:, side].max() - low[side]) for side in (0, 1))
    return [
        [round((float(row[side]) - float(low[side])) / span * GRAIN) for side in (0, 1)] for row in places
    ]


def test_every_picture_lies_where_pca_puts_it(asking: TestClient, place: Path) -> None:
    assert asking.get("/v1/map").json()["state"] == "working"
    found = made(asking)
    with Index.open(place) as index:
        ids = [item.id for item in index.store.items(1)]
        vectors = index.vectors([number or 0 for number in ids]).astype(np.float64)
        generation = index.store.generation()
    centred = vectors - vectors.mean(axis=0)
    _, sizes, directions = np.linalg.svd(centred, full_matrices=False)
    for row in directions[:2]:
        row *= np.sign(row[np.abs(row).argmax()])
    wanted = np.array(whole(centred @ directions[:2].T))
    assert np.abs(np.column_stack([found["x"], found["y"]]) - wanted).max() <= 1
    assert found["ids"] == ids
    assert found["explained"] == pytest.approx((sizes[:2] ** 2).sum() / (sizes**2).sum())
    assert (found["method"], found["sampled"], found["of"], found["generation"]) == (
        "pca", False, ALL, generation
    )  # fmt: skip
    assert (found["stale"], found["message"]) == (False, "")
    assert found["names"] == [
        f"drawn/{label or 'none'}/{row}.png"
        for row, label in enumerate(label for label, count in CLASSES.items() for _ in range(count))
    ]


def test_columns_say_what_is_known(asking: TestClient) -> None:
    columns = {column["name"]: column for column in made(asking)["columns"]}
    assert set(columns) == {"label", "folder"}  # what all share says nothing
    label = columns["label"]
    assert label["values"] == ["", "cat", "dog"]
    assert [label["values"][code] for code in label["codes"]] == ["cat"] * 20 + ["dog"] * 15 + [""] * 5
    folder = columns["folder"]
    assert folder["values"] == ["drawn/cat", "drawn/dog", "drawn/none"]
    assert folder["codes"] == [0] * 20 + [1] * 15 + [2] * 5


def test_one_column_alone(asking: TestClient) -> None:
    every = made(asking)
    one = made(asking, column="folder")
    assert [column["name"] for column in one["columns"]] == ["folder"]
    assert (every["column"], one["column"]) == ("label", "folder")
    assert {**one, "column": "label", "columns": every["columns"]} == every
    answer = asking.get("/v1/map", params={"column": "colour"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_such_column")
    assert answer.json()["error"]["hint"] == "Columns: label, folder."
    assert asking.get("/v1/map", params={"method": "tsne"}).status_code == 422


def test_attributes_of_few_values_are_columns(tiny: Model, tmp_path: Path) -> None:
    path = labelled_index(tmp_path, tiny, {None: 2 * FEW + 2})
    texts = [
        {"year": 2000 + row % 3, "share": 0.5 * (row % 2), "own": str(row), "flag": row > 9}
        for row in range(2 * FEW + 2)
    ]
    del texts[7]["year"]
    with Index.open(path) as index:
        ids = np.arange(1, 2 * FEW + 3)
        with index.store.writing() as writer:
            writer._connection.executemany(
                "UPDATE items SET attributes = ? WHERE id = ?",
                [(json.dumps(text), number) for number, text in zip(ids.tolist(), texts, strict=True)],
            )
        columns = {column.name: column for column in columns_of(index.store, ids, ["a.png"] * len(ids))}
    assert set(columns) == {"year", "share", "flag"}  # of "own" each has another; nobody has a label
    assert columns["year"].values == ["", "2000", "2001", "2002"]
    assert [columns["year"].values[code] for code in columns["year"].codes[6:9]] == ["2000", "", "2002"]
    assert columns["share"].values == ["0", "0.5"]
    assert columns["flag"].values == ["False", "True"]


def test_of_many_attributes_some_are_columns(tiny: Model, tmp_path: Path) -> None:
    path = labelled_index(tmp_path, tiny, {"a": 1, "b": 1})
    with Index.open(path) as index:
        with index.store.writing() as writer:
            for number in (1, 2):
                text = json.dumps({f"a{place}": number for place in range(20)})
                writer._connection.execute("UPDATE items SET attributes = ? WHERE id = ?", (text, number))
        names = ["a/1.png", "b/2.png"]
        found = [column.name for column in columns_of(index.store, np.array([1, 2]), names)]
    assert found == ["label", "folder", *(f"a{place}" for place in (0, 1, 10, 11, 12, 13))]
    assert len(found) == MOST_COLUMNS


def test_what_says_more_than_yes_or_no_stands_first(tiny: Model, tmp_path: Path) -> None:
    path = labelled_index(tmp_path, tiny, {"a": 1, "b": 1})
    with Index.open(path) as index:
        with index.store.writing() as writer:
            for number in (1, 2):
                flags = {f"a{place}": (bool(number % 2), number % 2)[place % 2] for place in range(20)}
                text = json.dumps({**flags, "kind": f"kind {number}", "year": 2000 + number})
                writer._connection.execute("UPDATE items SET attributes = ? WHERE id = ?", (text, number))
        found = [entry.name for entry in columns_of(index.store, np.array([1, 2]), ["a/1.png", "b/2.png"])]
    assert found == ["label", "folder", "kind", "year", "a0", "a1", "a10", "a11"]


def column(name: str, *values: str) -> Column:
    return Column(name, sorted(values), list(range(len(values))))


FOLDERS = column("folder", "a", "b", "c", "d", "e")


@pytest.mark.parametrize(
    ("columns", "wanted"),
    [
        ([column("label", "", "cat"), FOLDERS, column("kind", "1", "2", "3", "4")], "label"),
        ([column("label", "cat")], "label"),
        ([FOLDERS, column("flag", "0", "1"), column("year", "", "1", "2", "3"), column("z", "1", "2", "3")],
         "year"),
        ([FOLDERS, column("a", "", "0", "1"), column("b", "0", "1"), column("c", "", "1")], "a"),
        ([FOLDERS], None),
        ([], None),
    ],
    ids=["label", "one label", "most values", "several", "folder", "none"],
)  # fmt: skip
def test_the_label_or_the_attribute_with_most_values_comes_first(
    columns: list[Column], wanted: str | None
) -> None:
    assert first_column(columns) == wanted


def test_without_labels_an_attribute_comes_first(tiny: Model, tmp_path: Path) -> None:
    path = labelled_index(tmp_path, tiny, {None: 6})
    with Index.open(path) as index, index.store.writing() as writer:
        for number in range(1, 7):
            text = json.dumps({"smiling": number % 2, "year": number % 3})
            writer._connection.execute("UPDATE items SET attributes = ? WHERE id = ?", (text, number))
    with client(path) as asking:
        assert asking.get("/v1/map").json()["column"] is None  # while it is made
        assert made(asking)["column"] == "year"
        assert made(asking, column="smiling")["column"] == "smiling"


# many pictures


def test_the_plane_of_a_part_shows_all(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mapping, "SAMPLE", 30)
    with Index.open(place) as index:
        ids = np.arange(1, ALL + 1)
        places, share = mapping._places(index.store, ids, "pca", _Told())
        vectors = index.vectors(ids.tolist())
        chosen = np.sort(np.random.default_rng(mapping.SEED).permutation(ALL)[:30])
    plane = Plane.of(vectors[chosen])
    assert np.array_equal(places, plane.places(vectors))
    assert share == plane.share
    whole_plane = project(vectors)
    assert share == pytest.approx(whole_plane.share, abs=0.1)


class _Told:
    """A watcher that forgets."""

    def say(self, text: str) -> None:
        del text

    def stage(self, _name: str) -> Any:
        return lambda _done, _total: None


def test_of_more_than_the_map_holds_a_part_is_drawn(
    asking: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "MOST", {"pca": 25, "umap": 25})
    found = made(asking)
    assert (len(found["ids"]), len(found["x"]), len(found["names"]), found["of"]) == (25, 25, 25, ALL)
    assert found["sampled"]
    assert found["ids"] == sorted(set(found["ids"]))
    assert all(len(column["codes"]) == 25 for column in found["columns"])


def test_places_are_blockwise_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = drawn_vectors([7, 9], 20)
    once = Plane.of(vectors)
    monkeypatch.setattr(projection, "BLOCK", 3)
    again = Plane.of(vectors)
    assert np.allclose(once.places(vectors), again.places(vectors), atol=1e-6)
    assert once.share == pytest.approx(again.share)


# what there is no map of


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_pictures_lie_in_one_place(tiny: Model, tmp_path: Path, count: int) -> None:
    classes: dict[str | None, int] = {"a": count} if count else {}
    path = labelled_index(tmp_path, tiny, classes, vectors=drawn_vectors([3], tiny.dim)[:count])
    with client(path) as asking:
        found = made(asking)
    assert (found["state"], len(found["ids"]), found["explained"]) == ("ready", count, None)
    assert found["x"] == found["y"] == [0] * count


def test_pictures_that_are_all_alike_lie_in_one_place(tiny: Model, tmp_path: Path) -> None:
    same = np.tile(drawn_vectors([1], tiny.dim), (4, 1))
    with client(labelled_index(tmp_path, tiny, {"a": 4}, vectors=same)) as asking:
        found = made(asking)
    assert (found["x"], found["explained"]) == ([0] * 4, None)


def test_a_failure_is_told_once(asking: TestClient, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise StoreError("it is bent", where=place, saw=f"{place} in two", do="mend it")

    monkeypatch.setattr(mapping, "_places", broken)
    failed = made(asking)
    assert (failed["state"], failed["ids"]) == ("failed", [])
    assert failed["message"] == "it is bent: drawn.idx in two mend it"
    monkeypatch.undo()
    assert made(asking)["state"] == "ready"


def test_without_umap_it_is_said_how_to_get_it(asking: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "umap" else find(name))
    answer = asking.get("/v1/map", params={"method": "umap"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "missing_part")
    assert "lookalike[map]" in answer.json()["error"]["hint"]


def test_umap_is_what_project_gives(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, int]] = []

    def layout(vectors: np.ndarray, *, method: str, seed: int) -> projection.Projection:
        asked.append((method, len(vectors)))
        return projection.Projection(vectors[:, :2].copy(), "umap")

    monkeypatch.setattr(mapping, "project", layout)
    with Index.open(place) as index:
        places, share = mapping._places(index.store, np.arange(1, ALL + 1), "umap", _Told())
        assert np.array_equal(places, index.vectors(range(1, ALL + 1))[:, :2])
    assert (asked, share) == ([("umap", ALL)], None)


# following the index


def test_a_changed_index_is_mapped_again(asking: TestClient) -> None:
    before = made(asking)
    assert made(asking) == before
    assert asking.delete("/v1/items/3").status_code == 204
    old = asking.get("/v1/map").json()
    assert old["stale"]
    assert old["ids"] == before["ids"]
    for _ in range(2000):
        after = asking.get("/v1/map").json()
        if not after["stale"]:
            break
        time.sleep(0.005)
    assert after["ids"] == [number for number in before["ids"] if number != 3]
    assert after["generation"] > before["generation"]


def test_one_map_is_made_for_all_who_ask(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    plain = mapping._places

    def counted(*arguments: Any) -> Any:
        calls.append("made")
        return plain(*arguments)

    monkeypatch.setattr(mapping, "_places", counted)
    with Index.open(place) as index:
        shown = Map(index)
        for _ in range(5):
            shown.show("pca")
        shown.wait(10)
        first = shown.show("pca").made
        assert first is shown.show("pca").made is not None
        assert calls == ["made"]
        shown.close()
