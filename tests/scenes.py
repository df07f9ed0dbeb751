"""Pictures that look like nothing else, edited copies of them, and a set in which everything is wrong."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from lookalike.records import Pixels
from pictures import content


def scene(seed: int, width: int = 96, height: int = 96) -> Image.Image:
    """Soft coloured patches, other ones for every seed."""
    patches = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(patches).resize((width, height), Image.Resampling.BICUBIC)


def detailed(seed: int, size: tuple[int, int] = (120, 90)) -> Image.Image:
    """Patches with detail at every scale, weaker the finer it is, as photographs have it."""
    rng, level = np.random.default_rng(seed), np.zeros((size[1], size[0], 3))
    for side, strength in ((4, 50), (8, 40), (16, 30), (32, 22), (64, 16), (128, 11)):
        noise = np.uint8(np.clip(rng.normal(128, strength, (side, side, 3)), 0, 255))
        level += np.asarray(Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC), float) - 128
    return Image.fromarray(np.uint8(np.clip(level + 128, 0, 255)))


def scaled(image: Image.Image, share: float, way: Image.Resampling = Image.Resampling.LANCZOS) -> Image.Image:
    return image.resize((round(image.width * share), round(image.height * share)), way)


def saved(image: Image.Image, quality: int) -> Image.Image:
    return Image.open(io.BytesIO(content(image, "JPEG", quality=quality)))


def pixels(seed: int) -> Pixels:
    return np.asarray(scene(seed))


def cropped(image: Image.Image) -> Image.Image:
    width, height = image.size
    return image.crop((width // 20, width // 20, width - width // 20, height - height // 20))


def turned(image: Image.Image) -> Image.Image:
    return cropped(image.rotate(2, Image.Resampling.BICUBIC))


def halved(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def brightened(image: Image.Image) -> Image.Image:
    return ImageEnhance.Brightness(image).enhance(1.1)


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "crop": cropped,
    "turn": turned,
    "half": halved,
    "mirror": ImageOps.mirror,
    "brighten": brightened,
}


def write(path: Path, image: Image.Image | bytes, **options: object) -> None:
    """Write a picture, or a file that is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    kind = "JPEG" if path.suffix == ".jpg" else "PNG"
    path.write_bytes(image if isinstance(image, bytes) else content(image, kind, **options))


def tidy(root: Path, *, classes: int = 4, images: int = 10) -> Path:
    """A set that nothing is wrong with, beyond its size."""
    for number in range(classes * images):
        place = root / f"thing {number // images}" / f"{number % images}.png"
        write(place, scene(number))
    return root


def untidy(root: Path) -> Path:
    """A split set with one of everything that a doctor looks for."""
    for number in range(36):
        split = ("train", "train", "val", "test")[number % 4]
        write(root / split / f"thing {number // 12}" / f"{number}.png", scene(number))
    write(root / "test/thing 0/leak.jpg", scene(0), quality=60)  # of train/thing 0/0.png
    write(root / "train/thing 1/turned.png", turned(scene(13)))  # of train/thing 1/13.png
    write(root / "train/thing 2/double.png", cropped(scene(1)))  # of train/thing 0/1.png
    write(root / "test/thing 1/copy.png", scene(12))  # of train/thing 1/12.png
    write(root / "train/thing 2/wrong.png", scene(5))  # of train/thing 0/5.png
    write(root / "train/Thing_0/only.png", scene(100))
    write(root / "train/gone/empty.png", b"")
    write(root / "train/gone/text.jpg", b"<html>\n<body>not found</body>")
    write(root / "train/thing 0/blank.png", Image.new("RGB", (64, 64), "white"))
    write(root / "train/thing 0/tiny.png", scene(101, 20, 20))
    write(root / "train/thing 0/long.png", scene(102, 200, 50))
    return root
