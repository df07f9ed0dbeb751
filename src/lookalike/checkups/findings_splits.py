"""Findings on splits: whether there is enough to train on, to judge with, and to promise anything from.

An Examination and the command that mends enter, a Finding leaves. A table without splits is split as training
would by default; nothing of that is kept.
"""

from __future__ import annotations

from typing import Literal

from lookalike.checkups.examination import Examination
from lookalike.checkups.findings import Finding, Verdict, count
from lookalike.config import SplitConfig
from lookalike.errors import EvaluationError, LookalikeError, TableError
from lookalike.tables.splits import check_judgeable, check_trainable, split_table
from lookalike.tables.table import ImageTable
from lookalike.threshold import FEW_CLASSES

_NO_PICTURES = "a split has no pictures"


def splits(found: Examination, _command: str) -> Finding:
    """Whether the splits, given or made by default, can be trained on and judged."""
    table = _usable(found)
    classes = len(table.classes)
    if not classes:
        return Finding("splits", Verdict.LOOK, 0, "without labels there is nothing to train on or to judge")
    trouble = _trouble(table, by="ratio")
    if trouble is None:
        own = ", ".join(table.splits) if table.has_splits else "by ratio, as by default"
        return Finding("splits", Verdict.OK, classes, f"every split can be used ({own})")
    what = f"{trouble.what}: {trouble.where}, {trouble.saw}"
    if table.has_splits and trouble.what == _NO_PICTURES:
        return Finding("splits", Verdict.LOOK, classes, what, trouble.do)
    if _by_class(table):
        do = "keep classes together, so that other classes are judged than were learned"
        return Finding("splits", Verdict.LOOK, classes, what, do, setting="split.by=class")
    if classes < 2 or isinstance(trouble, EvaluationError):  # roles or groups: more pictures do not help
        return Finding("splits", Verdict.MEND, classes, what, trouble.do)
    do = "add pictures, until every split has two of one class and some of another"
    return Finding("splits", Verdict.MEND, classes, what, do)


def promise(found: Examination, _command: str) -> Finding:
    """Whether val has classes enough for a threshold's promise to hold beyond them."""
    table = _usable(found)
    if len(table.classes) < 2:
        what = "no two classes, so no threshold is chosen and nothing promised"
        return Finding("promise", Verdict.OK, 0, what)
    classes = _val_classes(table)
    if classes >= FEW_CLASSES:
        return Finding("promise", Verdict.OK, classes, f"a threshold rests on {classes:,} classes of val")
    what = (
        f"a threshold rests on {count(classes, 'class', 'classes')} of val: with fewer than "
        f"{FEW_CLASSES}, promises break more often than they say"
    )
    do = "add classes where you need a promise; rankings and their figures do not rest on it"
    return Finding("promise", Verdict.LOOK, classes, what, do)


def _usable(found: Examination) -> ImageTable:
    """The rows that training would use: labelled and usable."""
    labelled = found.table.frame["label"].is_not_null().to_numpy()
    return found.table.filter(found.usable & labelled)


def _trouble(table: ImageTable, *, by: Literal["ratio", "class"]) -> LookalikeError | None:
    try:
        parted = split_table(table, SplitConfig(by=by), seed=0).table
        if missing := {"train", "val", "test"} - set(parted.splits):
            saw = f"{count(len(table), 'picture')} of {count(len(table.classes), 'class', 'classes')}"
            do = "without val nothing is chosen, without test nothing judged: give all splits, or none"
            return TableError(_NO_PICTURES, where=", ".join(sorted(missing)), saw=saw, do=do)
        check_trainable(parted.select("train").labels)
        for name in ("val", "test"):
            check_judgeable(parted.select(name), split=name)
    except (TableError, EvaluationError) as error:
        return error
    return None


def _by_class(table: ImageTable) -> bool:
    """Whether a split by class does where one by ratio does not."""
    return not table.has_splits and _trouble(table, by="class") is None


def _val_classes(table: ImageTable) -> int:
    by: Literal["ratio", "class"] = "ratio"
    if len(table) and _trouble(table, by="ratio") is not None and _by_class(table):
        by = "class"
    try:
        parted = split_table(table, SplitConfig(by=by), seed=0).table
    except TableError:
        return 0
    return len(parted.select("val").classes) if "val" in parted.splits else 0
