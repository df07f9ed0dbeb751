"""Making a model folder: complete and checked, or not at all. Needs no torch."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from lookalike.config import NetworkConfig
from lookalike.errors import ModelError
from lookalike.model import FORMAT, fingerprint_of, open_session
from lookalike.preprocess import Preprocess
from lookalike.records import Floats, Pixels

MINIMUM_COSINE = 0.9999


@contextmanager
def making(folder: Path) -> Iterator[Path]:
    """Give a temporary folder that takes the final name when the block ends well.

    A model that lies there already is replaced; another process that was faster is left in peace.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".making-") as name:
        place = Path(name) / "model"
        place.mkdir()
        yield place
        if folder.exists():
            folder.rename(Path(name) / "old")
        shutil.move(place, folder)


def check_parity(graph: Path, pixels: Pixels, expected: Floats) -> float:
    """Compare a graph's embeddings with what they should be.

    Args:
        pixels: [n, size, size, 3] uint8, real pictures.
        expected: [n, d] unit rows.

    Returns:
        The lowest cosine over the pictures.

    Raises:
        ModelError: it is below 0.9999.
    """
    seen: Floats = open_session(graph).run(["embedding"], {"images": pixels})[0]
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
    training: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """What model.json says about a graph.

    Args:
        baseline: what the untrained figures are of.
        feature_dim: D, where the graph gives the untrained feature as a second output.
        training: summary of what it was trained on.
    """
    return {
        "format": FORMAT,
        "name": name,
        "created": created,
        "dim": dim,
        "fingerprint": fingerprint_of(graph, preprocess.to_json()),
        "preprocess": preprocess.to_json(),
        "outputs": {"embedding": dim, **({"feature": feature_dim} if feature_dim else {})},
        "baseline": baseline,
        "network": network.model_dump(mode="json"),
        "training": dict(training or {}),
        "thresholds": {},
    }
