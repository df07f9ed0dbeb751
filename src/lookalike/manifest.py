"""Read a manifest: a CSV, TSV, Parquet or JSONL file with one row per picture.

Enters: the file. Leaves: a frame whose columns image, label, split, group and box have one meaning each, and
the folder that its paths are relative to. Nothing is guessed: a row that could mean two things is an error
that names it. Not done here: looking whether the pictures are there (table), opening them (images).
"""

from __future__ import annotations

import csv
import difflib
import io
from pathlib import Path
from typing import NoReturn

import polars as pl

from lookalike.errors import TableError
from lookalike.saved import find_root, take_root

EXTENSIONS = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"})
COLUMNS = ("image", "label", "split", "group", "box")
_SAVED: dict[str, pl.DataType] = {
    **dict.fromkeys(("image", "label", "split", "group"), pl.String()),
    "box": pl.List(pl.Int64),
}

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

_OTHER_NAMES = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "image_path",
    "img",
    "picture",
    "image_id",
)
_URL = r"(?i)^([a-z][a-z0-9+.-]+://|data:)"
_BOX = r"^[\[(]?\s*-?\d+(?:[\s,;]+-?\d+){3}\s*[\])]?$"
_SHOWN = 5


def read_manifest(path: Path, *, root: Path | None = None) -> tuple[Path, pl.DataFrame, tuple[str, ...]]:
    """Read a manifest of any of the EXTENSIONS; a table that was saved as Parquet is read literally.

    Args:
        root: the folder that relative paths start from; None: the manifest's own, or that of the saved table.

    Returns:
        The folder that relative paths start from; the frame, with columns image and label (null where there
        is none), split, group and box where the file has them, then the attributes; and notes: what was
        put right, one sentence each.

    Raises:
        TableError: the file cannot be read, a column or row of it cannot be used, or not one picture of a
            saved table is where it was.
    """
    places, frame = take_root(path, _read(path))
    literal = bool(places) and _is_as_saved(path, frame)
    if not literal:
        frame = _strip_names(path, frame)
    if "image" not in frame.columns:
        raise _no_image_column(path, frame.columns)
    if frame.is_empty():
        raise _error(path, "the manifest has no rows", saw="a header and nothing below", do="add rows")
    frame, notes = _once(path, frame if literal else _tidy(path, frame))
    if root is None:
        root = find_root(path, places, frame["image"]) if places else path.absolute().parent
    return root, frame, notes if literal else (*notes, *_misspelt(frame.columns))


def _strip_names(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    names = [name.strip() for name in frame.columns]
    _refuse_twice(path, names)
    frame.columns = names
    return frame


def _is_as_saved(path: Path, frame: pl.DataFrame) -> bool:
    """Whether a table was written by `ImageTable.save` and has not been worked on since."""
    kinds = {name: kind for name, kind in _SAVED.items() if name in frame.columns}
    return (
        path.suffix.lower() == ".parquet"
        and {"image", "label"} <= set(frame.columns)
        and all(frame.schema[name] == kind for name, kind in kinds.items())
        and frame["image"].null_count() == 0
        and (
            "split" not in frame.columns
            or frame["split"].is_in(list(SPLITS.values())).all(ignore_nulls=False) is True
        )
    )


def _read(path: Path) -> pl.DataFrame:
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(content)
        if path.suffix.lower() in {".jsonl", ".ndjson"}:
            return pl.read_ndjson(content, infer_schema_length=None)
        return _read_csv(path, content)
    except OSError as error:
        raise _error(
            path, "the manifest cannot be read", saw=error.strerror or str(error), do="check the path"
        ) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, UnicodeDecodeError, csv.Error) as error:
        saw = str(error).strip().split("\n", 1)[0] or type(error).__name__
        do = "mend the file, or save it again as UTF-8 CSV, Parquet or JSONL"
        raise _error(path, "the manifest cannot be read", saw=saw, do=do) from error


