"""Losses over pairs against loops over the formula, another library, numeric gradients, planted batches."""

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

from lookalike.errors import BatchError, ConfigError
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

Loss = Callable[..., Tensor]
# mild options, under which values and slopes are neither 0 nor huge
MILD: dict[Loss, dict[str, Any]] = {
    contrastive: {"margin": 0.9},
    multi_similarity: {"alpha": 1.5, "beta": 4.0, "base": 0.4, "epsilon": 0.2},
    circle: {"margin": 0.3, "gamma": 4.0},
    hap2s_exponential: {"sigma": 0.4, "margin": "soft"},
    hap2s_polynomial: {"alpha": 3.0, "margin": 0.3},
    supervised_contrastive: {"temperature": 0.5},
    nt_xent: {"temperature": 0.4},
    smooth_ap: {"temperature": 0.3},
    recall_at_k: {"ks": (1, 2, 4), "temperature": 0.2},
}
# the sharpest options that papers use, and beyond
SHARP: dict[Loss, dict[str, Any]] = {
    contrastive: {"margin": 2.0},
    multi_similarity: {"alpha": 50.0, "beta": 500.0},
    circle: {"margin": 0.25, "gamma": 2000.0},
    hap2s_exponential: {"sigma": 1e-3, "margin": 0.3},
    hap2s_polynomial: {"alpha": 500.0},
    supervised_contrastive: {"temperature": 1e-3},
    nt_xent: {"temperature": 1e-3},
    smooth_ap: {"temperature": 1e-4},
    recall_at_k: {"temperature": 1e-4},
}
EVERY = pytest.mark.parametrize("loss", list(MILD), ids=lambda loss: loss.__name__)
batches = st.tuples(
    st.lists(st.integers(0, 3), min_size=3, max_size=9).filter(lambda y: len(y) > len(set(y)) > 1),
    st.lists(st.integers(0, 4), max_size=5),
    st.integers(0, 10_000),
)


def embed(labels: list[int], seed: int, *, dims: int = 4) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(seed)
    z = torch.randn(len(labels), dims, generator=random, dtype=torch.float64)
    return normalize(z, dim=1), torch.tensor(labels, dtype=torch.int64)


class Anchor:
    """What one row sees: similarities to its positives and to its negatives."""

    def __init__(self, place: int, z: Tensor, y: Tensor, n: int) -> None:
        others = [j for j in range(len(y)) if j != place]
        similar = {j: float(z[place] @ z[j]) for j in others}
        self.positives = [similar[j] for j in others if y[j] == y[place]]
        self.negatives = [similar[j] for j in others if y[j] != y[place]]
        self.n = n


def anchors(z: Tensor, y: Tensor, gallery: tuple[Tensor, Tensor] | None) -> list[Anchor]:
    more_z, more_y = gallery if gallery else (z[:0], y[:0])
    return [Anchor(i, torch.cat((z, more_z)), torch.cat((y, more_y)), len(y)) for i in range(len(y))]


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def apart(s: float) -> float:
    return math.sqrt(2 - 2 * s)


def slow_contrastive(all_: list[Anchor], *, margin: float) -> float:
    far = [max(0.0, margin - apart(s)) ** 2 for a in all_ for s in a.negatives]
    return mean([2 - 2 * s for a in all_ for s in a.positives]) + mean([cost for cost in far if cost > 0])


def slow_multi_similarity(
    all_: list[Anchor], *, alpha: float, beta: float, base: float, epsilon: float | None
) -> float:
    total = 0.0
    for a in all_:
        positives, negatives = a.positives, a.negatives
        if epsilon is not None:
            positives = [s for s in a.positives if s < max(a.negatives) + epsilon]
            negatives = [s for s in a.negatives if s > min(a.positives, default=9.0) - epsilon]
        total += math.log(1 + sum(math.exp(-alpha * (s - base)) for s in positives)) / alpha
        total += math.log(1 + sum(math.exp(beta * (s - base)) for s in negatives)) / beta
    return total / len(all_)


def slow_circle(all_: list[Anchor], *, margin: float, gamma: float) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        near = sum(math.exp(-gamma * max(0.0, 1 + margin - s) * (s - (1 - margin))) for s in a.positives)
        far = sum(math.exp(gamma * max(0.0, s + margin) * (s - margin)) for s in a.negatives)
        terms.append(math.log(1 + near * far))
    return mean(terms)


def slow_hap2s(
    all_: list[Anchor], near: Callable[[float], float], far: Callable[[float], float], margin: Any
) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        gap = 0.0
        for similarities, weight, sign in ((a.positives, near, 1), (a.negatives, far, -1)):
            weights = [weight(apart(s)) for s in similarities]
            total = sum(w * apart(s) for w, s in zip(weights, similarities, strict=True))
            gap += sign * total / sum(weights)
        terms.append(math.log(1 + math.exp(gap)) if margin == "soft" else max(0.0, gap + margin))
    return mean(terms)


