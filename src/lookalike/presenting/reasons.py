"""Which pictures of an evaluation to explain: some right matches, and the most alike wrong ones.

An Evaluation and its model enter; explanations leave. How one is made is explanation's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from lookalike.errors import ImageError
from lookalike.evaluation import Evaluation
from lookalike.judging.similarity import Ints
from lookalike.models.explanation import explain
from lookalike.models.model import Model
from lookalike.presenting.contents import Explained
from lookalike.ranked import sample

EACH = 2  # right matches, and wrong ones

Pair = tuple[int, int]  # rows of the judged table: a query and its nearest picture


def explained(found: Evaluation, model: Model, *, each: int = EACH, seed: int = 0) -> tuple[Explained, ...]:
    """Explain a fair sample of the right matches, then the wrong ones that are most alike.

    A match is a query with its nearest picture. Pictures that are gone since they were judged are left out.

    Args:
        each: how many right ones, and how many wrong ones.
        seed: of the sample.

    Raises:
        ModelError: the graph says something of its maps that is not so.
    """
    table, labels, boxes = found.table, found.table.labels, found.table.boxes
    images, made = table.frame["image"], []
    for pair in (*_right(found, each, seed), *_wrong(found, each)):
        try:
            paths = [table.root / images[row] for row in pair]
            why = explain(model, *paths, boxes=[boxes[row] for row in pair])
        except ImageError:
            continue
        made.append(Explained(why, (str(labels[pair[0]]), str(labels[pair[1]]))))
    return tuple(made)


def _right(found: Evaluation, count: int, seed: int) -> list[Pair]:
    judged = sample(found.found, count=len(found.queries), seed=seed)
    pairs = _pairs(found, np.random.default_rng(seed).permutation(judged))
    return list(islice((pair for pair in pairs if _same(found, pair)), count))


def _wrong(found: Evaluation, count: int) -> list[Pair]:
    """The most alike, one of every two classes."""
    sure = np.argsort(-found.found.similarities[:, 0], kind="stable")
    labels, chosen = found.table.frame["label"], dict[frozenset[str], Pair]()
    for pair in _pairs(found, sure[found.found.relevant[sure] > 0]):
        if not _same(found, pair):
            chosen.setdefault(frozenset((labels[pair[0]], labels[pair[1]])), pair)
    return list(chosen.values())[:count]


def _same(found: Evaluation, pair: Pair) -> bool:
    labels = found.table.frame["label"]
    return bool(labels[pair[0]] == labels[pair[1]])


def _pairs(found: Evaluation, queries: Ints) -> Iterator[Pair]:
    """Each query with its nearest picture; two that are each other's nearest once."""
    seen = set()
    for query in queries.tolist():
        pair = int(found.queries[query]), int(found.found.neighbours[query, 0])
        if frozenset(pair) not in seen:
            seen.add(frozenset(pair))
            yield pair
