"""Mining and counting against triple loops written from the definitions."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lookalike.errors import BatchError, ConfigError
from lookalike.training import distances, triplets
from lookalike.training.distances import Distance
from lookalike.training.triplets import Triplets, mine_batch_hard, mine_semi_hard, triplet_kinds
from loss_batches import DISTANCES, UNEQUAL, LargestTensor, batches, distance_by_hand, embed


def semi_hard_by_hand(rows: Tensor, labels: Tensor) -> set[tuple[int, int, int]]:
    found = set()
    for a in range(len(labels)):
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        for p in range(len(labels)):
            if p == a or labels[p] != labels[a]:
                continue
            reach = distance_by_hand(rows[a], rows[p], "euclidean")
            far = {n: distance_by_hand(rows[a], rows[n], "euclidean") for n in negatives}
            beyond = [n for n in negatives if far[n] > reach]
            found.add(
                (a, p, min(beyond, key=far.__getitem__) if beyond else max(negatives, key=far.__getitem__))
            )
    return found


def batch_hard_by_hand(
    rows: Tensor, labels: Tensor, *, skip_negatives: int = 0, skip_positives: int = 0
) -> set[tuple[int, int, int]]:
    found = set()
    for a in range(len(labels)):
        far = [distance_by_hand(rows[a], row, "euclidean") for row in rows]
        positives = [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        negatives = [n for n in range(len(labels)) if labels[n] != labels[a]]
        if positives:
            positives.sort(key=far.__getitem__, reverse=True)
            negatives.sort(key=far.__getitem__)
            positive = positives[min(skip_positives, len(positives) - 1)]
            found.add((a, positive, negatives[min(skip_negatives, len(negatives) - 1)]))
    return found


def as_set(mined: Triplets) -> set[tuple[int, ...]]:
    rows = list(zip(*(part.tolist() for part in mined), strict=True))
    assert len(rows) == len(set(rows)), "no triplet is mined twice"
    assert list(mined.anchor) == sorted(mined.anchor)
    return set(rows)


@settings(deadline=None, max_examples=60)
@given(batches(last=4, most=14))
def test_semi_hard_is_what_three_loops_find(batch: tuple[list[int], int]) -> None:
    rows, labels = embed(*batch, dims=3)
    assert as_set(mine_semi_hard(rows, labels)) == semi_hard_by_hand(rows, labels)


@settings(deadline=None, max_examples=40)
@given(batches(last=4, most=14))
def test_batch_hard_is_what_two_loops_find(batch: tuple[list[int], int]) -> None:
    rows, labels = embed(*batch, dims=3)
    assert as_set(mine_batch_hard(rows, labels)) == batch_hard_by_hand(rows, labels)


@settings(deadline=None, max_examples=60)
@given(batches(last=4, most=14), st.integers(0, 5), st.integers(0, 5))
def test_skipping_the_hardest_by_two_loops(
    batch: tuple[list[int], int], skip_negatives: int, skip_positives: int
) -> None:
    rows, labels = embed(*batch, dims=3)
    skips = {"skip_negatives": skip_negatives, "skip_positives": skip_positives}
    assert as_set(mine_batch_hard(rows, labels, **skips)) == batch_hard_by_hand(rows, labels, **skips)


@pytest.mark.parametrize("images", [2, 3, 5, 9])
@pytest.mark.parametrize(("skip_negatives", "skip_positives"), [(0, 0), (2, 1), (30, 30)])
def test_classes_of_one_size_in_blocks(
    images: int, skip_negatives: int, skip_positives: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    mixed = torch.randperm(18 // images * images, generator=torch.Generator().manual_seed(3))
    rows, labels = embed((mixed // images).tolist(), seed=images, dims=3)
    skips = {"skip_negatives": skip_negatives, "skip_positives": skip_positives}
    expected = batch_hard_by_hand(rows, labels, **skips)
    assert as_set(mine_batch_hard(rows, labels, **skips)) == expected
    monkeypatch.setattr(
        distances, "_BLOCK_ELEMENTS", 90
    )  # of 5 rows of 18, or of one class where that is more
    assert as_set(mine_batch_hard(rows, labels, **skips)) == expected


def test_an_image_with_a_wrong_label_can_be_skipped() -> None:
    """Row 3 lies among class 0 but is labelled 1: the hardest negative there, the hardest positive here."""
    turn = torch.tensor([0.0, 2.0, 4.0, 1.0, 90.0, 95.0]).deg2rad()
    rows, labels = torch.stack((turn.cos(), turn.sin()), dim=1), torch.tensor([0, 0, 0, 1, 1, 1])
    plain = {a: (p, n) for a, p, n in as_set(mine_batch_hard(rows, labels))}
    assert [plain[a][1] for a in (0, 1, 2)] == [3, 3, 3]
    assert [plain[a][0] for a in (4, 5)] == [3, 3]
    wary = {
        a: (p, n) for a, p, n in as_set(mine_batch_hard(rows, labels, skip_negatives=1, skip_positives=1))
    }
    assert [wary[a][1] for a in (0, 1, 2)] == [4, 4, 4]
    assert [wary[a][0] for a in (4, 5)] == [5, 4]


@pytest.mark.parametrize("skip", [-1, 0.5, "1"])
def test_numbers_to_skip_that_cannot_be_used(skip: Any) -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0, dims=3)
    with pytest.raises(ConfigError, match=r"mine_batch_hard: skip_negatives.*wanted a whole number >= 0"):
        mine_batch_hard(rows, labels, skip_negatives=skip)
    with pytest.raises(ConfigError, match=r"mine_batch_hard: skip_positives.*wanted a whole number >= 0"):
        mine_batch_hard(rows, labels, skip_positives=skip)


@pytest.mark.parametrize("seed", range(5))
def test_sorting_and_blocks_find_the_same(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = embed(UNEQUAL, seed, dims=3)
    semi_hard, batch_hard = mine_semi_hard(rows, labels), mine_batch_hard(rows, labels)
    kinds = triplet_kinds(rows, labels, margin=0.3)
    monkeypatch.setattr(distances, "_BLOCK_ELEMENTS", 50)  # blocks of 2 rows of 18, the last one included
    assert as_set(mine_semi_hard(rows, labels)) == as_set(semi_hard)
    assert as_set(mine_batch_hard(rows, labels)) == as_set(batch_hard)
    assert triplet_kinds(rows, labels, margin=0.3) == kinds
    monkeypatch.setattr(triplets, "_WIDEST_PASSES", 0)
    assert as_set(mine_semi_hard(rows, labels)) == as_set(semi_hard)


def test_planted_triplets() -> None:
    """On a line: anchor 0 has its positive at 2 and negatives at 1, 3, 7; the lone row 9 is no anchor."""
    rows = torch.tensor([[0.0], [2.0], [1.0], [3.0], [7.0], [9.0]])
    labels = torch.tensor([5, 5, 6, 6, 6, 7])
    mined = dict(zip(*_pairs_and_negatives(mine_semi_hard(rows, labels)), strict=True))
    assert mined[0, 1] == 3, "the nearest beyond 2, not the nearest"
    assert mined[2, 4] == 5, "at 6 from row 2 lies its positive, beyond it only row 5"
    assert mined[4, 2] == 0, "no negative of row 4 is farther than 6 but the one at 7"
    assert mined[3, 4] == 5, "none is farther than 4 but the lone row at 6"
    hard = {a: (p, n) for a, p, n in as_set(mine_batch_hard(rows, labels))}
    assert hard[0] == (1, 2)
    assert hard[2][0] == 4
    assert set(hard) == {0, 1, 2, 3, 4}


def test_farthest_negative_where_none_is_farther() -> None:
    rows = torch.tensor([[0.0], [10.0], [1.0], [4.0]])
    mined = dict(zip(*_pairs_and_negatives(mine_semi_hard(rows, torch.tensor([0, 0, 1, 2]))), strict=True))
    assert mined == {(0, 1): 3, (1, 0): 2}


@pytest.mark.parametrize("widest", [64, 0])
def test_an_equally_far_negative_is_not_farther(widest: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triplets, "_WIDEST_PASSES", widest)
    rows = torch.tensor([[0.0], [2.0], [-2.0], [5.0]])
    mined = dict(zip(*_pairs_and_negatives(mine_semi_hard(rows, torch.tensor([0, 0, 1, 2]))), strict=True))
    assert mined == {(0, 1): 3, (1, 0): 3}


def _pairs_and_negatives(mined: Triplets) -> tuple[list[tuple[int, int]], list[int]]:
    pairs = list(zip(mined.anchor.tolist(), mined.positive.tolist(), strict=True))
    return pairs, mined.negative.tolist()


def test_labels_agree_and_counts_are_combinatorial() -> None:
    labels = torch.tensor([3, 3, 3, 7, 7, 9, 3])
    rows, _ = embed([0] * 7, seed=1, dims=3)
    mined = mine_semi_hard(rows, labels)
    assert len(mined.anchor) == 4 * 3 + 2 * 1
    assert (labels[mined.anchor] == labels[mined.positive]).all()
    assert (labels[mined.anchor] != labels[mined.negative]).all()
    assert (mined.anchor != mined.positive).all()
    assert len(mine_batch_hard(rows, labels).anchor) == 6, "the row labelled 9 has no positive"


@pytest.mark.parametrize("mine", [mine_semi_hard, mine_batch_hard])
def test_mining_ignores_scale_dtype_and_gradient(mine: Any) -> None:
    rows, labels = embed([0, 0, 1, 1, 2, 2, 2], seed=4, dims=8)
    expected = as_set(mine(rows, labels))
    assert as_set(mine(rows.float(), labels)) == expected
    assert as_set(mine((rows * 1e3).float().requires_grad_(), labels.int())) == expected


def test_labels_may_be_a_column_of_a_table() -> None:
    rows, labels = embed([0, 0, 1, 1, 2, 2], seed=4, dims=3)
    column = torch.stack([labels, labels + 1], dim=1)[:, 0]
    assert as_set(mine_semi_hard(rows, column)) == as_set(mine_semi_hard(rows, labels))


def test_mining_under_autocast_is_not_in_half_precision() -> None:
    rows, labels = embed([i // 4 for i in range(200)], seed=0, dims=16)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = mine_batch_hard(rows.float(), labels)
    assert as_set(inside) == as_set(mine_batch_hard(rows.float(), labels))


@settings(deadline=None, max_examples=40)
@given(batches(last=4, most=14), st.floats(0, 1.5), st.sampled_from(DISTANCES))
def test_kinds_by_three_loops(batch: tuple[list[int], int], margin: float, distance: Distance) -> None:
    rows, labels = embed(*batch, dims=3)
    n = len(labels)
    counts = dict.fromkeys(("easy", "semi_hard", "hard"), 0)
    for a in range(n):
        for p in (p for p in range(n) if p != a and labels[p] == labels[a]):
            for negative in (k for k in range(n) if labels[k] != labels[a]):
                near = distance_by_hand(rows[a], rows[p], distance)
                far = distance_by_hand(rows[a], rows[negative], distance)
                counts["easy" if far > near + margin else "semi_hard" if far > near else "hard"] += 1
    kinds = triplet_kinds(rows, labels, margin=margin, distance=distance)
    assert kinds.triplets == sum(counts.values())
    for name, count in counts.items():
        assert getattr(kinds, name) == pytest.approx(count / kinds.triplets)


def test_kinds_on_their_borders() -> None:
    """In whole numbers: from row 0, d_ap is 2, so 2 is hard, 3 = 2 + 1 semi-hard and 4 easy."""
    rows = torch.tensor([[0.0], [2.0], [-2.0], [-3.0], [-4.0]])
    kinds = triplet_kinds(rows, torch.tensor([0, 0, 1, 2, 3]), margin=1.0)
    # seen from row 1 all three are at 4, 5, 6: easy
    assert kinds.triplets == 6
    assert [kinds.hard, kinds.semi_hard, kinds.easy] == pytest.approx([1 / 6, 1 / 6, 4 / 6])


def test_collapsed_embeddings_are_all_hard() -> None:
    rows = torch.nn.functional.normalize(torch.randn(1, 64), dim=1).repeat(40, 1)
    kinds = triplet_kinds(rows, torch.arange(40) // 4, margin=0.2)
    assert (kinds.hard, kinds.easy) == (1.0, 0.0)


def test_perfect_clusters_are_all_easy() -> None:
    rows = torch.eye(10).repeat_interleave(4, dim=0)
    kinds = triplet_kinds(rows, torch.arange(40) // 4, margin=1.0)
    assert (kinds.easy, kinds.triplets) == (1.0, 40 * 3 * 36)


@pytest.mark.parametrize("per_class", [4, 150])
def test_no_tensor_is_larger_than_n_squared(per_class: int) -> None:
    n = 300
    rows, labels = embed([i // per_class for i in range(n)], seed=0, dims=8)
    with LargestTensor() as largest:  # type: ignore[no-untyped-call]
        mine_semi_hard(rows, labels)
        mine_batch_hard(rows, labels)
        triplet_kinds(rows, labels, margin=0.2)
    assert n < largest.elements <= n * n


@pytest.mark.parametrize("function", [mine_semi_hard, mine_batch_hard])
@pytest.mark.parametrize(
    ("labels", "saw"), [([1, 2, 3], "no label twice"), ([1, 1, 1], "all of one label"), ([], "0 rows")]
)
def test_batches_without_a_pair(function: Any, labels: list[int], saw: str) -> None:
    with pytest.raises(BatchError, match=f"without a pair to learn from.*{saw}.*P x K"):
        function(torch.randn(len(labels), 2), torch.tensor(labels, dtype=torch.int64))
    with pytest.raises(BatchError, match=saw):
        triplet_kinds(torch.randn(len(labels), 2), torch.tensor(labels, dtype=torch.int64), margin=0.1)


@pytest.mark.parametrize(("shape", "count"), [((4, 2), 3), ((4,), 4), ((2, 2, 2), 2)])
def test_shapes_that_do_not_fit(shape: tuple[int, ...], count: int) -> None:
    with pytest.raises(BatchError, match=r"do not fit together.*\[n, d\] and \[n\]"):
        mine_semi_hard(torch.zeros(shape), torch.zeros(count, dtype=torch.int64))


def test_nan_does_not_stop_the_mining() -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0, dims=3)
    rows[1] = math.nan
    assert len(mine_semi_hard(rows, labels).anchor) == 4
    assert np.isfinite(mine_batch_hard(rows, labels).negative.numpy()).all()
