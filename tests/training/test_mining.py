"""Easy positives, distance-weighted negatives and multi-similarity pairs against their definitions."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lookalike.errors import BatchError, ConfigError
from lookalike.training import distances, losses, mining, triplets
from lookalike.training.mining import mine_distance_weighted, mine_easy_positive, mine_multi_similarity
from lookalike.training.triplets import Triplets
from loss_batches import UNEQUAL, batches, embed

MINERS = (mine_easy_positive, mine_distance_weighted, mine_multi_similarity)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def as_list(mined: Triplets) -> list[tuple[int, ...]]:
    return list(zip(*(part.tolist() for part in mined), strict=True))


@settings(deadline=None, max_examples=60)
@given(batches(last=4, most=14), st.sampled_from(["semi_hard", "hard"]))
def test_easy_positive_is_what_two_loops_find(batch: tuple[list[int], int], negatives: Any) -> None:
    rows, labels = embed(*batch, dims=3)
    expected = []
    for a in range(len(labels)):
        far = [float((rows[a] - row).norm()) for row in rows]
        mates = [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        others = [n for n in range(len(labels)) if labels[n] != labels[a]]
        if mates:
            p = min(mates, key=far.__getitem__)
            beyond = [n for n in others if far[n] > far[p]]
            if negatives == "hard":
                n = min(others, key=far.__getitem__)
            else:
                n = min(beyond, key=far.__getitem__) if beyond else max(others, key=far.__getitem__)
            expected.append((a, p, n))
    assert as_list(mine_easy_positive(rows, labels, negatives=negatives)) == expected


def test_planted_easy_positives() -> None:
    """From row 0: positives at 2 and 5, negatives at 1, 3 and 9."""
    rows = torch.tensor([[0.0], [2.0], [5.0], [-1.0], [-3.0], [-9.0]])
    labels = torch.tensor([0, 0, 0, 1, 2, 3])
    assert as_list(mine_easy_positive(rows, labels))[0] == (0, 1, 4), "nearest positive, nearest beyond it"
    assert as_list(mine_easy_positive(rows, labels, negatives="hard"))[0] == (0, 1, 3)
    crowded = torch.tensor([[0.0], [10.0], [1.0], [4.0]])
    assert as_list(mine_easy_positive(crowded, torch.tensor([0, 0, 1, 2])))[0] == (0, 1, 3), "none beyond"


def test_easy_positives_are_those_of_pytorch_metric_learning() -> None:
    """It drops an anchor without a negative beyond its positive, which this batch does not have."""
    from pytorch_metric_learning.miners import BatchEasyHardMiner

    rows, labels = embed([i // 4 for i in range(48)], seed=2, dims=16)
    theirs = Triplets(*(BatchEasyHardMiner()(rows, labels)[k] for k in (0, 1, 3)))
    assert len(theirs.anchor) == 48
    assert as_list(mine_easy_positive(rows, labels)) == as_list(theirs)
    theirs = Triplets(*(BatchEasyHardMiner(neg_strategy="hard")(rows, labels)[k] for k in (0, 1, 3)))
    assert as_list(mine_easy_positive(rows, labels, negatives="hard")) == as_list(theirs)


def weight_by_hand(rows: Tensor, a: int, n: int, cutoff: float, farthest: float) -> float:
    dims, far = rows.shape[1], float((rows[a] - rows[n]).norm())
    clipped = max(far, cutoff)
    density = clipped ** (dims - 2) * (1 - clipped**2 / 4) ** ((dims - 3) / 2)
    return 1 / density if far < farthest else 0.0


@pytest.mark.parametrize("labels", [[i // 3 for i in range(12)], [0] * 7 + [1] * 2 + [2] * 3 + [3]])
def test_negatives_come_up_as_often_as_their_weights_say(labels: list[int]) -> None:
    rows, y = embed(labels, seed=1, dims=5)
    generator, times = seeded(), 500
    seen = torch.zeros(len(labels), len(labels))
    for _ in range(times):
        mined = mine_distance_weighted(rows, y, cutoff=0.6, farthest=1.5, generator=generator)
        seen.index_put_((mined.anchor, mined.negative), torch.ones(len(mined.anchor)), accumulate=True)
    for a in range(len(labels)):
        others = [n for n in range(len(labels)) if labels[n] != labels[a]]
        weights = torch.tensor([weight_by_hand(rows, a, n, 0.6, 1.5) for n in others])
        draws = times * (labels.count(labels[a]) - 1)
        share = weights / weights.sum()
        error = (share * (1 - share) / max(draws, 1)).sqrt()
        assert ((seen[a, others] / max(draws, 1) - share * bool(draws)).abs() <= 4.5 * error + 1e-9).all()
        assert seen[a].sum() == draws


def test_distance_weighted_counts_labels_and_seeds() -> None:
    rows, labels = embed([3, 3, 3, 7, 7, 9, 3], seed=1, dims=3)
    mined = mine_distance_weighted(rows, labels, generator=seeded(5))
    assert len(mined.anchor) == 4 * 3 + 2 * 1
    pairs = list(zip(mined.anchor.tolist(), mined.positive.tolist(), strict=True))
    assert len(set(pairs)) == len(pairs)
    assert (labels[mined.anchor] == labels[mined.positive]).all()
    assert (labels[mined.anchor] != labels[mined.negative]).all()
    assert (mined.anchor != mined.positive).all()
    assert as_list(mine_distance_weighted(rows, labels, generator=seeded(5))) == as_list(mined)
    again = [mine_distance_weighted(rows, labels, generator=seeded(seed)).negative for seed in range(6)]
    assert any(not torch.equal(negative, mined.negative) for negative in again)
    torch.manual_seed(5)
    assert as_list(mine_distance_weighted(rows, labels)) == as_list(mined), "torch's own generator"


def test_far_negatives_are_drawn_only_where_there_is_no_other() -> None:
    """Rows 0 and 1 at 0°, negatives at 60° (D 1) and at 180° (D 2); row 2 sees its positive and row 5 far."""
    turn = torch.tensor([0.0, 0.0, 180.0, 180.0, 60.0, 1.0]).deg2rad()
    rows, labels = torch.stack((turn.cos(), turn.sin()), dim=1), torch.tensor([0, 0, 1, 1, 2, 0])
    drawn: dict[int, set[int]] = {a: set() for a in range(6)}
    generator = seeded()
    for _ in range(60):
        for a, _, n in as_list(mine_distance_weighted(rows, labels, generator=generator)):
            drawn[a].add(n)
    assert drawn[0] == {4}
    assert drawn[2] == {0, 1, 4, 5}, "all are at 1.4 or beyond: evenly"
    assert drawn[4] == set()


def test_cutoff_evens_out_the_nearest() -> None:
    """Two negatives, at 0.01 and at 0.3, in 64 dimensions: without a cutoff the nearer wins every time."""
    rows = torch.zeros(4, 64)
    for row, turn in zip(rows, (0.0, 0.5, 0.01, 0.3), strict=True):
        row[0], row[1] = math.cos(turn), math.sin(turn)
    labels = torch.tensor([0, 0, 1, 2])
    generator = seeded()
    for cutoff, shares in ((0.0, (0.0, 0.0)), (0.5, (0.2, 0.8))):
        farther = [
            mine_distance_weighted(rows, labels, cutoff=cutoff, generator=generator).negative[0] == 3
            for _ in range(100)
        ]
        assert shares[0] <= sum(farther) / 100 <= shares[1]


def test_identical_and_opposite_rows_can_be_drawn_from() -> None:
    rows = torch.tensor([[1.0, 0, 0, 0]] * 4 + [[-1.0, 0, 0, 0]] * 3 + [[0.0, 0, 0, 0]])
    labels = torch.tensor([0, 0, 1, 2, 2, 1, 0, 1])
    mined = mine_distance_weighted(rows, labels, cutoff=0.0, farthest=2.0, generator=seeded())
    assert (labels[mined.anchor] != labels[mined.negative]).all()


@settings(deadline=None, max_examples=60)
@given(batches(last=4, most=14), st.floats(0, 1.5))
def test_pairs_are_what_two_loops_find(batch: tuple[list[int], int], epsilon: float) -> None:
    rows, labels = embed(*batch, dims=3)
    found = mine_multi_similarity(rows, labels, epsilon=epsilon)
    for a in range(len(labels)):
        alike = [float(rows[a] @ row) for row in rows]
        mates = [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        others = [n for n in range(len(labels)) if labels[n] != labels[a]]
        nearest = max(alike[n] for n in others)
        farthest = min((alike[p] for p in mates), default=math.inf)
        assert found.positive[a].nonzero()[:, 0].tolist() == [
            p for p in mates if alike[p] < nearest + epsilon
        ]
        assert found.negative[a].nonzero()[:, 0].tolist() == [
            n for n in others if alike[n] > farthest - epsilon
        ]


@pytest.mark.parametrize("labels", [[i // 4 for i in range(40)], UNEQUAL])
def test_pairs_are_those_of_pytorch_metric_learning(labels: list[int]) -> None:
    from pytorch_metric_learning.miners import MultiSimilarityMiner

    rows, y = embed(labels, seed=3, dims=8)
    a1, p, a2, n = MultiSimilarityMiner(epsilon=0.05)(rows, y)
    found = mine_multi_similarity(rows, y, epsilon=0.05)
    assert set(map(tuple, found.positive.nonzero().tolist())) == set(
        zip(a1.tolist(), p.tolist(), strict=True)
    )
    assert set(map(tuple, found.negative.nonzero().tolist())) == set(
        zip(a2.tolist(), n.tolist(), strict=True)
    )
    same = y[:, None] == y
    assert 0 < len(p) < int(same.sum()) - len(y), "some are left out"
    assert 0 < len(n) < int((~same).sum())


def test_told_apart_classes_leave_no_pair() -> None:
    found = mine_multi_similarity(torch.eye(4).repeat_interleave(3, dim=0), torch.arange(12) // 3)
    assert not found.positive.any()
    assert not found.negative.any()
    everything = mine_multi_similarity(
        torch.eye(4).repeat_interleave(3, dim=0), torch.arange(12) // 3, epsilon=1.5
    )
    assert (int(everything.positive.sum()), int(everything.negative.sum())) == (12 * 2, 12 * 9)


def test_blocks_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = embed(UNEQUAL, seed=7, dims=3)
    easy, drawn = mine_easy_positive(rows, labels), mine_distance_weighted(rows, labels, generator=seeded())
    pairs = mine_multi_similarity(rows, labels)
    monkeypatch.setattr(distances, "_BLOCK_ELEMENTS", 50)  # 2 rows of 18 at a time
    assert as_list(mine_easy_positive(rows, labels)) == as_list(easy)
    assert as_list(mine_distance_weighted(rows, labels, generator=seeded())) == as_list(drawn)
    for block, whole in zip(mine_multi_similarity(rows, labels), pairs, strict=True):
        torch.testing.assert_close(block, whole)


@pytest.mark.parametrize("mine", MINERS)
def test_order_scale_and_precision_do_not_matter(mine: Any) -> None:
    rows, labels = embed([i // 3 for i in range(30)], seed=3, dims=8)
    options = {"generator": seeded()} if mine is mine_distance_weighted else {}
    expected = mine(rows, labels, **options)
    options = {"generator": seeded()} if options else {}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mine((rows * 4).float().requires_grad_(), labels.int() * 3 - 7, **options)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(found, expected, strict=True))
    if not options:
        order = torch.randperm(30, generator=seeded())
        shuffled = mine(rows[order], labels[order])
        if mine is mine_easy_positive:
            assert sorted(as_list(Triplets(*(order[part] for part in shuffled)))) == as_list(expected)
        else:
            assert torch.equal(shuffled.negative, expected.negative[order][:, order])


def test_nan_does_not_stop_the_mining() -> None:
    rows, labels = embed([0, 0, 1, 1, 2], seed=0, dims=3)
    rows[1] = math.nan
    assert len(mine_easy_positive(rows, labels).anchor) == 4
    drawn = mine_distance_weighted(rows, labels, generator=seeded())
    assert (labels[drawn.anchor] != labels[drawn.negative]).all()
    assert not mine_multi_similarity(rows, labels).negative[:, 1].any()


@pytest.mark.parametrize("mine", MINERS)
def test_batches_that_cannot_be_mined(mine: Any) -> None:
    with pytest.raises(BatchError, match="P x K"):
        mine(torch.eye(3), torch.arange(3))
    with pytest.raises(BatchError, match="all of one label"):
        mine(torch.eye(3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(BatchError, match="do not fit together"):
        mine(torch.eye(3), torch.zeros(4, dtype=torch.int64))


def test_options_that_cannot_be_used() -> None:
    rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    with pytest.raises(ConfigError, match=r"unknown negatives.*'semihard'.*did you mean semi_hard\?"):
        mine_easy_positive(rows, labels, negatives=cast(Any, "semihard"))
    for epsilon in (-0.1, math.nan, "x"):
        with pytest.raises(ConfigError, match=r"epsilon.*wanted a number >= 0"):
            mine_multi_similarity(rows, labels, epsilon=cast(Any, epsilon))
    for cutoff in (-0.1, 2.5, math.nan, "x"):
        with pytest.raises(
            ConfigError, match=r"mine_distance_weighted: loss\.cutoff.*wanted a number >= 0 and <= 2"
        ):
            mine_distance_weighted(rows, labels, cutoff=cast(Any, cutoff))
    for farthest in (0.0, 2.1):
        with pytest.raises(
            ConfigError, match=r"mine_distance_weighted: loss\.farthest.*wanted a number > 0 and <= 2"
        ):
            mine_distance_weighted(rows, labels, farthest=farthest)


def test_the_page_of_losses_names_what_is_there_and_leaves_nothing_out() -> None:
    page = (Path(__file__).parents[2] / "docs" / "losses.md").read_text(encoding="utf-8")
    made = {name for module in (mining, triplets) for name in vars(module) if name.startswith("mine_")}
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == {*made, "triplet_kinds"}
    assert made <= set(mining.__all__)
    for module in (mining, losses):
        own = module.__name__.rpartition(".")[2]
        used = set(re.findall(rf"(?<![\w.]){own}\.(\w+)", page))
        assert used
        assert used <= set(module.__all__)
    assert all(hasattr(mining, name) for name in mining.__all__)
