"""Changed copies of training pictures as a frozen backbone sees them: computed once, then read.

A table and an augmentation enter; the features of v random views of every picture leave. A training that
draws one of them each time sees changing pictures at the price of a few passes, not one in every epoch. The
views of a picture depend on its content, the augmentation and the seed alone, so moved files and other runs
read them back.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch

from lookalike.config import AugmentConfig
from lookalike.models.embedding import HASH_BYTES, map_in_order
from lookalike.models.model import Model
from lookalike.pictures.images import Box, open_image
from lookalike.pictures.preprocess import prepare
from lookalike.records import Floats, Pixels, Progress
from lookalike.tables.table import ImageTable
from lookalike.training.augment import make_augment
from lookalike.training.features import FeatureCache, cache_path, unusable


def table_views(
    backbone: Model,
    table: ImageTable,
    hashes: Sequence[bytes],
    *,
    augment: AugmentConfig,
    views: int,
    seed: int,
    cache_folder: Path,
    progress: Progress | None = None,
) -> Floats:
    """The backbone's features of changed pictures, computed or read back.

    Args:
        table: n pictures that can all be opened.
        hashes: their content hashes.
        views: v; more later keep those that are there.
        progress: told of pictures.

    Returns:
        [n, v, D] float32, unit rows.

    Raises:
        ImageError: a picture can no longer be opened.
        LookalikeError: the cache cannot be written.
    """
    path = cache_path(backbone, cache_folder)
    settings = json.dumps({"augment": augment.model_dump(), "seed": seed}, sort_keys=True).encode()
    pictures = list(zip(table.paths, table.boxes, hashes, strict=True))
    found = np.empty((len(pictures), views, backbone.dim), np.float32)
    threads = torch.get_num_threads()
    try:
        with FeatureCache(path, dim=backbone.dim) as cache:
            look = partial(_views_of, backbone, cache, augment, settings, views)
            for row, vectors in enumerate(map_in_order(look, pictures)):
                found[row] = vectors
                if progress is not None:
                    progress(row + 1, len(pictures))
    except (sqlite3.Error, OSError) as error:
        raise unusable(path, error) from error
    finally:
        torch.set_num_threads(threads)
    return found


def _views_of(
    backbone: Model,
    cache: FeatureCache,
    augment: AugmentConfig,
    settings: bytes,
    views: int,
    picture: tuple[Path, Box | None, bytes],
) -> Floats:
    """[v, D] of one picture."""
    path, box, digest = picture
    torch.set_num_threads(1)  # as many pictures at once as there are processors
    keys = [_key(digest, settings, view) for view in range(views)]
    known = {key: vector for key in keys if (vector := cache.get(key)) is not None}
    missing = [key for key in keys if key not in known]
    if missing:
        image = open_image(path, target=backbone.preprocess.decode_target, box=box)
        prepared = prepare(image, backbone.preprocess)
        vectors = backbone.embed_pixels(np.stack([_changed(prepared, augment, key) for key in missing]))
        cache.add(missing, vectors)
        known.update(zip(missing, vectors, strict=True))
    return np.stack([known[key] for key in keys])


def _key(digest: bytes, settings: bytes, view: int) -> bytes:
    return hashlib.blake2b(digest + view.to_bytes(4, "big") + settings, digest_size=HASH_BYTES).digest()


def _changed(prepared: Pixels, augment: AugmentConfig, key: bytes) -> Pixels:
    generator = torch.Generator().manual_seed(int.from_bytes(key[:8], "big") >> 1)
    image = torch.from_numpy(prepared).permute(2, 0, 1)  # [3, h, w]
    changed: Pixels = make_augment(augment)(image, generator).permute(1, 2, 0).numpy()
    return changed
