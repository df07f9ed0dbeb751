"""Read a manifest: a CSV, TSV, Parquet or JSONL file with one row per picture.

Enters: the file. Leaves: a frame whose columns image, label, split, role, group and box have one meaning
each, and the folder that its paths are relative to. Rows that contradict each other are an error that lists
them. Not done here: looking whether the pictures are there (table), opening them (images).
"""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path

import polars as pl

from lookalike.errors import TableError
from lookalike.pictures.formats import EXTENSIONS as PICTURES
from lookalike.tables.columns import COLUMNS, ROLES, SPLITS, tidy
from lookalike.tables.csv_file import read_csv, refuse_twice
from lookalike.tables.saved import find_root, take_root

EXTENSIONS = frozenset({".csv", ".tsv", ".parquet", ".jsonl", ".ndjson"})
_SAVED: dict[str, pl.DataType] = {
    **dict.fromkeys(("image", "label", "split", "role", "group"), pl.String()),
    "box": pl.List(pl.Int64),
}

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
_SHOWN = 5


def read_manifest(path: Path, *, root: Path | None = None) -> tuple[Path, pl.DataFrame, tuple[str, ...]]:
    """Read a manifest of any of the EXTENSIONS; a table that was saved as Parquet is read literally.

    Args:
        root: the folder that relative paths start from; None: the manifest's own, or that of the saved table.

    Returns:
        The folder that relative paths start from; the frame, with columns image and label (null where there
        is none), split, role, group and box where the file has them, then the attributes; and notes: what was
        put right, one sentence each.

    Raises:
        TableError: the file cannot be read, a column or row of it cannot be used, or not one picture of a
            saved table is where it was.
    """
    frame, read = _read(path)
    places, frame = take_root(path, frame)
    literal = bool(places) and _is_as_saved(path, frame)
    if not literal:
        frame = _strip_names(path, frame)
    if "image" not in frame.columns:
        raise _no_image_column(path, frame.columns)
    if frame.is_empty():
        raise _error(path, "the manifest has no rows", saw="a header and nothing below", do="add rows")
    frame, odd = (frame, ()) if literal else tidy(path, frame)
    if root is None:
        root = find_root(path, places, frame["image"]) if places else path.absolute().parent
    frame, again = _once(path, frame, root)
    return root, frame, again if literal else (*read, *odd, *again, *_misspelt(frame.columns))


def _strip_names(path: Path, frame: pl.DataFrame) -> pl.DataFrame:
    names = [name.strip() for name in frame.columns]
    refuse_twice(path, names)
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
        and ("role" not in frame.columns or frame["role"].drop_nulls().is_in(list(ROLES)).all())
    )


def _read(path: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    try:
        content = path.read_bytes()
        if path.suffix.lower() == ".parquet":
            return pl.read_parquet(content), ()
        if path.suffix.lower() in {".jsonl", ".ndjson"}:
            return pl.read_ndjson(content.removeprefix(b"\xef\xbb\xbf"), infer_schema_length=None), ()
    except OSError as error:
        saw = error.strerror or str(error)
        raise _error(path, "the manifest cannot be read", saw=saw, do="check the path") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        saw = str(error).strip().split("\n", 1)[0] or type(error).__name__
        do = "mend the file, or save it again as UTF-8 CSV, Parquet or JSONL"
        if content.lstrip().startswith(b"["):
            saw, do = "one list of all rows", f"write one object a line: jq -c '.[]' {path} > rows.jsonl"
        elif path.suffix.lower() != ".parquet":
            saw = f"{saw}, in line {_broken_line(content)}"
        raise _error(path, "the manifest cannot be read", saw=saw, do=do) from error
    return read_csv(path, content, text=COLUMNS)


def _broken_line(content: bytes) -> str:
    """The number of the first line that is no JSON object; "?" where each of them is one."""
    for number, line in enumerate(content.removeprefix(b"\xef\xbb\xbf").splitlines(), start=1):
        try:
            if line.strip() and not isinstance(json.loads(line), dict):
                return f"{number:,}"
        except ValueError:
            return f"{number:,}"
    return "?"


def _once(path: Path, frame: pl.DataFrame, root: Path) -> tuple[pl.DataFrame, tuple[str, ...]]:
    """Keep rows that repeat another one word for word once; refuse rows that contradict each other."""
    place = _places(frame["image"], root)
    if not place.is_duplicated().any():
        return frame, ()
    rows = frame.select(pl.struct(pl.all().exclude("image"), place.alias("image")).struct.json_encode())
    first = rows.to_series().is_first_distinct()
    kept, place = frame.filter(first), place.filter(first)
    box = pl.col("box").cast(pl.List(pl.String)).list.join(",") if "box" in frame.columns else pl.lit("")
    contradicting = kept.select(place.alias("image"), box.alias("box")).is_duplicated()
    if contradicting.any():
        raise _contradiction(path, kept.filter(contradicting), place.filter(contradicting))
    again = len(frame) - len(kept)
    note = f"rows of {path} that repeat another one word for word, and were left out: {again:,}"
    return kept, (note,) if again else ()


def _places(images: pl.Series, root: Path) -> pl.Series:
    """One name for each place, however a path leads there; links are not followed."""
    folder = Path(os.path.abspath(root)).as_posix().rstrip("/") + "/"  # noqa: PTH100 - links stay
    places = images.str.strip_prefix(folder)
    up = places.str.contains("..", literal=True)
    if not up.any():
        return places
    straight = [os.path.normpath(os.path.join(folder, place)) for place in places.filter(up)]  # noqa: PTH118
    named = pl.Series(straight, dtype=pl.String).str.replace_all(os.sep, "/", literal=True)
    return places.scatter(up.arg_true(), named.str.strip_prefix(folder))


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


def _contradiction(path: Path, rows: pl.DataFrame, place: pl.Series) -> TableError:
    known = [name for name in rows.columns if name not in ("image", "box")]
    texts = rows.select(
        place.alias("image"), *(pl.struct(name).struct.json_encode().alias(name) for name in known)
    )
    values = texts.group_by("image").agg(pl.col(known).n_unique())
    differing = [name for name in known if values[name].max() != 1]
    places = place.unique().sort().to_list()
    groups = [rows.filter(place == name) for name in places[:_SHOWN]]
    shown = "; ".join(
        " = ".join(group["image"].unique(maintain_order=True))
        + ": "
        + ", ".join(str(value) for value in group[differing[0]])
        for group in groups
    )
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    kind = "labels" if differing[0] == "label" else f"values of {differing[0]}"
    return _error(path, f"the same picture has two {kind}", saw=shown + more, do="keep one row of each")


def _no_image_column(path: Path, columns: list[str]) -> TableError:
    near = difflib.get_close_matches("image", columns, n=1, cutoff=0.7)
    near += [name for name in columns if name.lower() in ("image", *_OTHER_NAMES)]
    do = f"rename the column {near[0]} to image" if near else "name the column of the paths image"
    if columns and columns[0].lower().startswith("sep="):  # a spreadsheet's hint to itself
        do = "remove the first line, so that the header comes first"
    elif any(Path(name).suffix.lower() in PICTURES for name in columns):
        do = "put a line with the names of the columns at the top, for example image,label"
    saw = f"columns {', '.join(columns)}"
    return _error(path, "the manifest has no column image", saw=saw, do=do)


def _error(path: Path, what: str, *, saw: str, do: str) -> TableError:
    return TableError(what, where=path, saw=saw, do=do)
