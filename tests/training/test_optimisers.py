"""Learning rates, schedules, frozen parts, averaged weights and precision, each against a second way."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import timm
import torch
from torch import nn

from lookalike.config import TrainingConfig
from lookalike.errors import ConfigError
from lookalike.training import optimisers
from lookalike.training.network import Head, Network
from lookalike.training.optimisers import (
    average_of,
    choose_precision,
    freeze_statistics,
    layers,
    make_optimizer,
    make_schedule,
    reseed,
    unfreeze,
)


def training(**options: Any) -> TrainingConfig:
    return TrainingConfig.model_validate({"learning_rate": 0.1, "backbone_learning_rate": 0.01, **options})


class Backboned(nn.Module):
    """Features around a timm backbone, with a learned pooling behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = timm.create_model("tf_efficientnet_lite0", num_classes=0)
        self.power = nn.Parameter(torch.ones(1))


@pytest.fixture(scope="module")
def whole() -> Network:
    return Network(Backboned(), Head(1280, 8))


def three() -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 24))


@pytest.mark.parametrize(
    ("name", "kind"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW), ("sgd", torch.optim.SGD)]
)
def test_optimizer_has_a_rate_for_each_part(name: str, kind: type) -> None:
    network = Network(nn.Linear(3, 24), Head(24, 8))
    optimizer = make_optimizer(network, training(optimizer=name))
    assert type(optimizer) is kind
    assert [group["lr"] for group in optimizer.param_groups] == [0.1, 0.01]
    network.features.requires_grad_(requires_grad=False)
    assert [group["lr"] for group in make_optimizer(network, training()).param_groups] == [0.1]


def test_every_parameter_is_in_one_group(whole: Network) -> None:
    proxies = nn.Linear(8, 50, bias=False)
    for options in (
        {},
        {"layer_decay": 0.5},
        {"weight_decay": 0.1},
        {"layer_decay": 0.5, "weight_decay": 0.1},
    ):
        optimizer = make_optimizer(whole, training(**options), loss=proxies)
        found = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
        wanted = [id(parameter) for part in (whole, proxies) for parameter in part.parameters()]
        assert sorted(found) == sorted(wanted)


def test_layer_decay_slows_down_towards_the_pixels(whole: Network) -> None:
    optimizer = make_optimizer(whole, training(layer_decay=0.5))
    rate = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    backbone: Any = whole.features.backbone
    assert rate[id(backbone.conv_head.weight)] == pytest.approx(0.01)
    assert rate[id(whole.features.power)] == pytest.approx(0.01)
    for block, above in ((6, 0), (5, 1), (0, 6)):
        for parameter in backbone.blocks[block].parameters():
            assert rate[id(parameter)] == pytest.approx(0.01 * 0.5**above)
    assert rate[id(backbone.conv_stem.weight)] == pytest.approx(0.01 * 0.5**7)
    assert rate[id(whole.head.last.weight)] == 0.1  # type: ignore[union-attr]


def test_layers_of_a_plain_module_are_its_children() -> None:
    module = three()
    assert [[id(p) for p in stage] for stage in layers(module)] == [
        [id(p) for p in child.parameters()] for child in module
    ]
    assert layers(nn.ReLU()) == [[]]


@pytest.mark.parametrize("backbone", ["resnet10t", "vit_tiny_patch16_224"])
def test_stages_of_other_backbones_end_at_the_head(backbone: str) -> None:
    network = timm.create_model(backbone, num_classes=0)
    stages = layers(network)
    assert len(stages) > 4
    assert any(parameter is next(network.parameters()) for parameter in stages[0])
    assert sum(map(len, stages)) == len(list(network.parameters()))


def test_weight_decay_spares_vectors_and_the_loss(whole: Network) -> None:
    proxies = nn.Linear(8, 50, bias=False)
    optimizer = make_optimizer(whole, training(weight_decay=0.1), loss=proxies)
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    for parameter in whole.parameters():
        assert decay[id(parameter)] == (0.1 if parameter.ndim > 1 else 0.0)
    assert decay[id(proxies.weight)] == 0.0


def test_last_stages_alone_learn(whole: Network) -> None:
    features = copy.deepcopy(whole.features)
    backbone: Any = features.backbone
    unfreeze(features, training(unfreeze=2))
    learning = {name for name, parameter in features.named_parameters() if parameter.requires_grad}
    assert learning == {
        name
        for name, _ in features.named_parameters()
        if name.startswith(
            ("backbone.blocks.6", "backbone.blocks.5", "backbone.conv_head", "backbone.bn2", "power")
        )
    }
    assert not backbone.conv_stem.weight.requires_grad
    unfreeze(features, training())
    assert all(parameter.requires_grad for parameter in features.parameters())
    with pytest.raises(ConfigError, match=r"fewer stages.*training\.unfreeze.*saw 9.*1 to 8, or all"):
        unfreeze(features, training(unfreeze=9))


