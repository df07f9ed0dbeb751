"""The head of a model in numpy: features to unit vectors, and what each part of a feature adds to its vector.

Features [n, D] enter, embeddings [n, d] leave: the arithmetic that the exported graph must agree with. Around
one feature a head is linear up to a constant, because its powers, gates and lengths are then known numbers;
`local` gives that linear map. How a head is trained or written as a graph is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.similarity import Doubles
from lookalike.records import Floats

Layer = tuple[Floats, Floats]  # weight [in, out], bias [out]

CANCELLED = 1e-6  # of the size of its parts: a number below is what rounding left

_TINY = 1e-12  # of a length, as in the graph


@dataclass(frozen=True)
class LocalHead:
    """A head around one feature x: its embedding is push(x) + rest, exactly.

    Attributes:
        embedding: [d], of unit length.
        rest: [d], what the head's constants add, wherever things are.
        push: parts of the feature [m, D] to what they add to the embedding [m, d]; linear.
        pull: its transpose: a direction [d] to the weight [D] of every number of the feature in it.
    """

    embedding: Doubles
    rest: Doubles
    push: Callable[[Doubles], Doubles]
    pull: Callable[[Doubles], Doubles]

    def cut(self, dimensions: int) -> LocalHead:
        """The same of the first dimensions, scaled to unit length."""
        length = max(float(np.linalg.norm(self.embedding[:dimensions])), _TINY)
        missing = len(self.embedding) - dimensions
        return LocalHead(
            self.embedding[:dimensions] / length,
            self.rest[:dimensions] / length,
            lambda rows: self.push(rows)[:, :dimensions] / length,
            lambda direction: self.pull(np.pad(direction, (0, missing)) / length),
        )


@dataclass(frozen=True)
class LayeredHead:
    """Signed power, unit length, affine layers with ReLU between, unit length.

    Attributes:
        residual: add what enters the first layer to what leaves the last.
    """

    power: float
    layers: Sequence[Layer]
    residual: bool = False

    @property
    def described(self) -> dict[str, Any]:
        """What `head_of` must know beside the constants, as plain values."""
        return {"layers": len(self.layers), "residual": self.residual}

    def constants(self) -> dict[str, NDArray[np.generic]]:
        """The head's numbers, by their names in a graph."""
        values: dict[str, NDArray[np.generic]] = {"head.power": np.array(self.power, np.float32)}
        for i, (weight, bias) in enumerate(self.layers):
            values[f"head.weight{i}"], values[f"head.bias{i}"] = weight, bias
        return values

    def apply(self, features: Floats) -> Floats:
        """[n, D] features to [n, d] unit rows."""
        entering = hidden = _unit(np.sign(features) * np.abs(features) ** self.power)
        for place, (weight, bias) in enumerate(self.layers):
            hidden = hidden @ weight + bias
            if place < len(self.layers) - 1:
                hidden = np.maximum(hidden, 0)
        return _unit(entering + hidden if self.residual else hidden)

    def local(self, feature: Doubles, mass: Doubles) -> LocalHead:
        """The head around one feature.

        The power shares its value out in proportion to what it was given: x^p is x times x^(p - 1). Where the
        places of a picture cancel, that factor grows without limit; what is left of such a number counts as
        a constant, which belongs to no place.

        Args:
            feature: [D].
            mass: [D], the sums of the sizes of the parts of which the feature's numbers are the sums.
        """
        size = np.abs(feature)
        raised = np.sign(feature) * size**self.power
        entering = raised / max(float(np.linalg.norm(raised)), _TINY)
        kept = size > CANCELLED * mass
        scale = np.divide(entering, feature, out=np.zeros_like(feature), where=kept)
        constant = np.where(kept, 0.0, entering)
        gates: list[Doubles] = []
        rest, hidden = constant, entering
        for place, (weight, bias) in enumerate(self.layers):
            rest, hidden = rest @ weight + bias, hidden @ weight + bias
            gates.append(np.where((hidden > 0) | (place == len(self.layers) - 1), 1.0, 0.0))
            rest, hidden = rest * gates[-1], hidden * gates[-1]
        if self.residual:
            rest, hidden = constant + rest, entering + hidden
        length = max(float(np.linalg.norm(hidden)), _TINY)
        return LocalHead(
            hidden / length,
            rest / length,
            lambda rows: self._push(rows * scale, gates) / length,
            lambda direction: self._pull(direction / length, gates) * scale,
        )

    def _push(self, rows: Doubles, gates: Sequence[Doubles]) -> Doubles:
        hidden = rows
        for (weight, _), gate in zip(self.layers, gates, strict=True):
            hidden = (hidden @ weight) * gate
        return rows + hidden if self.residual else hidden

    def _pull(self, direction: Doubles, gates: Sequence[Doubles]) -> Doubles:
        hidden = direction
        for (weight, _), gate in zip(reversed(self.layers), reversed(gates), strict=True):
            hidden = weight @ (hidden * gate)
        return direction + hidden if self.residual else hidden


