"""Making a model folder: complete and checked, or not at all. Needs no torch."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import filelock
import numpy as np

from lookalike.config import NetworkConfig
from lookalike.errors import ModelError
from lookalike.models.model import FACTS, FORMAT, Output, fingerprint_of, open_session
from lookalike.pictures.preprocess import Preprocess
from lookalike.records import Floats, Pixels

MINIMUM_COSINE = 0.9999

_PREFIX, _LOCK = ".making-", "lock"
_YOUNG_SECONDS = 60.0  # a folder so young may not have its lock yet


@contextmanager
def making(folder: Path, *, keep: bool = False) -> Iterator[Path]:
    """Give a temporary folder that takes the final name when the block ends well.

    Whoever looks sees a whole model under that name, or none. A model that lies there already is moved to
    NAME.old, beside it, and removed once the new one has its name: a process that is killed between the two
    leaves the old one there, and the next `making` of the same folder moves it back first. What processes
    that were killed left of theirs is removed too.

    Args:
        keep: leave a whole model that lies there when the block ends as it is, and drop the new one: for a
            cache, where all that make a model make the same, and another process may be running the first.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=_PREFIX) as name, _locked(Path(name)):
        place = Path(name) / "model"
        place.mkdir()
        yield place
        if not (keep and _is_named(place, folder)):
            _replace(place, folder)


def _is_named(place: Path, folder: Path) -> bool:
    """Whether a whole model has the name now: this one, or one that was faster."""
    try:
        place.rename(folder)
    except OSError:
        return (folder / FACTS).is_file()
    return True


def _replace(place: Path, folder: Path) -> None:
    old = _old(folder)
    if folder.exists():
        folder.rename(old)
    try:
        place.rename(folder)
    except OSError:
        _restore(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _old(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")


def _restore(folder: Path) -> None:
    old = _old(folder)
    if old.exists() and not folder.exists():
        old.rename(folder)


def _sweep(folder: Path) -> None:
    """Undo what processes that were killed left half done."""
    _restore(folder)
    shutil.rmtree(_old(folder), ignore_errors=True)
    for left in folder.parent.glob(f"{_PREFIX}*"):
        with suppress(OSError, filelock.Timeout, NotImplementedError):
            if time.time() - left.stat().st_mtime > _YOUNG_SECONDS:
                with filelock.FileLock(left / _LOCK, timeout=0):  # held by a process that still lives
                    shutil.rmtree(left, ignore_errors=True)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock that says that this process lives; the system lets go of it at any death."""
    lock = filelock.FileLock(folder / _LOCK)
    with suppress(NotImplementedError):  # a file system without locks: then nobody sweeps there either
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def check_parity(graph: Path, pixels: Pixels, expected: Floats, *, output: Output = "embedding") -> float:
    """Compare a graph's embeddings with what they should be.

    Args:
        pixels: [n, size, size, 3] uint8, real pictures.
        expected: [n, d] unit rows.
        output: which of the graph's outputs is compared.

    Returns:
        The lowest cosine over the pictures.

    Raises:
        ModelError: it is below 0.9999.
    """
    seen: Floats = open_session(graph).run([output], {"images": pixels})[0]
    cosine = float(np.min(np.sum(seen * expected, axis=1)))
    if not cosine >= MINIMUM_COSINE:
        raise ModelError(
            "the exported graph does not compute what the network computes",
            where=graph,
            saw=f"cosine {cosine:.6f} on the worst of {len(pixels)} pictures",
            wanted=f"at least {MINIMUM_COSINE}",
            do="try another torch or onnxruntime release; the model was not written",
        )
    return cosine


def model_facts(
    *,
    name: str,
    graph: Path,
    dim: int,
    preprocess: Preprocess,
    network: NetworkConfig,
    created: str,
    baseline: str | None = None,
    feature_dim: int | None = None,
    dimensions: Sequence[int] = (),
    training: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What model.json says about a graph.

    Args:
        baseline: what the untrained figures are of.
        feature_dim: c, where the graph gives the plain untrained feature as a second output.
        dimensions: numbers of leading dimensions for which the embedding was trained to be used alone.
        training: summary of what it was trained on.
    """
    return {
        "format": FORMAT,
        "name": name,
        "created": created,
        "dim": dim,
        "dimensions": sorted(set(dimensions)),
        "fingerprint": fingerprint_of(graph, preprocess.to_json()),
        "preprocess": preprocess.to_json(),
        "outputs": {"embedding": dim, **({"feature": feature_dim} if feature_dim else {})},
        "baseline": baseline,
        "network": network.model_dump(mode="json"),
        "training": dict(training or {}),
        "thresholds": {},
    }
