"""Any data set of the library `datasets` by its column of pictures: from the hub, from disk, or as a folder.

Enters: the folder of a repository of the hub (Parquet), one that `save_to_disk` wrote (Arrow), or pictures
with a metadata file. Leaves: a table of its pictures, unpacked where they lie packed. What else a repository
may hold (archives, scripts that load, settings in its README) is not read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.choosing import (
    Choice,
    can_hold,
    choose,
    class_names,
    picture_columns,
    pictures_of,
    rows_of,
)
from lookalike.layouts.image_folder import has_metadata, read_image_folder
from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import AGAIN
from lookalike.layouts.protocol import PUBLISHED
from lookalike.layouts.shards import Shard, find_shards, first_shard, has_shards
from lookalike.layouts.unpacking import Packed, Portion, unpack
from lookalike.tables.columns import SPLITS

_FILES = "data/<split>-00000-of-00001.parquet, dataset_dict.json, or metadata.csv with a column file_name"


def read_hugging_face(
    folder: Path,
    *,
    image: str | None = None,
    label: str | None = None,
    name: str = "hugging-face",
    rename: Mapping[str, str] | None = None,
) -> Contents:
    """Read a data set folder of the library `datasets`.

    The column split has the published splits where there are several and all are train, validation and test
    by other names or these; other splits are kept as the attribute published_split.

    Args:
        image: the column of the pictures; None: the only one there is.
        label: the column of the labels; None: the column label, or the only one of numbered classes.
        name: what the folder in the cache begins with.
        rename: other names for attributes.

    Raises:
        TableError: there is no such data set, a file of it is missing or damaged, its columns or
            configurations leave a choice, a class has no name, or there is not one picture.
        LookalikeError: the cache cannot be written.
    """
    if has_metadata(folder) and not has_shards(folder):
        return read_image_folder(folder, image=image, label=label)
    shards = find_shards(folder)
    if not shards:
        do = "name the folder of the repository, or that save_to_disk wrote"
        what = "there are no files of a data set in the folder"
        raise TableError(what, where=folder, saw="no Parquet and no Arrow files", wanted=_FILES, do=do)
    choice = choose(
        shards[0].schema(), shards[0].description(), where=shards[0].path, image=image, label=label
    )
    published = list(dict.fromkeys(shard.split for shard in shards))

    def portions() -> Iterator[Portion]:
        for shard in shards:
            yield from _portions(folder, shard, _choice(shard, choice), rename or {})

    files = dict.fromkeys(file for shard in shards for file in (shard.path, shard.about))
    asked = json.dumps([choice.image, choice.label, *sorted((rename or {}).items())])
    contents = unpack(Packed(name, folder, tuple(files), asked), portions)
    frame, said = _splits(contents.frame, published)
    return Contents(contents.root, frame, contents.skipped, (*contents.notes, *choice.notes, *said))


def _choice(shard: Shard, first: Choice) -> Choice:
    """The same columns in another file: it may number its classes otherwise, and must not lack one."""
    schema = shard.schema()
    lacking = [column for column in first.columns if column not in schema]
    if lacking or not can_hold(schema[first.image]):
        raise TableError(
            "the files of the data set have different columns",
            where=shard.path,
            saw=", ".join(schema) if lacking else f"{first.image} ({schema[first.image]})",
            wanted=", ".join(first.columns) if lacking else "pictures in it, as in the first file",
            do=AGAIN,
        )
    return replace(first, names=class_names(shard.description(), where=shard.about))


def _portions(folder: Path, shard: Shard, choice: Choice, rename: Mapping[str, str]) -> Iterator[Portion]:
    first = 1
    where = shard.path.relative_to(folder).as_posix()
    for frame in shard.portions(choice.columns):
        rows = rows_of(frame, choice, where=shard.path, first=first).rename(dict(rename), strict=False)
        pictures = pictures_of(frame[choice.image])
        split = pl.lit(shard.split).alias(PUBLISHED)
        yield Portion(shard.split, rows.with_columns(split), pictures, (where, first))
        first += len(frame)


def _splits(frame: pl.DataFrame, published: Sequence[str]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Make the published splits those of a table, where they can be."""
    if len(published) == 1:
        note = f"all pictures are in one split, {published[0]}, so the table has none"
        return frame.drop(PUBLISHED), (note,)
    if all(name in SPLITS for name in published):
        split = pl.col(PUBLISHED).replace_strict(SPLITS, return_dtype=pl.String).alias("split")
        return frame.with_columns(split).drop(PUBLISHED), ()
    note = f"the splits are kept as the attribute {PUBLISHED}: {', '.join(published)}"
    return frame, (note,)


def _recognises(folder: Path) -> bool:
    try:
        shard = first_shard(folder)
        found = shard is not None and picture_columns(shard.schema(), shard.description())
        return bool(found) or has_metadata(folder)
    except TableError:
        return True  # reading it says what is wrong


class _Columns(Mapping[str, Callable[[Path], Contents]]):
    """Ways to read a folder, by what stands after the plus: `image=COLUMN`, `label=COLUMN` or both."""

    def __getitem__(self, option: str) -> Callable[[Path], Contents]:
        asked: dict[str, Any] = dict(part.partition("=")[::2] for part in option.split("+"))
        if not (set(asked) <= {"image", "label"} and all(asked.values())):
            raise KeyError(option)
        return partial(read_hugging_face, **asked)

    def __iter__(self) -> Iterator[str]:
        return iter(("image=COLUMN", "label=COLUMN"))

    def __len__(self) -> int:
        return 2


HUGGING_FACE = Layout(
    name="hugging-face",
    title="a data set of the library datasets",
    files=_FILES,
    recognises=_recognises,
    read=read_hugging_face,
    options=_Columns(),
)
