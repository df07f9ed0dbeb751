"""Augmentation: bounds, determinism, and each part alone."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

from lookalike.config import AugmentConfig
from lookalike.errors import ConfigError
from lookalike.runfile import parse_config
from lookalike.training.augment import make_augment

OFF = {
    "zoom": 0.0,
    "horizontal_flip": False,
    "rotation": 0.0,
    "translation": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
}
PARTS = ("zoom", "horizontal_flip", "rotation", "translation", "brightness", "contrast")


def only(**options: Any) -> AugmentConfig:
    return AugmentConfig.model_validate({**OFF, **options})


def picture(height: int = 48, width: int = 48) -> Tensor:
    """A grey picture with a black square in the middle and a dark bar on the left."""
    image = torch.full((3, height, width), 180, dtype=torch.uint8)
    image[:, height // 2 - 6 : height // 2 + 6, width // 2 - 6 : width // 2 + 6] = 0
    image[:, :, : width // 8] = 40
    return image


def run(config: AugmentConfig, seed: int, image: Tensor | None = None) -> Tensor:
    return make_augment(config)(
        picture() if image is None else image, generator=torch.Generator().manual_seed(seed)
    )


@pytest.mark.parametrize("seed", range(8))
def test_everything_off_changes_nothing(seed: int) -> None:
    assert torch.equal(run(only(), seed), picture())


@pytest.mark.parametrize("part", PARTS)
def test_each_part_changes_pictures_and_can_be_switched_off(part: str) -> None:
    default = AugmentConfig()
    alone = only(**{part: getattr(default, part)})
    assert any(not torch.equal(run(alone, seed), picture()) for seed in range(8))
    without = default.model_copy(update={part: OFF[part]})
    assert any(not torch.equal(run(default, seed), run(without, seed)) for seed in range(8))


@pytest.mark.parametrize("shape", [(48, 48), (30, 64), (64, 30), (2, 2)])
def test_shape_type_and_input_stay(shape: tuple[int, int]) -> None:
    image = picture(*shape)
    before = image.clone()
    for seed in range(10):
        changed = run(AugmentConfig(), seed, image)
        assert changed.shape == image.shape
        assert changed.dtype == torch.uint8
    assert torch.equal(image, before)


def test_a_seed_fixes_the_outcome() -> None:
    assert torch.equal(run(AugmentConfig(), 5), run(AugmentConfig(), 5))
    assert not torch.equal(run(AugmentConfig(), 5), run(AugmentConfig(), 6))


def test_torchs_own_generator_is_used_when_none_is_given() -> None:
    augment = make_augment(AugmentConfig())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        seeded = augment(picture())
    assert torch.equal(seeded, run(AugmentConfig(), 5))


def test_switching_one_part_off_leaves_the_others() -> None:
    for seed in range(6):
        flipped = run(only(horizontal_flip=True), seed)
        both = run(only(horizontal_flip=True, brightness=0.001), seed)
        assert (flipped.int() - both.int()).abs().max() <= 1


def test_flip_is_a_mirror_half_of_the_time() -> None:
    outcomes = [run(only(horizontal_flip=True), seed) for seed in range(200)]
    mirrored = sum(torch.equal(found, picture().flip(2)) for found in outcomes)
    assert sum(torch.equal(found, picture()) for found in outcomes) == 200 - mirrored
    assert 70 < mirrored < 130


def test_translation_moves_by_no_more_than_its_share() -> None:
    image = torch.full((3, 41, 81), 255, dtype=torch.uint8)
    image[:, 18:23, 38:43] = 0
    rows, columns = torch.meshgrid(torch.arange(41.0), torch.arange(81.0), indexing="ij")
    shifts = []
    for seed in range(60):
        dark = 255 - run(only(translation=0.2), seed, image)[0].float()
        shifts.append(((rows * dark).sum() / dark.sum() - 20, (columns * dark).sum() / dark.sum() - 40))
    down, right = torch.tensor(shifts).T
    assert down.abs().max() <= 0.2 * 41 + 0.6
    assert right.abs().max() <= 0.2 * 81 + 0.6
    assert right.abs().max() > 0.2 * 41 + 1, "of each side its own share"
    assert down.min() < -6
    assert down.max() > 6


def test_what_moves_in_is_white() -> None:
    black = torch.zeros(3, 40, 40, dtype=torch.uint8)
    moved = torch.stack([run(only(translation=0.2), seed, black) for seed in range(20)])
    white, seam = (moved == 255).float().mean(), ((moved > 0) & (moved < 255)).float().mean()
    assert 0.05 < white < 0.4
    assert seam < 0.06
    blank = torch.full((3, 40, 40), 255, dtype=torch.uint8)
    for seed in range(20):
        assert torch.equal(run(only(translation=0.2, rotation=0.2, zoom=0.3), seed, blank), blank), "no seam"


def test_rotation_is_a_share_of_a_full_turn() -> None:
    """A bar that points up is found, after the turn, at the angle; 0.2 of a turn is 72 degrees."""
    image = torch.full((3, 101, 101), 255, dtype=torch.uint8)
    image[:, 10:50, 49:52] = 0
    angles = []
    for seed in range(80):
        dark = (255 - run(only(rotation=0.2), seed, image)[0].float()) > 128
        row, column = torch.nonzero(dark).float().mean(0)
        angles.append(torch.rad2deg(torch.atan2(column - 50, 50 - row)))
    found = torch.stack(angles)
    assert found.abs().max() <= 73
    assert found.max() > 55
    assert found.min() < -55


def test_zoom_shows_a_crop_of_its_share() -> None:
    """A square of 30 of 100 pixels, seen in a crop of 0.7 to 1.3 of the side, is 30 / crop wide."""
    image = torch.full((3, 100, 100), 255, dtype=torch.uint8)
    image[:, 35:65, 35:65] = 0
    sides = torch.tensor(
        [(run(only(zoom=0.3), seed, image)[0] < 128).sum().float().sqrt() for seed in range(80)]
    )
    assert sides.min() >= 30 / 1.3 - 1
    assert sides.max() <= 30 / 0.7 + 1
    assert sides.min() < 25
    assert sides.max() > 39


def test_zoom_of_the_whole_picture_does_not_fail() -> None:
    for seed in range(20):
        assert run(only(zoom=1.0), seed).shape == (3, 48, 48)


def test_brightness_and_contrast_stay_within_their_shares() -> None:
    flat = torch.full((3, 8, 8), 100, dtype=torch.uint8)
    light = torch.tensor([run(only(brightness=0.2), seed, flat)[0, 0, 0] for seed in range(100)]).float()
    assert light.min() >= 80
    assert light.max() <= 120
    assert light.max() - light.min() > 30
    halves = torch.cat([torch.full((3, 8, 4), 80), torch.full((3, 8, 4), 120)], dim=2).to(torch.uint8)
    gaps = []
    for seed in range(100):
        changed = run(only(contrast=0.2), seed, halves).float()
        assert changed.mean().item() == pytest.approx(100, abs=1)
        gaps.append((changed[0, 0, -1] - changed[0, 0, 0]).item())
    assert min(gaps) >= 40 * 0.8 - 1.5
    assert max(gaps) <= 40 * 1.2 + 1.5
    assert max(gaps) - min(gaps) > 10


def test_workers_can_have_a_copy() -> None:
    augment = make_augment(AugmentConfig())
    for other in (copy.deepcopy(augment), pickle.loads(pickle.dumps(augment))):
        assert torch.equal(
            other(picture(), torch.Generator().manual_seed(1)),
            augment(picture(), torch.Generator().manual_seed(1)),
        )


NEW = {
    "random_resized_crop": (0.5, 0.8),
    "saturation": 0.5,
    "hue": 0.2,
    "grey": 0.5,
    "channel_gain": 0.3,
}


def coloured(height: int = 40, width: int = 40) -> Tensor:
    """Red falls from the left, green from above; blue is even."""
    image = torch.full((3, height, width), 90, dtype=torch.uint8)
    image[0] = torch.linspace(250, 10, width).round().to(torch.uint8)
    image[1] = torch.linspace(240, 20, height).round().to(torch.uint8)[:, None]
    return image


@pytest.mark.parametrize("part", NEW)
def test_further_parts_are_off_unless_asked_for(part: str) -> None:
    assert any(
        not torch.equal(run(only(**{part: NEW[part]}), seed, coloured()), coloured()) for seed in range(8)
    )
    for seed in range(8):
        assert torch.equal(run(only(**{part: OFF_NEW[part]}), seed, coloured()), coloured())


OFF_NEW = {"random_resized_crop": None, "saturation": 0.0, "hue": 0.0, "grey": 0.0, "channel_gain": 0.0}


@pytest.mark.parametrize("shape", [(48, 48), (30, 64), (2, 2), (1, 7)])
def test_further_parts_keep_shape_type_and_input(shape: tuple[int, int]) -> None:
    image = coloured(*shape)
    before = image.clone()
    for seed in range(10):
        changed = run(only(**NEW), seed, image)
        assert changed.shape == image.shape
        assert changed.dtype == torch.uint8
    assert torch.equal(image, before)


def test_further_parts_leave_the_older_ones_as_they_were() -> None:
    for seed in range(6):
        plain = run(AugmentConfig(), seed, coloured())
        gained = run(AugmentConfig(channel_gain=1e-9), seed, coloured())
        assert torch.equal(plain, gained)


def test_crop_keeps_its_area_and_its_sides() -> None:
    """Where x and y are read off the colours, the crop's corners are known."""
    size = 100
    areas, ratios = [], []
    for seed in range(150):
        found = run(only(random_resized_crop=(0.4, 0.7)), seed, coloured(size, size)).float()
        left, right = (250 - found[0, 50, [2, -3]]) / 240
        top, bottom = (240 - found[1, [2, -3], 50]) / 220
        width, height = (right - left) * size / (size - 4.0), (bottom - top) * size / (size - 4.0)
        areas.append(float(width * height))
        ratios.append(float(width / height))
    assert min(areas) > 0.37
    assert max(areas) < 0.73
    assert min(areas) < 0.45
    assert max(areas) > 0.65
    assert 0.72 < min(ratios) < 0.85
    assert 1.18 < max(ratios) < 1.39


