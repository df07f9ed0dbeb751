"""Where a saved table's pictures are: kept in the file, found again when things were moved.

A root and the file's own place enter, columns leave; those columns enter, the root leaves. The root is kept
as a path from the file, so that data and runs can be moved together, and as it was. Not done here: reading
and writing the file (manifest, table).
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

import polars as pl

from lookalike.cache import UNPACKED, cache_folder
from lookalike.errors import TableError
from lookalike.pictures.finding import any_there, is_there

ROOT, FROM_FILE = "__root__", "__root_from_file__"
_SAMPLE = 100  # pictures that are looked for in each of the two places


def with_root(frame: pl.DataFrame, root: Path, path: Path) -> pl.DataFrame:
    """Add the columns in which a table that is saved at a path keeps its root."""
    near = None
    with suppress(ValueError):  # on another drive
        near = Path(os.path.relpath(root, path.absolute().parent)).as_posix()
    return frame.with_columns(pl.lit(str(root)).alias(ROOT), pl.lit(near, dtype=pl.String).alias(FROM_FILE))


def take_root(path: Path, frame: pl.DataFrame) -> tuple[list[Path], pl.DataFrame]:
    """Part the columns that keep the root from the others.

    Returns:
        The places where the root may be, the likelier first, and the frame without them; no places where
        the file is no saved table.

    Raises:
        TableError: the column is there and names no folder.
    """
    if ROOT not in frame.columns or frame.is_empty():
        return [], frame
    folder = path.absolute().parent
    place = frame[ROOT][0]
    if not isinstance(place, str) or not place:
        raise TableError(
            "a saved table does not say where its pictures are",
            where=f"{path}: column {ROOT}",
            saw=repr(place),
            wanted="the path of a folder",
            do="take the column out, and name the pictures relative to the file",
        )
    places = [folder / place]
    near = frame[FROM_FILE][0] if FROM_FILE in frame.columns else None
    if isinstance(near, str) and near:
        places.insert(0, Path(os.path.normpath(folder / near)))
    return places, frame.drop(ROOT, FROM_FILE, strict=False)


def find_root(path: Path, places: list[Path], images: pl.Series) -> Path:
    """Choose the place that has more of the pictures; the first where both have as many.

    Raises:
        TableError: not one of the pictures is in any of them.
    """
    some = images.gather_every(-(-len(images) // _SAMPLE)).to_list()
    found = {place: sum(is_there(place / image) for image in some) for place in reversed(places)}
    best = max(places, key=lambda place: (found[place], is_there(place)))
    if found[best] or any(any_there(place, images) for place in places):
        return best
    remedy = (
        f"move them back, or link to them: ln -s FOLDER {places[-1]}; "
        "evaluate and calibrate also take --root FOLDER"
    )
    if places[-1].is_relative_to(cache_folder().absolute() / UNPACKED):
        name = places[-1].name.rpartition("-")[0]
        remedy = f"they were unpacked into the cache; lookalike describe {name}:FOLDER unpacks them again"
    raise TableError(
        "the pictures of the saved table are not where they were",
        where=path,
        saw=f"none of {len(images):,} such as {images[0]} in {' or '.join(map(str, dict.fromkeys(places)))}",
        do=remedy,
    )
