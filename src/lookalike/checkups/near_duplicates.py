"""Near-duplicates: pictures that are one picture, saved again, scaled, cropped, turned a little or mirrored.

Rows of a table enter with their embeddings and grey prints; pairs of rows leave. Two cheap looks propose:
embeddings see through crops and turns, prints through compression and scale, each where the other is blind.
A third look at the pixels decides, so what is called a near-duplicate can be believed. Files that are equal
byte for byte, and what is to be done about a pair, are not dealt with here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookalike.checkups.alike import AlikePairs, alike_pairs
from lookalike.duplicates.confirming import DIFFERENCE as DIFFERENCE
from lookalike.duplicates.confirming import Opened, Place, pixel_differences
from lookalike.judging.similarity import cosine
from lookalike.pictures.prints import print_vectors
from lookalike.records import SILENT, Floats, Watcher
from lookalike.tables.table import ImageTable

Rows = NDArray[np.int64]

SIMILARITY = 0.85  # of the untrained default embedding, from which on a pair is looked at
CORRELATION = 0.95  # of two grey prints, likewise
MOST = 20_000  # pairs that either look may propose


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
        prints: m grey prints, see `prints.grey_print`.
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
    found, mirrored = pixel_differences(
        _places(table),
        rows[first],
        rows[second],
        opened=Opened(),  # what cannot be opened any more was there a moment ago
        progress=watcher.stage("look at candidates"),
    )
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


def _places(table: ImageTable) -> Callable[[Sequence[int]], list[Place]]:
    def places(rows: Sequence[int]) -> list[Place]:
        part = table.take(np.array(rows, np.int64))
        return list(zip(part.paths, part.boxes, strict=True))

    return places
