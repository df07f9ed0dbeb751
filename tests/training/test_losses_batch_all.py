"""The loss over every triplet against three loops, pytorch-metric-learning and numeric gradients."""

from __future__ import annotations

import doctest
import math
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from lookalike.errors import BatchError, ConfigError
from lookalike.training import distances
from lookalike.training.distances import Distance
from lookalike.training.losses import batch_all, triplet_batch_all
from loss_batches import DISTANCES, UNEQUAL, LargestTensor, batches, distance_by_hand, embed


def gradient_of(rows: Tensor, labels: Tensor, **options: Any) -> tuple[Tensor, Tensor]:
    leaf = rows.clone().requires_grad_()
    loss = triplet_batch_all(leaf, labels, **options)
    loss.backward()
    return loss.detach(), cast(Tensor, leaf.grad)


def dense(rows: Tensor, labels: Tensor, *, margin: float, distance: str) -> tuple[Tensor, Tensor]:
    """The formula over all n^3 triplets, its gradient by torch; `rows` of unit length."""
    leaf = rows.clone().requires_grad_()
    squared = (normalize(leaf, dim=1)[:, None] if distance == "cosine" else leaf[:, None]) - (
        normalize(leaf, dim=1)[None] if distance == "cosine" else leaf[None]
    )
    squared = squared.square().sum(2)
    if distance == "euclidean":
        lengths = squared.clamp(min=1e-30).sqrt()
    else:
        lengths = squared if distance == "squared" else squared / 2
    same = labels[:, None] == labels[None]
    valid = (same & ~torch.eye(len(labels), dtype=torch.bool))[:, :, None] & ~same[:, None, :]
    losses = (lengths[:, :, None] - lengths[:, None, :] + margin).relu() * valid
    loss = losses.sum() / (losses > 0).sum().clamp(min=1)
    loss.backward()
    return loss.detach(), cast(Tensor, leaf.grad)


@settings(deadline=None, max_examples=50)
@given(batches(), st.floats(0.05, 2.0), st.sampled_from(DISTANCES))
def test_value_by_three_loops(batch: tuple[list[int], int], margin: float, distance: Distance) -> None:
    rows, labels = embed(*batch)
    n, terms = len(labels), []
    for a in range(n):
        for p in (p for p in range(n) if p != a and labels[p] == labels[a]):
            for other in (k for k in range(n) if labels[k] != labels[a]):
                near, far = (
                    distance_by_hand(rows[a], rows[p], distance),
                    distance_by_hand(rows[a], rows[other], distance),
                )
                terms.append(max(0.0, near - far + margin))
    active = [term for term in terms if term > 0]
    loss = triplet_batch_all(rows, labels, margin=margin, distance=distance)
    assert loss.item() == pytest.approx(sum(active) / max(len(active), 1), abs=1e-6)


