"""Pictures of coloured fields, which a tiny model sees as they were painted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from lookalike.tables.table import ImageTable


def paint(folder: Path, name: str, colours: np.ndarray, noise: int, seed: int) -> None:
    """A picture of 4 x 4 fields, a little different each time."""
    rng = np.random.default_rng(seed)
    fields = np.kron(colours.reshape(4, 4, 3), np.ones((8, 8, 1))) + rng.integers(
        -noise, noise + 1, (32, 32, 3)
    )
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.clip(fields, 0, 255).astype(np.uint8)).save(folder / f"{name}.png")


def much_alike(folder: Path, *, things: int = 20) -> ImageTable:
    """Some things, four pictures each, in colours that are much alike: hard for who sees only their mean."""
    rng = np.random.default_rng(1)
    for thing in range(things):
        colours = rng.integers(60, 196, 48)
        for number in range(4):
            paint(folder / f"thing{thing:02}", str(number), colours, 60, 100 * thing + number)
    return ImageTable.read(folder)
