"""Pooling against loops over the places of a map."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

from lookalike.errors import ConfigError
from lookalike.training.pooling import GeM, make_pooling


def maps() -> torch.Tensor:
    return torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) - 0.2


@pytest.mark.parametrize("name", ["spoc", "mac", "gem"])
def test_by_hand(name: Any) -> None:
    found = make_pooling(name)(maps())
    assert found.shape == (2, 3)
    for image, channels in zip(found, maps(), strict=True):
        for value, channel in zip(image, channels, strict=True):
            places = channel.flatten().tolist()
            expected = {
                "spoc": sum(places) / 20,
                "mac": max(places),
                "gem": (sum(max(place, 1e-6) ** 3 for place in places) / 20) ** (1 / 3),
            }[name]
            assert value.item() == pytest.approx(expected)


def test_gem_lies_between_mean_and_maximum() -> None:
    positive = maps().clamp(min=1e-6)
    torch.testing.assert_close(GeM(1.0)(positive), make_pooling("spoc")(positive), check_dtype=False)
    torch.testing.assert_close(
        GeM(200.0).double()(positive), make_pooling("mac")(positive), rtol=0.02, atol=0, check_dtype=False
    )


def test_gem_learns_its_power() -> None:
    pooling = cast(GeM, make_pooling("gem").double())
    assert pooling.power.item() == 3.0
    assert [name for name, _ in pooling.named_parameters()] == ["power"]
    (pooling(maps()) - maps().amax((2, 3))).square().sum().backward()
    assert cast(torch.Tensor, pooling.power.grad).item() < 0, "a larger power is nearer to the maximum"
    inputs = maps().requires_grad_()

    def pool(x: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
        return cast(torch.Tensor, torch.func.functional_call(pooling, {"power": power}, (x,)))

    assert torch.autograd.gradcheck(pool, (inputs, pooling.power))


def test_gem_gradient_is_finite_on_dead_channels() -> None:
    inputs = torch.zeros(1, 2, 3, 3, requires_grad=True)
    pooling = make_pooling("gem")
    pooling(inputs).sum().backward()
    assert cast(torch.Tensor, inputs.grad).isfinite().all()
    assert all(cast(torch.Tensor, p.grad).isfinite().all() for p in pooling.parameters())


def test_unknown_name() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown pooling - network.pooling - saw 'gen'.*did you mean gem\?"
    ):
        make_pooling(cast(Any, "gen"))
    with pytest.raises(ConfigError, match="choose one of these"):
        make_pooling(cast(Any, "zzz"))
