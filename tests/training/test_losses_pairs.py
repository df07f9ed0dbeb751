"""Losses over pairs against loops over the formula, another library and numeric gradients."""

from __future__ import annotations

import doctest
import math
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize, softplus

from lookalike.judging.metrics import retrieval
from lookalike.training.losses import (
    circle,
    contrast,
    contrastive,
    hap2s_exponential,
    hap2s_polynomial,
    multi_similarity,
    nt_xent,
    pairwise,
    ranking,
    recall_at_k,
    rows,
    smooth_ap,
    supervised_contrastive,
    weighted,
)
from loss_batches import embed
from slow_pair_losses import EVERY, MILD, SLOW, Loss, anchors, batches, slow_multi_similarity


@EVERY
@settings(deadline=None, max_examples=25)
@given(batch=batches)
def test_by_loops(loss: Loss, batch: tuple[list[int], list[int], int]) -> None:
    (z, y), gallery = embed(batch[0], batch[2]), embed(batch[1], batch[2] + 1)
    for further in (None, gallery):
        expected = SLOW[loss](anchors(z, y, further), **MILD[loss])
        assert loss(z, y, gallery=further, **MILD[loss]).item() == pytest.approx(expected, abs=1e-9)


@settings(deadline=None, max_examples=25)
@given(batch=batches, epsilon=st.sampled_from([None, 0.0, 0.1, 3.0]))
def test_pair_mining_by_loops(batch: tuple[list[int], list[int], int], epsilon: float | None) -> None:
    z, y = embed(batch[0], batch[2])
    options = {"alpha": 2.0, "beta": 10.0, "base": 0.5, "epsilon": epsilon}
    expected = slow_multi_similarity(anchors(z, y, None), **cast(Any, options))
    assert multi_similarity(z, y, **cast(Any, options)).item() == pytest.approx(expected, abs=1e-9)


@EVERY
def test_numeric_gradient(loss: Loss) -> None:
    (z, y), (more, more_y) = embed([0, 0, 0, 1, 1, 2, 2, 3], seed=3), embed([0, 3, 4, 1], seed=4)
    options = MILD[loss]
    z.requires_grad_()
    more.requires_grad_()
    if loss is not circle:  # part of its slope is left out on purpose: see the next test
        assert torch.autograd.gradcheck(lambda a: loss(a, y, **options), z)
        assert torch.autograd.gradcheck(lambda a, b: loss(a, y, gallery=(b, more_y), **options), (z, more))
        assert torch.autograd.gradcheck(lambda b: loss(z.detach(), y, gallery=(b, more_y), **options), more)


def test_circle_weights_carry_no_gradient() -> None:
    z, y = embed([0, 0, 0, 1, 1, 2, 2, 3], seed=3)
    ours, plain = z.clone().requires_grad_(), z.clone().requires_grad_()
    (3 * circle(ours, y, margin=0.3, gamma=4.0)).backward()
    s = plain @ plain.T
    same = y[:, None] == y
    positive = same & ~torch.eye(len(y), dtype=torch.bool)
    near = -4 * (1.3 - s.detach()).clamp(min=0) * (s - 0.7)
    far = 4 * (s.detach() + 0.3).clamp(min=0) * (s - 0.3)
    gap = near.masked_fill(~positive, -torch.inf)[:7].logsumexp(1)  # the last row has no positive
    gap = gap + far.masked_fill(same, -torch.inf)[:7].logsumexp(1)
    (3 * softplus(gap).mean()).backward()
    torch.testing.assert_close(ours.grad, plain.grad)


