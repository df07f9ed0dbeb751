"""Decisions over HTTP: groups follow each at once, and what was decided can be read and taken back."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from lookalike.duplicates import glancing
from lookalike.indexing.database import open_writer
from lookalike.serving import reviewing
from older_index import make_older
from reviewed import APART, FORGET, KEEP, SAME, as_the_command_says, decide, ids, make_reviewed, names, ready
from served import client


@pytest.fixture
def place(tiny_folder: Path, tmp_path: Path) -> Path:
    return make_reviewed(tiny_folder, tmp_path)


@pytest.fixture
def asking(place: Path) -> Iterator[TestClient]:
    with client(place) as found:
        yield found


@pytest.mark.parametrize("verdict", [SAME, APART, KEEP])
def test_groups_follow_each_decision_and_its_undoing(
    asking: TestClient, place: Path, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = ready(asking)
    monkeypatch.setattr(reviewing, "look_for", None)  # nothing is found anew
    known = ids(before)
    one, half, two = (known[name] for name in ("one.png", "half.png", "two.png"))
    said = decide(asking, half, one, verdict)
    assert (said["verdict"], said["before"]) == (verdict, None)
    after = ready(asking)
    wanted = as_the_command_says(place)["groups"]
    assert [names(group) for group in after["groups"]] == [
        [member["name"].removeprefix("my pictures/") for member in group["members"]] for group in wanted
    ]
    marks = {name: member["decided"] for group in after["groups"]
             for name, member in zip(names(group), group["members"], strict=True)}  # fmt: skip
    assert marks.get("half.png") == (None if verdict == APART else verdict)
    assert decide(asking, two, one, SAME)["before"] is None
    assert decide(asking, one, half, FORGET)["before"] == verdict
    assert decide(asking, one, two, FORGET)["before"] == SAME
    assert decide(asking, one, two, FORGET)["before"] is None
    assert ready(asking) == before


def test_a_group_keeps_its_key_and_its_place(asking: TestClient) -> None:
    before = ready(asking)
    known = ids(before)
    for name in ("half.png", "crop.png", "other bytes.png"):
        decide(asking, known["one.png"], known[name], APART)
    after = ready(asking)
    assert [group["key"] for group in after["groups"][:2]] == [group["key"] for group in before["groups"]]
    assert names(after["groups"][0]) == ["one.png", "a/bytes.png"]  # smaller now, and still the first
    decide(asking, known["two.png"], known["small.png"], APART)
    assert ready(asking)["groups"][0]["key"] == before["groups"][0]["key"]
    decide(asking, known["two.png"], known["small.png"], FORGET)
    assert [group["key"] for group in ready(asking)["groups"]][:2] == [
        group["key"] for group in before["groups"]
    ]


def test_a_decision_that_brings_an_older_file_up_makes_nothing_stale(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_older(place)
    monkeypatch.setattr(glancing, "_keep_looks", lambda *_: False)  # as if they had been known
    with client(place) as asking:
        known = ids(ready(asking))
        assert not ready(asking)["stale"]
        decide(asking, known["one.png"], known["half.png"], APART)
        assert not ready(asking)["stale"]
        decide(asking, known["one.png"], known["half.png"], FORGET)
        assert not ready(asking)["stale"]


def test_settled_groups_are_listed_if_asked(asking: TestClient) -> None:
    known = ids(ready(asking))
    decide(asking, known["two.png"], known["small.png"], KEEP)
    assert ready(asking)["total"] == 1
    every = ready(asking, settled=True)
    assert [group["settled"] for group in every["groups"]] == [False, True]
    assert {member["action"] for member in every["groups"][1]["members"]} == {"keep"}


def test_decisions_of_others_are_followed(asking: TestClient, place: Path) -> None:
    known = ids(ready(asking))
    with client(place) as other:
        decide(other, known["one.png"], known["crop.png"], APART)
    assert "crop.png" not in ids(ready(asking))


def test_decisions_are_listed_the_latest_first(asking: TestClient, place: Path) -> None:
    known = ids(ready(asking))
    decide(asking, known["one.png"], known["crop.png"], APART)
    with sqlite3.connect(place) as connection:
        connection.execute("UPDATE decisions SET made = '2020-01-01'")
        connection.execute(
            "INSERT INTO decisions VALUES (x'00', x'01', 'same', '2019-01-01')"  # of pictures that are gone
        )
    decide(asking, known["two.png"], known["small.png"], KEEP)
    answer = asking.get("/v1/decisions").json()
    assert [(entry["verdict"], entry["a"] is None) for entry in answer["decisions"]] == [
        (KEEP, False), (APART, False), (SAME, True)
    ]  # fmt: skip
    pair = answer["decisions"][0]
    assert {pair["a"]["id"], pair["b"]["id"]} == {known["two.png"], known["small.png"]}
    assert {pair["a"]["name"], pair["b"]["name"]} == {"my pictures/two.png", "my pictures/small.png"}
    page = asking.get("/v1/decisions", params={"skip": 1, "limit": 1}).json()
    assert (page["decisions"], page["total"], page["next"]) == (answer["decisions"][1:2], 3, 2)


def test_what_was_decided_on_two_pictures_is_told(asking: TestClient) -> None:
    known = ids(ready(asking))
    one, half, two = (known[name] for name in ("one.png", "half.png", "two.png"))
    decide(asking, one, half, KEEP)
    decide(asking, two, one, APART)
    for a, b in ((one, half), (half, one)):
        answer = asking.get("/v1/decisions", params={"a": a, "b": b}).json()
        assert ([entry["verdict"] for entry in answer["decisions"]], answer["total"]) == ([KEEP], 1)
    assert asking.get("/v1/decisions", params={"a": two, "b": half}).json()["decisions"] == []
    for asked, status, code in [
        ({"a": one}, 422, "one_of_two"),
        ({"a": one, "b": 999}, 404, "no_such_item"),
        ({"a": one, "b": one}, 422, "one_picture"),
        ({"a": -1, "b": one}, 422, "invalid"),
    ]:
        refused = asking.get("/v1/decisions", params=asked)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)


def test_what_cannot_be_decided_is_refused(asking: TestClient) -> None:
    known = ids(ready(asking))
    one, bytes_ = known["one.png"], known["a/bytes.png"]
    for asked, status, code in [
        ({"a": one, "b": 999, "verdict": SAME}, 404, "no_such_item"),
        ({"a": one, "b": one, "verdict": SAME}, 422, "one_picture"),
        ({"a": one, "b": bytes_, "verdict": APART}, 422, "equal_bytes"),
        ({"a": one, "b": bytes_, "verdict": "maybe"}, 422, "invalid"),
        ({"a": one, "b": bytes_, "verdict": SAME, "c": 1}, 422, "invalid"),
        ({"a": -1, "b": bytes_, "verdict": SAME}, 422, "invalid"),
        ({"a": True, "b": bytes_, "verdict": SAME}, 422, "invalid"),
        ({"a": str(one), "b": bytes_, "verdict": SAME}, 422, "invalid"),
    ]:
        answer = asking.post("/v1/decisions", json=asked)
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
    assert asking.get("/v1/decisions").json()["total"] == 0
    assert decide(asking, one, bytes_, KEEP)["before"] is None  # both copies stay


def test_while_another_writes_nothing_is_decided(asking: TestClient, place: Path) -> None:
    known = ids(ready(asking))
    pair = {"a": known["one.png"], "b": known["half.png"]}
    with open_writer(place):
        answer = asking.post("/v1/decisions", json={**pair, "verdict": SAME})
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "busy")
    assert decide(asking, pair["a"], pair["b"], SAME)["before"] is None
