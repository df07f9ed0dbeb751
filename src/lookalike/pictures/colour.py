"""Turn a decoded picture of any mode into upright RGB.

Enters: a Pillow image that is loaded, and its EXIF orientation. Leaves: [h, w, 3] uint8. Not done here:
colour profiles; CMYK and LAB are converted by Pillow's plain formulas.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from lookalike.records import Pixels

_FLOAT32_MAX = float(np.finfo(np.float32).max)


def to_rgb(image: Image.Image) -> Pixels:
    """Every mode as RGB; transparency is laid on white.

    16-bit grey is scaled to 8 bits. 32-bit grey is read as 16-bit where its values fit, float grey as 0 to 1
    or else 0 to 255 where they fit; what fits neither is stretched from its least to its greatest value.

    Returns:
        [h, w, 3] uint8, contiguous and writable.
    """
    if image.mode.startswith(("I", "F")):
        return np.repeat(_grey(image)[..., None], 3, axis=2)  # [h, w, 3]
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _grey(image: Image.Image) -> NDArray[np.uint8]:
    exact = np.float32 if image.mode.startswith("I;16") else np.float64
    values = np.nan_to_num(np.asarray(image).astype(exact), posinf=_FLOAT32_MAX, neginf=-_FLOAT32_MAX)
    low, high = float(values.min()), float(values.max())
    for top in (1.0, 255.0) if image.mode == "F" else (65535.0,):
        if low >= 0.0 and high <= top:
            low, high = 0.0, top
            break
    grey: NDArray[np.uint8] = ((values - low) * (255.0 / max(high - low, 1e-300))).round().astype(np.uint8)
    if isinstance(clear := image.info.get("transparency"), int):
        grey[values == clear] = 255
    return grey


def upright(pixels: Pixels, orientation: int) -> Pixels:
    """Turn and mirror [h, w, 3] pixels as the EXIF orientation 1 to 8 says; a view where that is possible."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)  # [w, h, 3]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels
