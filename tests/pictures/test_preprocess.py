"""Preprocessing against torchvision, which does the same by another road."""

import doctest
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import CenterCrop, Compose, Normalize, Resize, ToDtype, ToImage

from lookalike.errors import ModelError
from lookalike.pictures import preprocess as module
from lookalike.pictures.images import find_images, open_image
from lookalike.pictures.preprocess import Interpolation, Preprocess, normalise, prepare, seen_part
from lookalike.records import Pixels

CROP = Preprocess(
    size=32,
    resize="crop",
    crop=0.875,
    interpolation="bicubic",
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
)
PAD = Preprocess(
    size=32, resize="pad", crop=1.0, interpolation="bicubic", mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
)


def noise(height: int, width: int) -> Pixels:
    rng = np.random.default_rng(height * 10_007 + width)
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def torchvision_way(image: Pixels, preprocess: Preprocess) -> Pixels:
    steps = Compose(
        [
            Resize(
                round(preprocess.size / preprocess.crop),
                interpolation=InterpolationMode(preprocess.interpolation),
                antialias=True,
            ),
            CenterCrop(preprocess.size),
        ]
    )
    return np.asarray(steps(Image.fromarray(image)))


@settings(deadline=None, max_examples=150)
@given(
    st.integers(2, 200),
    st.integers(2, 200),
    st.integers(16, 48),  # 16 is the smallest size that a run file may ask for
    st.sampled_from([1.0, 0.95, 0.875, 0.5]),
    st.sampled_from(["bicubic", "bilinear"]),
)
def test_crop_equals_torchvision(
    height: int, width: int, size: int, crop: float, interpolation: Interpolation
) -> None:
    preprocess = Preprocess(
        size=size, resize="crop", crop=crop, interpolation=interpolation, mean=CROP.mean, std=CROP.std
    )
    image = noise(height, width)
    expected = torchvision_way(image, preprocess)
    prepared = prepare(image, preprocess)
    assert prepared.shape == (size, size, 3)
    if max(height, width) <= 16 * min(height, width):
        assert np.array_equal(prepared, expected)
    else:
        gap = np.abs(prepared.astype(int) - expected)  # the other way round, Pillow rounds in between
        assert gap.mean() < 2
        assert gap.max() <= 40  # of noise, where bicubic weights overshoot


@pytest.mark.parametrize("shape", [(64, 64), (48, 64), (64, 48), (97, 61), (37, 37), (500, 333), (40, 640)])
def test_crop_equals_torchvision_on_chosen_shapes(shape: tuple[int, int]) -> None:
    assert np.array_equal(prepare(noise(*shape), CROP), torchvision_way(noise(*shape), CROP))


def test_the_sample_prepared_for_the_default_network(sample: Path) -> None:
    preprocess = Preprocess(
        size=224, resize="crop", crop=0.875, interpolation="bicubic", mean=PAD.mean, std=PAD.std
    )
    for path in find_images(sample).paths[::300]:
        image = open_image(sample / path, target=preprocess.decode_target)
        assert np.array_equal(prepare(image, preprocess), torchvision_way(image, preprocess))


@pytest.mark.parametrize("shape", [(2, 700), (700, 2), (3, 901)])
def test_a_very_long_picture_is_within_rounding(shape: tuple[int, int]) -> None:
    prepared = prepare(noise(*shape), CROP)
    gap = np.abs(prepared.astype(int) - torchvision_way(noise(*shape), CROP))
    assert gap.max() <= 16
    assert gap.mean() < 0.5


@pytest.mark.parametrize("shape", [(2, 60_000), (60_000, 2)])
@pytest.mark.parametrize("preprocess", [CROP, PAD])
def test_a_very_long_picture_costs_little_memory(
    shape: tuple[int, int], preprocess: Preprocess, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, int]] = []
    resize = Image.Image.resize

    def watched(self: Image.Image, size: tuple[int, int], *args: Any, **options: Any) -> Image.Image:
        sizes.append(size)
        return resize(self, size, *args, **options)

    monkeypatch.setattr(Image.Image, "resize", watched)
    assert prepare(noise(*shape), preprocess).shape == (32, 32, 3)
    assert max(width * height for width, height in sizes) <= 32 * 32


@settings(deadline=None, max_examples=100)
@given(st.integers(2, 300), st.integers(2, 300))
def test_pad_keeps_the_whole_picture_in_the_middle_of_white(height: int, width: int) -> None:
    black = np.zeros((height, width, 3), dtype=np.uint8)
    prepared = prepare(black, PAD)
    assert prepared.shape == (32, 32, 3)
    dark = (prepared == 0).all(axis=2)
    assert dark.sum() + (prepared == 255).all(axis=2).sum() == 32 * 32
    rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
    assert max(len(rows), len(columns)) == 32
    assert len(rows) == max(1, round(32 * height / max(height, width)))
    assert len(columns) == max(1, round(32 * width / max(height, width)))
    assert abs((rows[0] + rows[-1]) - 31) <= 1
    assert abs((columns[0] + columns[-1]) - 31) <= 1


