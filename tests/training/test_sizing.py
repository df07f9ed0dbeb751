"""Backbones of one fixed size are made for the size that is asked for, or the setting is named."""

from __future__ import annotations

from typing import Any

import pytest
import timm
import torch

from lookalike.config import NetworkConfig, PreprocessConfig
from lookalike.errors import ConfigError
from lookalike.training.backbones import Features
from lookalike.training.sizing import made_for

VIT = "test_vit"


def features(name: str, size: int | None) -> Features:
    return Features(NetworkConfig(backbone=name, pretrained=False), PreprocessConfig(size=size))


@pytest.mark.parametrize("size", [32, 64, 160, None])
def test_a_transformer_is_made_for_the_size_that_is_asked_for(size: int | None) -> None:
    made = features(VIT, size)
    assert made.preprocess.size == size or made.preprocess.size == 160
    side = made.preprocess.size
    assert made(torch.zeros(2, side, side, 3, dtype=torch.uint8)).shape == (2, made.dim)


def test_only_backbones_of_one_size_are_told() -> None:
    assert made_for(VIT, 64) == {"img_size": 64}
    assert made_for(VIT, 160) == made_for(VIT, None) == {}
    assert made_for("resnet18", 64) == made_for("hf-hub:some/model", 64) == made_for("nothing", 64) == {}


def test_a_size_that_does_not_fit_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise RuntimeError("Error(s) in loading state_dict:\n size mismatch")

    for size in (16, 40):  # the first by a division by zero
        with pytest.raises(ConfigError, match=rf"preprocess\.size - saw {size}: .*leave out preprocess"):
            features("test_maxvit", size)
    monkeypatch.setattr(timm, "create_model", refuse)
    with pytest.raises(ConfigError, match=r"preprocess\.size - saw 64: Error.*wanted its own"):
        features(VIT, 64)
    with pytest.raises(ConfigError, match="unknown backbone"):
        features("resnet18", 64)
