"""Every number against a slow way that follows its definition."""

from __future__ import annotations

import math
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lookalike.config import LossConfig
from lookalike.runfile import parse_config
from lookalike.training import tally
from lookalike.training.alarms import hinge_of
from lookalike.training.tally import (
    BINS,
    MINERS,
    Tally,
    active_share,
    effective_rank,
    has_pairs,
    miner_of,
    similarity_counts,
    spread,
    whole_classes,
)

LABELS = torch.tensor([0, 1, 1, 0, 2, 2, 1, 3])


def unit_rows(count: int, dims: int, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    rows = torch.randn(count, dims, generator=random, dtype=torch.float64)
    return torch.nn.functional.normalize(rows, dim=1).to(dtype)


def loss_of(name: str, **options: Any) -> LossConfig:
    return parse_config({"loss": {"name": name, **options}}).loss


def distance(a: Tensor, b: Tensor, name: str) -> float:
    squared = float(((a - b).double() ** 2).sum())
    return {"euclidean": math.sqrt(squared), "squared": squared, "cosine": squared / 2}[name]


def test_spread_is_the_mean_deviation_of_the_dimensions() -> None:
    rows = unit_rows(7, 3)
    deviations = [
        math.sqrt(sum((x - sum(column) / 7) ** 2 for x in column) / 7) for column in rows.double().T.tolist()
    ]
    assert spread(rows) == pytest.approx(math.sqrt(3) * sum(deviations) / 3, rel=1e-6)


def test_spread_is_one_all_around_and_zero_on_a_point() -> None:
    assert spread(unit_rows(20_000, 16)) == pytest.approx(1.0, abs=0.01)
    assert spread(torch.eye(4).repeat(2, 1) * torch.tensor([1.0, -1.0]).repeat_interleave(4)[:, None]) == 1.0
    assert spread(unit_rows(1, 16).repeat(50, 1)) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("shape", [(5, 9), (9, 5), (6, 6)])
def test_effective_rank_is_the_entropy_of_the_singular_values(shape: tuple[int, int]) -> None:
    rows = unit_rows(*shape)
    values = np.linalg.svd(rows.double().numpy(), compute_uv=False)
    shares = values / values.sum()
    entropy = -sum(p * math.log(p) for p in shares)
    assert effective_rank(rows) == pytest.approx(math.exp(entropy), rel=1e-6)


def test_effective_rank_counts_directions() -> None:
    assert effective_rank(torch.eye(8)) == pytest.approx(8.0)
    assert effective_rank(torch.eye(8)[:3].repeat(5, 1)) == pytest.approx(3.0, abs=1e-4)
    assert effective_rank(unit_rows(1, 8).repeat(5, 1)) == pytest.approx(1.0, abs=1e-4)
    line = unit_rows(1, 8) * torch.tensor([1.0, -1.0, -1.0])[:, None]
    assert effective_rank(line) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("measure", [spread, effective_rank])
def test_order_and_dimension_order_do_not_matter(measure: Any) -> None:
    rows = unit_rows(12, 6)
    shuffled = rows[torch.randperm(12)][:, torch.randperm(6)]
    assert measure(shuffled) == pytest.approx(measure(rows), rel=1e-6)


def test_similarities_are_counted_pair_by_pair() -> None:
    rows = unit_rows(len(LABELS), 3)
    counts, sums = torch.zeros(2, BINS, dtype=torch.int64), [0.0, 0.0]
    for i, j in combinations(range(len(LABELS)), 2):
        similarity = float(rows[i] @ rows[j])
        same = int(LABELS[i] == LABELS[j])
        counts[same, min(int((similarity + 1) / 2 * BINS), BINS - 1)] += 1
        sums[same] += similarity
    found, found_sums = similarity_counts(rows, LABELS)
    assert torch.equal(found, counts)
    assert found_sums.tolist() == pytest.approx(sums, abs=1e-6)


def test_similarities_at_the_ends_and_at_zero_are_counted() -> None:
    rows = torch.tensor([[1.0, 0.0], [1.0 + 1e-6, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    counts, _ = similarity_counts(rows, torch.tensor([0, 0, 1, 1]))
    assert counts[1, -1] == 1, "the pair above 1 by rounding"
    assert counts[1, BINS // 2] == 1, "the pair at a right angle lies in the bin above 0"
    assert counts[0, 0] == 2
    assert counts[0, BINS // 2] == 2
    assert counts.sum() == 6


@pytest.mark.parametrize("name", ["euclidean", "squared", "cosine"])
@pytest.mark.parametrize("loss", sorted(MINERS))
def test_active_share_is_that_of_the_mined_triplets(loss: str, name: str) -> None:
    rows = unit_rows(len(LABELS), 3)
    asked = loss_of(loss, margin=0.3, distance=name)
    miner, hinge = miner_of(asked), hinge_of(asked)
    assert miner is not None
    assert hinge is not None
    losses = [
        max(0.0, distance(rows[a], rows[p], name) - distance(rows[a], rows[n], name) + 0.3)
        for a, p, n in zip(*(part.tolist() for part in miner(rows, LABELS)), strict=True)
    ]
    expected = sum(value > 0 for value in losses) / len(losses)
    assert 0 < expected < 1
    assert active_share(rows, LABELS, mine=miner, hinge=hinge) == pytest.approx(expected)


def test_miner_has_the_options_of_its_loss() -> None:
    rows = unit_rows(len(LABELS), 3)
    plain = miner_of(loss_of("triplet_batch_hard", margin=0.3))
    skipping = miner_of(loss_of("triplet_batch_hard", margin=0.3, skip_negatives=2))
    assert plain is not None
    assert skipping is not None
    assert not torch.equal(plain(rows, LABELS).negative, skipping(rows, LABELS).negative)
    assert miner_of(loss_of("multi_similarity")) is None


@pytest.mark.parametrize("name", ["euclidean", "squared", "cosine"])
def test_kinds_follow_the_margin_and_distance_of_the_loss(name: str) -> None:
    rows = unit_rows(len(LABELS), 3)
    counts = np.zeros(3)
    for a, p, n in permutations(range(len(LABELS)), 3):
        if LABELS[a] != LABELS[p] or LABELS[a] == LABELS[n]:
            continue
        near, far = distance(rows[a], rows[p], name), distance(rows[a], rows[n], name)
        counts[0 if far > near + 0.3 else 1 if far > near else 2] += 1
    summed = Tally(loss_of("triplet_batch_all", margin=0.3, distance=name))
    summed.add(rows, LABELS)
    row = summed.row("train")
    shares = [row["train_easy"], row["train_semi_hard"], row["train_hard"]]
    assert shares == pytest.approx((counts / counts.sum()).tolist())
    assert row["train_active"] == pytest.approx(1 - shares[0]), "batch-all looks at every triplet"


@pytest.mark.parametrize("loss", ["multi_similarity", "normalised_softmax", "triplet_batch_hard"])
def test_without_a_margin_it_is_zero(loss: str) -> None:
    summed = Tally(loss_of(loss))
    summed.add(unit_rows(len(LABELS), 3), LABELS)
    row = summed.row("val")
    assert row["val_semi_hard"] == 0
    assert 0 < row["val_easy"] < 1
    assert "val_active" not in row


def test_batches_add_up() -> None:
    summed, parts = Tally(loss_of("triplet_semi_hard")), []
    for seed in range(3):
        rows = unit_rows(len(LABELS), 3, seed=seed)
        summed.add(rows, LABELS)
        alone = Tally(loss_of("triplet_semi_hard"))
        alone.add(rows, LABELS)
        parts.append(alone.row("x"))
    row = summed.row("x")
    for name in ("easy", "hard", "active", "same_similarity", "different_similarity"):
        assert row[f"x_{name}"] == pytest.approx(np.mean([part[f"x_{name}"] for part in parts]))
    every = torch.cat([unit_rows(len(LABELS), 3, seed=seed) for seed in range(3)])
    assert row["x_spread"] == pytest.approx(spread(every))
    assert row["x_effective_rank"] == pytest.approx(effective_rank(every))
    histogram = summed.histogram()
    assert (histogram.same.sum(), histogram.different.sum()) == (3 * 5, 3 * 23)


def test_batches_without_triplets_are_not_counted_as_such() -> None:
    summed = Tally(loss_of("triplet_semi_hard"))
    summed.add(unit_rows(4, 3), torch.tensor([1, 1, 1, 1]))
    summed.add(unit_rows(4, 3, seed=1), torch.tensor([1, 2, 3, 4]))
    row = summed.row("train")
    assert all(math.isnan(row[f"train_{name}"]) for name in ("easy", "semi_hard", "hard", "active"))
    assert not math.isnan(row["train_same_similarity"])
    summed.add(unit_rows(len(LABELS), 3, seed=2), LABELS)
    assert sum(
        summed.row("train")[f"train_{name}"] for name in ("easy", "semi_hard", "hard")
    ) == pytest.approx(1)


def test_an_empty_tally_has_every_column() -> None:
    row = Tally(loss_of("triplet_semi_hard")).row("train")
    full = Tally(loss_of("triplet_semi_hard"))
    full.add(unit_rows(len(LABELS), 3), LABELS)
    assert row.keys() == full.row("train").keys()
    assert all(math.isnan(value) for value in row.values())


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tally, "MOST_ROWS", 20)
    summed = Tally(loss_of("triplet_semi_hard"))
    for seed in range(5):
        summed.add(unit_rows(len(LABELS), 3, seed=seed), LABELS)
    assert len(summed.state()["_rows"]) == 20


def test_a_restored_tally_goes_on() -> None:
    whole, first = Tally(loss_of("triplet_semi_hard")), Tally(loss_of("triplet_semi_hard"))
    for seed in range(4):
        whole.add(unit_rows(len(LABELS), 3, seed=seed), LABELS)
    for seed in range(2):
        first.add(unit_rows(len(LABELS), 3, seed=seed), LABELS)
    kept = first.state()
    first.add(unit_rows(len(LABELS), 3, seed=9), LABELS)  # what was kept does not change with it
    second = Tally(loss_of("triplet_semi_hard"))
    second.restore(kept)
    for seed in range(2, 4):
        second.add(unit_rows(len(LABELS), 3, seed=seed), LABELS)
    assert second.row("x") == whole.row("x")


def test_whole_classes_are_drawn() -> None:
    labels = torch.arange(50).repeat(4)
    rows = whole_classes(labels, most=41, seed=3)
    counts = labels[rows].bincount()
    assert len(rows) == 41
    assert sorted(counts[counts > 0].tolist()) == [1] + [4] * 10, "the last class is cut"
    assert rows.tolist() == sorted(rows.tolist())
    assert torch.equal(rows, whole_classes(labels, most=41, seed=3))
    assert not torch.equal(rows, whole_classes(labels, most=41, seed=4))
    assert whole_classes(labels, most=200, seed=3).tolist() == list(range(200))


@pytest.mark.parametrize(
    ("labels", "there"),
    [([1, 2, 1], True), ([1, 1, 1], False), ([1, 2, 3], False), ([1], False), ([2, 2], False)],
)
def test_a_pair_of_each_kind_is_found(labels: list[int], there: bool) -> None:
    assert has_pairs(torch.tensor(labels)) is there


def test_no_random_number_of_torchs_is_taken() -> None:
    before = torch.get_rng_state()
    for loss in MINERS:
        Tally(loss_of(loss, margin=0.3)).add(unit_rows(len(LABELS), 3), LABELS)
    assert torch.equal(torch.get_rng_state(), before)
