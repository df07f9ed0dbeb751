"""The network that is trained: features of a backbone, then a head, to unit vectors.

Features [n, D] of unit length (or pictures) enter, embeddings [n, d] of unit length leave. What a head
minimises, and how it is exported, is decided elsewhere; every head can say what it computes as a graph.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.config import NetworkConfig
from lookalike.errors import ConfigError
from lookalike.records import Floats
from lookalike.training.closed_form import LinearHead
from lookalike.training.graph import CombinedGraph, HeadGraph, Layer


class Head(nn.Module):
    """Signed power, unit length, [Linear -> BatchNorm -> ReLU -> Dropout] x hidden, Linear, unit length.

    Args:
        inputs: D, length of a feature.
        dim: d, length of an embedding.
        hidden: units of the blocks; empty for a linear head.
        dropout: of every block, in [0, 1).
        power: of the signed power; 1 leaves features as they are.
        residual: add what enters the first layer to what leaves the last, which begins as 0; d must be D.
    """

    power: Tensor

    def __init__(
        self,
        inputs: int,
        dim: int,
        *,
        hidden: Sequence[int] = (),
        dropout: float = 0.0,
        power: float = 1.0,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.register_buffer("power", torch.tensor(power))
        self.dim = dim
        self.residual = residual
        self.plain = power == 1.0
        sizes = [inputs, *hidden]
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU(), nn.Dropout(dropout))
            for a, b in pairwise(sizes)
        )
        self.last = nn.Linear(sizes[-1], dim)
        if residual:
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> Tensor:
        """[n, D] to [n, d] unit rows."""
        entering = hidden = self._evened(features)
        for block in self.blocks:
            hidden = block(hidden)
        leaving: Tensor = self.last(hidden)
        return functional.normalize(entering + leaving if self.residual else leaving, dim=1)

    def _evened(self, features: Tensor) -> Tensor:
        """Signed power and unit length, without the power's arithmetic where it is 1."""
        return functional.normalize(features, dim=1) if self.plain else signed_power(features, self.power)

    @classmethod
    def from_closed_form(cls, solved: LinearHead) -> Head:
        """A linear head that begins as the closed-form solution."""
        inputs, dim = solved.weight.shape
        head = cls(inputs, dim, power=solved.power)
        with torch.no_grad():
            head.last.weight.copy_(torch.from_numpy(solved.weight.T.copy()))
            head.last.bias.copy_(torch.from_numpy(solved.bias))
        return head

    @classmethod
    def identity(cls, inputs: int) -> Head:
        """A linear head that begins as the feature itself."""
        head = cls(inputs, inputs)
        nn.init.eye_(head.last.weight)
        nn.init.zeros_(head.last.bias)
        return head

    def as_graph(self) -> HeadGraph:
        """The head in evaluation, as it is exported: BatchNorm folded into plain affine layers."""
        folded = [
            _fold(cast(nn.Linear, block[0]), cast(nn.BatchNorm1d, block[1]))
            for block in cast(list[nn.Sequential], self.blocks)
        ]
        last = _numpy(self.last.weight.T), _numpy(self.last.bias)
        return HeadGraph(self.power.item(), [*folded, last], residual=self.residual)


class CombinedHead(nn.Module):
    """Each descriptor through its own Linear to d/k, to unit length, side by side, to unit length.

    Args:
        inputs: D, length of a feature: k descriptors of equal length side by side.
        dim: d, length of an embedding; k must divide it.
        descriptors: k.
        identity: begin as the feature itself; d must be D.

    Reference: Jun et al., Combination of Multiple Global Descriptors for Image Retrieval, 2019
        (arXiv:1903.10663), equations 2 and 3. Descriptors enter with unit length, which changes nothing:
        a Linear without bias, then unit length, forgets their length.
    """

    def __init__(self, inputs: int, dim: int, *, descriptors: int, identity: bool = False) -> None:
        super().__init__()
        self.dim = dim
        self.branches = nn.ModuleList(
            nn.Linear(inputs // descriptors, dim // descriptors, bias=False) for _ in range(descriptors)
        )
        for branch in cast(list[nn.Linear], self.branches) if identity else []:
            nn.init.eye_(branch.weight)

    def forward(self, features: Tensor) -> Tensor:
        """[n, D] to [n, d] unit rows."""
        parts = features.chunk(len(self.branches), dim=1)
        rows = [
            functional.normalize(branch(part), dim=1)
            for branch, part in zip(self.branches, parts, strict=True)
        ]
        return functional.normalize(torch.cat(rows, dim=1), dim=1)

    def as_graph(self) -> CombinedGraph:
        """The head as it is exported."""
        return CombinedGraph([_numpy(branch.weight.T) for branch in cast(list[nn.Linear], self.branches)])


AnyHead = Head | CombinedHead


def signed_power(features: Tensor, power: Tensor) -> Tensor:
    """sign(x)·|x|^power, rows scaled to unit length: evens out a few dominant channels.

    Reference: Perronnin et al., Improving the Fisher Kernel, ECCV 2010 (power and L2 normalisation).
    """
    size = features.abs().clamp_min(1e-12)  # keeps the gradient of a power below 1 finite
    return functional.normalize(features.sign() * size**power, dim=1)


def make_head(network: NetworkConfig, *, inputs: int, start: LinearHead | None = None) -> AnyHead:
    """The head that a run file asks for.

    Args:
        inputs: D, length of a feature.
        start: the closed-form solution, where a linear head begins as it.

    Raises:
        ConfigError: the head begins as the feature, and embedding_dim is another than D.
    """
    if start is not None:
        return Head.from_closed_form(start)
    dim = network.embedding_dim or inputs
    identity = network.resolved_start == "identity"
    if identity and dim != inputs:
        raise ConfigError(
            "a head that begins as the feature has its length",
            where="network.embedding_dim",
            saw=str(dim),
            wanted=f"null or {inputs}",
            do="use --set network.embedding_dim=null, or another network.head_start",
        )
    if network.resolved_head == "cgd":
        return CombinedHead(inputs, dim, descriptors=len(network.pooling), identity=identity)
    if identity and network.resolved_head == "linear":
        return Head.identity(inputs)
    return Head(inputs, dim, hidden=network.hidden, dropout=network.dropout, residual=identity)


class Network(nn.Module):
    """Features and head in one: what fine-tuning trains."""

    def __init__(self, features: nn.Module, head: AnyHead) -> None:
        super().__init__()
        self.features = features
        self.head = head
        self.dim = head.dim

    def forward(self, images: Tensor) -> Tensor:
        """[n, h, w, 3] uint8 to [n, d] unit rows."""
        return cast(Tensor, self.head(self.features(images)))

    def with_descriptor(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Embeddings [n, d] and, from the same pass, the first pooling's descriptor [n, c]; unit rows.

        The descriptor is what an auxiliary classifier sits on in training: the feature's first part, before
        the head.
        """
        features = self.features(images)
        first = features[:, : cast(int, self.features.descriptor_dim)]
        return self.head(features), functional.normalize(first, dim=1)


def _fold(linear: nn.Linear, norm: nn.BatchNorm1d) -> Layer:
    mean, variance = cast(Tensor, norm.running_mean), cast(Tensor, norm.running_var)
    scale = norm.weight / torch.sqrt(variance + norm.eps)
    weight = linear.weight * scale[:, None]
    bias = (linear.bias - mean) * scale + norm.bias
    return _numpy(weight.T), _numpy(bias)


def _numpy(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)
