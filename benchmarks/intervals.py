"""Intervals: 1,000 bootstrap draws of all figures, of a model and its baseline, and what pairing them brings.

    python -m benchmarks.intervals [--quick]

Comparing pictures is not part of it: draws weigh sums that are made once. "Paired" is the interval of the
difference of two models that are judged by the same draws; "unpaired" is what drawing for each alone gives.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.judging import embeddings, peak_mb
from lookalike.judgement import MACRO
from lookalike.judging.intervals import ClassSums, percentile_interval
from lookalike.judging.metrics import Retrieval, retrieval
from lookalike.judging.pair_intervals import edges_for, figure_draws, pair_figures
from lookalike.judging.pairs import ClassPairs, class_pairs, pair_histogram
from lookalike.judging.similarity import Doubles, class_codes
from lookalike.records import Floats, Labels

DRAWS = 1000


def compared(vectors: Floats, labels: Labels) -> tuple[Retrieval, ClassPairs, dict[str, float]]:
    """What similarities give, once: queries, pairs of every class, figures of all pairs."""
    found, histogram = retrieval(vectors, labels), pair_histogram(vectors, labels)
    edges = edges_for(histogram, count=1024)
    return found, class_pairs(vectors, labels, edges=edges), pair_figures(histogram)


def drawn(
    found: Retrieval, pairs: ClassPairs, exact: dict[str, float], labels: Labels, *, seed: int
) -> dict[str, Doubles]:
    """Every figure in each draw."""
    (classes,) = class_codes(labels)
    values = {**found.values, "first_rank": found.first_rank, "mean_rank": found.mean_rank}
    sums = ClassSums.of(values, classes, count=len(pairs.same))
    return {
        **sums.drawn(draws=DRAWS, seed=seed),
        **sums.macro(MACRO).drawn(draws=DRAWS, seed=seed),
        **figure_draws(pairs, exact, draws=DRAWS, seed=seed),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows")
    count = 6000 if parser.parse_args().quick else 60_000
    vectors, labels = embeddings(count, count // 20)
    worse = vectors + 0.02 * np.random.default_rng(5).normal(size=vectors.shape)
    worse = (worse / np.linalg.norm(worse, axis=1, keepdims=True)).astype(np.float32)
    start = time.perf_counter()
    sides = [compared(rows, labels) for rows in (worse, vectors)]
    comparing = time.perf_counter() - start
    start = time.perf_counter()
    before, after = (drawn(*side, labels, seed=0) for side in sides)
    for part in after.values():
        percentile_interval(part)
    gains = {name: percentile_interval(after[name] - before[name]) for name in after}
    seconds = time.perf_counter() - start
    alone = drawn(*sides[0], labels, seed=1)
    print(
        f"intervals, {count:,} queries of {count // 20:,} classes: {DRAWS:,} draws of {len(gains)} figures "
        f"of two models, and of their differences, in {seconds:.1f} s (comparing pictures before: "
        f"{comparing:.0f} s); peak {peak_mb():.0f} MB",
        flush=True,
    )
    for name in ("recall@1", "map@r", "roc_auc", "pr_auc", "eer", "tmr@0.001"):
        paired, apart = gains[name], percentile_interval(after[name] - alone[name])
        spans = [f"{low:+.4f} to {high:+.4f}" for low, high in (paired, apart)]
        print(f"  {name}: difference {spans[0]} paired, {spans[1]} unpaired", flush=True)


if __name__ == "__main__":
    main()
