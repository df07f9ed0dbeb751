"""Batches for losses and miners: rows that are drawn, labels that hold pairs, distances by the definition."""

from __future__ import annotations

import math
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize
from torch.utils._python_dispatch import TorchDispatchMode

from lookalike.training.distances import Distance

DISTANCES: tuple[Distance, ...] = ("euclidean", "squared", "cosine")
UNEQUAL = [0] * 9 + [1] * 2 + [2] * 6 + [3]  # labels


def batches(*, last: int = 3, most: int = 10) -> st.SearchStrategy[tuple[list[int], int]]:
    """Labels and a seed, as `embed` takes them.

    There are three labels to `most`, each from 0 to `last`; one is there twice, and they are not all equal.
    """
    labels = st.lists(st.integers(0, last), min_size=3, max_size=most)
    paired = labels.filter(lambda drawn: len(drawn) > len(set(drawn)) > 1)
    return st.tuples(paired, st.integers(0, 10_000))


def embed(labels: list[int], seed: int, *, dims: int = 4) -> tuple[Tensor, Tensor]:
    """Unit rows [n, dims] float64, and the labels [n]."""
    random = torch.Generator().manual_seed(seed)
    rows = torch.randn(len(labels), dims, generator=random, dtype=torch.float64)
    return normalize(rows, dim=1), torch.tensor(labels, dtype=torch.int64)


def distance_by_hand(a: Tensor, b: Tensor, distance: str) -> float:
    first, second = a.tolist(), b.tolist()
    if distance == "cosine":
        dot = sum(x * y for x, y in zip(first, second, strict=True))
        lengths = math.sqrt(sum(x * x for x in first) * sum(y * y for y in second))
        return float(1 - dot / lengths)
    squared: float = sum((x - y) ** 2 for x, y in zip(first, second, strict=True))
    return squared if distance == "squared" else math.sqrt(squared)


class LargestTensor(TorchDispatchMode):
    """Watches every operation for the most elements in a result."""

    elements = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        for part in result if isinstance(result, list | tuple) else (result,):
            if isinstance(part, Tensor):
                self.elements = max(self.elements, part.numel())
        return result
