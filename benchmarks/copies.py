"""Copies of pictures, edited as people and programs do: what benchmarks look for among the originals."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from lookalike.pictures.images import open_image

Edit = Callable[[Image.Image, np.random.Generator], Image.Image]

QUALITY = 90  # of what is saved again after an edit
QUALITIES = (30, 50, 70, 95)
ORIGINAL = "original"


def saved(image: Image.Image, file: Path, *, quality: int = QUALITY) -> None:
    """As JPEG."""
    image.save(file, "JPEG", quality=quality)


def scaled(image: Image.Image, *, share: float) -> Image.Image:
    """Smaller, by the share of its sides."""
    size = max(8, round(image.width * share)), max(8, round(image.height * share))
    return image.resize(size, Image.Resampling.LANCZOS)


def cropped(image: Image.Image, rng: np.random.Generator, *, cut: float) -> Image.Image:
    """Without a share of each side, taken from anywhere."""
    width, height = round(image.width * (1 - cut)), round(image.height * (1 - cut))
    left, top = int(rng.integers(0, image.width - width + 1)), int(rng.integers(0, image.height - height + 1))
    return image.crop((left, top, left + width, top + height))


def lit(image: Image.Image, *, by: float) -> Image.Image:
    """Brighter or darker."""
    return ImageEnhance.Brightness(image).enhance(by)


def marked(image: Image.Image, *, across: bool) -> Image.Image:
    """With a line of half transparent text across it, or a small nearly white one in its corner."""
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    width, height = image.size
    font = ImageFont.load_default(size=max(10, height // (8 if across else 14)))
    place = (width * 0.12, height * 0.42) if across else (width * 0.6, height * 0.9)
    text = "© PHOTO SAMPLE" if across else "© studio"
    ImageDraw.Draw(layer).text(place, text, font=font, fill=(255, 255, 255, 128 if across else 220))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


EDITS: dict[str, Edit] = {
    "scaled to 75 %": lambda image, _: scaled(image, share=0.75),
    "scaled to 50 %": lambda image, _: scaled(image, share=0.5),
    "scaled to 25 %": lambda image, _: scaled(image, share=0.25),
    "cropped by 5 %": lambda image, rng: cropped(image, rng, cut=0.05),
    "cropped by 10 %": lambda image, rng: cropped(image, rng, cut=0.10),
    "cropped by 15 %": lambda image, rng: cropped(image, rng, cut=0.15),
    "cropped by 20 %": lambda image, rng: cropped(image, rng, cut=0.20),
    "darker by 25 %": lambda image, _: lit(image, by=0.75),
    "brighter by 30 %": lambda image, _: lit(image, by=1.3),
    "mirrored": lambda image, _: ImageOps.mirror(image),
    "text across": lambda image, _: marked(image, across=True),
    "text in a corner": lambda image, _: marked(image, across=False),
}
BEYOND = ("cropped by 15 %", "cropped by 20 %")  # more than is promised


def write_original(path: Path, folder: Path, number: int) -> Image.Image:
    """Save a picture as it is, the number before the kind in the file's name."""
    image = Image.fromarray(open_image(path))
    image.save(folder / f"{number:05} {ORIGINAL}.png")
    return image


def write_copies(path: Path, folder: Path, number: int) -> None:
    """A photograph and all its copies, the number before the name of the edit in each file's name."""
    image = write_original(path, folder, number)
    rng = np.random.default_rng(number)
    for name, edit in EDITS.items():
        saved(edit(image, rng), folder / f"{number:05} {name}.jpg")
    _write_saved_again(image, folder, number)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees when it is shown
    turned = image.transpose(Image.Transpose.ROTATE_90)
    turned.save(folder / f"{number:05} turned by EXIF.png", exif=exif)
    turned.save(folder / f"{number:05} turned by EXIF and compressed.jpg", quality=QUALITY, exif=exif)


def write_drawing_copies(path: Path, folder: Path, number: int) -> None:
    """A drawing and its copies: in other sizes, and saved again."""
    image = write_original(path, folder, number)
    for share in (0.5, 0.75, 2.0):
        scaled(image, share=share).save(folder / f"{number:05} scaled to {100 * share:.0f} %.png")
    _write_saved_again(image, folder, number)


def _write_saved_again(image: Image.Image, folder: Path, number: int) -> None:
    for quality in QUALITIES:
        saved(image, folder / f"{number:05} compressed, quality {quality}.jpg", quality=quality)
    image.save(folder / f"{number:05} without loss.webp", lossless=True)
