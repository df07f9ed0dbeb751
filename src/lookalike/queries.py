"""What is asked of an index: pictures, combinations and items enter; vectors with what to leave out leave.

A query is never in its own answer: items with the same content as one of its pictures, and items of its own
files, are left out by identity, not by rank. How answers are arranged is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from lookalike.composing import Given as Given
from lookalike.composing import Picture, Weighed, combine, in_words
from lookalike.hits import Part
from lookalike.indexing.index import Index
from lookalike.indexing.selection import Selection
from lookalike.indexing.upkeep import Embed, Recent
from lookalike.models.embedding import Chunk, embed_chunks, without_bad_names
from lookalike.models.model import DEFAULT
from lookalike.records import Floats, Hits, Skipped

KEPT_CHUNKS = 128  # after so many, a picture that comes again is embedded again


@dataclass(frozen=True, slots=True)
class Own:
    """What a query is itself, by identity: no answer to it.

    Attributes:
        contents: hashes, whose items are left out; files and items likewise.
    """

    contents: tuple[bytes, ...] = ()
    files: tuple[Path, ...] = ()
    items: tuple[int, ...] = ()

    def ids(self, index: Index, same: Mapping[bytes, Sequence[int]]) -> set[int]:
        """The items that this is.

        Args:
            same: the items with each of its contents at the moment of the search: one may have come while
                queries were read.
        """
        found = set(self.items)
        for content in self.contents:
            found.update(same[content])
        for file in self.files:
            found.update(index.same_content(None, file))
        return found


@dataclass(frozen=True, slots=True)
class Query:
    """One question.

    Attributes:
        name: what it is called in its answer.
        vector: [d] float32, of unit length.
        own: what may not be answered.
        parts: of a combined one; empty for one picture.
    """

    name: str
    vector: Floats
    own: Own = Own()
    parts: tuple[Part, ...] = ()


def picture(source: Picture) -> tuple[Weighed, ...]:
    """A query that is one picture."""
    return (Weighed(source),)


def read_queries(
    index: Index, asked: Sequence[tuple[Weighed, ...]], *, copies: bool, embed: Embed | None
) -> Iterator[Query | Skipped]:
    """Embed what is asked, a few pictures at a time.

    Args:
        asked: the pictures of each query; one that the index knows is not decoded, and one that is embedded
            already is taken as it is.
        copies: whether items with the content of a query's picture may be answers.
        embed: the embedder; None is the index's model.

    Yields:
        One entry for each query, in order: the query, or its first picture that cannot be used.

    Raises:
        LookalikeError: the pictures of a combination cancel each other out.
    """
    embed = embed if embed is not None else partial(embed_chunks, index.model)
    files = [file for parts in asked for file in _files(parts)]
    memory = index.memory()
    chunks = _forgetting(embed(files, boxes=[None] * len(files), memory=memory), memory)
    seen = _one_by_one(without_bad_names(chunks, files), files)
    for parts in asked:
        pictures = [
            entry.picture if isinstance(entry.picture, Given) else next(seen, None) for entry in parts
        ]
        flaw = next((entry for entry in pictures if isinstance(entry, Skipped)), None)
        usable = [entry for entry in pictures if isinstance(entry, Given)]
        yield flaw if flaw is not None else _query(parts, usable, copies=copies)


def given_items(index: Index, ids: Sequence[int]) -> list[Given]:
    """Items of the index as pictures to ask by, each called by its path.

    Raises:
        StoreError: an id is not in the index.
    """
    with index.reading():
        vectors, facts = index.vectors(ids), index.store.facts_of(ids)
    return [
        Given(facts[number].path, vector, facts[number].hash, number)
        for number, vector in zip(ids, vectors, strict=True)
    ]


def look_up(
    index: Index, queries: Sequence[Query], *, k: int, selection: Selection, threshold: str | None
) -> list[Hits]:
    """The k most alike items of each query; with a threshold None, hits carry no verdict."""
    with index.reading():  # what is left out and what is found are of one moment
        same = index.store.ids_by_content({content for query in queries for content in query.own.contents})
        found = index.search(
            np.stack([query.vector for query in queries]),
            k=k,
            names=[query.name for query in queries],
            leave_out=[query.own.ids(index, same) for query in queries],
            threshold=DEFAULT if threshold is None else threshold,
            selection=selection,
        )
    return found if threshold is not None else list(map(_unjudged, found))


def _unjudged(found: Hits) -> Hits:
    hits = (replace(hit, match=None, probability=None, band=None) for hit in found.hits)
    return replace(found, hits=tuple(hits), threshold=None)


def _files(asked: Sequence[Weighed]) -> list[Path]:
    """The pictures that have to be opened."""
    return [Path(entry.picture) for entry in asked if not isinstance(entry.picture, Given)]


def _query(asked: tuple[Weighed, ...], pictures: Sequence[Given], *, copies: bool) -> Query:
    own = Own(
        contents=tuple(each.content for each in pictures if each.content is not None and not copies),
        files=tuple(_files(asked)),
        items=tuple(each.item for each in pictures if each.item is not None),
    )
    parts = tuple(entry.part for entry in asked)
    vector = combine(np.stack([each.vector for each in pictures]), parts)
    alone = len(parts) == 1 and parts[0].weight > 0
    return Query(parts[0].path if alone else in_words(parts), vector, own, () if alone else parts)


def _forgetting(chunks: Iterator[Chunk], memory: Recent) -> Iterator[Chunk]:
    """The same chunks; what was embedded long ago is forgotten, however many queries come."""
    for place, chunk in enumerate(chunks, start=1):
        yield chunk
        if place % KEPT_CHUNKS == 0:
            memory.forget()


def _one_by_one(chunks: Iterator[Chunk], files: Sequence[Path]) -> Iterator[Given | Skipped]:
    for chunk in chunks:
        found: dict[int, Given | Skipped] = dict(chunk.skipped)
        usable = zip(chunk.rows.tolist(), chunk.vectors, chunk.hashes, strict=True)
        found |= {row: Given(str(files[row]), vector, content) for row, vector, content in usable}
        for row in sorted(found):
            yield found[row]
