"""Attribute queries with their first answers, to be looked at.

Pictures with their values, and queries with their vectors, enter; a random few leave with what they answered,
and in words what is wrong with a wrong answer. Figures are made elsewhere, by the same rule of what is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lookalike.judging.similarity import Doubles, Ints
from lookalike.records import Box, RankedAnswer
from lookalike.tables.attribute_values import Values, agree, undecided

ROWS, ANSWERS = 6, 8  # of each kind of query
MOST_NAMED = 4  # attributes that are listed; more are counted


@dataclass(frozen=True, slots=True)
class AttributeRow:
    """A query with its answers, most fitting first.

    Attributes:
        asked: in words; of a composed query, the changes.
        picture: that the changes are made to; None where attributes alone are asked for.
        answers: the label of a wrong one says what is wrong with it.
        average_precision: of the query.
        box: the part of the picture that is meant; None: all of it.
    """

    asked: str
    picture: Path | None
    answers: tuple[RankedAnswer, ...]
    average_precision: float
    box: Box | None = None


@dataclass(frozen=True)
class Pictures:
    """The pictures that are ranked: their files, values [n, a], the names of these, and the parts meant."""

    paths: Sequence[Path]
    values: Values
    names: Sequence[str]
    boxes: Sequence[Box | None] = ()

    def box(self, row: int) -> Box | None:
        """The part of a picture that is meant; None: all of it."""
        return self.boxes[row] if self.boxes else None


def attribute_rows(
    pictures: Pictures,
    queries: NDArray[np.floating],
    gallery: NDArray[np.floating],
    precision: Doubles,
    *,
    asked: Values,
    wanted: Values,
    itself: Ints | None = None,
    seed: int = 0,
) -> tuple[AttributeRow, ...]:
    """Draw a few queries that have an answer, evenly at random, in their order.

    Args:
        queries, gallery: [q, d] and [n, d] unit rows, of the queries and of the pictures.
        precision: [q] their average precisions, NaN where no picture answers.
        asked: [q, a] what a query says: 1 present, -1 absent, 0 not stated.
        wanted: [q, a] what its answers must have; other than `asked` for a picture with changes.
        itself: [q] the picture that the changes are made to; None: attributes alone.
        seed: of what is drawn.
    """
    known = np.flatnonzero(~np.isnan(precision))
    chosen = np.random.default_rng(seed).choice(known, min(ROWS, len(known)), replace=False)
    return tuple(
        AttributeRow(
            in_short(asked[query], pictures.names),
            None if itself is None else pictures.paths[itself[query]],
            _answers(
                pictures,
                gallery @ queries[query],
                wanted[query],
                None if itself is None else int(itself[query]),
            ),
            float(precision[query]),
            None if itself is None else pictures.box(int(itself[query])),
        )
        for query in np.sort(chosen).tolist()
    )


def in_short(stated: Values, names: Sequence[str]) -> str:
    """Say what one row [a] states; where it states much, what is absent is counted only."""
    present, absent = (_named(stated == sign, names) for sign in (1, -1))
    if len(absent) <= MOST_NAMED:
        return ", ".join([*present, *(f"not {name}" for name in absent)])
    others = f"none of {len(absent)} others" if present else f"none of {len(absent)}"
    return ", ".join([*present, others])


def _answers(
    pictures: Pictures, similar: NDArray[np.floating], wanted: Values, itself: int | None
) -> tuple[RankedAnswer, ...]:
    ranked = similar.copy()
    ranked[undecided(wanted[None], pictures.values)[0]] = -np.inf
    if itself is not None:
        ranked[itself] = -np.inf
    right = agree(wanted[None], pictures.values)[0]
    first = np.argsort(-ranked, kind="stable")[:ANSWERS]
    return tuple(
        RankedAnswer(
            pictures.paths[place],
            "" if right[place] else _fault(wanted, pictures.values[place], pictures.names),
            float(similar[place]),
            bool(right[place]),
            pictures.box(place),
        )
        for place in first.tolist()
        if np.isfinite(ranked[place])
    )


def _fault(wanted: Values, values: Values, names: Sequence[str]) -> str:
    """What a picture has that it should not, and lacks."""
    lacks, has = _named((wanted > 0) & (values < 0), names), _named((wanted < 0) & (values > 0), names)
    said = [f"{word} {_listed(found)}" for word, found in (("lacks", lacks), ("has", has)) if found]
    return "; ".join(said)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (" …" if len(names) > MOST_NAMED else "")


def _named(chosen: NDArray[np.bool_], names: Sequence[str]) -> list[str]:
    return [names[place] for place in np.flatnonzero(chosen).tolist()]
