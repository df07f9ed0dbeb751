"""Attributes as queries: "smiling, not male", alone or added to a picture ("like this, but ...").

An index whose model has an attribute branch and what is stated enter, Hits leave. A match threshold is made
for two pictures and says nothing of an attribute's similarity to a picture, so these hits carry no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from lookalike.indexing.index import Index
from lookalike.indexing.selection import ALL, Selection
from lookalike.models.attributes import AttributeBranch, in_words
from lookalike.models.embedding import Chunk, Memory, embed_chunks
from lookalike.pictures.images import Box
from lookalike.records import Floats, Hits, Skipped
from lookalike.search import search_images

STRENGTH = 2.0  # of attributes against the picture; chosen on validation pictures of the sample


def search_attributes(
    index: Index, stated: Mapping[str, bool] | str, *, k: int = 10, selection: Selection = ALL
) -> Hits:
    """Find the pictures of an index that show most of what is stated.

    Args:
        stated: {"smiling": True, "male": False} or "smiling=1,male=0"; what is left out is left open.
        k: answers wanted, >= 1; an index with fewer items gives fewer.
        selection: what an answer has to be, beside fitting.

    Returns:
        Hits, most fitting first; similarity is the cosine of attribute and picture vector, in [-1, 1],
        comparable within one query only. `match` is None.

    Raises:
        LookalikeError: nothing is stated, or an attribute that the model does not know.
        ModelError: the model was trained without attributes.
        StoreError: the index is damaged, or its model is not to be found.
    """
    branch = AttributeBranch(index.model)
    stated = branch.parse(stated) if isinstance(stated, str) else stated
    found = index.search(branch.encode(stated), k=k, names=[in_words(stated)], selection=selection)
    return _unjudged(found[0])


def search_composed(
    index: Index,
    images: Sequence[str | Path],
    stated: Mapping[str, bool] | str,
    *,
    k: int = 10,
    strength: float = STRENGTH,
    copies: bool = False,
    selection: Selection = ALL,
) -> Iterator[Hits | Skipped]:
    """Find pictures like each given one, but as stated: "like this, but smiling".

    Each picture's embedding is moved towards what is stated; see `compose`. The picture itself and its copies
    are no answers.

    Args:
        images: files, inside the index or not.
        stated: as in `search_attributes`: what to add (True) and what to take away (False).
        k: answers wanted, >= 1.
        strength: weight of what is stated against the picture's 1, >= 0; 0 is a search by the picture alone.
        copies: answer with copies of the picture too.
        selection: what an answer has to be, beside being alike.

    Yields:
        One entry per picture, in input order: its Hits, or why it could not be used.

    Raises:
        LookalikeError, ModelError, StoreError: as in `search_attributes`.
    """
    branch = AttributeBranch(index.model)
    stated = branch.parse(stated) if isinstance(stated, str) else stated
    asked = branch.encode(stated)
    plain = partial(embed_chunks, index.model)

    def embed(
        paths: Sequence[Path], *, boxes: Sequence[Box | None], memory: Memory | None
    ) -> Iterator[Chunk]:
        for chunk in plain(paths, boxes=boxes, memory=memory):
            yield replace(chunk, vectors=compose(chunk.vectors, asked, strength=strength))

    for answer in search_images(index, images, k=k, copies=copies, selection=selection, embed=embed):
        yield _unjudged(answer) if isinstance(answer, Hits) else answer


def compose(pictures: Floats, asked: Floats, *, strength: float = STRENGTH) -> Floats:
    """Move pictures towards attributes: (picture + strength · asked), to unit length.

    Attributes to take away are asked for as absent. Moving by the difference to the opposite attributes finds
    less: it goes away from what the opposite shares with the picture.

    Args:
        pictures: [n, d] float32, unit rows.
        asked: [1, d] or [n, d] float32, unit rows of the attribute branch.

    Returns:
        [n, d] float32, unit rows; a picture that the move would cancel out stays where it was.
    """
    moved = pictures + np.float32(strength) * asked
    lengths = np.linalg.norm(moved, axis=1, keepdims=True)
    composed: Floats = np.where(lengths > 1e-6, moved / np.maximum(lengths, 1e-6), pictures)
    return composed.astype(np.float32)


def _unjudged(found: Hits) -> Hits:
    hits = (replace(hit, match=None, probability=None, band=None) for hit in found.hits)
    return replace(found, hits=tuple(hits), threshold=None)
