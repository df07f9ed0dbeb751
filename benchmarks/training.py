"""Training on a frozen backbone against one embedding pass over the same pictures.

    python -m benchmarks.training [--images 10000] [--quick]

Each training starts with an empty feature cache; what is timed is everything from the table to the exported
model (features, head, export, parity check), then the threshold, the figures and the report on top.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lookalike.cache import cache_folder
from lookalike.config import RunConfig
from lookalike.models.embedding import embed_chunks
from lookalike.models.model import Model, untrained
from lookalike.records import SILENT
from lookalike.runfile import parse_config
from lookalike.tables.splits import split_table
from lookalike.tables.table import ImageTable
from lookalike.training.build import build
from lookalike.training.run import train

SAMPLE = Path(__file__).parent.parent / "examples" / "emoji"
HEADS: dict[str, dict[str, Any]] = {
    "closed form": {"network": {"head": "closed_form"}},
    "feed-forward, 50 epochs": {
        "network": {"head": "feed_forward", "hidden": [512, 256], "dropout": 0.3},
        "loss": {"name": "triplet_semi_hard", "margin": 1.0},
        "training": {"epochs": 50, "early_stopping_patience": None},
    },
}


def grow(folder: Path, images: int) -> Path:
    """The sample, repeated with small changes until there are enough different pictures."""
    rng = np.random.default_rng(0)
    drawings = sorted(SAMPLE.rglob("*.png"))
    for number in range(images):
        source = drawings[number % len(drawings)]
        pixels = np.asarray(Image.open(source)).astype(int) + rng.integers(-8, 9, (64, 64, 3))
        target = folder / source.parent.name / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(target)
    return folder


@contextmanager
def empty_features() -> Iterator[None]:
    """A cache that has the backbone, but no features."""
    before = os.environ.get("LOOKALIKE_CACHE")
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "models").symlink_to(cache_folder() / "models")
        os.environ["LOOKALIKE_CACHE"] = name
        try:
            yield
        finally:
            os.environ.pop("LOOKALIKE_CACHE")
            if before is not None:
                os.environ["LOOKALIKE_CACHE"] = before


def pass_seconds(model: Model, table: ImageTable) -> float:
    """One embedding pass over all pictures."""
    start = time.perf_counter()
    for _ in embed_chunks(model, table.paths):
        pass
    return time.perf_counter() - start


def build_seconds(table: ImageTable, config: RunConfig, folder: Path) -> float:
    """From the table to the exported model."""
    split = split_table(table, config.split, seed=0).table
    with empty_features():
        start = time.perf_counter()
        build(split, config, folder=folder, resume=False, created="", watcher=SILENT)
        return time.perf_counter() - start


def run_seconds(data: Path, config: RunConfig, folder: Path) -> float:
    """The whole command: with threshold, figures and report."""
    with empty_features():
        start = time.perf_counter()
        train(config, data, out=folder)
        return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="1000 pictures")
    arguments = parser.parse_args()
    images = 1000 if arguments.quick else arguments.images
    with tempfile.TemporaryDirectory() as name:
        data = grow(Path(name) / "data", images)
        table = ImageTable.read(data)
        backbone = untrained()
        for head, settings in HEADS.items():
            config = parse_config({"name": "bench", "split": {"by": "class"}, **settings})
            before = pass_seconds(backbone, table)
            built = build_seconds(table, config, Path(name) / f"build {head}")
            whole = run_seconds(data, config, Path(name) / f"run {head}")
            once = (before + pass_seconds(backbone, table)) / 2
            print(
                f"{head}: {images} pictures, one pass {once:.1f} s; "
                f"training {built:.1f} s = {built / once:.2f} x; "
                f"with threshold, figures, report {whole:.1f} s = {whole / once:.2f} x"
            )


if __name__ == "__main__":
    main()
