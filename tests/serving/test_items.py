"""Items, labels and folders over HTTP: every page of every question, against a slower way to answer it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from lookalike.indexing import selection
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Item
from lookalike.models.model import Model
from lookalike.serving import collection
from lookalike.serving.collection import Collection
from lookalike.serving.names import Names
from lookalike.tables.table import ImageTable
from scenes import scene, write
from served import client

Rows = list[dict[str, Any]]
THINGS = ("cat", "dog", "don't", "ä 'b'")


def shop(place: Path, model: Path) -> Path:
    """An index of a manifest with labels, attributes and boxes, and of a folder without labels."""
    rows = []
    for number in range(22):
        name = f"{'new' if number % 3 else 'old/é'}/{number}.png"
        write(place / "shop" / name, scene(number % 20, 40, 30))
        row = {"image": name, "label": THINGS[number % 4], "year": 2000 + number, "sold": number % 2 == 0}
        rows.append(row | ({"box": [1, 2, 21, 22]} if number == 7 else {"box": None}))
    (place / "shop" / "all.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    for number in range(3):
        write(place / "more" / f"{number}.png", scene(50 + number))
    write(place / "more" / "blank.png", scene(0).point(lambda _: 9))
    path = place / "a.idx"
    with Index.create(path, Model.load(model)) as index:
        for source in (place / "shop" / "all.jsonl", place / "more"):
            index.update(ImageTable.read(source), source=source)
    return path


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shop(tmp_path_factory.mktemp("secret place"), tiny_folder)


@pytest.fixture(scope="module")
def asking(index: Path) -> Iterator[TestClient]:
    with client(index) as made:
        yield made


def pages(asking: TestClient, address: str, key: str, go_on: str, **asked: Any) -> tuple[Rows, list[int]]:
    """All entries of all pages, and the totals that each said."""
    rows, totals, place = Rows(), list[int](), dict[str, Any]()
    while True:
        answer = asking.get(address, params=asked | place)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert len(body[key]) <= asked["limit"]
        rows += body[key]
        totals.append(body["total"])
        if body["next"] is None:
            return rows, totals
        assert len(body[key]) == asked["limit"]
        place = {go_on: body["next"]}


@pytest.mark.parametrize(
    ("asked", "fits"),
    [
        ({}, lambda item: True),
        ({"label": "cat"}, lambda item: item["label"] == "cat"),
        ({"label": "don't"}, lambda item: item["label"] == "don't"),
        ({"label": "nobody"}, lambda item: False),
        ({"where": "year >= 2010"}, lambda item: item["attributes"].get("year", 0) >= 2010),
        ({"where": "label is null"}, lambda item: item["label"] is None),
        ({"folder": "more"}, lambda item: item["name"].startswith("more/")),
        ({"folder": "shop/old"}, lambda item: item["name"].startswith("shop/old/")),
        (
            {"folder": "shop/new/", "label": "dog", "where": "year < 2012 or sold = true"},
            lambda item: (
                item["name"].startswith("shop/new/")
                and item["label"] == "dog"
                and (item["attributes"]["year"] < 2012 or item["attributes"]["sold"])
            ),
        ),
        ({"where": "year=2001) or (year=2002", "label": "cat"}, None),
    ],
    ids=["all", "label", "quoted", "no label", "where", "null", "root", "folder", "together", "broken"],
)
@pytest.mark.parametrize("limit", [1, 4, 1000])
def test_pages_joined_are_what_fits(
    asking: TestClient, asked: dict[str, str], fits: Callable[[dict[str, Any]], bool] | None, limit: int
) -> None:
    everything = asking.get("/v1/items", params={"limit": 1000}).json()["items"]
    assert len(everything) == 26
    if fits is None:
        assert asking.get("/v1/items", params=asked).status_code == 422
        return
    found, totals = pages(asking, "/v1/items", "items", "after", limit=limit, **asked)
    assert found == [item for item in everything if fits(item)]
    assert set(totals) == {len(found)}


def test_an_item_says_what_is_known_of_it(asking: TestClient) -> None:
    found = {item["name"]: item for item in asking.get("/v1/items", params={"limit": 1000}).json()["items"]}
    part, blank = found["shop/new/7.png"], found["more/blank.png"]
    assert part["box"] == [1, 2, 21, 22]
    assert (part["width"], part["height"], part["format"], part["blank"]) == (20, 20, "PNG", False)
    assert part["attributes"] == {"year": 2007, "sold": False}
    assert (blank["label"], blank["blank"], blank["box"], blank["attributes"]) == (None, True, None, {})
    assert blank["bytes"] > 0


def test_one_item_has_its_copies(asking: TestClient) -> None:
    found = {item["name"]: item for item in asking.get("/v1/items", params={"limit": 1000}).json()["items"]}
    one, copy = found["shop/old/é/0.png"], found["shop/new/20.png"]
    told = asking.get(f"/v1/items/{one['id']}").json()
    assert {key: told[key] for key in one} == one
    assert told["copies"] == [copy["id"]]
    assert told["hash"] == asking.get(f"/v1/items/{copy['id']}").json()["hash"]
    assert asking.get(f"/v1/items/{found['more/0.png']['id']}").json()["copies"] == []


@pytest.mark.parametrize("start", ["", "d", "z"])
@pytest.mark.parametrize("limit", [1, 100])
def test_labels_are_counted(asking: TestClient, start: str, limit: int) -> None:
    counted = Counter(
        item["label"]
        for item in asking.get("/v1/items", params={"limit": 1000}).json()["items"]
        if item["label"] is not None and item["label"].startswith(start)
    )
    found, totals = pages(asking, "/v1/labels", "labels", "after", limit=limit, start=start)
    assert {entry["label"]: entry["count"] for entry in found} == counted
    assert [entry["label"] for entry in found] == sorted(counted)
    assert set(totals) == {len(counted)}


def test_folders_are_listed_level_by_level(asking: TestClient) -> None:
    found, totals = pages(asking, "/v1/folders", "folders", "skip", limit=1)
    assert found == [
        {"name": "shop", "count": 22, "folders": True},
        {"name": "more", "count": 4, "folders": False},
    ]
    assert set(totals) == {2}
    below, _ = pages(asking, "/v1/folders", "folders", "skip", limit=5, below="shop")
    assert below == [
        {"name": "shop/new", "count": 14, "folders": False},
        {"name": "shop/old", "count": 8, "folders": True},
    ]
    assert asking.get("/v1/folders", params={"below": "shop/old"}).json()["folders"] == [
        {"name": "shop/old/é", "count": 8, "folders": False}
    ]
    assert asking.get("/v1/folders", params={"below": "more"}).json() == {
        "folders": [],
        "next": None,
        "total": 0,
    }


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/v1/items/99999", 404, "no_such_item"),
        ("/v1/items/0", 422, "invalid"),
        (f"/v1/items/{2**63}", 422, "invalid"),
        ("/v1/items/one", 422, "invalid"),
        ("/v1/items?limit=0", 422, "invalid"),
        ("/v1/items?limit=1001", 422, "invalid"),
        ("/v1/items?after=-1", 422, "invalid"),
        ("/v1/items?lable=cat", 422, "invalid"),
        ("/v1/items?where=lable%20%3D%20'cat'", 422, "unusable"),
        ("/v1/items?where=label%20%3D", 422, "unusable"),
        ("/v1/items?folder=nowhere", 422, "unusable"),
        ("/v1/items?folder=shop/..", 422, "unusable"),
        ("/v1/items?folder=shop/%00", 422, "unusable"),
        ("/v1/folders?below=/etc", 422, "unusable"),
        ("/v1/folders?skip=-1", 422, "invalid"),
        ("/v1/labels?limit=0", 422, "invalid"),
        ("/v1/thumb/99999", 404, "no_such_item"),
        ("/v1/thumb/1?s=8", 422, "invalid"),
        ("/v1/thumb/1?s=4096", 422, "invalid"),
    ],
)
def test_what_cannot_be_answered_is_said(
    asking: TestClient, index: Path, address: str, status: int, code: str
) -> None:
    answer = asking.get(address)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"]
    assert error["hint"]
    assert "secret" not in answer.text


def test_no_answer_holds_a_path_of_the_server(asking: TestClient, index: Path) -> None:
    addresses = [
        "/v1/items",
        "/v1/items/1",
        "/v1/labels",
        "/v1/folders",
        "/v1/folders?below=shop",
        "/v1/thumb/1",
    ]
    for address in addresses:
        answer = asking.get(address)
        assert answer.status_code == 200
        assert b"secret" not in answer.content
        assert str(index.parent.name).encode() not in answer.content
        assert "secret" not in str(answer.headers)


def test_a_filter_is_asked_once_until_the_index_changes(
    tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = list[str]()

    def counted(store: Any, wanted: selection.Selection) -> Any:
        asked.append(wanted.where)
        return selection.selected(store, wanted)

    monkeypatch.setattr(collection, "selected", counted)
    with Index.open(shop(tmp_path, tiny_folder)) as index:
        reading = Collection(index.store, Names(index.store))
        first = reading.page(after=0, limit=3, where="year > 2004")
        assert reading.page(after=first.next or 0, limit=3, where="year > 2004").total == first.total == 17
        assert asked == ["year > 2004"]
        gone = first.items[0].item
        with index.store.writing() as writer:
            writer.apply(Changes(removals=[gone]))
        assert reading.page(after=0, limit=3, where="year > 2004").total == 16
        assert reading.page(after=0, limit=3).total == 25
        assert len(asked) == 2


def test_what_filters_found_is_bounded(tmp_path: Path, tiny_folder: Path) -> None:
    with Index.open(shop(tmp_path, tiny_folder)) as index:
        reading = Collection(index.store, Names(index.store), most_bytes=400)
        for year in range(1990, 2020):
            reading.page(after=0, limit=1, where=f"year > {year}")
        assert sum(ids.nbytes for ids in reading._found.values()) <= 400
        for start in range(600):
            reading.labels(start=str(start), after="", limit=1)
        assert len(reading._totals) <= 300


def test_pages_go_on_behind_what_was_removed(tmp_path: Path, tiny_folder: Path) -> None:
    with Index.open(shop(tmp_path, tiny_folder)) as index:
        reading = Collection(index.store, Names(index.store))
        first = reading.page(after=0, limit=5)
        gone = [entry.item for entry in reading.page(after=3, limit=3).items]
        with index.store.writing() as writer:
            writer.apply(Changes(removals=gone))
        assert [entry.item.id for entry in reading.page(after=first.next or 0, limit=2).items] == [7, 8]


def test_an_item_without_a_look_is_told_of(tmp_path: Path, tiny_folder: Path) -> None:
    path = shop(tmp_path, tiny_folder)
    with Index.open(path) as index, index.store.writing() as writer:
        item = Item(2, "unseen.png", "", 1, 1, b"unseen", None, "{}")
        writer.apply(Changes(puts=[(item, index.vectors([1])[0])]))
    with client(path) as asking:
        told = asking.get("/v1/items?folder=more&limit=1000").json()["items"][-1]
    assert told["name"] == "more/unseen.png"
    assert [told[key] for key in ("width", "height", "format", "blank")] == [None] * 4
