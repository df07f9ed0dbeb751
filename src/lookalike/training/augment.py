"""Random changes to training pictures: zoom, flip, rotation, translation, brightness, contrast.

One uint8 picture [3, h, w] enters, one of the same shape leaves, white where the picture was moved away. The
factors are fractions, as those of the Keras layers RandomZoom, RandomRotation and so on (but brightness
multiplies, where theirs adds). All randomness comes from a torch generator; seeds are not decided here.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from lookalike.config import AugmentConfig


@dataclass(frozen=True)
class Augment:
    """Changes a picture at random within the bounds of a config.

    Zoom f shows a crop of 1 - f to 1 + f of each side, resized to the whole picture; rotation f turns by up
    to f of a full turn; translation f moves by up to f of each side; brightness and contrast f scale by 1 - f
    to 1 + f; a flip happens half of the time. All are uniform and independent. Moves are done in one
    resampling (bilinear) about the centre.
    """

    config: AugmentConfig

    def __call__(self, image: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a changed copy; with everything switched off, the picture itself.

        Args:
            image: [3, h, w] uint8.
            generator: where the randomness comes from; torch's own when left out. Always the same number of
                draws, so that switching one part off leaves the others as they were.
        """
        zoom, flip, turn, right, down, light, contrast = (
            torch.rand(7, generator=generator).mul_(2).sub_(1).tolist()  # uniform in [-1, 1)
        )
        image = functional.horizontal_flip(image) if self.config.horizontal_flip and flip < 0 else image
        image = self._move(image, zoom=zoom, turn=turn, right=right, down=down)
        if self.config.brightness:
            image = functional.adjust_brightness(image, 1 + self.config.brightness * light)
        if self.config.contrast:
            image = functional.adjust_contrast(image, 1 + self.config.contrast * contrast)
        return image

    def _move(self, image: Tensor, *, zoom: float, turn: float, right: float, down: float) -> Tensor:
        config = self.config
        if not (config.zoom or config.rotation or config.translation):
            return image
        height, width = image.shape[-2:]
        # Of the negative, with black moving in: a white fill would leave a grey seam around the picture.
        moved: Tensor = functional.affine(
            255 - image,
            angle=360 * config.rotation * turn,
            translate=[config.translation * right * width, config.translation * down * height],
            scale=1 / max(1 + config.zoom * zoom, 1 / max(height, width)),  # never less than a pixel is shown
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        return 255 - moved


def make_augment(config: AugmentConfig) -> Augment:
    """Return the function that changes pictures as a run file asks."""
    return Augment(config)
