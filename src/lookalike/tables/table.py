"""A table of pictures: one row per picture, with what is known of it.

Enters: a folder, a manifest, a published data set, a picture, or several of these. Leaves: an ImageTable
whose rows stand in a fixed order. Not done here: opening pictures (images), dividing a table (splits).
"""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from lookalike import layouts
from lookalike.errors import TableError
from lookalike.files import write_atomically
from lookalike.layouts import Contents
from lookalike.pictures.finding import any_there, looks_like_image, printable
from lookalike.pictures.images import Box
from lookalike.records import Labels, Skipped
from lookalike.showing import Shown
from lookalike.tables.manifest import EXTENSIONS, read_manifest
from lookalike.tables.saved import with_root
from lookalike.tables.tree import frame_of, read_tree

SPLIT_ORDER = ("train", "val", "test")


@dataclass(frozen=True)
class ImageTable(Shown):
    """Pictures with what is known of them.

    Attributes:
        root: the folder that relative paths start from, absolute.
        frame: columns image (path, with forward slashes) and label (null: not known), and where they are
            known split (train, val or test), role (query, gallery; null: both), group and box (left, top,
            right, bottom); others are attributes.
        skipped: what reading the table left out already.
        notes: what reading put right, one sentence each.
        file: the manifest that it was read from; None where there is not just one.
    """

    root: Path
    frame: pl.DataFrame
    skipped: tuple[Skipped, ...] = ()
    notes: tuple[str, ...] = ()
    file: Path | None = None

    @classmethod
    def read(cls, source: str | Path | Sequence[str | Path], *, root: str | Path | None = None) -> ImageTable:
        """Read a folder, a manifest, a picture, or several of these.

        A folder tree `<label>/<file>`, or `<train|val|test>/<label>/<file>` where every first folder has the
        name of a split ("valid" and "validation" mean val). The label is the first folder's name, however
        deep the file lies. Pictures that lie in no label's folder have the label null, so an unlabelled
        folder is one of null labels. A file attributes.csv in the folder, with a column label (or class),
        adds its other columns to the pictures of each label, as attributes. A manifest is a .csv, .tsv,
        .parquet, .jsonl or .ndjson file with a column image, relative to the manifest, and optional columns
        label, split, role, group and box (left, top, right, bottom); all others are attributes. Pictures of a
        manifest that are not there are left for the reader of the pictures to report. A published data set
        is named `name:path` or `name+option:path`, or is told by the files of its folder. Several sources
        make one table below their common folder.

        Args:
            root: where the paths of a manifest start from, in place of its own folder or, of a saved table,
                of the one it remembers.

        Raises:
            TableError: there is no such file or folder, no picture in it, or it cannot mean one thing only.
        """
        if not isinstance(source, (str, Path)):
            return _join([cls.read(part, root=root) for part in source])
        asked = layouts.parse(source)
        path = Path(source) if asked is None else asked.folder
        if printable(path.absolute()) != str(path.absolute()):
            do = "rename the folder; its name is stored with the results"
            raise _error("the path is not UTF-8", printable(path), saw="other bytes", do=do)
        try:
            mode = path.stat().st_mode
        except (OSError, ValueError) as error:
            raise _not_there(path, error) from error
        if path.suffix.lower() in EXTENSIONS and not stat.S_ISDIR(mode) and asked is None:
            return _read_manifest(path, root)
        if root is not None:
            saw = "something else"
            raise _error("only the paths of a manifest start from a root", path, saw=saw, do="leave it out")
        contents = layouts.read_recognised(path) if asked is None else layouts.read(asked)
        if contents is None and stat.S_ISDIR(mode):
            contents = read_tree(path)
        elif contents is None and looks_like_image(path):
            contents = Contents(path.absolute().parent, frame_of([path.name], [None]))
        if contents is not None:
            return cls(contents.root, contents.frame, contents.skipped, contents.notes)
        wanted = "a folder, a picture or a manifest: " + ", ".join(sorted(EXTENSIONS))
        raise _error(
            "this is no table of pictures", path, saw=path.suffix or "no extension", do=f"name {wanted}"
        )

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def source(self) -> Path:
        """What an error about rows names: the manifest, else the root."""
        return self.file or self.root

    @property
    def paths(self) -> list[Path]:
        """The n files, absolute."""
        return [self.root / image for image in self.frame["image"]]

    @property
    def ids(self) -> Labels:
        """[n] str, unique: the image column; "#left,top,right,bottom" tells boxes of one picture apart."""
        ids = self.frame["image"]
        if "box" in self.frame.columns and ids.is_duplicated().any():
            box = pl.col("box").cast(pl.List(pl.String)).list.join(",")
            several = pl.col("image").is_duplicated() & box.is_not_null()
            named = pl.when(several).then(pl.col("image") + "#" + box).otherwise(pl.col("image"))
            ids = self.frame.select(named).to_series()
        return np.array(ids.to_list(), dtype=np.str_)

    @property
    def boxes(self) -> list[Box | None]:
        """For each of the n rows the part to look at, or None."""
        if "box" not in self.frame.columns:
            return [None] * len(self)
        return [tuple(box) if box is not None else None for box in self.frame["box"].to_list()]

    def box_of(self, row: int) -> Box | None:
        """The part of one row to look at, or None."""
        box = self.frame["box"][row] if "box" in self.frame.columns else None
        return None if box is None else tuple(box)

    @property
    def labels(self) -> Labels:
        """[n] str.

        Raises:
            TableError: a row has no label.
        """
        missing = self.frame["label"].null_count()
        if missing == len(self):
            do = "put each thing's pictures in a folder of its own, or add a column label to the manifest"
            raise _error(
                "the table has no labels", self.source, saw=f"{len(self):,} pictures without one", do=do
            )
        if missing:
            first = self.frame.filter(pl.col("label").is_null())["image"][0]
            saw = f"{missing:,} of {len(self):,}, the first: {first}"
            raise _error(
                "some pictures have no label", self.source, saw=saw, do="label them or take them out"
            )
        return np.array(self.frame["label"].to_list(), dtype=np.str_)

    @property
    def classes(self) -> tuple[str, ...]:
        """The labels that occur, sorted."""
        return tuple(sorted(self.frame["label"].drop_nulls().unique().to_list()))

    @property
    def has_splits(self) -> bool:
        """Whether every row belongs to train, val or test."""
        return "split" in self.frame.columns

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that occur, in the order train, val, test."""
        present = set(self.frame["split"]) if self.has_splits else set()
        return tuple(name for name in SPLIT_ORDER if name in present)

    def select(self, split: str) -> ImageTable:
        """The rows of a split; "all" is the whole table.

        Raises:
            TableError: the table has no such split.
        """
        if split == "all":
            return self
        if split not in self.splits:
            there = ", ".join(self.splits) or "a table without splits"
            do = f"name one of {there}, or all" if self.has_splits else "name all, or add a column split"
            raise _error(f"there is no split {split}", self.source, saw=there, do=do)
        return self._with(self.frame.filter(pl.col("split") == split))

    def filter(self, mask: NDArray[np.bool_]) -> ImageTable:
        """The rows where the [n] bool mask is true."""
        return self._with(self.frame.filter(pl.Series(mask)))

    def take(self, rows: NDArray[np.int64]) -> ImageTable:
        """The rows at the given positions, in that order."""
        return self._with(self.frame[rows])

    def with_splits(self, splits: Labels) -> ImageTable:
        """The same rows, each in the split that the [n] array of "train", "val" and "test" says."""
        unknown = set(splits.tolist()) - set(SPLIT_ORDER)
        if unknown or len(splits) != len(self):
            raise ValueError(f"wanted {len(self)} of {SPLIT_ORDER}, got {len(splits)} with {sorted(unknown)}")
        return self._with(self.frame.with_columns(pl.Series("split", splits.tolist(), dtype=pl.String)))

    def save(self, path: Path) -> None:
        """Write a Parquet file that `read` reads back literally; skipped and notes are not kept.

        The pictures are found again where they were, and where they were moved together with the file.

        Raises:
            LookalikeError: the file cannot be written.
        """
        content = io.BytesIO()
        with_root(self.frame, self.root, path).write_parquet(content)
        write_atomically(path, content.getvalue())

    def fingerprint(self) -> str:
        """SHA-256 of the rows, in hex: the same for any order of rows and columns, and wherever root lies."""
        columns = sorted(self.frame.columns)
        texts = self.frame.select(pl.struct(columns).struct.json_encode()).to_series()
        digest = hashlib.sha256()
        for text in texts.sort():
            digest.update(text.encode() + b"\n")
        return digest.hexdigest()

    def _with(self, frame: pl.DataFrame) -> ImageTable:
        return replace(self, frame=frame)


def _read_manifest(path: Path, named: str | Path | None) -> ImageTable:
    root, frame, notes = read_manifest(path, root=None if named is None else Path(named).absolute())
    table = ImageTable(root, frame, notes=notes, file=path)
    if not any_there(root, frame["image"]):
        raise _error(
            "none of the pictures is there",
            path,
            saw=f"{len(table):,} paths such as {frame['image'][0]}",
            do=f"make the paths relative to {root}",
        )
    return table


def _not_there(path: Path, error: OSError | ValueError) -> TableError:
    if isinstance(error, (FileNotFoundError, NotADirectoryError)):
        return _error("there is no such file or folder", path, saw="nothing", do="check the path")
    saw = getattr(error, "strerror", None) or str(error)
    do = "check the path and its permissions"
    return _error("the file or folder cannot be looked at", path, saw=saw, do=do)


def _join(tables: Sequence[ImageTable]) -> ImageTable:
    if len(tables) == 1:
        return tables[0]
    if not tables:
        raise _error("there is no table", "sources", saw="an empty list", do="name a folder or a manifest")
    if len({table.has_splits for table in tables}) > 1:
        saw = ", ".join(f"{table.root} {'with' if table.has_splits else 'without'}" for table in tables)
        do = "give all of them splits or none"
        raise _error("some sources have splits and others not", "sources", saw=saw, do=do)
    root = Path(os.path.commonpath([table.root for table in tables]))
    frames = [_below(root, table) for table in tables]
    frame = pl.concat(frames, how="diagonal_relaxed")
    once = pl.concat([part.select("image").unique() for part in frames])["image"]  # boxes may share a picture
    if once.is_duplicated().any():
        twice = once.filter(once.is_duplicated()).min()
        raise _error("a picture is in two sources", "sources", saw=str(twice), do="name each picture once")
    skipped = tuple(
        replace(entry, path=(table.root.relative_to(root) / entry.path).as_posix())
        for table in tables
        for entry in table.skipped
    )
    return ImageTable(root, frame, skipped, tuple(note for table in tables for note in table.notes))


def _below(root: Path, table: ImageTable) -> pl.DataFrame:
    inner = table.root.relative_to(root).as_posix()
    prefix = "" if inner == "." else f"{inner}/"
    image = pl.when(pl.col("image").str.starts_with("/")).then("image").otherwise(prefix + pl.col("image"))
    return table.frame.with_columns(image.alias("image"))


def _error(what: str, where: object, *, saw: str, do: str) -> TableError:
    return TableError(what, where=where, saw=saw, do=do)
