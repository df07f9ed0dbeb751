"""Losses with a vector a class against loops over the formula, another library and planted batches."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn.functional import normalize

from lookalike.errors import BatchError, ConfigError
from lookalike.training.losses import (
    ArcFace,
    Classification,
    CosFace,
    NormalisedSoftmax,
    ProxyAnchor,
)
from lookalike.training.losses.proxies import Proxies
from loss_batches import embed

KINDS: tuple[type[Proxies], ...] = (NormalisedSoftmax, CosFace, ArcFace, ProxyAnchor)
MILD: dict[type[Proxies], dict[str, float]] = {
    NormalisedSoftmax: {"temperature": 0.5},
    CosFace: {"margin": 0.2, "scale": 3.0},
    ArcFace: {"margin": 0.6, "scale": 3.0},
    ProxyAnchor: {"alpha": 3.0, "margin": 0.2},
}
EVERY = pytest.mark.parametrize("kind", KINDS)
batches = st.tuples(st.lists(st.integers(0, 4), min_size=1, max_size=9), st.integers(0, 10_000))


def make(kind: type[Proxies], seed: int = 0, *, classes: int = 5, dim: int = 4, **options: float) -> Proxies:
    torch.manual_seed(seed)
    return kind(classes=classes, dim=dim, **(options or MILD[kind])).double()


def cosines(loss: Proxies, z: Tensor) -> list[list[float]]:
    """[n][C]."""
    return [[float(row @ proxy) / float(proxy.norm()) for proxy in loss.weight.detach()] for row in z]


def cross_entropy(logits: list[list[float]], y: Tensor) -> float:
    terms = [
        -math.log(math.exp(row[label]) / sum(math.exp(v) for v in row))
        for row, label in zip(logits, y.tolist(), strict=True)
    ]
    return sum(terms) / len(terms)


def slow_normalisedsoftmax(s: list[list[float]], y: Tensor, *, temperature: float) -> float:
    return cross_entropy([[v / temperature for v in row] for row in s], y)


def slow_cosface(s: list[list[float]], y: Tensor, *, margin: float, scale: float) -> float:
    moved = [[scale * (v - margin * (c == y[i])) for c, v in enumerate(row)] for i, row in enumerate(s)]
    return cross_entropy(moved, y)


def slow_arcface(s: list[list[float]], y: Tensor, *, margin: float, scale: float) -> float:
    def turned(cosine: float) -> float:
        angle = math.acos(cosine) + margin
        return math.cos(angle) if angle <= math.pi else cosine - margin * math.sin(margin)

    moved = [[scale * (turned(v) if c == y[i] else v) for c, v in enumerate(row)] for i, row in enumerate(s)]
    return cross_entropy(moved, y)


def slow_proxyanchor(s: list[list[float]], y: Tensor, *, alpha: float, margin: float) -> float:
    pull = push = 0.0
    for c in range(len(s[0])):
        own = [row[c] for i, row in enumerate(s) if y[i] == c]
        others = [row[c] for i, row in enumerate(s) if y[i] != c]
        pull += math.log(1 + sum(math.exp(-alpha * (v - margin)) for v in own))
        push += math.log(1 + sum(math.exp(alpha * (v + margin)) for v in others))
    return pull / len(set(y.tolist())) + push / len(s[0])


@EVERY
@settings(deadline=None, max_examples=25)
@given(batch=batches)
def test_by_loops(kind: type[Proxies], batch: tuple[list[int], int]) -> None:
    loss, (z, y) = make(kind, batch[1]), embed(*batch)
    expected = globals()[f"slow_{kind.__name__.lower()}"](cosines(loss, z), y, **MILD[kind])
    assert loss(z, y).item() == pytest.approx(expected)


def test_arcface_beyond_the_half_turn() -> None:
    """It is reached at π - 0.5, which is 151.35 degrees."""
    loss = make(ArcFace, classes=2, dim=2, margin=0.5, scale=2.0)
    with torch.no_grad():
        loss.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    for degrees in (140, 150, 151.3, 151.4, 160, 179, 180):
        angle = math.radians(degrees)
        z = torch.tensor([[math.cos(angle), math.sin(angle)]], dtype=torch.float64)
        expected = slow_arcface(cosines(loss, z), torch.tensor([0]), margin=0.5, scale=2.0)
        assert loss(z, torch.tensor([0])).item() == pytest.approx(expected, abs=1e-3)  # the sine has a floor


@EVERY
def test_numeric_gradient(kind: type[Proxies]) -> None:
    loss, (z, y) = make(kind), embed([0, 0, 1, 3, 3, 4], seed=3)
    z.requires_grad_()
    assert torch.autograd.gradcheck(lambda a, w: torch.func.functional_call(loss, {"weight": w}, (a, y)),
                                    (z, loss.weight))  # fmt: skip


@EVERY
def test_one_class_and_single_rows_are_learned_from(kind: type[Proxies]) -> None:
    z, _ = embed([0, 0, 0], seed=1)
    for labels in ([2, 2, 2], [0, 1, 2]):
        loss = make(kind)
        loss(z, torch.tensor(labels)).backward()
        assert cast(Tensor, loss.weight.grad).abs().sum() > 0


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("sharp", [False, True])
def test_identical_opposite_and_zero_rows(kind: type[Proxies], dtype: torch.dtype, sharp: bool) -> None:
    options = {"temperature": 1e-3, "scale": 2000.0, "alpha": 2000.0}
    usual = kind(classes=3, dim=2)
    loss = kind(classes=3, dim=2, **{k: v for k, v in options.items() if sharp and hasattr(usual, k)})
    with torch.no_grad():
        loss.weight.copy_(torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 0.0]]))
    z = torch.tensor([[1.0, 0], [-1, 0], [0, 0], [1, 0]], dtype=dtype, requires_grad=True)
    value = loss(z, torch.tensor([0, 0, 1, 2]))
    value.backward()
    assert value.isfinite()
    assert value.dtype == torch.float32
    assert cast(Tensor, z.grad).isfinite().all()
    assert cast(Tensor, loss.weight.grad).isfinite().all()


@EVERY
def test_order_and_rotation_do_not_matter(kind: type[Proxies]) -> None:
    loss, (z, y) = make(kind), embed([0, 0, 1, 3, 3, 4], seed=3)
    expected = pytest.approx(loss(z, y).item())
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    assert loss(z[order], y[order]).item() == expected
    turn = torch.linalg.qr(embed([0] * 4, 2)[0])[0]
    with torch.no_grad():
        loss.weight.copy_(loss.weight @ turn)
    assert loss(z @ turn, y).item() == expected


@EVERY
def test_autocast_does_not_round(kind: type[Proxies]) -> None:
    loss = make(kind).float()
    z, y = embed([0, 0, 1, 3, 3, 4], seed=3)
    expected = loss(z.float(), y)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert loss(z.float(), y).item() == pytest.approx(expected.item(), rel=1e-5)
    assert loss(z.bfloat16(), y).item() == pytest.approx(expected.item(), rel=3e-2)


@EVERY
def test_every_option_changes_the_result(kind: type[Proxies]) -> None:
    z, y = embed([0, 0, 1, 3, 3, 4], seed=3)
    usual = make(kind)(z, y).item()
    for name in MILD[kind]:
        torch.manual_seed(0)
        other = kind(classes=5, dim=4, **{**MILD[kind], name: 0.77}).double()
        assert other(z, y).item() != pytest.approx(usual, rel=1e-6), name


@EVERY
def test_shorter_embeddings_meet_the_first_dimensions(kind: type[Proxies]) -> None:
    loss = make(kind)
    z, y = embed([0, 0, 1, 3], seed=3, dims=2)
    short = make(kind, dim=2)
    with torch.no_grad():
        short.weight.copy_(loss.weight[:, :2])
    assert loss(z, y).item() == pytest.approx(short(z, y).item())
    assert loss(z, y).item() != pytest.approx(make(kind, seed=1, dim=2)(z, y).item())


@EVERY
def test_training_separates_classes(kind: type[Proxies]) -> None:
    torch.manual_seed(0)
    loss = kind(classes=6, dim=8)
    raw = torch.randn(24, 8, requires_grad=True)
    y = torch.arange(24) // 4
    optimizer = torch.optim.Adam([raw, *loss.parameters()], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        loss(normalize(raw, dim=1), y).backward()
        optimizer.step()
    z = normalize(raw.detach(), dim=1)
    assert torch.equal(loss.similarities(z, y)[0].argmax(1), y)
    same = y[:, None] == y
    assert (z @ z.T)[same].mean() > (z @ z.T)[~same].mean() + 0.6


def test_vectors_are_saved_and_start_at_unit_length() -> None:
    loss = make(ProxyAnchor)
    assert list(loss.state_dict()) == ["weight"]
    torch.testing.assert_close(loss.weight.norm(dim=1), torch.ones(5, dtype=torch.float64))
    assert torch.equal(make(ProxyAnchor).weight, loss.weight)  # torch's generator decides
    assert not torch.equal(make(ProxyAnchor, seed=1).weight, loss.weight)


def test_same_as_pytorch_metric_learning() -> None:
    from pytorch_metric_learning import losses as peers

    pairs: list[tuple[Any, nn.Module, str]] = [
        (NormalisedSoftmax(classes=7, dim=16), peers.NormalizedSoftmaxLoss(7, 16, temperature=0.05), "W"),
        (CosFace(classes=7, dim=16), peers.CosFaceLoss(7, 16, margin=0.35, scale=64), "W"),
        (ArcFace(classes=7, dim=16), peers.ArcFaceLoss(7, 16, margin=math.degrees(0.5), scale=64), "W"),
        (ProxyAnchor(classes=7, dim=16), peers.ProxyAnchorLoss(7, 16, margin=0.1, alpha=32), "proxies"),
    ]
    z, y = embed([0, 0, 1, 1, 2, 5, 5, 5], seed=2, dims=16)
    for ours, theirs, name in pairs:
        ours.double()
        weight = ours.weight.detach()
        setattr(theirs, name, nn.Parameter(weight.clone() if name == "proxies" else weight.T.clone()))
        mine, other = z.clone().requires_grad_(), z.clone().requires_grad_()
        found, expected = ours(mine, y), theirs(other, y)
        assert found.item() == pytest.approx(expected.item(), rel=1e-5)
        found.backward()
        expected.backward()
        tangent = cast(Tensor, mine.grad)
        tangent = tangent - (tangent * z).sum(1, keepdim=True) * z
        torch.testing.assert_close(tangent, other.grad, rtol=1e-3, atol=1e-6)


@EVERY
def test_batches_and_options_that_cannot_be_used(kind: type[Proxies]) -> None:
    loss = make(kind)
    with pytest.raises(BatchError, match=r"labels do not fit.*saw 0 to 5, wanted 0 to 4"):
        loss(torch.eye(4), torch.tensor([0, 1, 2, 5]))
    with pytest.raises(BatchError, match="labels do not fit"):
        loss(torch.eye(4), torch.tensor([0, 1, 2, -1]))
    with pytest.raises(BatchError, match="no rows"):
        loss(torch.eye(4)[:0], torch.arange(0))
    with pytest.raises(BatchError, match=r"rows of length 6, wanted 4.*dim=6"):
        loss(torch.eye(6)[:4], torch.arange(4))
    with pytest.raises(BatchError, match="do not fit together"):
        loss(torch.eye(4), torch.arange(3))
    for name in ("classes", "dim", *MILD[kind]):
        with pytest.raises(ConfigError, match=rf"{kind.__name__}: {name} - saw 0|loss\.{name} - saw 0"):
            kind(**{"classes": 3, "dim": 4, name: 0})


def test_classification_by_loops() -> None:
    torch.manual_seed(0)
    loss = Classification(classes=3, dim=4, smoothing=0.3, temperature=0.7).double()
    rows, y = embed([0, 2, 2, 1], seed=1)
    total = 0.0
    for row, label in zip(3 * rows, y.tolist(), strict=True):
        logits = [float(v) / 0.7 for v in loss.linear(row).detach()]
        log_sum = math.log(sum(math.exp(v) for v in logits))
        targets = [0.3 / 3 + 0.7 * (c == label) for c in range(3)]
        total -= sum(t * (v - log_sum) for t, v in zip(targets, logits, strict=True))
    assert loss(3 * rows, y).item() == pytest.approx(total / 4)
    other = Classification(classes=3, dim=4)
    assert (other.smoothing, other.temperature) == (0.1, 0.5)


def test_classification_learns_and_refuses() -> None:
    loss = Classification(classes=3, dim=4)
    loss(torch.eye(4).bfloat16(), torch.tensor([0, 1, 2, 2])).backward()
    assert cast(Tensor, loss.linear.weight.grad).abs().sum() > 0
    with pytest.raises(BatchError, match=r"rows of length 3, wanted 4"):
        loss(torch.eye(3), torch.arange(3))
    with pytest.raises(BatchError, match="labels do not fit"):
        loss(torch.eye(4), torch.arange(4))
    with pytest.raises(ConfigError, match=r"smoothing - saw 1, wanted a number >= 0 and < 1"):
        Classification(classes=3, dim=4, smoothing=1)
    with pytest.raises(ConfigError, match=r"Classification: loss\.auxiliary\.temperature - saw 0"):
        Classification(classes=3, dim=4, temperature=0)
