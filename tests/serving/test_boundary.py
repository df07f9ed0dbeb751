"""What a threshold does to labelled pairs, against counting them one by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from labelled_index import drawn_vectors, labelled_index
from lookalike.errors import CalibrationError
from lookalike.indexing.index import Index
from lookalike.judging.calibration import BINS
from lookalike.judging.intervals import percentile_interval
from lookalike.judging.pair_intervals import AT_THRESHOLD, pair_draws
from lookalike.judging.pairs import pair_histogram
from lookalike.models.model import Model, write_seen
from lookalike.serving import boundary as module
from lookalike.serving import nearest_pairs
from lookalike.serving.boundary import COLUMNS, Border, Boundary
from lookalike.serving.labelled_sample import Sample, draw
from lookalike.serving.nearest_pairs import NearestPairs, Pair
from lookalike.serving.problems import Problem

CLASSES: dict[str | None, int] = {"cat": 4, "dog": 5, "owl": 1, None: 3, "bee": 6, "eel": 2}
LABELLED = 18
COPIES = 2  # of one content, both cats
EDGES = [-1.0, -0.25, 0.0, 0.25, 0.5, 0.625, 0.75, 1.0]  # edges of bins


@pytest.fixture
def index(tiny: Model, tmp_path: Path) -> Iterator[Index]:
    with Index.open(labelled_index(tmp_path, tiny, CLASSES, copies=COPIES), model=tiny) as opened:
        yield opened


def one_by_one(index: Index) -> list[tuple[int, int, float, bool]]:
    """All pairs of labelled items: ids, similarity, same."""
    items = [item for root in index.store.roots() for item in index.store.items(root.id) if item.label]
    vectors = index.vectors([item.id or 0 for item in items]).astype(np.float64)
    return [
        (a.id or 0, b.id or 0, float(vectors[i] @ vectors[j]), a.label == b.label)
        for i, a in enumerate(items)
        for j, b in enumerate(items)
        if i < j and a.hash != b.hash
    ]


def test_all_pairs_are_counted_once(index: Index) -> None:
    border, pairs = Boundary(index).border(), one_by_one(index)
    bins, same, different = border.histogram()
    assert len(bins) == COLUMNS
    assert bins[0] == -1.0
    assert np.all(np.diff(bins) == bins[1] - bins[0])
    for kind, counts in ((True, same), (False, different)):
        wanted = np.zeros(COLUMNS, np.int64)
        for _, _, similarity, is_same in pairs:
            if is_same is kind:
                wanted[max(place for place, edge in enumerate(bins) if edge <= similarity)] += 1
        assert counts.tolist() == wanted.tolist()
    assert same.sum() + different.sum() == LABELLED * (LABELLED - 1) // 2 - 1  # the copies make no pair
    assert (len(border.sample), border.sample.of, border.pairs.classes) == (LABELLED, LABELLED, 5)


@pytest.mark.parametrize("similarity", EDGES)
def test_figures_are_those_of_counting(index: Index, similarity: float) -> None:
    figures, intervals = Boundary(index).border().figures(similarity)
    pairs = one_by_one(index)
    right, wrong, missed, rejected = (
        sum(1 for _, _, alike, is_same in pairs if is_same is kind and (alike >= similarity) is match)
        for match, kind in ((True, True), (True, False), (False, True), (False, False))
    )
    counts = ("right_matches", "wrong_matches", "missed_matches", "right_rejections")
    assert [figures[name] for name in counts] == [right, wrong, missed, rejected]
    assert figures["recall"] == pytest.approx(right / (right + missed))
    assert figures["false_match_rate"] == pytest.approx(wrong / (wrong + rejected))
    assert figures["f1"] == pytest.approx(2 * right / (2 * right + wrong + missed))
    if right + wrong:
        assert figures["precision"] == pytest.approx(right / (right + wrong))
    assert (intervals["precision"] is None) == (right + wrong == 0)
    for name in AT_THRESHOLD:
        if (told := intervals[name]) is not None:
            assert 0.0 <= told[0] <= told[1] <= 1.0
            assert told[0] - 1e-9 <= figures[name] <= told[1] + 1e-9


@pytest.mark.parametrize("similarity", [0.0, 0.125, 0.25, 0.375])
def test_intervals_are_those_of_all_pairs_drawn_by_class(similarity: float) -> None:
    labels, ids = np.repeat(np.arange(40), 3).astype(np.str_), np.arange(120)
    hashes = [str(number % 119).encode() for number in range(120)]
    sample = Sample(ids, labels, hashes, drawn_vectors([3] * 40, 48), of=120)
    border = Border(sample, seen=0, generation=1)
    drawn = pair_draws(
        sample.vectors,
        sample.labels,
        identity=sample.identity,
        histogram=pair_histogram(sample.vectors, sample.labels, identity=sample.identity, bins=BINS),
        threshold=similarity,
    )
    _, intervals = border.figures(similarity)
    for name in AT_THRESHOLD:
        told = intervals[name]
        assert told is not None
        # with all edges at once, a draw's few wrong matches are kept from falling as the threshold does
        assert told == pytest.approx(percentile_interval(drawn[name]), abs=0.01)


def test_intervals_between_edges_move_with_the_figures(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_CELLS", 20)  # hardly any edges
    coarse, similarity = Boundary(index).border(), 0.4375
    assert len(coarse._counts.edges) <= 16
    figures, intervals = coarse.figures(similarity)
    told = intervals["recall"]
    assert told is not None
    assert told[0] <= figures["recall"] <= told[1]


@pytest.mark.parametrize("similarity", [-1.0, -0.2, 0.1, 0.4321, 0.7, 0.99, 1.0])
@pytest.mark.parametrize("count", [1, 7, 500])
def test_the_nearest_pairs_are_those_of_sorting_all(index: Index, similarity: float, count: int) -> None:
    around = Boundary(index).at(similarity, count=count)
    pairs = one_by_one(index)
    above = sorted((each for each in pairs if each[2] >= similarity), key=lambda each: each[2])[:count]
    below = sorted((each for each in pairs if each[2] < similarity), key=lambda each: -each[2])[:count]
    for found, wanted in ((around.above, above), (around.below, below)):
        assert [(pair.first, pair.second, pair.same) for pair in found] == [
            (a, b, is_same) for a, b, _, is_same in wanted
        ]
        assert [pair.similarity for pair in found] == pytest.approx([each[2] for each in wanted], abs=1e-6)


def test_of_pairs_too_many_to_look_at_some_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nearest_pairs, "_MOST", 5)
    vectors = np.zeros((10, 2), np.float32)
    vectors[:8, 0] = vectors[8:, 1] = 1.0
    labels, identity = np.array(["a"] * 9 + ["b"]), np.arange(10)
    found = NearestPairs(vectors, labels, identity, pair_histogram(vectors, labels, bins=BINS))
    above, below = found.around(0.5, count=4)
    assert (len(above), {pair.similarity for pair in above}) == (4, {1.0})
    assert all(pair.similarity == 0.0 for pair in below)


def test_a_pair_goes_by_the_ids_of_its_rows() -> None:
    assert Pair(0, 2, 0.5, same=True).of(np.array([7, 8, 9])) == Pair(7, 9, 0.5, same=True)


def test_how_many_the_model_was_trained_on_is_said(index: Index) -> None:
    hashes = [item.hash for item in index.store.items(1) if item.label == "dog"]
    write_seen(index.model.folder, hashes)
    around = Boundary(index).at(0.5, count=1)
    assert around.threshold.seen == 5
    assert "5 of which the model was trained on: this flatters" in around.threshold.promise
    assert around.threshold.promise.startswith("set by hand: ")
    assert "no promise beyond these pairs" in around.threshold.promise


@pytest.mark.parametrize("similarity", [1.5, -1.01, float("nan")])
def test_what_is_no_similarity_is_refused(index: Index, similarity: float) -> None:
    with pytest.raises(CalibrationError, match=r"the similarity does not fit - similarity - saw .*-1 and 1"):
        Boundary(index).at(similarity, count=1)


# what is drawn


def test_few_pictures_are_all_taken(index: Index) -> None:
    sample, generation = draw(index)
    assert (len(sample), sample.of, generation) == (LABELLED, LABELLED, index.store.generation())
    known = {item.id: (item.label, item.hash) for item in index.store.items(1)}
    for place, number in enumerate(sample.ids.tolist()):
        assert known[number] == (sample.labels[place], sample.hashes[place])
    assert np.array_equal(sample.vectors, index.vectors(sample.ids.tolist()))


def test_of_many_whole_labels_are_drawn(index: Index) -> None:
    sample, _ = draw(index, most=10, most_of_label=6)
    counts = {label: int((sample.labels == label).sum()) for label in set(sample.labels.tolist())}
    assert sum(counts.values()) <= 10
    assert all(CLASSES[label] == count for label, count in counts.items())
    assert max(counts.values()) > 1
    assert sample.of == LABELLED
    again, _ = draw(index, most=10, most_of_label=6)
    assert np.array_equal(sample.ids, again.ids)


def test_of_a_large_label_a_part_is_drawn(index: Index) -> None:
    sample, _ = draw(index, most=12, most_of_label=3)
    counts = sorted(int((sample.labels == label).sum()) for label in set(sample.labels.tolist()))
    assert counts == [1, 2, 3, 3, 3]
    assert len(set(sample.ids.tolist())) == len(sample) == 12


def test_a_label_that_occurs_twice_is_always_among_them(tiny: Model, tmp_path: Path) -> None:
    classes: dict[str | None, int] = {f"only {number}": 1 for number in range(60)}
    with Index.open(labelled_index(tmp_path, tiny, {**classes, "two": 2}), model=tiny) as index:
        for most in range(3, 12):
            sample, _ = draw(index, most=most)
            assert (sample.labels == "two").sum() == 2
            assert len(sample) == most


NOTHING: dict[str, tuple[dict[str | None, int], str]] = {
    "none": ({None: 4}, "No picture of this index has a label"),
    "no label twice": ({"a": 1, "b": 1, None: 2}, "No two pictures of this index share a label"),
    "one label": ({"a": 3, None: 2}, "All labelled pictures of this index have the same label"),
}


@pytest.mark.parametrize(("classes", "words"), NOTHING.values(), ids=NOTHING.keys())
def test_without_pairs_of_both_kinds_it_is_said_what_to_do(
    tiny: Model, tmp_path: Path, classes: dict[str | None, int], words: str
) -> None:
    with Index.open(labelled_index(tmp_path, tiny, classes), model=tiny) as index:
        boundary = Boundary(index)
        for ask in (boundary.border, lambda: boundary.at(0.5, count=1), lambda: boundary.save("a", 0.5)):
            with pytest.raises(Problem) as error:
                ask()
            assert (error.value.status_code, error.value.code) == (409, "no_pairs")
            assert error.value.message.startswith(words)
            assert "index again" in error.value.hint


def test_pictures_that_are_all_alike_are_told(tiny: Model, tmp_path: Path) -> None:
    same = np.tile(drawn_vectors([1], tiny.dim), (4, 1))
    with Index.open(labelled_index(tmp_path, tiny, {"a": 2, "b": 2}, vectors=same), model=tiny) as index:
        with pytest.raises(Problem) as error:
            Boundary(index).border()
        assert error.value.message.startswith("No threshold can tell anything apart: all pairs with")
        assert "train again" in error.value.hint


# following the index


def test_it_is_measured_again_when_the_index_changed(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    boundary = Boundary(index)
    first = boundary.border()
    assert boundary.border() is first
    with index.store.writing() as writer:
        writer.drop_root(1)
    assert boundary.border(fresh=False) is first
    assert len(boundary.at(0.5, count=3).above) == 3  # of what the page shows
    with pytest.raises(Problem):
        boundary.border()


def test_memory_is_four_bytes_a_pair(index: Index) -> None:
    border: Border = Boundary(index).border()
    assert border._nearest._similarities.nbytes == 4 * LABELLED * (LABELLED - 1) // 2
