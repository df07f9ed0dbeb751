"""Adding and removing over HTTP: once each, durable when it is answered, refused whole or not at all."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from lookalike.errors import StoreError
from lookalike.indexing.adding import add_pictures
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Writer
from lookalike.indexing.store import Store
from lookalike.models.embedding import content_hash, embed_chunks
from lookalike.models.model import Model
from lookalike.serving import adding, desk
from lookalike.serving.adding import Adding
from lookalike.serving.decoding import Decoders
from lookalike.serving.observing import Metrics
from lookalike.serving.settings import Settings
from lookalike.serving.uploads import File
from lookalike.tables.table import ImageTable
from pictures import content, png
from scenes import scene, write
from served import client
from stores import four_beats

WORDS = b"<html><script>alert(1)</script></html>"


def picture(seed: int) -> bytes:
    return content(scene(seed), "PNG")


def parts(*contents: bytes, name: str = "photo.png") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("picture", (name, each, "image/png")) for each in contents]


class Shared(Decoders):
    """Decoders whose processes stay for the next test."""

    def close(self) -> None:
        pass


@pytest.fixture(scope="module")
def decoders(tiny_folder: Path) -> Iterator[Decoders]:
    made = Shared(Model.load(tiny_folder).preprocess, Settings(Path("a.idx")))
    yield made
    Decoders.close(made)


@pytest.fixture(autouse=True)
def quick(decoders: Decoders, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that decodes takes long to start, beside what these tests take."""
    monkeypatch.setattr(desk, "Decoders", lambda *_: decoders)


@pytest.fixture
def index(tiny_folder: Path, tmp_path: Path) -> Path:
    """An index of two folders with three pictures."""
    place = tmp_path / "secret"
    for name in ("photos/cat/0.png", "photos/cat/1.png", "more/2.png"):
        write(place / name, scene(int(name[-5])))
    with Index.create(place / "a.idx", Model.load(tiny_folder)) as made:
        for name in ("photos", "more"):
            made.update(ImageTable.read(place / name), source=place / name)
    return place / "a.idx"


@pytest.fixture
def asking(index: Path) -> Iterator[TestClient]:
    with client(index, writable=True) as made:
        yield made


def updated(index: Path) -> dict[str, int]:
    """What bringing the index up to date does."""
    with Index.open(index) as opened:
        done = [opened.update(ImageTable.read(source), source=source) for source in opened.sources]
    counts = ("added", "updated", "moved", "missing", "spoiled", "unchanged")
    return {
        name: sum(getattr(each, name) for each in done)
        for name in counts
        if any(getattr(e, name) for e in done)
    }


def failed(answer: Any, status: int, code: str) -> None:
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), answer.text
    assert error["message"]
    assert error["hint"]
    assert "secret" not in answer.text


def test_a_picture_is_added_with_its_label(asking: TestClient, index: Path) -> None:
    answer = asking.post("/v1/items", files=parts(picture(7)), data={"label": " dog "})
    assert answer.status_code == 201
    body = answer.json()
    (added,) = body["added"]
    assert (added["id"], added["upload"], added["label"], added["format"]) == (4, 0, "dog", "PNG")
    assert added["name"].startswith("a.idx-added/")
    assert (body["known"], body["skipped"]) == ([], [])
    assert "secret" not in answer.text
    told = asking.get("/v1/items/4").json()
    assert {key: told[key] for key in told if key in added} == {
        key: added[key] for key in added if key in told
    }
    assert asking.get("/v1/items?label=dog").json()["total"] == 1
    assert asking.get("/v1/thumb/4").status_code == 200
    assert asking.get("/v1/folders").json()["folders"][-1] == {
        "name": "a.idx-added",
        "count": 1,
        "folders": False,
    }
    assert updated(index) == {"unchanged": 4}


def test_the_senders_name_stays_and_keeps_apart(asking: TestClient, index: Path) -> None:
    sent = [
        *parts(picture(7), picture(8), name="my dolphin.jpg"),
        *parts(picture(9), name="../../ä\u202e/b:c.png"),
    ]
    names = [entry["name"] for entry in asking.post("/v1/items", files=sent).json()["added"]]
    digests = [content_hash(picture(seed)).hex() for seed in (7, 8, 9)]
    assert names == [
        f"a.idx-added/{stem}-{digest}.png"
        for stem, digest in zip(("my dolphin", "my dolphin", "b_c"), digests, strict=True)
    ]
    hits = asking.post("/v1/search", json={"query": [{"id": 1}]}).json()["hits"]
    assert {*names} <= {hit["name"] for hit in hits}
    assert updated(index) == {"unchanged": 6}


def test_its_vector_is_that_of_its_file(asking: TestClient, index: Path) -> None:
    asking.post("/v1/items", files=parts(picture(7), picture(8)))
    with Index.open(index) as opened:
        facts = opened.store.facts([4, 5])
        (chunk,) = embed_chunks(opened.model, [Path(facts[number].path) for number in (4, 5)])
        assert np.allclose(opened.vectors([4, 5]), chunk.vectors, atol=1e-6)
        assert opened.store.looks(chunk.hashes) == dict(zip(chunk.hashes, chunk.looks, strict=True))


