"""How the vectors of an index lie in its rows, as they say themselves, where a note of it is lost or wrong.

Rows (id, vector, checksum) enter; how many values most vectors have whose checksum is right, and how they are
stored, leaves. What is done about a note that says otherwise is decided elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from lookalike.indexing.vector_rows import VECTOR_STORAGES, VectorStorage, checksum_of
from lookalike.records import UNIT_TOLERANCE

SAMPLED = 256  # vectors with the right checksum that are asked


@dataclass(frozen=True, slots=True)
class Shape:
    """How many values a vector has, and how they are stored."""

    dim: int
    storage: VectorStorage

    def in_words(self) -> str:
        """The same in words."""
        return f"{self.dim:,} {self.storage} values"


def shape_of(rows: Iterable[tuple[Any, Any, Any]]) -> Shape | None:
    """The shape of most vectors that are whole; None where none is whole and of unit length."""
    vectors = (vector for item, vector, checksum in rows if _is_whole(item, vector, checksum))
    whole = list(islice(vectors, SAMPLED))
    for length, _ in Counter(map(len, whole)).most_common():
        for storage in VECTOR_STORAGES:  # read as the other, values are of any size
            width = type_of(storage).itemsize
            if length and length % width == 0 and _are_unit([v for v in whole if len(v) == length], storage):
                return Shape(length // width, storage)
    return None


def type_of(kind: str) -> np.dtype[Any]:
    """What the values of a vector are in a row."""
    return np.dtype("<f4" if kind == "float32" else "<f2")


def tolerance(kind: str) -> float:
    """How far a vector's length may be from 1."""
    return UNIT_TOLERANCE if kind == "float32" else 2 * UNIT_TOLERANCE  # float16 rounds by up to 0.0005


def _is_whole(item: object, vector: object, checksum: object) -> bool:
    return isinstance(item, int) and isinstance(vector, bytes) and checksum_of(item, vector) == checksum


def _are_unit(vectors: Sequence[bytes], storage: VectorStorage) -> bool:
    """Whether most are of unit length, read as they would be stored so."""
    with np.errstate(all="ignore"):
        values = np.frombuffer(b"".join(vectors), type_of(storage)).reshape(len(vectors), -1)
        lengths = np.linalg.norm(values.astype(np.float64), axis=1)
        return bool((np.abs(lengths - 1.0) < tolerance(storage)).mean() > 0.5)
