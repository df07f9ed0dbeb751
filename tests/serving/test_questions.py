"""Questions over HTTP: what is asked is what is answered, and what cannot be is told with what to do."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from asked_model import asked_index
from lookalike.errors import LookalikeError
from lookalike.indexing.index import Index
from lookalike.models.embedding import content_hash, embed_chunks
from lookalike.models.explanation import explain
from lookalike.models.model import Model
from lookalike.presenting.plots_explanation import draw_explanation
from lookalike.serving.desk import Desk
from lookalike.serving.problems import Problem
from lookalike.serving.searcher import Among, Entry, Question
from lookalike.serving.settings import Settings
from pictures import content, noise
from served import client


@pytest.fixture(scope="module")
def index(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return asked_index(tmp_path_factory.mktemp("secret"), tiny_folder)


@pytest.fixture(scope="module")
def asking(index: Path) -> Iterator[TestClient]:
    with client(index) as made:
        yield made


@pytest.fixture(scope="module")
def plain(tiny_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server whose model has neither thresholds nor attributes, and whose index is empty."""
    path = tmp_path_factory.mktemp("empty") / "a.idx"
    Index.create(path, Model.load(tiny_folder)).close()
    with client(path) as made:
        yield made


def picture(seed: int) -> bytes:
    return content(noise(30 + seed, 40), "PNG")


def form(*contents: bytes, ask: object = None) -> dict[str, Any]:
    parts: list[tuple[str, Any]] = [
        ("picture", (f"q{number}.png", sent, "image/png")) for number, sent in enumerate(contents)
    ]
    return {"files": [*parts, *([("ask", (None, json.dumps(ask)))] if ask is not None else [])]}


def answer(asking: TestClient, way: str, **request: Any) -> dict[str, Any]:
    done = asking.post(f"/v1/{way}", **request)
    assert done.status_code == 200, done.text
    found: dict[str, Any] = done.json()
    return found


def error(asking: TestClient, way: str, status: int, **request: Any) -> str:
    done = asking.post(f"/v1/{way}", **request)
    assert done.status_code == status, done.text
    told = done.json()["error"]
    assert told["hint"]
    return f"{told['code']}: {told['message']}"


def test_an_item_is_searched_for_without_itself_and_its_copies(asking: TestClient) -> None:
    found = answer(asking, "search", json={"query": [{"id": 1}], "k": 3})
    assert found["query"] == "painted/thing00/0.png"
    assert [hit["rank"] for hit in found["hits"]] == [1, 2, 3]
    assert all(hit["name"].startswith("painted/thing00/") for hit in found["hits"])
    assert "painted/thing00/copy.png" not in [hit["name"] for hit in found["hits"]]
    assert found["threshold"] == 0.8
    assert found["hits"][0]["match"] is True
    assert 0 < found["hits"][0]["probability"] < 1
    assert found["parts"] == []
    with_copies = answer(asking, "search", json={"query": [{"id": 1}], "k": 3, "copies": True})
    assert with_copies["hits"][0]["name"] == "painted/thing00/copy.png"


def test_an_upload_is_a_query_by_itself(asking: TestClient, index: Path) -> None:
    known = (index.parent / "painted" / "thing01" / "2.png").read_bytes()
    found = answer(asking, "search", **form(known, ask={"k": 1}))
    assert found["query"] == "q0.png"
    assert found["hits"][0]["label"] == "thing01"
    assert found["hits"][0]["name"] != "painted/thing01/2.png"


def test_several_uploads_and_items_are_one_query(asking: TestClient) -> None:
    ask = {
        "query": [
            {"upload": 1, "weight": 2},
            {"id": 3},
            {"upload": 0, "weight": -0.5},
            {"id": 4, "weight": 0},
        ]
    }
    found = answer(asking, "search", **form(picture(0), picture(1), ask=ask))
    assert found["parts"] == [
        {"upload": 1, "name": "q1.png", "weight": 2.0},
        {"id": 3, "name": "painted/thing00/2.png", "weight": 1.0},
        {"upload": 0, "name": "q0.png", "weight": -0.5},
    ]
    assert found["query"] == "2 × q1.png + painted/thing00/2.png − 0.5 × q0.png"
    assert found["threshold"] is None
    assert all(hit["match"] is None and hit["id"] != 3 for hit in found["hits"])
    together = answer(asking, "search", **form(picture(0), picture(1)))
    assert [part["weight"] for part in together["parts"]] == [1.0, 1.0]


