"""Attributes as queries: "smiling, not male", alone or added to a picture ("like this, but ...").

An index whose model has an attribute branch and what is stated enter, Hits leave. A match threshold is made
for two pictures and says nothing of an attribute's similarity to a picture, so these hits carry no verdict.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from lookalike.asking import Asked, answers
from lookalike.composing import Combination, Given, Picture, parts_of
from lookalike.indexing.index import Index
from lookalike.indexing.selection import ALL, Selection
from lookalike.indexing.upkeep import Embed
from lookalike.models.attributes import AttributeBranch, in_words
from lookalike.queries import Query, picture, read_queries
from lookalike.records import Floats, Hits, Skipped

STRENGTH = 2.0  # of attributes against the picture; chosen on validation pictures of the sample


def search_attributes(
    index: Index,
    stated: Mapping[str, bool] | str,
    *,
    k: int = 10,
    skip: int = 0,
    collapse: bool = False,
    selection: Selection = ALL,
) -> Hits:
    """Find the pictures of an index that show most of what is stated.

    Args:
        stated: {"smiling": True, "male": False} or "smiling=1,male=0"; what is left out is left open.
        k: answers wanted, >= 1; an index with fewer items gives fewer.
        skip, collapse: as in `search_images`.
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
    query = Query(in_words(stated), branch.encode(stated)[0])
    found = answers(index, [query], Asked(k, skip, collapse, None, selection))
    return next(entry for entry in found if isinstance(entry, Hits))


def search_composed(
    index: Index,
    images: Sequence[Picture | Combination],
    stated: Mapping[str, bool] | str,
    *,
    k: int = 10,
    skip: int = 0,
    strength: float = STRENGTH,
    copies: bool = False,
    collapse: bool = False,
    selection: Selection = ALL,
    embed: Embed | None = None,
) -> Iterator[Hits | Skipped]:
    """Find pictures like each given one, but as stated: "like this, but smiling".

    Each picture's embedding is moved towards what is stated; see `compose`. The picture itself and its copies
    are no answers.

    Args:
        images: files, inside the index or not, or embedded already, or combinations of them as in
            `search_together`.
        stated: as in `search_attributes`: what to add (True) and what to take away (False).
        k: answers wanted, >= 1.
        strength: weight of what is stated against the picture's 1, >= 0; 0 is a search by the picture alone.
        copies: answer with copies of the picture too.
        skip, collapse, embed: as in `search_images`.
        selection: what an answer has to be, beside being alike.

    Yields:
        One entry per picture, in input order: its Hits, or why it could not be used.

    Raises:
        LookalikeError, ModelError, StoreError: as in `search_attributes`.
    """
    branch = AttributeBranch(index.model)
    stated = branch.parse(stated) if isinstance(stated, str) else stated
    asked = branch.encode(stated)
    pictures = [
        picture(image) if isinstance(image, str | Path | Given) else parts_of(image) for image in images
    ]
    moved = (
        entry
        if isinstance(entry, Skipped)
        else replace(entry, vector=compose(entry.vector[None], asked, strength=strength)[0])
        for entry in read_queries(index, pictures, copies=copies, embed=embed)
    )
    yield from answers(index, moved, Asked(k, skip, collapse, None, selection))


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
