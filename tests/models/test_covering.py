from __future__ import annotations

import numpy as np
import pytest

from lookalike.models.covering import CELLS, falls
from lookalike.models.model import Model


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(90, 160, (32, 32, 3), dtype=np.uint8)


def test_what_two_pictures_share_is_missed_most(tiny: Model) -> None:
    a, b = noise(1), noise(2)
    for picture in (a, b):
        picture[8:16, 16:24] = (250, 20, 20)
    heat = falls(tiny, a, tiny.embed_pixels(b[None])[0])
    assert heat.shape == (CELLS, CELLS)
    assert heat.dtype == np.float32
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert row in (2, 3)
    assert column in (4, 5)
    inside = heat[2:4, 4:6].min()
    assert inside > 5 * np.abs(np.delete(heat, (1, 2, 3, 4), axis=0)).max()


def test_each_value_is_the_mean_fall_of_what_covers_it(tiny: Model) -> None:
    """The slow way, one covered picture after the other."""
    a, b = noise(1), noise(2)
    other = tiny.embed_pixels(b[None])[0]
    fill = a.reshape(-1, 3).mean(0).round()
    expected = np.zeros((CELLS, CELLS))
    for row in range(CELLS):
        for column in range(CELLS):
            found = []
            for top in range(max(row - 1, 0), min(row + 1, 7)):
                for left in range(max(column - 1, 0), min(column + 1, 7)):
                    covered = a.copy()
                    covered[4 * top : 4 * top + 8, 4 * left : 4 * left + 8] = fill
                    found.append((tiny.embed_pixels(a[None]) - tiny.embed_pixels(covered[None]))[0] @ other)
            expected[row, column] = np.mean(found)
    assert falls(tiny, a, other) == pytest.approx(expected, abs=1e-6)


def test_picture_of_one_colour_falls_nowhere(tiny: Model) -> None:
    flat = np.full((32, 32, 3), 200, np.uint8)
    assert falls(tiny, flat, tiny.embed_pixels(noise(1)[None])[0]) == pytest.approx(0, abs=1e-6)
