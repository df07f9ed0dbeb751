"""The look at the pixels: what differs by how much, what is equal, and what cannot be opened."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from lookalike.duplicates import confirming
from lookalike.duplicates.confirming import (
    DIFFERENCE,
    Opened,
    Place,
    maybe_copies,
    pixel_differences,
    pixel_hashes,
)
from lookalike.errors import SkipReason
from lookalike.pictures.images import Box
from lookalike.pictures.prints import grey_print
from lookalike.records import Pixels
from pictures import exif
from scenes import halved, scene, write


class Files:
    """Rows of files, as the places of a caller."""

    def __init__(self, *files: Place) -> None:
        self.files = files

    def __call__(self, rows: Sequence[int]) -> list[Place]:
        return [self.files[row] for row in rows]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    one = scene(1, 60, 40)
    write(tmp_path / "0.png", one)
    one.save(tmp_path / "1.webp", lossless=True)
    one.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "2.png", exif=exif(6))
    write(tmp_path / "3.png", halved(one))
    write(tmp_path / "4.png", ImageOps.mirror(one))
    write(tmp_path / "5.png", scene(2, 60, 40))
    write(tmp_path / "6.png", b"")
    names = ("0.png", "1.webp", "2.png", "3.png", "4.png", "5.png", "6.png")
    return Files(*((tmp_path / name, None) for name in names))


def ends(*pairs: tuple[int, int]) -> tuple[confirming.Rows, confirming.Rows]:
    first, second = np.array(pairs, np.int64).T
    return first, second


def test_one_picture_hardly_differs_and_others_do(files: Files) -> None:
    first, second = ends((0, 1), (0, 3), (0, 4), (0, 5), (0, 6))
    opened = Opened()
    found, flipped = pixel_differences(files, first, second, opened=opened)
    assert found[0] == pytest.approx(0.0, abs=1e-3)
    assert found[1] < 0.1
    assert found[2] < 0.1
    assert DIFFERENCE < found[3] < np.inf
    assert np.isinf(found[4])
    assert flipped[:4].tolist()[:3] == [False, False, True]
    assert [entry.reason for entry in opened.skipped.values()] == [SkipReason.EMPTY]
    assert list(opened.skipped) == [6]


def test_a_mirror_image_differs_where_it_does_not_count(files: Files) -> None:
    found, flipped = pixel_differences(files, *ends((0, 4), (0, 3)), opened=Opened(), mirrored=False)
    assert found[0] > DIFFERENCE > found[1]
    assert not flipped.any()


def test_slabs_and_chunks_change_nothing(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = ends((0, 1), (0, 3), (0, 5), (0, 6), (1, 4), (2, 5), (3, 4))
    wanted, _ = pixel_differences(files, *pairs, opened=Opened())
    told: list[tuple[int, int]] = []
    monkeypatch.setattr(confirming, "_SLAB", 3)
    monkeypatch.setattr(confirming, "_CHUNK", 2)
    found, _ = pixel_differences(files, *pairs, opened=Opened(), progress=lambda *at: told.append(at))
    np.testing.assert_array_equal(found, wanted)
    assert told == sorted(told)


def test_progress_is_told_after_each_file_so_that_it_can_end_the_work(files: Files) -> None:
    opened = Opened()

    def enough(done: int, pairs: int) -> None:
        assert (done, pairs) == (0, 3)
        raise InterruptedError

    with pytest.raises(InterruptedError):
        pixel_differences(files, *ends((0, 1), (0, 3), (0, 5)), opened=opened, progress=enough)
    assert list(opened.smalls) == [0]


def test_equal_pixels_have_equal_hashes_in_any_file(files: Files) -> None:
    opened = Opened()
    hashes = pixel_hashes(files, np.arange(7), opened=opened)
    assert hashes[0] == hashes[1] == hashes[2]
    assert len(set(hashes.values())) == 4
    assert set(hashes) == set(range(6))
    assert list(opened.skipped) == [6]


def test_pixels_of_another_shape_are_others(tmp_path: Path) -> None:
    write(tmp_path / "a.png", Image.new("RGB", (10, 20), "red"))
    write(tmp_path / "b.png", Image.new("RGB", (20, 10), "red"))
    hashes = pixel_hashes(
        Files((tmp_path / "a.png", None), (tmp_path / "b.png", None)), np.arange(2), opened=Opened()
    )
    assert hashes[0] != hashes[1]


def test_a_part_of_a_picture_is_compared_alone(tmp_path: Path) -> None:
    both = Image.new("RGB", (200, 100))
    both.paste(scene(1, 100, 100), (0, 0))
    both.paste(scene(2, 100, 100), (100, 0))
    write(tmp_path / "both.png", both)
    write(tmp_path / "one.png", scene(1, 100, 100))
    files = Files(
        (tmp_path / "both.png", (0, 0, 100, 100)),
        (tmp_path / "both.png", (100, 0, 200, 100)),
        (tmp_path / "one.png", None),
    )
    found, _ = pixel_differences(files, *ends((0, 2), (1, 2)), opened=Opened())
    assert found[0] < 0.01
    assert found[1] > DIFFERENCE


def test_a_small_picture_is_made_once(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Path] = []
    small = confirming._small

    def noted(path: Path, box: Box | None) -> Pixels:
        made.append(path)
        return small(path, box)

    monkeypatch.setattr(confirming, "_small", noted)
    opened = Opened()
    for pairs in (ends((0, 1), (0, 6)), ends((0, 5), (1, 6))):
        pixel_differences(files, *pairs, opened=opened)
    assert sorted(path.name for path in made) == ["0.png", "1.webp", "5.png", "6.png"]
    monkeypatch.setattr(confirming, "_SMALLS", 1)
    opened.forget()
    assert list(opened.smalls) == [5]


def test_prints_are_compared_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirming, "_PRINTS", 2)
    images = [scene(1, 60, 40), halved(scene(1, 60, 40)), scene(2, 60, 40)]
    prints = np.stack([np.frombuffer(grey_print(np.asarray(image)), np.uint8) for image in images])
    told: list[tuple[int, int]] = []
    may = maybe_copies(prints, *ends((0, 1), (0, 2), (1, 2)), progress=lambda *at: told.append(at))
    assert may.tolist() == [True, False, False]
    assert told == [(2, 3), (3, 3)]
