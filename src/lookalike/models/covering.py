"""How much a similarity falls when a part of one picture is covered: a map that any model allows.

Two prepared pictures enter, one map of falls a picture leaves. The map is measured, not taken from inside the
network: covering a part puts something else there, so the falls of parts do not add up to the similarity.
"""

from __future__ import annotations

import numpy as np

from lookalike.judging.similarity import Doubles
from lookalike.models.model import Model
from lookalike.records import Floats, Pixels

CELLS = 8  # along a side of the map
PATCH = 2  # cells along a side of what is covered at once
BATCH = 7  # pictures that are run at once


def falls(model: Model, pixels: Pixels, other: Floats) -> Floats:
    """Measure how much every part of a picture holds up its similarity with another one.

    A square of 2 x 2 cells is moved over the picture, cell by cell, and filled with the picture's mean
    colour: 49 passes of the network. A cell's value is the mean fall of the similarity over all squares that
    cover it.

    Args:
        pixels: [size, size, 3] uint8, as `preprocess.prepare` makes them.
        other: [d] the other picture's embedding.

    Returns:
        [8, 8] float32: above 0 where covering makes the pictures less alike, below 0 where more.
    """
    edges = np.linspace(0, len(pixels), CELLS + 1).round().astype(int)
    steps = CELLS - PATCH + 1
    fill = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    whole = float(model.embed_pixels(pixels[None])[0] @ other)
    total, count = np.zeros((CELLS, CELLS)), np.zeros((CELLS, CELLS))
    places = [(row, column) for row in range(steps) for column in range(steps)]
    for start in range(0, len(places), BATCH):
        part = places[start : start + BATCH]
        covered = np.repeat(pixels[None], len(part), axis=0)
        for picture, (row, column) in zip(covered, part, strict=True):
            picture[edges[row] : edges[row + PATCH], edges[column] : edges[column + PATCH]] = fill
        for fall, (row, column) in zip(_falls(model, covered, other, whole), part, strict=True):
            total[row : row + PATCH, column : column + PATCH] += fall
            count[row : row + PATCH, column : column + PATCH] += 1
    return (total / count).astype(np.float32)


def _falls(model: Model, covered: Pixels, other: Floats, whole: float) -> Doubles:
    embedded = model.embed_pixels(covered)
    return whole - (embedded @ other).astype(np.float64)
