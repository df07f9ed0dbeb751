"""Findings on labels, classes and attributes: missing, misspelt, alone, uneven, or without a meaning.

An Examination and the command that mends enter, a Finding leaves. Pictures under a wrong label are found by
what they show (findings_copies).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict

from lookalike.checkups.description import Spread
from lookalike.checkups.examination import Examination
from lookalike.checkups.findings import Finding, Verdict, count
from lookalike.tables.columns import COLUMNS

UNEVEN = 10.0  # times that the largest class is as large as the smallest


def labels(found: Examination, _command: str) -> Finding:
    """Whether every picture has a label."""
    missing = [row for row, label in enumerate(found.labels) if label is None]
    if not missing:
        return Finding("labels", Verdict.OK, 0, "every picture has a label")
    do = "to train, put each thing's pictures in a folder of its own, or fill the manifest's column label"
    if len(missing) == len(found.table):
        what = "no picture has a label: they can be indexed and searched, not learned from"
        return Finding("labels", Verdict.LOOK, len(missing), what, do)
    what = f"{count(len(missing), 'picture')} without a label: not learned from"
    return Finding(
        "labels", Verdict.LOOK, len(missing), what, do, entries=tuple(found.ids[row] for row in missing)
    )


def spelling(found: Examination, _command: str) -> Finding:
    """Whether labels differ in their spelling only."""
    alike: defaultdict[str, list[str]] = defaultdict(list)
    for label in found.table.classes:
        alike[_plain(label)].append(label)
    groups = [group for group in alike.values() if len(group) > 1]
    if not groups:
        return Finding("spelling", Verdict.OK, 0, "no two labels differ in their spelling only")
    counts = Counter(found.labels)
    told = (" and ".join(f"{label!r} ({counts[label]:,})" for label in group) for group in groups)
    many = f"{count(len(groups), 'group')} of labels that differ in case, spaces, marks or a plural only"
    do = "where they mean the same, rename the folders, or the labels in the manifest"
    return Finding("spelling", Verdict.LOOK, len(groups), many, do, entries=tuple(told))


def _plain(label: str) -> str:
    text = unicodedata.normalize("NFKC", label).casefold()
    text = re.sub(r"[\s_\-.]+", "", text)
    return text[:-1] if len(text) > 3 and text.isalpha() and text.endswith("s") else text


def single(found: Examination, _command: str) -> Finding:
    """Whether classes have a single picture."""
    single = found.description.single
    if not single:
        return Finding("single", Verdict.OK, 0, "no class has a single picture")
    what = f"{count(len(single), 'class', 'classes')} with a single picture: nothing to learn from or to find"
    do = "add pictures; until then they only serve as what others differ from"
    return Finding("single", Verdict.LOOK, len(single), what, do, entries=single)


def empty(found: Examination, command: str) -> Finding:
    """Whether classes have no picture that can be used."""
    empty = found.description.empty
    if not empty:
        return Finding("empty", Verdict.OK, 0, "every class has a picture that can be used")
    what = f"{count(len(empty), 'class', 'classes')} without a usable picture"
    do = "restore their pictures, or leave them out"
    usable = command if found.usable.any() else ""
    return Finding("empty", Verdict.MEND, len(empty), what, do, usable, entries=empty)


def balance(found: Examination, _command: str) -> Finding:
    """How much larger the largest class is than the smallest."""
    sizes = found.description.per_class
    if sizes is None:
        return Finding("balance", Verdict.OK, 0, "no classes, so none that is larger")
    ratio = sizes.max / sizes.min
    what = f"the largest class has {ratio:,.1f} times the pictures of the smallest ({_range(sizes)})"
    if ratio < UNEVEN:
        return Finding("balance", Verdict.OK, ratio, what)
    do = "batches are drawn by class, so small ones are learned; in the figures large ones weigh more"
    return Finding("balance", Verdict.LOOK, ratio, what, do)


def _range(sizes: Spread) -> str:
    return f"{sizes.min:,} to {sizes.max:,}, median {sizes.median:,g}"


def attributes(found: Examination, _command: str) -> Finding:
    """Whether attributes have values, and more than one."""
    columns = [column for column in found.table.frame.get_columns() if column.name not in COLUMNS]
    if not columns:
        return Finding("attributes", Verdict.OK, 0, "no attributes")
    useless = tuple(
        f"{column.name}: {'no value' if not len(values) else f'only {values[0]}'}"
        for column in columns
        for values in [column.drop_nulls().unique()]
        if len(values) < 2
    )
    gaps = tuple(
        f"{column.name}: not stated of {column.null_count():,} of {len(column):,}"
        for column in columns
        if 0 < column.null_count() < len(column)
    )
    if not useless and not gaps:
        return Finding("attributes", Verdict.OK, 0, f"{count(len(columns), 'attribute')}, none constant")
    what = (
        f"of {count(len(columns), 'attribute')} {len(useless):,} with one value only, {len(gaps):,} with gaps"
    )
    do = "one value only tells nothing apart; what is not stated is never taken for absent"
    return Finding("attributes", Verdict.LOOK, len(useless), what, do, entries=(*useless, *gaps))
