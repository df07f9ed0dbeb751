"""Which known thing is it: what the nearest picture of an index says, against what is known of the queries.

Answers of an index and the table that the queries came from enter, or decisions of a judgement; counts,
similarities and ranked rows leave. That a query is never its own answer is the search's work, and which
similarity means a match is the calibration's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging.decisions import Decisions
from lookalike.records import Floats, Hits, PairHistogram, RankedAnswer, RankedRow, Skipped
from lookalike.tables.table import ImageTable

Ints = NDArray[np.int64]
Answers = Iterable[Hits | Skipped]
Asked = tuple[Hits, str]  # a query's answers and its own label

BINS = 2**22  # of a histogram of similarities, as over pairs
NO_MATCH = "no match"


@dataclass(frozen=True)
class Confusion:
    """What the queries of each label were taken for.

    Attributes:
        labels: the c labels of queries and of their nearest pictures, sorted.
        counts: [c, c + 1] int64; row: the query's label; column: that of the nearest picture, the last one
            for queries whose nearest picture is less alike than the threshold. Where the last label stands
            for several, [c, c + 2]: the last column but one is for those taken for another one of these.
        threshold: a picture is taken for the nearest one's label when their similarity >= this.
        strangers: [c + 1] int64, what queries were taken for that are none of these; None: nobody asked so.
    """

    labels: tuple[str, ...]
    counts: Ints
    threshold: float
    strangers: Ints | None = None

    @property
    def queries(self) -> int:
        """How many there are, without the strangers."""
        return int(self.counts.sum())

    @property
    def matched(self) -> float:
        """Share of the queries that were taken for something, in [0, 1]."""
        return float(self.counts[:, :-1].sum()) / self.queries

    @property
    def right(self) -> float:
        """Share of all queries that were taken for what they are, in [0, 1]."""
        return float(np.trace(self.counts)) / self.queries

    @property
    def precision(self) -> float:
        """Share of the matched queries that were taken for what they are; 0 where nothing matched."""
        return float(np.trace(self.counts)) / max(int(self.counts[:, :-1].sum()), 1)


def confusion(answers: Answers, table: ImageTable, *, threshold: float | None = None) -> Confusion:
    """Count what the nearest picture of an index says each query is.

    Args:
        answers: as `search_images` gives them, one or more hits a query; pictures that could not be used are
            passed over. A query without any hit has no match.
        table: whose pictures were asked for, with their labels.
        threshold: None takes the one that the answers were given with, the model's.

    Raises:
        EvaluationError: there is no threshold, no answer, an answer to a picture that is not in the table,
            a picture of which the table has several rows, or a nearest picture without a label.
        TableError: a picture of the table has no label.
    """
    asked = list(_asked(answers, table))
    limit = _limit(asked, threshold)
    labels = sorted({label for _, label in asked} | {_label(hits) for hits, _ in asked if len(hits)})
    place = {label: number for number, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels) + 1), np.int64)
    for hits, label in asked:
        matches = len(hits) > 0 and hits.hits[0].similarity >= limit
        counts[place[label], place[_label(hits)] if matches else len(labels)] += 1
    return Confusion(tuple(labels), counts, limit)


def open_confusion(decisions: Decisions, *, threshold: float) -> Confusion:
    """Count what known things are taken for, a row each, and what strangers are, in one row for all of them.

    A stranger is a picture that is asked without its label in the gallery.

    Args:
        threshold: a query is taken for something when the decision's similarity >= this.
    """
    names = [str(name) for name in decisions.names]
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.argsort(np.array([*order, len(names)]))  # of each class among the sorted ones
    known, last = decisions.known, len(names)
    taken = np.where(decisions.similarity >= threshold, decisions.taken, last)[known]
    counts = np.zeros((last, last + 1), np.int64)
    np.add.at(counts, (place[decisions.classes[known]], place[taken]), 1)
    intruded = np.where(decisions.stranger_similarity >= threshold, decisions.stranger_taken, last)
    strangers = np.bincount(place[intruded], minlength=last + 1)
    return Confusion(tuple(names[code] for code in order), counts, threshold, strangers)


def nearest_pairs(answers: Answers, table: ImageTable) -> PairHistogram:
    """How alike each query and its nearest picture are, those of one label and those of two apart.

    As a PairHistogram it gives curves and thresholds as all pairs do. They say less: a query that is turned
    away though it is known counts against recall only where its nearest picture was the right one.

    Args:
        answers, table: as in `confusion`.

    Raises:
        EvaluationError, TableError: as in `confusion`, save that no threshold is needed.
    """
    asked = [(hits, label) for hits, label in _asked(answers, table) if len(hits)]
    right = np.array([_label(hits) == label for hits, label in asked], bool)
    similarities = np.array([hits.hits[0].similarity for hits, _ in asked], np.float32)
    return PairHistogram(same=_counted(similarities[right]), different=_counted(similarities[~right]))


def ranked_rows(answers: Answers, table: ImageTable) -> tuple[RankedRow, ...]:
    """The answers as rows of pictures to draw, each marked right or wrong.

    The average precision of a row is that of the answers shown: of those that are right, the mean share of
    right ones down to there; 0 where none is.

    Args:
        answers, table: as in `confusion`.

    Raises:
        EvaluationError, TableError: as in `confusion`, save that no threshold is needed.
    """
    return tuple(_row(hits, label) for hits, label in _asked(answers, table))


def _asked(answers: Answers, table: ImageTable) -> Iterator[Asked]:
    labels = dict(zip(map(str, table.paths), table.labels.tolist(), strict=True))
    if len(labels) < len(table):
        do = "a search asks for whole pictures: give a table with one row for each"
        raise _nothing(table.root.as_posix(), saw="several rows of one picture", do=do)
    given = [answer for answer in answers if isinstance(answer, Hits)]
    if not given:
        raise _nothing("answers", saw="not one query that could be used", do="ask for pictures of the table")
    for hits in given:
        if hits.query not in labels:
            do = "give the table whose paths were asked for"
            raise _nothing(hits.query, saw="a query that is not in the table", do=do)
        yield hits, labels[hits.query]


def _limit(asked: Sequence[Asked], threshold: float | None) -> float:
    limit = asked[0][0].threshold if threshold is None else threshold
    if limit is None:
        do = "lookalike calibrate MODEL DATA makes one; or give threshold=0.8, for example"
        raise _nothing("threshold", saw="answers of a model that has none", do=do)
    return limit


def _label(hits: Hits) -> str:
    label = hits.hits[0].label
    if label is None:
        do = "index pictures in folders of their label, or a manifest with a column label"
        raise _nothing(hits.hits[0].path, saw="a picture of the index without a label", do=do)
    return label


def _nothing(where: str, *, saw: str, do: str) -> EvaluationError:
    return EvaluationError("answers cannot be judged", where=where, saw=saw, do=do)


def _counted(similarities: Floats) -> Ints:
    bins = np.clip(np.floor((similarities.astype(np.float64) + 1.0) * (BINS / 2)), 0, BINS - 1)
    return np.bincount(bins.astype(np.int64), minlength=BINS)


def _row(hits: Hits, label: str) -> RankedRow:
    answers = tuple(
        RankedAnswer(Path(hit.path), hit.label or "", hit.similarity, hit.label == label) for hit in hits.hits
    )
    right = np.array([answer.right for answer in answers], bool)
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    average = float(precision[right].mean()) if right.any() else 0.0
    return RankedRow(Path(hits.query), label, answers, average)
