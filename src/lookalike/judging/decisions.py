"""What queries are taken for, and how often that is right, over the similarity from which it counts.

The nearest pictures of queries that were asked as known things and as strangers enter; decisions by the
nearest picture or by a vote leave, and counts that keep five outcomes apart. Which threshold is the one to
use is calibration's business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.judging.similarity import Doubles, Ints
from lookalike.judging.strangers import AskedTwice

NOTHING = -1  # taken for nothing, at any threshold
GRID = 2.0**17  # thresholds lie on multiples of 2^-17 (about 8e-6), each exact in float32

_MOST_CELLS = 2**22  # of a block of votes


@dataclass(frozen=True)
class Decisions:
    """What q queries are taken for, each asked with its class in the gallery and without it.

    Attributes:
        classes: [q] int64, what the query is.
        known: [q] bool, whether its class has a picture in its gallery; else it can only be a stranger.
        taken, similarity: [q] int64 and float64, the class it is taken for as a known thing, and how sure
            that is; -1 and -inf where there was nothing to compare with.
        stranger_taken, stranger_similarity: the same, with its class left out of the gallery.
        names: the label of each class.
        vote: how many of the nearest pictures voted.
        met: mean number of pictures that a stranger was compared with.
        images: pictures that asked or answered.
    """

    classes: Ints
    known: NDArray[np.bool_]
    taken: Ints
    similarity: Doubles
    stranger_taken: Ints
    stranger_similarity: Doubles
    names: tuple[Any, ...]
    vote: int
    met: float
    images: int


@dataclass(frozen=True)
class OpenCounts:
    """How often decisions are right when they count from a similarity on; five outcomes, no query in two.

    >>> from lookalike.judging.strangers import ask_twice
    >>> z = np.array([[1, 0], [0.8, 0.6], [0.6, 0.8]], dtype=np.float32)
    >>> found = count_at(decide(ask_twice(z, np.array(["cup", "cup", "hat"]))), 0.7)
    >>> found.right_accepts, found.wrong_accepts, found.wrong_rejects
    (1.0, 1.0, 0.0)
    >>> found.false_accepts, found.right_rejects
    (2.0, 1.0)

    The first cup is named rightly (0.8), the second is taken for the hat (0.96). As strangers the second cup
    and the hat are taken for each other, and the first cup (0.6) is turned away.

    Attributes:
        similarity: the threshold; a decision counts when its similarity >= this.
        right_accepts: known things taken for what they are.
        wrong_accepts: known things taken for something else.
        wrong_rejects: known things turned away, whatever they would have been taken for.
        false_accepts: strangers taken for something.
        right_rejects: strangers turned away.
        stranger_share: the share of strangers among all who ask that precision, f1 and accuracy assume.

    All but the last are numbers, or [t] float64 for t thresholds.

    Reference:
        Phillips, Grother and Micheals, Evaluation Methods in Face Recognition, Handbook of Face Recognition,
        2011: open-set identification.
    """

    similarity: Any
    right_accepts: Any
    wrong_accepts: Any
    wrong_rejects: Any
    false_accepts: Any
    right_rejects: Any
    stranger_share: float

    @property
    def true_identification_rate(self) -> Any:
        """Share of known things that are named rightly, in [0, 1]: what others call recall."""
        known = self.right_accepts + self.wrong_accepts + self.wrong_rejects
        return self.right_accepts / np.maximum(known, 1.0)

    @property
    def wrong_identification_rate(self) -> Any:
        """Share of known things that are taken for something else, in [0, 1]; lower is better."""
        known = self.right_accepts + self.wrong_accepts + self.wrong_rejects
        return self.wrong_accepts / np.maximum(known, 1.0)

    @property
    def false_identification_rate(self) -> Any:
        """Share of strangers that are taken for something, in [0, 1]; lower is better."""
        return self.false_accepts / np.maximum(self.false_accepts + self.right_rejects, 1.0)

    @property
    def precision(self) -> Any:
        """Share of what is accepted that is right, among who asks; 0 where nothing is accepted."""
        right = (1.0 - self.stranger_share) * self.true_identification_rate
        wrong = (1.0 - self.stranger_share) * self.wrong_identification_rate
        accepted = right + wrong + self.stranger_share * self.false_identification_rate
        return right / np.maximum(accepted, np.finfo(np.float64).tiny)

    @property
    def f1(self) -> Any:
        """The harmonic mean of precision and true-identification rate, in [0, 1]."""
        precision, recall = self.precision, self.true_identification_rate
        return 2 * precision * recall / np.maximum(precision + recall, np.finfo(np.float64).tiny)

    @property
    def accuracy(self) -> Any:
        """Share of all who ask that are named rightly or rightly turned away, in [0, 1]."""
        turned_away = 1.0 - self.false_identification_rate
        return (1.0 - self.stranger_share) * self.true_identification_rate + self.stranger_share * turned_away


def decide(asked: AskedTwice, *, vote: int = 1) -> Decisions:
    """Say what every query is taken for.

    One vote: the label of the nearest picture, and how alike it is. Several: the label that most of the
    nearest pictures carry; of labels with as many votes that of the most similar picture. A vote is as sure
    as its most similar voter is alike, so a threshold means the same for labels of few and of many pictures.
    Of equally similar pictures those of other labels come first, so ties count against the system.

    Args:
        vote: how many of the nearest pictures vote, from 1 to as many as `asked` has.
    """
    if not 1 <= vote <= asked.own.shape[1]:
        raise ValueError(f"vote must be between 1 and {asked.own.shape[1]}, got {vote}")
    own, others, classes = asked.own[:, :vote], asked.others[:, :vote], asked.others_classes[:, :vote]
    stranger_taken, stranger_similarity = _elected(others, classes)
    near = np.concatenate([others, own], axis=1)  # of equals the first comes first
    labels = np.concatenate([classes, np.broadcast_to(asked.classes[:, None], own.shape)], axis=1)
    labels = np.where(np.isneginf(near), NOTHING, labels)
    order = np.argsort(-near, axis=1, kind="stable")[:, :vote]
    near, labels = np.take_along_axis(near, order, axis=1), np.take_along_axis(labels, order, axis=1)
    taken, similarity = _elected(near, labels)
    return Decisions(
        asked.classes,
        ~np.isneginf(asked.own[:, 0]),
        taken,
        similarity,
        stranger_taken,
        stranger_similarity,
        asked.names,
        vote,
        float(asked.others_met.mean()),
        asked.images,
    )


def count_at(decisions: Decisions, similarity: float | Doubles, *, stranger_share: float = 0.5) -> OpenCounts:
    """Count the outcomes at one threshold, or at each of [t].

    Args:
        similarity: decisions count when theirs is >= this.
        stranger_share: see `OpenCounts`; in [0, 1].
    """
    known = decisions.similarity[decisions.known]
    right = (decisions.taken == decisions.classes)[decisions.known]
    strangers = decisions.stranger_similarity
    rights, wrongs = _at_least(known[right], similarity), _at_least(known[~right], similarity)
    falses = _at_least(strangers, similarity)
    return OpenCounts(
        similarity,
        rights,
        wrongs,
        len(known) - rights - wrongs,
        falses,
        len(strangers) - falses,
        stranger_share,
    )


def open_curve(decisions: Decisions, *, stranger_share: float = 0.5) -> OpenCounts:
    """Count the outcomes at every threshold that makes a difference, falling, [t].

    Raises:
        EvaluationError: no picture has another of its label, so that nothing can be known.
    """
    _check_known(decisions)
    similar = np.concatenate([decisions.similarity[decisions.known], decisions.stranger_similarity])
    edges = np.unique(np.floor(similar[np.isfinite(similar)] * GRID) / GRID)[::-1]
    return count_at(decisions, edges, stranger_share=stranger_share)


def _elected(similar: Doubles, labels: Ints) -> tuple[Ints, Doubles]:
    """The winner among each row of voters, most similar first, and its most similar voter's similarity."""
    count, k = labels.shape
    places = np.zeros(count, np.int64)
    size = max(1, _MOST_CELLS // k**2)
    for start in range(0, count, size) if k > 1 else ():
        part = labels[start : start + size]
        votes = (part[:, :, None] == part[:, None, :]).sum(axis=2)
        places[start : start + size] = np.where(part == NOTHING, 0, votes).argmax(axis=1)
    rows = np.arange(count)
    return labels[rows, places], similar[rows, places]


def _at_least(values: Doubles, limits: float | Doubles) -> Any:
    reached = len(values) - np.searchsorted(np.sort(values), limits)
    return reached.astype(np.float64) if isinstance(limits, np.ndarray) else float(reached)


def _check_known(decisions: Decisions) -> None:
    if not decisions.known.any():
        raise EvaluationError(
            "nothing can be known",
            where="labels",
            saw=f"{len(decisions.known):,} pictures, none with another of its label in the gallery",
            wanted="labels that occur at least twice",
            do="give several pictures of a thing",
        )