def slow_hap2s_exponential(all_: list[Anchor], *, sigma: float, margin: Any) -> float:
    return slow_hap2s(all_, lambda d: math.exp(d / sigma), lambda d: math.exp(-d / sigma), margin)


def slow_hap2s_polynomial(all_: list[Anchor], *, alpha: float, margin: Any) -> float:
    return slow_hap2s(all_, lambda d: (1 + d) ** alpha, lambda d: (1 + d) ** (-2 * alpha), margin)


def slow_supervised_contrastive(all_: list[Anchor], *, temperature: float) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        total = sum(math.exp(s / temperature) for s in a.positives + a.negatives)
        terms.append(mean([-math.log(math.exp(s / temperature) / total) for s in a.positives]))
    return mean(terms)


def slow_nt_xent(all_: list[Anchor], *, temperature: float) -> float:
    terms = []
    for a in all_:
        far = sum(math.exp(s / temperature) for s in a.negatives)
        terms += [
            -math.log(math.exp(s / temperature) / (math.exp(s / temperature) + far)) for s in a.positives
        ]
    return mean(terms)


def step(difference: float, temperature: float) -> float:
    return 1 / (1 + math.exp(-difference / temperature))


def smooth_rank(place: int, ranked: list[float], temperature: float) -> float:
    others = [s for j, s in enumerate(ranked) if j != place]
    return 1 + sum(step(s - ranked[place], temperature) for s in others)


def slow_smooth_ap(all_: list[Anchor], *, temperature: float) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        everything = a.positives + a.negatives
        precisions = [
            smooth_rank(p, a.positives, temperature) / smooth_rank(p, everything, temperature)
            for p in range(len(a.positives))
        ]
        terms.append(1 - mean(precisions))
    return mean(terms)


def slow_recall_at_k(all_: list[Anchor], *, ks: tuple[int, ...], temperature: float) -> float:
    terms = []
    for a in (a for a in all_ if a.positives):
        everything, count = a.positives + a.negatives, len(a.positives)
        ranks = [smooth_rank(p, everything, temperature) for p in range(count)]
        found = [min(k, sum(step((k - rank) / k, 1) for rank in ranks)) / min(k, count) for k in ks]
        terms.append(1 - mean(found))
    return mean(terms)


SLOW: dict[Loss, Callable[..., float]] = {loss: globals()[f"slow_{loss.__name__}"] for loss in MILD}


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


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("options", [{}, None], ids=["defaults", "sharp"])
def test_identical_opposite_and_zero_rows(
    loss: Loss, dtype: torch.dtype, options: dict[str, Any] | None
) -> None:
    z = torch.tensor([[1.0, 0], [1, 0], [-1, 0], [-1, 0], [0, 0], [0, 0], [1, 0], [0, 0]], dtype=dtype)
    z.requires_grad_()
    y = torch.tensor([0, 0, 0, 1, 1, 2, 2, 3])
    value = loss(z, y, **(SHARP[loss] if options is None else options))
    value.backward()
    assert value.isfinite()
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    gradient = cast(Tensor, z.grad)
    assert gradient.isfinite().all()
    assert gradient.dtype == dtype


@EVERY
@pytest.mark.parametrize("similar", [1.0, -1.0])
def test_sharp_options_do_not_overflow(loss: Loss, similar: float) -> None:
    """Positives that are opposite and negatives that are identical, or the reverse."""
    end = torch.tensor([1.0, 0.0])
    z = torch.stack([end, similar * end, end, similar * end]).requires_grad_()
    value = loss(z, torch.tensor([0, 0, 1, 1]), **SHARP[loss])
    value.backward()
    assert value.isfinite()
    assert cast(Tensor, z.grad).isfinite().all()


@EVERY
def test_a_vector_that_is_no_number_is_not_hidden(loss: Loss) -> None:
    z, y = embed([0, 0, 1, 1, 2, 2], seed=0)
    z[3, 1] = torch.nan
    assert loss(z, y).isnan()


@EVERY
@settings(deadline=None, max_examples=15)
@given(batch=batches)
def test_order_and_rotation_do_not_matter(loss: Loss, batch: tuple[list[int], list[int], int]) -> None:
    (z, y), options = embed(batch[0], batch[2]), MILD[loss]
    more, more_y = embed([0, 4], batch[2] + 1)
    expected = pytest.approx(loss(z, y, gallery=(more, more_y), **options).item())
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(1))
    turn = torch.linalg.qr(embed([0] * 4, 2)[0])[0]
    assert loss(z[order], y[order], gallery=(more.flip(0), more_y.flip(0)), **options).item() == expected
    assert loss(z @ turn, y, gallery=(more @ turn, more_y), **options).item() == expected
    assert loss(z, y * 7 - 3, gallery=(more, more_y * 7 - 3), **options).item() == expected


