"""Divide a table into train, val and test, and classes into folds.

Enters: a table, what the run file says, a seed. Leaves: the table with its split column, and what could not
be done as asked, in sentences. The same rows in another order give the same split. Not done here: deciding
what a split is used for (training, evaluation).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lookalike.config import SplitConfig
from lookalike.errors import TableError
from lookalike.records import Labels
from lookalike.table import SPLIT_ORDER, ImageTable

Codes = NDArray[np.int64]  # [n], the place of each row's split in the shares

_SHOWN = 5
_MARKED = 0.05  # a share that is off by more is said


@dataclass(frozen=True, slots=True)
class Split:
    """A table with splits, and what should be known about how they came to be."""

    table: ImageTable
    notes: tuple[str, ...]


def split_table(table: ImageTable, config: SplitConfig, *, seed: int) -> Split:
    """Give every row of a table to train, val or test.

    Splits that the table has already are kept; where they lack val, it is taken out of train, in the way
    and with the ratio of train to val that the config says. Otherwise:

    - by ratio: every class is shared out, each split getting its share of the class rounded up or down, so
      that the shares of the whole table come as near to the config as that allows. At least one picture of
      every class goes to train.
    - by class: no label is in two splits; the shares are of the number of classes.
    - by group: no group is in two splits; the shares are of the number of pictures, the largest groups
      being placed first.

    Args:
        table: labelled; with a group in every row for `by: group`.
        config: how, and the three shares.
        seed: of everything that is drawn.

    Raises:
        TableError: there are no labels, fewer than two classes, or rows without a group.
    """
    if table.has_splits:
        return _keep(table, config, seed=seed)
    shares = np.array([config.train, config.val, config.test])
    codes = _METHODS[config.by](table, shares, np.random.default_rng(seed))
    parted = table.with_splits(np.array(SPLIT_ORDER)[codes])
    return Split(parted, tuple(_remarks(parted, config)))


def split_unlabelled(table: ImageTable, config: SplitConfig, *, seed: int) -> Split:
    """Like `split_table` by ratio, for pictures whose labels are not all known: each for itself.

    Raises:
        TableError: splits are to be made by class or group, which needs labels.
    """
    known = table.frame["label"]
    if config.by != "ratio":
        return split_table(table, config, seed=seed)
    halves = (pl.col("image").rank("ordinal") % 2).cast(pl.String)  # labels that say nothing
    split = split_table(replace(table, frame=table.frame.with_columns(label=halves)), config, seed=seed)
    return Split(replace(split.table, frame=split.table.frame.with_columns(known)), split.notes)


def check_trainable(labels: Labels) -> tuple[str, ...]:
    """Look whether something can be learned from labels.

    A class with one picture teaches nothing by itself, but it is something that others differ from: such
    classes are kept and counted, as long as two classes have two pictures or more.

    Args:
        labels: [n] of the training rows.

    Returns:
        Notes: how many classes have one picture, where there are any.

    Raises:
        TableError: fewer than two classes, or fewer than two with two pictures or more.
    """
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise _too_few_classes("labels", names.tolist())
    single = names[counts == 1].tolist()
    if len(names) - len(single) < 2:
        raise TableError(
            "there are too few classes with more than one picture",
            where="labels of the train side",
            saw=f"{len(single):,} of {len(names):,} classes with a single picture there: {_some(single)}",
            wanted="at least two classes with two pictures or more",
            do="add pictures, or keep classes together: --set split.by=class",
        )
    return (
        (f"{_classes(len(single))} with a single picture on the train side: {_some(single)}",)
        if single
        else ()
    )


def check_judgeable(labels: Labels, *, split: str) -> None:
    """Look whether a split can be judged: something to find, and something to mistake it for.

    Args:
        labels: [n] of the split's rows.

    Raises:
        TableError: fewer than two classes, or none with two pictures.
    """
    names, counts = np.unique(labels, return_counts=True)
    if len(names) >= 2 and counts.max() >= 2:
        return
    raise TableError(
        "a split cannot be judged",
        where=f"split {split}",
        saw=f"{len(labels):,} pictures of {_classes(len(names))}, at most {counts.max(initial=0)} of one",
        wanted="two classes, and one of them with two pictures",
        do=f"add classes, keep them together with --set split.by=class, or give split.{split} a larger share",
    )


def folds(labels: Labels, k: int, seed: int) -> Codes:
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
        saw, do = f"{_classes(len(names))} for {k} folds", "ask for fewer folds"
        raise TableError("there are too few classes", where="labels", saw=saw, do=do)
    dealt = np.random.default_rng(seed).permutation(np.arange(len(names)) % k)
    return dealt[places].astype(np.int64)


def _keep(table: ImageTable, config: SplitConfig, *, seed: int) -> Split:
    own = f"the table's own splits are used: {', '.join(table.splits)}"
    if "train" not in table.splits or "val" in table.splits or not config.val:
        return Split(table, (own,))
    rows = np.flatnonzero(np.array(table.frame["split"].to_list()) == "train")
    shares = np.array([config.train, config.val]) / (config.train + config.val)
    codes = _METHODS[config.by](table.take(rows), shares, np.random.default_rng(seed))
    splits = np.array(table.frame["split"].to_list())
    moved = rows[codes == 1]
    splits[moved] = "val"
    note = f"they have no val: {len(moved):,} of {len(rows):,} train pictures became val, by {config.by}"
    return Split(table.with_splits(splits), (own, note))


def _by_ratio(table: ImageTable, shares: NDArray[np.float64], rng: np.random.Generator) -> Codes:
    """What rounding owes a split in one class is paid in the next ones, so that the whole comes out right."""
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


def _seats(count: int, shares: NDArray[np.float64], owed: NDArray[np.float64]) -> Codes:
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


def _by_class(table: ImageTable, shares: NDArray[np.float64], rng: np.random.Generator) -> Codes:
    classes = _rows_by_class(table)
    seats = _largest_remainder(len(classes), shares)
    codes = np.zeros(len(table), dtype=np.int64)
    for place, code in zip(
        rng.permutation(len(classes)), np.repeat(np.arange(len(shares)), seats), strict=True
    ):
        codes[classes[place]] = code
    return codes


def _largest_remainder(count: int, shares: NDArray[np.float64]) -> Codes:
    """Whole numbers as near to the shares as can be; of equal remainders the earlier split's counts."""
    quotas = count * shares
    seats = np.floor(quotas + 1e-9).astype(np.int64)
    order = np.argsort(-(quotas - seats).round(9), kind="stable")
    seats[order[: count - int(seats.sum())]] += 1
    return seats


