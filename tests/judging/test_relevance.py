"""Right items by label and by comparison, against loops."""

from __future__ import annotations

import doctest

import numpy as np

from lookalike.judging import relevance
from lookalike.judging.relevance import ByComparison, ByLabel, RightItems, any_common, share_in_common
from lookalike.judging.similarity import class_codes

LABELS, GALLERY = np.array(["a", "c", "x", "a"]), np.array(["c", "a", "b", "a", "c", "a"])


def columns_of(right: RightItems) -> list[list[int]]:
    return [
        right.columns[start:stop].tolist()
        for start, stop in zip(right.starts, right.starts[1:], strict=False)
    ]


def test_right_items_by_label() -> None:
    by_label = ByLabel.among(*class_codes(LABELS, GALLERY))
    right = by_label.of(slice(0, 4))
    assert columns_of(right) == [[1, 3, 5], [0, 4], [], [1, 3, 5]]
    assert right.total.tolist() == [3, 2, 0, 3]
    assert right.rows.tolist() == [0, 0, 0, 1, 1, 3, 3, 3]
    assert columns_of(by_label.of(slice(1, 3))) == [[0, 4], []]


def test_right_items_by_comparison() -> None:
    by_comparison = ByComparison(lambda a, b: a[:, None] == b, LABELS, GALLERY)
    assert columns_of(by_comparison.of(slice(0, 4))) == [[1, 3, 5], [0, 4], [], [1, 3, 5]]
    assert by_comparison.of(slice(0, 4)).gains is None
    graded = ByComparison(lambda a, b: (a[:, None] == b) * 0.5, LABELS, GALLERY).of(slice(1, 4))
    assert columns_of(graded) == [[0, 4], [], [1, 3, 5]]
    assert graded.gains is not None
    assert graded.gains.tolist() == [0.5] * 5


def test_parts_make_the_whole() -> None:
    gains = np.arange(1.0, 9.0)
    whole = RightItems(np.array([0, 3, 5, 5, 8]), np.arange(8) * 2, gains)
    parts = [
        RightItems(np.array([0, 3]), whole.columns[:3], gains[:3]),
        RightItems(np.array([0, 2, 2, 5]), whole.columns[3:], gains[3:]),
    ]
    again = RightItems.joined(parts)
    for name in ("starts", "columns", "gains"):
        assert np.array_equal(getattr(again, name), getattr(whole, name))
    kept = whole.only(gains % 2 == 1)
    assert columns_of(kept) == [[0, 4], [8], [], [12]]
    assert kept.gains is not None
    assert kept.gains.tolist() == [1, 3, 5, 7]


def test_common_tags_by_hand() -> None:
    rng = np.random.default_rng(0)
    tags, others = rng.integers(0, 2, (9, 5)), rng.integers(0, 2, (12, 5))
    tags[0] = others[0] = 0
    for i, a in enumerate(tags):
        for j, b in enumerate(others):
            both, either = sum(a & b), sum(a | b)
            assert any_common(tags, others)[i, j] == (both > 0)
            assert share_in_common(tags, others)[i, j] == (both / either if either else 0)


def test_examples_are_true() -> None:
    result = doctest.testmod(relevance, extraglobs={"np": np})
    assert (result.failed, result.attempted) == (0, 4)
