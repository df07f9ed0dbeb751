"""Building an approximate base: a store enters; a file beside it and the note of it leave.

The store is read block by block, twice: for a sample to learn the lists from, then to fill them as of one
moment. While it is read the exact answers of sampled queries are gathered, and with them the recall is
measured. The old base is in use until the new one is noted; when a build pays is decided elsewhere.
"""

from __future__ import annotations

import math
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from lookalike.errors import StoreError
from lookalike.indexing.base_file import FEWEST as FEWEST
from lookalike.indexing.base_file import STORAGES, BaseNote, Storage, Written, remove_others, write_base
from lookalike.indexing.base_recall import ExactAnswers, Ids, choose_effort
from lookalike.indexing.neighbours import nearest
from lookalike.indexing.store import Store
from lookalike.records import SILENT, Floats, Progress

RECALL = 0.99

_SAMPLED = 64  # vectors a list is learned from
_FEWEST_SAMPLED = 39  # fewer do not say where a list lies
_QUERIES = 2000  # half to choose the effort, half to measure
_ROUNDS = 10  # of learning the lists
_BLOCK = 16_384  # rows at once
_TIMED_BYTES = 1 << 26  # of the vectors that are searched to see how long it takes
_TIMES = 7


def build_base(
    store: Store,
    *,
    recall: float = RECALL,
    storage: Storage = "int8",
    within: float = 0.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> BaseNote:
    """Build the base of a store and note it; only who holds the lock of `base_upkeep` may.

    Args:
        recall: wanted share of the ten most alike, in (0, 1]; what was reached is noted.
        storage: a value of a vector as one byte (a quarter of the store's size) or as a float16 (half).
        within: what is noted of when a base is needed, see `BaseNote`.
        seed: of the sample, the lists and the queries.
        progress: called with (rows read, rows to read); every row is read twice.

    Raises:
        ValueError: the recall or the storage is none, or there are fewer than FEWEST vectors.
        StoreError: a vector fails its checksum, the disk is full or fails, or the folder cannot be written.
    """
    if not 0.0 < recall <= 1.0 or storage not in STORAGES:
        raise ValueError(f"recall must lie in (0, 1] and storage be one of {STORAGES}: {recall}, {storage!r}")
    began = time.perf_counter()
    rows = store.size()
    if rows < FEWEST:
        raise ValueError(f"{rows} vectors are too few for a base, at least {FEWEST} are needed")
    progress = progress if progress is not None else SILENT.stage("")
    index, exact = _learn(store, rows, storage, seed, progress)
    generation, last = _fill(store, index, exact, progress)
    effort = choose_effort(index, exact, recall=recall)
    written = _written(store.path, generation, index)
    note = BaseNote(
        **asdict(written),
        **asdict(effort),
        generation=generation,
        rows=index.ntotal,
        exact_ms=measured_ms(store, index.ntotal),
        last=last,
        dim=store.dim,
        storage=storage,
        wanted=recall,
        lists=index.nlist,
        seconds=time.perf_counter() - began,
        within=within,
    )
    store.note_base(note.text())
    remove_others(store.path, keep=note.file)
    return note


def lists_for(rows: int) -> int:
    """Into how many lists so many vectors are divided: near four times the root, a power of two.

    >>> lists_for(100_000), lists_for(1_000_000), lists_for(10_000_000), lists_for(200)
    (1024, 4096, 16384, 5)
    """
    near: int = 2 ** round(math.log2(4 * math.sqrt(rows)))
    return max(1, min(near, rows // _FEWEST_SAMPLED))


def measured_ms(store: Store, rows: int) -> float:
    """What an exact search of one query takes, in milliseconds.

    Part of the vectors is searched, several times: the least is what it takes when nothing else runs. The
    time of all grows with their number.
    """
    part = max(1, _TIMED_BYTES // (4 * store.dim))
    with store.reading():
        _, vectors = next(iter(store.blocks(rows=part)), (None, np.zeros((0, store.dim), np.float32)))
    if not len(vectors):
        return 0.0
    times = []
    for query in range(min(_TIMES, len(vectors))):
        began = time.perf_counter()
        nearest(vectors[query : query + 1], vectors, k=10)
        times.append(time.perf_counter() - began)
    return 1000 * min(times) * max(rows / len(vectors), 1.0)


def _learn(
    store: Store, rows: int, storage: Storage, seed: int, progress: Progress
) -> tuple[Any, ExactAnswers]:
    """An empty index whose lists and values are learned from a sample, and queries that are not in it."""
    asked = min(_QUERIES, rows // 4)
    lists = lists_for(rows)
    share = min(1.0, (asked + _SAMPLED * lists) / rows)
    chance = np.random.default_rng(seed)
    ids, vectors = _sample(store, rows, share, chance, progress)
    order = chance.permutation(len(ids))
    asking, learned_from = np.sort(order[:asked]), np.sort(order[asked:])
    kind = faiss.ScalarQuantizer.QT_8bit if storage == "int8" else faiss.ScalarQuantizer.QT_fp16
    quantizer = faiss.IndexFlatIP(store.dim)
    index = faiss.IndexIVFScalarQuantizer(quantizer, store.dim, lists, kind, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.seed = _ROUNDS, seed
    index.cp.min_points_per_centroid = 1  # else FAISS writes to the terminal
    index.train(vectors[learned_from])
    return index, ExactAnswers(ids[asking], vectors[asking])


def _sample(
    store: Store, rows: int, share: float, chance: np.random.Generator, progress: Progress
) -> tuple[Ids, Floats]:
    """Each vector of the store with the same chance."""
    ids, vectors, read = [np.zeros(0, np.int64)], [np.zeros((0, store.dim), np.float32)], 0
    with store.reading():
        for some_ids, some_vectors in store.blocks(rows=_BLOCK):
            taken = chance.random(len(some_ids)) < share
            ids.append(some_ids[taken])
            vectors.append(some_vectors[taken])
            read += len(some_ids)
            progress(min(read, rows), 2 * rows)
    return np.concatenate(ids), np.concatenate(vectors)


def _fill(store: Store, index: Any, exact: ExactAnswers, progress: Progress) -> tuple[int, int]:
    """Put every vector in its list; the generation that was read, and the largest id."""
    last = 0
    with store.reading():
        generation, rows = store.generation(), store.size()
        for ids, vectors in store.blocks(rows=_BLOCK):
            index.add_with_ids(vectors, ids)
            exact.take(ids, vectors)
            last = max(last, int(ids.max(initial=0)))
            progress(rows + min(index.ntotal, rows), 2 * rows)
    return generation, last


def _written(path: Path, generation: int, index: Any) -> Written:
    try:
        return write_base(path, generation, lambda file: faiss.write_index(index, str(file)))
    except (OSError, RuntimeError) as error:  # FAISS raises the latter where a file cannot be written
        raise StoreError(
            "the approximate base cannot be written",
            where=path.parent,
            saw=str(error).splitlines()[-1],
            wanted=f"room for {index.ntotal * index.code_size / 1e6:,.0f} MB beside the index",
            do="free some space and run the same command again; until then searches are exact",
        ) from error
