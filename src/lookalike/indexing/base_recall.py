"""How much an approximate base finds: queries with exact answers enter; an effort and its recall leave.

The queries are the collection's own vectors; a query's own id is never an answer. The effort is chosen on one
half of them, the recall is measured on the other. Building and searching are done elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from lookalike.indexing.neighbours import UNIT_ROUNDOFF
from lookalike.indexing.probing import probed
from lookalike.judging.bounds import ErrorShare
from lookalike.records import Floats

Ids = NDArray[np.int64]
Doubles = NDArray[np.float64]

FAISS: Any = faiss  # whose stubs know less than it has
ANSWERS = 10  # of a query, by which recall is measured
FETCHES = (12, 16, 24, 32, 48, 64, 96, 128)  # candidates that may be compared exactly
RERANKED_ROWS = 200  # comparing one candidate exactly costs as much as looking at this many rows

_TIES = 64  # exact answers kept of a query: room for copies that are as alike as the tenth
_WHOLE_LISTS = 64  # up to which all lists may be looked at; beyond, a quarter of them


class ExactAnswers:
    """The most alike vectors of queries, gathered while the collection goes by.

    Attributes:
        ids: [q] int64, the queries' own ids; vectors: [q, d] float32, rows of unit length.
    """

    def __init__(self, ids: Ids, vectors: Floats) -> None:
        self.ids, self.vectors = ids, vectors
        self._best = np.full((len(ids), _TIES), -np.inf, np.float32)
        self._found = np.full((len(ids), _TIES), -1, np.int64)

    def take(self, ids: Ids, vectors: Floats) -> None:
        """Compare the queries with a part of the collection, [m] and [m, d]."""
        if not len(self.ids) or not len(ids):
            return
        fetch = min(_TIES + 1, len(ids))
        similarities, rows = faiss.knn(self.vectors, vectors, fetch, metric=faiss.METRIC_INNER_PRODUCT)
        found = ids[rows]
        similarities[found == self.ids[:, None]] = -np.inf
        together = np.concatenate([self._best, similarities], axis=1)
        order = np.argsort(-together, axis=1, kind="stable")[:, :_TIES]
        self._best = np.take_along_axis(together, order, axis=1)
        self._found = np.take_along_axis(np.concatenate([self._found, found], axis=1), order, axis=1)

    def right(self) -> tuple[Ids, Ids]:
        """[q, t] ids of all that are at least as alike as the tenth, else -2, and [q] how many are wanted.

        None are wanted of a query with so many copies that not all right answers are known.
        """
        wanted = np.minimum(np.isfinite(self._best).sum(axis=1), ANSWERS)
        last = np.take_along_axis(self._best, np.maximum(wanted - 1, 0)[:, None], axis=1)
        rounding = 4 * (self.vectors.shape[1] + 2) * UNIT_ROUNDOFF
        right = np.isfinite(self._best) & (self._best >= last - rounding)
        return np.where(right, self._found, -2), np.where(right.all(axis=1), 0, wanted).astype(np.int64)


@dataclass(frozen=True, slots=True)
class Effort:
    """How hard a base looks for ten answers, and what that finds.

    Attributes:
        probes: lists looked at; fetch: candidates compared exactly.
        recall: share of the ten most alike that are found, with its 95 % interval; of `queries` queries.
    """

    probes: int
    fetch: int
    recall: float
    low: float
    high: float
    queries: int


def choose_effort(index: Any, exact: ExactAnswers, *, recall: float) -> Effort:
    """The least effort that reaches a recall on half of the queries, measured on the other half.

    Where no effort reaches it, the one that finds most; what was measured says so.

    Args:
        index: FAISS's, by lists, with the collection's ids.
        exact: the queries. Where all are copies of each other any answer is right, and nothing is measured.
        recall: wanted share of the ten most alike, in (0, 1].
    """
    judged = np.flatnonzero(exact.right()[1])
    if len(judged) < 2:
        return Effort(1, FETCHES[0], recall=1.0, low=0.0, high=1.0, queries=0)
    chosen_on, measured_on = judged[::2], judged[1::2]
    best: tuple[bool, float, float] | None = None
    effort = (1, FETCHES[0])
    for probes in _probes(index.nlist):
        scanned = probes * index.ntotal / index.nlist
        if best is not None and best[0] and scanned >= -best[1]:
            break  # looking at the lists alone costs more than all that the best one does
        values = recall_of(index, exact, chosen_on, probes=probes)  # [fetches, q]
        spread = values.std(axis=1) / np.sqrt(max(values.shape[1], 1))
        for fetch, mean, error in zip(FETCHES, values.mean(axis=1), spread, strict=True):
            reached = bool(mean - error >= recall or mean == 1.0)
            cost = scanned + RERANKED_ROWS * fetch
            score = (reached, -cost, mean) if reached else (reached, mean, -cost)
            if best is None or score > best:
                best, effort = score, (probes, fetch)
    values = recall_of(index, exact, measured_on, probes=effort[0])[FETCHES.index(effort[1])]
    return Effort(*effort, float(values.mean()), *interval_of(values), len(values))


def recall_of(index: Any, exact: ExactAnswers, queries: Ids, *, probes: int) -> Doubles:
    """[fetches, q] share of each query's right answers among its first candidates, for each of FETCHES.

    `queries` are places in `exact`, each with an answer.
    """
    right, wanted = (part[queries] for part in exact.right())
    effort = FAISS.SearchParametersIVF(nprobe=probes)
    _, ids = probed(index, exact.vectors[queries], FETCHES[-1] + 1, effort=effort)
    hit = np.array([np.isin(*pair) for pair in zip(ids, right, strict=True)], bool).reshape(ids.shape)
    own = ids == exact.ids[queries][:, None]
    others = np.argsort(own, axis=1, kind="stable")[:, :-1]  # the query itself to the end, where it falls off
    found = np.cumsum(np.take_along_axis(hit & ~own, others, axis=1), axis=1)  # [q, most]
    shares = np.minimum(found, wanted[:, None]) / wanted[:, None]
    asked: Doubles = shares[:, [fetch - 1 for fetch in FETCHES]].T
    return asked


def interval_of(values: Doubles) -> tuple[float, float]:
    """The 95 % interval of a mean of shares, [q], each of one query.

    Answers of one query are found and missed together, so their number is reduced to that of independent
    trials with the same spread; where nothing was missed every query counts as one.

    Reference:
        Clopper and Pearson, Biometrika 26(4), 1934.
    """
    mean, error = values.mean(), values.var() / len(values)
    trials = min(mean * (1 - mean) / error, ANSWERS * len(values)) if error > 0 else len(values)
    shares = ErrorShare(np.array([1 - mean, mean]), np.full(2, max(float(trials), 1.0)))
    missed, found = shares.bounds(confidence=0.975)
    return float(1 - missed), float(found)


def _probes(lists: int) -> list[int]:
    """Numbers of lists to try, each half as many again."""
    most = max(lists // 4, min(lists, _WHOLE_LISTS))
    tried = [1]
    while tried[-1] < most:
        tried.append(min(max(tried[-1] + 1, tried[-1] * 3 // 2), most))
    return tried
