"""Queries and what they found, as rows of pictures: which of them to show, and each as a RankedRow.

A judged table and what its queries found enter; numbers of queries, or rows of pictures, leave. Nothing is
measured here, and nothing is drawn.
"""

from __future__ import annotations

import numpy as np

from lookalike.judging.metrics import Retrieval
from lookalike.judging.similarity import Ints
from lookalike.records import RankedAnswer, RankedRow
from lookalike.tables.table import ImageTable


def sample(found: Retrieval, *, count: int, seed: int, among: Ints | None = None) -> Ints:
    """Numbers of at most `count` queries that have a right answer, drawn evenly at random, rising.

    Args:
        among: numbers of the queries to draw from; None: all.
    """
    judged = _judged(found, among)
    chosen = np.random.default_rng(seed).choice(judged, size=min(count, len(judged)), replace=False)
    return np.sort(chosen)


def worst(found: Retrieval, *, count: int, among: Ints | None = None) -> Ints:
    """Numbers of the queries that did worst; none that found all it could before anything else."""
    judged = _judged(found, among)
    precision = found.values["map"][judged]
    order = np.argsort(precision, kind="stable")[:count]
    chosen: Ints = judged[order[precision[order] < 1.0]]
    return chosen


def ranked_row(table: ImageTable, queries: Ints, found: Retrieval, query: int) -> RankedRow:
    """One query with its answers, most alike first.

    Args:
        table: the judged pictures.
        queries: [q] rows of the table that asked.
        found: neighbours are rows of the table.
        query: which of the q.
    """
    images, labels = table.frame["image"], table.frame["label"]
    row = int(queries[query])
    answers = tuple(
        RankedAnswer(
            table.root / images[other],
            labels[other],
            similarity,
            labels[other] == labels[row],
            table.box_of(other),
        )
        for other, similarity in zip(
            found.neighbours[query].tolist(), found.similarities[query].tolist(), strict=True
        )
        if other >= 0
    )
    precision = float(found.values["map"][query])
    return RankedRow(table.root / images[row], labels[row], answers, precision, table.box_of(row))


def _judged(found: Retrieval, among: Ints | None) -> Ints:
    chosen = np.arange(len(found.relevant)) if among is None else among
    return np.asarray(chosen[found.relevant[chosen] > 0])
