from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fake_embedder import BROKEN, CHUNK, FakeEmbedder, fake_model, vector_of
from lookalike import asking, queries
from lookalike.composing import Combination
from lookalike.errors import ModelError, SkipReason, StoreError
from lookalike.indexing.index import Index
from lookalike.indexing.upkeep import Recent
from lookalike.models.embedding import Chunk, content_hash
from lookalike.models.model import Model
from lookalike.queries import Given, given_items
from lookalike.records import Floats, Hits, Skipped
from lookalike.search import search_ids, search_images, search_together
from lookalike.tables.table import ImageTable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Twelve files, three of them with the same content."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for n in range(12):
        (folder / f"{n:02}.png").write_bytes(b"same" if n in (3, 5, 8) else str(n).encode())
    return folder


@pytest.fixture
def index(root: Path, tmp_path: Path) -> Iterator[Index]:
    made = Index.create(tmp_path / "a.idx", fake_model(tmp_path / "model"))
    made.update(ImageTable.read(root), embed=FakeEmbedder())
    yield made
    made.close()


def names(answer: Hits | Skipped) -> list[str]:
    assert isinstance(answer, Hits)
    return [Path(hit.path).name for hit in answer.hits]


def answer_to(index: Index, query: Path, *, k: int = 100) -> Hits:
    (answer,) = search_images(index, [query], k=k, embed=FakeEmbedder())
    assert isinstance(answer, Hits)
    return answer


def test_every_query_gets_the_ranking_of_the_others(index: Index, root: Path) -> None:
    query = root / "00.png"
    wanted = sorted(range(1, 12), key=lambda n: (-_similarity(root, n), n))
    assert names(answer_to(index, query)) == [f"{n:02}.png" for n in wanted]


def _similarity(root: Path, n: int) -> float:
    return round(float(vector_of(b"0") @ vector_of((root / f"{n:02}.png").read_bytes())), 6)


def test_a_query_and_its_copies_are_left_out_wherever_they_rank(index: Index, root: Path) -> None:
    answer = answer_to(index, root / "05.png")
    assert len(answer) == 9
    assert not {"03.png", "05.png", "08.png"} & set(names(answer))


def test_copies_are_answered_on_request_but_never_the_query_itself(index: Index, root: Path) -> None:
    (answer,) = search_images(index, [root / "05.png"], k=100, copies=True, embed=FakeEmbedder())
    assert len(names(answer)) == 11
    assert names(answer)[:2] == ["03.png", "08.png"]
    assert "05.png" not in names(answer)


def test_matches_follow_the_threshold_that_is_named(root: Path, tmp_path: Path) -> None:
    model = fake_model(tmp_path / "other", threshold=1.0)
    assert model.threshold is not None
    model.set_threshold(replace(model.threshold, similarity=-1.0), name="loose")
    with Index.create(tmp_path / "b.idx", model) as made:
        made.update(ImageTable.read(root), embed=FakeEmbedder())
        (strict,) = search_images(made, [root / "00.png"], embed=FakeEmbedder())
        (loose,) = search_images(made, [root / "00.png"], threshold="loose", embed=FakeEmbedder())
        with pytest.raises(ModelError, match="calibrate"):
            list(search_images(made, [root / "00.png"], threshold="absent", embed=FakeEmbedder()))
    assert isinstance(strict, Hits)
    assert isinstance(loose, Hits)
    assert (strict.threshold, loose.threshold) == (1.0, -1.0)
    assert not any(hit.match for hit in strict.hits)
    assert all(hit.match for hit in loose.hits)


