"""An index of vectors that were drawn, with labels: for what is judged without looking at a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lookalike.indexing.index import Index
from lookalike.indexing.schema import Changes, Item
from lookalike.models.model import Model
from lookalike.records import Floats


def drawn_vectors(classes: list[int], dim: int, *, spread: float = 1.2, seed: int = 0) -> Floats:
    """[n, dim] unit vectors, so many of each class, around its middle."""
    rng = np.random.default_rng(seed)
    middles = np.repeat(rng.standard_normal((len(classes), dim)), classes, axis=0)
    values = middles + spread * rng.standard_normal(middles.shape)
    found: Floats = (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float32)
    return found


def labelled_index(
    place: Path,
    model: Model,
    classes: dict[str | None, int],
    *,
    vectors: Floats | None = None,
    copies: int = 0,
    attributes: str = "{}",
) -> Path:
    """An index file with so many items of each label, in folders of that name.

    Args:
        copies: that many of the first items have the content, and the vector, of the very first.
    """
    counts = list(classes.values())
    if vectors is None:
        vectors = drawn_vectors(counts, model.dim)
    vectors[:copies] = vectors[:1]
    labels = [label for label, count in classes.items() for _ in range(count)]
    path = place / "drawn.idx"
    with Index.create(path, model) as index, index.store.writing() as writer:
        root = writer.add_root(str(place / "drawn"), str(place / "drawn"))
        puts = []
        for row, (label, vector) in enumerate(zip(labels, vectors, strict=True)):
            content = f"{0 if row < copies else row:08}".encode().ljust(32)
            name = f"{label or 'none'}/{row}.png"
            puts.append((Item(root, name, "", 10, 20, content, label, attributes), vector))
        writer.apply(Changes(puts=puts))
    return path
