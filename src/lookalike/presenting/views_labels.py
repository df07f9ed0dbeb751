"""Labels that an evaluation throws doubt on: classes taken for each other, and pictures under a wrong label.

An Evaluation enters; pairs of classes, or pictures with what speaks against their label, leave. A model
cannot know which label is right: what is found here is to be looked at. Nothing is drawn here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lookalike.evaluation import Evaluation
from lookalike.judging.similarity import Doubles, Ints
from lookalike.presenting.views import COUNT, Rows, View, judged
from lookalike.ranked import ranked_row
from lookalike.records import Box, Floats, RankedRow
from lookalike.tables.roles import roles_of

EXAMPLES = 4  # pairs of pictures that show a confusion
VOTES = NEAREST = 3  # answers of another label that throw doubt on a picture's own, and that are compared
FIT = 0.4  # how well a picture has to fit another label: two in five fit their own less
SIBLINGS = 1 / 3  # of a label's pictures that may be doubted for one other label; more are a confusion
BLOCK = 1024  # queries that are compared with a class at once


@dataclass(frozen=True, slots=True)
class Example:
    """A picture, or the part in a box of it, of each of two classes; `similarity` in [-1, 1]."""

    first: Path
    second: Path
    similarity: float
    first_box: Box | None = None
    second_box: Box | None = None


@dataclass(frozen=True, slots=True)
class ConfusedClasses:
    """Two classes of which one is taken for the other.

    Attributes:
        first, second: their labels, in the alphabet's order.
        there: how many queries of `first` have a picture of `second` as their nearest; back: the other way.
        queries: how many queries the two classes have.
        examples: such queries with their nearest pictures, the most alike first.
    """

    first: str
    second: str
    there: int
    back: int
    queries: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class DoubtfulLabel:
    """A picture that would be more at home under another label.

    Attributes:
        row: the picture with its answers.
        label: the other one; votes: how many of the answers have it.
        own, other: mean similarity to the three nearest pictures of its own label, and of the other.
        fit: the share of all queries that are less at home under their own label than this one would be
            under the other, in [0, 1]; higher is surer.
    """

    row: RankedRow
    label: str
    votes: int
    own: float
    other: float
    fit: float


def confused(found: Evaluation, *, rows: Rows | None = None, count: int = COUNT) -> View[ConfusedClasses]:
    """The pairs of classes that are most often taken for each other, in either direction.

    A query is confused when its nearest picture has another label; of equally alike pictures a wrong one is
    the nearest. Pairs are in falling order of confused queries, then of the most alike example.

    Returns:
        `total` and `of` count pairs: those confused at all, and all there are.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    labels = found.table.labels
    asking = judged(found, rows)
    seen: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
    for query in asking.tolist():
        own, other = labels[found.queries[query]], labels[found.found.neighbours[query, 0]]
        if own != other:
            seen[min(own, other), max(own, other)].append(query)
    sizes = Counter(labels[found.queries[asking]].tolist())
    nearest = found.found.similarities[:, 0]
    ranked = sorted(
        seen.items(), key=lambda entry: (-len(entry[1]), -max(nearest[query] for query in entry[1]), entry[0])
    )
    classes = len(np.unique(labels))
    shown = tuple(
        _pair(found, pair, queries, queries_of=sizes[pair[0]] + sizes[pair[1]])
        for pair, queries in ranked[:count]
    )
    return View(shown, len(ranked), classes * (classes - 1) // 2)


def _pair(
    found: Evaluation, pair: tuple[str, str], queries: list[int], *, queries_of: int
) -> ConfusedClasses:
    table = found.table
    images, labels = table.frame["image"], table.frame["label"]
    there = sum(labels[int(found.queries[query])] == pair[0] for query in queries)
    shown: dict[frozenset[int], int] = {}  # two pictures that are each other's nearest show once
    for query in sorted(queries, key=lambda query: -found.found.similarities[query, 0]):
        shown.setdefault(frozenset(_rows_of(found, query)), query)
    examples = []
    for query in list(shown.values())[:EXAMPLES]:
        rows = _rows_of(found, query)
        first, second = rows if labels[rows[0]] == pair[0] else rows[::-1]
        paths = table.root / images[first], table.root / images[second]
        similarity = float(found.found.similarities[query, 0])
        examples.append(Example(*paths, similarity, table.box_of(first), table.box_of(second)))
    return ConfusedClasses(*pair, there, len(queries) - there, queries_of, tuple(examples))


def _rows_of(found: Evaluation, query: int) -> tuple[int, int]:
    """The rows of a query and of its nearest picture."""
    return int(found.queries[query]), int(found.found.neighbours[query, 0])


def doubtful(found: Evaluation, *, rows: Rows | None = None, count: int = COUNT) -> View[DoubtfulLabel]:
    """The pictures that may carry a wrong label, the surest first.

    The other label is that of most wrong answers; at least three have to have it. A picture is as much at
    home under a label as it is more alike to its three nearest pictures than to those of the rival label.
    It is listed when it would be more at home under the other label than two in five queries are under their
    own. Where so many of a label's queries point to one other label that the two classes are confused, which
    says nothing of single pictures, none of these is listed.

    With one label in 25 drawn anew, on drawings and on clusters of vectors with a recall@1 of 0.75 to 0.95,
    it listed nine in ten of the wrong ones; of those listed, seven to nine in ten were wrong.

    Raises:
        EvaluationError: a row lies outside of the table.
    """
    asking, labels = judged(found, None), found.table.labels
    names, codes = np.unique(labels, return_inverse=True)
    rivals, votes = _rivals(found, asking, codes)
    likeness = _Likeness.of(found, codes)
    own = likeness(found.queries[asking], codes[found.queries[asking]])
    other = likeness(found.queries[asking], rivals)
    lead = np.where(rivals < 0, -np.inf, other - own)
    fits = np.searchsorted(np.sort(-lead), lead, side="right") / len(lead)
    doubted = np.flatnonzero((votes >= VOTES) & (lead > 0) & (fits >= FIT))
    single = _single(codes[found.queries[asking]], rivals, doubted)
    chosen = single[np.isin(asking[single], judged(found, rows))]
    chosen = chosen[np.argsort(-lead[chosen], kind="stable")]
    shown = tuple(
        DoubtfulLabel(
            ranked_row(found.table, found.queries, found.found, int(asking[place])),
            str(names[rivals[place]]),
            int(votes[place]),
            float(own[place]),
            float(other[place]),
            float(fits[place]),
        )
        for place in chosen[:count].tolist()
    )
    return View(shown, len(chosen), len(judged(found, rows)))


def _rivals(found: Evaluation, asking: Ints, codes: Ints) -> tuple[Ints, Ints]:
    """For each query the label of most wrong answers, of equals the nearer, or -1; and how many have it."""
    rivals, votes = np.full(len(asking), -1), np.zeros(len(asking), dtype=np.int64)
    near = np.where(found.found.neighbours[asking] >= 0, codes[found.found.neighbours[asking]], -1)
    for place, (own, answers) in enumerate(zip(codes[found.queries[asking]], near, strict=True)):
        counts = Counter(answers[(answers != own) & (answers >= 0)].tolist())  # nearest first
        for rival, number in counts.most_common(1):
            rivals[place], votes[place] = rival, number
    return rivals, votes


def _single(own: Ints, rivals: Ints, doubted: Ints) -> Ints:
    """Those of the doubted whose label has few that point to the same other one."""
    sizes = np.bincount(own)
    pairs = Counter(zip(own[doubted].tolist(), rivals[doubted].tolist(), strict=True))
    few = [
        pairs[pair] <= max(1, SIBLINGS * sizes[pair[0]])
        for pair in zip(own[doubted].tolist(), rivals[doubted].tolist(), strict=True)
    ]
    return np.asarray(doubted[np.array(few, dtype=bool)])


@dataclass(frozen=True)
class _Likeness:
    """How alike pictures are to the nearest of a label, class by class and in bounded memory.

    Attributes:
        vectors: [n, d]; excluded: [n, e] codes of what is no answer to what.
        members: for each label its rows of the gallery.
    """

    vectors: Floats
    excluded: Ints
    members: list[Ints]

    @classmethod
    def of(cls, found: Evaluation, codes: Ints) -> _Likeness:
        roles = roles_of(found.table)
        order = roles.gallery[np.argsort(codes[roles.gallery], kind="stable")]
        bounds = np.searchsorted(codes[order], np.arange(1, codes.max() + 1))
        return cls(found.vectors, roles.excluded, np.split(order, bounds))

    def __call__(self, rows: Ints, labels: Ints) -> Doubles:
        """For each row the mean similarity of the nearest pictures of a label; NaN for the label -1."""
        found = np.full(len(rows), np.nan)
        for label in np.unique(labels[labels >= 0]).tolist():
            places = np.flatnonzero(labels == label)
            for start in range(0, len(places), BLOCK):
                block = places[start : start + BLOCK]
                found[block] = self._of_label(rows[block], self.members[label])
        return found

    def _of_label(self, rows: Ints, members: Ints) -> Doubles:
        similar = self.vectors[rows] @ self.vectors[members].T
        apart = (self.excluded[rows][:, None] != self.excluded[members]).all(axis=-1)
        similar = np.where(apart, similar, -np.inf)
        count = min(NEAREST, similar.shape[1])
        nearest = np.partition(similar, -count, axis=1)[:, -count:]
        some = np.isfinite(nearest)
        return np.asarray(np.where(some, nearest, 0.0).sum(axis=1) / some.sum(axis=1))
