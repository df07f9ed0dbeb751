"""Which pairs of pictures are worth a look at their pixels: vectors and grey prints enter, pairs leave.

Embeddings see through crops, turns and marks, prints through compression and scale, each where the other is
blind; what either proposes is taken. Up to some size of set no pair is missed, beyond it nearly none.
Nothing is opened here and nothing is decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookalike.checkups.alike import AlikePairs, across_pairs, alike_pairs
from lookalike.duplicates.forest import forest_pairs
from lookalike.pictures.prints import PRINT, centred
from lookalike.records import SILENT, Floats, Watcher

Rows = NDArray[np.int64]
Prints = NDArray[np.uint8]  # [n, 256]
Flags = NDArray[np.bool_]

SIMILARITY = 0.8  # of the untrained default embedding, from which on a pair is looked at
CORRELATION = 0.9  # of two grey prints, likewise
COMPARED_IN_FULL = 50_000  # pictures; beyond, all pairs would take minutes

_MOST = 10  # pairs a picture in the mean that either look may propose
_FEW = 1000  # pictures, below which as many pairs may be proposed as for so many
_HALF = PRINT // 2


@dataclass(frozen=True, slots=True)
class Proposals:
    """Pairs of rows worth a look, each once, by their rows.

    Attributes:
        first, second: [m] int64, first < second.
        complete: whether none was left out because there were too many.
    """

    first: Rows
    second: Rows
    complete: bool


def propose(
    vectors: Floats,
    prints: Prints,
    *,
    similarity: float = SIMILARITY,
    correlation: float = CORRELATION,
    mirrored: bool = False,
    library: Flags | None = None,
    watcher: Watcher = SILENT,
) -> Proposals:
    """Find the pairs that embeddings or prints hold for one picture.

    Args:
        vectors: [n, d] float32, rows of unit length.
        prints: [n, 256] uint8; a print of one grey proposes nothing.
        similarity, correlation: from which on the one and the other proposes, in (0, 1].
        mirrored: whether prints look for mirror images too; embeddings see them anyway.
        library: [n], pairs of which one is in it and the other is not are wanted alone; None: all are.
        watcher: told of the stages.
    """
    by_embedding = propose_alike(vectors, at_least=similarity, library=library, watcher=watcher)
    drawn = np.flatnonzero(prints.max(axis=1, initial=0) > prints.min(axis=1, initial=255))
    looks, flags = print_rows(prints[drawn]), None if library is None else library[drawn]
    by_print = [_alike(looks, correlation, flags, watcher, "compare prints")]
    if mirrored:
        flipped = prints[drawn].reshape(-1, PRINT, PRINT)[:, :, ::-1].reshape(len(drawn), -1)
        by_print.append(_mirrored(looks, print_rows(flipped), correlation, flags, watcher))
    pairs = [(each.first, each.second) for each in by_print]
    pairs = [(by_embedding.first, by_embedding.second), *((drawn[a], drawn[b]) for a, b in pairs)]
    complete = by_embedding.complete and all(each.floor <= correlation for each in by_print)
    return Proposals(*_once(len(vectors), pairs), complete)


def propose_alike(
    vectors: Floats, *, at_least: float, library: Flags | None = None, watcher: Watcher = SILENT
) -> Proposals:
    """Find the pairs whose embeddings are alike by at least so much; the rest as of `propose`."""
    found = _alike(vectors, at_least, library, watcher, "compare embeddings")
    return Proposals(*_once(len(vectors), [(found.first, found.second)]), found.floor <= at_least)


def print_rows(prints: Prints) -> Floats:
    """Grey prints as [n, 64] float32 unit vectors of their 8 x 8 means, whose cosine is their correlation.

    Finer than that, copies differ more than they agree, and four times as much has to be compared.
    """
    values = prints.reshape(-1, _HALF, 2, _HALF, 2).astype(np.float32).mean(axis=(2, 4))
    return centred(values.reshape(len(prints), _HALF * _HALF))


def _alike(
    vectors: Floats, at_least: float, library: Flags | None, watcher: Watcher, stage: str
) -> AlikePairs:
    progress = watcher.stage(stage)
    most = _MOST * max(len(vectors), _FEW)
    if library is not None:
        old, new = np.flatnonzero(library), np.flatnonzero(~library)
        if len(old) * len(new) <= COMPARED_IN_FULL**2:
            return across_pairs(vectors, new, old, at_least=at_least, most=most, progress=progress)
    if len(vectors) <= COMPARED_IN_FULL:
        return alike_pairs(vectors, at_least=at_least, most=most, progress=progress)
    found = forest_pairs(vectors, at_least=at_least, most=most, progress=progress)
    return found if library is None else _across(found, library)


def _across(found: AlikePairs, library: Flags) -> AlikePairs:
    apart = library[found.first] != library[found.second]
    return AlikePairs(found.first[apart], found.second[apart], found.similarities[apart], found.floor)


def _mirrored(
    looks: Floats, flipped: Floats, correlation: float, library: Flags | None, watcher: Watcher
) -> AlikePairs:
    """The pairs of a picture with another one's mirror image."""
    count = len(looks)
    flags = np.repeat([False, True], count)
    both = np.concatenate([looks, flipped])
    found = _alike(both, correlation, flags, watcher, "compare mirrored prints")
    first, second = np.minimum(found.first, found.second), np.maximum(found.first, found.second) - count
    wanted = (first < count) & (second >= 0)
    if library is not None:
        wanted &= library[first % count] != library[second % count]
    return AlikePairs(first[wanted], second[wanted], found.similarities[wanted], found.floor)


def _once(count: int, pairs: list[tuple[Rows, Rows]]) -> tuple[Rows, Rows]:
    """All pairs once, by their rows, so that a picture's pairs stand together; none with itself."""
    first = np.concatenate([first for first, _ in pairs])
    second = np.concatenate([second for _, second in pairs])
    low, high = np.minimum(first, second), np.maximum(first, second)
    apart = low < high
    return np.divmod(np.unique(low[apart] * count + high[apart]), max(count, 1))
