from __future__ import annotations

import numpy as np
import pytest
import torch

from lookalike.config import NetworkConfig
from lookalike.training.closed_form import LinearHead
from lookalike.training.network import Head, Network, make_head, signed_power


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
    kinds = [[type(layer).__name__ for layer in block] for block in head.blocks]  # type: ignore[attr-defined]
    assert kinds == [["Linear", "BatchNorm1d", "ReLU", "Dropout"]] * 2
    out = head.eval()(torch.randn(3, 12))
    assert torch.allclose(out.norm(dim=1), torch.ones(3), atol=1e-5)


def test_network_trains_features_and_head() -> None:
    network = Network(torch.nn.Linear(5, 12), Head(12, 4))
    network(torch.randn(3, 5)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
