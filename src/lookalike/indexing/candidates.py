"""Candidates become answers: ids that somebody proposed, judged by the store's own vectors, put in order.

Queries and proposals enter, or blocks of everything; ids with exact similarities leave, most alike first,
equal ones by ascending id. Who proposes, and whether that was enough, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lookalike.indexing.neighbours import nearest, rows_of
from lookalike.indexing.vector_reading import VectorReader
from lookalike.judging.similarity import cosine
from lookalike.records import Floats, check_unit

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Queries, and what their answers have to be.

    Attributes:
        queries: [q, d] float32, rows of unit length.
        k: answers wanted, >= 1.
        leave_out: per query the ids that may not be answered; None: none.
        lowest, highest: the range of similarities, ends included.
    """

    queries: Floats
    k: int
    leave_out: Sequence[Collection[int]] | None = None
    lowest: float = -1.0
    highest: float = 1.0

    def part(self, places: Sequence[int]) -> Wanted:
        """Some of the queries, in the order of their places."""
        if list(places) == list(range(len(self.queries))):
            return self
        left_out = None if self.leave_out is None else [self.leave_out[place] for place in places]
        return Wanted(self.queries[places], self.k, left_out, self.lowest, self.highest)


def check_queries(
    queries: Floats, *, dim: int, names: Sequence[str] | None, leave_out: Sequence[Collection[int]] | None
) -> None:
    """Refuse queries that are not [q, dim] unit rows, and what does not come once for each of them.

    Raises:
        ValueError: one of these.
    """
    check_unit(queries)
    if queries.shape[1] != dim:
        raise ValueError(f"queries have {queries.shape[1]} dimensions, the index {dim}")
    for name, given in (("names", names), ("leave_out", leave_out)):
        if given is not None and len(given) != len(queries):
            raise ValueError(f"{name} has {len(given)} entries for {len(queries)} queries")


@dataclass(frozen=True, slots=True)
class Answer:
    """One query's most alike items, equal similarities by ascending id.

    Attributes:
        ids: [m] int64; similarities: [m] float32 cosine; m <= k.
        exact: whether every item that may be an answer was compared.
    """

    ids: Ids
    similarities: Floats
    exact: bool


def in_full(asked: Wanted, ids: Ids, vectors: Floats) -> list[Answer]:
    """Compare each query with all of vectors [n, d], whose ids [n] rise."""
    found = nearest(
        asked.queries,
        vectors,
        k=asked.k,
        left_out=None if asked.leave_out is None else rows_of(ids, asked.leave_out),
        lowest=asked.lowest,
        highest=asked.highest,
    )
    return [Answer(ids[entry.rows], entry.similarities, exact=True) for entry in found]


def in_blocks(asked: Wanted, blocks: Iterable[tuple[Ids, Floats]], *, allowed: Ids | None) -> list[Answer]:
    """Compare each query with all vectors, a block at a time; ids rise, and `allowed` None allows all."""
    answers = [nothing()] * len(asked.queries)
    for ids, vectors in blocks:
        if allowed is not None:
            rows = _rows_among(ids, allowed)
            ids, vectors = ids[rows], vectors[rows]
        found = in_full(asked, ids, vectors)
        answers = [merged(answer, entry, k=asked.k) for answer, entry in zip(answers, found, strict=True)]
    return answers


def judged(asked: Wanted, proposed: Ids, reader: VectorReader) -> tuple[list[Answer], Floats]:
    """Put proposals in order by the stored vectors; those that the store does not have are dropped.

    Args:
        proposed: [q, f] ids, no id twice in a row, -1 where there is none.

    Returns:
        q answers, and [q] the lowest similarity among each query's proposals, 1 where there are none.
    """
    there, vectors = reader.some_vectors(proposed[proposed >= 0])
    if not len(there):
        return [nothing(exact=False)] * len(proposed), np.ones(len(proposed), np.float32)
    rows = np.minimum(np.searchsorted(there, proposed), len(there) - 1)  # [q, f]
    similarities = cosine(asked.queries[:, None, :], vectors[rows])  # [q, f]
    known = there[rows] == proposed
    least: Floats = np.where(known, similarities, np.float32(1.0)).min(axis=1)
    fits = known & (similarities >= asked.lowest) & (similarities <= asked.highest)
    for place, ids in enumerate(asked.leave_out or ()):
        if len(ids):
            barred = np.fromiter(ids, np.int64, len(ids))  # few: who leaves out many is compared in full
            fits[place] &= (proposed[place][:, None] != barred).all(axis=1)
    similarities[~fits] = -np.inf
    order = np.lexsort((proposed, -similarities), axis=-1)[:, : asked.k]
    each = np.arange(len(proposed))[:, None]  # [q, 1]
    ids, similarities = proposed[each, order], similarities[each, order]
    kept = np.isfinite(similarities).sum(axis=1).tolist()  # what does not fit was sorted to the end
    return [Answer(ids[q, :m], similarities[q, :m], exact=False) for q, m in enumerate(kept)], least


def _rows_among(ids: Ids, allowed: Ids) -> Ids:
    """The rows of a block whose ids are among many more allowed ones; both rise."""
    if not len(ids):
        return ids
    start, end = np.searchsorted(allowed, [ids[0], ids[-1] + 1])
    return np.flatnonzero(np.isin(ids, allowed[start:end], assume_unique=True))


def merged(one: Answer, other: Answer, *, k: int) -> Answer:
    """The k most alike of two answers that have no id in common."""
    if not len(one.ids):
        return Answer(other.ids, other.similarities, one.exact and other.exact)
    ids = np.concatenate([one.ids, other.ids])
    similarities = np.concatenate([one.similarities, other.similarities])
    order = np.lexsort((ids, -similarities))[:k]
    return Answer(ids[order], similarities[order], one.exact and other.exact)


def nothing(*, exact: bool = True) -> Answer:
    """No answer at all."""
    return Answer(np.zeros(0, np.int64), np.zeros(0, np.float32), exact)
