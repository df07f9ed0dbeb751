"""Wrong decisions and how many independent ones they are worth: decisions enter; shares of errors leave.

An error counts for the class that asked and for the class it was taken for, as either might not have been
there: a thing that many strangers look like widens a bound as much as a stranger that looks like many things.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.judging.bounds import ErrorShare, error_share
from lookalike.judging.decisions import NOTHING, Decisions, OpenCounts
from lookalike.judging.similarity import Doubles, Ints

_CANDIDATES = 400  # thresholds that are tried, at even steps of the logarithm of what is accepted
_FEWEST_CANDIDATES = 50
_MOST_CELLS = 2**22  # classes x candidates


def candidates(curve: OpenCounts, *, classes: int) -> Doubles:
    """Thresholds to try, rising; where they lie does not depend on which decisions are right."""
    accepted = curve.right_accepts + curve.wrong_accepts + curve.false_accepts
    count = max(_FEWEST_CANDIDATES, min(_CANDIDATES, _MOST_CELLS // classes))
    places = np.searchsorted(accepted, np.geomspace(1.0, accepted[-1], count))
    return np.unique(curve.similarity[np.minimum(places, len(accepted) - 1)])


@dataclass(frozen=True)
class Errors:
    """Wrong decisions, [e]: which class asked, what it was taken for, how surely, and the error's weight."""

    classes: Ints
    taken: Ints
    similarity: Doubles
    weights: Doubles

    @classmethod
    def of_strangers(cls, found: Decisions, weight: float) -> Errors:
        """Strangers that are taken for something, at some threshold."""
        there = found.stranger_taken != NOTHING
        weights = np.full(int(there.sum()), weight)
        return cls(
            found.classes[there], found.stranger_taken[there], found.stranger_similarity[there], weights
        )

    @classmethod
    def of_known(cls, found: Decisions, weight: float) -> Errors:
        """Known things that are taken for something else, at some threshold."""
        wrong = found.known & (found.taken != found.classes)
        weights = np.full(int(wrong.sum()), weight)
        return cls(found.classes[wrong], found.taken[wrong], found.similarity[wrong], weights)

    def __add__(self, other: Errors) -> Errors:
        mine, theirs = (vars(errors).values() for errors in (self, other))
        return Errors(*(np.concatenate(both) for both in zip(mine, theirs, strict=True)))

    def by_class(self, edges: Doubles, count: int) -> Doubles:
        """Their weight for either class, [c, t], edges falling."""
        asked = _accepted(self.classes, self.similarity, self.weights, edges, count)
        return asked + _accepted(self.taken, self.similarity, self.weights, edges, count)

    def shared(self, edges: Doubles, count: int) -> Doubles:
        """The squared weight that two classes have in common, summed over all twos; [t], edges falling."""
        twos = np.minimum(self.classes, self.taken) * count + np.maximum(self.classes, self.taken)
        order = np.lexsort((-self.similarity, twos))
        weights, starts = self.weights[order], np.flatnonzero(np.diff(twos[order], prepend=-1))
        before = np.cumsum(weights) - weights
        before -= np.repeat(before[starts], np.diff(np.append(starts, len(order))))
        growth = weights * (2 * before + weights)  # of the square, by each error more
        (shared,) = _accepted(np.zeros_like(twos), self.similarity[order], growth, edges, 1)
        return np.asarray(shared)


def of_strangers(decisions: Decisions, edges: Doubles, sure: float) -> ErrorShare:
    """The share of strangers that are taken for something, at falling thresholds."""
    asked = np.bincount(decisions.classes, minlength=len(decisions.names))
    return _of_asked(Errors.of_strangers(decisions, 1.0), asked, edges, sure)


def of_known(decisions: Decisions, edges: Doubles, sure: float) -> ErrorShare:
    """The share of known things that are taken for another, at falling thresholds."""
    asked = np.bincount(decisions.classes[decisions.known], minlength=len(decisions.names))
    return _of_asked(Errors.of_known(decisions, 1.0), asked, edges, sure)


def _of_asked(wrong: Errors, asked: Ints, edges: Doubles, sure: float) -> ErrorShare:
    """The share of errors among [c] that asked; each could have been taken for any class."""
    count, total = len(asked), np.full(len(edges), float(asked.sum()))
    trials = np.broadcast_to((asked + asked.sum() / count)[:, None], (count, len(edges)))
    shared = wrong.shared(edges, count)
    return error_share(wrong.by_class(edges, count), trials, total, confidence=sure, shared=shared)


def of_named(decisions: Decisions, edges: Doubles, sure: float, *, stranger_share: float) -> ErrorShare:
    """The share of what is named that is named wrongly, at falling thresholds.

    Known things and strangers are weighed by their share of all who ask; the heavier kind counts 1 each.
    """
    count, known = len(decisions.names), decisions.known
    weights = np.array([(1.0 - stranger_share) / known.sum(), stranger_share / len(known)])
    one_known, one_stranger = (weights / weights.max()).tolist()
    wrong = Errors.of_known(decisions, one_known) + Errors.of_strangers(decisions, one_stranger)
    right = known & (decisions.taken == decisions.classes)
    weight = np.full(int(right.sum()), one_known)
    named = _accepted(decisions.classes[right], decisions.similarity[right], weight, edges, count)
    errors = wrong.by_class(edges, count)
    total = np.maximum(named.sum(axis=0) + errors.sum(axis=0) / 2, np.finfo(np.float64).tiny)
    return error_share(errors, named + errors, total, confidence=sure, shared=wrong.shared(edges, count))


def _accepted(codes: Ints, similar: Doubles, weights: Doubles, edges: Doubles, count: int) -> Doubles:
    """The weight, by code, of what reaches each edge; [count, t], edges falling."""
    places = np.searchsorted(edges, similar, side="right") - 1  # accepted at this edge and at all lower ones
    counted = places >= 0
    cells = codes[counted] * len(edges) + places[counted]
    found = np.bincount(cells, weights[counted], minlength=count * len(edges)).reshape(count, len(edges))
    return np.asarray(np.cumsum(found[:, ::-1], axis=1))
