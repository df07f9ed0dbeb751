"""Every mode becomes upright RGB, against slower ways to the same pixels."""

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from lookalike.pictures.colour import to_rgb, upright

RNG = np.random.default_rng(0)


def on_white(rgba: NDArray[np.uint8]) -> NDArray[np.float64]:
    alpha = rgba[..., 3:] / 255
    return np.asarray(rgba[..., :3] * alpha + 255 * (1 - alpha))


def test_alpha_is_laid_on_white() -> None:
    rgba = RNG.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    assert np.abs(to_rgb(Image.fromarray(rgba)) - on_white(rgba)).max() <= 1.0


@pytest.mark.parametrize("mode", ["LA", "PA", "RGBa"])
def test_other_modes_with_alpha(mode: str) -> None:
    rgba = RNG.integers(0, 256, (9, 7, 4), dtype=np.uint8)
    image = Image.fromarray(rgba).convert("LA" if mode == "LA" else "RGBA").convert(mode)
    expected = on_white(np.asarray(image.convert("RGBA")))
    assert np.abs(to_rgb(image) - expected).max() <= 1.0


@pytest.mark.parametrize(("mode", "value"), [("L", 7), ("1", 255), ("RGB", (7, 7, 7))])
def test_a_transparent_colour_is_white(mode: str, value: object) -> None:
    image = Image.new(mode, (4, 2), 0)
    image.putpixel((1, 1), value)  # type: ignore[arg-type]
    image.info["transparency"] = value
    pixels = to_rgb(image)
    assert pixels[1, 1].tolist() == [255, 255, 255]
    assert pixels[0, 0].tolist() == [0, 0, 0]


@pytest.mark.parametrize("transparency", [3, b"\xff\xff\xff\x00"])
def test_a_transparent_palette_entry_is_white(transparency: int | bytes) -> None:
    image = Image.new("P", (4, 2), 0)
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90, 100, 110, 120])
    image.putpixel((1, 1), 3)
    image.info["transparency"] = transparency
    assert to_rgb(image)[1, 1].tolist() == [255, 255, 255]
    assert to_rgb(image)[0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bit_grey_is_scaled_and_not_clipped(dtype: str) -> None:
    levels = np.arange(65536).reshape(256, 256)
    image = Image.fromarray(levels.astype(dtype))
    assert image.mode.startswith("I;16")
    pixels = to_rgb(image)
    assert np.array_equal(pixels[..., 0], np.round(levels * 255 / 65535))
    assert np.array_equal(pixels[..., 0], pixels[..., 2])


def test_a_transparent_16_bit_grey_is_white() -> None:
    image = Image.fromarray(np.array([[0, 300], [600, 900]], dtype=np.uint16))
    image.info["transparency"] = 600
    assert to_rgb(image)[..., 0].tolist() == [[0, 1], [255, 4]]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0, 65535, 257], [0, 255, 1]),
        ([-100, -50, 100], [0, 64, 255]),
        ([0, 2_000_000_000, 500_000_000], [0, 255, 64]),
        ([70_000, 70_000, 70_000], [0, 0, 0]),
    ],
)
def test_32_bit_grey(values: list[int], expected: list[int]) -> None:
    assert to_rgb(Image.fromarray(np.array([values], dtype=np.int32)))[0, :, 1].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.2, 1.0], [0, 51, 255]),
        ([0.0, 51.4, 200.0], [0, 51, 200]),
        ([0.0, 250.0, 1000.0], [0, 64, 255]),
        ([-1.0, -0.5, 1.0], [0, 64, 255]),
        ([np.nan, 0.2, 1.0], [0, 51, 255]),
        ([-np.inf, np.inf, 1.7e38], [0, 255, 191]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
    ],
)
def test_float_grey(values: list[float], expected: list[int]) -> None:
    assert to_rgb(Image.fromarray(np.array([values], dtype=np.float32)))[0, :, 1].tolist() == expected


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "LAB"])
def test_plain_modes_keep_their_colour(mode: str) -> None:
    image = Image.new("RGB", (5, 4), "white")
    image.paste((0, 0, 0), (0, 0, 2, 4))
    pixels = to_rgb(image.convert(mode))
    assert pixels.shape == (4, 5, 3)
    assert np.abs(pixels.astype(int) - np.asarray(image)).max() <= 2
    assert pixels.flags.writeable


@pytest.mark.parametrize(
    ("orientation", "method"),
    [(1, None), (2, 0), (3, 3), (4, 1), (5, 5), (6, 4), (7, 6), (8, 2)],
)
def test_orientations_are_pillows(orientation: int, method: int | None) -> None:
    pixels = RNG.integers(0, 256, (3, 5, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    turned = image if method is None else image.transpose(Image.Transpose(method))
    assert np.array_equal(upright(pixels, orientation), np.asarray(turned))
