"""One picture laid over another: edited copies come out near 0, other pictures and small changes do not."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lookalike.checkups.near_duplicates import CORRELATION, DIFFERENCE
from lookalike.checkups.overlay import differences, grey_print, print_vectors, small_picture
from lookalike.records import Pixels
from scenes import EDITS, pixels, scene


def smalls(*images: Image.Image) -> Pixels:
    return np.stack([small_picture(np.asarray(image)) for image in images])


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_edited_copies_are_one_picture(edit: object) -> None:
    assert callable(edit)
    originals = [scene(seed) for seed in range(8)]
    found = differences(smalls(*originals), smalls(*map(edit, originals)))
    assert np.all(found <= DIFFERENCE)


def test_a_picture_does_not_differ_from_itself() -> None:
    some = smalls(*map(scene, range(4)))
    assert np.allclose(differences(some, some), 0, atol=1e-3)


def test_other_pictures_differ() -> None:
    found = differences(smalls(*map(scene, range(20))), smalls(*map(scene, range(20, 40))))
    assert found.min() > 2 * DIFFERENCE


def test_the_order_does_not_matter() -> None:
    first, second = smalls(*map(scene, range(4))), smalls(*[EDITS["crop"](scene(seed)) for seed in range(4)])
    assert np.array_equal(differences(first, second), differences(second, first))


def test_a_change_in_one_corner_is_seen() -> None:
    changed = pixels(3).copy()
    changed[:24, :24] = 255 - changed[:24, :24]
    assert differences(smalls(scene(3)), smalls(Image.fromarray(changed)))[0] > DIFFERENCE


def test_another_colour_is_another_picture() -> None:
    turned_colours = Image.fromarray(pixels(3)[..., [1, 2, 0]])
    assert differences(smalls(scene(3)), smalls(turned_colours))[0] > DIFFERENCE


def test_pictures_of_one_colour_give_numbers() -> None:
    plain = np.full((2, 32, 32, 3), 200, np.uint8)
    found = differences(plain, np.stack([plain[0], small_picture(pixels(1))]))
    assert found[0] == 0
    assert found[1] > DIFFERENCE


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
