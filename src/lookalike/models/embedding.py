"""Pictures to vectors: every worker reads, decodes, prepares and infers its own few pictures.

One thread per processor runs chunks of pictures from file to vector, so decoding overlaps with inference,
all processors are busy and memory holds a few chunks at most. A picture that cannot be used is reported
with its reason and shifts nobody else's vector. Nothing is stored here.
"""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError, ImageError, SkipReason
from lookalike.models.model import Model, Output
from lookalike.pictures.finding import bad_name, printable
from lookalike.pictures.images import Box, open_picture, read_image, skipped
from lookalike.pictures.preprocess import prepare
from lookalike.pictures.prints import look_of
from lookalike.records import Embeddings, Floats, Look, Pixels, Progress, Skipped

if TYPE_CHECKING:
    from lookalike.tables.table import ImageTable

CHUNK = 8  # pictures a worker takes at once: larger batches are slower on a processor
HASH_BYTES = 16

A = TypeVar("A")
B = TypeVar("B")


class Memory(Protocol):
    """Embeddings of earlier runs by content hash; called from several threads."""

    def get(self, digest: bytes) -> Floats | None:
        """The vector [d] of a picture, or None; with one, nothing is decoded."""

    def add(self, hashes: Sequence[bytes], vectors: Floats) -> None:
        """Take the newly computed vectors [m, d] of m pictures."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """The vectors of a few consecutive pictures.

    Attributes:
        rows: [m] int64, positions in the input.
        vectors: [m, d] float32, unit rows; `features` the same from the untrained backbone where asked.
        hashes: content hash of each row's file (and box).
        skipped: position and reason of each picture that was left out; every position of the input is
            either in rows or here.
        looks: what each row's picture is at a glance; None where its vector was known, so that nothing was
            decoded. Empty where the embedder does not look.
    """

    rows: NDArray[np.int64]
    vectors: Floats
    hashes: tuple[bytes, ...]
    skipped: tuple[tuple[int, Skipped], ...]
    features: Floats | None = None
    looks: tuple[Look | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Embedded:
    """A table's embeddings, the rows they belong to, and what was left out.

    Attributes:
        hashes: content hash of each row's file.
        features: [m, D] the untrained backbone's vectors, where asked for and there.
    """

    embeddings: Embeddings
    rows: NDArray[np.int64]
    hashes: tuple[bytes, ...]
    skipped: tuple[Skipped, ...]
    features: Floats | None = None

    @property
    def identity(self) -> NDArray[np.int64]:
        """[m] int64, equal where two rows' files are byte for byte the same."""
        codes: dict[bytes, int] = {}
        return np.array([codes.setdefault(digest, len(codes)) for digest in self.hashes], dtype=np.int64)


def content_hash(content: bytes, box: Box | None = None) -> bytes:
    """A picture's identity: the hash of its bytes, and of the part that is looked at."""
    key = ",".join(map(str, box)).encode() if box else b""
    return hashlib.blake2b(content, digest_size=HASH_BYTES, key=key).digest()


def embed_chunks(
    model: Model,
    paths: Sequence[Path],
    *,
    boxes: Sequence[Box | None] | None = None,
    outputs: tuple[Output, ...] = ("embedding",),
    memory: Memory | None = None,
    workers: int | None = None,
) -> Iterator[Chunk]:
    """Embed pictures in input order, a few at a time; memory does not grow with their number.

    Args:
        paths: n files.
        boxes: per file the part to look at (left, top, right, bottom in upright pixels), or None.
        outputs: the graph outputs to compute; "embedding" alone, or with "feature".
        memory: vectors to re-use instead of decoding. It keeps embeddings only, so it goes with
            `outputs` left as it is.
        workers: threads; None takes one per processor.
    """
    if memory is not None and outputs != ("embedding",):
        raise ValueError(f"a memory stands for the embedding alone, not for {outputs}")
    boxes = boxes if boxes is not None else [None] * len(paths)
    starts = range(0, len(paths), CHUNK)

    def work(start: int) -> Chunk:
        part = slice(start, start + CHUNK)
        return _embed_chunk(model, start, paths[part], boxes[part], outputs, memory)

    yield from map_in_order(work, starts, workers=workers)


def without_bad_names(chunks: Iterator[Chunk], paths: Sequence[Path]) -> Iterator[Chunk]:
    """Report the pictures whose name is not UTF-8 as skipped: nothing that names them could be written."""
    for chunk in chunks:
        flaws = {int(row): flaw for row in chunk.rows if (flaw := bad_name(paths[row]))}
        yield _leave_out(chunk, flaws, paths) if flaws else chunk


