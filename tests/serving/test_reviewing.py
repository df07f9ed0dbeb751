"""Duplicates over HTTP: found in the background, as the command finds them; paged, and found anew."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from lookalike.duplicates import finding
from lookalike.duplicates.records import Band
from lookalike.errors import StoreError
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.presenting.duplicates_wording import cautions, headline, lines
from lookalike.records import Watcher
from lookalike.serving import reviewing
from lookalike.tables.table import ImageTable
from reviewed import SAME, as_the_command_says, decide, ids, make_reviewed, names, ready
from scenes import scene, write
from served import client


@pytest.fixture
def place(tiny_folder: Path, tmp_path: Path) -> Path:
    return make_reviewed(tiny_folder, tmp_path)


@pytest.fixture
def asking(place: Path) -> Iterator[TestClient]:
    with client(place) as found:
        yield found


def until(holds: Callable[[], bool]) -> None:
    for _ in range(2000):
        if holds():
            return
        time.sleep(0.005)
    raise AssertionError("it never held")


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
    assert failed["headline"] == "it is broken: pictures.idx bent. mend pictures.idx"
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


def test_what_was_left_out_is_told_by_the_reason_as_the_command_line_tells_it(
    tiny_folder: Path, tmp_path: Path
) -> None:
    path = make_reviewed(tiny_folder, tmp_path)
    folder = tmp_path / "my pictures"
    for name in ("white.png", "red.png"):
        write(folder / name, Image.new("RGB", (40, 40), name.removesuffix(".png")))
    with Index.open(path) as index:
        index.update(ImageTable.read(folder), source=folder)
    (folder / "half.png").unlink()
    (folder / "crop.png").write_bytes(b"no picture any more")
    with client(path) as asking:
        found = ready(asking)
    with Index.open(path) as index:
        duplicates = finding.find_duplicates(index)
    wanted = ["2 pictures of one colour, in no group.", "1 picture left out: missing (no such file).",
              "1 picture left out: not an image."]  # fmt: skip
    assert sorted(found["cautions"]) == sorted([*wanted, *cautions(duplicates)])
    printed = lines(duplicates, index=path)
    assert [text in "\n".join(printed) for text in (wanted[0][:-1], *wanted[1:])] == [True] * 3


def test_nothing_is_said_of_pictures_that_are_not_there(tiny_folder: Path, tmp_path: Path) -> None:
    path = make_reviewed(tiny_folder, tmp_path)
    folder, moved = tmp_path / "my pictures", tmp_path / "moved"
    folder.rename(moved)
    with Index.open(path) as index:
        duplicates = finding.find_duplicates(index)
    lost = len(duplicates.skipped)  # of eight; one is like no other and need not be opened
    assert headline(duplicates) == (
        f"{lost} of 8 pictures are not where they were: "
        "lookalike index INDEX FOLDER finds again what moved to that folder."
    )
    with client(path) as asking:
        found = ready(asking)
        assert (found["state"], found["groups"]) == ("failed", [])
        assert f"{lost} missing of 8" in found["headline"]
        assert "lookalike index INDEX FOLDER" in found["headline"]
        with Index.open(path) as index:  # what that command does
            index.update(ImageTable.read(moved), source=moved)
        asking.post("/v1/groups/refresh")
        again = ready(asking)
    assert (again["state"], len(again["groups"]) > 0) == ("ready", True)


def test_default_bands_are_those_of_the_command(asking: TestClient) -> None:
    assert {group["band"] for group in ready(asking)["groups"]} <= {str(band) for band in list(Band)[:3]}