def test_an_empty_answer_says_why_by_name(asking: TestClient, plain: TestClient) -> None:
    found = answer(asking, "search", **form(picture(0), ask={"lowest": 0.999}))
    assert found["hits"] == []
    assert found["nothing"].endswith(f": {found['nearest']['name']}")
    assert found["nothing"].startswith("nothing has a similarity of 0.999 or more; the nearest below has 0.")
    empty = answer(plain, "search", **form(picture(0)))
    assert (empty["nothing"], empty["nearest"]) == ("the index is empty", None)


@pytest.mark.parametrize(
    ("ask", "status", "told"),
    [
        ({}, 422, "nothing_asked: Nothing is asked for: saw no picture and no attributes."),
        ({"query": [{"id": 999}]}, 404, "no_such_item: The index has no item 999."),
        ({"query": [{"id": 1}, {"id": 998, "weight": -1}]}, 404, "no_such_item: The index has no item 998."),
        ({"query": [{"upload": 0}]}, 422, "uploads: .*there is no upload 0, of 0"),
        ({"query": [{}]}, 422, "invalid: query.0. in the body: give either id or upload"),
        ({"query": [{"id": 1, "upload": 0}]}, 422, "invalid: query.0.*give either id or upload"),
        (
            {"query": [{"id": 2**63}]},
            422,
            "invalid: query.0..id in the body: saw 9223372036854775808; wanted at most",
        ),
        ({"query": [{"id": 1, "wieght": 1}]}, 422, "invalid: query.0..wieght in the body: there is no"),
        ({"k": 0}, 422, "invalid: k"),
        ({"query": [{"id": 1}], "k": 5000}, 422, "invalid: k in the body: saw 5000; wanted at most 1000"),
        ({"query": [{"id": 1}], "lowest": 0.5, "highest": 0.1}, 422, "unusable: .*0.5 to 0.1"),
        ({"query": [{"id": 1}], "where": "label ="}, 422, "unusable: "),
        ({"query": [{"id": 1}], "folder": "elsewhere"}, 422, "unusable: nothing of the index lies in this"),
        ({"query": [{"id": 1}], "threshold": "absent"}, 409, "model: "),
        ({"query": [{"id": 1}], "attributes": "purple=1"}, 422, "unusable: "),
        (
            {"query": [{"id": 1}, {"id": 2}], "probability": 0.9},
            422,
            "unusable: .*probability 0.9, and a combin",
        ),
        (
            {"query": [{"id": 1}, {"id": 2}], "threshold": "loose"},
            422,
            "unusable: .*picture against a picture",
        ),
        ({"attributes": "red=1", "rerank": "averaging"}, 422, "unusable: .*rerank averaging, and attributes"),
        ({"query": [{"id": 1}, {"id": 1, "weight": -1}]}, 422, "unusable: .*cancel each other out"),
        ({"query": [{"id": 1, "weight": 0}]}, 422, "unusable: .*no picture that weighs something"),
    ],
)
def test_what_cannot_be_asked_is_told(asking: TestClient, ask: object, status: int, told: str) -> None:
    assert re.match(told, error(asking, "search", status, json=ask), re.DOTALL)


