"""Data: tables from manifests and from folder trees, batches of classes, and pairs that are nearly the same.

    python -m benchmarks.data [--quick]

Every measurement is made twice, each time in a process of its own, so that peaks are its own; files that are
read have been read before, as they have when a training follows a look at the data.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import polars as pl

from lookalike.checkups.alike import alike_pairs
from lookalike.checkups.near_duplicates import SIMILARITY
from lookalike.tables.table import ImageTable
from lookalike.training.batches import ClassBatches

PER_FOLDER = 100
P, K = 32, 4
DIMS = 1280  # of the default embedding
TWICE = 2


def peak_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def write_manifests(folder: Path, rows: int) -> None:
    """A CSV and a Parquet file with image, label and split; of the pictures only the first one is there."""
    random = np.random.default_rng(0)
    labels = [f"class{number:06d}" for number in random.integers(0, rows // 10, rows).tolist()]
    images = [f"{label}/picture{row:07d}.jpg" for row, label in enumerate(labels)]
    frame = pl.DataFrame({"image": images, "label": labels, "split": ["train"] * rows})
    frame.write_csv(folder / "manifest.csv")
    frame.write_parquet(folder / "manifest.parquet")
    (folder / images[0]).parent.mkdir()
    (folder / images[0]).touch()


def write_tree(folder: Path, files: int) -> None:
    """A folder for every class; its files are links to one, as only their names are looked at."""
    for start in range(0, files, PER_FOLDER):
        place = folder / f"class{start // PER_FOLDER:05d}"
        place.mkdir(parents=True)
        first = place / "0.jpg"
        first.write_bytes(b"\xff\xd8\xff")
        for number in range(1, PER_FOLDER):
            os.link(first, place / f"{number}.jpg")


def read(source: Path) -> None:
    """One table, and the peak of the process that reads it."""
    before, start = peak_mb(), time.perf_counter()
    table = ImageTable.read(source)
    seconds = time.perf_counter() - start
    name = source.suffix or "folder tree"
    print(f"{name}: {len(table):,} rows in {seconds:.2f} s, peak {peak_mb():.0f} MB (before: {before:.0f})")


def batches(rows: int, classes: int) -> None:
    """An epoch of P x K batches: setting up, the first batch, and the mean of all."""
    numbers = np.random.default_rng(0).integers(0, classes, rows)
    labels = np.array([f"class{number:06d}" for number in numbers.tolist()])
    start = time.perf_counter()
    drawn = ClassBatches(labels, classes=P, images=K, seed=0)
    ready = time.perf_counter()
    every = iter(drawn)
    next(every)
    first = time.perf_counter()
    count = 1 + sum(1 for _ in every)
    each = (time.perf_counter() - ready) / count
    print(
        f"batches of {P} x {K} from {rows:,} rows of {classes:,} classes: {1000 * each:.3f} ms each over an "
        f"epoch of {count:,}; its first after {first - ready:.2f} s, set up in {ready - start:.2f} s"
    )


def near_pairs(rows: int) -> None:
    """Pairs of embeddings that are nearly the same, some of which were put there."""
    random = np.random.default_rng(0)
    directions = random.normal(size=(64, DIMS)).astype(np.float32)
    vectors = random.normal(size=(rows, 64)).astype(np.float32) @ directions
    vectors += random.normal(size=vectors.shape, scale=2.0).astype(np.float32)
    planted = rows // 100
    vectors[:planted] = vectors[-planted:] * 1.01
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start = time.perf_counter()
    found = alike_pairs(vectors, at_least=SIMILARITY, most=20_000)
    seconds = time.perf_counter() - start
    print(
        f"pairs above {SIMILARITY} among {rows:,} x {DIMS}: {len(found):,}, of which {planted:,} were put "
        f"there, in {seconds:.1f} s, peak {peak_mb():.0f} MB"
    )


def _alone(work: Callable[..., None], *arguments: object, times: int = TWICE) -> None:
    """In a process of its own; a peak would be handed down, so nothing large may be done in this one."""
    for _ in range(times):
        process = get_context("spawn").Process(target=work, args=arguments)
        process.start()
        process.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    part = 10 if parser.parse_args().quick else 1
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _alone(write_manifests, folder, 1_000_000 // part, times=1)
        _alone(write_tree, folder / "tree", 100_000 // part, times=1)
        for source in (folder / "manifest.csv", folder / "manifest.parquet", folder / "tree"):
            _alone(read, source)
    _alone(batches, 1_000_000 // part, 100_000 // part)
    _alone(batches, 10_000, 100)
    _alone(near_pairs, 100_000 // part)


if __name__ == "__main__":
    main()
