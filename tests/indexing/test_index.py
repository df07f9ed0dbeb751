from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from album import Album
from fake_embedder import BROKEN, DIM, fake_model, vector_of
from lookalike.errors import StoreError
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    yield made
    made.index.close()


def filled(album: Album, n: int = 30) -> Index:
    for number in range(n):
        album.write(f"{number:02}.png")
    album.update()
    return album.index


def test_search_is_the_ranking_by_cosine(album: Album) -> None:
    index = filled(album)
    query = vector_of(b"something else")
    (answer,) = index.search(query[None], k=7, names=["q"])
    wanted = sorted(album.stored().items(), key=lambda entry: -float(entry[1] @ query))[:7]
    assert [Path(hit.path).name for hit in answer.hits] == [name for name, _ in wanted]
    np.testing.assert_allclose(
        [hit.similarity for hit in answer.hits], [vector @ query for _, vector in wanted], atol=1e-6
    )
    assert [hit.rank for hit in answer.hits] == list(range(1, 8))
    assert answer.query == "q"
    assert [hit.path for hit in answer.hits] == [str(album.root / name) for name, _ in wanted]


def test_fewer_items_than_k_give_all_of_them(album: Album) -> None:
    (answer,) = filled(album, 3).search(vector_of(b"q")[None], k=10)
    assert len(answer) == 3


def test_an_empty_index_has_no_answers(album: Album) -> None:
    found = album.index.search(np.stack([vector_of(b"q")] * 2), leave_out=[[1], []])
    assert [len(answer) for answer in found] == [0, 0]


def test_equal_similarities_come_by_ascending_id(album: Album) -> None:
    for n in range(20):
        album.write(f"{n:02}.png", "same")
    album.update()
    (answer,) = album.index.search(vector_of(b"q")[None], k=5)
    assert [hit.id for hit in answer.hits] == [1, 2, 3, 4, 5]


def test_what_is_left_out_is_left_out_by_its_id(album: Album) -> None:
    index = filled(album, 5)
    (answer,) = index.search(vector_of(b"02.png")[None], leave_out=[[3, 3, 77]])
    assert [hit.id for hit in answer.hits].count(3) == 0
    assert len(answer) == 4


def test_new_items_are_answered_by_an_index_that_was_open_before(album: Album) -> None:
    with Index.open(album.path, model=album.model) as reader:
        assert len(reader.search(vector_of(b"q")[None])[0]) == 0
        filled(album, 3)
        assert len(reader.search(vector_of(b"q")[None])[0]) == 3


def test_vectors_are_read_again_only_after_a_change(album: Album, monkeypatch: pytest.MonkeyPatch) -> None:
    index = filled(album, 3)
    index.search(vector_of(b"q")[None])
    monkeypatch.setattr(index._store, "blocks", lambda **_rows: pytest.fail("read again"))
    monkeypatch.setattr(index._store, "changes_since", lambda _generation: pytest.fail("read again"))
    index.search(vector_of(b"q")[None])
    monkeypatch.undo()
    album.write("new.png")
    album.update()
    assert len(index.search(vector_of(b"new.png")[None], k=1)[0]) == 1


@pytest.mark.parametrize(("threshold", "verdicts"), [(None, {None}), (-1.0, {True}), (1.0, {False})])
def test_a_hit_says_whether_it_reaches_the_models_threshold(
    album: Album, tmp_path: Path, threshold: float | None, verdicts: set[bool | None]
) -> None:
    filled(album, 5)
    with Index.open(album.path, model=fake_model(tmp_path / "model", threshold=threshold)) as index:
        (answer,) = index.search(vector_of(b"q")[None])
    assert {hit.match for hit in answer.hits} == verdicts
    assert answer.threshold == threshold


def test_a_hit_at_the_threshold_matches(album: Album, tmp_path: Path) -> None:
    (before,) = filled(album, 5).search(vector_of(b"q")[None])
    middle = before.hits[2].similarity
    with Index.open(album.path, model=fake_model(tmp_path / "model", threshold=middle)) as index:
        (answer,) = index.search(vector_of(b"q")[None])
    assert [hit.match for hit in answer.hits] == [True, True, True, False, False]


def test_queries_must_be_unit_vectors_of_the_indexs_dimension(album: Album) -> None:
    with pytest.raises(ValueError, match="wanted 1"):
        album.index.search(np.zeros((1, DIM), np.float32))
    with pytest.raises(ValueError, match="the index 8"):
        album.index.search(np.eye(1, DIM + 1, dtype=np.float32))
    with pytest.raises(ValueError, match="k must be"):
        album.index.search(vector_of(b"q")[None], k=0)