def _read_csv(path: Path, content: bytes) -> pl.DataFrame:
    header = content.removeprefix(b"\xef\xbb\xbf").split(b"\n", 1)[0].decode("utf-8").rstrip("\r")
    rows = {mark: next(csv.reader([header], delimiter=mark), []) for mark in (",", ";", "\t")}
    separator = max(
        rows, key=lambda mark: ("image" in [name.strip() for name in rows[mark]], len(rows[mark]))
    )
    names = rows[separator]
    _refuse_twice(path, [name.strip() for name in names])
    return pl.read_csv(
        io.BytesIO(content),
        separator=separator,
        schema_overrides={name: pl.String for name in names if name.strip() in COLUMNS},
        infer_schema_length=None,  # attributes: as all their rows allow
    )


def _refuse_twice(path: Path, names: list[str]) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise _error(path, "a column stands twice", saw=", ".join(twice), do="rename or remove one of them")


def _tidy(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    columns = [_images(path, frame["image"])]
    columns.append(_text(path, frame["label"]) if "label" in frame.columns else _nulls("label", len(frame)))
    if "split" in frame.columns and frame["split"].null_count() < len(frame):
        columns.append(_splits(path, _text(path, frame["split"])))
    if "group" in frame.columns:
        columns.append(_text(path, frame["group"]))
    if "box" in frame.columns and frame["box"].null_count() < len(frame):
        columns.append(_boxes(path, frame["box"]))
    attributes = [frame[name] for name in frame.columns if name not in COLUMNS]
    for column in attributes:
        if "Binary" in str(column.dtype):  # also inside a list or struct
            _refuse_kind(path, column, wanted="text, numbers or dates")
    return pl.DataFrame([*columns, *attributes])


def _nulls(name: str, length: int) -> pl.Series:
    return pl.Series(name, [None] * length, dtype=pl.String)


def _images(path: Path, column: pl.Series) -> pl.Series:
    if column.dtype != pl.String:
        _refuse_kind(path, column, wanted="paths as text")
    empty = column.is_null() | (column == "")
    if empty.any():
        _refuse_row(path, column, empty, "a row names no picture", do="fill in its path or remove the row")
    urls = column.str.contains(_URL)
    if urls.any():
        _refuse_row(path, column, urls, "a row names a URL", do="download the pictures and name the files")
    tidy = column.str.replace_all("\\", "/", literal=True).str.replace_all(r"/(\./)+|/{2,}", "/")
    return tidy.str.replace(r"^(\./)+", "")


def _text(path: Path, column: pl.Series) -> pl.Series:
    kind = column.dtype
    if not (kind in (pl.String, pl.Boolean, pl.Categorical, pl.Enum, pl.Null) or kind.is_integer()):
        _refuse_kind(path, column, wanted="text or whole numbers")
    text = column.cast(pl.String).str.strip_chars()
    return text.set(text == "", None)


def _splits(path: Path, column: pl.Series) -> pl.Series:
    names = column.str.to_lowercase().replace_strict(SPLITS, default=None, return_dtype=pl.String)
    if names.null_count():
        do = "write train, val or test in every row, or remove the column"
        _refuse_row(path, column, names.is_null(), "a row has no known split", do=do)
    return names.alias("split")


def _boxes(path: Path, column: pl.Series) -> pl.Series:
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        wrong = ~text.str.contains(_BOX) & (text != "")
        boxes = text.set(text == "", None).str.extract_all(r"-?\d+").cast(pl.List(pl.Int64), strict=False)
    else:
        inner = getattr(column.dtype, "inner", None)
        if inner is None or not inner.is_integer():
            _refuse_kind(path, column, wanted="four whole numbers: left, top, right, bottom")
        boxes = column.cast(pl.List(pl.Int64), strict=False)  # null where a number has too many digits
        wrong = boxes.list.len() != 4
    if not wrong.any():
        left, top, right, bottom = (boxes.list.get(place, null_on_oob=True) for place in range(4))
        wrong = boxes.is_not_null() & ~((left < right) & (top < bottom)).fill_null(value=False)
    if wrong.any():
        do = "write left, top, right, bottom in pixels, left < right and top < bottom"
        _refuse_row(path, column, wrong, "a row's box is none", do=do)
    return boxes.alias("box")


def _once(path: Path, frame: pl.DataFrame) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Keep rows that repeat another one word for word once; refuse rows that contradict each other."""
    if not frame["image"].is_duplicated().any():
        return frame, ()
    kept = frame.filter(
        frame.select(pl.struct(pl.all()).struct.json_encode()).to_series().is_first_distinct()
    )
    box = pl.col("box").cast(pl.List(pl.String)).list.join(",") if "box" in frame.columns else pl.lit("")
    contradicting = kept.select("image", box.alias("box")).is_duplicated()
    if contradicting.any():
        raise _contradiction(path, kept.filter(contradicting).sort("image", maintain_order=True))
    again = len(frame) - len(kept)
    note = f"rows of {path} that repeat another one word for word, and were left out: {again:,}"
    return kept, (note,) if again else ()


def _misspelt(columns: list[str]) -> tuple[str, ...]:
    """A remark on every attribute that was perhaps meant to be one of the columns with a meaning."""
    absent = [name for name in COLUMNS if name not in columns or name == "label"]
    others = [name for name in columns if name not in COLUMNS]
    near = {name: difflib.get_close_matches(name.lower(), absent, n=1, cutoff=0.75) for name in others}
    return tuple(
        f"column {name} is kept as an attribute; if it is the {meant[0]}, call it {meant[0]}"
        for name, meant in near.items()
        if meant
    )


def _contradiction(path: Path, rows: pl.DataFrame) -> TableError:
    known = [name for name in rows.columns if name not in ("image", "box")]
    texts = rows.select("image", *(pl.struct(name).struct.json_encode().alias(name) for name in known))
    values = texts.group_by("image").agg(pl.col(known).n_unique())
    differing = [name for name in known if values[name].max() != 1]
    names = rows["image"].unique(maintain_order=True).to_list()
    shown = "; ".join(
        f"{name}: " + ", ".join(str(value) for value in rows.filter(pl.col("image") == name)[differing[0]])
        for name in names[:_SHOWN]
    )
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    kind = "labels" if differing[0] == "label" else f"values of {differing[0]}"
    return _error(path, f"the same picture has two {kind}", saw=shown + more, do="keep one row of each")


def _no_image_column(path: Path, columns: list[str]) -> TableError:
    near = difflib.get_close_matches("image", columns, n=1, cutoff=0.7)
    near += [name for name in columns if name.lower() in ("image", *_OTHER_NAMES)]
    do = f"rename the column {near[0]} to image" if near else "name the column of the paths image"
    saw = f"columns {', '.join(columns)}"
    return _error(path, "the manifest has no column image", saw=saw, do=do)


def _refuse_kind(path: Path, column: pl.Series, *, wanted: str) -> NoReturn:
    raise TableError(
        f"the column {column.name} is of the wrong kind",
        where=path,
        saw=f"{column.dtype}, for example {column.drop_nulls().to_list()[:1]}",
        wanted=wanted,
        do="convert the column",
    )


def _refuse_row(path: Path, column: pl.Series, wrong: pl.Series, what: str, *, do: str) -> NoReturn:
    row = wrong.fill_null(value=False).arg_true()[0]
    rows = int(wrong.sum())
    more = f" and {rows - 1:,} more rows" if rows > 1 else ""
    raise TableError(what, where=f"{path}: row {row + 1}", saw=f"{column[row]!r}{more}", do=do)


def _error(path: Path, what: str, *, saw: str, do: str) -> TableError:
    return TableError(what, where=path, saw=saw, do=do)
