"""Search and upkeep of an index of 100 000 x 128, as ratios taken in one run.

Prints a table of: a search through `Index` beside bare FAISS on the same vectors (one query and a batch of
1 000, taking turns, so that what else the machine does hits both alike); the command `lookalike search` in a
fresh process, with a picture that the index does not know, beside a process that only imports what any
search has to (numpy, faiss, onnxruntime); and a second run over unchanged files, beside looking at each of
them once. Vectors are clustered: 1 000 centres with noise. The model is the untrained backbone with a random
head, because its answers do not matter here and its cost is the real one.

    python benchmarks/search.py [--items 100000] [--files 100000] [--seconds 10] [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import onnx
from PIL import Image

from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Item
from lookalike.models.embedding import Chunk, Memory, content_hash
from lookalike.models.model import DEFAULT, GRAPH, Model, fingerprint_of, write_facts
from lookalike.pictures.images import Box
from lookalike.records import Floats
from lookalike.tables.table import ImageTable
from lookalike.training.graph import HeadGraph, grow_head, load_graph

DIM, K, BATCH = 128, 10, 1000
PROCESSES = 7
IMPORTS = "import numpy, faiss, onnxruntime"
COMMAND = "from lookalike.cli import main; main()"

Step = Callable[[], object]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=100_000, help="vectors in the index that is searched")
    parser.add_argument(
        "--files", type=int, default=100_000, help="files in the folder that is run over again"
    )
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each search measurement")
    parser.add_argument("--quick", action="store_true", help="2 000 of each, 1 second")
    options = parser.parse_args(arguments)
    if options.quick:
        options.items, options.files, options.seconds = 2_000, 2_000, 1.0
    print("| what | ours, ms | beside it, ms | ours / beside it |\n|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model = random_head(Path(folder))
        path = filled_index(Path(folder) / "vectors.idx", model, items=options.items)
        search_rows(path, model, seconds=options.seconds)
        process_row(path, Path(folder))
        upkeep_rows(Path(folder), model, files=options.files)


def random_head(folder: Path) -> Model:
    """The untrained backbone with a random linear head of DIM values."""
    backbone = Model.load(DEFAULT)
    weight = np.random.default_rng(0).standard_normal((backbone.dim, DIM)).astype(np.float32)
    head = HeadGraph(power=1.0, layers=[(weight, np.zeros(DIM, np.float32))])
    place = folder / "model"
    place.mkdir()
    onnx.save(grow_head(load_graph(backbone.folder / GRAPH), head, keep_feature=False), str(place / GRAPH))
    facts = {**backbone.facts, "name": "random-head", "dim": DIM, "outputs": {"embedding": DIM}}
    write_facts(place, {**facts, "fingerprint": fingerprint_of(place / GRAPH, facts["preprocess"])})
    return Model.load(place)


def clustered(rows: int, *, seed: int) -> Floats:
    """[rows, DIM] unit vectors around 1 000 centres."""
    centres = np.random.default_rng(0).standard_normal((1000, DIM)).astype(np.float32)
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, len(centres), rows)]
    vectors += 0.7 * rng.standard_normal(vectors.shape).astype(np.float32)
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def filled_index(path: Path, model: Model, *, items: int) -> Path:
    """An index of vectors whose pictures never were; searching does not look at pictures."""
    vectors = clustered(items, seed=1)
    with Index.create(path, model) as index, index._store.writing() as writer:
        root = writer.add_root(str(path.parent / "none"), str(path.parent / "none"))
        for start in range(0, items, 10_000):
            puts = [
                (Item(root, f"{row}.png", "", 1, 1, content_hash(b"%d" % row), "a", "{}"), vectors[row])
                for row in range(start, min(start + 10_000, items))
            ]
            writer.apply(Changes(puts=puts))
    return path


def search_rows(path: Path, model: Model, *, seconds: float) -> None:
    """One query and a batch, through the index and through bare FAISS."""
    with Index.open(path, model=model) as index:
        bare = faiss.IndexFlatIP(DIM)
        vectors = index._store.snapshot().vectors
        bare.add(vectors)
        queries = clustered(BATCH, seed=2)
        for name, asked in (("one query", queries[:1]), (f"{BATCH} queries", queries)):
            leave_out = [[row + 1] for row in range(len(asked))]
            times = take_turns(
                {
                    "ours": partial(index.search, asked, k=K, leave_out=leave_out),
                    "bare": partial(bare.search, asked, K),
                },
                seconds=seconds,
            )
            print_row(f"{name}, {len(vectors):,} x {DIM}; bare FAISS", times["ours"], times["bare"])


def process_row(path: Path, folder: Path) -> None:
    """The command in a fresh process, with a picture that has to be embedded."""
    picture = folder / "query.png"
    pixels = np.random.default_rng(3).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    command = [sys.executable, "-c", COMMAND, "search", str(path), str(picture), "--json"]
    times = take_turns(
        {
            "ours": lambda: subprocess.run(command, check=True, capture_output=True),
            "bare": lambda: subprocess.run([sys.executable, "-c", IMPORTS], check=True),
        },
        turns=PROCESSES,
    )
    print_row("lookalike search in a fresh process; a process that imports", times["ours"], times["bare"])


class Ready:
    """An embedder that has all vectors already, so that upkeep itself is measured."""

    def __init__(self, vectors: Floats) -> None:
        self.vectors, self.read = vectors, 0

    def __call__(
        self,
        paths: Sequence[Path],
        *,
        boxes: Sequence[Box | None],  # noqa: ARG002 - every picture is whole
        memory: Memory | None,  # noqa: ARG002 - every content is new
    ) -> Iterator[Chunk]:
        """Embed eight files at a time."""
        for start in range(0, len(paths), 8):
            contents = [path.read_bytes() for path in paths[start : start + 8]]
            self.read += len(contents)
            rows = np.arange(start, start + len(contents))
            yield Chunk(rows, self.vectors[rows], tuple(content_hash(content) for content in contents), ())


def upkeep_rows(folder: Path, model: Model, *, files: int) -> None:
    """The first run over a folder, and a second one that finds nothing to do."""
    root = folder / "files"
    for number in range(files):
        if number % 1000 == 0:
            part = root / f"{number // 1000:04}"
            part.mkdir(parents=True)
        (part / f"{number}.png").write_bytes(b"%d" % number)
    embedder = Ready(clustered(files, seed=4))
    with Index.create(folder / "files.idx", model) as index:
        look = seconds_of(lambda: [file.stat() for file in root.rglob("*.png")])
        first = seconds_of(lambda: index.update(ImageTable.read(root), embed=embedder))
        read = embedder.read
        again = seconds_of(lambda: index.update(ImageTable.read(root), embed=embedder))
    if (read, embedder.read) != (files, files):
        raise RuntimeError(f"the runs read {read} and {embedder.read - read} files, wanted {files} and 0")
    print_row(f"first run over {files:,} files, without embedding; looking at each once", first, look)
    print_row(f"second run over {files:,} unchanged files; looking at each once", again, look)


def take_turns(steps: Mapping[str, Step], *, seconds: float = 0.0, turns: int = 5) -> dict[str, float]:
    """Median seconds of each step; they take turns, at least so often and so long."""
    times: dict[str, list[float]] = {name: [] for name in steps}
    for step in steps.values():
        step()
    until = time.perf_counter() + seconds
    while turns > 0 or time.perf_counter() < until:
        turns -= 1
        for name, step in steps.items():
            times[name].append(seconds_of(step))
    return {name: statistics.median(values) for name, values in times.items()}


def seconds_of(step: Step) -> float:
    """How long a step takes."""
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def print_row(what: str, ours: float, beside: float) -> None:
    """One row of the table."""
    print(f"| {what} | {1000 * ours:,.1f} | {1000 * beside:,.1f} | {ours / beside:.2f} |", flush=True)


if __name__ == "__main__":
    main()
