"""Grey prints against slower ways to the same numbers; what a Look says of whole pictures and of boxes."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lookalike.checkups.near_duplicates import CORRELATION
from lookalike.pictures.images import Box, open_picture
from lookalike.pictures.prints import BLANK_LEVELS, PRINT, grey_print, look_of, print_vectors
from lookalike.records import Look
from pictures import content, exif, noise, smooth
from scenes import EDITS, pixels, scene


def test_prints_correlate_as_numpy_says() -> None:
    prints = [grey_print(pixels(seed)) for seed in range(6)]
    vectors = print_vectors(prints)
    expected = np.corrcoef([np.frombuffer(entry, np.uint8) for entry in prints])
    assert np.allclose(vectors @ vectors.T, expected, atol=1e-5)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1)


def test_prints_see_through_scale_and_compression() -> None:
    pairs = print_vectors([grey_print(pixels(2)), grey_print(np.asarray(EDITS["half"](scene(2))))])
    assert pairs[0] @ pairs[1] >= CORRELATION


def test_a_print_is_the_mean_of_what_it_covers() -> None:
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16] = 100
    print_ = np.frombuffer(grey_print(picture), np.uint8).reshape(16, 16)
    assert print_[:8].tolist() == [[100] * 16] * 8
    assert not print_[8:].any()


def test_a_print_of_one_grey_has_a_vector_of_unit_length() -> None:
    assert np.linalg.norm(print_vectors([bytes([7]) * 256])[0]) == 1


def test_of_a_large_picture_every_few_pixels_make_nearly_the_same_print() -> None:
    large = np.asarray(scene(5, width=1600, height=2080))
    grey = large @ np.array([0.299, 0.587, 0.114])
    blocks = [np.array_split(rows, PRINT, axis=1) for rows in np.array_split(grey, PRINT, axis=0)]
    means = [block.mean() for row in blocks for block in row]
    assert np.abs(np.frombuffer(grey_print(large), np.uint8) - np.array(means)).max() < 2


def look(data: bytes, *, box: Box | None = None, target: int | None = None) -> Look:
    return look_of(open_picture(data, target=target, box=box), data, box=box)


def test_a_look_says_the_size_upright_and_whole_though_less_was_decoded() -> None:
    data = content(scene(1, 640, 480), "JPEG", exif=exif(6))
    seen = look(data, target=64)
    assert (seen.width, seen.height, seen.format, seen.bytes) == (480, 640, "JPEG", len(data))
    assert not seen.blank
    full = np.frombuffer(look(data).print, np.uint8)
    assert np.corrcoef(np.frombuffer(seen.print, np.uint8), full)[0, 1] > 0.999


def test_a_look_at_a_box_is_of_the_box() -> None:
    picture = Image.new("RGB", (64, 48), "white")
    picture.paste(noise(20, 20), (40, 20))
    data = content(picture, "PNG")
    part, plain = look(data, box=(40, 20, 60, 40)), look(data, box=(-5, -5, 30, 20))
    assert (part.width, part.height, part.blank) == (20, 20, False)
    assert part.print == look(content(noise(20, 20), "PNG")).print
    assert (plain.width, plain.height, plain.blank) == (30, 20, True)
    assert part.bytes == plain.bytes == len(data)


@pytest.mark.parametrize(("levels", "blank"), [(0, True), (BLANK_LEVELS, True), (BLANK_LEVELS + 1, False)])
@pytest.mark.parametrize("channel", range(3))
def test_blank_is_what_has_nearly_one_colour_everywhere(channel: int, levels: int, blank: bool) -> None:
    plain = np.full((40, 30, 3), 100, np.uint8)
    plain[7, 11, channel] += levels
    assert look(content(Image.fromarray(plain), "PNG")).blank == blank


def test_pictures_that_differ_in_colour_alone_are_not_blank() -> None:
    two = np.zeros((32, 32, 3), np.uint8)
    two[:16, :, 0], two[16:, :, 2] = 76, 200  # about the same grey
    seen = look(content(Image.fromarray(two), "PNG"))
    assert max(seen.print) - min(seen.print) <= 1
    assert not seen.blank


def test_a_line_that_reduced_size_loses_is_not_blank() -> None:
    plain = np.full((2048, 2048, 3), 255, np.uint8)
    plain[1000, :700] = 225
    data = content(Image.fromarray(plain), "JPEG", quality=95)
    assert not look(data, target=64).blank
    assert look(content(Image.new("RGB", (640, 640), "white"), "JPEG"), target=64).blank


def test_a_smooth_picture_is_not_blank() -> None:
    assert not look(content(smooth(64, 64), "JPEG"), target=32).blank
