"""Confused classes against a plain count, the same from either side; planted wrong labels are found."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from judged_sets import clustered, judged, unit
from lookalike.evaluation import Evaluation
from lookalike.presenting.views import View
from lookalike.presenting.views_labels import DoubtfulLabel, confused, doubtful


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return judged(*clustered(10, 8, spread=1.3))


def nearest_labels(found: Evaluation) -> list[tuple[str, str]]:
    similar = found.vectors.astype(np.float64) @ found.vectors.T.astype(np.float64)
    np.fill_diagonal(similar, -np.inf)
    return list(zip(found.table.labels, found.table.labels[similar.argmax(axis=1)], strict=True))


def test_confusions_are_counted_in_both_directions(found: Evaluation) -> None:
    counts = Counter((own, other) for own, other in nearest_labels(found) if own != other)
    view = confused(found, count=100)
    assert view.of == 45
    assert {(pair.first, pair.second): (pair.there, pair.back) for pair in view.entries} == {
        key: (counts[key], counts[key[::-1]]) for key in {(min(key), max(key)) for key in counts}
    }
    assert sum(pair.there + pair.back for pair in view.entries) == counts.total() > 10
    assert any(pair.there and pair.back for pair in view.entries)
    totals = [pair.there + pair.back for pair in view.entries]
    assert totals == sorted(totals, reverse=True)
    assert all(pair.queries == 16 and pair.first < pair.second for pair in view.entries)


def test_the_order_of_the_pictures_changes_nothing(found: Evaluation) -> None:
    order = np.random.default_rng(5).permutation(80)
    turned = judged(found.vectors[order], found.table.labels[order].tolist())
    seen = [[(pair.first, pair.second, pair.there, pair.back) for pair in confused(one, count=99).entries]
            for one in (found, turned)]  # fmt: skip
    assert seen[0] == seen[1]


def test_examples_show_one_picture_of_each_class_once(found: Evaluation) -> None:
    for pair in confused(found, count=100).entries:
        assert 1 <= len(pair.examples) <= 4
        for example in pair.examples:
            assert (example.first.parent.name, example.second.parent.name) == (pair.first, pair.second)
        shown = [(example.first, example.second) for example in pair.examples]
        assert len(shown) == len(set(shown))
        likeness = [example.similarity for example in pair.examples]
        assert likeness == sorted(likeness, reverse=True)


def test_two_pictures_that_are_each_others_nearest_show_once() -> None:
    found = judged(unit([[10, 0, 0], [0, 10, 0], [10, 1, 0], [0, 10, 1]]), ["a", "a", "b", "b"])
    (pair,) = confused(found).entries
    assert (pair.there, pair.back, len(pair.examples)) == (2, 2, 2)


def test_classes_that_are_told_apart_are_not_confused() -> None:
    view = confused(judged(*clustered(5, 4, spread=0.1)))
    assert (view.entries, view.total, view.of) == ((), 0, 10)


def test_a_batch_asks_for_its_own_confusions_only(found: Evaluation) -> None:
    batch = range(16)
    pairs = confused(found, rows=batch, count=100).entries
    counts = Counter((own, other) for own, other in nearest_labels(found)[:16] if own != other)
    assert sum(pair.there + pair.back for pair in pairs) == counts.total() > 0


def planted(share: float, *, seed: int = 0) -> tuple[Evaluation, set[int]]:
    """30 classes of 10, and the rows that were given a wrong label."""
    vectors, labels = clustered(30, 10, spread=0.9, seed=seed)
    rng = np.random.default_rng(seed)
    wrong = rng.choice(300, round(300 * share), replace=False).tolist()
    for row in wrong:
        labels[row] = f"c{(int(labels[row][1:]) + int(rng.integers(1, 30))) % 30:03}"
    return judged(vectors, labels), set(wrong)


def rows_of(view: View[DoubtfulLabel]) -> list[int]:
    return [int(entry.row.query.stem) for entry in view.entries]


def test_planted_wrong_labels_are_found_and_few_others() -> None:
    right = listed = there = 0
    for seed in range(6):
        found, wrong = planted(0.04, seed=seed)
        assert 0.65 < found.figures["recall@1"].value < 0.95, "neither easy nor hopeless"
        rows = rows_of(doubtful(found, count=100))
        right, listed, there = right + len(set(rows) & wrong), listed + len(rows), there + len(wrong)
        assert len(set(rows[:6]) & wrong) >= 5, "the surest come first"
    assert right >= 0.85 * there
    assert right >= 0.7 * listed


def test_a_doubt_says_what_it_rests_on() -> None:
    """Against a plain loop over the whole matrix of similarities."""
    found, _ = planted(0.04)
    labels = found.table.labels
    similar = found.vectors.astype(np.float64) @ found.vectors.T.astype(np.float64)
    np.fill_diagonal(similar, -np.inf)

    def likeness(row: int, label: str) -> float:
        return float(np.sort(similar[row, labels == label])[-3:].mean())

    def rival(row: int) -> str | None:
        answers = [label for label in labels[np.argsort(-similar[row])[:8]] if label != labels[row]]
        return max(answers, key=answers.count) if answers else None

    at_home = [
        likeness(row, labels[row]) - likeness(row, other) if (other := rival(row)) else np.inf
        for row in range(300)
    ]
    for entry in doubtful(found).entries:
        row = int(entry.row.query.stem)
        assert entry.label == rival(row)
        assert entry.votes == [answer.label for answer in entry.row.answers].count(entry.label) >= 3
        assert entry.own == pytest.approx(likeness(row, labels[row]), abs=1e-6)
        assert entry.other == pytest.approx(likeness(row, entry.label), abs=1e-6)
        assert entry.fit == pytest.approx(np.mean(np.array(at_home) <= -at_home[row]), abs=0.01)
        assert entry.fit >= 0.4
    surest = [entry.other - entry.own for entry in doubtful(found).entries]
    assert surest == sorted(surest, reverse=True)


def test_classes_that_are_confused_are_no_wrong_labels() -> None:
    """Two labels at one place: many of their queries would be doubted, so none is."""
    vectors, labels = clustered(6, 12, spread=0.3)
    labels = [f"{label}{'ab'[row % 2]}" if label == "c000" else label for row, label in enumerate(labels)]
    found = judged(vectors, labels)
    assert [(pair.first, pair.second) for pair in confused(found).entries] == [("c000a", "c000b")]
    assert doubtful(found, count=99).total == 0


def test_clean_labels_throw_no_doubt() -> None:
    view = doubtful(judged(*clustered(8, 6, spread=0.2)))
    assert (view.entries, view.total, view.of) == ((), 0, 48)


def test_a_batch_is_doubted_by_the_whole_set() -> None:
    found, _ = planted(0.04)
    inside, whole = doubtful(found, rows=range(150), count=100), doubtful(found, count=100)
    assert inside.of == 150
    assert list(inside.entries) == [entry for entry in whole.entries if int(entry.row.query.stem) < 150]
    assert 0 < len(inside.entries) < len(whole.entries)


def test_pictures_of_ones_own_group_do_not_speak() -> None:
    """Four pictures of a wrong label vouch for each other, where they are not of one group."""
    vectors, labels = clustered(6, 8, spread=0.2)
    labels[:4] = ["c001"] * 4
    groups = ["g" if row < 4 else None for row in range(48)]
    apart = judged(vectors, labels, columns={"group": groups})
    assert sorted(rows_of(doubtful(apart))) == [0, 1, 2, 3]
    assert rows_of(doubtful(judged(vectors, labels))) == []
