"""Losses on easy positives and distance-weighted negatives: formulas, numeric gradients, planted batches."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import log_softmax

from lookalike.errors import BatchError, ConfigError
from lookalike.training.distances import Distance
from lookalike.training.losses import (
    mined,
    triplet_batch_hard,
    triplet_distance_weighted,
    triplet_easy_positive,
    triplet_loss,
)
from lookalike.training.mining import mine_distance_weighted, mine_easy_positive
from lookalike.training.triplets import mine_batch_hard
from loss_batches import DISTANCES, batches, embed

BOTH: tuple[Callable[..., Tensor], ...] = (triplet_easy_positive, triplet_distance_weighted)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=50)
@given(batches(), st.floats(0.05, 3.0))
def test_easy_positive_is_the_papers_log_softmax(batch: tuple[list[int], int], temperature: float) -> None:
    rows, labels = embed(*batch)
    terms = []
    for a in range(len(labels)):
        alike = rows @ rows[a]
        mates = [p for p in range(len(labels)) if p != a and labels[p] == labels[a]]
        others = [n for n in range(len(labels)) if labels[n] != labels[a]]
        if mates:
            positive = max(float(alike[p]) for p in mates)
            beyond = [float(alike[n]) for n in others if alike[n] < positive]
            negative = max(beyond) if beyond else min(float(alike[n]) for n in others)
            both = torch.tensor([positive, negative], dtype=torch.float64) / temperature
            terms.append(-log_softmax(both, dim=0)[0].item())
    loss = triplet_easy_positive(rows, labels, temperature=temperature)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), abs=1e-9)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("negatives", ["semi_hard", "hard"])
def test_easy_positive_is_the_mean_over_its_triplets(negatives: Any, distance: Distance) -> None:
    rows, labels = embed([i // 3 for i in range(24)], seed=1)
    picked = mine_easy_positive(rows, labels, negatives=negatives)
    expected = triplet_loss(rows, picked, margin=0.3, distance=distance)
    found = triplet_easy_positive(rows, labels, negatives=negatives, margin=0.3, distance=distance)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distance_weighted_is_the_mean_over_its_draws(distance: Distance) -> None:
    rows, labels = embed([i // 3 for i in range(24)], seed=1)
    drawn = mine_distance_weighted(rows, labels, cutoff=0.2, farthest=1.1, generator=seeded())
    expected = triplet_loss(rows, drawn, margin=0.3, distance=distance)
    found = triplet_distance_weighted(
        rows, labels, margin=0.3, distance=distance, cutoff=0.2, farthest=1.1, generator=seeded()
    )
    torch.testing.assert_close(found, expected)


def test_every_option_changes_the_value() -> None:
    rows, labels = embed([i // 4 for i in range(48)], seed=0)
    easy: tuple[dict[str, Any], ...] = (
        {},
        {"negatives": "hard"},
        {"margin": 0.2},
        {"temperature": 0.5},
        {"distance": "euclidean"},
    )
    drawn: tuple[dict[str, Any], ...] = (
        {},
        {"margin": 0.5},
        {"distance": "squared"},
        {"cutoff": 1.2},
        {"farthest": 0.7},
    )
    values = [triplet_easy_positive(rows, labels, **options).item() for options in easy]
    values += [
        triplet_distance_weighted(rows, labels, generator=seeded(), **options).item() for options in drawn
    ]
    values.append(triplet_distance_weighted(rows, labels, generator=seeded(9)).item())
    assert len({round(value, 9) for value in values}) == len(values)


def test_skipping_in_batch_hard() -> None:
    rows, labels = embed([i // 4 for i in range(32)], seed=0)
    skips: dict[str, Any] = {"skip_negatives": 2, "skip_positives": 1}
    expected = triplet_loss(rows, mine_batch_hard(rows, labels, **skips), margin=0.3)
    torch.testing.assert_close(triplet_batch_hard(rows, labels, margin=0.3, **skips), expected)
    values = [
        triplet_batch_hard(rows, labels, margin=0.3, skip_negatives=n, skip_positives=p).item()
        for n, p in ((0, 0), (1, 0), (2, 0), (2, 1))
    ]
    assert values == sorted(values, reverse=True), "each skipped one makes the loss gentler"
    assert len(set(values)) == 4


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("margin", [0.3, "soft"])
def test_numeric_gradient(margin: Any, distance: Distance) -> None:
    rows, labels = embed([0, 0, 0, 1, 1, 2, 2, 3], seed=3)
    rows.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: triplet_easy_positive(z, labels, margin=margin, distance=distance), rows
    )
    if margin != "soft":
        assert torch.autograd.gradcheck(
            lambda z: triplet_distance_weighted(
                z, labels, margin=margin, distance=distance, generator=seeded()
            ),
            rows,
        )


@pytest.mark.parametrize("loss", BOTH)
def test_lower_precision_is_near(loss: Callable[..., Tensor]) -> None:
    rows, labels = embed([i // 4 for i in range(64)], seed=5, dims=32)
    options = {"margin": 0.4} | ({"generator": seeded()} if loss is triplet_distance_weighted else {})
    exact = loss(rows, labels, **options).item()
    options |= {"generator": seeded()} if "generator" in options else {}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(rows.float(), labels, **options).item() == pytest.approx(exact, abs=1e-5)


def test_order_and_rotation_do_not_matter() -> None:
    rows, labels = embed([0, 0, 0, 1, 1, 2, 2, 2, 3], seed=2)
    expected = triplet_easy_positive(rows, labels).item()
    order = torch.randperm(9, generator=seeded())
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=seeded()))[0]
    for z, y in ((rows[order], labels[order]), (rows @ turn, labels), (rows, labels * 7 - 3)):
        assert triplet_easy_positive(z, y).item() == pytest.approx(expected)


@pytest.mark.parametrize("temperature", [0, -1.0, math.nan, "x"])
def test_temperatures_that_cannot_be_used(temperature: Any) -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0)
    with pytest.raises(ConfigError, match=r"loss\.temperature - saw .*wanted a number >= 1e-06"):
        triplet_easy_positive(rows, labels, temperature=temperature)
    with pytest.raises(ConfigError, match=r"saw .*margin: 0\.2.*wanted a temperature beside margin: soft"):
        triplet_easy_positive(rows, labels, margin=0.2, temperature=0.1)


@pytest.mark.parametrize("loss", BOTH)
def test_batches_and_options_that_cannot_be_used(loss: Callable[..., Tensor]) -> None:
    rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    with pytest.raises(BatchError, match="P x K"):
        loss(rows, torch.arange(4))
    with pytest.raises(ConfigError, match=r"did you mean squared\?"):
        loss(rows, labels, distance="square")
    with pytest.raises(ConfigError, match=r"loss\.margin - saw .*wanted a number"):
        loss(rows, labels, margin=-1.0)
    with pytest.raises(ConfigError, match=r"loss\.margin - saw .*wanted a number"):
        triplet_distance_weighted(rows, labels, margin=cast(Any, "soft"))
    with pytest.raises(ConfigError, match=r"did you mean hard\?"):
        triplet_easy_positive(rows, labels, negatives=cast(Any, "hardest"))


def test_examples_in_the_docstrings() -> None:
    result = doctest.testmod(mined)
    assert result.attempted >= 2
    assert result.failed == 0