@EVERY
def test_blocks_add_up(loss: Loss, monkeypatch: pytest.MonkeyPatch) -> None:
    (z, y), gallery = embed([i // 3 for i in range(24)], seed=1, dims=6), embed([0, 9, 1], seed=2, dims=6)
    whole, parts = z.clone().requires_grad_(), z.clone().requires_grad_()
    expected = loss(whole, y, gallery=gallery, **MILD[loss])
    expected.backward()
    monkeypatch.setattr(rows, "_BLOCK_ELEMENTS", 27 * 5 * (2 if loss in (smooth_ap, recall_at_k) else 1))
    found = loss(parts, y, gallery=gallery, **MILD[loss])
    found.backward()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(parts.grad, whole.grad)


def test_contrastive_of_a_collapsed_batch_is_the_squared_margin() -> None:
    z = normalize(torch.ones(8, 5, dtype=torch.float64), dim=1).requires_grad_()
    value = contrastive(z, torch.arange(8) // 2, margin=0.7)
    value.backward()
    assert value.item() == pytest.approx(0.49, abs=1e-6)
    assert cast(Tensor, z.grad).isfinite().all()


def test_softmax_losses_of_a_collapsed_batch() -> None:
    z = normalize(torch.ones(12, 5, dtype=torch.float64), dim=1)
    y = torch.arange(12) // 3
    assert supervised_contrastive(z, y).item() == pytest.approx(math.log(11))
    assert nt_xent(z, y).item() == pytest.approx(math.log(10))  # 9 negatives and the positive itself


def test_hap2s_between_mean_and_hardest() -> None:
    z, y = embed([i // 4 for i in range(16)], seed=0)
    distances = (2 - 2 * z @ z.T).clamp(min=0).sqrt()
    same = y[:, None] == y
    farthest = distances.masked_fill(~same, 0).amax(1)
    nearest = distances.masked_fill(same, 9).amin(1)
    hardest = softplus(farthest - nearest).mean().item()
    assert hap2s_exponential(z, y, sigma=1e-4).item() == pytest.approx(hardest)
    assert hap2s_polynomial(z, y, alpha=1e5).item() == pytest.approx(hardest, abs=1e-6)
    even = (distances * same).sum(1) / 3 - (distances * ~same).sum(1) / 12
    assert hap2s_exponential(z, y, sigma=1e6).item() == pytest.approx(softplus(even).mean().item(), abs=1e-6)
    assert hap2s_polynomial(z, y, alpha=1e-6).item() == pytest.approx(softplus(even).mean().item(), abs=1e-6)


def test_smooth_ap_becomes_the_average_precision_that_is_judged() -> None:
    z, y = embed([i // 5 for i in range(40)], seed=0, dims=6)
    judged = retrieval(z.float().numpy(), y.numpy(), ks=(1,))
    assert smooth_ap(z, y, temperature=1e-6).item() == pytest.approx(1 - float(np.mean(judged.values["map"])))


def test_recall_at_k_falls_with_the_true_recall() -> None:
    perfect = torch.eye(4).repeat_interleave(3, dim=0)
    y = torch.arange(12) // 3
    right, wrong = (recall_at_k(perfect, labels, ks=(1, 2)).item() for labels in (y, torch.arange(12) % 4))
    assert right < wrong - 0.2


def test_two_views_make_supervised_contrastive_and_nt_xent_equal() -> None:
    z, y = embed([0, 1, 2, 3, 0, 1, 2, 3], seed=0)
    assert nt_xent(z, y).item() == pytest.approx(supervised_contrastive(z, y).item())


@pytest.mark.parametrize("labels", [[i // 4 for i in range(48)], [0, 0, 0, 1, 1, 2, 2, 2, 2, 5]])
def test_same_as_pytorch_metric_learning(labels: list[int]) -> None:
    """Where it has the same definition. It takes the mean of circle and SupCon over losses > 0, which differs
    where a loss underflows; its contrastive loss does not square, its Smooth-AP counts the anchor."""
    from pytorch_metric_learning import losses as peers
    from pytorch_metric_learning.miners import MultiSimilarityMiner

    z, y = embed(labels, seed=2, dims=16)
    mined_peer, miner = peers.MultiSimilarityLoss(alpha=2, beta=50, base=0.5), MultiSimilarityMiner(0.1)
    pairs: list[tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = [
        (lambda a: multi_similarity(a, y), lambda a: mined_peer(a, y, miner(a, y))),
        (lambda a: multi_similarity(a, y, epsilon=None), lambda a: mined_peer(a, y)),
        (lambda a: circle(a, y), lambda a: peers.CircleLoss(m=0.4, gamma=80)(a, y)),
        (lambda a: supervised_contrastive(a, y), lambda a: peers.SupConLoss(temperature=0.1)(a, y)),
        (lambda a: nt_xent(a, y), lambda a: peers.NTXentLoss(temperature=0.1)(a, y)),
    ]
    for our, their in pairs:
        ours, theirs = z.clone().requires_grad_(), z.clone().requires_grad_()
        found, expected = our(ours), their(theirs)
        assert found.item() == pytest.approx(expected.item())
        found.backward()
        expected.backward()
        tangent = cast(Tensor, ours.grad)  # theirs goes through its own normalisation: compare on the sphere
        tangent = tangent - (tangent * z).sum(1, keepdim=True) * z
        torch.testing.assert_close(tangent, theirs.grad)


@pytest.mark.parametrize(
    "module", [pairwise, weighted, contrast, ranking], ids=lambda module: module.__name__
)
def test_examples_in_the_docstrings(module: Any) -> None:
    result = doctest.testmod(module)
    assert result.attempted >= 1
    assert result.failed == 0
