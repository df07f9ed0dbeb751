"""Copies of pictures, as people make them: a table enters; embeddings of its pictures and of copies leave.

A picture that is saved again is scaled and compressed; one that is edited is cropped, lit and turned a little
before. What is done to a picture depends on its content and a seed alone. Nothing is judged here, and no file
is written.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from lookalike.errors import CalibrationError, ImageError
from lookalike.judging.similarity import cosine
from lookalike.models.embedding import content_hash, map_in_order
from lookalike.models.model import Model
from lookalike.pictures.images import Box, open_image, read_image, skipped
from lookalike.pictures.preprocess import prepare
from lookalike.records import Floats, Pixels, Progress, Skipped
from lookalike.tables.table import ImageTable

SAVED, EDITED = 2, 2  # copies of either kind for each picture
MOST = 1000  # pictures that are copied
SCALES = (0.5, 1.0)  # of the sides
QUALITIES = (50, 90)  # of JPEG
CROPS = (0.05, 0.2)  # share of each side that is cut away
TURN = 5.0  # degrees, either way
LIGHT = 0.25  # brightness is multiplied by 1 - this to 1 + this

_CHUNK = 2  # pictures a worker takes at once, with all their copies
_SMALLEST = 128  # pixels of the shorter side, below which nothing is scaled down


@dataclass(frozen=True)
class Copies:
    """Pictures and their copies as vectors, [n, d], [n, SAVED, d] and [n, EDITED, d] float32, unit rows.

    Attributes:
        hashes: content hash of each of the n files; no two are equal.
        skipped: pictures that could not be used.
    """

    originals: Floats
    saved: Floats
    edited: Floats
    hashes: tuple[bytes, ...]
    skipped: tuple[Skipped, ...]

    def stacked(self) -> tuple[Floats, NDArray[np.int64]]:
        """All vectors, and the number of the picture that each is of."""
        each = np.concatenate([self.originals[:, None], self.saved, self.edited], axis=1)  # [n, c, d]
        return each.reshape(-1, each.shape[-1]), np.repeat(np.arange(len(each)), each.shape[1])

    def similarities(self, kind: str) -> Floats:
        """How alike each picture is to its copies of a kind, "saved" or "edited"; [n * copies]."""
        copies: Floats = getattr(self, kind)
        return cosine(self.originals[:, None], copies).ravel()


def embed_copies(
    model: Model, table: ImageTable, *, most: int = MOST, seed: int = 0, progress: Progress | None = None
) -> Copies:
    """Embed the pictures of a table and copies of each.

    Of files that are equal byte for byte one is taken.

    Args:
        most: pictures; of a larger table so many are drawn.

    Raises:
        CalibrationError: fewer than two pictures can be used.
    """
    rows = np.arange(len(table))
    if len(table) > most:
        rows = np.sort(np.random.default_rng(seed).choice(len(table), most, replace=False))
    part = table.take(rows)
    paths, boxes = part.paths, part.boxes
    starts = range(0, len(part), _CHUNK)

    def work(start: int) -> list[tuple[bytes, Floats] | Skipped]:
        pictures: list[tuple[bytes, Floats] | Skipped] = []
        for path, box in zip(paths[start : start + _CHUNK], boxes[start : start + _CHUNK], strict=True):
            try:
                pictures.append(_embedded(model, read_image(path), box, seed=seed))
            except ImageError as error:
                pictures.append(skipped(error, path))
        return pictures

    found: dict[bytes, Floats] = {}
    left_out: list[Skipped] = []
    for start, pictures in zip(starts, map_in_order(work, starts), strict=True):
        left_out += [entry for entry in pictures if isinstance(entry, Skipped)]
        found |= dict(entry for entry in pictures if not isinstance(entry, Skipped))
        if progress is not None:
            progress(min(start + _CHUNK, len(part)), len(part))
    if len(found) < 2:
        raise _too_few(table, len(found), left_out)
    vectors = np.stack(list(found.values()))  # [n, copies, d]
    parts = vectors[:, 0], vectors[:, 1 : 1 + SAVED], vectors[:, 1 + SAVED :]
    return Copies(*parts, hashes=tuple(found), skipped=tuple(left_out))


def save_again(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture scaled down by up to half, where it is no thumbnail already, and compressed as JPEG."""
    scale = max(rng.uniform(*SCALES), min(1.0, _SMALLEST / min(picture.size)))
    width, height = (max(1, round(side * scale)) for side in picture.size)
    buffer = io.BytesIO()
    smaller = picture.resize((width, height), Image.Resampling.BICUBIC)
    smaller.save(buffer, "JPEG", quality=int(rng.integers(*QUALITIES, endpoint=True)))
    return Image.open(buffer).convert("RGB")


def edit(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    """The picture turned by up to 5 degrees, cropped by 5 to 20 % of each side, lit, and saved again."""
    turn = float(rng.uniform(-TURN, TURN))
    turned = picture.rotate(turn, Image.Resampling.BICUBIC, fillcolor=(255, 255, 255))
    width, height = (max(2, round(side * (1.0 - rng.uniform(*CROPS)))) for side in picture.size)
    left, top = (
        int(rng.integers(0, side - kept, endpoint=True))
        for side, kept in zip(picture.size, (width, height), strict=True)
    )
    cropped = turned.crop((left, top, left + width, top + height))
    lit = ImageEnhance.Brightness(cropped).enhance(float(rng.uniform(1.0 - LIGHT, 1.0 + LIGHT)))
    return save_again(lit, rng)


def _embedded(model: Model, content: bytes, box: Box | None, *, seed: int) -> tuple[bytes, Floats]:
    """A picture's hash, and its vector before those of its copies; [1 + SAVED + EDITED, d]."""
    digest = content_hash(content, box)
    pixels = open_image(content, target=model.preprocess.decode_target, box=box)
    picture = Image.fromarray(pixels)
    rng = np.random.default_rng([seed, int.from_bytes(digest[:8], "little")])
    made = [save_again(picture, rng) for _ in range(SAVED)] + [edit(picture, rng) for _ in range(EDITED)]
    every: list[Pixels] = [pixels, *(np.asarray(copy) for copy in made)]
    return digest, model.embed_pixels(np.stack([prepare(each, model.preprocess) for each in every]))


def _too_few(table: ImageTable, count: int, left_out: Sequence[Skipped]) -> CalibrationError:
    first = f"; skipped {left_out[0].path}: {left_out[0].reason.value}" if left_out else ""
    return CalibrationError(
        "there are too few pictures to compare copies with",
        where=table.root,
        saw=f"{count} that can be used{first}",
        wanted="some hundred different ones",
        do="name a folder with more pictures",
    )
