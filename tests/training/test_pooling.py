"""Poolings against loops over the places of a map; descriptors against their definition."""

from __future__ import annotations

from itertools import permutations
from typing import Any, cast

import pytest
import torch
from torch.nn import functional

from lookalike.errors import ConfigError
from lookalike.training.pooling import Descriptors, gem, mac, quarters, spoc

NAMES = ("spoc", "mac", "gem")


def maps(*shape: int, seed: int = 0) -> torch.Tensor:
    shape = shape or (2, 3, 4, 5)
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) - 0.2


def power(value: float) -> torch.Tensor:
    return torch.tensor(value, dtype=torch.float64)


def slow(name: str, channel: torch.Tensor, p: float = 3.0) -> float:
    """One channel of one picture, place by place."""
    places = channel.flatten().tolist()
    found: dict[str, float] = {
        "spoc": sum(places) / len(places),
        "mac": max(places),
        "gem": (sum(max(place, 1e-6) ** p for place in places) / len(places)) ** (1 / p),
    }
    return found[name]


def pool(name: str, images: torch.Tensor) -> torch.Tensor:
    return gem(images, power(3.0)) if name == "gem" else {"spoc": spoc, "mac": mac}[name](images)


@pytest.mark.parametrize("name", NAMES)
def test_by_hand(name: str) -> None:
    found = pool(name, maps())
    assert found.shape == (2, 3)
    for image, channels in zip(found, maps(), strict=True):
        for value, channel in zip(image, channels, strict=True):
            assert value.item() == pytest.approx(slow(name, channel))


@pytest.mark.parametrize("p", [0.5, 1.0, 2.7, 6.0])
def test_gem_of_any_power(p: float) -> None:
    found = gem(maps(), power(p))
    assert found[1, 2].item() == pytest.approx(slow("gem", maps()[1, 2], p))


def test_gem_lies_between_mean_and_maximum() -> None:
    positive = maps().clamp(min=1e-6)
    torch.testing.assert_close(gem(positive, power(1.0)), spoc(positive))
    torch.testing.assert_close(gem(positive, power(200.0)), mac(positive), rtol=0.02, atol=0)


def test_gem_gradients() -> None:
    inputs, p = maps().requires_grad_(), power(3.0).requires_grad_()
    assert torch.autograd.gradcheck(gem, (inputs, p))
    (gem(maps(), p) - mac(maps())).square().sum().backward()
    assert cast(torch.Tensor, p.grad).item() < 0, "a larger power is nearer to the maximum"


@pytest.mark.parametrize("values", [torch.zeros(1, 2, 3, 3), torch.full((1, 2, 3, 3), 1e30)])
def test_gem_is_finite_on_dead_and_on_huge_channels(values: torch.Tensor) -> None:
    inputs, p = values.clone().requires_grad_(), torch.tensor(3.0, requires_grad=True)
    out = gem(inputs, p)
    out.sum().backward()
    assert torch.allclose(out, values[:, :, 0, 0].clamp(min=1e-6))
    assert cast(torch.Tensor, inputs.grad).isfinite().all()
    assert cast(torch.Tensor, p.grad).isfinite()


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_gem_of_half_precision_is_computed_in_full(kind: torch.dtype) -> None:
    halves = maps().to(kind)
    torch.testing.assert_close(gem(halves, torch.tensor(3.0)), gem(halves.float(), torch.tensor(3.0)))


def test_places_do_not_matter() -> None:
    flat = maps().flatten(2)[..., torch.randperm(20, generator=torch.Generator().manual_seed(1))]
    for name in NAMES:
        torch.testing.assert_close(pool(name, flat.view(2, 3, 4, 5)), pool(name, maps()))


def unit(values: list[float]) -> list[float]:
    length = sum(value * value for value in values) ** 0.5
    return [value / length for value in values]


