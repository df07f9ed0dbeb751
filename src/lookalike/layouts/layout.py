"""What a layout is: a published data set as it lies on disk, and how it is told from any other folder.

A folder enters a layout's `read`, a Contents leaves: the same that a manifest gives. Which layouts there are
is decided in the package; what becomes of the contents, in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from lookalike.records import Skipped


@dataclass(frozen=True)
class Contents:
    """The rows of a data set.

    Attributes:
        root: the folder that relative paths start from, absolute.
        frame: columns image and label (String, null where not known), where the data set has them split
            (train, val or test), role (query or gallery), group and box (left, top, right, bottom); all
            others are attributes.
        skipped: files that were left out.
        notes: what reading put right or decided, one sentence each.
    """

    root: Path
    frame: pl.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layout:
    """A published data set as it lies on disk.

    Attributes:
        name: what stands before the colon in `name:path`.
        title: what people call it.
        files: what the folder must hold, for errors: names, relative to the folder.
        recognises: whether a folder is one, told by its files alone and in no time.
        read: the folder's contents.
        options: other ways to read it, by what stands after a plus in `name+option:path`.
    """

    name: str
    title: str
    files: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path], Contents]
    options: Mapping[str, Callable[[Path], Contents]] = field(default_factory=dict)