def test_crop_of_everything_changes_nothing() -> None:
    for seed in range(5):
        assert torch.equal(run(only(random_resized_crop=(1.0, 1.0)), seed, coloured()), coloured())


def test_crop_is_taken_from_everywhere() -> None:
    reds = torch.stack(
        [run(only(random_resized_crop=(0.3, 0.3)), seed, coloured())[0].float().mean() for seed in range(60)]
    )
    assert reds.min() < 90
    assert reds.max() > 170


def test_saturation_scales_the_distance_to_grey() -> None:
    image = coloured(8, 8)
    grey = image.float().mul(torch.tensor([0.299, 0.587, 0.114])[:, None, None]).sum(0)
    factors = []
    for seed in range(80):
        changed = run(only(saturation=0.3), seed, image).float()
        inner = (image[0] > 100) & (image[0] < 200) & (image[1] > 100) & (image[1] < 200)
        factors.append(
            float(((changed - grey) * (image - grey))[:, inner].sum() / ((image - grey) ** 2)[:, inner].sum())
        )
    assert min(factors) >= 0.69
    assert max(factors) <= 1.31
    assert min(factors) < 0.8
    assert max(factors) > 1.2


def test_hue_turns_within_its_share_and_keeps_brightness() -> None:
    red = torch.tensor([200, 50, 50], dtype=torch.uint8)[:, None, None].expand(3, 4, 4).contiguous()
    turns = []
    for seed in range(80):
        r, g, b = run(only(hue=0.1), seed, red)[:, 0, 0].tolist()
        assert max(r, g, b) == 200
        assert abs(min(r, g, b) - 50) <= 1
        turns.append((g - b) / 150 * 60)  # degrees, near red
    assert min(turns) >= -37
    assert max(turns) <= 37
    assert min(turns) < -25
    assert max(turns) > 25


