"""Thresholds over HTTP: the boundary, the pairs around it, and saving one by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from labelled_index import labelled_index
from lookalike.indexing.index import Index
from lookalike.models.model import DEFAULT, FACTS, Model
from lookalike.serving.boundary import Boundary
from lookalike.serving.routes_threshold import LONGEST_NAME
from lookalike.threshold import BY_HAND
from served import client
from some_records import threshold

CLASSES: dict[str | None, int] = {"<b>cat</b>": 4, "dog": 5, None: 2, "bee": 6}


@pytest.fixture
def place(tiny: Model, tmp_path: Path) -> Path:
    tiny.set_threshold(threshold("f1", confidence=None))
    return labelled_index(tmp_path, tiny, CLASSES)


@pytest.fixture
def asking(place: Path) -> Iterator[TestClient]:
    with client(place, writable=True) as found:
        yield found


def got(asking: TestClient, path: str, **options: Any) -> dict[str, Any]:
    answer = asking.get(path, params=options)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def failed(answer: Any) -> tuple[int, str]:
    error = answer.json()["error"]
    assert error["message"]
    assert error["hint"]
    return answer.status_code, error["code"]


def test_the_boundary_is_that_of_the_labelled_pictures(asking: TestClient, place: Path) -> None:
    found = got(asking, "/v1/boundary")
    assert (found["images"], found["of"], found["sampled"], found["classes"]) == (15, 15, False, 3)
    assert (found["same"], found["same"] + found["different"]) == (6 + 10 + 15, 15 * 14 // 2)
    with Index.open(place) as index:
        bins, same, different = Boundary(index).border().histogram()
    assert found["bins"] == bins.tolist()
    assert (found["same_counts"], found["different_counts"]) == (same.tolist(), different.tolist())


def test_pairs_go_by_their_names_and_figures_are_told(asking: TestClient, place: Path) -> None:
    found = got(asking, "/v1/boundary/at", similarity=0.25, count=5)
    with Index.open(place) as index:
        around = Boundary(index).at(0.25, count=5)
        facts = index.store.facts(range(1, 18))
    assert found["promise"] == around.threshold.promise
    assert found["figures"] == {name: around.figures[name] for name in found["figures"]}
    assert {name: tuple(told) for name, told in found["intervals"].items()} == around.intervals
    assert (found["similarity"], found["confidence"]) == (0.25, 0.95)
    for shown, pairs in ((found["above"], around.above), (found["below"], around.below)):
        assert [(each["a"]["id"], each["b"]["id"], each["same"]) for each in shown] == [
            (pair.first, pair.second, pair.same) for pair in pairs
        ]
        for each in shown:
            for side in (each["a"], each["b"]):
                assert side["label"] == (facts[side["id"]].label or "")
                assert side["name"] == f"drawn/{side['label'] or 'none'}/{side['id'] - 1}.png"
                assert (each["similarity"] >= 0.25) is (shown is found["above"])
    assert str(place.parent) not in asking.get("/v1/boundary/at", params={"similarity": 0.25}).text
    assert len(got(asking, "/v1/boundary/at", similarity=0.25)["above"]) == 12


@pytest.mark.parametrize(
    "options",
    [{}, {"similarity": 1.01}, {"similarity": "nan"}, {"similarity": "inf"}, {"similarity": 0, "count": 0},
     {"similarity": 0, "count": 101}],
    ids=str,
)  # fmt: skip
def test_what_cannot_be_asked_is_refused(asking: TestClient, options: dict[str, Any]) -> None:
    assert failed(asking.get("/v1/boundary/at", params=options)) == (422, "invalid")


def test_saving_says_what_it_is_worth(asking: TestClient, place: Path) -> None:
    before = got(asking, "/v1/thresholds")["thresholds"]
    assert set(before) == {DEFAULT}
    assert before[DEFAULT]["target"] == "f1"
    answer = asking.put("/v1/thresholds/my own", json={"similarity": 0.3})
    assert answer.status_code == 200, answer.text
    kept = answer.json()
    assert (kept["name"], kept["similarity"], kept["target"]) == ("my own", 0.3, BY_HAND)
    assert kept["promise"].startswith("set by hand: ")
    assert "no promise beyond these pairs; measured on 31 same and 74 different pairs" in kept["promise"]
    after = got(asking, "/v1/thresholds")["thresholds"]
    assert after == {**before, "my own": {name: kept[name] for name in before[DEFAULT]}}
    told = got(asking, "/v1/boundary/at", similarity=0.3)
    assert told["promise"] == kept["promise"]
    with Index.open(place) as index:
        assert index.model.require_threshold("my own").promise == kept["promise"]


def test_the_default_one_is_what_search_uses_at_once(asking: TestClient) -> None:
    for similarity in (-1.0, 1.0):
        assert asking.put("/v1/thresholds/default", json={"similarity": similarity}).status_code == 200
        found = asking.post("/v1/search", json={"query": [{"id": 1}], "k": 3}).json()
        assert found["threshold"] == similarity
        assert [hit["match"] for hit in found["hits"]] == [similarity == -1.0] * 3


def test_thresholds_of_others_are_seen(asking: TestClient, tiny: Model) -> None:
    got(asking, "/v1/thresholds")
    Model.load(tiny.folder).set_threshold(threshold("precision=0.95"), name="strict")
    found = got(asking, "/v1/thresholds")["thresholds"]["strict"]
    assert found["promise"].startswith("at least 95% of matches are right")
    assert (found["meaning"], found["seen"], found["images"]) == ("the same", 0, 320)


def test_a_model_that_is_gone_is_told(asking: TestClient, tiny: Model) -> None:
    (tiny.folder / FACTS).rename(tiny.folder / "away.json")
    assert failed(asking.get("/v1/thresholds")) == (409, "model")


@pytest.mark.parametrize("name", ["identify", "", "%20", "a/b", "a%2Fb", "a%5Cb", "..%2F..", "a%7F", "%00"])
def test_a_name_that_is_none_is_refused(asking: TestClient, name: str, tiny: Model) -> None:
    answer = asking.put(f"/v1/thresholds/{name}", json={"similarity": 0.3})
    assert failed(answer) == (422, "calibration")
    assert set(Model.load(tiny.folder).thresholds) == {DEFAULT}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"similarity": 2},
        {"similarity": "0.5"},
        {"similarity": False},
        {"similarity": 0.5, "target": "f1"},
        [],
    ],
    ids=str,
)
def test_what_is_no_similarity_is_not_saved(asking: TestClient, body: Any) -> None:
    assert failed(asking.put("/v1/thresholds/a", json=body)) == (422, "invalid")
    long = "a" * (LONGEST_NAME + 1)
    assert failed(asking.put(f"/v1/thresholds/{long}", json={"similarity": 0.5})) == (422, "invalid")


def test_only_a_server_that_may_write_saves(place: Path, tiny: Model) -> None:
    with client(place) as asking:
        answer = asking.put("/v1/thresholds/mine", json={"similarity": 0.3})
        assert failed(answer) == (403, "read_only")
        assert failed(asking.delete("/v1/thresholds/default")) == (403, "read_only")
        assert failed(asking.post("/v1/thresholds/default/undo")) == (403, "read_only")
        assert got(asking, "/v1/boundary/at", similarity=0.3)["above"]
    assert set(Model.load(tiny.folder).thresholds) == {DEFAULT}


def test_one_that_was_set_by_hand_is_removed_and_no_other(asking: TestClient, tiny: Model) -> None:
    before = got(asking, "/v1/thresholds")
    asking.put("/v1/thresholds/my own", json={"similarity": 0.3})
    assert asking.delete("/v1/thresholds/my own").status_code == 204
    assert got(asking, "/v1/thresholds") == before
    assert set(Model.load(tiny.folder).thresholds) == {DEFAULT}
    assert failed(asking.delete("/v1/thresholds/my own")) == (404, "no_such_threshold")
    answer = asking.delete("/v1/thresholds/default")
    assert failed(answer) == (409, "not_by_hand")
    assert "calibrated for f1" in answer.json()["error"]["hint"]


def test_what_was_replaced_is_put_back_once(asking: TestClient, tiny: Model) -> None:
    tiny.set_threshold(threshold("precision=0.95"), name="strict")
    before = got(asking, "/v1/thresholds")
    for name in ("strict", DEFAULT):
        assert asking.put(f"/v1/thresholds/{name}", json={"similarity": 0.3}).status_code == 200
        assert got(asking, "/v1/thresholds") != before
        answer = asking.post(f"/v1/thresholds/{name}/undo")
        assert answer.status_code == 200, answer.text
        assert answer.json() == {"name": name, **before["thresholds"][name]}
        assert got(asking, "/v1/thresholds") == before
        assert failed(asking.post(f"/v1/thresholds/{name}/undo")) == (409, "nothing_replaced")
    assert Model.load(tiny.folder).thresholds["strict"].confidence


def test_without_labels_it_is_said_what_to_do(tiny: Model, tmp_path: Path) -> None:
    with client(labelled_index(tmp_path, tiny, {None: 5}), writable=True) as asking:
        for answer in (
            asking.get("/v1/boundary"),
            asking.get("/v1/boundary/at", params={"similarity": 0.5}),
            asking.put("/v1/thresholds/a", json={"similarity": 0.5}),
        ):
            assert failed(answer) == (409, "no_pairs")
            assert answer.json()["error"]["message"].startswith("No picture of this index has a label")
        assert got(asking, "/v1/thresholds") == {"thresholds": {}}


def test_pairs_whose_pictures_are_gone_are_left_out(asking: TestClient, place: Path) -> None:
    every = got(asking, "/v1/boundary/at", similarity=0.25, count=100)
    gone = every["above"][0]["a"]["id"]
    assert asking.delete(f"/v1/items/{gone}").status_code == 204
    found = got(asking, "/v1/boundary/at", similarity=0.25, count=100)
    assert found["figures"] == every["figures"]
    assert found["above"] == [
        pair for pair in every["above"] if gone not in (pair["a"]["id"], pair["b"]["id"])
    ]
    assert got(asking, "/v1/boundary")["images"] == 14
