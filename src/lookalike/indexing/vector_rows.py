"""How a vector lies in a row of an index file: float32 or float16 values under a checksum.

Unit vectors enter and come back as float32 of unit length, the same bits for the same row at any time; a row
whose bytes are not those that were written is refused. Reading and writing rows is the store's business.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from lookalike.indexing.faults import damaged
from lookalike.records import Floats

VectorStorage = Literal["float32", "float16"]
VECTOR_STORAGES: tuple[VectorStorage, ...] = get_args(VectorStorage)
VECTORS = "vectors"  # the key in meta that says how an index stores them
DEFAULT_STORAGE: VectorStorage = "float32"

_TYPES: dict[VectorStorage, np.dtype[Any]] = {"float32": np.dtype("<f4"), "float16": np.dtype("<f2")}
_STEPS = sorted(range(-8, 9), key=abs)
_LENGTHS = (1 + np.array(_STEPS, np.float32) * np.float32(2**-14))[:, None]  # that rounding to float16 leaves

Row = tuple[int, bytes, int]  # id, vector, checksum


def storage_of(path: Path, noted: str) -> VectorStorage:
    """How a file notes that its vectors are stored."""
    for storage in VECTOR_STORAGES:
        if noted == storage:
            return storage
    raise damaged(path, f"vectors stored as {noted!r}")


def encoded(vector: Floats, storage: VectorStorage) -> bytes:
    """A vector [d] as it is stored; what was read from a store becomes what it was read from."""
    if storage == "float32":
        return vector.astype(_TYPES[storage]).tobytes()
    tried = (vector * _LENGTHS).astype(_TYPES[storage])  # [l, d]
    known = (_unit(tried.astype(np.float32)) == vector).all(axis=1)
    blob: bytes = tried[np.argmax(known)].tobytes()  # the first, which is plainly rounded, where none is
    return blob


def checksum_of(item: int, vector: bytes) -> int:
    """Differs for another vector and for the same vector under another item."""
    return zlib.crc32(vector, item & 0xFFFFFFFF)


def decoded(rows: Sequence[Row], *, dim: int, storage: VectorStorage, where: Path) -> Floats:
    """Vectors [m, d] float32 of unit length, each row checked.

    Raises:
        StoreError: a vector fails its checksum.
    """
    size = dim * _TYPES[storage].itemsize
    for item, vector, checksum in rows:
        if not isinstance(vector, bytes) or not isinstance(item, int):
            raise damaged(where, f"item {item} with a vector that is none")
        if zlib.crc32(vector, item & 0xFFFFFFFF) != checksum or len(vector) != size:
            raise damaged(where, f"item {item} with a vector that fails its checksum")
    values = np.frombuffer(b"".join([row[1] for row in rows]), _TYPES[storage]).reshape(-1, dim)
    vectors: Floats = values.astype(np.float32, copy=False)
    return vectors if storage == "float32" else _unit(vectors)


def _unit(vectors: Floats) -> Floats:
    made: Floats = vectors / np.sqrt((vectors * vectors).sum(axis=1, keepdims=True))
    return made
