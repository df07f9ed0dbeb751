"""Divide a table into train, val and test, and classes into folds.

Enters: a table, what the run file says, a seed. Leaves: the table with its split column, and what could not
be done as asked, in sentences. The same rows in another order give the same split. Not done here: deciding
what a split is used for (training, evaluation).
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import polars as pl

from lookalike.config import SplitConfig
from lookalike.errors import TableError
from lookalike.records import Labels
from lookalike.tables.columns import as_text, split_names
from lookalike.tables.roles import check_answers
from lookalike.tables.sharing import METHODS, Shares, by_fold, count_classes, some_of, too_few_classes
from lookalike.tables.table import SPLIT_ORDER, ImageTable

_MARKED = 0.05  # a share that is off by more is said


@dataclass(frozen=True, slots=True)
class Split:
    """A table with splits, and what should be known about how they came to be."""

    table: ImageTable
    notes: tuple[str, ...]


def split_table(table: ImageTable, config: SplitConfig, *, seed: int) -> Split:
    """Give every row of a table to train, val or test.

    - by column: as the column says, in any case; "valid" and "validation" mean val.
    - by class with folds: the classes are dealt out to folds, the same ones for every fold that is asked for;
      one fold is test, and the classes of the others are divided as train to val.

    Otherwise splits that the table has already are kept; where it has none:

    - by ratio: every class is shared out, each split getting its share of the class rounded up or down, so
      that the shares of the whole table come as near to the config as that allows. At least one picture of
      every class goes to train.
    - by class: no label is in two splits; the shares are of the number of classes.
    - by group: no group is in two splits; the shares are of the number of pictures, the largest groups
      being placed first.

    Where a column or the table's own splits lack val, it is taken out of train with the config's ratio of
    train to val: in the way that the config says; of a column by class where its splits share no label, else
    by ratio.

    Args:
        table: labelled; with a group in every row for `by: group`.
        config: how, and the three shares.
        seed: of everything that is drawn.

    Raises:
        TableError: there are no labels, too few classes, rows without a group, no such column, or a row whose
            column names no split.
    """
    split = _split(table, config, seed=seed)
    return replace(split, notes=(*split.notes, *_parted_pictures(split.table)))


def _split(table: ImageTable, config: SplitConfig, *, seed: int) -> Split:
    if config.by == "column":
        return _by_column(table, config, seed=seed)
    shares = np.array([config.train, config.val, config.test])
    if config.folds is not None:
        return _by_fold(table, config, shares, config.folds, seed=seed)
    if table.has_splits:
        own = f"the table's own splits are used: {', '.join(table.splits)}"
        return _with_val(Split(table, (own,)), config, by=config.by, seed=seed)
    codes = METHODS[config.by](_grouped(table, config), shares, np.random.default_rng(seed))
    parted = table.with_splits(np.array(SPLIT_ORDER)[codes])
    return Split(parted, tuple(_remarks(parted, dict(zip(SPLIT_ORDER, shares, strict=True)), by=config.by)))


def split_unlabelled(table: ImageTable, config: SplitConfig, *, seed: int) -> Split:
    """Like `split_table` by ratio or column, for pictures whose labels are not all known: each for itself.

    Raises:
        TableError: splits are to be made by class or group, which needs labels.
    """
    known = table.frame["label"]
    if config.by not in ("ratio", "column"):
        return split_table(table, config, seed=seed)
    halves = (pl.col("image").rank("ordinal") % 2).cast(pl.String)  # labels that say nothing
    split = split_table(replace(table, frame=table.frame.with_columns(label=halves)), config, seed=seed)
    return Split(replace(split.table, frame=split.table.frame.with_columns(known)), split.notes)


def check_trainable(labels: Labels, *, by: str = "ratio") -> tuple[str, ...]:
    """Look whether something can be learned from labels.

    A class with one picture teaches nothing by itself, but it is something that others differ from: such
    classes are kept and counted, as long as two classes have two pictures or more.

    Args:
        labels: [n] of the training rows.
        by: how the splits were made, so that it is not advised again.

    Returns:
        Notes: how many classes have one picture, where there are any.

    Raises:
        TableError: fewer than two classes, or fewer than two with two pictures or more.
    """
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < 2:
        raise too_few_classes("labels", names.tolist())
    single = names[counts == 1].tolist()
    if len(names) - len(single) < 2:
        raise TableError(
            "there are too few classes with more than one picture",
            where="labels of the train side",
            saw=f"{len(single):,} of {len(names):,} classes with a single picture there: {some_of(single)}",
            wanted="at least two classes with two pictures or more",
            do="add pictures" + ("" if by == "class" else ", or keep classes together: --set split.by=class"),
        )
    return (
        (f"{count_classes(len(single))} with a single picture on the train side: {some_of(single)}",)
        if single
        else ()
    )


def check_judgeable(table: ImageTable, *, split: str, by: str = "ratio") -> None:
    """Look whether a split can be judged: something to find, and something to mistake it for.

    Args:
        table: the split's labelled rows.
        by: how the splits were made, so that it is not advised again.

    Raises:
        TableError: fewer than two classes, or none with two pictures.
        EvaluationError: roles or groups leave no query a right answer.
    """
    labels = table.labels
    names, counts = np.unique(labels, return_counts=True)
    if len(names) < 2 or counts.max() < 2:
        most = counts.max(initial=0)
        together = "" if by == "class" else "keep them together with --set split.by=class, "
        raise TableError(
            "a split cannot be judged",
            where=f"split {split}",
            saw=f"{len(labels):,} pictures of {count_classes(len(names))}, at most {most} of one",
            wanted="two classes, and one of them with two pictures",
            do=f"add classes, {together}or raise the share split.{split}",
        )
    check_answers(table)


def _by_column(table: ImageTable, config: SplitConfig, *, seed: int) -> Split:
    column = _column(table, config.column or "")
    do = "write train, val or test in every row of it, or set split.by to ratio, class or group"
    named = table.with_splits(np.array(split_names(table.source, column, do=do).to_list()))
    sides = named.frame.drop_nulls("label").group_by("label").agg(pl.col("split").n_unique())["split"]
    by: Literal["class", "ratio"] = "class" if (sides == 1).all() else "ratio"
    note = f"the splits are those of column {column.name}: {', '.join(named.splits)}"
    return _with_val(Split(named, (note,)), config, by=by, seed=seed)


def _by_fold(table: ImageTable, config: SplitConfig, shares: Shares, folds: int, *, seed: int) -> Split:
    codes = by_fold(table, shares, folds=folds, fold=config.fold, seed=seed)
    parted = table.with_splits(np.array(SPLIT_ORDER)[codes])
    note = (
        f"fold {config.fold} of 0 to {folds - 1} is test: {count_classes(len(parted.select('test').classes))}"
    )
    if table.has_splits:
        note += f"; the table's own splits ({', '.join(table.splits)}) are not used"
    rest = (1 - 1 / folds) / (config.train + config.val)
    wanted = {"train": rest * config.train, "val": rest * config.val, "test": 1 / folds}
    return Split(parted, (note, *_remarks(parted, wanted, by="class")))


def _with_val(split: Split, config: SplitConfig, *, by: str, seed: int) -> Split:
    """The same split; where it has train and no val, with val taken out of train."""
    table = split.table
    if "train" not in table.splits or "val" in table.splits or not config.val:
        return split
    splits = np.array(table.frame["split"].to_list())
    rows = np.flatnonzero(splits == "train")
    shares = np.array([config.train, config.val]) / (config.train + config.val)
    codes = METHODS[by](_grouped(table.take(rows), config), shares, np.random.default_rng(seed))
    moved = rows[codes == 1]
    splits[moved] = "val"
    note = f"they have no val: {len(moved):,} of {len(rows):,} train pictures became val, by {by}"
    return Split(table.with_splits(splits), (*split.notes, note))


def _grouped(table: ImageTable, config: SplitConfig) -> ImageTable:
    """The table with the column group that the config splits by."""
    if config.by != "group" or config.column is None:
        return table
    return replace(table, frame=table.frame.with_columns(_column(table, config.column).alias("group")))


def _column(table: ImageTable, name: str) -> pl.Series:
    """A column of the table as text."""
    if name not in table.frame.columns:
        near = difflib.get_close_matches(name, table.frame.columns, n=1)
        raise TableError(
            "the table has no such column",
            where="split.column",
            saw=repr(name),
            wanted=f"one of {', '.join(table.frame.columns)}",
            do=f"did you mean {near[0]}?" if near else "add the column to the manifest",
        )
    return as_text(table.source, table.frame[name])


def _parted_pictures(table: ImageTable) -> tuple[str, ...]:
    """A remark on pictures with boxes in several splits, where there are any."""
    if "box" not in table.frame.columns:
        return ()
    sides = table.frame.group_by("image").agg(pl.col("split").n_unique())["split"]
    parted = int((sides > 1).sum())
    if not parted:
        return ()
    remedy = "to keep a picture's boxes together, split.by: group with split.column: image"
    return (f"{parted:,} of {len(sides):,} pictures have boxes in several splits; {remedy}",)


def _remarks(table: ImageTable, shares: Mapping[str, float], *, by: str) -> list[str]:
    remarks = []
    for name, wanted in shares.items():
        if wanted and name not in table.splits:
            remarks.append(f"nothing is left for {name}: too few pictures or classes for {wanted:.0%}")
            continue
        if not wanted:
            continue
        part = table.select(name)
        share = len(part) / len(table)
        if abs(share - wanted) > _MARKED:
            remarks.append(f"{name} has {share:.0%} of the pictures, {wanted:.0%} was asked")
        names, counts = np.unique(part.labels, return_counts=True)
        if by == "ratio" and (lacking := len(table.classes) - len(names)):
            small = "a class of so few pictures does not fill its share"
            remarks.append(f"{name} lacks {count_classes(lacking)} of {len(table.classes):,}: {small}")
        if single := int((counts == 1).sum()):
            remarks.append(f"{name} has {count_classes(single)} of {len(counts):,} with a single picture")
    return remarks
