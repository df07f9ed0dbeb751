from __future__ import annotations

import torch
from torch import Tensor, nn

from lookalike.config import NetworkConfig, PreprocessConfig
from lookalike.training.backbones import Features
from lookalike.training.layers import LayerRow, count_of, layer_lines, layer_rows
from lookalike.training.network import Head, Network


class Small(nn.Module):
    """A layer that runs twice, a BatchNorm, a parameter of its own, and a layer that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv2d(3, 3, 1, bias=False)
        self.norm = nn.BatchNorm2d(3)
        self.idle = nn.Linear(2, 2)
        self.shift = nn.Parameter(torch.zeros(5))

    def forward(self, images: Tensor) -> Tensor:
        maps: Tensor = self.norm(self.twice(self.twice(images.permute(0, 3, 1, 2).float())))
        return maps.mean((2, 3))


def test_rows_follow_the_way_through_the_network() -> None:
    network = Small()
    network.idle.eval()
    rows = layer_rows(network, size=8)
    assert rows == (
        LayerRow("twice", "Conv2d", (3, 8, 8), 9, 0),
        LayerRow("norm", "BatchNorm2d", (3, 8, 8), 6, 6),
        LayerRow("", "Small", (3,), 5, 0),
    )
    assert count_of(network) == (9 + 6 + 5 + 6, 6)


def test_network_stays_as_it_is() -> None:
    network = Small()
    network.idle.eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    layer_rows(network, size=8)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert (network.training, network.norm.training, network.idle.training) == (True, True, False)
    assert not any(module._forward_hooks for module in network.modules())


def test_lines_name_every_layer_and_the_sums() -> None:
    config = NetworkConfig(backbone="resnet18", pretrained=False)
    features = Features(config, PreprocessConfig(size=64))
    network = Network(features, Head(features.dim, 16))
    lines = layer_lines(network, size=64)
    assert lines[0].split() == ["layer", "gives", "weights", "statistics"]
    assert "512 x 2 x 2" in next(line for line in lines if line.startswith("features.backbone.layer4.1.bn2"))
    assert "8,208" in next(line for line in lines if line.startswith("head.last"))
    weights, statistics = count_of(network)
    assert lines[-1] == f"{weights + statistics:,} numbers: {weights:,} weights, {statistics:,} statistics"
    assert weights == sum(parameter.numel() for parameter in network.parameters())
