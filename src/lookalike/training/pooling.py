"""How a feature map becomes one vector: mean, max, or a learned mean between the two.

Maps [n, c, h, w] enter, vectors [n, c] leave, not yet of unit length.
"""

from __future__ import annotations

import difflib
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from lookalike.errors import ConfigError

Pooling = Literal["spoc", "mac", "gem"]


class SPoC(nn.Module):
    """The mean over all places.

    Reference: Babenko & Lempitsky, Aggregating Deep Convolutional Features, ICCV 2015 (arXiv:1510.07493).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """[n, c, h, w] to [n, c]."""
        return maps.mean((2, 3))


class MAC(nn.Module):
    """The largest value of all places.

    Reference: Tolias et al., Particular Object Retrieval, ICLR 2016 (arXiv:1511.05879).
    """

    def forward(self, maps: Tensor) -> Tensor:
        """[n, c, h, w] to [n, c]."""
        return maps.amax((2, 3))


class GeM(nn.Module):
    """The generalised mean (mean of x^p)^(1/p) with a learned power: 1 is the mean, infinity the maximum.

    Args:
        power: where p starts.
        floor: values below it count as it: a power needs positive numbers.

    Reference: Radenovic et al., Fine-tuning CNN Image Retrieval with No Human Annotation, TPAMI 2018
        (arXiv:1711.02512), equation 3; one p for all channels.
    """

    def __init__(self, power: float = 3.0, *, floor: float = 1e-6) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor(power))
        self.floor = floor

    def forward(self, maps: Tensor) -> Tensor:
        """[n, c, h, w] to [n, c], every value >= floor."""
        return maps.clamp(min=self.floor).pow(self.power).mean((2, 3)).pow(1.0 / self.power)


def make_pooling(name: Pooling) -> nn.Module:
    """Return the pooling of that name.

    Raises:
        ConfigError: there is none.
    """
    kinds: dict[str, type[nn.Module]] = {"spoc": SPoC, "mac": MAC, "gem": GeM}
    if name not in kinds:
        near = difflib.get_close_matches(name, kinds, n=1)
        raise ConfigError(
            "unknown pooling",
            where="network.pooling",
            saw=repr(name),
            wanted=" or ".join(get_args(Pooling)),
            do=f"did you mean {near[0]}?" if near else "choose one of these",
        )
    return kinds[name]()
