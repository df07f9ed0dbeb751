"""Embeddings in a folder, as TensorBoard's projector reads them, as a page to move about in, and as Parquet.

A model and a table enter, or vectors that are there already; a folder of files leaves. The folder holds
nothing else, and is written again only where an earlier map lies in it.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import polars as pl

from lookalike.errors import LookalikeError
from lookalike.evaluation import left_out, part_of
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.presenting.map_page import map_page
from lookalike.presenting.projection import Method, Projection, project, require
from lookalike.presenting.sheets import across, sheet
from lookalike.records import SILENT, Floats, Skipped, Watcher
from lookalike.tables.table import ImageTable

TENSORS, METADATA, SPRITE = "tensors.tsv", "metadata.tsv", "sprite.png"
PARQUET, PAGE = "embeddings.parquet", "map.html"
STANDALONE, CONFIG = "projector_config.json", "projector_config.pbtxt"
ORDER = (STANDALONE, TENSORS, METADATA, SPRITE, PARQUET, PAGE, CONFIG)  # the last says that all is there

WIDEST = 8192  # pixels of a sprite's side, as TensorBoard allows
LARGEST_TILE, LEAST_TILE = 64, 16
MOST_SHOWN = 100_000  # rows that TensorBoard shows
MAKER = "lookalike"

_BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # what could end a cell or a line
_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Projected:
    """What was written.

    Attributes:
        folder: where.
        table: the n pictures; projection: their n places.
        notes: what a viewer will not show, one sentence each.
        skipped: the pictures that were left out.
    """

    folder: Path
    table: ImageTable
    projection: Projection
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()


def write_projector(
    model: Model,
    table: ImageTable,
    folder: str | Path,
    *,
    split: str = "all",
    method: Method = "pca",
    seed: int = 0,
    watcher: Watcher = SILENT,
) -> Projected:
    """Embed the pictures of a table and write a folder to look at them with; labels need not be known.

    The files: map.html, a page that stands alone; tensors.tsv, metadata.tsv, sprite.png and
    projector_config.pbtxt for `tensorboard --logdir FOLDER`, and projector_config.json for the projector as a
    page of its own; embeddings.parquet with id, path, label, split, x, y and vector.

    Args:
        folder: a new or empty one, or one that an earlier map lies in.
        split: "train", "val", "test" or "all"; a table without splits is taken whole.
        method, seed: of the projection.

    Raises:
        LookalikeError: the folder holds something else, lies among the pictures, or cannot be written.
        TableError: no such split.
        EvaluationError: fewer than three pictures could be used, or all embeddings are equal.
        MissingExtraError: "umap" without umap-learn.
    """
    place = Path(folder)
    part = part_of(table, split)
    require(method)
    check_folder(place, table)
    embedded = embed_table(model, part, progress=watcher.stage("embed"))
    vectors, usable = embedded.embeddings.vectors, part.take(embedded.rows)
    projection = project(vectors, method=method, seed=seed)
    notes = write_files(usable, vectors, projection, place, title=model.name, watcher=watcher)
    return Projected(place, usable, projection, notes, left_out(part, embedded))


def write_files(
    table: ImageTable,
    vectors: Floats,
    projection: Projection,
    folder: Path,
    *,
    title: str,
    watcher: Watcher = SILENT,
) -> tuple[str, ...]:
    """Write the files of `write_projector` for vectors that are there already, for example an evaluation's.

    Args:
        table: the n pictures; vectors: [n, d] float32; projection: their n places.
        title: of the page, and of the embeddings in TensorBoard.

    Returns:
        What a viewer will not show, one sentence each.

    Raises:
        LookalikeError: as in `write_projector`.
    """
    check_folder(folder, table)
    tile = _tile(len(table))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".projector-") as name:
            draft = Path(name)
            pl.DataFrame(vectors).write_csv(draft / TENSORS, include_header=False, separator="\t")
            (draft / METADATA).write_text("\n".join([*_metadata(table), ""]), encoding="utf-8")
            if tile:
                sprite = sheet(
                    table.paths, tile=tile, boxes=table.boxes, progress=watcher.stage("small pictures")
                )
                sprite.save(draft / SPRITE)
            _frame(table, vectors, projection).write_parquet(draft / PARQUET)
            page = map_page(table, projection, title=title, progress=watcher.stage("map"))
            (draft / PAGE).write_text(page, encoding="utf-8")
            _write_configs(draft, title, vectors.shape, tile)
            _move(draft, folder)
    except OSError as error:
        raise _cannot_write(folder, error) from error
    return tuple(_notes(len(table), tile))


def check_folder(folder: Path, table: ImageTable) -> None:
    """Find out before long work whether a map may be written here.

    Raises:
        LookalikeError: it is a file, holds something else, or lies among the pictures.
    """
    if _among_pictures(folder, table):
        do = "name a folder outside of them, so that no later reading takes sprite.png for one"
        raise _refused("the map would lie among the pictures", folder, saw=f"pictures in {table.root}", do=do)
    try:
        names = {entry.name for entry in folder.iterdir()} if folder.exists() else set()
    except OSError as error:
        raise _cannot_write(folder, error) from error
    foreign = sorted(name for name in names if name not in ORDER and not name.startswith("."))
    if not foreign and not _made_here(folder):
        foreign = sorted(names & set(ORDER))
    if foreign:
        saw = f"{len(foreign)} files that are no map of this program, the first: {foreign[0]}"
        raise _refused("the folder holds other files", folder, saw=saw, do="name a new or empty folder")


def _among_pictures(folder: Path, table: ImageTable) -> bool:
    """Whether a later reading of the table would find the map; that of a manifest would not."""
    parent = Path(os.path.abspath(folder)).parent  # noqa: PTH100 - resolve() would follow links
    if table.file is not None or not parent.is_relative_to(table.root):
        return False
    # pictures lie at most three folders deep, <split>/<label>/<file>; a root of several sources may be far up
    holders = {table.root / PurePosixPath(image).parent for image in table.frame["image"].unique()}
    return any(parent in (holder, *holder.parents[:2]) for holder in holders)


def _made_here(folder: Path) -> bool:
    """Whether an earlier map of this program lies in the folder."""
    try:
        config = json.loads((folder / STANDALONE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(config, dict) and config.get("madeBy") == MAKER


def _tile(count: int) -> int:
    """Side of a sprite's tile in pixels, the larger the fewer there are; 0: too many for a sprite."""
    side = min(LARGEST_TILE, WIDEST // across(count))
    return side if side >= LEAST_TILE else 0


def _notes(count: int, tile: int) -> Iterator[str]:
    if count > MOST_SHOWN:
        yield f"TensorBoard shows the first {MOST_SHOWN:,} of {count:,} pictures; the other files have all"
    if not tile:
        most = (WIDEST // LEAST_TILE) ** 2
        yield f"There is no {SPRITE}: it has room for {most:,} pictures, which are {count:,}"


def _metadata(table: ImageTable) -> Iterator[str]:
    """Lines of metadata.tsv: names of the columns, then the pictures. Never one column, nor an empty line."""
    columns = dict(_columns(table))
    yield "\t".join(map(_cell, columns))
    for row in zip(*columns.values(), strict=True):
        yield "\t".join(_cell(value or "") for value in row)


def _columns(table: ImageTable) -> Iterator[tuple[str, list[str | None]]]:
    frame = table.frame
    if frame["label"].null_count() < len(frame):
        yield "label", frame["label"].to_list()
    yield "file", [PurePosixPath(image).name for image in frame["image"]]
    yield "path", frame["image"].to_list()
    for name, kind in frame.schema.items():
        if name not in ("image", "label") and (kind == pl.String or kind == pl.Boolean or kind.is_numeric()):
            known = name if name not in ("file", "path") else f"{name} (attribute)"
            yield known, frame[name].cast(pl.String).to_list()


def _cell(text: str) -> str:
    return _HALVES.sub("\ufffd", _BREAKS.sub(" ", text))


def _frame(table: ImageTable, vectors: Floats, projection: Projection) -> pl.DataFrame:
    nothing = pl.Series([None] * len(table), dtype=pl.String)
    split = table.frame["split"] if table.has_splits else nothing
    return pl.DataFrame(
        {
            "id": pl.Series(table.ids.tolist(), dtype=pl.String),
            "path": [str(path) for path in table.paths],
            "label": table.frame["label"],
            "split": split,
            "x": projection.places[:, 0],
            "y": projection.places[:, 1],
            "vector": pl.Series(vectors, dtype=pl.Array(pl.Float32, vectors.shape[1])).arr.to_list(),
        }
    )


def _write_configs(draft: Path, title: str, shape: tuple[int, ...], tile: int) -> None:
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", title).strip("_") or "embeddings"  # it becomes part of an address
    embedding: dict[str, Any] = {
        "tensorName": name,
        "tensorShape": list(shape),
        "tensorPath": TENSORS,
        "metadataPath": METADATA,
    }
    lines = [f'tensor_name: "{name}"', *(f"tensor_shape: {size}" for size in shape)]
    lines += [f'tensor_path: "{TENSORS}"', f'metadata_path: "{METADATA}"']
    if tile:
        embedding["sprite"] = {"imagePath": SPRITE, "singleImageDim": [tile, tile]}
        sides = f"single_image_dim: {tile} single_image_dim: {tile}"
        lines.append(f'sprite {{ image_path: "{SPRITE}" {sides} }}')
    config = {"embeddings": [embedding], "madeBy": MAKER}
    (draft / STANDALONE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    body = "".join(f"  {line}\n" for line in lines)
    (draft / CONFIG).write_text(f"embeddings {{\n{body}}}\n", encoding="utf-8")


def _move(draft: Path, folder: Path) -> None:
    """Let each file take its name whole; what an earlier map had and this one has not goes."""
    for name in ORDER:
        if (draft / name).exists():
            (draft / name).replace(folder / name)
        else:
            (folder / name).unlink(missing_ok=True)


def _cannot_write(folder: Path, error: OSError) -> LookalikeError:
    saw = error.strerror or str(error)
    do = "free some space, or name another folder"
    return _refused("the map cannot be written", folder, saw=saw, do=do)


def _refused(what: str, folder: Path, *, saw: str, do: str) -> LookalikeError:
    return LookalikeError(what, where=folder, saw=saw, do=do)
