"""Answers as asked for: pages, folded copies, other orders, probabilities, and why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from album import Album
from fake_embedder import DIM, FakeEmbedder, fake_model
from lookalike import asking
from lookalike.errors import CalibrationError, LookalikeError, ModelError, StoreError
from lookalike.hits import Hits, Rerank
from lookalike.indexing.selection import Selection
from lookalike.judging.calibrated import Band
from lookalike.judging.similarity import cosine
from lookalike.models.verdicts import keep_calibration
from lookalike.records import Floats, Skipped
from lookalike.reranking import scores
from lookalike.search import search_ids, search_images, search_together
from some_calibrations import calibration


class Angles(FakeEmbedder):
    """A picture whose content is "30 a" lies at 30 degrees in a plane."""

    def _vector(self, path: Path, content: bytes, *_: object) -> Floats:
        vector = np.zeros(DIM, np.float32)
        angle = np.deg2rad(float(content.split()[0]))
        vector[:2] = np.cos(angle), np.sin(angle)
        return vector


@pytest.fixture
def album(tmp_path: Path) -> Iterator[Album]:
    made = Album(tmp_path)
    yield made
    made.index.close()


@pytest.fixture
def circle(tmp_path: Path) -> Iterator[Album]:
    """Pictures at angles; the query is at 0."""
    made = Album(tmp_path)
    made.embedder = Angles()
    yield made
    made.index.close()


def fill(album: Album, count: int) -> None:
    for n in range(count):
        album.write(f"{n:03}.png", f"picture {n}")
    album.update()


def lay(album: Album, *angles: float) -> Path:
    """Pictures at these angles, by name from a.png on, and a query at 0 that is no item."""
    for name, angle in zip("abcdefghijklmnop", angles, strict=False):
        album.write(f"{name}.png", f"{angle} {name}")
    album.update()
    query = album.root.parent / "query.png"
    query.write_bytes(b"0 query")
    return query


def only(found: Iterator[Hits | Skipped]) -> Hits:
    (answer,) = found
    assert isinstance(answer, Hits)
    return answer


def names(answer: Hits) -> str:
    return "".join(Path(hit.path).stem for hit in answer.hits)


@pytest.mark.parametrize("rerank", [None, *Rerank])
@pytest.mark.parametrize("collapse", [False, True])
def test_pages_are_the_whole_answer_in_pieces(
    album: Album, rerank: Rerank | None, collapse: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where re-ranking ends in the middle of a page, and where copies come between."""
    monkeypatch.setattr(asking, "CANDIDATES", 8)
    monkeypatch.setattr("lookalike.collapsing.ALIKE", 0.5)
    fill(album, 23)
    options = {"rerank": rerank, "collapse": collapse}
    whole = search_ids(album.index, [3, 5], k=30, **options)  # type: ignore[arg-type]
    for size in (1, 4, 10):
        for place, answer in enumerate(whole):
            pages = [
                search_ids(album.index, [3, 5], k=size, skip=skip, **options)[place]  # type: ignore[arg-type]
                for skip in range(0, len(answer), size)
            ]
            hits = [hit for page in pages for hit in page.hits]
            assert [hit.rank for hit in hits] == [*range(1, len(answer) + 1)]
            assert [replace(hit, copies=()) for hit in hits] == [
                replace(hit, copies=()) for hit in answer.hits
            ]


def test_a_query_alone_is_answered_as_in_a_batch(album: Album, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "BATCH", 4)
    fill(album, 12)
    ids = list(range(1, 13))
    together = search_ids(album.index, ids, k=3, rerank="k-reciprocal")
    assert together == [search_ids(album.index, [item], k=3, rerank="k-reciprocal")[0] for item in ids]


@pytest.mark.parametrize("by", list(Rerank))
def test_re_ranked_answers_are_in_the_order_of_their_scores_with_plain_similarities(
    album: Album, by: Rerank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "CANDIDATES", 6)
    fill(album, 20)
    (plain,) = search_ids(album.index, [4], k=19)
    (found,) = search_ids(album.index, [4], k=19, rerank=by)
    assert (plain.order, found.order) == ("similarity", by.value)
    first = [hit.id for hit in plain.hits[:6]]
    values = scores(album.index.item(4)[1], album.index.vectors(first), by=by)
    assert [hit.id for hit in found.hits[:6]] == [first[n] for n in np.argsort(-values, kind="stable")]
    assert [hit.id for hit in found.hits[6:]] == [hit.id for hit in plain.hits[6:]]
    known = {hit.id: hit.similarity for hit in plain.hits}
    assert all(hit.similarity == known[hit.id] for hit in found.hits)


