"""Distances and partners against loops written from the definitions."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor

from lookalike.errors import ConfigError
from lookalike.training.distances import Distance, classes_of, pairwise_distances, positives_of
from loss_batches import DISTANCES, distance_by_hand


def test_positives_are_filled_up_with_the_row_itself() -> None:
    found = positives_of(torch.tensor([4, 9, 4, 4, 9, 1]))
    assert [sorted(row) for row in found.tolist()] == [[2, 3], [1, 4], [0, 3], [0, 2], [1, 4], [5, 5]]


def test_classes_are_sorted_and_counted() -> None:
    order, sizes = classes_of(torch.tensor([4, 9, 4, 4, 9, 1]))
    assert order.tolist() == [5, 0, 2, 3, 1, 4]
    assert sizes.tolist() == [1, 3, 2]


def test_distances_under_autocast_are_not_in_half_precision() -> None:
    rows = torch.randn(20, 16, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = pairwise_distances(rows)
    torch.testing.assert_close(inside, pairwise_distances(rows))


@pytest.mark.parametrize("distance", DISTANCES)
def test_distances_by_hand(distance: Distance) -> None:
    rows = torch.randn(6, 4, dtype=torch.float64)
    found = pairwise_distances(rows, distance=distance)
    for i in range(6):
        for j in range(6):
            assert found[i, j].item() == pytest.approx(distance_by_hand(rows[i], rows[j], distance), abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
def test_gradient_of_distances(distance: Distance) -> None:
    rows = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    apart = ~torch.eye(5, dtype=torch.bool)
    assert torch.autograd.gradcheck(
        lambda z: pairwise_distances(z, distance=distance)[apart], rows, atol=1e-5
    )


@pytest.mark.parametrize("distance", DISTANCES)
def test_gradient_of_distances_is_finite(distance: Distance) -> None:
    rows = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [0, 0], [0, 0]], requires_grad=True)
    distances = pairwise_distances(rows, distance=distance)
    distances.sum().backward()
    assert distances.isfinite().all()
    assert cast(Tensor, rows.grad).isfinite().all()


def test_misspelt_distance() -> None:
    with pytest.raises(ConfigError, match=r"unknown distance.*'euclidian'.*did you mean euclidean\?"):
        pairwise_distances(torch.eye(2), distance=cast(Any, "euclidian"))
    with pytest.raises(ConfigError, match="choose one of these"):
        pairwise_distances(torch.eye(2), distance=cast(Any, "x"))
