"""The small network for CIFAR-10: its size to the number, its arithmetic, and a backbone like others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from lookalike.config import CONVNET, NetworkConfig, PreprocessConfig
from lookalike.errors import ConfigError
from lookalike.models.model import Model
from lookalike.runfile import load_config, parse_config
from lookalike.training.backbones import Features
from lookalike.training.convnet import SimilarityConvnet
from lookalike.training.export import make_untrained, sample_pixels
from lookalike.training.layers import count_of
from lookalike.training.network import Network, make_head

RECIPE = Path(__file__).parents[2] / "recipes" / "cifar10_similarity.yaml"


def features(**network: Any) -> Features:
    torch.manual_seed(0)
    config = NetworkConfig(backbone=CONVNET, pretrained=False, **network)
    return Features(config, PreprocessConfig()).eval()


def test_recipe_has_as_many_numbers_as_were_published() -> None:
    config = load_config(RECIPE)
    own = Features(config.network, config.preprocess)
    network = Network(own, make_head(config.network, inputs=own.dim))
    assert count_of(network) == (1_027_584, 896)
    assert sum(count_of(network)) == 1_028_480
    assert (own.preprocess.size, network.dim) == (32, 256)


def test_maps_are_those_of_the_layers_one_by_one() -> None:
    torch.manual_seed(0)
    own = SimilarityConvnet().eval()
    convolutions = [module for module in own.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in own.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.running_mean, -1, 1)  # type: ignore[arg-type]
        nn.init.uniform_(norm.running_var, 0.5, 2)  # type: ignore[arg-type]
    pixels = torch.rand(2, 3, 32, 32)
    maps, shapes = pixels, []
    for place, convolution in enumerate(convolutions):
        maps = functional.relu(functional.conv2d(maps, convolution.weight, convolution.bias))
        if place < 3:
            mean, variance = (
                norms[place].get_buffer(f"running_{name}")[:, None, None] for name in ("mean", "var")
            )
            maps = (maps - mean) / (variance + 0.001).sqrt()
        if place == 1:
            maps = maps.unfold(2, 4, 4).unfold(3, 4, 4).amax((4, 5))
        shapes.append(tuple(maps.shape[1:]))
    assert shapes == [(64, 30, 30), (128, 7, 7), (256, 5, 5), (256, 3, 3)]
    with torch.inference_mode():
        assert torch.allclose(own.forward_features(pixels), maps, atol=1e-5)


def test_weights_begin_as_keras_draws_them() -> None:
    torch.manual_seed(0)
    own = SimilarityConvnet()
    for module in own.modules():
        if isinstance(module, nn.Conv2d):
            bound = (6 / (9 * (module.in_channels + module.out_channels))) ** 0.5
            assert 0.98 * bound < module.weight.abs().max().item() <= bound
            assert module.bias is not None
            assert not module.bias.any()


def test_pixels_are_only_divided_by_255() -> None:
    own = features(pooling=("mac",))
    images = torch.from_numpy(sample_pixels(own.preprocess))
    with torch.inference_mode():
        maps = own.backbone.forward_features(images.permute(0, 3, 1, 2) / 255)
        assert torch.allclose(own(images), functional.normalize(maps.amax((2, 3)), dim=1), atol=1e-6)


def test_stages_quarters_and_other_sizes_are_those_of_any_backbone() -> None:
    own = features(stages=2, pooling=("spoc", "mac"), quarters=(2,))
    assert (own.dim, own.plain_dim, own.hooked) == (2 * (256 + 128) + 4 * 128, 256, ("blocks.0",))
    with torch.inference_mode():
        assert own(torch.zeros(1, 57, 57, 3, dtype=torch.uint8)).shape == (1, own.dim)
    with pytest.raises(ConfigError, match=r"fewer stages - network\.stages - saw 3 on similarity_convnet"):
        features(stages=3)
    with pytest.raises(ConfigError, match=r"cannot keep its resolution.*similarity_convnet"):
        features(last_stride=1)


def test_smallest_picture() -> None:
    config = NetworkConfig(backbone=CONVNET, pretrained=False)
    assert Features(config, PreprocessConfig(size=24)).dim == 256
    message = (
        r"too small for the backbone - preprocess\.size - saw 23 with similarity_convnet, wanted 24 or more"
    )
    with pytest.raises(ConfigError, match=message):
        Features(config, PreprocessConfig(size=23))


def test_pretrained_weights_are_refused_and_near_names_found() -> None:
    message = r"wanted random weights: similarity_convnet has no others - set network\.pretrained: false"
    with pytest.raises(ConfigError, match=message):
        parse_config({"network": {"backbone": CONVNET}})
    misspelt = NetworkConfig(backbone="similarity_convet", pretrained=False)
    with pytest.raises(ConfigError, match=r"unknown backbone.*similarity_convnet"):
        Features(misspelt, PreprocessConfig())


def test_export_computes_what_torch_computes(tmp_path: Path) -> None:
    spec = {"backbone": CONVNET, "pretrained": False, "seed": 3, "pooling": "mac"}
    make_untrained(spec, tmp_path / "model")
    model = Model.load(tmp_path / "model")
    torch.manual_seed(3)
    own = Features(
        NetworkConfig(backbone=CONVNET, pretrained=False, pooling=("mac",)), PreprocessConfig()
    ).eval()
    pixels = sample_pixels(own.preprocess)
    with torch.inference_mode():
        assert np.allclose(model.embed_pixels(pixels), own(torch.from_numpy(pixels)).numpy(), atol=1e-5)
    assert model.preprocess == own.preprocess
