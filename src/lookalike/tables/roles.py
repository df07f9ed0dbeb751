"""Who asks whom: a table's rows enter; queries, gallery and what is left out of an answer leave.

Without a column role every row asks and every row answers; with it, queries ask and the gallery answers, and
rows without a role do both. A query's own row, copies of its file and, with a column group, all rows of its
group are neither right nor wrong: they are left out of its ranking. Nothing is compared here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lookalike.errors import EvaluationError
from lookalike.records import Labels
from lookalike.tables.table import ImageTable

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Roles:
    """Rows of a table by what they do, and codes of what does not answer what.

    Attributes:
        queries: [q] int64, rows that ask.
        gallery: [g] int64, rows that answer.
        excluded: [n, e] int64; two rows with one code in any column are no answers to each other.
        unpaired: [n, f] int64, the same for pairs: these columns, and one in which all rows that only ask
            have one code, and all rows that only answer.
        given: whether the rows have roles.
        groups: number of groups; 0 where the rows have none.
    """

    queries: Ints
    gallery: Ints
    excluded: Ints
    unpaired: Ints
    given: bool
    groups: int

    def answers(self, labels: Labels, *, but: Ints) -> Ints:
        """How many gallery rows of its label each query has, without those of its code in `but`; [q].

        Args:
            labels: [n] of the rows.
            but: [n] codes; a row has a code of its own, or shares it with what is left out.
        """
        own, part = (np.unique(codes, return_inverse=True)[1] for codes in (labels, but))
        both = np.unique(own * (part.max() + 1) + part, return_inverse=True)[1]
        found: Ints = _count(own, self) - _count(both, self)
        return found


def roles_of(table: ImageTable, *, identity: Ints | None = None) -> Roles:
    """Read who asks whom off a table.

    Args:
        identity: [n] int64, equal where two rows' files are the same; None: every row is another picture.

    Raises:
        EvaluationError: the rows have roles, but none of them asks, or none answers.
    """
    role, group = _column(table, "role"), _column(table, "group")
    queries = np.flatnonzero((role.is_null() | (role == "query")).to_numpy())
    gallery = np.flatnonzero((role.is_null() | (role == "gallery")).to_numpy())
    if not len(queries):
        raise _one_sided(table, "there are no queries", saw="gallery", do="mark some rows as query")
    if not len(gallery):
        raise _one_sided(table, "there is no gallery", saw="query", do="mark some rows as gallery")
    return Roles(
        queries,
        gallery,
        excluded=exclusions(table, identity=identity),
        unpaired=pair_exclusions(table, identity=identity),
        given=role.null_count() < len(table),
        groups=group.drop_nulls().n_unique(),
    )


def exclusions(table: ImageTable, *, identity: Ints | None = None) -> Ints:
    """Codes of what does not answer what: the picture and, where rows have one, the group; [n, e] int64."""
    columns = [np.arange(len(table)) if identity is None else identity]
    group = _column(table, "group")
    if group.null_count() < len(table):
        columns.append(_codes(group))
    return np.column_stack(columns)


def pair_exclusions(table: ImageTable, *, identity: Ints | None = None) -> Ints:
    """Codes of what makes no pair: as `exclusions`, and two queries, or two rows of the gallery alone."""
    role = _column(table, "role")
    codes = exclusions(table, identity=identity)
    return codes if role.null_count() == len(table) else np.column_stack([codes, _codes(role)])


def check_answers(table: ImageTable) -> None:
    """Look whether any query has a right answer, before pictures are opened for it.

    Args:
        table: labelled rows of one split.

    Raises:
        EvaluationError: none has; or there are queries and no gallery, or the other way round.
    """
    roles = roles_of(table)
    labels = table.labels
    if roles.answers(labels, but=roles.excluded[:, -1]).any():
        return
    saw, do = "no two of one label", "judge a split with several pictures of a thing, or label more"
    if roles.given:
        saw = "none with a picture of its label in the gallery"
        do = "check the columns role and label of the split"
    if roles.groups and roles.answers(labels, but=roles.excluded[:, 0]).any():
        saw = "all pictures of a query's label are of its own group, and these are left out"
        do = "rename the column group if that is not meant; split.column names a column to split by anyway"
    raise EvaluationError(
        "there is nothing to find",
        where=f"labels of {table.source}",
        saw=f"{len(roles.queries):,} queries, {saw}",
        wanted="queries with another picture of their label to find",
        do=do,
    )


def _column(table: ImageTable, name: str) -> pl.Series:
    """A column of text; nulls where the table has none."""
    if name in table.frame.columns:
        return table.frame[name]
    return pl.Series(name, [None] * len(table), dtype=pl.String)


def _codes(column: pl.Series) -> Ints:
    """Numbers from 1 for the values; a row without one has a negative number of its own."""
    codes = column.rank("dense").cast(pl.Int64).fill_null(0).to_numpy()
    return np.where(codes > 0, codes, -1 - np.arange(len(codes)))


def _count(codes: Ints, roles: Roles) -> Ints:
    """For each query, how many gallery rows have its code; [q]."""
    counts = np.bincount(codes[roles.gallery], minlength=int(codes.max()) + 1)
    return counts[codes[roles.queries]]


def _one_sided(table: ImageTable, what: str, *, saw: str, do: str) -> EvaluationError:
    return EvaluationError(
        what,
        where=f"column role of {table.source}",
        saw=f"{len(table):,} rows, all of them {saw}",
        wanted="query and gallery in one split, or rows without a role, which are both",
        do=f"{do}, or take the column role out",
    )