def test_re_ranking_that_is_not_there_is_refused(album: Album) -> None:
    fill(album, 2)
    with pytest.raises(LookalikeError, match="no such way of re-ranking"):
        search_ids(album.index, [1], rerank="better")


def test_copies_are_folded_and_the_page_is_full_all_the_same(circle: Album) -> None:
    query = lay(circle, 10, 10.5, 11, 60, 61, 100, 140)
    found = only(search_images(circle.index, [query], k=3, collapse=True, embed=circle.embedder))
    assert names(found) == "adf"
    assert [len(hit.copies) for hit in found.hits] == [2, 1, 0]
    assert found.hits[0].copies == (circle.id_of("b.png"), circle.id_of("c.png"))
    assert [hit.rank for hit in found.hits] == [1, 2, 3]
    every = only(search_images(circle.index, [query], k=9, collapse=True, embed=circle.embedder))
    assert names(every) == "adfg"


def test_many_copies_do_not_crowd_out_what_comes_after(circle: Album) -> None:
    for n in range(300):
        circle.write(f"copy {n}.png", f"{5 + n / 1000} copy {n}")
    query = lay(circle, 50, 100)
    found = only(search_images(circle.index, [query], k=2, collapse=True, embed=circle.embedder))
    assert [len(hit.copies) for hit in found.hits] == [299, 0]
    assert Path(found.hits[1].path).name == "a.png"


def test_what_counts_as_a_copy_is_what_the_calibration_says(circle: Album) -> None:
    query = lay(circle, 10, 40, 100)
    bands = (Band("near copy", float(np.cos(np.deg2rad(35))), ""), Band("same thing", 0.1, ""))
    plain = only(search_images(circle.index, [query], collapse=True, embed=circle.embedder))
    keep_calibration(circle.model, calibration(circle.model.fingerprint, bands=bands))
    wide = only(search_images(circle.index, [query], collapse=True, embed=circle.embedder))
    assert (names(plain), names(wide)) == ("abc", "ac")


def test_an_answer_has_at_least_the_probability_that_is_asked_for(circle: Album) -> None:
    query = lay(circle, *range(0, 160, 10))
    keep_calibration(circle.model, calibration(circle.model.fingerprint))
    every = only(search_images(circle.index, [query], k=99, embed=circle.embedder))
    for asked in (0.2, 0.5, 0.7, 0.88):
        found = only(search_images(circle.index, [query], k=99, probability=asked, embed=circle.embedder))
        assert found.hits == tuple(hit for hit in every.hits if (hit.probability or 0.0) >= asked)
        assert 0 < len(found) < len(every)
    by_id = search_ids(circle.index, [1], k=99, probability=0.7)[0]
    assert by_id.hits
    assert all(hit.probability is not None and hit.probability >= 0.7 for hit in by_id.hits)


def test_a_probability_without_a_calibration_is_refused(album: Album) -> None:
    fill(album, 2)
    with pytest.raises(ModelError) as error:
        search_ids(album.index, [1], probability=0.9)
    assert "the model has no probabilities of a match" in str(error.value)
    assert "make them: lookalike calibrate" in str(error.value)
    assert "leave out --probability" in str(error.value)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (0.0, "there is no such probability - probability - saw 0, wanted between 0 and 1"),
        (1.0, "there is no such probability - probability - saw 1, wanted between 0 and 1"),
        (float("nan"), "there is no such probability - probability - saw nan"),
        (0.99, "saw 0.99, wanted at most 0.8808, which the most alike pairs have - ask for less"),
    ],
)
def test_a_probability_that_cannot_be_is_refused(album: Album, asked: float, told: str) -> None:
    fill(album, 2)
    keep_calibration(album.model, calibration(album.model.fingerprint))
    with pytest.raises(CalibrationError) as error:
        search_ids(album.index, [1], probability=asked)
    assert told in str(error.value)