def test_pad_and_crop_agree_on_a_square() -> None:
    whole = Preprocess(size=32, resize="crop", crop=1.0, interpolation="bicubic", mean=PAD.mean, std=PAD.std)
    assert np.array_equal(prepare(noise(77, 77), PAD), prepare(noise(77, 77), whole))


def test_prepared_pixels_can_be_written_and_handed_to_torch() -> None:
    prepared = prepare(noise(40, 50), CROP)
    assert prepared.flags.writeable
    assert prepared.flags.c_contiguous
    torch.from_numpy(prepared)  # warns on what cannot be written


def test_normalise_equals_torchvision() -> None:
    pixels = np.stack([noise(32, 32), noise(32, 32)[::-1]])
    steps = Compose([ToImage(), ToDtype(torch.float32, scale=True), Normalize(CROP.mean, CROP.std)])
    expected = torch.stack([steps(image.copy()) for image in pixels]).numpy()
    values = normalise(pixels, CROP)
    assert values.dtype == np.float32
    assert values.flags.c_contiguous
    assert values.shape == (2, 3, 32, 32)
    assert np.allclose(values, expected, atol=1e-6)


def test_normalise_by_hand() -> None:
    pixels = np.zeros((1, 1, 1, 3), dtype=np.uint8)
    pixels[0, 0, 0] = (255, 0, 51)
    assert normalise(pixels, PAD).ravel().tolist() == pytest.approx([1.0, -1.0, -0.6])


def test_the_decoder_is_asked_for_what_the_resize_needs() -> None:
    assert CROP.decode_target == 37
    assert PAD.decode_target == 32


@pytest.mark.parametrize("preprocess", [CROP, PAD])
def test_json_round_trip(preprocess: Preprocess) -> None:
    assert Preprocess.from_json(json.loads(json.dumps(preprocess.to_json()))) == preprocess


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sise": 3}, "missing or unknown: sise"),
        ({"size": None}, "int"),
        ({"size": 0}, "size must be >= 1"),
        ({"crop": 1.5}, r"crop in \(0, 1\]"),
        ({"std": [1.0, 1.0, 0.0]}, "std > 0"),
        ({"mean": [1.0, 1.0]}, "values to unpack"),
        ({"mean": 3}, "iterable"),
        ({"resize": "stretch"}, "unknown resize"),
        ({"interpolation": "nearest"}, "unknown resize or interpolation"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        Preprocess.from_json({**CROP.to_json(), **change})


def test_a_missing_key_is_named() -> None:
    values = CROP.to_json()
    del values["std"]
    with pytest.raises(ModelError, match=r"missing or unknown: std, wanted crop, interpolation"):
        Preprocess.from_json(values)


@pytest.mark.parametrize("resize", ["crop", "pad"])
@pytest.mark.parametrize("share", [0.8, 1.0])
@pytest.mark.parametrize("shape", [(240, 200), (200, 613), (333, 200), (4000, 130)])
def test_seen_part_is_where_the_prepared_pixels_come_from(
    shape: tuple[int, int], share: float, resize: str
) -> None:
    """A picture whose colours count its rows and columns says where each prepared pixel was."""
    height, width = shape
    rows, columns = np.indices(shape)
    counted = np.stack([rows * 200 / height, columns * 200 / width, np.zeros(shape)], axis=2)
    preprocess = replace(CROP, size=50, crop=share, resize=resize)  # type: ignore[arg-type]
    left, top, right, bottom = seen_part((width, height), preprocess)
    steps = (np.arange(50) + 0.5) / 50
    down, across = np.meshgrid(top + (bottom - top) * steps, left + (right - left) * steps, indexing="ij")
    inside = (down > height / 9) & (down < height * 8 / 9) & (across > width / 9) & (across < width * 8 / 9)
    prepared = prepare(counted.astype(np.uint8), preprocess).astype(float)
    assert inside.sum() > (20 if resize == "pad" else 1000)
    assert prepared[inside, 0] * height / 200 == pytest.approx(down[inside], abs=height / 80)
    assert prepared[inside, 1] * width / 200 == pytest.approx(across[inside], abs=width / 30)
    outside = (down < -height / 9) | (down > height * 10 / 9) | (across < -width / 9)
    assert (prepared[outside] == 255).all()


def test_example_of_the_seen_part() -> None:
    assert doctest.testmod(module) == doctest.TestResults(failed=0, attempted=2)
