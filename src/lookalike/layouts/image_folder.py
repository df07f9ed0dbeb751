"""Pictures in folders with a file metadata.csv, .jsonl or .parquet beside them, as `datasets` reads them.

Enters: the folder. Leaves: the rows of its metadata files; the column file_name is the picture, relative to
the metadata file. Nothing is unpacked. A folder without such a file is a tree of labels (table).
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.choosing import NO_LABEL_COLUMN, PREFIX, left_out_note
from lookalike.layouts.layout import Contents
from lookalike.layouts.listing import AGAIN, missing
from lookalike.pictures.finding import find_images
from lookalike.tables.columns import SPLITS, tidy
from lookalike.tables.csv_file import read_csv

_NAMES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_FILE_NAME = "file_name"
_DAMAGE = (pl.exceptions.PolarsError, pl.exceptions.PanicException)
_HEAD = 1 << 16
_LISTED = "__listed__"


def has_metadata(folder: Path) -> bool:
    """Whether a folder, or a folder in it with the name of a split, has a metadata file for pictures."""
    return any(_names_files(path) for path in _metadata(folder).values())


def read_image_folder(folder: Path, *, image: str | None = None, label: str | None = None) -> Contents:
    """Read the rows of all metadata files.

    Args:
        image: the column of the paths; None: the column file_name.
        label: the column of the labels; None: the column label, or else the first folders of the paths,
            where every path has one and they differ.

    Raises:
        TableError: a file cannot be read, has no column file_name or not the one that was asked for, names
            a picture twice, or a row cannot be used.
    """
    files = _metadata(folder)
    frames, notes = [], list[str]()
    for split, path in files.items():
        frame, remarks = _read(path)
        frame, left_out = _meanings(path, frame, image=image or _FILE_NAME, label=label)
        frame, odd = tidy(path, frame)
        frame = frame.with_columns(pl.col("image").alias(_LISTED))
        notes += [*remarks, *left_out, *odd]
        inner = path.parent.relative_to(folder).as_posix()
        own = pl.col("image").str.starts_with("/")
        below = pl.lit("" if inner == "." else f"{inner}/") + pl.col("image")
        frame = frame.with_columns(image=pl.when(own).then(pl.col("image")).otherwise(below))
        frames.append(frame.with_columns(split=pl.lit(SPLITS[split])) if len(files) > 1 else frame)
    rows = pl.concat(frames, how="diagonal_relaxed")
    if rows["image"].is_duplicated().any():
        twice = rows["image"].filter(rows["image"].is_duplicated())[0]
        what = "a picture is listed twice"
        raise TableError(what, where=folder, saw=twice, do="keep one row of each picture")
    rows, said = _labelled(rows)
    return Contents(folder.absolute(), rows, (), (*notes, *said, *_unlisted(folder, rows["image"])))


def _unlisted(folder: Path, listed: pl.Series) -> tuple[str, ...]:
    """Say how many pictures of the folder no row names."""
    there = pl.Series(find_images(folder).paths, dtype=pl.String)
    named = listed.str.strip_prefix(f"{folder.absolute().as_posix()}/")
    count = int((~there.is_in(named.implode())).sum())
    return (f"pictures of the folder that no row names, and were left out: {count:,}",) if count else ()


def _labelled(rows: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Without a column label, take the folders that the files name, as in a tree without metadata."""
    folders = rows[_LISTED].str.extract(r"^([^/]+)/")
    rows = rows.drop(_LISTED)
    if rows["label"].null_count() < len(rows):
        return rows, ()
    if folders.null_count() or folders.n_unique() < 2:
        return rows, (NO_LABEL_COLUMN,)
    note = "no column is called label: the labels are the names of the pictures' folders"
    return rows.with_columns(folders.alias("label")), (note,)


def _metadata(folder: Path) -> dict[str, Path]:
    """Metadata files by the name of their split; of the whole folder, under an empty name."""
    for place in (folder, folder / "data"):
        for splits in ([""], list(SPLITS)):
            files = [(split, place / split / name) for split in splits for name in _NAMES]
            found = {split: path for split, path in files if path.is_file()}
            if found:
                return found
    return {}


def _names_files(path: Path) -> bool:
    """Whether the file has a column file_name, by its beginning."""
    with suppress(OSError, ValueError, *_DAMAGE):
        if path.suffix == ".parquet":
            return _FILE_NAME in pl.read_parquet_schema(path)
        with path.open("rb") as file:
            first = file.readline(_HEAD).decode("utf-8-sig").strip()
        names = json.loads(first) if path.suffix == ".jsonl" else _header(first)
        return isinstance(names, (dict, list)) and _FILE_NAME in names
    return False


def _header(line: str) -> list[str]:
    return [name.strip(' "') for mark in ",;\t|" for name in line.split(mark)]


def _read(path: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    try:
        if path.suffix == ".csv":
            return read_csv(path, path.read_bytes(), text=(_FILE_NAME, "label"))
        if path.suffix == ".parquet":
            return pl.read_parquet(path), ()
        return pl.read_ndjson(path, infer_schema_length=None), ()
    except OSError as error:
        raise missing("file", path, error) from error
    except _DAMAGE as error:
        saw = str(error).strip().split("\n", 1)[0]
        raise TableError("a file of the data set cannot be read", where=path, saw=saw, do=AGAIN) from error


def _meanings(
    path: Path, frame: pl.DataFrame, *, image: str, label: str | None
) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Call the columns what they are in a table, and drop what no table holds."""
    for name in (image, label or image):
        if name not in frame.columns:
            do = f"name one of these: hugging-face+{'label' if name == label else 'image'}=COLUMN:FOLDER"
            raise TableError(f"there is no column {name}", where=path, saw=", ".join(frame.columns), do=do)
    if frame.is_empty():
        raise TableError("a file lists nothing", where=path, saw="no rows", do=AGAIN)
    meant = {image: "image", **({label: "label"} if label else {})}
    others = {name: PREFIX + name for name in meant.values() if name not in meant}
    frame = frame.rename(others, strict=False).rename(meant)
    kinds = {name: kind for name, kind in frame.schema.items() if name != "box"}
    left_out = [name for name, kind in kinds.items() if kind.is_nested() or kind == pl.Binary]
    notes = left_out_note(left_out)
    return frame.drop(left_out), notes