@pytest.mark.parametrize(
    ("way", "ask", "hint"),
    [
        ("search", {"kk": 1}, "Did you mean k? Known are: query, attributes, k, "),
        ("search", {"query": [{"id": 1}], "where": "label ="}, "for example label = 'cat' and year >= 2020"),
        ("search", {"query": [{"id": 1}], "where": "kw:food = 1"}, 'in double quotes: "kw:food"'),
        ("match", {"a": {"id": 1}, "b": {"id": 2}, "threshold": "lose"}, 'by "threshold": "loose", or make'),
        ("match", {"a": {"id": 1}, "b": {"id": 2}, "threshold": "lose"}, "calibrate MODEL DATA --name lose"),
        ("identify", {"query": [{"id": 1}], "threshold": "x"}, "lookalike calibrate MODEL DATA --question"),
    ],
    ids=["field", "filter", "column", "threshold", "model", "identify"],
)
def test_a_hint_can_be_followed(asking: TestClient, way: str, ask: object, hint: str) -> None:
    assert hint in asking.post(f"/v1/{way}", json=ask).json()["error"]["hint"]


def test_a_picture_that_is_gone_is_told_by_its_item(asking: TestClient, index: Path) -> None:
    file = index.parent / "painted" / "thing02" / "3.png"
    with Index.open(index) as opened:
        (number,) = opened.same_content(None, file)
    kept = file.rename(file.with_suffix(".away"))
    done = asking.post("/v1/explain", json={"a": {"id": number}, "b": {"id": 1}})
    thumb = asking.get(f"/v1/thumb/{number}")
    kept.rename(file)
    error = done.json()["error"]
    assert (done.status_code, error["code"]) == (409, "picture_gone")
    assert error["message"] == f"The picture of item {number}, painted/thing02/3.png, is not where it was."
    assert "lookalike index INDEX finds a picture that was moved in its folder" in error["hint"]
    assert error["hint"].endswith("lookalike index INDEX FOLDER what moved with its folder.")
    assert (thumb.status_code, thumb.headers["x-picture"]) == (200, "missing")
    assert "x-picture" not in asking.get(f"/v1/thumb/{number}").headers


def test_an_upload_that_nobody_asks_for_is_told(asking: TestClient) -> None:
    told = error(asking, "search", 422, **form(picture(0), ask={"query": [{"id": 1}]}))
    assert told.endswith("upload 0 came and is not asked for, of 1.")


def test_one_that_fails_fails_alone(index: Path) -> None:
    """Questions of one kind, asked at once: good ones, an item that is not there, one without a direction."""
    desk, among = Desk.open(Settings(index)), Among("", "", -1.0, 1.0)

    def question(*entries: Entry) -> Question:
        return Question(entries, None, is_combined=True, among=among, options=(("k", 2),))

    async def ask() -> list[Any]:
        good, backwards = question(Entry(1), Entry(2)), question(Entry(1), Entry(1, -1.0))
        asked = [good, backwards, question(Entry(1), Entry(77)), good, question(Entry(3), Entry(2))]
        assert len({each.kind for each in asked}) == 1
        return await asyncio.gather(*map(desk.searcher.found, asked), return_exceptions=True)

    first, backwards, missing, again, other = asyncio.run(ask())
    desk.close()
    assert len(first.hits) == 2
    assert first.hits == again.hits
    assert other.hits.query == "painted/thing00/2.png + painted/thing00/1.png"
    assert isinstance(backwards, LookalikeError)
    assert isinstance(missing, Problem)
    assert missing.message == "The index has no item 77."


def test_matching_gives_verdict_and_promise(asking: TestClient) -> None:
    found = answer(asking, "match", json={"a": {"id": 1}, "b": {"id": 2}, "threshold": "loose", "prior": 0.1})
    assert (found["a"], found["b"]) == ("painted/thing00/0.png", "painted/thing00/1.png")
    assert found["match"] is True
    assert (found["threshold"]["name"], found["threshold"]["similarity"]) == ("loose", -0.5)
    assert found["threshold"]["promise"].startswith("best F1")
    assert found["prior"] == 0.1
    same = answer(asking, "match", **form(picture(0), picture(0)))
    assert same["similarity"] == pytest.approx(1.0, abs=1e-6)
    mixed = answer(asking, "match", **form(picture(0), ask={"a": {"id": 1}}))
    turned = answer(asking, "match", **form(picture(0), ask={"b": {"id": 1}}))
    assert (mixed["a"], mixed["b"]) == (turned["b"], turned["a"]) == ("painted/thing00/0.png", "q0.png")
    assert mixed["similarity"] == pytest.approx(turned["similarity"])


