"""What a base proposes, made into answers: asked for more where it was too little, in the end for everything.

Queries, and answers out of what the base lacks, enter; the answers out of both leave. What a base cannot
answer well is known beforehand and compared in full at once. Whether there is a base, what it lacks, and
where all vectors come from is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lookalike.indexing.base import Base
from lookalike.indexing.candidates import Answer, Ids, Wanted, in_blocks, judged, merged
from lookalike.indexing.neighbours import BLOCK_FLOATS
from lookalike.indexing.vector_reading import VectorReader
from lookalike.records import Floats

MOST_WANTED = 1024  # answers that a base is asked for; who needs more is compared with everything

_FURTHER = 4  # times as many proposals, where there were too few


@dataclass(frozen=True, slots=True)
class Proposer:
    """A base, with what it may propose at this moment.

    Attributes:
        allowed: ids that may be answered; None: all.
        excluded: ids that were put or removed since the base was built.
        size: how many of its vectors may be proposed.
        everything: all vectors of this moment in blocks, those that the base lacks among them.
    """

    base: Base
    reader: VectorReader
    allowed: Ids | None
    excluded: Ids
    size: int
    everything: Callable[[], Iterable[tuple[Ids, Floats]]]


def with_proposals(asked: Wanted, compared: list[Answer], proposer: Proposer) -> list[Answer]:
    """Join answers [q] out of what was compared in full with those of the base."""
    answers, needs = list(compared), _needs(asked)
    unsettled = [place for place, need in enumerate(needs) if need > MOST_WANTED]
    waiting = [place for place, need in enumerate(needs) if need <= MOST_WANTED]
    wanted = max((needs[place] for place in waiting), default=0)
    while waiting and wanted <= MOST_WANTED:
        step = max(1, BLOCK_FLOATS // (proposer.base.fetch_for(wanted) * proposer.reader.dim))
        left: list[int] = []
        for start in range(0, len(waiting), step):
            places = waiting[start : start + step]
            joined, settled = _propose(asked.part(places), [compared[q] for q in places], wanted, proposer)
            for place, answer in zip(places, joined, strict=True):
                answers[place] = answer
            left += [place for place, is_settled in zip(places, settled, strict=True) if not is_settled]
        waiting, wanted = left, wanted * _FURTHER
    unsettled += waiting
    if unsettled:
        found = in_blocks(asked.part(unsettled), proposer.everything(), allowed=proposer.allowed)
        for place, answer in zip(unsettled, found, strict=True):
            answers[place] = answer
    return answers


def _needs(asked: Wanted) -> list[int]:
    """How many proposals each query needs at least; below an upper end nobody knows: too many."""
    if asked.highest < 1.0:
        return [MOST_WANTED + 1] * len(asked.queries)
    return [asked.k + len(ids) for ids in asked.leave_out or [()] * len(asked.queries)]


def _propose(
    asked: Wanted, compared: list[Answer], wanted: int, proposer: Proposer
) -> tuple[list[Answer], list[bool]]:
    """Answers [q], and for each whether more proposals would not change it, as far as the base knows."""
    ids, _ = proposer.base.search(
        asked.queries, k=wanted, allowed=proposer.allowed, excluded=proposer.excluded
    )
    proposed, least = judged(asked, ids, proposer.reader)
    found = np.count_nonzero(ids >= 0, axis=1).tolist()
    joined, settled = [], []
    for query, answer in enumerate(proposed):
        entry = merged(compared[query], answer, k=asked.k)
        worst = float(entry.similarities[-1]) if len(entry.ids) == asked.k else asked.lowest
        beyond = least[query] < worst  # what comes next is less alike still
        joined.append(entry)
        settled.append(len(answer.ids) == asked.k or beyond or found[query] >= proposer.size)
    return joined, settled