def test_equal_content_is_known(asking: TestClient, index: Path) -> None:
    old = (index.parent / "photos" / "cat" / "1.png").read_bytes()
    body = asking.post("/v1/items", files=parts(old, picture(7), picture(7))).json()
    assert [(entry["upload"], entry["id"]) for entry in body["added"]] == [(1, 4)]
    assert [(entry["upload"], entry["id"]) for entry in body["known"]] == [(0, 2), (2, 4)]
    again = asking.post("/v1/items", files=parts(picture(7)), data={"label": "late"})
    assert (again.status_code, again.json()["added"]) == (200, [])
    assert asking.get("/v1/items").json()["total"] == 4


def test_two_who_add_the_same_at_once_add_it_once(asking: TestClient, index: Path) -> None:
    start = threading.Barrier(4)

    def add(number: int) -> Any:
        start.wait(30)
        return asking.post("/v1/items", files=parts(picture(7), picture(100 + number))).json()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(add, range(4)))
    added = [entry["id"] for body in answers for entry in body["added"]]
    assert len(added) == len(set(added)) == 5
    assert sum(entry["upload"] == 0 for body in answers for entry in body["added"]) == 1
    assert updated(index) == {"unchanged": 8}


def test_what_cannot_be_used_is_left_out_of_several(asking: TestClient) -> None:
    files = [*parts(WORDS, name="../../<b>.png"), *parts(picture(7)), *parts(b"")]
    answer = asking.post("/v1/items", files=files)
    assert answer.status_code == 201
    body = answer.json()
    assert [entry["upload"] for entry in body["added"]] == [1]
    assert [(e["upload"], e["name"], e["reason"]) for e in body["skipped"]] == [
        (0, "<b>.png", "not an image"),
        (2, "photo.png", "empty"),
    ]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (WORDS, 415, "not_a_picture"),
        (b"", 422, "picture"),
        (picture(7)[:200], 422, "picture"),
        (png(40_000, 40_000), 413, "too_large"),
        (content(scene(1, 1, 1), "PNG"), 422, "picture"),
    ],
    ids=["html", "empty", "cut", "bomb", "dot"],
)
def test_what_is_no_picture_is_refused(
    asking: TestClient, index: Path, body: bytes, status: int, code: str
) -> None:
    failed(asking.post("/v1/items", files=parts(body)), status, code)
    assert asking.get("/v1/items").json()["total"] == 3
    assert not index.with_name("a.idx-added").exists()


def test_requests_that_are_not_understood_are_refused(asking: TestClient) -> None:
    failed(asking.post("/v1/items", files=parts(picture(7)), data={"lable": "x"}), 422, "unknown_part")
    failed(asking.post("/v1/items", files=parts(picture(7)), data={"label": "1.5"}), 422, "unusable")
    failed(asking.post("/v1/items", files=parts(picture(7)), data={"ask": '{"id": 1}'}), 422, "no_pictures")
    failed(asking.post("/v1/items", json={}), 415, "content_type")
    failed(asking.post("/v1/items", content=b"x"), 415, "content_type")
    failed(asking.post("/v1/items", files=parts(*map(picture, range(9)))), 413, "too_many")
    assert asking.get("/v1/items").json()["total"] == 3


def test_a_server_that_only_reads_refuses(index: Path) -> None:
    with client(index) as asking:
        failed(asking.post("/v1/items", files=parts(picture(7))), 403, "read_only")
        failed(asking.delete("/v1/items/1"), 403, "read_only")
        assert asking.get("/v1/items/1").status_code == 200


def test_an_item_is_removed_and_its_file_stays(asking: TestClient, index: Path) -> None:
    asking.post("/v1/items", files=parts(picture(7)))
    for number in (4, 1):
        answer = asking.delete(f"/v1/items/{number}")
        assert (answer.status_code, answer.content) == (204, b"")
        failed(asking.delete(f"/v1/items/{number}"), 404, "no_such_item")
        failed(asking.get(f"/v1/items/{number}"), 404, "no_such_item")
    assert (index.parent / "photos" / "cat" / "0.png").exists()
    assert len(list(index.with_name("a.idx-added").glob("*.png"))) == 1
    assert updated(index) == {"added": 1, "unchanged": 2}  # the one of the indexed folder


def test_another_process_that_writes_is_waited_for(asking: TestClient, index: Path) -> None:
    store, begun, done = Store(index), threading.Event(), threading.Event()

    def write_a_little() -> None:
        with store.writing():
            begun.set()
            done.wait(0.3)

    other = threading.Thread(target=write_a_little)
    other.start()
    assert begun.wait(30)
    assert asking.post("/v1/items", files=parts(picture(7))).status_code == 201
    other.join()
    store.close()


