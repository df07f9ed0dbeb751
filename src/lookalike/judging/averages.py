"""Averages of retrieval figures: what every query found enters; averages by class and curves over k leave.

A figure's micro average, which `metrics.summarise` makes, weighs every query alike, so that large classes
decide; its macro average weighs every class alike. Intervals are made elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.errors import EvaluationError
from lookalike.judging.metrics import Retrieval
from lookalike.judging.similarity import Doubles, Ints
from lookalike.records import Labels


@dataclass(frozen=True)
class ClassAverages:
    """The figures of every class that has a judged query.

    Attributes:
        labels: [c], rising.
        queries: [c] int64, >= 1, how many were judged.
        values: name to [c] float64 in [0, 1], the mean over these; names as in `Retrieval.values`.
    """

    labels: Labels
    queries: Ints
    values: dict[str, Doubles]


def class_averages(found: Retrieval, labels: Labels) -> ClassAverages:
    """Average every figure over the queries of each class that have a relevant item.

    Args:
        labels: [q], of the queries; where several labels are right, any others that part them.

    Raises:
        EvaluationError: the labels are not one for each query.

    >>> from lookalike.judging.metrics import retrieval
    >>> z = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8], [0, 1], [-1, 0]], dtype=np.float32)
    >>> labels = np.array(["cup", "cup", "hat", "hat", "sun"])
    >>> found = retrieval(z, labels, ks=(1,), neighbours=0)
    >>> each = class_averages(found, labels)
    >>> each.labels, each.queries, each.values["recall@1"]
    (array(['cup', 'hat'], dtype='<U3'), array([2, 2]), array([0.5, 0.5]))

    The sun stands alone: nothing can be found for it, so it is in no average.
    """
    if len(labels) != len(found.relevant):
        raise EvaluationError(
            "labels and queries do not match",
            where="labels",
            saw=f"{len(labels)} labels for {len(found.relevant)} queries",
            do="give the labels of the queries, in their order",
        )
    judged = found.relevant > 0
    names, codes, counts = np.unique(np.asarray(labels)[judged], return_inverse=True, return_counts=True)
    values = {name: np.bincount(codes, figure[judged]) / counts for name, figure in found.values.items()}
    return ClassAverages(names, counts, values)


def macro_averages(found: Retrieval, labels: Labels) -> dict[str, float]:
    """Average every figure over classes: the mean of the means of `class_averages`.

    Raises:
        EvaluationError: as `class_averages`.
    """
    return {name: float(values.mean()) for name, values in class_averages(found, labels).values.items()}


def cmc(found: Retrieval, *, last: int = 50) -> Doubles:
    """Return the cumulative matching characteristic: recall@k for k = 1 to `last`, [last] float64, rising.

    It is the share of the queries whose first right item has rank k or better; items of the query's own
    identity or group are out of its ranking, and all others of the gallery are in.

    Raises:
        EvaluationError: the ranks of the first right items were not made, as only other figures were asked.

    Reference:
        Gray et al., Evaluating Appearance Models for Recognition, PETS 2007.
    """
    judged = found.relevant > 0
    first = found.first_rank[judged]
    if np.isnan(first).any():
        raise EvaluationError(
            "the ranks of the first right items are not known",
            where="found",
            saw=f"only {', '.join(found.values)}",
            wanted="a retrieval with all its figures, or with mrr",
            do="leave out the argument figures",
        )
    hits = np.bincount(np.minimum(first, last + 1).astype(np.int64), minlength=last + 2)
    curve: Doubles = np.cumsum(hits[1 : last + 1]) / len(first)
    return curve
