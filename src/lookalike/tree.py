"""A folder tree as rows: the first folder is the label, or the split and then the label.

Enters: a folder. Leaves: its pictures with their labels, splits and, where a file attributes.csv lies beside
them, the attributes of each label. Not done here: opening pictures (images), published data sets (layouts).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from lookalike.attribute_file import join_attributes
from lookalike.columns import SPLITS
from lookalike.errors import TableError
from lookalike.finding import Found, find_images
from lookalike.layouts.layout import Contents


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
    parts = [path.split("/") for path in found.paths]
    first = {part[0] for part in parts if len(part) > 1}
    if first and all(name.lower() in SPLITS for name in first):
        frame = _split_tree(found, parts)
    else:
        frame = frame_of(found.paths, [part[0] if len(part) > 1 else None for part in parts])
    loose = frame["label"].null_count()
    note = f"pictures of {folder} that lie in no label's folder, so without a label: {loose:,}"
    frame, notes = join_attributes(folder, frame)
    notes = (note, *notes) if 0 < loose < len(frame) else notes
    return Contents(folder.absolute(), frame, found.skipped, notes)


def _split_tree(found: Found, parts: Sequence[Sequence[str]]) -> pl.DataFrame:
    loose = [path for path, part in zip(found.paths, parts, strict=True) if len(part) == 1]
    if loose:
        saw = f"{len(loose)}, the first: {loose[0]}"
        do = "move them into train, val or test"
        raise TableError("pictures lie beside the folders of the splits", where=found.root, saw=saw, do=do)
    labels = [part[1] if len(part) > 2 else None for part in parts]
    return frame_of(found.paths, labels, split=[SPLITS[part[0].lower()] for part in parts])
