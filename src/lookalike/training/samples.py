"""A picture of what augmentation does: some training pictures, each beside changed copies of it.

A table, the preprocessing and the augmentation of a run enter; one PNG leaves, to be looked at before time is
spent on training. What is learned from is made elsewhere, by the same functions.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from lookalike.config import AugmentConfig
from lookalike.files import write_atomically
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import Preprocess, prepare
from lookalike.records import Pixels
from lookalike.tables.table import ImageTable
from lookalike.training.augment import Augment, make_augment
from lookalike.training.sources import seed_of

GAP = 4  # pixels between neighbours; three times as much beside the picture itself
GROUND = 128  # grey: what moves in is white


def write_samples(
    path: Path,
    table: ImageTable,
    preprocess: Preprocess,
    augment: AugmentConfig,
    *,
    seed: int,
    pictures: int = 8,
    views: int = 8,
) -> None:
    """Draw pictures evenly from a table, one a row: itself on the left, then its views.

    Args:
        path: a PNG file; it is replaced.
        preprocess: has the size that is trained.
        seed: fixes the views.
        pictures, views: rows and columns, at most.

    Raises:
        ImageError: a picture cannot be opened.
        LookalikeError: the file cannot be written.
    """
    rows = np.unique(np.linspace(0, len(table) - 1, pictures).astype(int))
    change = make_augment(augment)
    strips = []
    for row in rows.tolist():
        image = open_image(table.paths[row], target=preprocess.decode_target, box=table.boxes[row])
        strips.append(_strip(prepare(image, preprocess), change, seed=seed, row=row, views=views))
    drawn = np.concatenate(
        [np.pad(strip, ((0, GAP), (0, 0), (0, 0)), constant_values=GROUND) for strip in strips]
    )
    buffer = io.BytesIO()
    Image.fromarray(drawn[:-GAP]).save(buffer, "PNG")
    write_atomically(path, buffer.getvalue())


def _strip(picture: Pixels, change: Augment, *, seed: int, row: int, views: int) -> Pixels:
    """[h, w', 3]: a picture and its views side by side."""
    image = torch.from_numpy(picture).permute(2, 0, 1)  # [3, h, w]
    parts = [np.pad(picture, ((0, 0), (0, 2 * GAP), (0, 0)), constant_values=GROUND)]
    for view in range(views):
        changed = change(image, torch.Generator().manual_seed(seed_of(seed, row, view)))
        part = changed.permute(1, 2, 0).numpy()
        parts.append(np.pad(part, ((0, 0), (GAP, 0), (0, 0)), constant_values=GROUND))
    return np.concatenate(parts, axis=1)
