"""Duplicates over HTTP: found in the background, grouped anew with each decision, as the command does."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from starlette.testclient import TestClient

from lookalike.duplicates import finding, glancing
from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.records import Band
from lookalike.errors import StoreError
from lookalike.indexing.database import open_writer
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.presenting.duplicates_wording import headline, totals, values
from lookalike.records import Watcher
from lookalike.serving import reviewing
from lookalike.serving.background import Background
from lookalike.tables.table import ImageTable
from older_index import make_older
from scenes import EDITS, cropped, scene, write
from served import client

SAME, KEEP, APART, FORGET = "same", "keep-both", "different", "forget"


@pytest.fixture
def place(tiny_folder: Path, tmp_path: Path) -> Path:
    """An index of a picture with copies, another one of two sizes, and one like nothing else."""
    folder = tmp_path / "my pictures"
    one = scene(1)
    folder.mkdir()
    for name in ("one.png", "other bytes.png"):
        one.save(folder / name, compress_level=0 if name == "one.png" else 9)
    (folder / "a").mkdir()
    (folder / "a" / "bytes.png").write_bytes((folder / "one.png").read_bytes())
    write(folder / "half.png", EDITS["half"](one))
    write(folder / "crop.png", cropped(one))
    two = scene(2, 128, 128)
    write(folder / "two.png", two)
    write(folder / "small.png", two.resize((64, 64), Image.Resampling.LANCZOS))
    write(folder / "three.png", scene(3))
    path = tmp_path / "kept here" / "pictures.idx"
    path.parent.mkdir()
    with Index.create(path, Model.load(tiny_folder)) as index:
        index.update(ImageTable.read(folder), source=folder)
    return path


@pytest.fixture
def asking(place: Path) -> Iterator[TestClient]:
    with client(place) as found:
        yield found


def ready(asking: TestClient, **options: Any) -> dict[str, Any]:
    """A page of groups once they are found."""
    for _ in range(2000):
        answer = asking.get("/v1/groups", params=options)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        if found["state"] != "working":
            return found
        time.sleep(0.005)
    raise AssertionError(found)


def names(group: dict[str, Any]) -> list[str]:
    return [member["name"].removeprefix("my pictures/") for member in group["members"]]


def ids(found: dict[str, Any]) -> dict[str, int]:
    return {
        name: member["id"]
        for group in found["groups"]
        for name, member in zip(names(group), group["members"], strict=True)
    }


def decide(asking: TestClient, a: int, b: int, verdict: str) -> dict[str, Any]:
    answer = asking.post("/v1/decisions", json={"a": a, "b": b, "verdict": verdict})
    assert answer.status_code == 200, answer.text
    said: dict[str, Any] = answer.json()
    return said


def as_the_command_says(place: Path) -> dict[str, Any]:
    """What `duplicates --json` says of open groups, with public names, in the form of the server."""
    with Index.open(place) as index:
        found = find_duplicates(index)
        root = index.store.roots()[0].path
    told = values(found, index=place)
    groups = [group for group in told["groups"] if not group["settled"]]
    for group in groups:
        for member in group["members"]:
            member["name"] = f"my pictures/{Path(member['path']).relative_to(root).as_posix()}"
    return {**told, "groups": groups, "headline": headline(found), "all": totals(found)}


def test_groups_are_those_of_the_command(asking: TestClient, place: Path) -> None:
    first = asking.get("/v1/groups").json()
    assert (first["state"], first["groups"], first["next"]) == ("working", [], None)
    found, told = ready(asking), as_the_command_says(place)
    assert found["headline"] == told["headline"]
    assert found["totals"] == told["totals"]
    assert (found["total"], found["next"], found["stale"]) == (len(told["groups"]), None, False)
    for group, wanted in zip(found["groups"], told["groups"], strict=True):
        assert (group["band"], group["bytes"], group["settled"]) == (
            wanted["band"], wanted["bytes"], False
        )  # fmt: skip
        for member, entry in zip(group["members"], wanted["members"], strict=True):
            marks = {name: member.pop(name) for name in ("keeper", "representative")}
            assert marks["keeper"] == (wanted["keeper"] == entry["path"])
            assert member == {name: entry[name] for name in member}
    assert str(place.parent.parent) not in asking.get("/v1/groups").text


def test_pages_and_bands(asking: TestClient) -> None:
    every = ready(asking)
    assert [len(group["members"]) for group in every["groups"]] == [5, 2]
    first = ready(asking, limit=1)
    assert (len(first["groups"]), first["total"], first["next"]) == (1, 2, 1)
    second = ready(asking, limit=1, skip=1)
    assert (second["groups"], second["next"]) == (every["groups"][1:], None)
    assert ready(asking, skip=9)["groups"] == []
    assert ready(asking, band="near copy")["total"] == 2
    assert ready(asking, band="exact")["groups"] == []
    assert ready(asking, band="")["total"] == 2
    for wrong in ({"band": "nearly"}, {"limit": 0}, {"limit": 101}, {"skip": -1}, {"skip": 2**63}):
        answer = asking.get("/v1/groups", params=wrong)
        assert answer.status_code == 422
        assert answer.json()["error"]["code"] == "invalid"


def test_a_group_is_found_by_its_key_and_the_first_that_is_not_decided_on(asking: TestClient) -> None:
    every = ready(asking)
    known, last = ids(every), every["groups"][1]["key"]
    assert every["place"] is None
    assert ready(asking, undecided=True)["place"] == 0
    found = ready(asking, key=last, limit=1)
    assert (found["place"], found["groups"], found["next"]) == (1, every["groups"][1:], None)
    gone = ready(asking, key="999", skip=1, limit=1)
    assert (gone["place"], gone["groups"]) == (None, every["groups"][1:])
    decide(asking, known["two.png"], known["small.png"], SAME)
    assert ready(asking, key="999", undecided=True)["place"] == 0
    for name in ("other bytes.png", "half.png", "crop.png", "a/bytes.png"):
        decide(asking, known["one.png"], known[name], SAME)
    assert ready(asking, undecided=True)["place"] is None
    assert ready(asking, undecided=True)["total"] == 2


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


def test_a_changed_index_makes_groups_stale_until_they_are_found_anew(
    asking: TestClient, place: Path, tmp_path: Path
) -> None:
    before = ready(asking)
    folder = tmp_path / "my pictures"
    write(folder / "three again.png", scene(3).resize((48, 48), Image.Resampling.LANCZOS))
    (folder / "small.png").unlink()
    with Index.open(place) as index:
        index.update(ImageTable.read(folder), source=folder, prune=True)
    stale = ready(asking)
    assert stale["stale"]
    assert [names(group) for group in stale["groups"]] == [names(group) for group in before["groups"]]
    answer = asking.post("/v1/groups/refresh")
    assert (answer.status_code, answer.json()) == (202, {"state": "working"})
    after = ready(asking)
    assert not after["stale"]
    assert names(after["groups"][1]) == ["three.png", "three again.png"]
    assert after["groups"][0]["key"] == before["groups"][0]["key"]


def test_groups_of_before_can_be_read_while_they_are_found_anew(
    asking: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, going = ready(asking), threading.Event()

    def slow(index: Index, *, watcher: Watcher) -> object:
        watcher.stage("look at pictures")(3, 9)
        assert going.wait(10)
        return finding.look_for(index, watcher=watcher)

    monkeypatch.setattr(reviewing, "look_for", slow)
    asking.post("/v1/groups/refresh")
    asking.post("/v1/groups/refresh")  # no second one beside it
    until(lambda: asking.get("/v1/groups").json()["done"] == 3)
    found = asking.get("/v1/groups").json()
    assert (found["state"], found["stage"], found["total"]) == ("working", "look at pictures", 9)
    assert found["groups"] == before["groups"]
    going.set()
    assert ready(asking) == before


def test_a_failure_says_why_and_can_be_tried_again(
    asking: TestClient, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_index: Index, *, watcher: Watcher) -> object:
        raise StoreError("it is broken", where=place, saw=f"{place} bent", do=f"mend {place}")

    monkeypatch.setattr(reviewing, "look_for", broken)
    failed = ready(asking)
    assert failed["state"] == "failed"
    assert failed["headline"] == "it is broken: pictures.idx bent mend pictures.idx"
    assert ready(asking) == failed
    monkeypatch.setattr(reviewing, "look_for", lambda *_, **__: 1 / 0)
    asking.post("/v1/groups/refresh")
    assert "fault of lookalike" in ready(asking)["headline"]
    monkeypatch.setattr(reviewing, "look_for", finding.look_for)
    asking.post("/v1/groups/refresh")
    assert (ready(asking)["state"], ready(asking)["total"]) == ("ready", 2)


def test_reasons_name_no_place_of_this_machine(place: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my pictures"
    (folder / "link.png").hardlink_to(folder / "one.png")
    with Index.open(place) as index:
        index.update(ImageTable.read(folder), source=folder)
    with client(place) as asking:
        found = ready(asking)
        reasons = {name: member["reason"] for name, member in zip(
            names(found["groups"][0]), found["groups"][0]["members"], strict=True)}  # fmt: skip
        assert reasons["link.png"] == "It is one file with my pictures/one.png, which stays."
        assert str(tmp_path) not in asking.get("/v1/groups").text


def test_an_empty_index_has_no_groups(tiny_folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "empty.idx"
    Index.create(path, Model.load(tiny_folder)).close()
    with client(path) as asking:
        found = ready(asking)
    assert (found["state"], found["total"], found["totals"]) == ("ready", 0, [])
    assert found["headline"] == "No duplicates among 0 pictures."


def test_default_bands_are_those_of_the_command(asking: TestClient) -> None:
    assert {group["band"] for group in ready(asking)["groups"]} <= {str(band) for band in list(Band)[:3]}


# work in the background


def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it never held")


def test_closing_ends_work_where_it_next_tells_how_far_it_is() -> None:
    begun, work = threading.Event(), Background[int]("count")

    def count(watcher: Watcher) -> int:
        tell = watcher.stage("count")
        for done in range(10_000):
            begun.set()
            tell(done, 10_000)
            time.sleep(0.001)
        return done

    assert work.start(count)
    assert begun.wait(10)
    assert not work.start(count)  # one at a time
    work.close()
    assert (work.made, work.error, work.is_working) == (None, None, False)
    assert work.course.stage == "count"
    assert not work.start(count)


def test_work_leaves_what_it_made_or_why_it_did_not() -> None:
    work = Background[int]("try")
    work.start(lambda _: 1 // 0)
    work.wait()
    assert work.made is None
    assert isinstance(work.error, ZeroDivisionError)
    assert isinstance(work.take_error(), ZeroDivisionError)
    assert work.take_error() is None
    again = Background[int]("try")

    def five(watcher: Watcher) -> int:
        watcher.say("nobody hears")
        return 5

    again.start(five)
    again.wait()
    assert (again.made, again.error, again.is_working) == (5, None, False)
