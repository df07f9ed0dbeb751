"""An embedder without a network: a file's vector is drawn from its content. Tests of the index use it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from lookalike.errors import SkipReason
from lookalike.models.embedding import Chunk, Memory, content_hash
from lookalike.models.model import FACTS, Model
from lookalike.pictures.images import Box
from lookalike.pictures.preprocess import Preprocess
from lookalike.records import Floats, Skipped, Threshold

DIM = 8
CHUNK = 8
BROKEN = b"broken"  # content that begins so cannot be decoded
TEXT = b"text"  # content that begins so is no picture


def vector_of(content: bytes, box: Box | None = None) -> Floats:
    """[DIM] the vector that the embedder gives to a content."""
    seed = hashlib.blake2b(content + repr(box).encode(), digest_size=8).digest()
    values = np.random.default_rng(int.from_bytes(seed)).standard_normal(DIM).astype(np.float32)
    return values / np.linalg.norm(values)


class FakeEmbedder:
    """Callable like `embed_chunks` of a model; remembers what it read and what it had to embed."""

    def __init__(self, *, pause: float = 0.0) -> None:
        self.read: list[str] = []
        self.embedded: list[str] = []
        self._pause = pause

    def __call__(
        self, paths: Sequence[Path], *, boxes: Sequence[Box | None], memory: Memory | None
    ) -> Iterator[Chunk]:
        for start in range(0, len(paths), CHUNK):
            part = slice(start, start + CHUNK)
            yield self._chunk(start, paths[part], boxes[part], memory)

    def forget(self) -> None:
        """Begin a new count."""
        self.read, self.embedded = [], []

    def _chunk(
        self, start: int, paths: Sequence[Path], boxes: Sequence[Box | None], memory: Memory | None
    ) -> Chunk:
        rows: list[int] = []
        vectors: list[Floats] = []
        hashes: list[bytes] = []
        skipped: list[tuple[int, Skipped]] = []
        for row, path, box in zip(range(start, start + len(paths)), paths, boxes, strict=True):
            self.read.append(path.name)
            content = path.read_bytes() if path.exists() else None
            reason = _fault(content)
            if content is None or reason is not None:
                skipped.append((row, Skipped(str(path), reason or SkipReason.MISSING, "fake")))
                continue
            digest = content_hash(content, box)
            rows.append(row)
            hashes.append(digest)
            vectors.append(self._vector(path, content, box, digest, memory))
        stacked = np.array(vectors, np.float32).reshape(-1, DIM)
        return Chunk(np.array(rows, np.int64), stacked, tuple(hashes), tuple(skipped))

    def _vector(
        self, path: Path, content: bytes, box: Box | None, digest: bytes, memory: Memory | None
    ) -> Floats:
        known = memory.get(digest) if memory is not None else None
        if known is not None:
            return known
        time.sleep(self._pause)
        self.embedded.append(path.name)
        vector = vector_of(content, box)
        if memory is not None:
            memory.add([digest], vector[None])
        return vector


def fake_model(folder: Path, *, fingerprint: str = "f" * 64, threshold: float | None = None) -> Model:
    """A model folder that can be opened by its facts and never run."""
    folder.mkdir(parents=True, exist_ok=True)
    preprocess = Preprocess(32, "crop", 1.0, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    facts = {
        "format": 1,
        "name": folder.name,
        "created": "2026-01-01T00:00:00+00:00",
        "dim": DIM,
        "fingerprint": fingerprint,
        "preprocess": preprocess.to_json(),
        "outputs": {"embedding": DIM},
        "baseline": None,
        "network": {"backbone": "fake", "frozen": True, "head": None},
        "training": {},
        "thresholds": {} if threshold is None else {"default": _threshold(threshold)},
    }
    (folder / FACTS).write_text(json.dumps(facts))
    return Model(folder, facts)


def _threshold(similarity: float) -> dict[str, object]:
    words = {"target": "f1", "split": "val", "basis": "labels", "fingerprint": ""}
    return dict.fromkeys(Threshold.__slots__, 0) | {"similarity": similarity, **words}


def _fault(content: bytes | None) -> SkipReason | None:
    if content is None:
        return SkipReason.MISSING
    if not content:
        return SkipReason.EMPTY
    if content.startswith(TEXT):
        return SkipReason.NOT_AN_IMAGE
    return SkipReason.TRUNCATED if content.startswith(BROKEN) else None
