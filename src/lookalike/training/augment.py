"""Random changes to training pictures: crop, zoom, flip, rotation, translation, light and colour.

One uint8 picture [3, h, w] enters, one of the same shape leaves, white where the picture was moved away. The
factors are fractions, as those of the Keras layers RandomZoom, RandomRotation and so on (but brightness
multiplies, where theirs adds). All randomness comes from a torch generator; seeds are not decided here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from lookalike.config import AugmentConfig


@dataclass(frozen=True)
class Augment:
    """Changes a picture at random within the bounds of a config.

    A random resized crop keeps a part of the picture and resizes it to the whole: its area a share between
    the two bounds, its sides as 3 : 4 to 4 : 3 as far as the area leaves room, anywhere in the picture. Zoom
    f shows a crop of 1 - f to 1 + f of each side; rotation f turns by up to f of a full turn; translation f
    moves by up to f of each side: these in one resampling (bilinear) about the centre. A flip happens half
    of the time. Brightness, contrast and saturation f scale by 1 - f to 1 + f, channel gain f each channel
    by its own such factor; hue f turns by up to f of the colour circle; grey is the share of pictures that
    lose their colour. All are uniform (the crop's sides in their logarithm) and independent.

    Reference:
        The crop is that of Szegedy et al., Going Deeper with Convolutions, CVPR 2015 (arXiv:1409.4842), but
        its area is always met: sides that do not fit are not drawn.
    """

    config: AugmentConfig

    def __call__(self, image: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Return a changed copy; with everything switched off, the picture itself.

        Args:
            image: [3, h, w] uint8.
            generator: where the randomness comes from; torch's own when left out. Always the same number of
                draws, so that switching one part off leaves the others as they were.
        """
        zoom, flip, turn, right, down, light, contrast = _draw(7, generator)
        area, ratio, left, top, saturation, hue, grey, *gains = _draw(10, generator)
        config = self.config
        image = self._crop(image, area=area, ratio=ratio, left=left, top=top)
        image = functional.horizontal_flip(image) if config.horizontal_flip and flip < 0 else image
        image = self._move(image, zoom=zoom, turn=turn, right=right, down=down)
        if config.brightness:
            image = functional.adjust_brightness(image, 1 + config.brightness * light)
        if config.contrast:
            image = functional.adjust_contrast(image, 1 + config.contrast * contrast)
        return self._colour(image, saturation=saturation, hue=hue, grey=grey, gains=gains)

    def _crop(self, image: Tensor, *, area: float, ratio: float, left: float, top: float) -> Tensor:
        if self.config.random_resized_crop is None:
            return image
        low, high = self.config.random_resized_crop
        share = low + (high - low) * (area + 1) / 2
        widest = min(math.log(4 / 3), -math.log(share))  # of log(width / height) in shares of the sides
        sides = share * math.exp(widest * ratio), share * math.exp(-widest * ratio)  # squared: width, height
        size = image.shape[-2:]
        height, width = (
            max(1, round(math.sqrt(x) * side)) for x, side in zip(sides[::-1], size, strict=True)
        )
        corner = round((size[0] - height) * (top + 1) / 2), round((size[1] - width) * (left + 1) / 2)
        resized: Tensor = functional.resized_crop(image, *corner, height, width, list(size), antialias=True)
        return resized

    def _colour(
        self, image: Tensor, *, saturation: float, hue: float, grey: float, gains: list[float]
    ) -> Tensor:
        config = self.config
        if config.saturation:
            image = functional.adjust_saturation(image, 1 + config.saturation * saturation)
        if config.hue:
            image = functional.adjust_hue(image, config.hue * hue)
        if config.channel_gain:
            factors = 1 + config.channel_gain * torch.tensor(gains)
            image = (image * factors[:, None, None]).round_().clamp_(max=255).to(torch.uint8)
        if (grey + 1) / 2 < config.grey:
            image = functional.rgb_to_grayscale(image, num_output_channels=3)
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


def _draw(count: int, generator: torch.Generator | None) -> list[float]:
    """Uniform numbers in [-1, 1)."""
    numbers: list[float] = torch.rand(count, generator=generator).mul_(2).sub_(1).tolist()
    return numbers


def make_augment(config: AugmentConfig) -> Augment:
    """Return the function that changes pictures as a run file asks."""
    return Augment(config)
