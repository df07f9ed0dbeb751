"""Queries to answers: searched, put into another order, folded and cut into pages, as was asked for.

Queries that are vectors enter, Hits leave in the same order. An answer that is empty says why. What is asked
is read elsewhere, and finding the most alike is the index's work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from lookalike.collapsing import collapse, copies_from
from lookalike.hits import Hit, Hits, Rerank
from lookalike.indexing.index import Index
from lookalike.indexing.selection import Selection
from lookalike.models.verdicts import lowest_similarity
from lookalike.queries import Query, look_up
from lookalike.records import Skipped
from lookalike.reranking import CANDIDATES, scores
from lookalike.why_nothing import why_nothing

BATCH = 256  # queries searched at once
FURTHER = 4  # times as many are looked at where folding left too few


@dataclass(frozen=True, slots=True)
class Asked:
    """How to answer; see `search_images`.

    Attributes:
        threshold: whose verdicts hits carry; None: none, as for what is no question of two pictures.
        probability: that the selection's lowest similarity was chosen for; None: for none.
    """

    k: int
    skip: int
    collapse: bool
    rerank: Rerank | None
    selection: Selection
    threshold: str | None = None
    probability: float | None = None

    def __post_init__(self) -> None:
        if self.k < 1 or self.skip < 0:
            raise ValueError(f"k must be at least 1 and skip at least 0, got {self.k} and {self.skip}")

    @property
    def depth(self) -> int:
        """How many answers there must be for the page to be full."""
        return self.skip + self.k


def likely_enough(
    index: Index, selection: Selection, probability: float | None, *, threshold: str
) -> Selection:
    """The same selection, with the lowest similarity at which a match is as probable as asked for.

    Args:
        probability: in (0, 1); None asks for none.

    Raises:
        ModelError: the model has no calibration that gives probabilities.
        CalibrationError: the probability is not between 0 and 1, or no similarity is that probable.
        StoreError: no similarity of the selection's range is.
    """
    if probability is None:
        return selection
    lowest = lowest_similarity(index.model, probability, threshold=threshold)
    return replace(selection, lowest=max(lowest, selection.lowest))


def answers(index: Index, queries: Iterable[Query | Skipped], asked: Asked) -> Iterator[Hits | Skipped]:
    """Answer queries as they come, some hundred at a time; what could not be used keeps its place."""
    held: list[Query | Skipped] = []
    for entry in queries:
        held.append(entry)
        if len(held) == BATCH:
            yield from _answered(index, held, asked)
            held = []
    yield from _answered(index, held, asked)


def _answered(index: Index, held: Sequence[Query | Skipped], asked: Asked) -> Iterator[Hits | Skipped]:
    queries = [entry for entry in held if isinstance(entry, Query)]
    with index.reading():  # hits and their vectors of one moment
        found = iter(_pages(index, queries, asked) if queries else [])
    return (entry if isinstance(entry, Skipped) else next(found) for entry in held)


def _pages(index: Index, queries: Sequence[Query], asked: Asked) -> list[Hits]:
    every = (
        _distinct(index, queries, asked) if asked.collapse else _ranked(index, queries, asked, asked.depth)
    )
    pages = [_page(found, query, asked) for found, query in zip(every, queries, strict=True)]
    empty = [place for place, page in enumerate(pages) if not page.hits]
    reasons = why_nothing(
        index,
        [queries[place] for place in empty],
        [len(every[place]) for place in empty],
        selection=asked.selection,
        threshold=asked.threshold,
        probability=asked.probability,
    )
    for place, (reason, nearest) in zip(empty, reasons, strict=True):
        pages[place] = replace(pages[place], nothing=reason, nearest=nearest)
    return pages


def _page(found: Hits, query: Query, asked: Asked) -> Hits:
    shown = enumerate(found.hits[asked.skip : asked.depth], start=asked.skip + 1)
    hits = tuple(hit if hit.rank == rank else replace(hit, rank=rank) for rank, hit in shown)
    return replace(found, hits=hits, parts=query.parts)


def _ranked(index: Index, queries: Sequence[Query], asked: Asked, count: int) -> list[Hits]:
    """The first `count` answers of each; their order is that of any other count."""
    most = count if asked.rerank is None else max(count, CANDIDATES)
    found = look_up(index, queries, k=most, selection=asked.selection, threshold=asked.threshold)
    if asked.rerank is None:
        return found
    return [
        replace(
            entry, hits=_reranked(index, query, entry.hits, asked.rerank)[:count], order=asked.rerank.value
        )
        for query, entry in zip(queries, found, strict=True)
    ]


def _reranked(index: Index, query: Query, hits: tuple[Hit, ...], by: Rerank) -> tuple[Hit, ...]:
    first, rest = hits[:CANDIDATES], hits[CANDIDATES:]
    if not first:
        return hits
    values = scores(query.vector, index.vectors([hit.id for hit in first]), by=by)
    order = np.argsort(-values, kind="stable").tolist()  # of equals the more alike, then the lower id
    return (*(first[place] for place in order), *rest)


def _distinct(index: Index, queries: Sequence[Query], asked: Asked) -> list[Hits]:
    """As `_ranked`, with copies folded; looks further until there are enough, or no more."""
    alike = copies_from(index.model)
    done: dict[int, Hits] = {}
    waiting, count = list(range(len(queries))), asked.depth + 1
    while waiting:
        count *= FURTHER
        found = _ranked(index, [queries[place] for place in waiting], asked, count)
        for place, entry in zip(waiting, found, strict=True):
            folded, whole = _folded(index, entry.hits, alike=alike, most=asked.depth)
            if whole or len(entry) < count:
                done[place] = replace(entry, hits=folded)
        waiting = [place for place in waiting if place not in done]
    return [done[place] for place in range(len(queries))]


def _folded(index: Index, hits: tuple[Hit, ...], *, alike: float, most: int) -> tuple[tuple[Hit, ...], bool]:
    """Hits with their copies folded, and whether so many are there that none looked at later could change."""
    ids = [hit.id for hit in hits]
    contents = index.contents(ids)
    folded = collapse(hits, index.vectors(ids), contents, alike=alike, most=most)
    looked_at = sum(1 + len(hit.copies) for hit in folded)
    return tuple(folded), looked_at < len(hits)
