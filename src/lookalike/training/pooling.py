"""How feature maps become one vector: mean, max, or a learned mean between the two, of one map or several.

Maps [n, c, h, w] enter, one unit vector a picture leaves. Which maps a backbone has is not decided here.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.config import Pooling
from lookalike.errors import ConfigError
from lookalike.models.contributions import GEM_FLOOR as GEM_FLOOR

GEM_POWER = 3.0
GEM_POWERS = 1.0, 100.0  # what is learned stays within: the mean, and nearly the maximum


def spoc(maps: Tensor) -> Tensor:
    """The mean over all places: [n, c, h, w] to [n, c].

    Reference: Babenko & Lempitsky, Aggregating Deep Convolutional Features, ICCV 2015 (arXiv:1510.07493).
    """
    return maps.mean((2, 3))


def mac(maps: Tensor) -> Tensor:
    """The largest value of all places: [n, c, h, w] to [n, c].

    Reference: Tolias et al., Particular Object Retrieval, ICLR 2016 (arXiv:1511.05879).
    """
    return maps.amax((2, 3))


def gem(maps: Tensor, power: Tensor, *, floor: float = GEM_FLOOR) -> Tensor:
    """The generalised mean (mean of x^p)^(1/p): p = 1 is the mean, infinity the maximum.

    Every channel is divided by its largest value first and multiplied by it last, which changes nothing in
    exact arithmetic and keeps x^p in range.

    Args:
        maps: [n, c, h, w] float; half precision is computed in float32.
        power: [] float, p > 0, one for all channels.
        floor: values below it count as it: a power needs positive numbers.

    Returns:
        [n, c], every value >= floor.

    Reference: Radenovic et al., Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2018
        (arXiv:1711.02512), equation 3; one p for all channels, as in its experiments.
    """
    positive = maps.to(torch.promote_types(maps.dtype, torch.float32)).clamp(min=floor)
    largest = positive.detach().amax((2, 3), keepdim=True)  # a constant: the mean is homogeneous
    mean = (positive / largest).pow(power).mean((2, 3))
    return mean.pow(1.0 / power) * largest[:, :, 0, 0]


def quarters(maps: Tensor) -> Tensor:
    """The means of the four quarters, which keep where in the picture something is: [n, c, h, w] to [n, 4c].

    Of an odd side the middle row or column belongs to both halves; h and w are 2 or more.

    Reference: Lazebnik et al., Beyond Bags of Features: Spatial Pyramid Matching, CVPR 2006, level 1.
    """
    height, width = maps.shape[2:]
    window = (height + 1) // 2, (width + 1) // 2
    return functional.avg_pool2d(maps, window, stride=(height // 2, width // 2)).flatten(1)


class Descriptors(nn.Module):
    """Every pooling of every map, each of unit length, side by side, the whole of unit length.

    The order is pooling by pooling as named, and within a pooling map by map as given: what belongs to one
    pooling is one consecutive part, and every part has the same length. Behind them come the quarters.

    Args:
        poolings: of "spoc", "mac" and "gem", each at most once.
        stages: how many maps are pooled, >= 1.
        quartered: which maps' quarters are pooled apart, counted from 1.

    Attributes:
        power: where gem is among them, its p for each map, [stages] ([] for one map); it starts at 3 and
            counts as 1 below 1, and as 100 above: training puts it back there, so that it can return.

    Raises:
        ConfigError: there is no pooling of that name.
    """

    power: nn.Parameter

    def __init__(
        self, poolings: Sequence[Pooling], *, stages: int = 1, quartered: Sequence[int] = ()
    ) -> None:
        super().__init__()
        for name in poolings:
            _check_name(name)
        self.poolings = tuple(poolings)
        self.stages = stages
        self.quartered = tuple(quartered)
        if "gem" in poolings:
            self.power = nn.Parameter(torch.full((stages,) if stages > 1 else (), GEM_POWER))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """[n, c, h, w] each of the stages' maps to [n, D] unit rows.

        D = poolings times the sum of c, and four times each quartered c.
        """
        if self.training and "gem" in self.poolings:
            with torch.no_grad():
                self.power.clamp_(*GEM_POWERS)
        pooled = [
            self._pool(name, place, maps[place]) for name in self.poolings for place in range(self.stages)
        ]
        pooled += [quarters(maps[number - 1]) for number in self.quartered]
        descriptors = [functional.normalize(each, dim=1) for each in pooled]
        if len(descriptors) == 1:
            return descriptors[0]
        return functional.normalize(torch.cat(descriptors, dim=1), dim=1)

    def _pool(self, name: Pooling, place: int, maps: Tensor) -> Tensor:
        if name == "gem":
            # in training it was put in range above; a clamp would have no gradient at the ends
            power = self.power if self.training else self.power.clamp(*GEM_POWERS)
            return gem(maps, power.view(-1)[place])
        return spoc(maps) if name == "spoc" else mac(maps)


def _check_name(name: str) -> None:
    if name in get_args(Pooling):
        return
    near = difflib.get_close_matches(name, get_args(Pooling), n=1)
    raise ConfigError(
        "unknown pooling",
        where="network.pooling",
        saw=repr(name),
        wanted=" or ".join(get_args(Pooling)),
        do=f"did you mean {near[0]}?" if near else "choose one of these",
    )
