"""Long reading by a connection of its own: of the index that is served, never of what lies there since."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from labelled_index import labelled_index
from lookalike.errors import ReplacedError
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.serving import own_connection as module
from lookalike.serving.own_connection import own_connection
from served import client

REPLACED = "the index was replaced while it was open"


@pytest.fixture
def place(tiny: Model, tmp_path: Path) -> Path:
    return labelled_index(tmp_path, tiny, {"cat": 6, "dog": 4})


@pytest.fixture
def other(tiny: Model, tmp_path: Path) -> Path:
    """Another index of the same model."""
    (tmp_path / "elsewhere").mkdir()
    return labelled_index(tmp_path / "elsewhere", tiny, {"owl": 3})


@pytest.fixture
def asking(place: Path) -> Iterator[TestClient]:
    with client(place) as found:
        yield found


def done(asking: TestClient, path: str) -> dict[str, Any]:
    """What a path answers once the work behind it is done."""
    for _ in range(2000):
        found: dict[str, Any] = asking.get(path).json()
        if found["state"] != "working":
            return found
        time.sleep(0.005)
    raise AssertionError(found)


def test_it_reads_the_same_and_is_closed_alone(place: Path) -> None:
    with Index.open(place) as index:
        with own_connection(index) as own, own.reading():
            assert len(own) == len(index) == 10
            assert own.model is index.model
            assert own.store is not index.store
        assert len(index) == 10


@pytest.mark.parametrize("is_gone", [False, True], ids=["replaced", "deleted"])
def test_another_file_at_the_path_is_refused(place: Path, other: Path, is_gone: bool) -> None:
    with Index.open(place) as index:
        place.unlink() if is_gone else shutil.move(other, place)
        with pytest.raises(ReplacedError, match=f"{REPLACED}.*restart the server"):
            own_connection(index)
        assert len(index) == 10


def test_one_that_comes_while_it_is_opened_is_refused(
    place: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Index] = []

    class Meanwhile:
        @staticmethod
        def open(path: Path, *, model: Model) -> Index:
            shutil.move(other, path)
            opened.append(Index.open(path, model=model))
            return opened[0]

    with Index.open(place) as index:
        monkeypatch.setattr(module, "Index", Meanwhile)
        with pytest.raises(ReplacedError, match=REPLACED):
            own_connection(index)
        with pytest.raises(Exception, match="the index was closed"):
            len(opened[0])


@pytest.mark.parametrize(
    ("path", "said"),
    [("/v1/map", lambda told: told["message"]), ("/v1/groups", lambda told: told["headline"])],
    ids=["map", "groups"],
)
def test_no_work_is_done_on_another_index(
    asking: TestClient, place: Path, other: Path, path: str, said: Callable[[dict[str, Any]], str]
) -> None:
    shutil.move(other, place)
    found = done(asking, path)
    assert found["state"] == "failed"
    assert said(found) == "The index was replaced. Have the server restarted; it does not write to it."
    assert asking.get("/v1/items/10").status_code == 200


def test_what_was_found_before_is_still_shown(asking: TestClient, place: Path, other: Path) -> None:
    drawn, groups = done(asking, "/v1/map"), done(asking, "/v1/groups")
    shutil.move(other, place)
    assert done(asking, "/v1/map") == drawn
    assert done(asking, "/v1/groups") == groups
    assert asking.post("/v1/groups/refresh").status_code == 202
    after = done(asking, "/v1/groups")
    assert (after["state"], after["groups"]) == ("failed", groups["groups"])
    assert after["headline"].startswith("The index was replaced.")
