"""Look at a table of pictures before training: what is there, and what will make trouble.

Enters: a table. Leaves: a Description, as numbers, as JSON or as lines of text: facts without a verdict. Not
done here: opening files (looking), likeness (duplicates are files that are byte for byte the same), and what
ought to be done about it (checkup).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from lookalike.checkups.looking import Seen, look
from lookalike.records import Progress, Skipped
from lookalike.tables.columns import COLUMNS
from lookalike.tables.table import ImageTable

SHOWN = 10  # entries of a list in the text; JSON has all


@dataclass(frozen=True, slots=True)
class Spread:
    """The least, the middle and the greatest of some numbers."""

    min: int
    median: float
    max: int


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Files with the same content.

    Attributes:
        images: two or more, as the table names them.
        labels, splits: those of their rows, sorted.
    """

    images: tuple[str, ...]
    labels: tuple[str, ...]
    splits: tuple[str, ...]

    @property
    def across_labels(self) -> bool:
        """Whether the same content stands under two labels: one of them is wrong."""
        return len(self.labels) > 1

    @property
    def across_splits(self) -> bool:
        """Whether the same content is in two splits: what is measured there is not new to the model."""
        return len(self.splits) > 1


@dataclass(frozen=True, slots=True)
class Description:
    """What is in a table.

    Attributes:
        images: rows of the table, pictures that cannot be used among them.
        usable: rows whose file can be decoded; all that follows counts these.
        unlabelled: rows without a label.
        images_per_class: label to number of pictures, by label; 0 where none of a class can be used.
        splits: split to (pictures, classes).
        roles: role to number of rows, "both" for those without one; empty where no row has one.
        groups, boxes, attributes: numbers of groups and of rows with a box; names of the attributes' columns.
        width, height: of the upright pictures in pixels; None where none can be used.
        formats, modes: Pillow's names to number of files, most frequent first.
        skipped: files that cannot be used, those that reading the table left out first.
        duplicates: groups of equal files, those across splits first, then those across labels.
        blank: pictures of one colour.
        notes: what reading the table put right.
    """

    images: int
    usable: int
    unlabelled: int
    images_per_class: Mapping[str, int]
    splits: Mapping[str, tuple[int, int]]
    roles: Mapping[str, int]
    groups: int
    boxes: int
    attributes: tuple[str, ...]
    width: Spread | None
    height: Spread | None
    formats: Mapping[str, int]
    modes: Mapping[str, int]
    skipped: tuple[Skipped, ...]
    duplicates: tuple[Duplicate, ...]
    blank: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def classes(self) -> int:
        """How many classes have a picture that can be used."""
        return len(self.filled)

    @property
    def empty(self) -> tuple[str, ...]:
        """The classes of which no picture can be used."""
        return tuple(label for label, count in self.images_per_class.items() if count == 0)

    @property
    def filled(self) -> dict[str, int]:
        """Label to number of pictures, of the classes that are not empty."""
        return {label: count for label, count in self.images_per_class.items() if count}

    @property
    def single(self) -> tuple[str, ...]:
        """The classes with one picture."""
        return tuple(label for label, count in self.images_per_class.items() if count == 1)

    @property
    def per_class(self) -> Spread | None:
        """Pictures in a class, of those classes that are not empty; None where there is none."""
        return _spread(list(self.filled.values()))

    @property
    def imbalance(self) -> float | None:
        """How many times the largest class is as large as the smallest that is not empty."""
        return self.per_class.max / self.per_class.min if self.per_class else None

    def to_json(self) -> dict[str, Any]:
        """Plain values under stable keys."""
        return {
            "images": self.images,
            "usable": self.usable,
            "unlabelled": self.unlabelled,
            "classes": self.classes,
            "images_per_class": asdict(self.per_class) if self.per_class else None,
            "counts": dict(self.images_per_class),
            "single": list(self.single),
            "empty": list(self.empty),
            "imbalance": self.imbalance,
            "splits": {name: {"images": n, "classes": c} for name, (n, c) in self.splits.items()},
            "roles": dict(self.roles),
            "groups": self.groups,
            "boxes": self.boxes,
            "attributes": list(self.attributes),
            "width": asdict(self.width) if self.width else None,
            "height": asdict(self.height) if self.height else None,
            "formats": dict(self.formats),
            "modes": dict(self.modes),
            "skipped": [{"path": e.path, "reason": str(e.reason), "detail": e.detail} for e in self.skipped],
            "duplicates": [
                {**asdict(group), "across_labels": group.across_labels, "across_splits": group.across_splits}
                for group in self.duplicates
            ],
            "blank": list(self.blank),
            "notes": list(self.notes),
        }


def describe(table: ImageTable, *, progress: Progress | None = None) -> Description:
    """Open every picture of a table and tell what is there.

    Args:
        table: labelled or not.
        progress: called with (done, total) files.
    """
    return description_of(table, *look(table, progress=progress))


def description_of(table: ImageTable, seen: Mapping[str, Seen], left_out: Sequence[Skipped]) -> Description:
    """Put together what was seen of a table's pictures."""
    usable = table.filter(np.array([image in seen for image in table.frame["image"]], dtype=np.bool_))
    return Description(
        images=len(table),
        usable=len(usable),
        unlabelled=usable.frame["label"].null_count(),
        images_per_class=_per_class(table, usable),
        splits={name: (len(p), len(p.classes)) for name in usable.splits for p in [usable.select(name)]},
        roles=_roles(usable),
        groups=_known(usable, "group").n_unique(),
        boxes=len(_known(usable, "box")),
        attributes=tuple(name for name in table.frame.columns if name not in COLUMNS),
        width=_spread([entry.size[0] for entry in seen.values()]),
        height=_spread([entry.size[1] for entry in seen.values()]),
        formats=dict(Counter(entry.format for entry in seen.values()).most_common()),
        modes=dict(Counter(entry.mode for entry in seen.values()).most_common()),
        skipped=(*table.skipped, *left_out),
        duplicates=_duplicates(usable, seen),
        blank=tuple(image for image, entry in seen.items() if entry.blank),
        notes=table.notes,
    )


