"""Exact similarities, block by block: unit vectors enter, whole numbers that rise with the cosine leave.

The last bit of a float32 matrix product depends on where a row stands in its block, so equal vectors would
not have equal similarities, and ties would be a matter of luck. Here coordinates are rounded to 2^-25 (finer
than the noise of any network), which makes every float64 product and sum exact, in any order of addition.
What the similarities are used for is decided by the callers.
"""

from __future__ import annotations

import math
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lookalike.errors import EvaluationError
from lookalike.records import UNIT_TOLERANCE, Floats, Labels, Progress

Doubles = NDArray[np.float64]
Ints = NDArray[np.int64]
Part = TypeVar("Part")

LEFT_OUT = 0  # the code of what is left out of a comparison; no real similarity has it
GAP = 2.0**-7  # room below -1 and above 1 for vectors that are not quite of unit length

_GRID = 2.0**25
_BLOCK_BYTES = 2**28  # of all blocks under way together
_MOST_ROWS = 1024  # of a block
_MOST_WORKERS = 8
_memory = threading.local()


def cosine(a: Floats, b: Floats) -> Floats:
    """Similarities of a[..., d] and b[..., d], in [-1, 1]: the same bits for two vectors anywhere."""
    products: Doubles = np.multiply(a, b, dtype=np.float64).sum(axis=-1)
    clipped: Floats = np.clip(products, -1.0, 1.0).astype(np.float32)
    return clipped


@dataclass(frozen=True)
class Identities:
    """Which rows are no answers to each other, found by code: one thing, one content, one group.

    Attributes:
        order: e times [g] int64, rows in the order of their codes.
        codes: e times [g] int64, rising.
    """

    order: tuple[Ints, ...]
    codes: tuple[Ints, ...]

    @classmethod
    def of(cls, identity: Ints) -> Identities:
        """Make the lookup of [g] or [g, e] codes; of several columns, one equal code is enough."""
        columns = identity.reshape(len(identity), -1).T
        order = [np.argsort(column, kind="stable") for column in columns]
        codes = [column[rows] for column, rows in zip(columns, order, strict=True)]
        return cls(tuple(order), tuple(codes))

    def leave_out(
        self, similar: NDArray[Any], identity: Ints, *, first: int = 0, mark: float = LEFT_OUT
    ) -> None:
        """Set to `mark`, in each of b rows of similarities, those to rows that share a code with it.

        Row by row, as a group may be as large as the gallery.

        Args:
            similar: [b, g - first], to the rows from `first` on; changed in place.
            identity: [b] or [b, e].
        """
        wanted = identity.reshape(len(identity), -1).T
        for order, codes, column in zip(self.order, self.codes, wanted, strict=True):
            starts = np.searchsorted(codes, column, side="left").tolist()
            stops = np.searchsorted(codes, column, side="right").tolist()
            for row, start, stop in zip(similar, starts, stops, strict=True):
                others = order[start:stop]  # rising
                if first:
                    others = others[np.searchsorted(others, first) :] - first
                row[others] = mark


def right_factor(vectors: Floats) -> Doubles:
    """Return [n, d + 1] whose products with a `left_factor` have no rounding error.

    Coordinates are multiples of 2^-25, so products are multiples of 2^-50, and no sum of them reaches 2^3:
    float64 holds each exactly. The last column is 1 and meets the offset of the left factor.
    """
    return np.concatenate([_on_grid(vectors), np.ones((len(vectors), 1))], axis=1)


def left_factor(vectors: Floats, *, steps: int, offset: float) -> Doubles:
    """Return [n, d + 1] whose product with a `right_factor` is (similarity + offset) * steps.

    Args:
        steps: a power of two.
        offset: a multiple of 2^-50, below 2.
    """
    factor = right_factor(vectors)
    factor[:, -1] = offset
    return factor * float(steps)


def compare(left: Doubles, right: Doubles, kind: type[np.integer[Any]]) -> NDArray[Any]:
    """Return the codes of all pairs, [b, g] of `kind`: their exact similarities as whole steps, rounded down.

    The memory is the calling thread's own and is used again by its next call.
    """
    shape = (len(left), len(right))
    products = np.matmul(left, right.T, out=thread_memory(np.float64, shape))
    codes = thread_memory(kind, shape)
    np.copyto(codes, products, casting="unsafe")
    return codes


def compare_pairs(left: Floats, right: Floats, *, steps: int, offset: float) -> Ints:
    """Return the codes of a[n, d] with b[n, d] row by row, [n], as `compare` gives them for all pairs."""
    products = np.einsum("nd,nd->n", _on_grid(left), _on_grid(right))
    codes: Ints = ((products + offset) * float(steps)).astype(np.int64)
    return codes


def estimate(left: Floats, right: Floats) -> Floats:
    """Return similarities of all pairs, [b, g] float32, that `estimate_error` bounds.

    The memory is the calling thread's own and is used again by its next call.
    """
    return np.matmul(left, right.T, out=thread_memory(np.float32, (len(left), len(right))))


def estimate_error(dims: int) -> float:
    """The most by which an `estimate` of d dimensions can differ from the exact similarity.

    A float32 sum of d products is off by less than d u / (1 - d u) times the sum of their sizes, in any
    order and with fused additions or without, u = 2^-24; by Cauchy and Schwarz that sum is at most the
    product of the lengths. Rounding both vectors to the grid adds 2^-26 per coordinate.

    Reference:
        Higham, Accuracy and Stability of Numerical Algorithms, 2nd edition, 2002, section 3.1.
    """
    unit = dims * 2.0**-24
    return (unit / (1.0 - unit) + 2.0 * math.sqrt(dims) * 2.0**-24) * (1.0 + GAP)


