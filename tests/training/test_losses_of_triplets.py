"""What each loss of mined triplets does at the edge: identical, opposite, collapsed and perfect rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize

from lookalike.training.losses import (
    triplet_batch_hard,
    triplet_distance_weighted,
    triplet_easy_positive,
    triplet_semi_hard,
)
from loss_batches import DISTANCES

EVERY = pytest.mark.parametrize(
    "loss",
    [triplet_semi_hard, triplet_batch_hard, triplet_easy_positive, triplet_distance_weighted],
    ids=lambda loss: loss.__name__,
)


@EVERY
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_identical_opposite_and_zero_rows(
    loss: Callable[..., Tensor], dtype: torch.dtype, distance: str
) -> None:
    rows = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0], [0, 0], [0, 0], [1, 0], [0, 0]], dtype=dtype)
    rows.requires_grad_()
    value = loss(rows, torch.tensor([0, 0, 0, 1, 1, 2, 2, 3]), margin=1.0, distance=distance)
    value.backward()
    assert value.isfinite()
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    gradient = cast(Tensor, rows.grad)
    assert gradient.isfinite().all()
    assert gradient.dtype == dtype


@EVERY
def test_a_collapsed_batch_costs_the_margin(loss: Callable[..., Tensor]) -> None:
    rows = normalize(torch.ones(8, 5), dim=1).requires_grad_()
    value = loss(rows, torch.arange(8) // 2, margin=0.7)
    value.backward()
    assert value.item() == pytest.approx(0.7)
    assert cast(Tensor, rows.grad).abs().max() == 0


@EVERY
def test_perfect_clusters_cost_nothing(loss: Callable[..., Tensor]) -> None:
    rows = torch.eye(4).repeat_interleave(3, dim=0).requires_grad_()
    value = loss(rows, torch.arange(12) // 3, margin=0.9)
    value.backward()
    assert value.item() == 0
    assert cast(Tensor, rows.grad).abs().max() == 0