@pytest.mark.parametrize(
    ("pretrained", "freeze"), [(True, True), (True, False), (False, True), (False, False)]
)
def test_statistics_of_a_pretrained_backbone_stay(pretrained: bool, freeze: bool) -> None:
    features = three().train()
    freeze_statistics(features, training(freeze_batch_norm=freeze), pretrained=pretrained)
    assert features[1].training is not (pretrained and freeze)
    assert features[0].training
    features[1].requires_grad_(requires_grad=False)
    freeze_statistics(features, training(freeze_batch_norm=freeze), pretrained=pretrained)
    assert not features[1].training, "a frozen norm"
    features[1].requires_grad_(requires_grad=True)
    freeze_statistics(features, training(freeze_batch_norm=False), pretrained=pretrained)
    assert features[1].training, "and back"


def rates(options: TrainingConfig, *, epoch_steps: int) -> list[float]:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = make_schedule(optimizer, options, epoch_steps=epoch_steps)
    assert schedule is not None
    found = []
    for _ in range(options.epochs * epoch_steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


@pytest.mark.parametrize("warmup", [0.2, 2.0])
def test_warm_up_rises_evenly_to_the_whole_rate(warmup: float) -> None:
    found = rates(training(epochs=10, warmup=warmup), epoch_steps=5)
    assert found == pytest.approx([2.0 * min(1.0, (step + 1) / 10) for step in range(50)])


def test_cosine_falls_from_the_whole_rate_to_nearly_none() -> None:
    found = rates(training(epochs=4, schedule="cosine", warmup=0.25), epoch_steps=10)
    assert found[:10] == pytest.approx([0.2 * (step + 1) for step in range(10)])
    assert found[10:] == pytest.approx([1 + math.cos(math.pi * step / 30) for step in range(30)])
    assert 0 < found[-1] < 0.01


def test_constant_rate_has_no_schedule() -> None:
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=2.0)
    assert make_schedule(optimizer, training(), epoch_steps=5) is None


def test_average_follows_as_its_formula_says() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    average = average_of(network, decay=0.5)
    wanted: dict[str, torch.Tensor] = {}
    for step in range(12):
        with torch.no_grad():
            for value in network.state_dict().values():
                value.add_(torch.randn(value.shape) if value.is_floating_point() else 1)
        average.update_parameters(network)
        decay = min(0.5, (1 + step) / (10 + step)) if step else 0.0
        for name, value in network.state_dict().items():
            before = wanted.get(name, value).double()
            wanted[name] = (
                decay * before + (1 - decay) * value if value.is_floating_point() else value.clone()
            )
    for name, value in average.module.state_dict().items():
        assert torch.allclose(value.double(), wanted[name].double(), atol=1e-6), name
    assert not any(parameter.requires_grad for parameter in average.parameters())


@pytest.mark.parametrize(
    ("asked", "device", "hardware", "fine_tuned", "wanted"),
    [
        ("auto", "cpu", {"amx_tile"}, True, "bf16-mixed"),
        ("auto", "cpu", {"amx_tile"}, False, "32-true"),
        ("auto", "cpu", {"avx512_bf16"}, True, "32-true"),
        ("auto", "cpu", set(), True, "32-true"),
        ("auto", "gpu", {"gpu"}, True, "bf16-mixed"),
        ("auto", "gpu", set(), True, "32-true"),
        ("auto", "mps", {"amx_tile"}, True, "32-true"),
        ("float32", "gpu", {"gpu"}, True, "32-true"),
        ("bfloat16", "cpu", {"avx512_bf16"}, False, "bf16-mixed"),
        ("bfloat16", "gpu", {"gpu"}, True, "bf16-mixed"),
        ("bfloat16", "cpu", set(), True, None),
        ("bfloat16", "mps", set(), True, None),
        ("bfloat16", "gpu", set(), True, None),
    ],
)
def test_precision_is_what_the_hardware_has(
    monkeypatch: pytest.MonkeyPatch,
    asked: str,
    device: str,
    hardware: set[str],
    fine_tuned: bool,
    wanted: str | None,
) -> None:
    monkeypatch.setattr(optimisers, "_processor", lambda feature: feature in hardware)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: "gpu" in hardware)
    options = training(precision=asked, device=device)
    if wanted is not None:
        assert choose_precision(options, fine_tuned=fine_tuned) == wanted
        return
    with pytest.raises(ConfigError, match=rf"bfloat16.*training\.precision.*bfloat16 on {device}.*=auto"):
        choose_precision(options, fine_tuned=fine_tuned)


def test_device_is_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"gpu": True, "mps": True}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: there["gpu"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: there["mps"])
    assert optimisers.device_of(training()) == "gpu"
    assert optimisers.device_of(training(device="cpu")) == "cpu"
    there["gpu"] = False
    assert optimisers.device_of(training()) == "mps"
    there["mps"] = False
    assert optimisers.device_of(training()) == "cpu"


def test_processor_is_asked() -> None:
    for feature in ("amx_tile", "avx512_bf16"):
        assert isinstance(optimisers._processor(feature), bool)


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_reseeding_reaches_the_device(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seeded: list[tuple[str, int]] = []
    monkeypatch.setattr(torch.cuda, "manual_seed", lambda seed: seeded.append(("cuda", seed)))
    monkeypatch.setattr(torch.mps, "manual_seed", lambda seed: seeded.append(("mps", seed)))
    with torch.random.fork_rng(devices=[]):
        reseed(7, torch.device(device))
        first = torch.rand(3)
        torch.manual_seed(7)
        assert torch.equal(torch.rand(3), first)
    assert seeded[: (device != "cpu")] == ([] if device == "cpu" else [(device, 7)])