def test_a_copy_outside_the_index_is_the_same_query(index: Index, root: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere.png"
    shutil.copy(root / "07.png", copy)
    answer = answer_to(index, copy)
    assert names(answer) == names(answer_to(index, root / "07.png"))
    assert answer.query == str(copy)


def test_a_near_copy_is_answered_though_it_ranks_first(index: Index, root: Path, tmp_path: Path) -> None:
    class Blind(FakeEmbedder):
        """Sees the same in every file."""

        def _vector(self, *_: object) -> np.ndarray:
            return vector_of(b"7")

    near = tmp_path / "near.png"
    near.write_bytes(b"7 saved again")
    (answer,) = search_images(index, [near], k=1, embed=Blind())
    assert names(answer) == ["07.png"]
    assert isinstance(answer, Hits)
    assert answer.hits[0].similarity == pytest.approx(1.0)


def test_a_query_whose_file_changed_since_is_not_answered_by_its_old_self(index: Index, root: Path) -> None:
    (root / "07.png").write_bytes(b"new content")
    assert "07.png" not in names(answer_to(index, root / ".." / "pictures" / "07.png"))


def test_a_relative_path_is_the_same_file(index: Index, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "07.png").write_bytes(b"new content")
    monkeypatch.chdir(root)
    answer = answer_to(index, Path("07.png"))
    assert "07.png" not in names(answer)
    assert answer.query == "07.png"


def test_answers_come_in_input_order_with_the_unusable_among_them(
    index: Index, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "BATCH", 8)
    broken = tmp_path / "broken.png"
    broken.write_bytes(BROKEN)
    queries = [broken, *sorted(root.iterdir()), tmp_path / "no.png", *sorted(root.iterdir()), broken]
    answers = list(search_images(index, queries, k=2, embed=FakeEmbedder()))
    assert [answer.query if isinstance(answer, Hits) else answer.path for answer in answers] == [
        str(query) for query in queries
    ]
    reasons = {answer.reason for answer in answers if isinstance(answer, Skipped)}
    assert reasons == {SkipReason.TRUNCATED, SkipReason.MISSING}
    for query, answer in zip(queries, answers, strict=True):
        if isinstance(answer, Hits):
            assert names(answer) == names(answer_to(index, query, k=2))


def test_a_query_whose_name_is_not_utf8_is_reported_at_its_place(index: Index, root: Path) -> None:
    bad = root / os.fsdecode(b"\xff.png")
    bad.write_bytes(b"query")
    queries = [root / "01.png", bad, root / "02.png"]
    first, second, third = search_images(index, queries, embed=FakeEmbedder())
    assert isinstance(second, Skipped)
    assert (second.reason, second.path[-5:]) == (SkipReason.BAD_NAME, "\N{REPLACEMENT CHARACTER}.png")
    assert [first.query, third.query] == [str(root / "01.png"), str(root / "02.png")]  # type: ignore[union-attr]


def test_only_unusable_queries_are_all_reported(index: Index, tmp_path: Path) -> None:
    answers = list(search_images(index, [tmp_path / "no.png"] * 3, embed=FakeEmbedder()))
    assert [type(answer) for answer in answers] == [Skipped] * 3


def test_no_queries_no_answers(index: Index) -> None:
    assert list(search_images(index, [], embed=FakeEmbedder())) == []
    assert search_ids(index, []) == []


def test_a_picture_that_the_index_knows_is_not_embedded(index: Index, root: Path) -> None:
    embedder = FakeEmbedder()
    list(search_images(index, sorted(root.iterdir()), embed=embedder))
    assert embedder.embedded == []


class Interrupted(FakeEmbedder):
    """Something else happens once the first pictures were read."""

    def __init__(self, then: Callable[[], object]) -> None:
        super().__init__()
        self.then = then

    def __call__(self, *args: Any, **named: Any) -> Iterator[Chunk]:
        for place, chunk in enumerate(super().__call__(*args, **named)):
            if place == 1:
                self.then()
            yield chunk


def test_a_query_that_becomes_an_item_while_others_are_read_is_not_its_own_answer(
    index: Index, root: Path
) -> None:
    new = root / "new.png"
    new.write_bytes(b"brand new")

    def indexed_by_another() -> None:
        with Index.open(index.path, model=index.model) as other:
            other.update(ImageTable.read(root), embed=FakeEmbedder())

    asked = [new, *sorted(root.glob("0*.png"))]
    assert len(asked) > CHUNK
    size = len(index)
    answer, *_ = search_images(index, asked, k=100, embed=Interrupted(indexed_by_another))
    assert len(index) == size + 1
    assert isinstance(answer, Hits)
    assert str(new) not in {hit.path for hit in answer.hits}
    assert len(answer.hits) == size


def test_queries_of_long_ago_are_forgotten(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "KEPT_CHUNKS", 2)
    sizes: list[int] = []
    add = Recent.add

    def counted(memory: Recent, hashes: Sequence[bytes], vectors: Floats) -> None:
        add(memory, hashes, vectors)
        sizes.append(len(memory._recent))

    monkeypatch.setattr(Recent, "add", counted)
    files = [tmp_path / f"query {n}.png" for n in range(10 * CHUNK)]
    for file in files:
        file.write_text(file.name)
    assert len(list(search_images(index, files, k=1, embed=FakeEmbedder()))) == len(files)
    assert max(sizes) == 2 * CHUNK


def test_items_are_answered_by_the_others(index: Index, root: Path) -> None:
    ids = [1, 6]
    by_id = search_ids(index, ids, k=4)
    by_file = [answer_to(index, root / name, k=4) for name in ("00.png", "05.png")]
    assert by_id == by_file


def test_an_id_that_is_not_there_is_refused(index: Index) -> None:
    with pytest.raises(StoreError) as error:
        search_ids(index, [1, 99])
    assert "there is no such item" in str(error.value)
    assert "saw id 99" in str(error.value)


def test_real_pictures_are_found_by_a_real_model(tiny: Model, few: Path, tmp_path: Path) -> None:
    """The whole way without a fake: a shrunk copy finds its original, and the original not itself."""
    with Index.create(tmp_path / "a.idx", tiny) as made:
        done = made.update(ImageTable.read(few))
        assert done.added == len(made) > 100
        original = sorted(few.rglob("*.png"))[40]
        small = tmp_path / "small.jpg"
        Image.open(original).convert("RGB").resize((48, 48)).save(small, quality=90)
    with Index.open(tmp_path / "a.idx", model=tiny) as opened:
        near, same = search_images(opened, [small, original], k=3)
    assert isinstance(near, Hits)
    assert isinstance(same, Hits)
    assert near.hits[0].path == str(original)
    assert near.hits[0].label == original.parent.name
    assert str(original) not in {hit.path for hit in same.hits}


def given(index: Index, number: int) -> Given:
    (found,) = given_items(index, [number])
    return found


def test_an_item_that_is_given_is_asked_as_by_its_id(index: Index) -> None:
    number = index.same_content(None, Path(index.sources[0]) / "05.png")[0]
    for copies in (False, True):
        (by_id,) = search_ids(index, [number], k=100, copies=copies)
        (found,) = search_images(index, [given(index, number)], k=100, copies=copies)
        assert found == by_id
        assert len(by_id) == (11 if copies else 9)


def test_what_is_given_is_never_opened_and_keeps_its_place_among_files(index: Index, root: Path) -> None:
    embedder = FakeEmbedder()
    mine = Given("not a file", vector_of(b"7"), content_hash(b"7"))
    found = list(search_images(index, [mine, root / "01.png", root / "gone.png", mine], embed=embedder))
    first, second, third, fourth = found
    assert isinstance(third, Skipped)
    assert isinstance(first, Hits)
    assert isinstance(second, Hits)
    assert first == fourth
    assert first.query == "not a file"
    assert "07.png" not in names(first)  # it has that content
    assert second == answer_to(index, root / "01.png", k=10)
    assert embedder.read == ["01.png", "gone.png"]
    (stranger,) = search_images(index, [replace(mine, content=None)], k=1)
    assert names(stranger) == ["07.png"]


def test_pictures_that_are_given_can_be_combined(index: Index, root: Path) -> None:
    paths = [root / "00.png", root / "02.png"]
    gives = [given(index, index.same_content(None, path)[0]) for path in paths]
    (wanted,) = search_together(index, [{paths[0]: 1, paths[1]: -0.5}], embed=FakeEmbedder())
    combinations: list[Combination] = [
        {gives[0]: 1, gives[1]: -0.5},
        [(gives[0], 1), (paths[1], -0.5)],
        [(gives[0], 1), (gives[1], -0.5)],
    ]
    for asked in combinations:
        (found,) = search_together(index, [asked], embed=FakeEmbedder())
        assert found == wanted
