"""What a saved threshold replaced is put back by any process, once, while nothing else changed it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from labelled_index import labelled_index
from lookalike.indexing.index import Index
from lookalike.models.model import DEFAULT, Model
from lookalike.models.verdicts import calibration_of, keep_calibration
from lookalike.serving.boundary import Boundary
from lookalike.serving.problems import Problem
from lookalike.serving.replaced import note_replaced, replaced
from served import client
from some_calibrations import of_model
from some_records import threshold

CLASSES: dict[str | None, int] = {"cat": 4, "dog": 5, "bee": 6}
FILE = "replaced.json"


@pytest.fixture
def model(tiny: Model) -> Model:
    """A model with a calibrated default threshold, and another one."""
    keep_calibration(tiny, of_model(tiny))
    tiny.set_threshold(threshold("f1", confidence=None))
    tiny.set_threshold(threshold("precision=0.95"), name="strict")
    return tiny


@pytest.fixture
def place(model: Model, tmp_path: Path) -> Path:
    return labelled_index(tmp_path, model, CLASSES)


@pytest.fixture
def one(place: Path) -> Iterator[TestClient]:
    with client(place, writable=True) as found:
        yield found


@pytest.fixture
def other(place: Path) -> Iterator[TestClient]:
    """A server of the same index and model that knows nothing of the first."""
    with client(place, writable=True) as found:
        yield found


def save(asking: TestClient, name: str, similarity: float) -> None:
    answer = asking.put(f"/v1/thresholds/{name}", json={"similarity": similarity})
    assert answer.status_code == 200, answer.text


def undo(asking: TestClient, name: str) -> tuple[int, dict[str, Any]]:
    answer = asking.post(f"/v1/thresholds/{name}/undo")
    return answer.status_code, answer.json()


def nothing(told: tuple[int, dict[str, Any]]) -> None:
    assert (told[0], told[1]["error"]["code"]) == (409, "nothing_replaced")


def thresholds(asking: TestClient) -> dict[str, Any]:
    found: dict[str, Any] = asking.get("/v1/thresholds").json()["thresholds"]
    return found


def test_another_process_puts_back_what_was_replaced(
    one: TestClient, other: TestClient, model: Model
) -> None:
    before, measured = thresholds(one), calibration_of(model)
    for name in ("strict", DEFAULT):
        save(one, name, 0.3)
        assert thresholds(other)[name]["similarity"] == 0.3
        status, answer = undo(other, name)
        assert (status, answer) == (200, {"name": name, **before[name]})
        assert thresholds(one) == thresholds(other) == before
        nothing(undo(one, name))
        nothing(undo(other, name))
    assert calibration_of(model) == measured


def test_it_outlasts_the_server(place: Path) -> None:
    with client(place, writable=True) as first:
        before = thresholds(first)
        save(first, "strict", 0.3)
    with client(place, writable=True) as second:
        assert undo(second, "strict")[0] == 200
        assert thresholds(second) == before


def test_the_last_one_that_was_replaced_is_put_back(one: TestClient, other: TestClient) -> None:
    before = thresholds(one)
    save(one, "strict", 0.3)
    save(other, "strict", 0.4)
    save(one, "strict", 0.4)  # which replaces nothing
    assert undo(one, "strict")[1]["similarity"] == 0.3
    nothing(undo(other, "strict"))
    assert {**thresholds(one), "strict": None} == {**before, "strict": None}


def test_who_says_what_to_take_back_takes_back_nothing_else(one: TestClient, other: TestClient) -> None:
    save(one, "strict", 0.3)
    save(other, "strict", 0.4)
    refused = one.post("/v1/thresholds/strict/undo", params={"saved": 0.3})
    nothing((refused.status_code, refused.json()))
    assert thresholds(one)["strict"]["similarity"] == 0.4
    taken = other.post("/v1/thresholds/strict/undo", params={"saved": 0.4})
    assert (taken.status_code, taken.json()["similarity"]) == (200, 0.3)


def test_what_somebody_else_changed_since_stays(one: TestClient, model: Model) -> None:
    save(one, "strict", 0.3)
    Model.load(model.folder).set_threshold(threshold("recall=0.5"), name="strict")
    nothing(undo(one, "strict"))
    assert thresholds(one)["strict"]["target"] == "recall=0.5"


def test_what_is_new_or_was_removed_has_nothing_before_it(one: TestClient) -> None:
    nothing(undo(one, "strict"))
    save(one, "strict", 0.3)
    assert one.delete("/v1/thresholds/strict").status_code == 204
    nothing(undo(one, "strict"))
    save(one, "strict", 0.3)
    nothing(undo(one, "strict"))
    assert "strict" in thresholds(one)


BROKEN = {
    "no JSON": "{",
    "another value": "[1]",
    "no entries": '{"strict": 1}',
    "no threshold": {"threshold": {"similarity": 2}},
    "a key too many": {"threshold": {"colour": "red"}},
    "no calibration": {"calibration": {"basis": "none"}},
    "too little": {"calibration": 7},
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
def test_what_cannot_be_read_counts_as_nothing(place: Path, model: Model, broken: Any) -> None:
    boundary = Boundary(Index.open(place, model=model))
    boundary.save("strict", 0.3)
    file = model.folder / FILE
    if isinstance(broken, dict):
        kept = json.loads(file.read_text())
        for key, value in broken.items():
            whole = kept["strict"][key]
            kept["strict"][key] = {**whole, **value} if key == "threshold" else value
        broken = json.dumps(kept)
    file.write_text(broken)
    with pytest.raises(Problem, match="No threshold of that name was replaced"):
        boundary.undo("strict")
    boundary.save("strict", 0.4)
    assert boundary.undo("strict").similarity == 0.3


def test_a_shortened_model_has_its_own(model: Model) -> None:
    by = threshold("f1")
    note_replaced(model, "strict", by=by)
    model.dim -= 1
    assert replaced(model, "strict") is None
    note_replaced(model, "strict", by=by)
    assert sorted(file.name for file in model.folder.glob("replaced*")) == [
        FILE, f"replaced_{model.dim}.json"
    ]  # fmt: skip
