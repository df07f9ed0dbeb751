"""What a network is made of: a row for each layer, with what it gives and how many numbers it has.

A network of pictures enters, rows or lines of text leave. Nothing is trained, and the network stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LayerRow:
    """One layer of a network.

    Attributes:
        name: the path of the module.
        kind: its class.
        shape: of what it gives, without the number of pictures.
        weights: its own numbers that can be learned.
        statistics: its own numbers that follow the batches, of a BatchNorm.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    weights: int
    statistics: int


def layer_rows(network: nn.Module, *, size: int) -> tuple[LayerRow, ...]:
    """The layers of a network in the order in which they run, each once.

    Only what is called as a module has a row: arithmetic in between, such as a scaling to unit length, has
    none.

    Args:
        network: takes [n, size, size, 3] uint8, as `Network` and `Features` do.
        size: side of the pictures, in pixels.
    """
    rows: dict[str, LayerRow] = {}
    handles = [
        module.register_forward_hook(_note(rows, name))
        for name, module in network.named_modules()
        if not any(True for _ in module.children()) or any(True for _ in module.parameters(recurse=False))
    ]
    training = {module: module.training for module in network.modules()}
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    finally:
        for handle in handles:
            handle.remove()
        for module, was in training.items():
            module.training = was
    return tuple(rows.values())


def layer_lines(network: nn.Module, *, size: int) -> list[str]:
    """The layers as lines of text, with the sums of the whole network below them."""
    rows = layer_rows(network, size=size)
    names = max([len(row.name) for row in rows], default=0)
    kinds = max([len(row.kind) for row in rows], default=0)
    lines = [f"{'layer':{names}}  {'':{kinds}}  {'gives':>14}  {'weights':>12}  {'statistics':>10}"]
    for row in rows:
        shape = " x ".join(map(str, row.shape))
        weights, statistics = (f"{count:,}" if count else "" for count in (row.weights, row.statistics))
        lines.append(
            f"{row.name:{names}}  {row.kind:{kinds}}  {shape:>14}  {weights:>12}  {statistics:>10}".rstrip()
        )
    learned, followed = count_of(network)
    return [*lines, f"{learned + followed:,} numbers: {learned:,} weights, {followed:,} statistics"]


def count_of(network: nn.Module) -> tuple[int, int]:
    """How many weights a network has, and how many statistics of BatchNorm."""
    weights = sum(parameter.numel() for parameter in network.parameters())
    return weights, sum(_statistics(module) for module in network.modules())


def _note(rows: dict[str, LayerRow], name: str) -> Any:
    def note(module: nn.Module, _inputs: Any, output: Any) -> None:
        shape = tuple(output.shape[1:]) if isinstance(output, Tensor) else ()
        weights = sum(parameter.numel() for parameter in module.parameters(recurse=False))
        rows.setdefault(name, LayerRow(name, type(module).__name__, shape, weights, _statistics(module)))

    return note


def _statistics(module: nn.Module) -> int:
    """Numbers that are neither learned nor constant: running means and variances."""
    own = dict(module.named_buffers(recurse=False))
    return sum(own[name].numel() for name in ("running_mean", "running_var") if own.get(name) is not None)
