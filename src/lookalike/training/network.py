"""The network that is trained: features of a backbone, then a head, to unit vectors."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.config import NetworkConfig
from lookalike.records import Floats
from lookalike.training.closed_form import LinearHead
from lookalike.training.graph import HeadGraph, Layer


class Head(nn.Module):
    """Signed power, unit length, [Linear -> BatchNorm -> ReLU -> Dropout] x hidden, Linear, unit length.

    Args:
        inputs: D, length of a feature.
        dim: d, length of an embedding.
        hidden: units of the blocks; empty for a linear head.
        dropout: of every block, in [0, 1).
        power: of the signed power; 1 leaves features as they are.
    """

    power: Tensor

    def __init__(
        self, inputs: int, dim: int, *, hidden: Sequence[int] = (), dropout: float = 0.0, power: float = 1.0
    ) -> None:
        super().__init__()
        self.register_buffer("power", torch.tensor(power))
        sizes = [inputs, *hidden]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(dropout))
            for a, b in pairwise(sizes)
        )
        self.last = nn.Linear(sizes[-1], dim)

    def forward(self, features: Tensor) -> Tensor:
        """[n, D] to [n, d] unit rows."""
        hidden = signed_power(features, self.power)
        for block in self.blocks:
            hidden = block(hidden)
        return functional.normalize(self.last(hidden), dim=1)

    @classmethod
    def from_closed_form(cls, solved: LinearHead) -> Head:
        """A linear head that begins as the closed-form solution."""
        inputs, dim = solved.weight.shape
        head = cls(inputs, dim, power=solved.power)
        with torch.no_grad():
            head.last.weight.copy_(torch.from_numpy(solved.weight.T.copy()))
            head.last.bias.copy_(torch.from_numpy(solved.bias))
        return head

    def as_graph(self) -> HeadGraph:
        """The head in evaluation, as it is exported: BatchNorm folded into plain affine layers."""
        folded = [
            _fold(cast(nn.Linear, block[0]), cast(nn.BatchNorm1d, block[1]))
            for block in cast(list[nn.Sequential], self.blocks)
        ]
        return HeadGraph(self.power.item(), [*folded, (_numpy(self.last.weight.T), _numpy(self.last.bias))])


def signed_power(features: Tensor, power: Tensor) -> Tensor:
    """sign(x)·|x|^power, rows scaled to unit length: evens out a few dominant channels.

    Reference: Perronnin et al., Improving the Fisher Kernel, ECCV 2010 (power and L2 normalisation).
    """
    size = features.abs().clamp_min(1e-12)  # keeps the gradient of a power below 1 finite
    return functional.normalize(features.sign() * size**power, dim=1)


def make_head(network: NetworkConfig, *, inputs: int, start: LinearHead | None = None) -> Head:
    """The head that a run file asks for; `start` is the closed-form solution a linear head begins as."""
    if start is not None:
        return Head.from_closed_form(start)
    return Head(inputs, network.embedding_dim, hidden=network.hidden, dropout=network.dropout)


class Network(nn.Module):
    """Features and head in one: what fine-tuning trains."""

    def __init__(self, features: nn.Module, head: Head) -> None:
        super().__init__()
        self.features = features
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """[n, h, w, 3] uint8 to [n, d] unit rows."""
        return cast(Tensor, self.head(self.features(images)))


def _fold(linear: nn.Linear, norm: nn.BatchNorm1d) -> Layer:
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    weight = linear.weight * scale[:, None]
    bias = (linear.bias - mean) * scale + norm.bias
    return _numpy(weight.T), _numpy(bias)


def _numpy(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
