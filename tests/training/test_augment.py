"""Augmentation: bounds, determinism, and each part alone."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor

from lookalike.config import AugmentConfig
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


def only(**options: float | bool) -> AugmentConfig:
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
