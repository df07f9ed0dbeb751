"""Triplet losses against loops over the formula, pytorch-metric-learning and numeric gradients."""

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
from torch.nn.functional import normalize

from lookalike.errors import BatchError, ConfigError
from lookalike.training.distances import Distance
from lookalike.training.losses import triplet, triplet_batch_hard, triplet_loss, triplet_semi_hard
from lookalike.training.triplets import Triplets, mine_batch_hard, mine_semi_hard
from loss_batches import DISTANCES, batches, distance_by_hand, embed

BOTH: tuple[Callable[..., Tensor], ...] = (triplet_semi_hard, triplet_batch_hard)


def penalty(near: float, far: float, margin: float | str) -> float:
    return math.log1p(math.exp(near - far)) if margin == "soft" else max(0.0, near - far + float(margin))


@settings(deadline=None, max_examples=50)
@given(batches(), st.floats(0.05, 2.0), st.sampled_from(DISTANCES))
def test_semi_hard_by_three_loops(batch: tuple[list[int], int], margin: float, distance: Distance) -> None:
    rows, labels = embed(*batch)
    n, terms = len(labels), []
    for a in range(n):
        far = [distance_by_hand(rows[a], rows[k], distance) for k in range(n) if labels[k] != labels[a]]
        for p in range(n):
            if p != a and labels[p] == labels[a]:
                near = distance_by_hand(rows[a], rows[p], distance)
                beyond = [other for other in far if other > near]
                terms.append(penalty(near, min(beyond) if beyond else max(far), margin))
    loss = triplet_semi_hard(rows, labels, margin=margin, distance=distance)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), abs=1e-6)


@settings(deadline=None, max_examples=50)
@given(batches(), st.floats(0.05, 2.0) | st.just("soft"), st.sampled_from(DISTANCES))
def test_batch_hard_by_two_loops(batch: tuple[list[int], int], margin: Any, distance: Distance) -> None:
    rows, labels = embed(*batch)
    n, terms = len(labels), []
    for a in range(n):
        near = [
            distance_by_hand(rows[a], rows[k], distance)
            for k in range(n)
            if k != a and labels[k] == labels[a]
        ]
        far = [distance_by_hand(rows[a], rows[k], distance) for k in range(n) if labels[k] != labels[a]]
        if near:
            terms.append(penalty(max(near), min(far), margin))
    loss = triplet_batch_hard(rows, labels, margin=margin, distance=distance)
    assert loss.item() == pytest.approx(sum(terms) / len(terms), abs=1e-6)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("margin", [0.2, 3.0, "soft"])
