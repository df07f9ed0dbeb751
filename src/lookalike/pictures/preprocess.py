"""Turn pixels of any size into the square that a network takes.

Enters: pixels [h, w, 3] uint8 and a Preprocess, which lies in the model folder. Leaves: [size, size, 3]
uint8. The same `prepare` serves training, export check and run-time; `normalise` is the reference for the
arithmetic that the exported graph does itself. Not done here: opening a file, augmentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, get_args

import numpy as np
from PIL import Image

from lookalike.errors import ModelError
from lookalike.records import Floats, Pixels

Resize = Literal["crop", "pad"]
Interpolation = Literal["bicubic", "bilinear"]
Channels = tuple[float, float, float]
Part = tuple[float, float, float, float]  # left, top, right, bottom in pixels of the picture

_FILTERS = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
_LONGEST = 16  # a picture that would become longer than this many sides is resized only where it is kept


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How pictures become the pixels that a network takes.

    Attributes:
        size: side of the square, in pixels.
        resize: crop: the shorter side becomes round(size / crop), then the centre square is kept. pad: the
            longer side becomes size, then the picture is laid in the middle of a white square.
        crop: share of the shorter side that is kept, in (0, 1]; 1 keeps all of it. Not used by pad.
        interpolation: filter of the resize; both widen with the reduction (antialias).
        mean, std: per channel, of pixels in [0, 1]: the network sees (pixel / 255 - mean) / std.
    """

    size: int
    resize: Resize
    crop: float
    interpolation: Interpolation
    mean: Channels
    std: Channels

    def __post_init__(self) -> None:
        if self.size < 1 or not 0.0 < self.crop <= 1.0 or min(self.std) <= 0.0:
            raise ValueError(f"size must be >= 1, crop in (0, 1] and std > 0, got {self}")
        if self.resize not in get_args(Resize) or self.interpolation not in get_args(Interpolation):
            raise ValueError(f"unknown resize or interpolation in {self}")

    @property
    def decode_target(self) -> int:
        """The shorter side that decoding must not go below: `open_image(..., target=this)`."""
        return round(self.size / self.crop) if self.resize == "crop" else self.size

    def to_json(self) -> dict[str, Any]:
        """Plain values, which `from_json` reads back."""
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Preprocess:
        """Read what `to_json` wrote.

        Raises:
            ModelError: a key is missing or unknown, or a value does not fit.
        """
        known = {field.name for field in fields(cls)}
        if set(values) != known:
            odd = ", ".join(sorted(set(values) ^ known))
            raise _unreadable(f"missing or unknown: {odd}", wanted=", ".join(sorted(known)))
        try:
            return cls(
                size=int(values["size"]),
                resize=values["resize"],
                crop=float(values["crop"]),
                interpolation=values["interpolation"],
                mean=_channels(values["mean"]),
                std=_channels(values["std"]),
            )
        except (TypeError, ValueError, OverflowError) as error:
            raise _unreadable(str(error)) from error


def prepare(image: Pixels, preprocess: Preprocess) -> Pixels:
    """Resize a picture to the square that a network takes.

    With resize "crop" the result equals torchvision's Resize (PIL, antialias) and CenterCrop. A picture whose
    longer side would become more than 16 times the shorter one is resized only where it is kept, so that its
    length costs no memory; Pillow may then take its two passes in the other order, and values differ by
    what is rounded between them (a few of 255).

    Args:
        image: [h, w, 3] uint8 RGB.
        preprocess: what the model asks for.

    Returns:
        [size, size, 3] uint8, contiguous and writable.
    """
    picture = Image.fromarray(image)
    square = _crop(picture, preprocess) if preprocess.resize == "crop" else _pad(picture, preprocess)
    return np.array(square)


def seen_part(size: tuple[int, int], preprocess: Preprocess) -> Part:
    """Where in a picture the square lies that `prepare` makes of it.

    Args:
        size: width and height of the picture, in pixels.

    Returns:
        Left, top, right and bottom in the picture's pixels. With resize "pad" the square is larger than the
        picture, so that its edges lie outside.

    >>> crop = Preprocess(224, "crop", 0.875, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    >>> seen_part((512, 256), crop)
    (144.0, 16.0, 368.0, 240.0)
    """
    side = preprocess.size
    if preprocess.resize == "crop":
        width, height = _resized(size, round(side / preprocess.crop))
        left, top = round((width - side) / 2), round((height - side) / 2)
    else:
        width, height = _fitted(size, side)
        left, top = -((side - width) // 2), -((side - height) // 2)
    across, down = size[0] / width, size[1] / height
    return left * across, top * down, (left + side) * across, (top + side) * down


def normalise(pixels: Pixels, preprocess: Preprocess) -> Floats:
    """Do in numpy what the exported graph does first: (pixel / 255 - mean) / std, channels first.

    Args:
        pixels: [n, size, size, 3] uint8.
        preprocess: has mean and std.

    Returns:
        [n, 3, size, size] float32, contiguous.
    """
    mean, std = np.array([preprocess.mean, preprocess.std], dtype=np.float32)  # [3]
    scaled = (pixels.astype(np.float32) / np.float32(255) - mean) / std
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))  # [n, 3, size, size]


def _crop(picture: Image.Image, preprocess: Preprocess) -> Image.Image:
    size, short = preprocess.size, round(preprocess.size / preprocess.crop)
    width, height = _resized(picture.size, short)
    left, top = round((width - size) / 2), round((height - size) / 2)
    kept = (left, top, left + size, top + size)
    resample = _FILTERS[preprocess.interpolation]
    if max(width, height) <= _LONGEST * short:
        return picture.resize((width, height), resample).crop(kept)
    across, down = picture.width / width, picture.height / height
    right, bottom = (left + size) * across, (top + size) * down
    box = (left * across, top * down, min(right, picture.width), min(bottom, picture.height))
    return picture.resize((size, size), resample, box=box)


def _resized(size: tuple[int, int], short: int) -> tuple[int, int]:
    """As torchvision: the longer side is cut to a whole number, not rounded."""
    width, height = size
    if width <= height:
        return short, int(short * height / width)
    return int(short * width / height), short


def _pad(picture: Image.Image, preprocess: Preprocess) -> Image.Image:
    size = preprocess.size
    width, height = _fitted(picture.size, size)
    square = Image.new("RGB", (size, size), "white")
    resized = picture.resize((width, height), _FILTERS[preprocess.interpolation])
    square.paste(resized, ((size - width) // 2, (size - height) // 2))
    return square


def _fitted(size: tuple[int, int], side: int) -> tuple[int, int]:
    width, height = (max(1, round(length * side / max(size))) for length in size)
    return width, height


def _channels(values: Any) -> Channels:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _unreadable(saw: str, *, wanted: str = "") -> ModelError:
    return ModelError(
        "the preprocessing is not understood",
        where="preprocess in model.json",
        saw=saw,
        wanted=wanted,
        do="export the model again with this version of lookalike",
    )
