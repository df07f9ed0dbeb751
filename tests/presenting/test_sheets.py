"""A sheet has every picture in its tile."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.presenting.sheets import across, jpeg, sheet


def flat(folder: Path, count: int, size: tuple[int, int] = (40, 40)) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(count)]
    for number, path in enumerate(paths):
        Image.new("RGB", size, (10 * number, 0, 100)).save(path)
    return paths


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9, 10, 99, 100, 101, 7225, 100_000])
def test_a_square_is_just_large_enough(count: int) -> None:
    assert (across(count) - 1) ** 2 < count <= across(count) ** 2


def test_pictures_stand_row_after_row(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    made = np.asarray(sheet(flat(tmp_path, 5), tile=8, progress=lambda *now: done.append(now)))
    assert made.shape == (24, 24, 3)
    for place in range(5):
        tile = made[place // 3 * 8 :][:8, place % 3 * 8 :][:, :8]
        assert (tile == (10 * place, 0, 100)).all()
    assert (made[8:16, 16:] == 255).all()
    assert (made[16:] == 255).all()
    assert done == [(number, 5) for number in range(1, 6)]


def test_a_long_picture_keeps_its_proportions_on_white(tmp_path: Path) -> None:
    made = np.asarray(sheet(flat(tmp_path, 1, (40, 20)), tile=8))
    assert (made[:2] == 255).all()
    assert (made[6:] == 255).all()
    assert (made[2:6] == (0, 0, 100)).all()


def test_a_box_is_what_is_shown(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 40), (0, 0, 0))
    picture.paste((250, 0, 0), (20, 20, 40, 40))
    picture.save(tmp_path / "two.png")
    made = np.asarray(sheet([tmp_path / "two.png"] * 2, tile=8, boxes=[(20, 20, 40, 40), None]))
    assert (made[:8, :8] == (250, 0, 0)).all()
    assert (made[:3, 8:11] == 0).all()


def test_a_picture_that_is_gone_is_a_grey_tile(tmp_path: Path) -> None:
    made = np.asarray(sheet([tmp_path / "gone.png"], tile=64))
    assert tuple(made[0, 0]) == (0xE4, 0xE4, 0xE7)


def test_quality_falls_until_the_size_is_kept() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8))
    best, least = len(jpeg(noise, most=10**9)), len(jpeg(noise, most=1))
    assert least < len(jpeg(noise, most=best - 1)) < best