def test_numeric_gradient(margin: Any, distance: Distance) -> None:
    rows, labels = embed([0, 0, 0, 1, 1, 2, 2, 3], seed=3)
    rows.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda z: triplet_batch_hard(z, labels, margin=margin, distance=distance), rows
    )
    if margin != "soft":
        assert torch.autograd.gradcheck(
            lambda z: triplet_semi_hard(z, labels, margin=margin, distance=distance), rows
        )


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("margin", [0.3, "soft"])
def test_gradient_equals_that_of_separate_operations(margin: Any, distance: Distance) -> None:
    rows, labels = embed([i // 3 for i in range(24)], seed=1, dims=6)
    mined = mine_semi_hard(rows, labels)
    ours, plain = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    (2.5 * triplet_loss(ours, mined, margin=margin, distance=distance)).backward()
    unit = normalize(plain, dim=1) if distance == "cosine" else plain
    near = (unit[mined.anchor] - unit[mined.positive]).square().sum(1)
    far = (unit[mined.anchor] - unit[mined.negative]).square().sum(1)
    gaps = {"euclidean": near.sqrt() - far.sqrt(), "squared": near - far, "cosine": (near - far) / 2}[
        distance
    ]
    each = torch.nn.functional.softplus(gaps) if margin == "soft" else (gaps + margin).relu()
    (2.5 * each.mean()).backward()
    torch.testing.assert_close(ours.grad, plain.grad)


def test_chunks_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, labels = embed([i // 3 for i in range(24)], seed=1, dims=6)
    whole, parts = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    expected = triplet_semi_hard(whole, labels)
    expected.backward()
    monkeypatch.setattr(triplet, "_CHUNK_ELEMENTS", 6 * 7)  # 7 of 48 triplets at a time
    found = triplet_semi_hard(parts, labels)
    found.backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(parts.grad, whole.grad)


@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("loss", BOTH)
@settings(deadline=None, max_examples=15)
@given(batch=batches())
def test_order_and_rotation_do_not_matter(
    loss: Callable[..., Tensor], distance: str, batch: tuple[list[int], int]
) -> None:
    rows, labels = embed(*batch)
    expected = loss(rows, labels, margin=0.5, distance=distance).item()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1))
    turn = torch.linalg.qr(
        torch.randn(4, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2))
    )[0]
    assert loss(rows[order], labels[order], margin=0.5, distance=distance).item() == pytest.approx(expected)
    assert loss(rows @ turn, labels, margin=0.5, distance=distance).item() == pytest.approx(expected)
    assert loss(rows, labels * 7 - 3, margin=0.5, distance=distance).item() == pytest.approx(expected)


@pytest.mark.parametrize("loss", BOTH)
def test_lower_precision_is_near(loss: Callable[..., Tensor]) -> None:
    rows, labels = embed([i // 4 for i in range(64)], seed=5, dims=32)
    exact = loss(rows, labels, margin=0.4).item()
    assert loss(rows.float(), labels, margin=0.4).item() == pytest.approx(exact, abs=1e-5)
    assert loss(rows.bfloat16(), labels, margin=0.4).item() == pytest.approx(exact, abs=2e-2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(rows.float(), labels, margin=0.4).item() == pytest.approx(exact, abs=1e-5)


def test_cosine_divides_by_the_length() -> None:
    rows, labels = embed([0, 0, 1, 1, 2, 2], seed=0)
    stretched = rows * torch.tensor([[1.0], [3], [0.1], [7], [1], [2]])
    expected = triplet_semi_hard(rows, labels, distance="cosine").item()
    assert triplet_semi_hard(stretched, labels, distance="cosine").item() == pytest.approx(expected)


def test_distances_and_margins_differ() -> None:
    rows, labels = embed([i // 4 for i in range(32)], seed=0)
    values = [triplet_batch_hard(rows, labels, margin=0.4, distance=name).item() for name in DISTANCES]
    values += [triplet_batch_hard(rows, labels).item(), triplet_batch_hard(rows, labels, margin=0.5).item()]
    assert len({round(value, 6) for value in values}) == 5


def test_without_gradient() -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0)
    with torch.no_grad():
        assert not triplet_semi_hard(rows.requires_grad_(), labels).requires_grad


def test_differentiates_once_and_says_so() -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0)
    rows.requires_grad_()
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.autograd.grad(triplet_semi_hard(rows, labels), rows, create_graph=True)


def test_backward_twice() -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0)
    rows.requires_grad_()
    loss = triplet_batch_hard(rows, labels)
    loss.backward(retain_graph=True)
    first = cast(Tensor, rows.grad).clone()
    loss.backward()
    torch.testing.assert_close(rows.grad, 2 * first)


@pytest.mark.parametrize("loss", BOTH)
def test_training_separates_classes(loss: Callable[..., Tensor]) -> None:
    raw = torch.randn(24, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels = torch.arange(24) // 4
    optimizer = torch.optim.Adam([raw], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        loss(normalize(raw, dim=1), labels, margin=0.3).backward()
        optimizer.step()
    rows = normalize(raw.detach(), dim=1)
    hardest = mine_batch_hard(rows, labels)
    near = (rows[hardest.anchor] - rows[hardest.positive]).norm(dim=1)
    far = (rows[hardest.anchor] - rows[hardest.negative]).norm(dim=1)
    assert (near < far).all()


def test_batch_hard_is_that_of_pytorch_metric_learning() -> None:
    """Its loss takes the mean over triplets with a loss > 0 unless told otherwise; the paper takes all."""
    from pytorch_metric_learning.losses import TripletMarginLoss
    from pytorch_metric_learning.miners import BatchHardMiner
    from pytorch_metric_learning.reducers import MeanReducer

    rows, labels = embed([i // 4 for i in range(48)], seed=2, dims=16)
    ours, theirs = rows.clone().requires_grad_(), rows.clone().requires_grad_()
    found = triplet_batch_hard(ours, labels, margin=0.1)
    expected = TripletMarginLoss(margin=0.1, reducer=MeanReducer())(
        theirs, labels, BatchHardMiner()(theirs, labels)
    )
    assert found.item() == pytest.approx(expected.item())
    found.backward()
    expected.backward()
    tangent = cast(Tensor, ours.grad)  # theirs goes through its own normalisation: compare along the sphere
    tangent = tangent - (tangent * rows).sum(1, keepdim=True) * rows
    torch.testing.assert_close(tangent, theirs.grad)


def test_semi_hard_takes_the_nearest_that_pytorch_metric_learning_mines() -> None:
    """Its miner gives every triplet with d_ap < d_an < d_ap + m, or none; ours takes one for each pair."""
    from pytorch_metric_learning.miners import TripletMarginMiner

    rows, labels = embed([i // 4 for i in range(48)], seed=2, dims=16)
    mined = TripletMarginMiner(margin=0.5, type_of_triplets="semihard")(rows, labels)
    nearest: dict[tuple[int, int], tuple[float, int]] = {}
    for a, p, n in zip(*(part.tolist() for part in mined), strict=True):
        far = float((rows[a] - rows[n]).norm())
        nearest[a, p] = min(nearest.get((a, p), (math.inf, -1)), (far, n))
    ours = {
        (a, p): n for a, p, n in zip(*(part.tolist() for part in mine_semi_hard(rows, labels)), strict=True)
    }
    assert len(nearest) > 40
    assert all(ours[pair] == n for pair, (_, n) in nearest.items())


def test_given_triplets() -> None:
    rows = torch.tensor([[0.0], [1.0], [3.0]])
    one = Triplets(torch.tensor([0]), torch.tensor([1]), torch.tensor([2]))
    assert triplet_loss(rows, one, margin=5.0).item() == pytest.approx(1 - 3 + 5)
    assert triplet_loss(rows, one, margin=10.0, distance="squared").item() == pytest.approx(1 - 9 + 10)


@pytest.mark.parametrize("margin", [0, -1.0, math.nan, "hard", None])
@pytest.mark.parametrize("loss", BOTH)
def test_margins_that_do_not_fit(loss: Callable[..., Tensor], margin: Any) -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0)
    with pytest.raises(ConfigError, match=r"loss\.margin - saw .*wanted a number >= 1e-06 and <= 1e\+06"):
        loss(rows, labels, margin=margin)


def test_soft_margin_is_for_batch_hard() -> None:
    rows, labels = embed([0, 0, 1, 1], seed=0)
    with pytest.raises(ConfigError, match="soft belongs to triplet_batch_hard"):
        triplet_semi_hard(rows, labels, margin=cast(Any, "soft"))


@pytest.mark.parametrize("loss", BOTH)
def test_batches_and_options_that_cannot_be_used(loss: Callable[..., Tensor]) -> None:
    with pytest.raises(BatchError, match="P x K"):
        loss(torch.eye(3), torch.arange(3))
    with pytest.raises(BatchError, match="all of one label"):
        loss(torch.eye(3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ConfigError, match=r"did you mean squared\?"):
        loss(torch.eye(4), torch.tensor([0, 0, 1, 1]), distance="square")


def test_examples_in_the_docstrings() -> None:
    result = doctest.testmod(triplet)
    assert result.attempted >= 4
    assert result.failed == 0


@pytest.mark.parametrize(
    ("rows", "message"),
    [([], "saw none"), ([0, 1, 9], "saw rows 0 to 9, wanted one triplet or more, of rows 0 to 3")],
)
def test_given_triplets_that_do_not_fit_are_refused(rows: list[int], message: str) -> None:
    parts = [torch.tensor([row], dtype=torch.int64) for row in rows] or [
        torch.zeros(0, dtype=torch.int64)
    ] * 3
    with pytest.raises(BatchError, match=message):
        triplet_loss(torch.eye(4), Triplets(*parts))
