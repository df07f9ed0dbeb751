"""The frozen-feature cache: a frozen backbone sees a picture once, ever.

Features are kept in one SQLite file per backbone fingerprint, keyed by the content of the picture, so moved
or renamed files, other runs and other splits read them back. They are computed by the exported backbone
under onnxruntime, several times faster than in torch.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from lookalike.errors import LookalikeError
from lookalike.models.embedding import Embedded, embed_table
from lookalike.models.model import Model
from lookalike.records import Floats, Progress
from lookalike.tables.table import ImageTable


class FeatureCache:
    """Vectors by content hash, on disk. Usable from several threads; what is added is kept at once."""

    def __init__(self, path: Path, *, dim: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._dim = dim
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, timeout=60)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute("PRAGMA synchronous=NORMAL")  # a lost feature is only computed again
        self._database.execute("CREATE TABLE IF NOT EXISTS features (hash BLOB PRIMARY KEY, vector BLOB)")

    def get(self, digest: bytes) -> Floats | None:
        """The vector of a picture, [D] float32, or None."""
        with self._lock:
            row = self._database.execute("SELECT vector FROM features WHERE hash = ?", (digest,)).fetchone()
        return np.frombuffer(row[0], np.float32) if row and len(row[0]) == 4 * self._dim else None

    def add(self, hashes: Sequence[bytes], vectors: Floats) -> None:
        """Keep [m, D] vectors under their content hashes."""
        rows = zip(hashes, (vector.tobytes() for vector in vectors), strict=True)
        with self._lock, self._database:
            self._database.executemany("INSERT OR REPLACE INTO features VALUES (?, ?)", rows)

    def __enter__(self) -> FeatureCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()


def table_features(
    backbone: Model, table: ImageTable, *, cache_folder: Path, progress: Progress | None = None
) -> Embedded:
    """The frozen features of a table's pictures, computed or read back.

    Raises:
        EvaluationError: not one picture could be used.
        LookalikeError: the cache cannot be written.
    """
    path = cache_path(backbone, cache_folder)
    try:
        with FeatureCache(path, dim=backbone.dim) as cache:
            return embed_table(backbone, table, memory=cache, progress=progress)
    except (sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error


def cache_path(backbone: Model, cache_folder: Path) -> Path:
    """The file that keeps a backbone's features."""
    return cache_folder / "features" / f"{backbone.fingerprint[:16]}.db"


def unusable(path: Path, error: Exception) -> LookalikeError:
    """What to say when the cache cannot be read or written."""
    return LookalikeError(
        "the feature cache cannot be used",
        where=path,
        saw=str(error),
        do="free some space, delete the file, or set LOOKALIKE_CACHE to another folder",
    )
