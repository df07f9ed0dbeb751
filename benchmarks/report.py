"""The report of many pictures: how long it takes to make, and how large its page is.

    python -m benchmarks.report [--quick]

Small pictures are painted and their embeddings drawn at random, in overlapping clusters, so that no network
runs. What is timed is what follows the embeddings: judging them, which every `evaluate` does, and then all
that `--report` adds: the views, the map, the plots and the page.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import tempfile
import time
from pathlib import Path
from unittest import mock

import numpy as np
import polars as pl
from PIL import Image

from lookalike.calibrating import calibrate
from lookalike.evaluation import evaluate
from lookalike.models.embedding import Embedded
from lookalike.models.model import Model
from lookalike.presenting.pages import report_page
from lookalike.presenting.report import write_report
from lookalike.records import Embeddings, Floats
from lookalike.tables.table import ImageTable

DIMS = 128
PER_CLASS = 10
SIDE = 96  # pixels
SPREAD = 1.1
GRAPHLESS = (
    "default"  # the model that would explain matches: its graph is there, and has no say in the figures
)


def paint(root: Path, count: int) -> ImageTable:
    """JPEG pictures of coloured fields, ten of each class."""
    rng = np.random.default_rng(0)
    images, labels = [], []
    for row in range(count):
        label = f"class{row // PER_CLASS:04d}"
        (root / label).mkdir(exist_ok=True)
        fields = rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        path = root / label / f"{row}.jpg"
        Image.fromarray(fields).resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, quality=90)
        images.append(str(path.relative_to(root)))
        labels.append(label)
    frame = pl.DataFrame({"image": images, "label": labels, "split": ["test"] * count})
    return ImageTable(root, frame)


def drawn(count: int, *, seed: int) -> Floats:
    """Unit rows in overlapping clusters."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(-(-count // PER_CLASS), DIMS))
    noise = np.random.default_rng(seed).normal(size=(count, DIMS))
    rows = centres[np.arange(count) // PER_CLASS] + SPREAD * noise
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def embedded(table: ImageTable) -> tuple[Embedded, Floats]:
    """What embedding the table would give, by the model and by its untrained backbone."""
    count = len(table)
    hashes = tuple(row.to_bytes(16, "big") for row in range(count))
    ids = np.array([str(path) for path in table.paths])
    found = Embedded(Embeddings(ids, drawn(count, seed=1)), np.arange(count), hashes, ())
    return found, drawn(count, seed=2)


def peak_mb() -> float:
    """Peak resident memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(count: int) -> None:
    """Judge, then make the page, and print both times, the page's size and the peak."""
    with tempfile.TemporaryDirectory() as place:
        table = paint(Path(place), count)
        folder = shutil.copytree(Model.load("default").folder, Path(place) / "model")  # it explains matches
        model, known = Model.load(folder), embedded(table)
        with (  # in place of the network's pass
            mock.patch("lookalike.evaluation.embed_both", return_value=known),
            mock.patch("lookalike.calibrating.embed_table", return_value=known[0]),
        ):
            calibrate(model, table, split="all")
            start = time.perf_counter()
            found = evaluate(model, table)
        judged, busy = time.perf_counter(), time.process_time()
        page = report_page(found, model, table=table, created="")
        joined = time.perf_counter()
        file = Path(place) / "report.html"
        write_report(page, file)
        end, busy = time.perf_counter(), time.process_time() - busy
        size = file.stat().st_size / 1e6
    print(
        f"report of {count:,} pictures of {count // PER_CLASS:,} classes: judged in {judged - start:.1f} s; "
        f"then report.html in {end - judged:.1f} s, {busy:.1f} s of them busy (views, map and explanations "
        f"{joined - judged:.1f} s, plots and page {end - joined:.1f} s), {size:.1f} MB; "
        f"peak {peak_mb():,.0f} MB"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a tenth of the pictures")
    measure(1000 if parser.parse_args().quick else 10_000)


if __name__ == "__main__":
    main()
