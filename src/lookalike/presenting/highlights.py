"""All that is worth a look after an evaluation, in one record: what a report and its pictures show.

An Evaluation enters; its views leave together. What each of them is stands in the views' own rooms.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from lookalike.errors import EvaluationError
from lookalike.evaluation import Evaluation
from lookalike.identification import Confusion
from lookalike.presenting.views import Rows, View, judged, missed, unmatched
from lookalike.presenting.views_labels import ConfusedClasses, DoubtfulLabel, confused, doubtful
from lookalike.presenting.views_triplets import Triplets, triplets
from lookalike.records import Labels, RankedRow

CLASSES = 16  # that have a row of their own in the table of confusions
COUNT = 6  # rows of each view
MOST_PAIRS = 200  # of confused classes, from which the classes of the table are taken


@dataclass(frozen=True)
class Highlights:
    """What is worth a look.

    Attributes:
        unmatched: None where the model has no threshold.
        triplets: None where there is no valid one.
    """

    missed: View[RankedRow]
    unmatched: View[RankedRow] | None
    confused: View[ConfusedClasses]
    doubtful: View[DoubtfulLabel]
    triplets: Triplets | None
    confusion: Confusion


def highlights(found: Evaluation, *, rows: Rows | None = None, seed: int = 0) -> Highlights:
    """Gather the views of a whole evaluation, or of some rows that ask.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    threshold = found.report.threshold
    try:
        drawn = triplets(found, rows=rows, seed=seed)
    except EvaluationError:  # nothing valid, which is no reason to show nothing else
        drawn = None
    return Highlights(
        missed(found, rows=rows, count=COUNT),
        None if threshold is None else unmatched(found, threshold.similarity, rows=rows, count=COUNT),
        confused(found, rows=rows, count=COUNT),
        doubtful(found, rows=rows, count=COUNT),
        drawn,
        confusion_table(found, rows=rows),
    )


def confusion_table(found: Evaluation, *, rows: Rows | None = None, classes: int = CLASSES) -> Confusion:
    """What the queries of each class are taken for by their nearest picture, or that nothing matches.

    Only the most confused classes have a row and a column of their own; all others share one of each, and a
    further column has their queries that are taken for another class of these, so that the diagonal is what
    is right. Without a threshold every nearest picture matches.

    Args:
        classes: at most so many stand alone, >= 2.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    asking, labels = judged(found, rows), found.table.labels
    own, taken = labels[found.queries[asking]], labels[found.found.neighbours[asking, 0]]
    names = _alone(found, rows, own, classes)
    rest = len(np.unique(labels)) - len(names)
    shown = (*names, *((f"{rest:,} others",) if rest else ()))
    place = {name: number for number, name in enumerate(names)}
    threshold = found.report.threshold
    limit = -np.inf if threshold is None else threshold.similarity
    counts = np.zeros((len(shown), len(shown) + (2 if rest else 1)), dtype=np.int64)
    for is_, as_, similarity in zip(own, taken, found.found.similarities[asking, 0], strict=True):
        row, column = place.get(is_, len(names)), place.get(as_, len(names))
        if row == column == len(names) and is_ != as_:
            column = len(shown)  # another one of the others
        counts[row, column if similarity >= limit else -1] += 1
    return Confusion(shown, counts, limit)


def _alone(found: Evaluation, rows: Rows | None, own: Labels, classes: int) -> list[str]:
    """The classes that have a row of their own: those most often confused, then the largest; by name."""
    chosen: dict[str, None] = {}
    for pair in confused(found, rows=rows, count=MOST_PAIRS).entries:
        if len({*chosen, pair.first, pair.second}) <= classes:
            chosen |= dict.fromkeys((pair.first, pair.second))
    for name, _ in sorted(Counter(own.tolist()).items(), key=lambda entry: (-entry[1], entry[0])):
        if len(chosen) < classes:
            chosen.setdefault(name)
    return sorted(chosen)
