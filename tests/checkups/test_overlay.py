"""One picture laid over another: edited copies come out near 0, other pictures and small changes do not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from lookalike.checkups import fitting
from lookalike.checkups.fitting import IDENTITY, fitted
from lookalike.checkups.near_duplicates import DIFFERENCE
from lookalike.checkups.overlay import differences, may_be_one
from lookalike.pictures.prints import grey_print, small_picture
from lookalike.records import Pixels
from pictures import content
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


def test_light_that_was_cut_off_at_white_is_no_difference() -> None:
    level = np.asarray(scene(3)).astype(np.float32)
    brighter = Image.fromarray(np.clip(1.4 * level, 0, 255).astype(np.uint8))
    darker = Image.fromarray(np.clip(1.4 * level - 102, 0, 255).astype(np.uint8))
    assert differences(smalls(scene(3), scene(3)), smalls(brighter, darker)).max() < DIFFERENCE / 2


def test_a_mirror_image_differs_where_it_does_not_count() -> None:
    first, second = smalls(scene(1)), smalls(EDITS["mirror"](scene(1)))
    assert differences(first, second)[0] < 0.01
    assert differences(first, second, mirrored=False)[0] > 2 * DIFFERENCE


def test_pictures_of_one_colour_give_numbers() -> None:
    plain = np.full((2, 32, 32, 3), 200, np.uint8)
    found = differences(plain, np.stack([plain[0], small_picture(pixels(1))]))
    assert found[0] == 0
    assert found[1] > DIFFERENCE


def prints(*images: Image.Image) -> Pixels:
    return np.stack([np.frombuffer(grey_print(np.asarray(image)), np.uint8) for image in images])


def test_work_on_what_is_clearly_apart_is_broken_off() -> None:
    first, second = smalls(scene(1), scene(2)), smalls(EDITS["crop"](scene(1)), scene(3))
    whole = differences(first, second)
    found = differences(first, second, within=DIFFERENCE)
    assert found[0] == pytest.approx(whole[0], abs=1e-5)
    assert whole[1] < found[1] == np.inf


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_prints_of_edited_copies_may_be_of_one_picture(edit: object) -> None:
    assert callable(edit)
    originals = [scene(seed) for seed in range(8)]
    assert may_be_one(prints(*originals), prints(*map(edit, originals)), difference=DIFFERENCE).all()


def test_prints_tell_other_pictures_apart_either_way_round() -> None:
    first, second = prints(*map(scene, range(20))), prints(*map(scene, range(20, 40)))
    may = may_be_one(first, second, difference=DIFFERENCE)
    assert not may.any()
    assert np.array_equal(may, may_be_one(second, first, difference=DIFFERENCE))
    assert may_be_one(first, second, difference=1.0).all()


def test_prints_of_mirror_images_are_apart_where_these_do_not_count() -> None:
    first, second = prints(scene(1)), prints(EDITS["mirror"](scene(1)))
    assert may_be_one(first, second, difference=DIFFERENCE).all()
    assert not may_be_one(first, second, difference=DIFFERENCE, mirrored=False).any()


def test_faint_prints_tell_nothing() -> None:
    faint = (100 + prints(scene(1)).astype(np.int64) // 12).astype(np.uint8)
    assert np.ptp(faint) < 24
    assert may_be_one(faint, prints(scene(2)), difference=DIFFERENCE).all()


def disc(colour: tuple[int, int, int] = (200, 30, 40), *, margin: int = 12, size: int = 64) -> Image.Image:
    """A drawing with next to nothing in it."""
    image = Image.new("RGB", (size, size), "white")
    ImageDraw.Draw(image).ellipse((margin, margin, size - margin, size - margin), fill=colour)
    return image


@pytest.mark.parametrize(
    "other",
    [disc((90, 90, 200)), disc((250, 150, 160)), disc(margin=20), disc((60, 10, 10), margin=16)],
    ids=["blue", "pale", "small", "small and dark"],
)
def test_a_simple_drawing_is_not_one_with_what_it_fits_when_moved_and_lit(other: Image.Image) -> None:
    assert differences(smalls(disc()), smalls(other))[0] > DIFFERENCE


def test_a_simple_drawing_is_one_with_its_copies() -> None:
    again = [disc().resize((size, size), Image.Resampling.LANCZOS) for size in (32, 48, 128)]
    again += [Image.open(io.BytesIO(content(disc(), "JPEG", quality=quality))) for quality in (40, 90)]
    found = differences(smalls(*[disc()] * len(again)), smalls(*again))
    assert found.max() < DIFFERENCE


def test_pictures_that_are_not_moved_differ_as_counted_one_by_one() -> None:
    first, second = smalls(scene(3))[0].astype(float), smalls(scene(3))[0].astype(float)
    second[4:12, 20:28] += 9.0
    squares = (first - second.round()) ** 2
    blocks = [squares[y : y + 8, x : x + 8].mean() for y in range(0, 32, 8) for x in range(0, 32, 8)]
    wanted = max(max(blocks) ** 0.5, 1.8 * np.mean(blocks) ** 0.5) / min(first.std(), second.std())
    assert wanted < 0.2  # so that nothing is moved
    found = differences(first[None].astype(np.uint8), second[None].clip(0, 255).astype(np.uint8))
    assert found[0] == pytest.approx(wanted, rel=1e-3)


def test_a_pair_that_lies_still_is_left_where_all_steps_would_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edited = [scene(0), EDITS["crop"](scene(1)), EDITS["turn"](scene(2))]
    first, second = (
        smalls(*images).astype(np.float32).mean(axis=3) for images in (map(scene, range(3)), edited)
    )
    start = np.tile(IDENTITY, (3, 1))
    maps, likeness = fitted(first, second, start, steps=20)
    monkeypatch.setattr(fitting, "_STILL", 0.0)
    wanted, highest = fitted(first, second, start, steps=20)
    assert np.allclose(maps, wanted, atol=5e-3)
    assert np.allclose(likeness, highest, atol=1e-3)
    assert np.array_equal(start, np.tile(IDENTITY, (3, 1)))
