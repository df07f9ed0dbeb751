"""Search beyond what exact search can do in time: 1 000 000 x 128, and by calculation ten million.

Prints a table of: one query and a batch through `Index` beside bare FAISS (the same lists of int8 values in
memory, with a float16 re-rank by IndexRefine, as many lists and candidates), taking turns; what the build
takes; a new process from opening the index to its first answer, with its memory; a filter that keeps 1 %; and
ten million, calculated from the parts that were measured. Recall is that of ten answers against exact ones,
for queries that the index does not have. Vectors are clustered unevenly: 4 000 centres, spread over falling
variances as those of networks are.

    python -m benchmarks.approximate [--items 1000000] [--seconds 10] [--recall 0.985] [--quick]
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.indexing import BATCH, DIM, K, random_head
from benchmarks.ten_million import Parts, large_rows
from benchmarks.timing import seconds_of, take_turns
from lookalike.indexing.base import Base
from lookalike.indexing.base_build import build_base
from lookalike.indexing.base_file import BaseNote, base_path
from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Item
from lookalike.indexing.selection import Selection
from lookalike.models.model import Model
from lookalike.records import Floats

FAISS: Any = faiss  # whose stubs know less than it has
CLUSTERS, SPREAD = 4000, 0.8
JUDGED = 1000  # queries by which recall is measured
TIMED = 500  # single queries that are timed
CHILD = """
import json, sys, time
began = time.perf_counter()
import numpy as np
from lookalike.indexing.index import Index
imported = time.perf_counter()
queries = np.load(sys.argv[2])
def memory():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmRSS"))
before = memory()
opening = time.perf_counter()
with Index.open(sys.argv[1]) as index:
    index.search(queries[:1])
    first = time.perf_counter()
    for row in range(len(queries)):
        index.search(queries[row : row + 1])
    after = memory()
