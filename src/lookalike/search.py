"""Pictures, combinations of them and items as queries: each is answered from an index, or is of no use.

What is asked enters, Hits leave in the same order. How queries are read, and answers put together, is told in
`queries` and `asking`; how hits are shown is the door's business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lookalike.asking import Asked, answers, likely_enough
from lookalike.composing import Combination, Picture, parts_of
from lookalike.hits import Rerank
from lookalike.indexing.index import Index
from lookalike.indexing.selection import ALL, Selection
from lookalike.indexing.upkeep import Embed
from lookalike.models.model import DEFAULT
from lookalike.queries import given_items, picture, read_queries
from lookalike.records import Hits, Skipped
from lookalike.reranking import rerank_named


def search_images(
    index: Index,
    queries: Sequence[Picture],
    *,
    k: int = 10,
    skip: int = 0,
    copies: bool = False,
    collapse: bool = False,
    rerank: Rerank | str | None = None,
    probability: float | None = None,
    threshold: str = DEFAULT,
    selection: Selection = ALL,
    embed: Embed | None = None,
) -> Iterator[Hits | Skipped]:
    """Answer each picture with the k most alike pictures of an index.

    Copies of a query, byte for byte, are the same thing as the query: they are left out too, unless they are
    asked for. The query's own file never is an answer. An answer is never filled up: where nothing is what it
    has to be, it is empty, and its `nothing` says why.

    Args:
        queries: files, inside the index or not; one that the index knows is not decoded. Or pictures that are
            embedded already, as `Given`.
        k: answers wanted, >= 1; an index with fewer items gives fewer.
        skip: answers that are passed over, >= 0: those of earlier pages. While the index does not change,
            pages of exact answers do not overlap.
        copies: answer with copies of the query too.
        collapse: fold answers that are copies of a better one into it, see `collapsing`; k counts what stays.
        rerank: another order of the 200 most alike, see `reranking`; None: by similarity.
        probability: that a match is to have at least, in (0, 1).
        threshold: the name of one of the model's thresholds.
        selection: what an answer has to be, beside being alike.
        embed: the embedder; None is the index's model.

    Yields:
        One entry per query, in input order: its Hits, or why it could not be used.

    Raises:
        StoreError: the index is damaged, its model is not to be found, or the selection is not understood.
        ModelError: the model has no such threshold, or no probabilities where one is asked for.
        CalibrationError: no similarity is as probable as asked for.
        LookalikeError: there is no such way of re-ranking.
    """
    among = likely_enough(index, selection, probability, threshold=threshold)
    asked = Asked(k, skip, collapse, rerank_named(rerank), among, threshold, probability)
    pictures = [picture(query) for query in queries]
    yield from answers(index, read_queries(index, pictures, copies=copies, embed=embed), asked)


def search_together(
    index: Index,
    combinations: Sequence[Combination],
    *,
    k: int = 10,
    skip: int = 0,
    copies: bool = False,
    collapse: bool = False,
    rerank: Rerank | str | None = None,
    selection: Selection = ALL,
    embed: Embed | None = None,
) -> Iterator[Hits | Skipped]:
    """Answer each combination of pictures with the k pictures of an index that are most alike to it.

    All pictures of a combination are left out of its answer, by identity, and so are copies of them. A
    threshold is made for two pictures, so these hits carry no verdict.

    Args:
        combinations: {"a.jpg": 1, "b.jpg": -0.5} is a, away from b by half; see `combine`. Pairs of picture
            and weight do as well as a mapping, and a picture may be embedded already, as `Given`.
        k, skip, copies, collapse, rerank, selection, embed: as in `search_images`.

    Yields:
        One entry per combination, in input order: its Hits, or its first picture that cannot be used.

    Raises:
        LookalikeError: a combination without a picture that weighs something, pictures that cancel each other
            out, or as in `search_images`.
        StoreError: as in `search_images`.
    """
    asked = Asked(k, skip, collapse, rerank_named(rerank), selection)
    parts = [parts_of(combination) for combination in combinations]
    yield from answers(index, read_queries(index, parts, copies=copies, embed=embed), asked)


def search_ids(
    index: Index,
    ids: Sequence[int],
    *,
    k: int = 10,
    skip: int = 0,
    copies: bool = False,
    collapse: bool = False,
    rerank: Rerank | str | None = None,
    probability: float | None = None,
    threshold: str = DEFAULT,
    selection: Selection = ALL,
) -> list[Hits]:
    """Answer each item with the k most alike other items; its copies are left out as well.

    Args:
        ids: of items, as hits have them.
        k, skip, copies, collapse, rerank, probability, threshold, selection: as in `search_images`.

    Raises:
        StoreError: an id is not in the index, or as in `search_images`.
        ModelError, CalibrationError, LookalikeError: as in `search_images`.
    """
    among = likely_enough(index, selection, probability, threshold=threshold)
    asked = Asked(k, skip, collapse, rerank_named(rerank), among, threshold, probability)
    pictures = [picture(item) for item in given_items(index, ids)]
    found = answers(index, list(read_queries(index, pictures, copies=copies, embed=None)), asked)
    return [entry for entry in found if isinstance(entry, Hits)]