def test_a_probability_above_the_range_that_is_asked_for_is_refused(album: Album) -> None:
    fill(album, 2)
    keep_calibration(album.model, calibration(album.model.fingerprint))
    with pytest.raises(StoreError, match="there is no similarity in this range"):
        search_ids(album.index, [1], probability=0.8, selection=Selection(highest=0.2))


@pytest.mark.parametrize(
    ("selection", "told"),
    [
        (
            Selection(lowest=0.99),
            "nothing has a similarity of 0.99 or more; the nearest below has 0.8660: {}b.png",
        ),
        (
            Selection(lowest=0.1, highest=0.4),
            "nothing has a similarity of 0.1 to 0.4; the nearest below has -0.5000: {}c.png",
        ),
        (Selection(highest=-0.9), "all are more alike than -0.9; the most alike has 0.8660: {}b.png"),
        (Selection(where="label = 'cup'"), "no other picture fits the filter"),
        (Selection(where="label = 'cup'", lowest=0.5), "no other picture fits the filter"),
    ],
)
def test_an_empty_answer_says_why(circle: Album, selection: Selection, told: str) -> None:
    circle.write("a.png", "0 a")
    circle.write("b.png", "30 b")
    circle.write("c.png", "120 c")
    circle.update()
    found = only(
        search_images(circle.index, [circle.root / "a.png"], selection=selection, embed=circle.embedder)
    )
    assert not found.hits
    assert found.nothing == told.format(f"{circle.root}/")


def test_an_empty_answer_tells_how_likely_the_nearest_is(circle: Album) -> None:
    query = lay(circle, 60)
    keep_calibration(circle.model, calibration(circle.model.fingerprint))
    found = only(search_images(circle.index, [query], probability=0.8, embed=circle.embedder))
    assert found.nothing.startswith(
        "nothing is 80.0% likely or more, which takes a similarity of 0.8466 or more; the nearest below has"
    )
    assert "(50.0% likely): " in found.nothing


def test_an_empty_answer_of_an_index_with_nothing_else_or_nothing_at_all(circle: Album) -> None:
    own = circle.write("a.png", "0 a")
    assert only(search_images(circle.index, [own], embed=circle.embedder)).nothing == "the index is empty"
    circle.update()
    alone = only(search_images(circle.index, [own], embed=circle.embedder))
    assert alone.nothing == "the index holds no other picture"


def test_a_page_after_the_last_says_so_and_a_full_one_says_nothing(circle: Album) -> None:
    query = lay(circle, 10, 20, 30)
    told = [
        only(search_images(circle.index, [query], k=2, skip=skip, embed=circle.embedder)).nothing
        for skip in (0, 2, 4)
    ]
    assert told == ["", "", "there are no more answers: all 3 come before"]
    (only_one,) = search_ids(circle.index, [1], k=1, skip=5, selection=Selection(lowest=0.98))
    assert only_one.nothing == "there are no more answers: the only one comes before"


def test_empty_and_full_answers_of_one_batch_keep_their_places(circle: Album) -> None:
    lay(circle, 0, 5, 90)
    found = search_ids(circle.index, [1, 3, 2], selection=Selection(lowest=0.9))
    assert [bool(answer.hits) for answer in found] == [True, False, True]
    assert [bool(answer.nothing) for answer in found] == [False, True, False]


@pytest.mark.parametrize(("k", "skip"), [(0, 0), (1, -1)])
def test_numbers_that_cannot_be_are_refused(album: Album, k: int, skip: int) -> None:
    with pytest.raises(ValueError, match="k must be at least 1 and skip at least 0"):
        search_ids(album.index, [], k=k, skip=skip)


def test_several_pictures_are_one_query(circle: Album) -> None:
    lay(circle, 0, 90, 45, 20, 180)
    a, b = circle.root / "a.png", circle.root / "b.png"
    even, uneven, away = search_together(
        circle.index, [{a: 1, b: 1}, {str(a): 2, str(b): 0.5}, {a: 1, b: -1}], embed=circle.embedder
    )
    assert isinstance(even, Hits)
    assert isinstance(uneven, Hits)
    assert isinstance(away, Hits)
    assert (names(even), names(uneven), names(away)) == ("cde", "dce", "dce")
    assert even.hits[0].similarity == pytest.approx(1.0)
    assert even.query == f"{a} + {b}"
    assert [(part.path, part.weight) for part in away.parts] == [(str(a), 1.0), (str(b), -1.0)]
    asked = np.array([2.0, 0.5]) / np.hypot(2.0, 0.5)
    for hit in uneven.hits:
        assert hit.similarity == pytest.approx(float(asked @ circle.index.item(hit.id)[1][:2]), abs=1e-6)