print(json.dumps([imported - began, first - opening, before, after]))
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one table row for each measurement."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--items", type=int, default=1_000_000, help="vectors in the index")
    parser.add_argument("--seconds", type=float, default=10.0, help="time for each comparison")
    parser.add_argument("--recall", type=float, default=0.985, help="wanted of the base")
    parser.add_argument("--quick", action="store_true", help="20 000 vectors, 1 second")
    options = parser.parse_args(arguments)
    if options.quick:
        options.items, options.seconds = 20_000, 1.0
    print("| what | measured |\n|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        model = random_head(Path(folder))
        vectors, queries = clustered(options.items, seed=1), clustered(BATCH, seed=2)
        path = filled(Path(folder) / "vectors.idx", model, vectors)
        parts = Parts()
        with Index.open(path, model=model) as index:
            note = build_row(index, parts, recall=options.recall)
            parts.store_bytes = path.stat().st_size
            search_rows(index, note, vectors, queries, parts, seconds=options.seconds)
            filter_rows(index, vectors, queries)
        process_row(path, note, queries, Path(folder))
    for what, measured in large_rows(parts, note):
        print_row(what, measured)


def clustered(rows: int, *, seed: int) -> Floats:
    """[rows, DIM] unit vectors in clusters of uneven size."""
    scale = (np.arange(1, DIM + 1) ** -0.4).astype(np.float32)
    scale /= np.linalg.norm(scale)
    fixed = np.random.default_rng(0)
    centres = fixed.standard_normal((CLUSTERS, DIM)).astype(np.float32) * scale
    weights = fixed.gamma(0.7, size=CLUSTERS)
    chance = np.random.default_rng(seed)
    which = chance.choice(CLUSTERS, rows, p=weights / weights.sum())
    vectors = np.empty((rows, DIM), np.float32)
    for start in range(0, rows, 100_000):
        part = which[start : start + 100_000]
        noise = chance.standard_normal((len(part), DIM)).astype(np.float32)
        some = centres[part] + SPREAD * scale * noise
        vectors[start : start + len(part)] = some / np.linalg.norm(some, axis=1, keepdims=True)
    return vectors


def filled(path: Path, model: Model, vectors: Floats) -> Path:
    """An index of vectors whose pictures never were; one in a hundred has the label "few"."""
    with Index.create(path, model) as index, index.store.writing() as writer:
        root = writer.add_root(str(path.parent / "none"), str(path.parent / "none"))
        for start in range(0, len(vectors), 50_000):
            puts = [
                (Item(root, f"{row}.png", "", 1, 1, b"%016d" % row, label_of(row), "{}"), vectors[row])
                for row in range(start, min(start + 50_000, len(vectors)))
            ]
            writer.apply(Changes(puts=puts))
    return path


def label_of(row: int) -> str:
    """One in a hundred is few, whichever cluster it is in."""
    return "few" if row * 2_654_435_761 % 100 == 0 else "many"


def build_row(index: Index, parts: Parts, *, recall: float) -> BaseNote:
    """The build, and what its parts take."""
    began, worked = time.perf_counter(), time.process_time()
    note = build_base(
        index.store,
        recall=recall,
        progress=lambda done, _total: parts.ticks.append((done, time.perf_counter())),
    )
    ended, worked = time.perf_counter(), time.process_time() - worked
    learned = next(place for place, (done, _) in enumerate(parts.ticks) if done > note.rows)
    parts.read = parts.ticks[learned - 1][1] - began
    block = parts.ticks[-1][1] - parts.ticks[learned][1]
    parts.learn = parts.ticks[learned][1] - parts.ticks[learned - 1][1]
    base = opened(index)
    some = clustered(min(note.rows, 50_000), seed=3)
    parts.assign = seconds_of(lambda: base._index.quantizer.search(some, 1)) * note.rows / len(some)
    parts.rest, parts.choose = max(block - parts.assign, 0.0), ended - parts.ticks[-1][1]
    print_row(
        f"build, {note.rows:,} x {DIM}, {note.lists:,} lists, {note.storage}",
        f"{note.seconds:.0f} s ({worked:.0f} s of processors), {note.size / 1e6:,.0f} MB; "
        f"recall of its own vectors {note.recall:.4f} ({note.low:.4f} to {note.high:.4f}), "
        f"wanted {note.wanted:g}; {note.probes} lists and {note.fetch} candidates a query; "
        f"an exact search takes {note.exact_ms:.0f} ms",
    )
    return note


def opened(index: Index) -> Base:
    """The index's base; that there is none is a failed benchmark."""
    base = Base.open(index.store)
    if base is None:
        raise RuntimeError("the base that was just built cannot be used")
    return base


def search_rows(
    index: Index, note: BaseNote, vectors: Floats, queries: Floats, parts: Parts, *, seconds: float
) -> None:
    """One query and a batch through the index, beside bare FAISS."""
    bare, effort = refined(index, note, vectors)
    right = exact_ids(queries, vectors)
    ours = recall(right, [[hit.id for hit in hits.hits] for hits in index.search(queries, k=K)])
    theirs = recall(right, (bare.search(queries, K, params=effort)[1] + 1).tolist())
    turns = [queries[row : row + 1] for row in range(TIMED)]
    medians = [
        take_turns(
            {
                "ours": partial(index.search, query, k=K),
                "bare": partial(bare.search, query, K, params=effort),
            },
            turns=3,
        )
        for query in turns
    ]
    one = {name: statistics.median(entry[name] for entry in medians) for name in ("ours", "bare")}
    many = take_turns(
        {
            "ours": partial(index.search, queries, k=K),
            "bare": partial(bare.search, queries, K, params=effort),
        },
        seconds=seconds,
    )
    print_pair(f"one query, p50 of {TIMED}; bare FAISS", one, ours, theirs)
    print_pair(f"{BATCH} queries; bare FAISS", many, ours, theirs)
    base = opened(index)
    alone = {
        "ours": median_of(lambda query: reranked(base, index, query), turns),
        "bare": median_of(lambda query: bare.search(query, K, params=effort), turns),
    }
    print_pair("one query, ids and exact similarities without facts; bare FAISS", alone, ours, theirs)
    parts.near = median_of(lambda query: base._index.quantizer.search(query, note.probes), turns)
    parts.scan = median_of(lambda query: base.search(query, k=K), turns) - parts.near
    parts.over = one["ours"] - parts.scan - parts.near


def reranked(base: Base, index: Index, query: Floats) -> Any:
    """What a search has to do at least: propose, read the proposals' vectors, compare, put in order."""
    ids, _ = base.search(query, k=K)
    vectors = index.store.vectors_of_ids(ids[0])
    similarities = vectors @ query[0]
    order = np.argsort(-similarities)[:K]
    return ids[0][order], similarities[order]


def refined(index: Index, note: BaseNote, vectors: Floats) -> tuple[Any, Any]:
    """The base's lists in memory, with ids from 0, and a float16 copy of all vectors to re-rank by."""
    lists = FAISS.read_index(str(base_path(index.path, note)))
    for number in range(note.lists):
        size = lists.invlists.list_size(number)
        if size:
            FAISS.rev_swig_ptr(lists.invlists.get_ids(number), size)[:] -= 1
    halves = FAISS.IndexScalarQuantizer(DIM, FAISS.ScalarQuantizer.QT_fp16, FAISS.METRIC_INNER_PRODUCT)
    halves.train(vectors[:1000])
    halves.add(vectors)
    bare = FAISS.IndexRefine(lists, halves)
    effort = FAISS.IndexRefineSearchParameters(
        k_factor=note.fetch / K, base_index_params=FAISS.SearchParametersIVF(nprobe=note.probes)
    )

    return bare, effort


def filter_rows(index: Index, vectors: Floats, queries: Floats) -> None:
    """A filter that keeps one in a hundred."""
    few = np.array([row for row in range(len(vectors)) if label_of(row) == "few"])
    right = few[exact_ids(queries, vectors[few]) - 1] + 1
    asked = Selection(where="label = 'few'")
    first = seconds_of(lambda: index.search(queries[:1], k=K, selection=asked))
    found = index.search(queries, k=K, selection=asked)
    share = recall(right, [[hit.id for hit in hits.hits] for hits in found])
    times = median_of(
        lambda query: index.search(query, k=K, selection=asked),
        [queries[row : row + 1] for row in range(TIMED)],
    )
    print_row(
        f"filter that keeps {len(few):,} of {len(vectors):,}",
        f"p50 {1000 * times:.2f} ms, recall {share:.4f}; the first with this filter {1000 * first:,.0f} ms",
    )


def process_row(path: Path, note: BaseNote, queries: Floats, folder: Path) -> None:
    """A new process: from opening to its first answer, and its memory after many."""
    np.save(folder / "queries.npy", queries)
    command = [sys.executable, "-c", CHILD, str(path), str(folder / "queries.npy")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    imported, first, before, after = json.loads(done.stdout)
    print_row(
        "new process: imports; opened and first answer; memory before, and after 1 000 queries",
        f"{imported:.2f} s; {first:.2f} s; {before / 1e6:.0f} MB, {after / 1e6:.0f} MB: "
        f"{after / note.size:.2f} of the base, {(after - before) / note.size:.2f} without the imports",
    )


def exact_ids(queries: Floats, vectors: Floats) -> Any:
    """[q, K] ids, from 1, of the most alike."""
    return faiss.knn(queries[:JUDGED], vectors, K, metric=faiss.METRIC_INNER_PRODUCT)[1] + 1


def recall(right: Any, found: Sequence[Sequence[int]]) -> float:
    """The share of right ids that were found."""
    hits = sum(len(set(row.tolist()) & set(ids)) for row, ids in zip(right, found, strict=True))
    return float(hits / right.size)


def median_of(step: Any, queries: Sequence[Floats]) -> float:
    """Median seconds of a step over queries."""
    return statistics.median(seconds_of(partial(step, query)) for query in queries)


def print_pair(what: str, times: dict[str, float], ours: float, theirs: float) -> None:
    """A row of two that took turns."""
    ratio = times["ours"] / times["bare"]
    print_row(
        what,
        f"{1000 * times['ours']:,.2f} ms, {1000 * times['bare']:,.2f} ms: {ratio:.2f}; "
        f"recall {ours:.4f}, {theirs:.4f}",
    )


def print_row(what: str, measured: str) -> None:
    """One row of the table."""
    print(f"| {what} | {measured} |", flush=True)


if __name__ == "__main__":
    main()
