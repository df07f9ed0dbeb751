"""What attribute training learns from: the attributes that can be learned, and pictures that state some.

Enters: one split's usable pictures. Leaves: their features with what the table states of them. Embedding and
training are done elsewhere; labels play no part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.config import AttributeConfig
from lookalike.errors import TableError
from lookalike.records import Floats
from lookalike.tables.attribute_values import Values, attribute_values, binary_columns
from lookalike.tables.table import ImageTable
from lookalike.training.graph import HeadGraph
from lookalike.training.side import Side, Trained

_SHOWN = 5


@dataclass(frozen=True)
class AttributeSide:
    """One split's pictures of which something is stated, with their values [n, a]."""

    side: Side
    values: Values

    @classmethod
    def of(cls, side: Side, names: Sequence[str]) -> AttributeSide:
        """Keep the pictures of which one of the attributes at least is stated.

        Raises:
            TableError: there are fewer than two, or they all agree.
        """
        values = attribute_values(side.table, names)
        rows = np.flatnonzero(values.any(axis=1))
        values = values[rows]
        if len(rows) < 2 or not (values != values[0]).any():
            raise TableError(
                "the pictures do not differ in their attributes",
                where=side.table.root,
                saw=f"{len(rows):,} pictures with a stated attribute, all alike",
                do="state attributes of more pictures, or name others in attributes.names",
            )
        return cls(side if len(rows) == len(side.labels) else side.take(rows), values)


@dataclass(frozen=True)
class Pair:
    """Both sides of a trained space.

    Attributes:
        trained: the image side; its weights hold those of the branch too, under "attributes.".
        graph: the branch, from `indicators` to unit rows; embed: the branch as it was trained, to check by.
        scores: kind of query to mean average precision on val.
    """

    trained: Trained
    graph: HeadGraph
    embed: Callable[[Floats], Floats]
    scores: Mapping[str, float]


def learnable(table: ImageTable, wanted: AttributeConfig) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The attributes that training pictures tell apart.

    Args:
        table: of the training pictures.

    Returns:
        Names, in the order of the config or of the table; and which are left out, because all training
        pictures that state them state the same.

    Raises:
        TableError: an attribute was asked for by name and cannot be learned, or there is none at all.
    """
    names = wanted.names if wanted.names is not None else binary_columns(table)
    values = attribute_values(table, names)
    differs = np.logical_and(values.max(axis=0, initial=0) > 0, values.min(axis=0, initial=0) < 0)
    constant = [name for name, learned in zip(names, differs, strict=True) if not learned]
    if wanted.names is not None and constant:
        raise TableError(
            "an attribute cannot be learned",
            where="attributes.names",
            saw=f"{constant[0]!r}: the same in all training pictures",
            wanted="some training pictures with it and some without",
            do="leave it out, or add pictures",
        )
    if not differs.any():
        raise TableError(
            "there are no attributes to learn",
            where=table.root,
            saw=f"{len(names)} columns that say yes or no, none of which differs among training pictures",
            wanted="columns of 0 and 1 in the manifest, or attributes.csv beside the folders",
            do="see docs/attributes.md for how attributes are given",
        )
    kept = tuple(name for name, learned in zip(names, differs, strict=True) if learned)
    return kept, tuple(constant)


def left_out_in_words(names: Sequence[str]) -> tuple[str, ...]:
    """Which attributes are not learned, in a sentence where there are some."""
    shown = ", ".join(names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
    said = f"attributes left out, being the same in all training pictures: {len(names):,}: {shown}"
    return (said,) if names else ()