@EVERY
def test_lower_precision_is_near(loss: Loss) -> None:
    z, y = embed([i // 4 for i in range(64)], seed=5, dims=32)
    exact = loss(z, y, **MILD[loss]).item()
    assert loss(z.float(), y, **MILD[loss]).item() == pytest.approx(exact, rel=1e-4)
    assert loss(z.bfloat16(), y, **MILD[loss]).item() == pytest.approx(exact, rel=3e-2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(z.float(), y, **MILD[loss]).item() == pytest.approx(exact, rel=1e-4)


@EVERY
def test_every_option_changes_the_result(loss: Loss) -> None:
    z, y = embed([i // 4 for i in range(24)], seed=5)
    usual = loss(z, y, **MILD[loss]).item()
    changed = {"ks": (3,), "margin": 0.77, "epsilon": None, "base": 0.1}
    for name in MILD[loss]:
        options = {**MILD[loss], name: changed.get(name, 0.9)}
        assert loss(z, y, **options).item() != pytest.approx(usual, rel=1e-6), name


@EVERY
def test_rows_without_a_partner_are_no_anchors_that_pull(loss: Loss) -> None:
    z, y = embed([0, 0, 1, 1, 2], seed=0)
    z.requires_grad_()
    value = loss(z, y, **MILD[loss])
    value.backward()
    assert value.isfinite()
    assert cast(Tensor, z.grad)[4].abs().max() > 0  # it is a negative of the others all the same


@EVERY
def test_differentiates_once_and_says_so(loss: Loss) -> None:
    z, y = embed([0, 0, 1, 1], seed=0)
    z.requires_grad_()
    value = loss(z, y, **MILD[loss])
    with pytest.raises(RuntimeError, match="differentiated once"):
        torch.autograd.grad(value, z, create_graph=True)
    with torch.no_grad():
        assert not loss(z, y).requires_grad


@EVERY
def test_backward_twice(loss: Loss) -> None:
    z, y = embed([0, 0, 1, 1], seed=0)
    z.requires_grad_()
    value = loss(z, y, **MILD[loss])
    value.backward(retain_graph=True)
    first = cast(Tensor, z.grad).clone()
    value.backward()
    torch.testing.assert_close(z.grad, 2 * first)


@EVERY
def test_training_separates_classes(loss: Loss) -> None:
    raw = torch.randn(24, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
    y = torch.arange(24) // 4
    optimizer = torch.optim.Adam([raw], lr=0.1)
    for _ in range(60):
        optimizer.zero_grad()
        loss(normalize(raw, dim=1), y, **MILD[loss]).backward()
        optimizer.step()
    similarity = normalize(raw.detach(), dim=1) @ normalize(raw.detach(), dim=1).T
    same = y[:, None] == y
    assert similarity[same].min() > similarity[~same].max()


@EVERY
def test_batches_that_cannot_be_used(loss: Loss) -> None:
    with pytest.raises(BatchError, match=r"no label twice.*P x K"):
        loss(torch.eye(3), torch.arange(3))
    with pytest.raises(BatchError, match=r"all of one label.*P x K"):
        loss(torch.eye(3), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(BatchError, match="P x K"):
        loss(torch.eye(3)[:0], torch.arange(0))
    with pytest.raises(BatchError, match="do not fit together"):
        loss(torch.eye(3), torch.arange(4))
    with pytest.raises(BatchError, match=r"gallery and batch.*length 2 beside 3"):
        loss(torch.eye(3), torch.arange(3), gallery=(torch.eye(2), torch.arange(2)))
    gallery = torch.eye(3), torch.tensor([0, 1, 2])
    assert loss(torch.eye(3), torch.arange(3), gallery=gallery).isfinite()  # partners in the gallery will do


@pytest.mark.parametrize(
    ("loss", "name"),
    [(loss, name) for loss, options in MILD.items() for name in options if name not in ("base", "epsilon")],
)
@pytest.mark.parametrize("value", [0, -1.0, math.nan, "x", None])
def test_options_out_of_range(loss: Loss, name: str, value: Any) -> None:
    z, y = embed([0, 0, 1, 1], seed=0)
    value = [value] if name == "ks" and value in (0, -1.0) else [] if name == "ks" else value
    with pytest.raises(ConfigError, match=rf"loss\.{name} - saw .*wanted"):
        loss(z, y, **{name: value})


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
