"""Identification: neighbours of queries asked twice, and a threshold from them; time, memory, and promises.

    python -m benchmarks.identification [--quick]

The promises are tried on simulated calibration sets: classes of pictures around random centres, drawn anew
each time. A promise holds when the pictures of a large population, asked in random galleries of the same
size, keep it. "Usual rule" is the lowest threshold at which the pictures at hand reach the target. The
decisions of 100,000 queries are drawn, not searched for: what is timed is the calibration alone, and the
search apart from it.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np
from numpy.typing import NDArray

from benchmarks.judging import embeddings
from lookalike.errors import CalibrationError
from lookalike.judging.decisions import Decisions, decide, open_curve
from lookalike.judging.open_calibration import choose_open_threshold
from lookalike.judging.strangers import AskedTwice, ask_twice
from lookalike.records import Floats

CLASSES, IMAGES, DIMS = 60, 5, 32  # of a simulated calibration set
POPULATION, GALLERIES = 1000, 40
KINDS = {"even": (0.7, 0.0), "uneven": (0.35, 0.8)}  # spread, and how unevenly it is spread
PROMISES = (*(f"false-identification-rate={x}" for x in (0.1, 0.05, 0.02)), "precision=0.8", "precision=0.9")
TARGETS = ("f1", "precision=0.9", "false-identification-rate=0.01")


def peak_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def drawn_neighbours(count: int, classes: int, k: int) -> AskedTwice:
    """Neighbours as a search could have found them: own pictures more alike than others."""
    rng = np.random.default_rng(0)
    own, others = rng.normal(0.8, 0.1, (count, k)), rng.normal(0.5, 0.1, (count, k))
    own, others = (np.sort(np.clip(part, -1, 1), axis=1)[:, ::-1] for part in (own, others))
    labels = rng.integers(0, classes, count)
    taken = (labels[:, None] + rng.integers(1, classes, (count, k))) % classes
    met = np.full(count, count - count // classes)
    return AskedTwice(own, others, taken, taken, labels, met, tuple(range(classes)), count)


def calibration(count: int, k: int) -> None:
    """A threshold for each target, from neighbours that are given."""
    asked, before = drawn_neighbours(count, count // 10, k), peak_mb()
    for target in TARGETS:
        start = time.perf_counter()
        found = choose_open_threshold(decide(asked, vote=k), target=target)
        print(
            f"calibration of {count:,} queries of {count // 10:,} classes, {k} votes, {target}: threshold "
            f"{found.similarity:.4f} in {time.perf_counter() - start:.2f} s, peak {peak_mb():.0f} MB "
            f"(before: {before:.0f})",
            flush=True,
        )


def search(count: int, k: int) -> None:
    """Neighbours of all pictures among all others, asked as known things and as strangers."""
    vectors, labels = embeddings(count, count // 20)
    before, start = peak_mb(), time.perf_counter()
    ask_twice(vectors, labels, k=k)
    print(
        f"asking {count:,} x {vectors.shape[1]} twice, {k} neighbours of either kind: "
        f"{time.perf_counter() - start:.1f} s, peak {peak_mb():.0f} MB (before: {before:.0f})",
        flush=True,
    )


def population(kind: str, classes: int, seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Unit rows around random centres, and their classes."""
    noise, unevenness = KINDS[kind]
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), IMAGES)
    spread = noise * (1.0 + unevenness * rng.exponential(size=classes))
    centres, directions = rng.normal(size=(classes, DIMS)), rng.normal(size=(len(labels), DIMS))
    centres, directions = (rows / np.linalg.norm(rows, axis=1)[:, None] for rows in (centres, directions))
    rows = centres[labels] + spread[labels, None] * directions
    return (rows / np.linalg.norm(rows, axis=1)[:, None]).astype(np.float32), labels


@dataclass(frozen=True)
class Truth:
    """Rising similarities at which pictures of a large population are named in random galleries."""

    right: NDArray[np.float64]
    wrong: NDArray[np.float64]
    strangers: NDArray[np.float64]

    @classmethod
    def of(cls, kind: str) -> Truth:
        """Ask every gallery for all its pictures, itself left out, and for all others as strangers."""
        vectors, labels = population(kind, POPULATION, seed=10**6)
        similar, rng = vectors @ vectors.T, np.random.default_rng(0)
        right, wrong, strangers = [], [], []
        for _ in range(GALLERIES):
            inside = np.isin(labels, rng.choice(POPULATION, CLASSES, replace=False))
            strangers.append(similar[np.ix_(~inside, inside)].max(axis=1))
            own, known = labels[inside], similar[np.ix_(inside, inside)]
            np.fill_diagonal(known, -1)
            is_right = own[known.argmax(axis=1)] == own
            right.append(known.max(axis=1)[is_right])
            wrong.append(known.max(axis=1)[~is_right])
        return cls(*(np.sort(np.concatenate(part).astype(np.float64)) for part in (right, wrong, strangers)))

    def broken(self, target: str, similarity: float) -> bool:
        """Whether a threshold does not keep a target."""
        name, _, value = target.partition("=")
        right, wrong, strangers = (
            len(part) - np.searchsorted(part, similarity) for part in (self.right, self.wrong, self.strangers)
        )
        rate = strangers / len(self.strangers)
        if name == "false-identification-rate":
            return bool(rate > float(value))
        known = len(self.right) + len(self.wrong)
        return bool(right / known < float(value) * ((right + wrong) / known + rate))


def usual_rule(decisions: Decisions, target: str) -> float:
    """The lowest threshold at which the pictures at hand keep a target."""
    name, _, value = target.partition("=")
    curve = open_curve(decisions)
    kept = curve.precision >= float(value)
    if name == "false-identification-rate":
        kept = curve.false_identification_rate <= float(value)
    return float(curve.similarity[np.flatnonzero(kept)[-1]]) if kept.any() else 1.0


def promises(kind: str, trials: int) -> None:
    """How often a promise is made, and how often it is broken in truth."""
    truth = Truth.of(kind)
    for target in PROMISES:
        answered, broken, naively = 0, 0, 0
        for seed in range(trials):
            decisions = decide(ask_twice(*population(kind, CLASSES, seed)))
            naively += truth.broken(target, usual_rule(decisions, target))
            try:
                found = choose_open_threshold(decisions, target=target)
            except CalibrationError:
                continue
            answered += 1
            broken += truth.broken(target, found.similarity)
        print(
            f"{target}, {kind}, {CLASSES} classes: answered {answered} of {trials}, broken {broken}; "
            f"usual rule broken {naively}",
            flush=True,
        )


def _alone(work: Callable[..., None], *arguments: object) -> None:
    """In a process of its own: a peak would be handed down."""
    process = get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    part = 10 if parser.parse_args().quick else 1
    for k in (1, 5):
        _alone(calibration, 100_000 // part, k)
        _alone(search, 20_000 // part, k)
    for kind in KINDS:
        _alone(promises, kind, 300 // part)


if __name__ == "__main__":
    main()
