"""What is asked of an index: pictures, combinations and items enter; vectors with what to leave out leave.

A query is never in its own answer: items with the same content as one of its pictures, and items of its own
files, are left out by identity, not by rank. How answers are arranged is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from lookalike.composing import combine, in_words
from lookalike.hits import Part
from lookalike.indexing.index import Index
from lookalike.indexing.selection import Selection
from lookalike.indexing.upkeep import Embed
from lookalike.models.embedding import Chunk, embed_chunks, without_bad_names
from lookalike.models.model import DEFAULT
from lookalike.records import Floats, Hits, Skipped

Seen = tuple[Floats, bytes]  # a picture's vector [d] and content hash


@dataclass(frozen=True, slots=True)
class Query:
    """One question.

    Attributes:
        name: what it is called in its answer.
        vector: [d] float32, of unit length.
        own: ids of items that may not be answered.
        parts: of a combined one; empty for one picture.
    """

    name: str
    vector: Floats
    own: Collection[int]
    parts: tuple[Part, ...] = ()


def picture(path: str | Path) -> tuple[Part, ...]:
    """A query that is one picture."""
    return (Part(str(path), 1.0),)


def read_queries(
    index: Index, asked: Sequence[tuple[Part, ...]], *, copies: bool, embed: Embed | None
) -> Iterator[Query | Skipped]:
    """Embed what is asked, a few pictures at a time.

    Args:
        asked: the pictures of each query; one that the index knows is not decoded.
        copies: whether items with the content of a query's picture may be answers.
        embed: the embedder; None is the index's model.

    Yields:
        One entry for each query, in order: the query, or its first picture that cannot be used.

    Raises:
        LookalikeError: the pictures of a combination cancel each other out.
    """
    embed = embed if embed is not None else partial(embed_chunks, index.model)
    files = [Path(part.path) for parts in asked for part in parts]
    chunks = embed(files, boxes=[None] * len(files), memory=index.memory())
    seen = _one_by_one(without_bad_names(chunks, files))
    for parts in asked:
        pictures = list(islice(seen, len(parts)))
        flaw = next((entry for entry in pictures if isinstance(entry, Skipped)), None)
        usable = [entry for entry in pictures if not isinstance(entry, Skipped)]
        yield flaw if flaw is not None else _query(index, parts, usable, copies=copies)


def item_queries(index: Index, ids: Sequence[int], *, copies: bool) -> Iterator[Query]:
    """Ask by items of the index.

    Raises:
        StoreError: an id is not in the index.
    """
    for number in ids:
        facts, vector = index.item(number)
        own = [number] if copies else index.same_content(facts.hash)
        yield Query(facts.path, vector, own)


def look_up(
    index: Index, queries: Sequence[Query], *, k: int, selection: Selection, threshold: str | None
) -> list[Hits]:
    """The k most alike items of each query; with a threshold None, hits carry no verdict."""
    found = index.search(
        np.stack([query.vector for query in queries]),
        k=k,
        names=[query.name for query in queries],
        leave_out=[query.own for query in queries],
        threshold=DEFAULT if threshold is None else threshold,
        selection=selection,
    )
    return found if threshold is not None else list(map(_unjudged, found))


def _unjudged(found: Hits) -> Hits:
    hits = (replace(hit, match=None, probability=None, band=None) for hit in found.hits)
    return replace(found, hits=tuple(hits), threshold=None)


def _query(index: Index, parts: tuple[Part, ...], pictures: Sequence[Seen], *, copies: bool) -> Query:
    own = {
        item
        for part, (_, content) in zip(parts, pictures, strict=True)
        for item in index.same_content(None if copies else content, Path(part.path))
    }
    vector = combine(np.stack([vector for vector, _ in pictures]), parts)
    alone = len(parts) == 1 and parts[0].weight > 0
    return Query(parts[0].path if alone else in_words(parts), vector, own, () if alone else parts)


def _one_by_one(chunks: Iterator[Chunk]) -> Iterator[Seen | Skipped]:
    for chunk in chunks:
        found: dict[int, Seen | Skipped] = dict(chunk.skipped)
        usable = zip(chunk.rows.tolist(), chunk.vectors, chunk.hashes, strict=True)
        found |= {row: (vector, content) for row, vector, content in usable}
        for row in sorted(found):
            yield found[row]
