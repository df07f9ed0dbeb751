"""Share the rows of a table out to train, val and test: the ways of doing it, and nothing around them.

Enters: a table, the three shares, a generator. Leaves: for every row the place of its split. The same rows in
another order are shared out alike. Not done here: what the table's own splits mean, and what is said about
the result (splits).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from lookalike.errors import TableError
from lookalike.records import Labels
from lookalike.tables.table import ImageTable

Codes = NDArray[np.int64]  # [n], the place of each row's split in the shares
Shares = NDArray[np.float64]  # [3], of train, val and test; 1 together

_SHOWN = 5


def deal(labels: Labels, k: int, seed: int) -> Codes:
    """Deal the classes out to k folds, as evenly as their number allows.

    Args:
        labels: [n].
        k: number of folds, from 2 to the number of classes.
        seed: of the dealing.

    Returns:
        [n] int64, the fold of each row, from 0; rows of one label are in one fold.

    Raises:
        TableError: there are fewer than k classes.
    """
    names, places = np.unique(labels, return_inverse=True)
    if k < 2:
        raise ValueError(f"k must be at least 2, got {k}")
    if len(names) < k:
        saw, do = f"{count_classes(len(names))} for {k} folds", "ask for fewer folds"
        raise TableError("there are too few classes", where="labels", saw=saw, do=do)
    dealt = np.random.default_rng(seed).permutation(np.arange(len(names)) % k)
    return dealt[places].astype(np.int64)


def by_fold(table: ImageTable, shares: Shares, *, folds: int, fold: int, seed: int) -> Codes:
    """Make one fold of classes test, and divide the classes of the others as train to val.

    Raises:
        TableError: there are fewer classes than folds, or fewer than two beside the fold.
    """
    codes = np.full(len(table), 2, dtype=np.int64)
    others = np.flatnonzero(deal(table.labels, folds, seed) != fold)
    rest = np.array([shares[0], shares[1], 0.0]) / (shares[0] + shares[1])
    codes[others] = by_class(table.take(others), rest, np.random.default_rng((seed, fold)))
    return codes


def by_ratio(table: ImageTable, shares: Shares, rng: np.random.Generator) -> Codes:
    """Share out every class; at least one picture of each goes to train.

    What rounding owes a split in one class is paid in the next ones, so that the whole comes out right.
    """
    codes = np.zeros(len(table), dtype=np.int64)
    owed = np.zeros(len(shares))
    classes = _rows_by_class(table)
    for place in rng.permutation(len(classes)):
        rows = classes[place]
        owed += len(rows) * shares
        seats = _seats(len(rows), shares, owed)
        owed -= seats
        codes[rng.permutation(rows)] = np.repeat(np.arange(len(shares)), seats)
    return codes


def _seats(count: int, shares: Shares, owed: Shares) -> Codes:
    """Each split's share of one class rounded down, or up where most is owed; at least one for train."""
    seats = np.floor(count * shares + 1e-9).astype(np.int64)
    may_grow = shares > 0
    if seats[0] == 0 and may_grow[0]:
        seats[0], may_grow[0] = 1, False
    while seats.sum() < count:
        most = int(np.argmax(np.where(may_grow, owed - seats, -np.inf)))
        seats[most] += 1
        may_grow[most] = False
    return seats


def by_class(table: ImageTable, shares: Shares, rng: np.random.Generator) -> Codes:
    """Give whole classes to the splits; the shares are of the number of classes."""
    classes = _rows_by_class(table)
    seats = _largest_remainder(len(classes), shares)
    codes = np.zeros(len(table), dtype=np.int64)
    for place, code in zip(
        rng.permutation(len(classes)), np.repeat(np.arange(len(shares)), seats), strict=True
    ):
        codes[classes[place]] = code
    return codes


def _largest_remainder(count: int, shares: Shares) -> Codes:
    """Whole numbers as near to the shares as can be; of equal remainders the earlier split's counts."""
    quotas = count * shares
    seats = np.floor(quotas + 1e-9).astype(np.int64)
    order = np.argsort(-(quotas - seats).round(9), kind="stable")
    seats[order[: count - int(seats.sum())]] += 1
    return seats


def by_group(table: ImageTable, shares: Shares, rng: np.random.Generator) -> Codes:
    """Give whole groups to the splits, the largest first, each to where most pictures are owed.

    Raises:
        TableError: a row has no group.
    """
    _rows_by_class(table)  # the labels are needed all the same
    missing = table.frame["group"].null_count() if "group" in table.frame.columns else len(table)
    if missing:
        raise TableError(
            "pictures have no group",
            where=table.source,
            saw=f"{missing:,} of {len(table):,}",
            wanted="a group in every row, for split.by: group",
            do="fill the manifest's column group, or split by ratio or class",
        )
    groups, places, sizes = np.unique(
        np.array(table.frame["group"].to_list()), return_inverse=True, return_counts=True
    )
    owed = len(table) * shares
    code_of = np.zeros(len(groups), dtype=np.int64)
    shuffled = rng.permutation(len(groups))
    for group in shuffled[np.argsort(-sizes[shuffled], kind="stable")]:
        code_of[group] = np.argmax(np.where(shares > 0, owed, -np.inf))
        owed[code_of[group]] -= sizes[group]
    return code_of[places]


METHODS: dict[str, Callable[[ImageTable, Shares, np.random.Generator], Codes]] = {
    "ratio": by_ratio,
    "class": by_class,
    "group": by_group,
}


def _rows_by_class(table: ImageTable) -> list[Codes]:
    """The rows of each class, classes by name and rows by id, whatever order the table has.

    Raises:
        TableError: a row has no label, or there are fewer than two classes.
    """
    labels = table.labels
    if len(table.classes) < 2:
        raise too_few_classes(table.source, table.classes)
    order = np.lexsort((table.ids, labels))
    return np.split(order, np.flatnonzero(labels[order][1:] != labels[order][:-1]) + 1)


def too_few_classes(where: object, names: Sequence[str]) -> TableError:
    """The error of a table in which there is nothing to tell apart."""
    return TableError(
        "there are too few classes",
        where=where,
        saw=f"{count_classes(len(names))}{': ' if names else ''}{some_of(names)}",
        wanted="two or more",
        do="put each thing's pictures in a folder of its own, below the folder that you name",
    )


def count_classes(count: int) -> str:
    """A number of classes in words."""
    return "1 class" if count == 1 else f"{count:,} classes"


def some_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(str(name) for name in names[:_SHOWN]) + more
