"""What every place of a picture adds to its embedding: the poolings and the head, shared out over the maps.

The maps of one picture enter, a Placed picture leaves, whose places add up to the embedding exactly. Every
step shares its output out in proportion to what each place put in: a mean by x, a generalised mean by x^p, a
maximum all to the place where it is (to several in equal shares), a unit length by its known number; for the
head see `head`. How a cell of a map came by its value, and what of the picture it saw, is not looked into.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.judging.similarity import Doubles
from lookalike.models.head import FixedHead, LocalHead
from lookalike.models.maps import Composition
from lookalike.records import Floats

GEM_FLOOR = 1e-6  # smaller values count as this: a power needs positive numbers

_TINY = 1e-12


@dataclass(frozen=True)
class Placed:
    """One picture's embedding as a sum over the cells of a grid.

    Attributes:
        parts: of the feature, in its order: [D_k, h, w] each, what each cell of its map adds to each number.
        head: the head around this picture's feature.
        grid: rows and columns, those of the largest map. What a cell of a smaller map adds is spread evenly
            over the cells that it covers, what the head's constants add over all cells.
    """

    parts: Sequence[Doubles]
    head: LocalHead
    grid: tuple[int, int]

    @property
    def rest(self) -> Doubles:
        """[d], what the head's constants add in each cell."""
        return self.head.rest / (self.grid[0] * self.grid[1])

    def heat(self, direction: Doubles) -> Doubles:
        """What each cell adds to the product with a direction [d]: [rows, columns].

        The direction of another picture's embedding gives the similarity, whose sum over all cells it is.
        """
        total = np.full(self.grid, float(self.rest @ direction))
        weights = self.head.pull(direction)
        start = 0
        for part in self.parts:
            own = np.tensordot(weights[start : start + len(part)], part, axes=1)  # [h, w]
            total += spread(own.shape[0], self.grid[0]) @ own @ spread(own.shape[1], self.grid[1]).T
            start += len(part)
        return total

    def at(self, row: int, column: int) -> Doubles:
        """What one cell adds to the embedding: [d]."""
        rows = [
            part @ spread(part.shape[2], self.grid[1])[column] @ spread(part.shape[1], self.grid[0])[row]
            for part in self.parts
        ]
        added: Doubles = self.head.push(np.concatenate(rows)[None])[0] + self.rest
        return added


def place(maps: Sequence[Floats], composition: Composition, head: FixedHead, *, dim: int) -> Placed:
    """Share a picture's embedding out over its places.

    Args:
        maps: [c, h, w] each, the last one first.
        dim: d, where only the first d numbers of the head's embedding are used; else its length.

    Reference:
        Stylianou, Souvenir and Pless, Visualizing Deep Similarity Networks, WACV 2019 (arXiv:1901.00536):
        the decomposition for mean and maximum; gem and the steps of the head are shared out likewise.
    """
    wide = [values.astype(np.float64) for values in maps]
    pooled = [
        _shares(name, wide[stage], composition.powers[stage : stage + 1])
        for name in composition.poolings
        for stage in range(composition.stages)
    ]
    pooled += [shares_of_quarters(wide[number - 1]) for number in composition.quarters]
    pooled = [part / _length(_sums(part)) for part in pooled]
    whole = _length(np.concatenate([_sums(part) for part in pooled]))
    parts = [part / whole for part in pooled]
    feature = np.concatenate([_sums(part) for part in parts])
    mass = np.concatenate([_sums(np.abs(part)) for part in parts])
    local = head.local(feature, mass)
    grid = max(part.shape[1] for part in parts), max(part.shape[2] for part in parts)
    return Placed(parts, local if dim == len(local.embedding) else local.cut(dim), grid)


def _shares(pooling: str, values: Doubles, power: Sequence[float]) -> Doubles:
    if pooling == "gem":
        return shares_of_gem(values, power[0])
    return shares_of_spoc(values) if pooling == "spoc" else shares_of_mac(values)


def shares_of_spoc(values: Doubles) -> Doubles:
    """What each cell adds to the mean: [c, h, w], as all shares."""
    return np.asarray(values / (values.shape[1] * values.shape[2]))


def shares_of_mac(values: Doubles) -> Doubles:
    """What each cell adds to the maximum: all of it; equal shares where it is in several cells."""
    largest = values.max(axis=(1, 2), keepdims=True)
    there = values == largest
    return np.asarray(largest * there / there.sum(axis=(1, 2), keepdims=True))


def shares_of_gem(values: Doubles, power: float) -> Doubles:
    """What each cell adds to the generalised mean: the share of its x^p in the sum of all."""
    positive = np.maximum(values, GEM_FLOOR)
    largest = positive.max(axis=(1, 2), keepdims=True)
    powered = (positive / largest) ** power
    mean = powered.mean(axis=(1, 2), keepdims=True) ** (1 / power) * largest
    return np.asarray(mean * powered / powered.sum(axis=(1, 2), keepdims=True))


def shares_of_quarters(values: Doubles) -> Doubles:
    """What each cell adds to the means of the four quarters: [4c, h, w], channel after channel."""
    channels, height, width = values.shape
    tall, wide = (height + 1) // 2, (width + 1) // 2
    shares = np.zeros((channels, 4, height, width))
    for quarter in range(4):
        top, left = (quarter // 2) * (height // 2), (quarter % 2) * (width // 2)
        window = slice(top, top + tall), slice(left, left + wide)
        shares[:, quarter, *window] = values[:, *window] / (tall * wide)
    return shares.reshape(4 * channels, height, width)


def spread(cells: int, fine: int) -> Doubles:
    """How the mass of equal cells falls on a finer division of the same length: [fine, cells].

    Columns sum to 1, so that nothing is lost.

    >>> spread(2, 3)
    array([[0.66666667, 0.        ],
           [0.33333333, 0.33333333],
           [0.        , 0.66666667]])
    """
    coarse, thin = np.arange(cells + 1) / cells, np.arange(fine + 1) / fine
    least = np.maximum(coarse[:-1], thin[:-1, None])
    most = np.minimum(coarse[1:], thin[1:, None])
    return np.asarray(np.maximum(most - least, 0) * cells)


def _sums(part: Doubles) -> Doubles:
    return np.asarray(part.sum(axis=(1, 2)))


def _length(values: Doubles) -> float:
    return max(float(np.linalg.norm(values)), _TINY)