def lines(description: Description) -> list[str]:
    """A description as text, one statement a line; long lists are cut, their length is said."""
    return [*_overview(description), *_trouble(description), *(f"note: {note}" for note in description.notes)]


def _overview(found: Description) -> list[str]:
    text = [_pictures(found.usable, found.classes)]
    if found.per_class is not None:
        ratio = f"; the largest class is {found.imbalance:,.1f} x the smallest"
        text.append(f"pictures in a class: {_range(found.per_class)}{ratio}")
    text += [f"{_count(found.unlabelled, 'picture')} without a label"] if found.unlabelled else []
    text += [f"{name}: {_pictures(*sizes)}" for name, sizes in found.splits.items()]
    text += [f"roles: {_tally(found.roles)}"] if found.roles else []
    counts = {"groups": found.groups, "boxes": found.boxes, "attributes": len(found.attributes)}
    text += [f"{name}: {number:,}" for name, number in counts.items() if number]
    if found.width is not None and found.height is not None:
        text.append(f"width: {_range(found.width)}; height: {_range(found.height)} pixels")
        text.append(f"formats: {_tally(found.formats)}; modes: {_tally(found.modes)}")
    return text


def _trouble(found: Description) -> list[str]:
    reasons = Counter(str(entry.reason) for entry in found.skipped).most_common()
    files = [
        f"{entry.path}: {entry.reason}{f' ({entry.detail})' if entry.detail else ''}"
        for entry in found.skipped
    ]
    groups = [_group_line(group) for group in found.duplicates]
    return [
        *_listed("class with a single picture", "classes with a single picture", found.single),
        *_listed("class without a usable picture", "classes without a usable picture", found.empty),
        *_listed("file that cannot be used", "files that cannot be used", files, aside=_tally(dict(reasons))),
        *_listed("picture of one colour", "pictures of one colour", found.blank),
        *_listed("group of equal files", "groups of equal files", groups),
    ]


def _per_class(table: ImageTable, usable: ImageTable) -> dict[str, int]:
    counts = Counter(label for label in usable.frame["label"] if label is not None)
    return {label: counts[label] for label in table.classes}


def _roles(table: ImageTable) -> dict[str, int]:
    known = _known(table, "role")
    both = ["both"] * (len(table) - len(known)) if len(known) else []
    return dict(Counter([*sorted(known, reverse=True), *both]))


def _known(table: ImageTable, column: str) -> pl.Series:
    """The values of a column that are there; none where the table has no such column."""
    return table.frame.get_column(column, default=pl.Series(column, [], pl.String)).drop_nulls()


def _duplicates(table: ImageTable, seen: Mapping[str, Seen]) -> tuple[Duplicate, ...]:
    groups: defaultdict[bytes, list[str]] = defaultdict(list)
    for image, entry in seen.items():
        groups[entry.digest].append(image)
    equal = [group for group in groups.values() if len(group) > 1]
    labels, splits = _values(table, "label", equal), _values(table, "split", equal)
    found = [Duplicate(tuple(group), _union(labels, group), _union(splits, group)) for group in equal]
    return tuple(sorted(found, key=lambda group: (not group.across_splits, not group.across_labels)))


def _values(table: ImageTable, column: str, groups: Sequence[Sequence[str]]) -> dict[str, set[str]]:
    """Image to the values that its rows have; several where a picture has several boxes."""
    values: dict[str, set[str]] = {image: set() for group in groups for image in group}
    if column in table.frame.columns:
        for image, value in zip(table.frame["image"], table.frame[column], strict=True):
            if image in values and value is not None:
                values[image].add(value)
    return values


def _union(values: Mapping[str, set[str]], images: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(set().union(*(values[image] for image in images))))


def _spread(numbers: Sequence[int]) -> Spread | None:
    return Spread(min(numbers), float(np.median(numbers)), max(numbers)) if numbers else None


def _range(spread: Spread) -> str:
    return f"{spread.min:,} to {spread.max:,}, median {spread.median:,g}"


def _tally(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _pictures(pictures: int, classes: int) -> str:
    return f"{_count(pictures, 'picture')}, {_count(classes, 'class', 'classes')}"


def _count(number: int, one: str, several: str = "") -> str:
    return f"{number:,} {one if number == 1 else several or one + 's'}"


def _listed(one: str, several: str, entries: Sequence[str], *, aside: str = "") -> list[str]:
    if not entries:
        return []
    more = [f"  and {len(entries) - SHOWN:,} more"] if len(entries) > SHOWN else []
    head = _count(len(entries), one, several) + (f" ({aside})" if aside else "")
    return [f"{head}:", *(f"  {entry}" for entry in entries[:SHOWN]), *more]


def _group_line(group: Duplicate) -> str:
    marks = [f"in {' and '.join(group.splits)}"] if group.across_splits else []
    marks += [f"labelled {' and '.join(group.labels)}"] if group.across_labels else []
    return " = ".join(group.images) + (f" ({'; '.join(marks)})" if marks else "")
