"""What a table states of its pictures: columns of yes and no as whole numbers, and who agrees with whom.

Enters: a table, or such numbers. Leaves: [n, a] values, 1 for present, -1 for absent, 0 for not stated. What
is not stated is never taken for absent. Embedding them is done elsewhere.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lookalike.errors import TableError
from lookalike.tables.columns import COLUMNS
from lookalike.tables.table import ImageTable

Values = NDArray[np.int8]  # [n, a]: 1 present, -1 absent, 0 not stated


def binary_columns(table: ImageTable) -> tuple[str, ...]:
    """The attributes that say yes or no, in the table's order.

    Columns of false and true, of 0 and 1, or of -1 and 1; null means not stated in all of them. Columns
    without a single value say nothing and are not among them.
    """
    return tuple(
        name for name in table.frame.columns if name not in COLUMNS and _values(table.frame[name]) is not None
    )


def attribute_values(table: ImageTable, names: Sequence[str]) -> Values:
    """Read named attributes: [n, a] int8, 1 for present, -1 for absent, 0 for not stated (null).

    Raises:
        TableError: the table has no such column (with the nearest one that it has), or it does not say yes
            or no; a column without a single value states nothing.
    """
    columns = [_column(table, name) for name in names]
    return np.stack(columns, axis=1) if columns else np.zeros((len(table), 0), np.int8)


def agree(stated: Values, values: Values) -> NDArray[np.bool_]:
    """Whether each of n pictures has all that each of q queries states.

    Args:
        stated: [q, a]; 0 asks for nothing.
        values: [n, a]; where 0, the picture agrees with no query that asks.

    Returns:
        [q, n].
    """
    asked = stated.astype(np.float32)
    agreed: NDArray[np.bool_] = asked @ values.T.astype(np.float32) == np.abs(asked).sum(axis=1)[:, None]
    return agreed


def undecided(stated: Values, values: Values) -> NDArray[np.bool_]:
    """Whether it is not known if a picture has what a query states: nothing differs, something is missing.

    Args:
        stated, values: as in `agree`.

    Returns:
        [q, n].
    """
    asked, known = stated.astype(np.float32), values.astype(np.float32)
    both = np.abs(asked) @ np.abs(known).T  # [q, n] how many are stated on both sides
    unknown: NDArray[np.bool_] = (asked @ known.T == both) & (both < np.abs(asked).sum(axis=1)[:, None])
    return unknown


def _column(table: ImageTable, name: str) -> NDArray[np.int8]:
    frame = table.frame
    if name not in frame.columns or name in COLUMNS:
        known = [column for column in frame.columns if column not in COLUMNS]
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        raise TableError(
            "the table has no such attribute",
            where=table.root,
            saw=repr(name),
            wanted=f"one of its {len(known)} attributes",
            do=f"did you mean {near[0]!r}?" if near else "name a column, or add it to the manifest",
        )
    values = _values(frame[name])
    if values is not None:
        return values
    present = frame[name].drop_nulls().unique().sort()
    if len(present) == 0:
        return np.zeros(len(frame), np.int8)
    raise TableError(
        "an attribute does not say yes or no",
        where=f"{table.root}: {name}",
        saw=", ".join(map(str, present[:4].to_list())),
        wanted="0 and 1, -1 and 1, or false and true",
        do="convert the column, or leave it out of attributes.names",
    )


def _values(column: pl.Series) -> NDArray[np.int8] | None:
    """Present, absent and not stated; None where the column says something else, or nothing."""
    if column.dtype == pl.Boolean:
        column = column.cast(pl.Int8)
    if not column.dtype.is_numeric() or column.null_count() == len(column):
        return None
    found = set(column.drop_nulls().unique().to_list())
    if not (found <= {0, 1} or found <= {-1, 1}):
        return None
    signs = pl.when(column.is_null()).then(0).when(column > 0).then(1).otherwise(-1)
    values: NDArray[np.int8] = pl.select(signs.cast(pl.Int8)).to_series().to_numpy()
    return values
