"""A small convolutional network for pictures of 32 pixels, trained from random weights.

Pixels [n, 3, h, w] enter, feature maps [n, 256, h', w'] leave. It speaks as timm's networks do, so that
everything that takes a backbone takes this one too; pooling and head are not its business.
"""

from __future__ import annotations

from typing import Any, ClassVar

from torch import Tensor, nn

from lookalike.config import CONVNET
from lookalike.errors import ConfigError

SMALLEST = 24  # pixels: a shorter side leaves nothing for the last convolution


class SimilarityConvnet(nn.Module):
    """Four convolutions of 3 x 3 without padding, BatchNorm behind the first three, one pooling of 4 x 4.

    A picture of 32 pixels gives a map of 3 x 3. Weights begin as Keras draws them (Glorot uniform, biases
    0), and BatchNorm has its constants: statistics follow a batch by 1 %, epsilon is 0.001.

    Attributes:
        pretrained_cfg: how pictures are prepared, under timm's names: values in [0, 1], neither mean nor
            spread taken out.
        feature_info: the stages, as timm lists them.
        num_features: channels of the last map.
    """

    pretrained_cfg: ClassVar[dict[str, Any]] = {
        "input_size": (3, 32, 32),
        "interpolation": "bilinear",
        "mean": (0.0, 0.0, 0.0),
        "std": (1.0, 1.0, 1.0),
        "crop_pct": 1.0,
    }
    feature_info = ({"module": "blocks.0"}, {"module": "blocks.1"})
    num_features = 256

    def __init__(self) -> None:
        super().__init__()
        first = nn.Sequential(*_convolution(3, 64), _norm(64), *_convolution(64, 128), _norm(128))
        second = nn.Sequential(*_convolution(128, 256), _norm(256), *_convolution(256, 256))
        self.blocks = nn.Sequential(first.append(nn.MaxPool2d(4)), second)

    def forward_features(self, pixels: Tensor) -> Tensor:
        """[n, 3, h, w] to [n, 256, (h - 4) // 4 - 4, (w - 4) // 4 - 4].

        Raises:
            ConfigError: a side is shorter than 24 pixels.
        """
        side = min(pixels.shape[2:])
        if side < SMALLEST:
            raise ConfigError(
                "the pictures are too small for the backbone",
                where="preprocess.size",
                saw=f"{side} with {CONVNET}",
                wanted=f"{SMALLEST} or more",
                do="leave out preprocess.size: 32 is the backbone's own",
            )
        maps: Tensor = self.blocks(pixels)
        return maps


def _convolution(inputs: int, outputs: int) -> tuple[nn.Conv2d, nn.ReLU]:
    layer = nn.Conv2d(inputs, outputs, 3)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]  # a Conv2d has one unless it is told not to
    return layer, nn.ReLU()


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3, momentum=0.01)