def _by_group(table: ImageTable, shares: NDArray[np.float64], rng: np.random.Generator) -> Codes:
    _rows_by_class(table)  # the labels are needed all the same
    missing = table.frame["group"].null_count() if "group" in table.frame.columns else len(table)
    if missing:
        raise TableError(
            "pictures have no group",
            where=table.root,
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


_METHODS: dict[str, Callable[[ImageTable, NDArray[np.float64], np.random.Generator], Codes]] = {
    "ratio": _by_ratio,
    "class": _by_class,
    "group": _by_group,
}


def _rows_by_class(table: ImageTable) -> list[Codes]:
    """The rows of each class, classes by name and rows by id, whatever order the table has.

    Raises:
        TableError: a row has no label, or there are fewer than two classes.
    """
    labels = table.labels
    if len(table.classes) < 2:
        raise _too_few_classes(table.root, table.classes)
    order = np.lexsort((table.ids, labels))
    return np.split(order, np.flatnonzero(labels[order][1:] != labels[order][:-1]) + 1)


def _remarks(table: ImageTable, config: SplitConfig) -> list[str]:
    remarks = []
    for name in SPLIT_ORDER:
        wanted: float = getattr(config, name)
        if wanted and name not in table.splits:
            remarks.append(f"nothing is left for {name}: too few pictures or classes for {wanted:.0%}")
            continue
        if not wanted:
            continue
        part = table.select(name)
        share = len(part) / len(table)
        if abs(share - wanted) > _MARKED:
            remarks.append(f"{name} has {share:.0%} of the pictures, {wanted:.0%} was asked")
        _, counts = np.unique(part.labels, return_counts=True)
        if single := int((counts == 1).sum()):
            remarks.append(f"{name} has {_classes(single)} of {len(counts):,} with a single picture")
    return remarks


def _too_few_classes(where: object, names: Sequence[str]) -> TableError:
    return TableError(
        "there are too few classes",
        where=where,
        saw=f"{_classes(len(names))}{': ' if names else ''}{_some(names)}",
        wanted="two or more",
        do="put each thing's pictures in a folder of its own, below the folder that you name",
    )


def _classes(count: int) -> str:
    return "1 class" if count == 1 else f"{count:,} classes"


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
    return ", ".join(str(name) for name in names[:_SHOWN]) + more
