"""Several pictures as one query: vectors with weights enter, the vector of their combination leaves.

A combination is the weighted sum of its pictures, to unit length: near to those that are added, away from
those that are taken away. Pictures are embedded, and answers found, elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookalike.errors import LookalikeError
from lookalike.hits import Part
from lookalike.records import Floats

SHORTEST = 1e-3  # of a sum of unit vectors: below it, directions are what rounding left


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """A picture that is embedded already: an item of an index, or one that somebody else opened.

    Attributes:
        name: what it is called in answers.
        vector: [d] float32, of unit length.
        content: hash of its file, see `content_hash`; None: no item is known to be a copy of it.
        item: id, where it is an item of the index that is asked.
    """

    name: str
    vector: Floats
    content: bytes | None = None
    item: int | None = None


Picture = str | Path | Given
Combination = (
    Mapping[str, float]
    | Mapping[Path, float]
    | Mapping[str | Path, float]
    | Mapping[Given, float]
    | Mapping[Picture, float]
    | Sequence[tuple[Picture, float]]
)


@dataclass(frozen=True, slots=True)
class Weighed:
    """A picture of a query with its weight; a weight below 0 takes it away."""

    picture: Picture
    weight: float = 1.0

    @property
    def part(self) -> Part:
        """What an answer says of it."""
        return Part(self.picture.name if isinstance(self.picture, Given) else str(self.picture), self.weight)


def parts_of(combination: Combination) -> tuple[Weighed, ...]:
    """The pictures of a combination that weigh something.

    Raises:
        LookalikeError: there is none, or a weight is no finite number.
    """
    pairs = combination.items() if isinstance(combination, Mapping) else combination
    pictures = tuple(Weighed(picture, _number(weight)) for picture, weight in pairs)
    odd = next((entry.part for entry in pictures if not math.isfinite(entry.weight)), None)
    if odd is not None:
        raise LookalikeError(
            "a weight is no number",
            where=odd.path,
            saw=str(odd.weight),
            wanted="a finite number, below 0 to take the picture away",
            do="for example 1 or -0.5",
        )
    weighty = tuple(entry for entry in pictures if entry.weight)
    if not weighty:
        raise LookalikeError(
            "a combination has no picture that weighs something",
            where="combination",
            saw="weights of 0 alone" if pictures else "no picture",
            wanted="at least one",
            do="name a picture, with a weight other than 0",
        )
    return weighty


def _number(weight: float) -> float:
    try:
        return float(weight)
    except OverflowError:  # a whole number that is too large for a float
        return math.inf if weight > 0 else -math.inf


def in_words(parts: Sequence[Part]) -> str:
    """A combination as it is told.

    >>> in_words([Part("a.png", 1.0), Part("b.png", -1.0), Part("c.png", 0.5)])
    'a.png − b.png + 0.5 × c.png'
    """
    terms = [
        f"{'−' if part.weight < 0 else '+'} "
        f"{'' if abs(part.weight) == 1 else f'{abs(part.weight):g} × '}{part.path}"
        for part in parts
    ]
    return " ".join(terms).removeprefix("+ ")


def combine(vectors: Floats, parts: Sequence[Part]) -> Floats:
    """The vector of a combination; that of one picture added is its own, to the bit.

    Args:
        vectors: [m, d] float32, unit rows, one for each part.

    Returns:
        [d] float32, of unit length: the sum of weight times vector over its length.

    Raises:
        LookalikeError: the pictures cancel each other out.

    >>> pictures = np.array([[1, 0], [0, 1]], np.float32)
    >>> combine(pictures, [Part("a", 3.0), Part("b", -4.0)]).round(3).tolist()
    [0.6000000238418579, -0.800000011920929]
    """
    if len(parts) == 1 and parts[0].weight > 0:
        alone: Floats = vectors[0]
        return alone
    weights = np.array([part.weight for part in parts])
    weights /= np.abs(weights).max()  # no weight is too large or too small to add up
    total = weights @ vectors.astype(np.float64)  # [d]
    length = float(np.linalg.norm(total))
    if length < SHORTEST:
        raise LookalikeError(
            "the pictures of a combination cancel each other out",
            where=in_words(parts),
            saw=f"a sum of length {length:.1g}",
            wanted=f"at least {SHORTEST:g}, for there to be a direction to look in",
            do="leave one of them out, or give them other weights",
        )
    return np.asarray(total / length, dtype=np.float32)
