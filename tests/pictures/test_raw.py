"""Raw files of cameras, by small ones written here."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from camera_raw import dng
from lookalike.errors import ImageError, SkipReason
from lookalike.pictures.finding import find_images
from lookalike.pictures.images import open_image, open_picture
from lookalike.pictures.raw import is_raw
from lookalike.records import Pixels

pytest.importorskip("rawpy")


def scene() -> Pixels:
    """Red on the left, green above grey on the right; wider than high."""
    pixels = np.full((48, 80, 3), 90, np.uint8)
    pixels[:, :40] = (200, 30, 30)
    pixels[:24, 40:] = (10, 200, 10)
    return pixels


def upright(pixels: Pixels, orientation: int) -> Pixels:
    turns = {1: 0, 8: 1, 3: 2, 6: 3}
    return np.rot90(pixels, turns[orientation])


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_raw_file_is_its_preview_upright(orientation: int) -> None:
    seen = open_picture(dng(scene(), orientation=orientation))
    wanted = upright(scene(), orientation)
    assert seen.pixels.shape == wanted.shape
    assert seen.size == (wanted.shape[1], wanted.shape[0])
    assert np.abs(seen.pixels.astype(int) - wanted).mean() < 4  # JPEG loses a little


def test_a_large_preview_is_decoded_at_reduced_size() -> None:
    large = np.kron(scene(), np.ones((8, 8, 1), np.uint8))
    assert open_image(dng(large), target=48).shape == scene().shape


def test_without_a_preview_the_sensor_is_developed() -> None:
    pixels = open_image(dng(None))
    assert pixels.shape == (32, 32, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == 1  # one grey was in front of the camera


def test_an_ordinary_tiff_is_no_raw_file(tmp_path: Path) -> None:
    file = io.BytesIO()
    Image.fromarray(scene()).save(file, "TIFF")
    assert not is_raw(file, file.getvalue()[:16])
    np.testing.assert_array_equal(open_image(file.getvalue()), scene())


@pytest.mark.parametrize(
    "prefix",
    [
        b"FUJIFILMCCD-RAW ",
        b"II*\0\x10\0\0\0CR\x02\0\0\0\0\0",
        b"\0\0\0\x18ftypcrx \0\0\0\1",
        b"IIU\0\x18\0\0\0" + b"\0" * 8,
    ],
    ids=["raf", "cr2", "cr3", "rw2"],
)
def test_other_cameras_marks_are_known(prefix: bytes) -> None:
    assert is_raw(io.BytesIO(prefix), prefix)


@pytest.mark.parametrize("kept", [12, 100, 600, 9300], ids=str)
def test_a_cut_file_is_reported(kept: int) -> None:
    with pytest.raises(ImageError, match="cannot be used") as caught:
        open_image(dng(scene())[:kept])
    assert caught.value.reason == SkipReason.TRUNCATED


def test_without_the_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rawpy", None)
    with pytest.raises(ImageError, match=r"needs rawpy.*pip install 'lookalike\[raw\]'") as caught:
        open_image(dng(scene()))
    assert caught.value.reason == SkipReason.NOT_AN_IMAGE


def test_raw_files_are_found_by_name_and_by_content(tmp_path: Path) -> None:
    for name in ("one.NEF", "no_extension"):
        (tmp_path / name).write_bytes(dng(scene()))
    assert sorted(path.as_posix() for path in map(Path, find_images(tmp_path).paths)) == [
        "no_extension",
        "one.NEF",
    ]
