"""How the pictures of an index look from afar: known from embedding them, or looked up in their files once.

Contents enter and get their looks and prints. What an index does not know, because it was made before looks
were kept, is found in the files and stored for the next time. A picture that cannot be opened any more is
noted as skipped. Nothing is compared here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from lookalike.duplicates.gathering import Contents
from lookalike.errors import ImageError, StoreError
from lookalike.indexing.schema import Changes
from lookalike.models.embedding import map_in_order
from lookalike.pictures.images import Box, open_picture, read_image, skipped
from lookalike.pictures.prints import PRINT, look_of
from lookalike.records import Look, Progress, Skipped

_BATCH = 4096  # looks that are stored at once
_FILES = 8  # that a worker opens at once
_TARGET = 64  # shorter side to which a JPEG is decoded


def gather_looks(contents: Contents, *, progress: Progress | None = None) -> int:
    """Fill in how the contents look.

    Args:
        progress: called with (files looked at, files that have to be).

    Returns:
        How often looks were stored in the first of the stores: by so many its generation has grown.
    """
    stored = 0
    known: dict[bytes, Look] = {}
    for store in contents.stores:
        known |= store.looks(contents.hashes)
    missing = [row for row, digest in enumerate(contents.hashes) if digest not in known]
    for batch in _looked_at(contents, missing, progress):
        known |= {contents.hashes[row]: look for row, look in batch}
        stored += _keep_looks(contents, batch)
    contents.looks = [known.get(digest) for digest in contents.hashes]
    contents.prints = np.zeros((len(contents), PRINT * PRINT), np.uint8)
    for row, look in enumerate(contents.looks):
        if look is not None:
            contents.prints[row] = np.frombuffer(look.print, np.uint8)
    return stored


def _looked_at(
    contents: Contents, rows: Sequence[int], progress: Progress | None
) -> Iterator[list[tuple[int, Look]]]:
    """Batches of looks; pictures that cannot be opened are noted."""
    chunks = [rows[start : start + _FILES] for start in range(0, len(rows), _FILES)]

    def work(chunk: Sequence[int]) -> list[Look | Skipped]:
        return [_look_at(*place) for place in contents.places(chunk)]

    batch: list[tuple[int, Look]] = []
    done = 0
    for chunk, results in zip(chunks, map_in_order(work, chunks), strict=True):
        batch += [(row, look) for row, look in zip(chunk, results, strict=True) if isinstance(look, Look)]
        contents.skipped |= {entry.path: entry for entry in results if isinstance(entry, Skipped)}
        done += len(chunk)
        if progress is not None:
            progress(done, len(rows))
        if len(batch) >= _BATCH:
            yield batch
            batch = []
    yield batch


def _look_at(path: Path, box: Box | None) -> Look | Skipped:
    try:
        content = read_image(path)
        return look_of(open_picture(content, target=_TARGET, box=box), content, box=box)
    except ImageError as error:
        return skipped(error, path)


def _keep_looks(contents: Contents, batch: Sequence[tuple[int, Look]]) -> bool:
    """Store looks for the next time; an index that cannot be written now is read all the same.

    Returns:
        Whether the first of the stores took some.
    """
    took = set()
    for number, store in enumerate(contents.stores):
        own = [
            (contents.hashes[row], look)
            for row, look in batch
            if any(entry.store == number for entry in contents.kept[row])
        ]
        if own:
            with suppress(StoreError), store.writing() as writer:
                writer.apply(Changes(looks=own))
                took.add(number)
    return 0 in took