@pytest.mark.parametrize("widest", [64, 0])
@pytest.mark.parametrize("labels", [[i // 4 for i in range(24)], UNEQUAL])
@pytest.mark.parametrize("distance", DISTANCES)
def test_value_and_gradient_are_those_of_all_triplets(
    distance: Distance, labels: list[int], widest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_all, "_WIDEST_PASSES", widest)
    rows, y = embed(labels, seed=4, dims=6)
    expected = dense(rows, y, margin=0.3, distance=distance)
    assert expected[0] > 0
    for ours, theirs in zip(gradient_of(rows, y, margin=0.3, distance=distance), expected, strict=True):
        torch.testing.assert_close(ours, theirs)
    monkeypatch.setattr(distances, "_BLOCK_ELEMENTS", 60)  # a few anchors at a time
    for ours, theirs in zip(gradient_of(rows, y, margin=0.3, distance=distance), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("margin", [0.2, 3.0])
def test_numeric_gradient(margin: float, distance: Distance) -> None:
    rows, labels = embed([0, 0, 0, 1, 1, 2, 2, 3], seed=3)
    rows.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: triplet_batch_all(z, labels, margin=margin, distance=distance), rows
    )


def test_mean_and_gradient_are_those_of_pytorch_metric_learning() -> None:
    """Its triplet loss without a miner takes all triplets, and the mean over those with a loss > 0."""
    from pytorch_metric_learning.losses import TripletMarginLoss

    rows, labels = embed([i // 4 for i in range(48)], seed=2, dims=16)
    found, gradient = gradient_of(rows, labels, margin=0.1)
    theirs = rows.clone().requires_grad_()
    expected = TripletMarginLoss(margin=0.1)(theirs, labels)
    expected.backward()
    assert found.item() == pytest.approx(expected.item())
    # theirs goes through its own normalisation: compare along the sphere
    tangent = gradient - (gradient * rows).sum(1, keepdim=True) * rows
    torch.testing.assert_close(tangent, theirs.grad)


def test_easy_triplets_do_not_dilute_the_mean() -> None:
    """On a line: from row 0, D_ap 2 meets 3 and 9; from row 1 only D_an 1 is within the margin."""
    rows = torch.tensor([[0.0], [2.0], [3.0], [9.0]])
    loss = triplet_batch_all(rows, torch.tensor([0, 0, 1, 2]), margin=2.0)
    assert loss.item() == pytest.approx(((2 - 3 + 2) + (2 - 1 + 2)) / 2)


def test_a_triplet_on_the_border_does_not_count() -> None:
    rows = torch.tensor([[0.0], [2.0], [-3.0], [4.0]], dtype=torch.float64)
    loss = triplet_batch_all(rows, torch.tensor([0, 0, 1, 2]), margin=1.0)
    # from row 0, -3 lies at 3 = 2 + 1: a loss of 0; from row 1, 4 lies at 2 < 3
    assert loss.item() == pytest.approx(1.0)


@pytest.mark.parametrize("widest", [64, 0])
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_identical_opposite_and_zero_rows(
    dtype: torch.dtype, distance: Distance, widest: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_all, "_WIDEST_PASSES", widest)
    rows = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0], [0, 0], [0, 0], [1, 0], [0, 0]], dtype=dtype)
    value, gradient = gradient_of(rows, torch.tensor([0, 0, 0, 1, 1, 2, 2, 3]), margin=1.0, distance=distance)
    assert value.isfinite()
    assert value > 0
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert gradient.isfinite().all()
    assert gradient.dtype == dtype


def test_collapsed_batch_costs_the_margin() -> None:
    value, gradient = gradient_of(normalize(torch.ones(8, 5), dim=1), torch.arange(8) // 2, margin=0.7)
    assert value.item() == pytest.approx(0.7)
    assert gradient.abs().max() < 1e-3, "rounding of differences that are 0"


@pytest.mark.parametrize("distance", DISTANCES)
def test_perfect_clusters_cost_nothing(distance: Distance) -> None:
    rows = torch.eye(4).repeat_interleave(3, dim=0)
    value, gradient = gradient_of(rows, torch.arange(12) // 3, margin=0.9, distance=distance)
    assert value.item() == 0
    assert gradient.abs().max() == 0


@settings(deadline=None, max_examples=15)
@given(batches(), st.sampled_from(DISTANCES))
def test_order_and_rotation_do_not_matter(batch: tuple[list[int], int], distance: Distance) -> None:
    rows, labels = embed(*batch)
    expected = triplet_batch_all(rows, labels, margin=0.5, distance=distance).item()
    random = torch.Generator().manual_seed(1)
    order = torch.randperm(len(labels), generator=random)
    turn = torch.linalg.qr(torch.randn(4, 4, dtype=torch.float64, generator=random))[0]
    for z, y in ((rows[order], labels[order]), (rows @ turn, labels), (rows, labels * 7 - 3)):
        assert triplet_batch_all(z, y, margin=0.5, distance=distance).item() == pytest.approx(expected)


def test_lower_precision_is_near() -> None:
    rows, labels = embed([i // 4 for i in range(64)], seed=5, dims=32)
    exact = triplet_batch_all(rows, labels, margin=0.4).item()
    assert triplet_batch_all(rows.float(), labels, margin=0.4).item() == pytest.approx(exact, abs=1e-5)
    assert triplet_batch_all(rows.bfloat16(), labels, margin=0.4).item() == pytest.approx(exact, abs=2e-2)
    outside = gradient_of(rows.float(), labels, margin=0.4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = gradient_of(rows.float(), labels, margin=0.4)
    for ours, theirs in zip(inside, outside, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("per_class", [4, 150])
def test_no_tensor_is_larger_than_a_block(per_class: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = embed([i // per_class for i in range(300)], seed=0, dims=8)
    block = 30 * 300
    monkeypatch.setattr(distances, "_BLOCK_ELEMENTS", block)
    partners = 300 * (per_class - 1)  # the lists of positives, < n^2
    with LargestTensor() as largest:  # type: ignore[no-untyped-call]
        gradient_of(rows, labels)
    assert largest.elements <= max(block, partners)


def test_nan_is_not_hidden() -> None:
    rows, labels = embed([0, 0, 1, 1, 2], seed=0)
    rows[1] = math.nan
    assert triplet_batch_all(rows, labels).isnan()


def test_without_gradient_and_twice() -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0)
    rows.requires_grad_()
    with torch.no_grad():
        assert not triplet_batch_all(rows, labels).requires_grad
    loss = triplet_batch_all(rows, labels, margin=2.0)
    loss.backward(retain_graph=True)
    first = cast(Tensor, rows.grad).clone()
    (3 * loss).backward()
    torch.testing.assert_close(rows.grad, 4 * first)
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.autograd.grad(triplet_batch_all(rows, labels), rows, create_graph=True)


def test_options_and_batches_that_cannot_be_used() -> None:
    rows, labels = torch.eye(4), torch.tensor([0, 0, 1, 1])
    for margin in (0, -1.0, math.nan, "soft", None):
        with pytest.raises(ConfigError, match=r"triplet_batch_all: loss\.margin - saw .*wanted a number"):
            triplet_batch_all(rows, labels, margin=cast(Any, margin))
    with pytest.raises(ConfigError, match=r"did you mean squared\?"):
        triplet_batch_all(rows, labels, distance=cast(Any, "square"))
    with pytest.raises(BatchError, match="P x K"):
        triplet_batch_all(rows, torch.arange(4))
    with pytest.raises(BatchError, match="all of one label"):
        triplet_batch_all(rows, torch.zeros(4, dtype=torch.int64))


def test_example_in_the_docstring() -> None:
    result = doctest.testmod(batch_all)
    assert result.attempted >= 2
    assert result.failed == 0