@pytest.mark.parametrize("way", ["match", "explain"])
def test_two_pictures_are_needed(asking: TestClient, way: str) -> None:
    assert error(asking, way, 422, json={"a": {"id": 1}}) == "too_few: Two pictures are compared: saw 1."
    assert error(asking, way, 422, **form(picture(0))) == "too_few: Two pictures are compared: saw 1."
    assert error(asking, way, 404, json={"a": {"id": 1}, "b": {"id": 55}})
    assert "upload 2 came" in error(asking, way, 422, **form(picture(0), picture(1), picture(2)))


def test_a_model_without_thresholds_says_so(plain: TestClient) -> None:
    assert "has no match threshold" in error(plain, "match", 409, **form(picture(0), picture(1)))
    assert "no threshold for identification" in error(plain, "identify", 409, **form(picture(0)))
    assert "knows no attributes" in error(plain, "search", 409, json={"attributes": "red=1"})


def test_an_explanation_is_the_one_that_is_drawn_elsewhere(asking: TestClient, index: Path) -> None:
    files = [index.parent / "painted" / "thing00" / f"{number}.png" for number in (0, 1)]
    done = asking.post("/v1/explain", **form(files[0].read_bytes(), ask={"b": {"id": 2}}))
    assert done.headers["content-type"] == "image/png"
    ours = np.asarray(Image.open(io.BytesIO(done.content)))
    theirs = np.asarray(draw_explanation(explain(Model.load(index.parent / "model"), *files)))
    assert ours.shape == theirs.shape
    assert (ours != theirs).any(axis=2).mean() < 0.05  # the names under the pictures


def test_uploads_become_vectors_and_bad_ones_are_named(asking: TestClient, index: Path) -> None:
    path = index.parent / "elsewhere.png"
    path.write_bytes(picture(3))
    model = Model.load(index.parent / "model")
    found = answer(asking, "embed", **form(picture(3), b"<html>", picture(4)))
    assert (found["dim"], found["model"]) == (48, model.fingerprint)
    first, second = found["embeddings"]
    assert (first["name"], second["name"]) == ("q0.png", "q2.png")
    assert first["hash"] == content_hash(picture(3)).hex()
    assert first["vector"] == pytest.approx(next(embed_chunks(model, [path])).vectors[0].tolist(), abs=1e-6)
    assert [(entry["name"], entry["reason"]) for entry in found["skipped"]] == [("q1.png", "not an image")]
    assert error(asking, "embed", 415, **form(b"<html>")).startswith("not_a_picture: ")
    assert error(asking, "embed", 422, json={}) == "nothing_asked: No picture came."


def test_a_picture_is_identified_or_none_of_them(asking: TestClient, index: Path) -> None:
    known = (index.parent / "painted" / "thing01" / "2.png").read_bytes()
    found = answer(asking, "identify", **form(known))
    assert (found["label"], found["threshold"]) == ("thing01", 0.6)
    assert found["neighbours"][0]["name"].startswith("painted/thing01/")
    assert answer(asking, "identify", json={"query": [{"id": 1}]})["query"] == "painted/thing00/0.png"
    stranger = answer(asking, "identify", **form(picture(0)))
    assert stranger["label"] is None
    assert stranger["candidate"]
    assert error(asking, "identify", 422, **form(picture(0), picture(1))) == (
        "one_picture: One picture is asked about: saw 2."
    )
    assert error(asking, "identify", 422, json={}).endswith("saw 0.")


def test_openapi_tells_every_question(asking: TestClient) -> None:
    paths = asking.get("/openapi.json").json()["paths"]
    for way in ("search", "match", "explain", "embed", "identify"):
        body = paths[f"/v1/{way}"]["post"]["requestBody"]["content"]
        assert set(body) == {"application/json", "multipart/form-data"}
        assert "$ref" not in json.dumps(body)
        assert body["application/json"]["schema"]["additionalProperties"] is False
        assert "200" in paths[f"/v1/{way}"]["post"]["responses"]