def class_codes(*labels: Labels) -> tuple[Ints, ...]:
    """Number the labels of several arrays from 0; equal labels get one number, none changes its type."""
    known: dict[Any, int] = {}
    coded = []
    for array in map(np.asarray, labels):
        if array.dtype == object:
            coded.append(np.array([known.setdefault(value, len(known)) for value in array], dtype=np.int64))
            continue
        values, inverse = np.unique(array, return_inverse=True)
        codes = [known.setdefault(value, len(known)) for value in values.tolist()]
        coded.append(np.array(codes, dtype=np.int64)[inverse])
    return tuple(coded)


def run_blocks(
    work: Callable[[slice], Part],
    rows: int,
    *,
    row_bytes: int,
    most_rows: int = _MOST_ROWS,
    take: Callable[[Part], None] | None = None,
    progress: Progress | None = None,
) -> None:
    """Do `work` on blocks of rows, on a few threads and in bounded memory.

    Args:
        row_bytes: memory that one row of a block needs.
        most_rows: of a block.
        take: called in the caller's thread with what each block gave, in the order of the blocks.
        progress: called with (rows done, rows).
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    workers = min(_MOST_WORKERS, cpus)
    size = max(1, min(_MOST_ROWS, most_rows, _BLOCK_BYTES // (workers * row_bytes)))
    blocks = [slice(start, min(start + size, rows)) for start in range(0, rows, size)]
    several = len(blocks) > 1
    with ThreadPoolExecutor(workers) as pool, _PLAIN_PRODUCTS if several else nullcontext():
        parts = _few_ahead(pool, work, blocks, ahead=workers) if several else map(work, blocks)
        for block, part in zip(blocks, parts, strict=True):
            if take:
                take(part)
            if progress:
                progress(block.stop, rows)
    _memory.__dict__.clear()


class _PlainProducts:
    """While anybody is inside, a matrix product keeps to the thread that asks for it.

    Otherwise the threads of every product would wait, at full load, beside the threads of the others.
    """

    def __init__(self) -> None:
        self._lock, self._inside = threading.Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._limits = threadpool_limits(limits=1, user_api="blas")

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._limits.restore_original_limits()


_PLAIN_PRODUCTS = _PlainProducts()


def plain_products() -> AbstractContextManager[None]:
    """Inside, a matrix product keeps to the thread that asks for it: for work that has threads of its own."""
    return _PLAIN_PRODUCTS


def _few_ahead(
    pool: ThreadPoolExecutor, work: Callable[[slice], Part], blocks: list[slice], *, ahead: int
) -> Iterator[Part]:
    """Results in order; work runs only a little ahead of their taking, or they would pile up."""
    waiting: deque[Future[Part]] = deque()
    for block in blocks:
        waiting.append(pool.submit(work, block))
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def thread_memory(kind: type[np.generic], shape: tuple[int, int]) -> NDArray[Any]:
    """Memory of this thread: fresh pages for every block would cost as much as the product."""
    size = shape[0] * shape[1]
    kept = getattr(_memory, kind.__name__, None)
    if kept is None or kept.size < size:
        kept = np.empty(size, dtype=kind)
        setattr(_memory, kind.__name__, kept)
    return kept[:size].reshape(shape)


def _on_grid(vectors: Floats) -> Doubles:
    rounded: Doubles = np.rint(vectors.astype(np.float64) * _GRID) / _GRID
    return rounded


def check_vectors(vectors: Floats, labels: Labels, *, where: str = "vectors") -> None:
    """Refuse what is not [n, d] finite rows of unit length with n labels.

    Raises:
        EvaluationError: as said.
    """
    if vectors.ndim != 2 or len(vectors) != len(labels) or not len(vectors):
        raise EvaluationError(
            "vectors and labels do not match",
            where=where,
            saw=f"{list(vectors.shape)} vectors and {len(labels)} labels",
            wanted="[n, d] and [n], n >= 1",
            do="give one label for every row",
        )
    lengths = np.linalg.norm(vectors, axis=1)
    off = np.flatnonzero(~(np.abs(lengths - 1.0) < UNIT_TOLERANCE))  # also finds NaN
    if len(off):
        raise EvaluationError(
            "vectors are not of unit length",
            where=f"{where}, row {off[0]}",
            saw=f"length {lengths[off[0]]:.4g} ({len(off):,} such rows)",
            wanted="1",
            do="embed the pictures again, or divide every row by its length",
        )


def check_identity(identity: Ints | None, rows: int, *, where: str = "identity") -> None:
    """Refuse codes that are not one int, or a row of them, for every row.

    Raises:
        EvaluationError: as said.
    """
    if identity is not None and (
        identity.ndim not in (1, 2) or len(identity) != rows or identity.dtype.kind not in "iu"
    ):
        raise EvaluationError(
            "identity codes and vectors do not match",
            where=where,
            saw=f"{list(identity.shape)} {identity.dtype} for {rows} rows",
            wanted=f"[{rows}] or [{rows}, e] int64",
            do="give whole numbers for every row",
        )