def embed_table(
    model: Model,
    table: ImageTable,
    *,
    outputs: tuple[Output, ...] = ("embedding",),
    memory: Memory | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Embedded:
    """Embed all pictures of a table; ids are the table's.

    Raises:
        EvaluationError: not one picture could be used.
    """
    chunks = []
    for chunk in embed_chunks(
        model, table.paths, boxes=table.boxes, outputs=outputs, memory=memory, workers=workers
    ):
        chunks.append(chunk)
        if progress is not None:
            progress(min(len(chunks) * CHUNK, len(table)), len(table))
    left_out = tuple(entry for chunk in chunks for _, entry in chunk.skipped)
    rows = np.concatenate([chunk.rows for chunk in chunks]) if chunks else np.zeros(0, np.int64)
    if len(rows) == 0:
        raise EvaluationError(
            "no picture could be used",
            where=table.root,
            saw=f"{len(left_out)} skipped, the first: {left_out[0].path}: {left_out[0].reason}"
            if left_out
            else "an empty table",
            do="run lookalike describe on it to see what is wrong with the files",
        )
    hashes = tuple(digest for chunk in chunks for digest in chunk.hashes)
    features = [chunk.features for chunk in chunks if chunk.features is not None]
    return Embedded(
        embeddings=Embeddings(table.ids[rows], np.concatenate([chunk.vectors for chunk in chunks])),
        rows=rows,
        hashes=hashes,
        skipped=left_out,
        features=np.concatenate(features) if features else None,
    )


def map_in_order(work: Callable[[A], B], items: Sequence[A], *, workers: int | None = None) -> Iterator[B]:
    """Map in threads, results in input order, at most two items a worker in flight."""
    count = workers or os.cpu_count() or 1
    pending: deque[Future[B]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in items:
                pending.append(pool.submit(work, item))
                if len(pending) >= 2 * count:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()


def _embed_chunk(
    model: Model,
    start: int,
    paths: Sequence[Path],
    boxes: Sequence[Box | None],
    outputs: tuple[Output, ...],
    memory: Memory | None,
) -> Chunk:
    rows: list[int] = []
    hashes: list[bytes] = []
    left_out: list[tuple[int, Skipped]] = []
    ready: dict[int, Floats] = {}  # place in rows -> vector that was known
    fresh: dict[int, Pixels] = {}  # place in rows -> pixels to run
    looks: list[Look | None] = []
    for row, path, box in zip(range(start, start + len(paths)), paths, boxes, strict=True):
        try:
            content = read_image(path)
            digest = content_hash(content, box)
            vector = memory.get(digest) if memory is not None else None
            look = None
            if vector is not None:
                ready[len(rows)] = vector
            else:
                fresh[len(rows)], look = _pixels(model, content, box)
        except ImageError as error:
            left_out.append((row, skipped(error, path)))
            continue
        rows.append(row)
        hashes.append(digest)
        looks.append(look)
    vectors, features = _run(model, fresh, ready, outputs)
    if memory is not None and fresh:
        memory.add([hashes[place] for place in fresh], vectors[list(fresh)])
    return Chunk(np.array(rows, np.int64), vectors, tuple(hashes), tuple(left_out), features, tuple(looks))


def _leave_out(chunk: Chunk, flaws: Mapping[int, str], paths: Sequence[Path]) -> Chunk:
    kept = [place for place, row in enumerate(chunk.rows) if int(row) not in flaws]
    named = [(row, Skipped(printable(paths[row]), SkipReason.BAD_NAME, flaw)) for row, flaw in flaws.items()]
    return Chunk(
        rows=chunk.rows[kept],
        vectors=chunk.vectors[kept],
        hashes=tuple(chunk.hashes[place] for place in kept),
        skipped=(*chunk.skipped, *named),
        features=None if chunk.features is None else chunk.features[kept],
        looks=tuple(chunk.looks[place] for place in kept) if chunk.looks else (),
    )


def _pixels(model: Model, content: bytes, box: Box | None) -> tuple[Pixels, Look]:
    picture = open_picture(content, target=model.preprocess.decode_target, box=box)
    return prepare(picture.pixels, model.preprocess), look_of(picture, content, box=box)


def _run(
    model: Model, fresh: dict[int, Pixels], ready: dict[int, Floats], outputs: tuple[Output, ...]
) -> tuple[Floats, Floats | None]:
    results = model.run(np.stack(list(fresh.values())), outputs) if fresh else ()
    vectors = np.empty((len(fresh) + len(ready), model.dim), np.float32)
    if fresh:
        vectors[list(fresh)] = results[0]
    for place, vector in ready.items():
        vectors[place] = vector
    return vectors, results[1] if len(results) > 1 else None
