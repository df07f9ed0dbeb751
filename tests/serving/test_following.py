"""What others change while an index is served: thresholds are followed, a replaced file is left alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from asked_model import asked_index
from lookalike.errors import ReplacedError
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.serving.observing import Metrics
from pictures import content, noise
from served import client


@pytest.fixture
def index(tiny_folder: Path, tmp_path: Path) -> Path:
    return asked_index(tmp_path / "secret", tiny_folder)


@pytest.fixture
def asking(index: Path) -> Iterator[TestClient]:
    with client(index, writable=True) as made:
        yield made


def model_of(index: Path) -> Model:
    with Index.open(index) as opened:
        return opened.model


def test_a_threshold_that_another_process_saves_is_followed(asking: TestClient, index: Path) -> None:
    ask = {"query": [{"id": 1}], "k": 1}
    assert asking.post("/v1/search", json=ask).json()["threshold"] == 0.8
    other = model_of(index)
    for similarity, ways in ((0.5, ("search",)), (0.55, ("info",)), (0.6, ("match",)), (0.65, ("identify",))):
        other.set_threshold(replace(other.require_threshold(), similarity=similarity))
        for way in ways:
            assert seen(asking, way) == similarity


def seen(asking: TestClient, way: str) -> float:
    """The default threshold, as a way of asking tells it."""
    if way == "info":
        return float(asking.get("/v1/info").json()["thresholds"]["default"]["similarity"])
    if way == "match":
        answer = asking.post("/v1/match", json={"a": {"id": 1}, "b": {"id": 2}})
        return float(answer.json()["threshold"]["similarity"])
    if way == "identify":
        asking.post("/v1/identify", json={"query": [{"id": 1}]})
        return float(asking.get("/v1/info").json()["thresholds"]["default"]["similarity"])
    return float(asking.post("/v1/search", json={"query": [{"id": 1}], "k": 1}).json()["threshold"])


def refused(answer: Any) -> None:
    assert answer.status_code == 503, answer.text
    error = answer.json()["error"]
    assert error["code"] == "not_ready"
    assert error["message"] == "The index was replaced."
    assert "restart" in error["hint"]


@pytest.mark.parametrize("is_gone", [False, True], ids=["replaced", "deleted"])
def test_an_index_that_was_replaced_is_not_written_to(asking: TestClient, index: Path, is_gone: bool) -> None:
    assert asking.get("/readyz").status_code == 200
    copy = index.with_name("copy.idx")
    shutil.copy(index, copy)
    index.unlink()
    if not is_gone:
        copy.replace(index)
        before = index.read_bytes()
    refused(asking.get("/readyz"))
    refused(asking.delete("/v1/items/1"))
    part = ("picture", ("new.png", content(noise(30, 40), "PNG"), "image/png"))
    refused(asking.post("/v1/items", files=[part]))
    refused(asking.post("/v1/decisions", json={"a": 1, "b": 2, "verdict": "same"}))
    assert asking.get("/v1/items/1").status_code == 200
    if is_gone:
        assert not index.exists()
    else:
        assert index.read_bytes() == before


def test_a_store_that_is_open_does_not_write_to_another_file(index: Path) -> None:
    with Index.open(index) as opened:
        copy = index.with_name("copy.idx")
        shutil.copy(index, copy)
        copy.replace(index)
        with pytest.raises(ReplacedError, match="saw another file, wanted the file that was opened"):
            opened.store.writing().__enter__()
        with pytest.raises(ReplacedError):
            opened.store.note_base("x")
        index.unlink()
        with pytest.raises(ReplacedError, match="saw no file"):
            opened.store.check_in_place()


def test_a_model_that_is_gone_is_told_and_questions_go_on(asking: TestClient, index: Path) -> None:
    folder = model_of(index).folder
    folder.rename(folder.with_name("elsewhere"))
    answer = asking.get("/readyz")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
    assert str(folder.parent) not in answer.text
    assert asking.post("/v1/search", json={"query": [{"id": 1}]}).status_code == 200


def test_figures_are_told_of_an_index_that_cannot_be_read() -> None:
    def damaged() -> int:
        raise ReplacedError("no", where="x", saw="y", do="z")

    metrics = Metrics(items=damaged)
    metrics.batch(3)
    text = metrics.page()[0].decode()
    assert "lookalike_items NaN" in text
    assert "lookalike_batch_size_count 1.0" in text


def test_uploads_that_the_index_has_are_known(asking: TestClient, index: Path) -> None:
    with Index.open(index) as opened:
        file = opened.store.facts([1])[1]
        copies = opened.store.ids_of(opened.contents([1])[1])
    del file
    picture = asking.get("/v1/items/1").json()
    assert sorted([1, *picture["copies"]]) == sorted(copies)
    sent = next((index.parent).rglob(f"*/{Path(picture['name']).parent.name}/{Path(picture['name']).name}"))
    found = asking.post("/v1/search", files=[("picture", ("a.png", sent.read_bytes(), "image/png"))]).json()
    assert found["known"] == sorted(copies)
    new = ("picture", ("new.png", content(noise(30, 40), "PNG"), "image/png"))
    assert asking.post("/v1/search", files=[new]).json()["known"] == []


@pytest.mark.parametrize("number", [True, "1", 1.0], ids=str)
def test_only_whole_numbers_are_ids(asking: TestClient, number: object) -> None:
    answer = asking.post("/v1/search", json={"query": [{"id": number}]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (422, "invalid")


def test_a_broken_one_of_several_uploads_is_named(asking: TestClient) -> None:
    good = ("picture", ("good.png", content(noise(30, 40), "PNG"), "image/png"))
    bad = ("picture", ("bad.png", b"no picture at all", "image/png"))
    answer = asking.post("/v1/search", files=[good, bad])
    assert answer.status_code == 415
    assert answer.json()["error"]["message"].startswith("bad.png: ")
