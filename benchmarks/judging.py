"""Judging: time and memory of a calibration on all pairs; whether promises hold.

    python -m benchmarks.judging [--quick]

The promises are tried on simulated calibration sets: classes of pictures around random centres, drawn anew
each time ("even": spread alike; "uneven": some classes spread wide and are confused with many). A promise
holds when the true precision, or false-match rate, of a large population keeps the target. "Usual rule" is
the lowest similarity at which the pairs at hand reach the target.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import CalibrationError
from lookalike.judging.calibration import Target, choose_threshold, measure, threshold_of
from lookalike.judging.curves import threshold_curve
from lookalike.judging.pairs import pair_histogram
from lookalike.judging.probability import fit_probability
from lookalike.records import Floats, Labels, PairHistogram

DIMS = 128
CLASSES, IMAGES = 60, 5  # of a simulated calibration set
POPULATION = 1500  # classes
KINDS = {"even": (0.7, 0.0), "uneven": (0.35, 0.8)}  # spread, and how unevenly it is spread
TARGETS = ("precision=0.95", "false-match-rate=0.01", "false-match-rate=0.001")


def embeddings(count: int, classes: int) -> tuple[Floats, Labels]:
    """Unit rows in overlapping clusters, and their labels."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count)
    rows = rng.normal(size=(classes, DIMS))[labels] + 1.5 * rng.normal(size=(count, DIMS))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), labels


def peak_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def calibration(count: int) -> None:
    """A threshold with a promise, the whole curve and the probabilities, from all pairs."""
    vectors, labels = embeddings(count, count // 5)
    start = time.perf_counter()
    measured = measure(vectors, labels)
    counting = time.perf_counter() - start
    threshold = threshold_of(measured, Target.parse("false-match-rate=0.001"))
    threshold_curve(measured.histogram, points=300)
    chosen = fit_probability(measured.by_class, images=count)
    seconds = time.perf_counter() - start
    print(
        f"calibration, {count} x {DIMS}, {count * (count - 1) // 2:,} pairs: {seconds:.1f} s, "
        f"{counting:.1f} s of it for f1 alone, peak {peak_mb():.0f} MB; "
        f"threshold {threshold.similarity:.4f}, {chosen.kind}",
        flush=True,
    )


def promises(count: int) -> None:
    """How often a promise is broken in truth, by us and by the usual rule."""
    for kind in KINDS:
        truth = pair_histogram(*_simulated(kind, classes=POPULATION, seed=10**9))
        for text in TARGETS:
            _promise(kind, text, truth, count)


def _promise(kind: str, text: str, truth: PairHistogram, count: int) -> None:
    target = Target.parse(text)
    broken = {"ours": 0, "usual": 0}
    refused, recalls, start = 0, [], time.perf_counter()
    for seed in range(count):
        vectors, labels = _simulated(kind, classes=CLASSES, seed=seed)
        pairs = pair_histogram(vectors, labels, bins=2**18)
        broken["usual"] += _true_errors(truth, pairs, target, _usual(pairs, target))[0] > target.limit
        try:
            chosen = choose_threshold(vectors, labels, target=text).similarity
        except CalibrationError:
            refused += 1
            continue
        errors, recall = _true_errors(truth, pairs, target, chosen)
        broken["ours"] += errors > target.limit
        recalls.append(recall)
    print(
        f"promise {text}, {kind}, {count} calibrations of {CLASSES} x {IMAGES}: broken in truth "
        f"{broken['ours'] / max(1, len(recalls)):.1%} of {len(recalls)}, refused {refused}, true recall "
        f"{np.mean(recalls) if recalls else 0:.2f}; usual rule broken {broken['usual'] / count:.1%} "
        f"({time.perf_counter() - start:.0f} s)",
        flush=True,
    )


def _simulated(kind: str, *, classes: int, seed: int) -> tuple[Floats, Labels]:
    spread, uneven = KINDS[kind]
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), IMAGES)
    reach = spread * (1 + uneven * rng.exponential(size=classes))[labels, None]
    rows = _unit(rng.normal(size=(classes, 32)))[labels] + reach * _unit(rng.normal(size=(len(labels), 32)))
    return _unit(rows).astype(np.float32), labels


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _usual(pairs: PairHistogram, target: Target) -> float:
    curve = threshold_curve(pairs)
    errors = 1.0 - curve.precision if target.name == "precision" else curve.false_match_rate
    kept = np.flatnonzero(errors <= target.limit)
    return float(curve.similarity[kept[-1]]) if len(kept) else 1.0


def _true_errors(
    truth: PairHistogram, pairs: PairHistogram, target: Target, similarity: float
) -> tuple[float, float]:
    """The true share of errors, at the mix of pairs that was calibrated on, and the true recall."""
    first = int((similarity + 1.0) * len(truth.same) / 2)
    recall = truth.same[first:].sum() / truth.same.sum()
    rate = truth.different[first:].sum() / truth.different.sum()
    right, wrong = recall * pairs.same.sum(), rate * pairs.different.sum()
    return float(wrong / max(right + wrong, 1e-9) if target.name == "precision" else rate), float(recall)


def _alone(work: Callable[[int], None], count: int) -> None:
    """In a process of its own, so that the peak is its own."""
    process = get_context("spawn").Process(target=work, args=(count,))
    process.start()
    process.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the rows and of the trials")
    quick = parser.parse_args().quick
    _alone(calibration, 1000 if quick else 10_000)
    _alone(promises, 100 if quick else 1000)


if __name__ == "__main__":
    main()