@dataclass(frozen=True)
class BranchedHead:
    """Each of k equal parts of the feature through its own linear map, to unit length; all to unit length.

    Attributes:
        branches: k weights [D / k, d / k].
    """

    branches: Sequence[Floats]

    @property
    def described(self) -> dict[str, Any]:
        """What `head_of` must know beside the constants, as plain values."""
        return {"branches": len(self.branches)}

    def constants(self) -> dict[str, NDArray[np.generic]]:
        """The head's numbers, by their names in a graph."""
        return {f"head.weight{i}": weight for i, weight in enumerate(self.branches)}

    def apply(self, features: Floats) -> Floats:
        """[n, D] features to [n, d] unit rows."""
        parts = np.split(features, len(self.branches), axis=1)
        rows = [_unit(part @ weight) for part, weight in zip(parts, self.branches, strict=True)]
        return _unit(np.concatenate(rows, axis=1))

    def local(self, feature: Doubles, mass: Doubles) -> LocalHead:  # noqa: ARG002 - as of the other kind
        """The head around one feature [D]; it has no powers, so it does not look at the mass."""
        parts = np.split(feature, len(self.branches))
        rows = [part @ weight for part, weight in zip(parts, self.branches, strict=True)]
        lengths = [max(float(np.linalg.norm(row)), _TINY) for row in rows]
        joined = np.concatenate([row / length for row, length in zip(rows, lengths, strict=True)])
        whole = max(float(np.linalg.norm(joined)), _TINY)
        scaled = [
            weight.astype(np.float64) / (length * whole)
            for weight, length in zip(self.branches, lengths, strict=True)
        ]
        return LocalHead(
            joined / whole,
            np.zeros_like(joined),
            lambda given: _joined(np.split(given, len(scaled), axis=1), scaled),
            lambda direction: _joined(np.split(direction, len(scaled)), [weight.T for weight in scaled]),
        )


FixedHead = LayeredHead | BranchedHead


def constant_names(described: Mapping[str, Any]) -> list[str]:
    """The names of the constants of a head that is `described`."""
    if "branches" in described:
        return [f"head.weight{i}" for i in range(described["branches"])]
    layers = range(described["layers"])
    return ["head.power", *(f"head.{kind}{i}" for i in layers for kind in ("weight", "bias"))]


def head_of(described: Mapping[str, Any], constants: Mapping[str, Any]) -> FixedHead:
    """Put a head together again from its description and its constants."""
    if "branches" in described:
        return BranchedHead([constants[name] for name in constant_names(described)])
    places = range(described["layers"])
    layers = [(constants[f"head.weight{i}"], constants[f"head.bias{i}"]) for i in places]
    return LayeredHead(float(constants["head.power"]), layers, residual=described["residual"])


def _joined(parts: Sequence[Doubles], weights: Sequence[Doubles]) -> Doubles:
    rows = [part @ weight for part, weight in zip(parts, weights, strict=True)]
    return np.concatenate(rows, axis=-1)


def _unit(rows: NDArray[np.floating]) -> Floats:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(lengths, _TINY), dtype=np.float32)
