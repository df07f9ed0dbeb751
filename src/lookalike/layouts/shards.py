"""The files that a `datasets` folder consists of: Parquet as on the hub, Arrow as save_to_disk writes them.

Enters: a folder. Leaves: its shards, each with its split, the description of its columns and its rows in
portions of bounded size. Not done here: what the columns mean (choosing).
"""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.choosing import Description
from lookalike.layouts.listing import AGAIN, missing
from lookalike.tables.columns import SPLITS

_SHARD = re.compile(r"(?P<split>.+?)-\d{5}-of-\d{5}(?:-[0-9a-f]+)?\.parquet")
_CONVERTED = re.compile(r"\d{4}\.parquet")  # of the branch refs/convert/parquet: <split>/0000.parquet
_DICTIONARY, _STATE, _INFO = "dataset_dict.json", "state.json", "dataset_info.json"
_DAMAGE = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_CONVERTED_FIRST = "0000.parquet"
_ORDER = {name: place for place, name in enumerate(SPLITS)}
_SOME_FILES, _SOME_FOLDERS = 200, 50  # so that a large tree of pictures is told from a data set in no time
_PORTION_BYTES = 64 << 20
_PORTION_ROWS = 512


@dataclass(frozen=True)
class Shard:
    """One file of a data set.

    Attributes:
        path: the file.
        split: the split's published name.
        about: the file that describes the columns; the file itself where that is Parquet.
        home: the folder of the configuration that it belongs to.
    """

    path: Path
    split: str
    about: Path
    home: Path

    def schema(self) -> pl.Schema:
        """The columns and their kinds.

        Raises:
            TableError: the file cannot be read.
        """
        with _reading(self.path):
            if self.path.suffix == ".parquet":
                return pl.Schema(pl.read_parquet_schema(self.path))
            return pl.read_ipc_stream(self.path, n_rows=0).schema

    def description(self) -> Description:
        """What the library says of the columns; empty where the file does not say it.

        Raises:
            TableError: the description cannot be read.
        """
        if self.about.suffix != ".parquet":
            return _mapping(read_json(self.about).get("features"))
        with _reading(self.about):
            about = json.loads(pl.read_parquet_metadata(self.about).get("huggingface") or "{}")
        return _mapping(_mapping(_mapping(about).get("info")).get("features"))

    def portions(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        """The rows, as many at a time as are a few hundred and hold no more than 64 MB of pictures.

        A row whose picture alone is larger is a portion of its own.

        Raises:
            TableError: the file cannot be read.
        """
        with _reading(self.path):
            for part in self._parts(columns):
                yield from _slices(part)

    def _parts(self, columns: list[str]) -> Iterator[pl.DataFrame]:
        if self.path.suffix != ".parquet":
            yield pl.read_ipc_stream(self.path, columns=columns)  # the library keeps them below 500 MB
            return
        rows = pl.scan_parquet(self.path)
        count = rows.select(pl.len()).collect().item()
        step = max(1, count * _PORTION_BYTES // max(self.path.stat().st_size, 1))
        for first in range(0, count, step):
            yield rows.select(columns).slice(first, step).collect()


def find_shards(folder: Path) -> list[Shard]:
    """All shards of the data set in a folder, in the order of their splits and names; may be none.

    Raises:
        TableError: the folder holds several configurations, or a file that it speaks of is missing.
    """
    shards = _listed(folder)
    names = list(dict.fromkeys(shard.home.relative_to(folder).as_posix() for shard in shards))
    if len(names) > 1:
        raise TableError(
            "the data set has several configurations",
            where=folder,
            saw=", ".join(names),
            wanted="one",
            do=f"name its folder, for example {folder / names[0]}",
        )
    return shards


def first_shard(folder: Path) -> Shard | None:
    """A file of the data set in a folder, of any configuration; None where it does not look like one.

    Raises:
        TableError: a file that it speaks of is missing.
    """
    return next(iter(_listed(folder)), None) if has_shards(folder) else None


def has_shards(folder: Path) -> bool:
    """Whether a folder looks like one of the library's, by the first of its files' names alone."""
    if (folder / _DICTIONARY).is_file() or ((folder / _STATE).is_file() and (folder / _INFO).is_file()):
        return True
    try:
        own = _some(folder)
        inner = [entry for entry in own if entry.is_dir()][:_SOME_FOLDERS]
        named = [*own, *(entry for place in inner for entry in _some(Path(place.path)))]
    except OSError:
        return False
    places = [folder, *(Path(place.path) for place in inner)]
    return any(_is_usual(entry.name) for entry in named) or any(
        (place / split / _CONVERTED_FIRST).is_file() for place in places for split in SPLITS
    )


def _is_usual(name: str) -> bool:
    """Whether a file has a name that the library gives."""
    stem, _, extension = name.rpartition(".")
    usual = _SHARD.fullmatch(name) or _CONVERTED.fullmatch(name) or stem in SPLITS
    return extension == "parquet" and bool(usual)


def _some(folder: Path) -> list[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        return list(itertools.islice(entries, _SOME_FILES))


def read_json(path: Path) -> Mapping[str, Any]:
    """An object in a JSON file.

    Raises:
        TableError: there is no such file, or it holds something else.
    """
    with _reading(path):
        return _mapping(json.loads(path.read_bytes()))


def _saved(folder: Path, name: str) -> list[Shard]:
    state = read_json(folder / _STATE)
    listed = state.get("_data_files")
    entries = listed if isinstance(listed, list) else []
    files = _own(folder / _STATE, [_mapping(each).get("filename") for each in entries])
    split = name or (state["_split"] if isinstance(state.get("_split"), str) else "train")
    home = folder.parent if name else folder
    return [Shard(folder / file, split, folder / _INFO, home) for file in files]


def _parquets(folder: Path) -> list[Path]:
    """At most two folders deep: those named as the library names them, or else all."""
    levels = ("[!.]*.parquet", "[!.]*/[!.]*.parquet", "[!.]*/[!.]*/[!.]*.parquet")
    found = sorted(path for level in levels for path in folder.glob(level))
    return [path for path in found if _is_usual(path.name)] or [
        path for path in found if path.stem != "metadata"
    ]


def _listed(folder: Path) -> list[Shard]:
    if (folder / _DICTIONARY).is_file():
        names = read_json(folder / _DICTIONARY).get("splits")
        splits = _own(folder / _DICTIONARY, names if isinstance(names, list) else [])
        return [shard for name in splits for shard in _saved(folder / name, name)]
    if (folder / _STATE).is_file():
        return _saved(folder, "")
    return sorted(
        (_on_hub(folder, path) for path in _parquets(folder)),
        key=lambda shard: (_ORDER.get(shard.split, len(_ORDER)), shard.split, shard.path.name),
    )


def _on_hub(folder: Path, path: Path) -> Shard:
    named = _SHARD.fullmatch(path.name)
    if not named and path.parent != folder and _CONVERTED.fullmatch(path.name):
        return Shard(path, path.parent.name, path, path.parent.parent)
    return Shard(path, named["split"] if named else path.stem, path, path.parent)


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _own(about: Path, names: list[Any]) -> list[str]:
    """The names that a file gives to others beside it, or below."""
    for name in names:
        if not isinstance(name, str) or Path(name).anchor or ".." in Path(name).parts or "\0" in name:
            raise TableError(
                "a data set names a file that cannot be one of its own",
                where=about,
                saw=repr(name) if isinstance(name, str) else type(name).__name__,
                wanted="names of what lies in its folder",
                do=AGAIN,
            )
    return names


def _slices(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    contents = [
        column.struct.field("bytes") if isinstance(column.dtype, pl.Struct) else column
        for column in rows
        if not isinstance(column.dtype, pl.Struct) or "bytes" in column.struct.fields
    ]
    sizes = [column.bin.size().fill_null(0) for column in contents if column.dtype == pl.Binary]
    ends = np.cumsum(sum((size.to_numpy() for size in sizes), np.zeros(len(rows), np.int64)))  # [n]
    first = 0
    while first < len(rows):
        before = ends[first - 1] if first else 0
        fitting = int(np.searchsorted(ends, before + _PORTION_BYTES, side="right"))
        last = max(first + 1, min(fitting, first + _PORTION_ROWS))
        yield rows.slice(first, last - first)
        first = last


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in one form what goes wrong with a file."""
    try:
        yield
    except OSError as error:
        raise missing("file", path, error) from error
    except (ValueError, RecursionError, *_DAMAGE) as error:
        saw = str(error).strip().split("\n", 1)[0][:200] or type(error).__name__
        raise TableError("a file of the data set cannot be read", where=path, saw=saw, do=AGAIN) from error
