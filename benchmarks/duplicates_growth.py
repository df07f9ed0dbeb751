"""How the work of proposing near-duplicates grows: made-up embeddings and prints with planted pairs.

    python -m benchmarks.duplicates_growth SIZE

No pixels are opened. `python -m benchmarks.duplicates` runs one process for each size, so that the memory of
each is its own.
"""

from __future__ import annotations

import argparse
import resource
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.shares import share
from lookalike.duplicates.proposing import CORRELATION, SIMILARITY, propose


def main() -> None:
    """Print the rows of one size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("size", type=int)
    print_growth(parser.parse_args().size)


def print_growth(size: int) -> None:
    """Search made-up embeddings and prints in which pairs were planted; the copies' pixels are not opened."""
    rng = np.random.default_rng(0)
    vectors = clustered(size, 128, rng)
    prints = made_prints(size, rng)
    planted = rng.permutation(size)[: size // 25].reshape(2, -1)
    by_vector, by_print = np.array_split(planted, 2, axis=1)
    noise = clustered(by_vector.shape[1], 128, rng)
    vectors[by_vector[1]] = vectors[by_vector[0]] + 0.6 * rng.random((len(noise), 1), np.float32) * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shaken = prints[by_print[0]] + rng.normal(0, 6, (by_print.shape[1], 256))
    prints[by_print[1]] = np.clip(shaken, 0, 255).astype(np.uint8)
    began = time.perf_counter()
    found = propose(vectors, prints)
    seconds = time.perf_counter() - began
    codes = found.first * size + found.second
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"| pairs proposed among {size:,} | < 10 minutes, < 4 GB | {seconds:.0f} s, {memory:.1f} GB |")
    for name, pairs, alike in (
        (f"planted, embeddings alike by {SIMILARITY} or more", by_vector, similarities(vectors, by_vector)),
        (f"planted, prints alike by {CORRELATION} or more", by_print, None),
    ):
        low, high = np.sort(pairs, axis=0)
        hit = np.isin(low * size + high, codes)
        hit = hit if alike is None else hit[alike >= SIMILARITY]
        print(f"| {name} | | {share(hit.tolist())} found |", flush=True)


def clustered(count: int, dim: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """[count, dim] unit vectors around centres, a hundred each."""
    centres = rng.standard_normal((max(10, count // 100), dim), np.float32)
    vectors = centres[rng.integers(0, len(centres), count)]
    vectors += rng.standard_normal((count, dim), np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def made_prints(count: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """[count, 256] prints as pictures have them: coarse shapes, with finer ones that are weaker."""
    prints = np.full((count, 16, 16), 128, np.float32)
    for side, strength in ((2, 30), (4, 25), (8, 15), (16, 8)):
        for start in range(0, count, 65_536):
            part = prints[start : start + 65_536]
            cells = strength * rng.standard_normal((len(part), side, side), np.float32)
            part += cells.repeat(16 // side, axis=1).repeat(16 // side, axis=2)
    return np.clip(prints, 0, 255).astype(np.uint8).reshape(count, 256)


def similarities(vectors: NDArray[np.float32], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """[m] cosine of pairs of rows."""
    found: NDArray[np.float32] = np.einsum("nd,nd->n", vectors[pairs[0]], vectors[pairs[1]])
    return found


if __name__ == "__main__":
    main()
