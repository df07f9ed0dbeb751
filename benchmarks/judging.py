"""Judging: all-pairs ROC AUC and exact retrieval, their time, memory and exactness.

python -m benchmarks.judging [--quick]
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from multiprocessing import get_context

import numpy as np
from sklearn.metrics import roc_auc_score

from lookalike.metrics import retrieval
from lookalike.pairs import pair_histogram, roc_auc, roc_auc_error
from lookalike.records import Floats, Labels

DIMS = 128


def embeddings(count: int, classes: int) -> tuple[Floats, Labels]:
    """Unit rows in overlapping clusters, and their labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count)
    rows = rng.normal(size=(classes, DIMS))[labels] + 1.5 * rng.normal(size=(count, DIMS))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def peak_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def all_pairs(count: int) -> None:
    """ROC AUC over all pairs, against scikit-learn on all pairs of a part."""
    vectors, labels = embeddings(count, count // 20)
    start = time.perf_counter()
    histogram = pair_histogram(vectors, labels)
    area = roc_auc(histogram)
    seconds, peak = time.perf_counter() - start, peak_mb()
    part, own = vectors[:2000], labels[:2000]
    upper = np.triu_indices(len(part), k=1)
    exact = roc_auc_score((own[:, None] == own)[upper], (part.astype(float) @ part.astype(float).T)[upper])
    gap = abs(roc_auc(pair_histogram(part, own)) - exact)
    print(
        f"all-pairs ROC AUC, {count} x {DIMS}, {count * (count - 1) // 2:,} pairs: {area:.6f} "
        f"in {seconds:.1f} s, peak {peak:.0f} MB; stated error {roc_auc_error(histogram):.1e}, "
        f"gap to scikit-learn on 2000: {gap:.1e}"
    )


def all_queries(count: int) -> None:
    """Every figure of retrieval over all pictures, against a plain sort for some queries."""
    vectors, labels = embeddings(count, count // 20)
    start = time.perf_counter()
    found = retrieval(vectors, labels)
    seconds, peak = time.perf_counter() - start, peak_mb()
    rows = np.random.default_rng(1).choice(count, size=200, replace=False)
    gaps = [
        np.abs(_by_sorting(vectors, labels, row) - [found.values[n][row] for n in NAMES]).max()
        for row in rows
    ]
    print(
        f"retrieval, {count} x {count} x {DIMS}: {seconds:.1f} s, peak {peak:.0f} MB; "
        f"200 queries by plain sorting: largest gap {max(gaps):.1e}"
    )


NAMES = ("recall@1", "recall@8", "map", "map@r")


def _by_sorting(vectors: Floats, labels: Labels, row: int) -> Floats:
    similarity = vectors.astype(np.float64) @ vectors[row].astype(np.float64)
    similarity[row] = -np.inf
    right = (labels == labels[row])[np.argsort(-similarity)][:-1]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    wanted = int(right.sum())
    return np.array(
        [right[0], right[:8].any(), precision[right].mean(), (precision * right)[:wanted].sum() / wanted]
    )


def _alone(work: Callable[[int], None], count: int) -> None:
    """In a process of its own, so that the peak is its own."""
    process = get_context("spawn").Process(target=work, args=(count,))
    process.start()
    process.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    quick = parser.parse_args().quick
    _alone(all_pairs, 1000 if quick else 10_000)
    _alone(all_queries, 6000 if quick else 60_000)


if __name__ == "__main__":
    main()
