"""A folder tree as rows: the first folder is the label, or the split and then the label.

Enters: a folder. Leaves: its pictures with their labels, splits and, where a file attributes.csv lies beside
them, the attributes of each label. Not done here: opening pictures (images), published data sets (layouts).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.layout import Contents
from lookalike.pictures.finding import Found, find_images, printable
from lookalike.tables.attribute_file import join_attributes
from lookalike.tables.columns import SPLITS

_SHOWN = 5  # names in a note


def frame_of(images: Sequence[str], labels: Sequence[str | None], **more: Sequence[str]) -> pl.DataFrame:
    """Columns of text: image, label, and others by name."""
    columns: Mapping[str, Any] = {"image": images, "label": labels, **more}
    return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String))


def read_tree(folder: Path) -> Contents:
    """Read a folder tree `<label>/<file>` or `<train|val|test>/<label>/<file>`, or an unlabelled folder.

    Raises:
        TableError: there is no picture in it, or pictures lie beside the folders of splits.
    """
    found = find_images(folder)
    if not found.paths:
        saw = f"{len(found.skipped)} that cannot be used" if found.skipped else "none"
        do = "put pictures in it, one folder for each thing"
        raise TableError("there are no pictures in the folder", where=folder, saw=saw, do=do)
    images = pl.Series(found.paths, dtype=pl.String)
    first = images.str.extract("^([^/]*)/")
    names = first.unique().drop_nulls().to_list()
    if names and all(name.lower() in SPLITS for name in names):
        frame = _split_tree(found)
    else:
        frame = pl.DataFrame({"image": images, "label": first})
    loose = frame["label"].null_count()
    note = f"pictures of {folder} that lie in no label's folder, so without a label: {loose:,}"
    frame, notes = join_attributes(folder, frame)
    notes = (note, *notes) if 0 < loose < len(frame) else notes
    bare = _bare(found.root, images, of_splits="split" in frame.columns)
    return Contents(folder.absolute(), frame, found.skipped, (*notes, *bare))


def _bare(root: Path, images: pl.Series, *, of_splits: bool) -> tuple[str, ...]:
    """A note of the folders that would be classes or splits, and hold no picture."""
    folders = images.str.extract("^(.+)/").unique().drop_nulls()
    filled = {"/".join(folder.split("/")[:depth]) for folder in folders for depth in (1, 2)}
    outer = _folders(root, "") if filled else []
    parts = [name for name in outer if name in filled] if of_splits else []
    inner = [name for part in parts for name in _folders(root, f"{part}/")]
    bare = sorted(name for name in (*outer, *inner) if name not in filled)
    if not bare:
        return ()
    more = f" and {len(bare) - _SHOWN:,} more" if len(bare) > _SHOWN else ""
    names = ", ".join(bare[:_SHOWN])
    return (f"folders of {root} without a picture, which are no classes: {names}{more}",)


def _folders(root: Path, inner: str) -> list[str]:
    """Names of the folders in one, as `find_images` would enter them; none where it may not be listed."""
    with suppress(OSError), os.scandir(root / inner) as entries:
        return [
            f"{inner}{printable(entry.name)}"
            for entry in entries
            if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
        ]
    return []


def _split_tree(found: Found) -> pl.DataFrame:
    parts = [path.split("/", 2) for path in found.paths]
    loose = [path for path, part in zip(found.paths, parts, strict=True) if len(part) == 1]
    if loose:
        saw = f"{len(loose)}, the first: {loose[0]}"
        do = "move them into train, val or test"
        raise TableError("pictures lie beside the folders of the splits", where=found.root, saw=saw, do=do)
    labels = [part[1] if len(part) > 2 else None for part in parts]
    return frame_of(found.paths, labels, split=[SPLITS[part[0].lower()] for part in parts])
