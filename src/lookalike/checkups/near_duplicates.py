"""Near-duplicates: pictures that are one picture, saved again, scaled, cropped, turned a little or mirrored.

Rows of a table enter with their embeddings and grey prints; pairs of rows leave. Two cheap looks propose:
embeddings see through crops and turns, prints through compression and scale, each where the other is blind.
A third look at the pixels decides, so what is called a near-duplicate can be believed. Files that are equal
byte for byte, and what is to be done about a pair, are not dealt with here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.checkups.alike import AlikePairs, alike_pairs
from lookalike.checkups.looking import TARGET
from lookalike.checkups.overlay import are_mirrored, differences, print_vectors, small_picture
from lookalike.errors import ImageError
from lookalike.judging.similarity import cosine
from lookalike.models.embedding import map_in_order
from lookalike.pictures.images import Box, open_image
from lookalike.records import SILENT, Floats, Pixels, Watcher
from lookalike.tables.table import ImageTable

Rows = NDArray[np.int64]

SIMILARITY = 0.85  # of the untrained default embedding, from which on a pair is looked at
CORRELATION = 0.95  # of two grey prints, likewise
DIFFERENCE = 0.4  # at most: one picture
MOST = 20_000  # pairs that either look may propose

_CHUNK = 64  # pairs that are opened and compared at once


@dataclass(frozen=True, slots=True)
class NearDuplicates:
    """Pairs of pictures that are one picture, the most alike first.

    Attributes:
        first, second: [m] int64 rows of the table, first < second.
        similarities: [m] float32 cosine of their embeddings.
        differences: [m] float32, in [0, DIFFERENCE]: see `overlay.differences`.
        mirrored: [m] bool, whether one is the mirror image of the other.
        candidates: pairs that were proposed and looked at.
        complete: whether all were looked at; else only the most alike of them, because there were too many.
    """

    first: Rows
    second: Rows
    similarities: Floats
    differences: Floats
    mirrored: NDArray[np.bool_]
    candidates: int
    complete: bool

    def __len__(self) -> int:
        return len(self.first)


NONE = NearDuplicates(
    *(np.zeros(0, np.int64),) * 2,
    *(np.zeros(0, np.float32),) * 2,
    mirrored=np.zeros(0, np.bool_),
    candidates=0,
    complete=True,
)


def near_duplicates(
    table: ImageTable,
    rows: Rows,
    vectors: Floats,
    prints: Sequence[bytes],
    *,
    similarity: float = SIMILARITY,
    watcher: Watcher = SILENT,
) -> NearDuplicates:
    """Find the pairs of pictures that are one picture.

    Two boxes of one picture are no pair, whatever they show.

    Args:
        table: whose pictures are opened again where a pair is proposed.
        rows: [m] int64, those that are compared, rising; no two with equal content.
        vectors: [m, d] float32, their embeddings, rows of unit length.
        prints: m grey prints, see `overlay.grey_print`.
        similarity: of embeddings, from which on a pair is proposed, in (0, 1].
        watcher: told of the two stages.
    """
    by_embedding = alike_pairs(
        vectors, at_least=similarity, most=MOST, progress=watcher.stage("compare embeddings")
    )
    by_print = alike_pairs(
        print_vectors(prints), at_least=CORRELATION, most=MOST, progress=watcher.stage("compare prints")
    )
    first, second = _joined(len(rows), by_embedding, by_print)
    images = table.frame["image"].to_numpy()
    apart = images[rows[first]] != images[rows[second]]
    first, second = first[apart], second[apart]
    found, mirrored = _differences(table, rows[first], rows[second], watcher)
    same = np.flatnonzero(found <= DIFFERENCE)
    order = same[np.argsort(found[same], kind="stable")]
    return NearDuplicates(
        rows[first[order]],
        rows[second[order]],
        cosine(vectors[first[order]], vectors[second[order]]),
        found[order],
        mirrored[order],
        candidates=len(first),
        complete=by_embedding.floor == similarity and by_print.floor == CORRELATION,
    )


def _joined(count: int, *proposed: AlikePairs) -> tuple[Rows, Rows]:
    """All pairs once, by their rows, so that a picture's pairs stand together."""
    codes = np.unique(np.concatenate([pairs.first * count + pairs.second for pairs in proposed]))
    return np.divmod(codes, max(count, 1))


def _differences(
    table: ImageTable, first: Rows, second: Rows, watcher: Watcher
) -> tuple[Floats, NDArray[np.bool_]]:
    """[m] float32, infinite where a picture cannot be opened any more; and [m] whether it is mirrored."""
    found, mirrored = np.full(len(first), np.inf, np.float32), np.zeros(len(first), np.bool_)
    chunks = [slice(start, start + _CHUNK) for start in range(0, len(first), _CHUNK)]
    progress = watcher.stage("look at candidates")

    def work(chunk: slice) -> tuple[Floats, NDArray[np.bool_]]:
        return _differences_of(table, first[chunk], second[chunk])

    for chunk, part in zip(chunks, map_in_order(work, chunks), strict=True):
        found[chunk], mirrored[chunk] = part
        progress(min(chunk.stop, len(first)), len(first))
    return found, mirrored


def _differences_of(table: ImageTable, first: Rows, second: Rows) -> tuple[Floats, NDArray[np.bool_]]:
    needed = np.unique(np.concatenate([first, second]))
    part = table.take(needed)
    opened = {
        row: small
        for row, path, box in zip(needed.tolist(), part.paths, part.boxes, strict=True)
        if (small := _small(path, box)) is not None
    }
    there = np.isin(first, list(opened)) & np.isin(second, list(opened))
    found, mirrored = np.full(len(first), np.inf, np.float32), np.zeros(len(first), np.bool_)
    if there.any():
        a, b = (np.stack([opened[row] for row in rows[there].tolist()]) for rows in (first, second))
        found[there], mirrored[there] = differences(a, b), are_mirrored(a, b)
    return found, mirrored


def _small(path: Path, box: Box | None) -> Pixels | None:
    try:
        return small_picture(open_image(path, target=TARGET, box=box))
    except ImageError:
        return None  # it was there a moment ago