def test_names_and_what_is_left_out_come_once_for_each_query(album: Album) -> None:
    query = vector_of(b"q")[None]
    with pytest.raises(ValueError, match="names has 0 entries for 1 queries"):
        album.index.search(query, names=[])
    with pytest.raises(ValueError, match="leave_out has 2 entries for 1 queries"):
        album.index.search(query, leave_out=[[1], [2]])


def test_a_closed_index_says_so(album: Album) -> None:
    filled(album, 3)
    album.index.close()
    album.index.close()
    for ask in (
        lambda: album.index.search(vector_of(b"q")[None]),
        lambda: len(album.index),
        lambda: album.index.item(1),
        album.update,
    ):
        with pytest.raises(StoreError, match="the index was closed"):
            ask()


def test_another_model_is_refused_with_the_command_that_embeds_again(album: Album, tmp_path: Path) -> None:
    filled(album, 3)
    other = fake_model(tmp_path / "the other", fingerprint="a" * 64)
    with pytest.raises(StoreError) as error:
        Index.open(album.path, model=other)
    message = str(error.value)
    assert "made by another model" in message
    assert (
        "saw model the other, fingerprint aaaaaaaaaaaa, wanted model model, fingerprint ffffffffffff"
        in message
    )
    assert f"lookalike index {tmp_path}/album-new.idx {album.root} --model '{tmp_path}/the other'" in message


def loaded_without_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `Model.load` open folders that hold facts and no graph."""

    def load(path: str | Path, **_: object) -> Model:
        if str(path) == "default":
            return fake_model(Path(os.environ["LOOKALIKE_CACHE"]) / "models" / "made-again")
        return real(path)

    from lookalike.models import model as module

    real = Model.load
    monkeypatch.setattr(Model, "load", staticmethod(load))
    monkeypatch.setattr(module, "fingerprint_of", lambda graph, preprocess: "f" * 64)


def test_the_indexs_own_model_is_opened_when_it_is_needed(
    album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    (album.model.folder / "model.onnx").write_bytes(b"")
    loaded_without_running(monkeypatch)
    filled(album, 2)
    with Index.open(album.path) as index:
        assert index.model.folder == album.model.folder
        assert len(index.search(vector_of(b"q")[None])[0]) == 2


def test_a_moved_model_is_asked_for_and_then_remembered(
    album: Album, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (album.model.folder / "model.onnx").write_bytes(b"")
    loaded_without_running(monkeypatch)
    filled(album, 2)
    moved = album.model.folder.rename(tmp_path / "moved")
    with Index.open(album.path) as index, pytest.raises(StoreError) as error:
        index.search(vector_of(b"q")[None])
    assert "the index's model cannot be opened" in str(error.value)
    assert f"lookalike index {album.path} --model FOLDER" in str(error.value)
    with Index.open(album.path, model=Model.load(moved)) as index:
        index.update(ImageTable.read(album.root), embed=album.embedder)
    with Index.open(album.path) as index:
        assert index.model.folder == moved


def test_a_model_that_was_trained_again_at_its_place_is_noticed(
    album: Album, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_model(album.model.folder, fingerprint="b" * 64)
    (album.model.folder / "model.onnx").write_bytes(b"")
    loaded_without_running(monkeypatch)
    monkeypatch.setattr("lookalike.models.model.fingerprint_of", lambda graph, preprocess: "b" * 64)
    with Index.open(album.path) as index, pytest.raises(StoreError, match="another model"):
        _ = index.model


@pytest.mark.parametrize("absolute", [True, False])
def test_a_default_model_that_left_the_cache_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, absolute: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache") if absolute else "cache")
    made = fake_model(tmp_path / "cache" / "models" / "first")
    Index.create(tmp_path / "a.idx", made).close()
    (made.folder / "model.json").unlink()
    loaded_without_running(monkeypatch)
    with Index.open(tmp_path / "a.idx") as index:
        assert index.model.folder.name == "made-again"


def test_info_says_what_the_index_is(album: Album) -> None:
    album.write("bad.png", BROKEN)
    info = filled(album, 3).info()
    assert (info.items, info.unusable, info.dim, info.model) == (3, 1, DIM, "model")
    assert [root.source for root in info.roots] == [str(album.root)]
    assert info.model_folder == str(album.model.folder)
    assert info.created.endswith("+00:00")


def test_an_index_closes_when_opening_fails(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        Index.open(tmp_path / "no.idx")