@pytest.mark.parametrize("names", [("spoc",), ("mac", "gem"), *permutations(NAMES)])
@pytest.mark.parametrize("stages", [1, 2])
def test_descriptors_follow_their_definition(names: Any, stages: int) -> None:
    several = [maps(2, 4, 3, 3), maps(2, 6, 5, 5, seed=1)][:stages]
    found = Descriptors(names, stages=stages).double()(several)
    for image in range(2):
        parts = [unit([slow(name, channel) for channel in each[image]]) for name in names for each in several]
        expected = unit([value for part in parts for value in part])
        assert found[image].tolist() == pytest.approx(expected)


def test_power_is_learned_for_each_stage() -> None:
    module = Descriptors(("mac", "gem"), stages=2)
    assert {name: value.shape for name, value in module.named_parameters()} == {"power": (2,)}
    several = [maps(2, 4, 3, 3).float(), maps(2, 6, 5, 5, seed=1).float()]
    module(several)[:, 0].sum().backward()
    assert module.power.grad is not None
    assert (module.power == 3).all()
    assert Descriptors(("gem",)).power.shape == ()
    assert not list(Descriptors(("spoc", "mac")).parameters())


def test_dead_maps_give_zeros_and_a_finite_gradient() -> None:
    dead = torch.zeros(2, 3, 4, 4, requires_grad=True)
    out = Descriptors(("spoc", "mac"))([dead])
    out.sum().backward()
    assert (out == 0).all()
    assert cast(torch.Tensor, dead.grad).isfinite().all()


def test_unknown_name() -> None:
    with pytest.raises(
        ConfigError, match=r"unknown pooling - network.pooling - saw 'gen'.*did you mean gem\?"
    ):
        Descriptors(cast(Any, ("spoc", "gen")))
    with pytest.raises(ConfigError, match="choose one of these"):
        Descriptors(cast(Any, ("zzz",)))


@pytest.mark.parametrize(("height", "width"), [(2, 2), (7, 7), (6, 5)])
def test_quarters_are_the_means_of_the_four_corners(height: int, width: int) -> None:
    several = maps(2, 3, height, width)
    halves = [slice(0, -(-height // 2)), slice(height // 2, height)]
    sides = [slice(0, -(-width // 2)), slice(width // 2, width)]
    corners = [
        several[:, :, rows, columns].mean((2, 3)) for rows in halves for columns in sides
    ]  # [n, c] each
    expected = torch.stack(corners, dim=2).flatten(1)
    torch.testing.assert_close(quarters(several), expected)


def test_quarters_come_behind_the_poolings() -> None:
    several = [maps(2, 4, 3, 3), maps(2, 6, 5, 5, seed=1)]
    plain = Descriptors(("spoc",))(several)
    found = Descriptors(("spoc",), quartered=(2,))(several)
    assert found.shape == (2, 4 + 24)
    torch.testing.assert_close(found[:, :4] * 2**0.5, plain)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, dtype=found.dtype))
    torch.testing.assert_close(found[:, 4:] * 2**0.5, functional.normalize(quarters(several[1]), dim=1))


def test_quarters_tell_left_from_right() -> None:
    left = torch.zeros(1, 1, 4, 4)
    left[..., :2] = 1
    assert torch.equal(spoc(left), spoc(left.flip(3)))
    assert not torch.equal(quarters(left), quarters(left.flip(3)))


@pytest.mark.parametrize(("wild", "tame"), [(-40.0, 1.0), (0.0, 1.0), (1e9, 100.0)])
@pytest.mark.parametrize("stages", [1, 2])
def test_a_power_that_ran_away_counts_as_the_end_of_its_range(wild: float, tame: float, stages: int) -> None:
    pooling, inputs = Descriptors(["gem"], stages=stages), [maps().float()] * stages
    pooling.power.data.fill_(wild)
    expected = functional.normalize(gem(inputs[0], torch.tensor(tame)), dim=1)
    expected = functional.normalize(torch.cat([expected] * stages, dim=1), dim=1)
    torch.testing.assert_close(pooling.eval()(inputs), expected)
    assert pooling.power.eq(wild).all()  # judging changes nothing
    pooling.train()(inputs)[:, 0].sum().backward()
    assert pooling.power.eq(tame).all()
    gradient = cast(torch.Tensor, pooling.power.grad)
    assert gradient.isfinite().all()
    assert gradient.ne(0).all(), "from the end of the range it finds back"
