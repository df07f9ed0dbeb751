"""What a recipe reaches on things it has never seen: classes cut into halves by name.

    python -m benchmarks.quality FOLDER [--recipe recipes/emoji.yaml] [--seeds 3] [--set key=value]

FOLDER has one sub-folder per class. The first half of the classes, by name, is learned from; the last fifth
of that half is val; the other half is test. What is printed is recall@1 and MAP@R on test, of each seed and
their spread, the untrained backbone's, and the time beside that of one embedding pass over all pictures.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.training import empty_features, pass_seconds
from lookalike.models.model import untrained
from lookalike.tables.table import ImageTable
from lookalike.training.run import Run, train

FIGURES = ("recall@1", "map@r")


def halves(folder: Path) -> ImageTable:
    """A table with its splits: half of the classes is test, the last fifth of the others val."""
    table = ImageTable.read(folder)
    known = len(table.classes) // 2
    first_val = known - known // 5
    split = {
        name: "train" if place < first_val else "val" if place < known else "test"
        for place, name in enumerate(sorted(table.classes))
    }
    column = pl.Series("split", [split[label] for label in table.labels])
    return ImageTable(table.root, table.frame.with_columns(column), table.skipped)


def measure(recipe: Path, table: ImageTable, *, seed: int, overrides: list[str]) -> tuple[Run, float]:
    """One training with an empty feature cache, and its seconds."""
    with tempfile.TemporaryDirectory() as name, empty_features():
        start = time.perf_counter()
        run = train(recipe, table, out=Path(name) / "run", overrides=[f"seed={seed}", *overrides])
        return run, time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recipe", type=Path, default=Path("recipes/emoji.yaml"))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    arguments = parser.parse_args()
    table = halves(arguments.folder)
    once = pass_seconds(untrained(), table)
    print(f"{len(table):,} pictures, one pass of the untrained backbone {once:.0f} s")
    reached = []
    for seed in range(arguments.seeds):
        run, seconds = measure(arguments.recipe, table, seed=seed, overrides=arguments.overrides)
        assert run.evaluation is not None, "test holds half of the classes"
        figures = [run.evaluation.report.figures[name] for name in FIGURES]
        reached.append([figure.value for figure in figures])
        shown = ", ".join(
            f"{name} {100 * figure.value:.1f} ({100 * figure.low:.1f} to {100 * figure.high:.1f}; "
            f"untrained {100 * (figure.baseline or float('nan')):.1f})"
            for name, figure in zip(FIGURES, figures, strict=True)
        )
        print(f"seed {seed}: {shown}; {seconds:.0f} s = {seconds / once:.2f} x the pass", flush=True)
    for name, values in zip(FIGURES, 100 * np.array(reached).T, strict=True):
        print(f"{name}: mean {values.mean():.1f}, {values.min():.1f} to {values.max():.1f}")


if __name__ == "__main__":
    main()
