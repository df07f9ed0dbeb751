"""An index: exact search of 100 000 x 128, and bringing it up to date, as ratios taken in one run.

Prints a table of: a search through `Index` beside bare FAISS on the same vectors (one query and a batch of
1 000, taking turns, so that what else the machine does hits both alike); the command `lookalike search` in a
fresh process, with a picture that the index does not know, beside a process that only imports what any
search has to (numpy, faiss, onnxruntime); a second run over 100 000 unchanged files beside looking at each of
them once; and 1 000 new pictures for an index of 1 000 000, of a folder of their own and of the same folder,
beside what listing the folder and looking at its files takes alone. With a row stands the most memory that
the step added. Vectors are clustered: 1 000 centres with noise. The model of the searches is the untrained
backbone with a random head, because its answers do not matter here and its cost is the real one. For upkeep
the vectors are at hand, so that what is measured is what upkeep adds to embedding; files hold a few bytes.

    python -m benchmarks.indexing [--items 100000] [--files 100000] [--large 1000000] [--seconds 10] [--quick]
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import faiss
import numpy as np
import onnx
from PIL import Image

from benchmarks.timing import alone, take_turns
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Item
from lookalike.models.embedding import Chunk, Memory, content_hash
from lookalike.models.model import DEFAULT, GRAPH, Model, fingerprint_of, write_facts
from lookalike.pictures.finding import find_images
from lookalike.pictures.images import Box
from lookalike.records import Floats
from lookalike.tables.table import ImageTable
from lookalike.training.graph import HeadGraph, grow_head, load_graph

DIM, K, BATCH = 128, 10, 1000
NEW = 1000
PROCESSES = 7
IMPORTS = "import numpy, faiss, onnxruntime"
COMMAND = "from lookalike.cli import main; main()"
IN_FOLDER = 1000  # files


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=100_000, help="vectors in the index that is searched")
    parser.add_argument("--files", type=int, default=100_000, help="files that are run over again")
    parser.add_argument("--large", type=int, default=1_000_000, help="files of the index that is added to")
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each search measurement")
    parser.add_argument("--quick", action="store_true", help="2 000 of each, 1 second")
    options = parser.parse_args(arguments)
    if options.quick:
        options.items, options.files, options.large, options.seconds = 2_000, 2_000, 2_000, 1.0
    print("| what | ours, ms | beside it, ms | ours / beside it | MB |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model = random_head(Path(folder))
        path = filled_index(Path(folder) / "vectors.idx", model, items=options.items)
        search_rows(path, model, seconds=options.seconds)
        process_row(path, Path(folder))
        rerun_rows(Path(folder), model, files=options.files)
        adding_rows(Path(folder), model, files=options.large)


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
    """An index of vectors without pictures; searching does not look at them."""
    vectors = clustered(items, seed=1)
    with Index.create(path, model) as index, index.store.writing() as writer:
        root = writer.add_root(str(path.parent / "none"), str(path.parent / "none"))
        for start in range(0, items, 10_000):
            puts = [
                (Item(root, f"{row}.png", "", 1, 1, content_hash(b"%d" % row), "a", "{}"), vectors[row])
                for row in range(start, min(start + 10_000, items))
            ]
            writer.apply(Changes(puts=puts))
    return path


def index_of_files(path: Path, model: Model, root: Path) -> Path:
    """The index that a first run over a folder makes, made sooner."""
    table, vectors = ImageTable.read(root), clustered(IN_FOLDER, seed=1)
    with Index.create(path, model) as index, index.store.writing() as writer:
        number = writer.add_root(str(root), str(root))
        for part in table.frame.iter_slices(10 * IN_FOLDER):
            rows = part.select("image", "label").iter_rows()
            items = [item_of(number, root, image, label) for image, label in rows]
            writer.apply(Changes(puts=[(item, vectors[row % IN_FOLDER]) for row, item in enumerate(items)]))
    return path


def item_of(number: int, root: Path, image: str, label: str) -> Item:
    """A file as a first run would note it; its hash is of its name."""
    facts = (root / image).stat()
    content = content_hash(image.encode())
    return Item(number, image, "", facts.st_size, facts.st_mtime_ns, content, label, "{}")


def search_rows(path: Path, model: Model, *, seconds: float) -> None:
    """One query and a batch, through the index and through bare FAISS."""
    with Index.open(path, model=model) as index:
        bare = faiss.IndexFlatIP(DIM)
        vectors = index.store.snapshot().vectors
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
    """An embedder that has a vector for every picture, so that upkeep itself is measured."""

    def __init__(self) -> None:
        self.read = 0

    def __call__(
        self,
        paths: Sequence[Path],
        *,
        boxes: Sequence[Box | None],  # noqa: ARG002 - every picture is whole
        memory: Memory | None,  # noqa: ARG002 - every content is new
    ) -> Iterator[Chunk]:
        """Embed eight files at a time."""
        vectors = clustered(8, seed=4)
        for start in range(0, len(paths), 8):
            contents = [path.read_bytes() for path in paths[start : start + 8]]
            self.read += len(contents)
            rows = np.arange(start, start + len(contents))
            yield Chunk(rows, vectors[: len(rows)], tuple(content_hash(content) for content in contents), ())


def rerun_rows(folder: Path, model: Model, *, files: int) -> None:
    """The first run over a folder, and a second one that finds nothing to do."""
    root, path = write_files(folder / "files", files), folder / "files.idx"
    Index.create(path, model).close()
    compare(f"first run over {files:,} files", path, root)
    compare(f"second run over {files:,} unchanged files", path, root, unread=True)
    shutil.rmtree(root)


def adding_rows(folder: Path, model: Model, *, files: int) -> None:
    """New pictures for a large index, in a folder of their own and in the folder that it was made of."""
    root = write_files(folder / "large", files)
    path = index_of_files(folder / "large.idx", model, root)
    other = write_files(folder / "other", NEW, first=files)
    compare(f"{NEW:,} new pictures of another folder for an index of {files:,}", path, other)
    write_files(root, NEW, first=2 * files)
    compare(f"{NEW:,} new pictures of the same folder of {files:,}", path, root)


def compare(what: str, path: Path, source: Path, *, unread: bool = False) -> None:
    """Bringing an index up to date beside looking at the files alone."""
    look, ours = alone(look_at, source), alone(update, path, source, unread=unread)
    print_row(f"{what}; list and look at each file", ours.seconds, look.seconds, ours.megabytes)


def write_files(root: Path, count: int, *, first: int = 0) -> Path:
    """Files of a few bytes, each with other ones, a thousand in a folder."""
    for number in range(first, first + count):
        if number % IN_FOLDER == first % IN_FOLDER:
            part = root / f"{number // IN_FOLDER:05}"
            part.mkdir(parents=True, exist_ok=True)
        (part / f"{number}.png").write_bytes(b"%d" % number)
    return root


def update(path: Path, source: Path, *, unread: bool = False) -> None:
    """Bring an index up to date with a folder."""
    embedder = Ready()
    with Index.open(path) as index:
        done = index.update(ImageTable.read(source), source=source, embed=embedder)
    if (embedder.read == 0) != unread or done.added != embedder.read or done.skipped:
        raise RuntimeError(f"read {embedder.read} files: {done}")


def look_at(source: Path) -> None:
    """What cannot be spared: list a folder, and ask for each file's size and time."""
    for path in find_images(source).paths:
        os.stat(f"{source}/{path}")  # noqa: PTH116 - Path() costs twice the system's call


def print_row(what: str, ours: float, beside: float, megabytes: float | None = None) -> None:
    """One row of the table."""
    memory = "" if megabytes is None else f"{megabytes:,.0f}"
    print(
        f"| {what} | {1000 * ours:,.1f} | {1000 * beside:,.1f} | {ours / beside:.2f} | {memory} |", flush=True
    )


if __name__ == "__main__":
    main()