def test_another_process_that_goes_on_writing_is_told_of(
    index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adding, "_PAUSE_SECONDS", 0.01)
    monkeypatch.setattr(Adding.__init__, "__kwdefaults__", {"embed": None, "patience": 0.05})
    store = Store(index)
    with store.writing(), client(index, writable=True) as asking:
        answer = asking.post("/v1/items", files=parts(picture(7)))
        failed(answer, 409, "busy")
        assert answer.headers["retry-after"] == "5"
        failed(asking.delete("/v1/items/1"), 409, "busy")
        assert asking.get("/v1/items").json()["total"] == 3
    store.close()


def test_a_full_disk_is_told_of_and_leaves_nothing(
    asking: TestClient, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        failed(asking.post("/v1/items", files=parts(picture(7))), 507, "disk_full")
    assert asking.get("/v1/items").json()["total"] == 3
    assert asking.post("/v1/items", files=parts(picture(7))).status_code == 201
    assert updated(index) == {"unchanged": 4}


def test_a_full_index_is_told_of_and_leaves_nothing(
    asking: TestClient, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Writer.__init__

    def small(self: Writer, path: Path, connection: sqlite3.Connection, **options: Any) -> None:
        real(self, path, connection, **options)
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count={pages}")

    asking.post("/v1/items", files=parts(picture(7)))
    answers = list[Any]()
    with monkeypatch.context() as patch:
        patch.setattr(Writer, "__init__", small)  # no new page: what fits the last ones is added
        while not answers or answers[-1].status_code == 201:
            many = (picture(100 * len(answers) + seed) for seed in range(60, 68))
            answers.append(asking.post("/v1/items", files=parts(*many), data={"label": "x" * 255}))
            assert len(answers) < 20
    failed(answers[-1], 507, "disk_full")
    added = 1 + 8 * (len(answers) - 1)
    assert asking.get("/v1/items").json()["total"] == 3 + added
    assert len(list(index.with_name("a.idx-added").glob("*.png"))) == added
    assert updated(index) == {"unchanged": 3 + added}


def test_a_folder_that_cannot_be_written_is_told_of(asking: TestClient, index: Path) -> None:
    index.with_name("a.idx-added").write_bytes(b"in the way")
    failed(asking.post("/v1/items", files=parts(picture(7))), 503, "not_stored")
    assert asking.get("/v1/items").json()["total"] == 3


def test_a_model_that_gives_no_vectors_is_told_of(index: Path, decoders: Decoders) -> None:
    with Index.open(index) as opened:
        broken = Adding(
            opened,
            decoders,
            Metrics(items=lambda: 0),
            embed=lambda pixels: np.zeros((len(pixels), opened.model.dim), np.float32),
        )
        with pytest.raises(StoreError) as error:
            broken.add([File("a.png", picture(7))], label=None)
        four_beats(error, "the model gave vectors that cannot be stored")
        assert len(opened) == 3


def test_what_a_killed_server_began_is_finished_at_the_start(index: Path) -> None:
    with Index.open(index) as opened:
        add_pictures(opened, [picture(7), picture(8)], label="dog")
        (number,) = opened.store.ids_where("root = 3 AND id = ?", [5])
        lost = opened.store.items(3)[1]
        connection = sqlite3.connect(index)
        with connection:
            connection.execute("PRAGMA foreign_keys=ON")
            connection.execute("DELETE FROM items WHERE id = ?", (int(number),))
        connection.close()
    with client(index, writable=True) as asking:
        (found,) = asking.get("/v1/items?after=5").json()["items"]
    assert (found["name"], found["label"]) == (f"a.idx-added/{lost.path}", "dog")
    assert updated(index) == {"unchanged": 5}


def test_a_server_starts_while_another_process_writes(index: Path) -> None:
    with Index.open(index) as opened:
        add_pictures(opened, [picture(7)])
    store = Store(index)
    with store.writing(), client(index, writable=True) as asking:
        assert asking.get("/v1/items").json()["total"] == 4
    store.close()


def test_pictures_are_added_to_an_empty_index(tiny_folder: Path, tmp_path: Path) -> None:
    Index.create(tmp_path / "a.idx", Model.load(tiny_folder)).close()
    with client(tmp_path / "a.idx", writable=True) as asking:
        assert asking.get("/v1/items").json() == {"items": [], "next": None, "total": 0}
        assert asking.get("/v1/folders").json()["total"] == 0
        assert asking.post("/v1/items", files=parts(picture(7))).status_code == 201
    assert updated(tmp_path / "a.idx") == {"unchanged": 1}


def test_what_others_add_meanwhile_is_known(asking: TestClient, index: Path) -> None:
    assert asking.get("/v1/items").json()["total"] == 3
    with Index.open(index) as opened:
        add_pictures(opened, [picture(9)])
    assert asking.get("/v1/items").json()["total"] == 4
    assert asking.post("/v1/items", files=parts(picture(9))).json()["known"][0]["id"] == 4
