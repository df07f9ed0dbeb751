"""Heads against their definitions, where they begin, and what a whole network hands out."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from lookalike.config import NetworkConfig
from lookalike.errors import ConfigError
from lookalike.runfile import parse_config
from lookalike.training.closed_form import LinearHead
from lookalike.training.network import CombinedHead, Head, Network, make_head, signed_power


def solved() -> LinearHead:
    rng = np.random.default_rng(0)
    return LinearHead(
        power=0.5,
        weight=rng.normal(size=(12, 4)).astype(np.float32),
        bias=rng.normal(size=4).astype(np.float32),
    )


def test_head_begins_as_the_closed_form() -> None:
    from lookalike.training.closed_form import apply

    features = np.random.default_rng(1).normal(size=(6, 12)).astype(np.float32)
    head = make_head(NetworkConfig(embedding_dim=4), inputs=12, start=solved())
    with torch.inference_mode():
        assert np.allclose(head(torch.from_numpy(features)).numpy(), apply(solved(), features), atol=1e-5)


@pytest.mark.parametrize("power", [0.5, 1.0])
def test_signed_power_has_a_finite_gradient_at_zero(power: float) -> None:
    features = torch.tensor([[0.0, -0.25, 1.0], [0.0, 0.0, 0.0]], requires_grad=True)
    out = signed_power(features, torch.tensor(power))
    out.sum().backward()
    assert features.grad is not None
    assert torch.isfinite(features.grad).all()
    raised = torch.tensor([0.0, -(0.25**power), 1.0])
    assert torch.allclose(out[0], raised / raised.norm(), atol=1e-5)


def test_feed_forward_head_has_the_blocks_asked_for() -> None:
    network = NetworkConfig(head="feed_forward", hidden=(8, 6), dropout=0.5, embedding_dim=4)
    head = make_head(network, inputs=12)
    kinds = [[type(layer).__name__ for layer in block] for block in head.blocks]  # type: ignore[union-attr]
    assert kinds == [["Linear", "BatchNorm1d", "ReLU", "Dropout"]] * 2
    out = head.eval()(torch.randn(3, 12))
    assert torch.allclose(out.norm(dim=1), torch.ones(3), atol=1e-5)


def features(rows: int = 6, dim: int = 12) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.nn.functional.normalize(torch.randn(rows, dim, generator=random), dim=1)


def descriptors(rows: int = 6, count: int = 3, dim: int = 4) -> torch.Tensor:
    """A feature as backbones give it: descriptors of equal length side by side."""
    parts = [features(rows, dim).roll(place, dims=1) for place in range(count)]
    return torch.nn.functional.normalize(torch.cat(parts, dim=1), dim=1)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_combined_head_follows_its_definition(count: int) -> None:
    head = CombinedHead(12, 6, descriptors=count)
    rows = features()
    weights = [cast(torch.Tensor, branch.weight) for branch in head.branches]  # [d/k, D/k]
    for row, found in zip(rows, head(rows), strict=True):
        parts = []
        for place, weight in enumerate(weights):
            part = row[place * 12 // count : (place + 1) * 12 // count]
            mapped = [sum(weight[j, i] * part[i] for i in range(len(part))) for j in range(6 // count)]
            length = sum(value * value for value in mapped) ** 0.5
            parts += [value / length for value in mapped]
        whole = sum(value * value for value in parts) ** 0.5
        assert torch.allclose(found, torch.stack([value / whole for value in parts]), atol=1e-6)


def test_combined_head_forgets_the_length_of_a_descriptor() -> None:
    head = CombinedHead(12, 6, descriptors=3)
    scaled = features() * torch.tensor([5.0] * 4 + [0.1] * 4 + [1.0] * 4)
    assert torch.allclose(head(scaled), head(features()), atol=1e-6)


def test_gradients_of_combined_head() -> None:
    head = CombinedHead(6, 4, descriptors=2).double()
    assert torch.autograd.gradcheck(head, (features(3, 6).double().requires_grad_(),))


@pytest.mark.parametrize("kind", ["linear", "feed_forward", "cgd"])
@pytest.mark.parametrize("dim", [None, 12])
def test_identity_start_gives_the_feature_and_learns(kind: Any, dim: int | None) -> None:
    hidden = (8, 6) if kind == "feed_forward" else ()
    network = NetworkConfig(
        head=kind, head_start="identity", embedding_dim=dim, hidden=hidden, pooling=("spoc", "mac", "gem")
    )
    torch.manual_seed(0)
    head = make_head(network, inputs=12)
    rows = descriptors()
    assert torch.allclose(head.eval()(rows), rows, atol=1e-6)
    before = head.train()(rows).detach()
    step = torch.optim.SGD(head.parameters(), lr=0.1)
    for _ in range(2):  # behind a last layer of zeros, the others learn from the second step on
        step.zero_grad()
        (head(rows) @ features(6, 12).T).diagonal().sum().backward()
        step.step()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in head.parameters())
    assert not torch.allclose(head(rows), before, atol=1e-4)


@pytest.mark.parametrize("kind", ["linear", "feed_forward", "cgd"])
def test_identity_of_another_length_is_refused(kind: Any) -> None:
    hidden = (8,) if kind == "feed_forward" else ()
    network = NetworkConfig(head=kind, hidden=hidden, head_start="identity", embedding_dim=8)
    with pytest.raises(ConfigError, match=r"begins as the feature.*embedding_dim.*saw 8, wanted null or 12"):
        make_head(network, inputs=12)


def test_length_of_an_embedding_may_be_the_feature_s() -> None:
    network = NetworkConfig(head="linear", head_start="random", embedding_dim=None)
    assert make_head(network, inputs=12)(features()).shape == (6, 12)


def test_network_trains_features_and_head() -> None:
    network = Network(torch.nn.Linear(5, 12), Head(12, 4))
    network(torch.randn(3, 5)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_network_hands_out_the_first_descriptor() -> None:
    backbone = torch.nn.Linear(5, 12)
    backbone.descriptor_dim = 4  # type: ignore[assignment]
    network = Network(backbone, CombinedHead(12, 6, descriptors=3))
    inputs = torch.randn(3, 5)
    embeddings, first = network.with_descriptor(inputs)
    assert torch.equal(embeddings, network(inputs))
    assert torch.allclose(first, torch.nn.functional.normalize(backbone(inputs)[:, :4], dim=1))
    first.sum().backward()
    assert backbone.weight.grad is not None
    assert (backbone.weight.grad[4:] == 0).all(), "a classifier on it moves nothing else"
    assert network.head.branches[0].weight.grad is None  # type: ignore[union-attr, index]


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"pooling": ["spoc", "spoc"]}, "a pooling is named twice"),
        ({"quarters": [2, 2]}, "a map is named twice among the quarters"),
        ({"head": "cgd", "frozen": False, "quarters": [2]}, "quarters belong to the other heads"),
        ({"pooling": []}, r"network\.pooling.*saw \[\]"),
        ({"pooling": "gen"}, r"network\.pooling.*saw 'gen'"),
        ({"stages": 0}, r"network\.stages.*saw 0"),
        ({"last_stride": 3}, r"network\.last_stride.*saw 3"),
        (
            {"head": "cgd", "pooling": ["spoc", "mac", "gem"]},
            "each of 3 poolings an equal part of embedding_dim - use embedding_dim: 129",
        ),
        ({"head": "cgd", "head_start": "closed_form"}, "head_start closed_form belongs to head: linear"),
        ({"head": "feed_forward"}, r"set hidden: \[512\], or use head: linear"),
        (
            {"head": "feed_forward", "hidden": [8], "head_start": "closed_form"},
            "closed_form belongs to head: linear",
        ),
        ({"head_start": "identity"}, "identity belongs to a head trained by gradient"),
        ({"head": "closed_form", "head_start": "random"}, "random belongs to a head trained by gradient"),
    ],
)
def test_parts_that_do_not_fit(network: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config({"network": network})


@pytest.mark.parametrize(
    ("network", "start"),
    [
        ({}, "closed_form"),
        ({"frozen": False}, "closed_form"),
        ({"head": "linear"}, "closed_form"),
        ({"head": "linear", "head_start": "identity"}, "identity"),
        ({"head": "feed_forward", "hidden": [8]}, "random"),
        ({"head": "cgd", "pooling": ["spoc", "gem"]}, "random"),
    ],
)
def test_where_a_head_begins(network: dict[str, Any], start: str) -> None:
    assert parse_config({"network": network}).network.resolved_start == start


def test_one_pooling_is_a_list_of_one() -> None:
    one = parse_config({"network": {"pooling": "gem"}}).network
    assert one == parse_config({"network": {"pooling": ["gem"]}}).network
    assert one.pooling == ("gem",)
    assert not one.is_plain
    assert parse_config({"network": {"pooling": "spoc"}}).network.is_plain