def test_a_combination_carries_no_verdict(tmp_path: Path) -> None:
    album = Album(tmp_path)
    album.model = fake_model(tmp_path / "judging", threshold=0.1)
    keep_calibration(album.model, calibration(album.model.fingerprint))
    fill(album, 4)
    album.index.close()
    with type(album.index).open(album.path, model=album.model) as index:
        paths = sorted(album.root.iterdir())
        (single,) = search_images(index, paths[:1], embed=album.embedder)
        (several,) = search_together(index, [{paths[0]: 1, paths[1]: 1}], embed=album.embedder)
    assert isinstance(single, Hits)
    assert isinstance(several, Hits)
    assert single.threshold == 0.1
    assert all(hit.match is not None and hit.probability is not None for hit in single.hits)
    assert several.threshold is None
    assert all((hit.match, hit.probability, hit.band) == (None, None, None) for hit in several.hits)


def test_every_named_picture_is_left_out_with_its_copies(circle: Album) -> None:
    lay(circle, 0, 10, 20)
    twin = circle.write("twin.png", "10 b")
    circle.update()
    a, b = circle.root / "a.png", circle.root / "b.png"
    outside = circle.root.parent / "outside.png"
    outside.write_bytes(a.read_bytes())
    for first in (a, outside):
        found = only(search_together(circle.index, [{first: 1, b: 0.1}], embed=circle.embedder))
        assert names(found) == "c"
    with_copies = only(
        search_together(circle.index, [{outside: 1, b: 0.1}], copies=True, embed=circle.embedder)
    )
    assert {Path(hit.path).name for hit in with_copies.hits} == {"a.png", "c.png", twin.name}


def test_one_picture_with_a_weight_is_that_picture(circle: Album) -> None:
    lay(circle, 0, 10, 30, 70)
    a = circle.root / "a.png"
    found = only(search_together(circle.index, [{a: 0.3}], embed=circle.embedder))
    assert (found.query, found.parts) == (str(a), ())
    assert found.hits == only(search_images(circle.index, [a], embed=circle.embedder)).hits


def test_a_combination_with_a_picture_that_cannot_be_used_is_reported(circle: Album) -> None:
    lay(circle, 0, 10, 30)
    a, gone = circle.root / "a.png", circle.root / "gone.png"
    first, second, third = search_together(
        circle.index, [{a: 1, gone: 1}, {a: 1}, {gone: 1, a: 1}], embed=circle.embedder
    )
    assert isinstance(first, Skipped)
    assert isinstance(second, Hits)
    assert isinstance(third, Skipped)
    assert first.path == third.path == str(gone)


def test_pictures_that_cancel_each_other_out_are_refused(circle: Album) -> None:
    lay(circle, 0, 180, 30)
    combination = {circle.root / "a.png": 1.0, circle.root / "b.png": 1.0}
    with pytest.raises(LookalikeError, match="cancel each other out"):
        list(search_together(circle.index, [combination], embed=circle.embedder))


def test_items_with_copies_are_answered_by_them(circle: Album) -> None:
    lay(circle, 0, 40)
    circle.write("twin.png", "0 a")
    circle.update()
    assert names(search_ids(circle.index, [1])[0]) == "b"
    assert names(search_ids(circle.index, [1], copies=True)[0]) == "twinb"


def test_a_copy_of_a_hit_is_as_alike_to_it_as_the_limit_says(album: Album) -> None:
    fill(album, 30)
    bands = (Band("near copy", 0.4, ""),)
    keep_calibration(album.model, calibration(album.model.fingerprint, bands=bands))
    (found,) = search_ids(album.index, [1], k=30, collapse=True)
    folded = [(hit.id, copy) for hit in found.hits for copy in hit.copies]
    assert folded
    assert len(found) + len(folded) == 29
    for hit, copy in folded:
        assert cosine(album.index.item(hit)[1], album.index.item(copy)[1]) >= 0.4