def test_grey_takes_its_share_of_pictures() -> None:
    found = [run(only(grey=0.3), seed, coloured()) for seed in range(200)]
    lost = [image for image in found if (image[0] == image[1]).all() and (image[1] == image[2]).all()]
    assert 40 < len(lost) < 80
    assert all(torch.equal(image, coloured()) for image in found if not any(image is each for each in lost))


def test_channel_gain_scales_each_channel_by_its_own() -> None:
    flat = torch.tensor([100, 120, 140], dtype=torch.uint8)[:, None, None].expand(3, 4, 4).contiguous()
    gains = torch.stack(
        [
            run(only(channel_gain=0.2), seed, flat)[:, 0, 0] / torch.tensor([100, 120, 140])
            for seed in range(100)
        ]
    )
    assert gains.min() >= 0.79
    assert gains.max() <= 1.21
    assert (gains.max(0).values > 1.15).all()
    assert (gains.min(0).values < 0.85).all()
    assert torch.corrcoef(gains.T).triu(1).abs().max() < 0.35, "independent"
    bright = torch.full((3, 4, 4), 250, dtype=torch.uint8)
    assert all(run(only(channel_gain=0.2), seed, bright).min() >= 199 for seed in range(20)), "no wrap-around"


@pytest.mark.parametrize("bounds", [[0.9, 0.5], [0.0, 0.5]])
def test_crop_bounds_are_checked(bounds: list[float]) -> None:
    with pytest.raises(ConfigError, match=r"0 < least <= most <= 1"):
        parse_config({"image_augmentation": {"random_resized_crop": bounds}})
