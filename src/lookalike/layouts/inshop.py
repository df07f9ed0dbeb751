"""DeepFashion In-shop Clothes Retrieval: 52,712 pictures of 7,982 garments, with queries and gallery.

Enters: the folder, with the lists in Eval/ and Anno/ and the pictures in Img/, or all of them beside each
other. Leaves: the publishers' split; a test picture is a query or belongs to the gallery; boxes where
asked. Landmarks, descriptions and segments are not read.

Reference:
    Liu et al., DeepFashion: Powering Robust Clothes Recognition and Retrieval with Rich Annotations, CVPR
    2016.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import Kinds, Listing, check_heading, read_heading, read_listing
from lookalike.layouts.places import first_there
from lookalike.layouts.protocol import boxes

_ROLES = ("query", "gallery")
_COLUMNS = ("image_name", "item_id", "evaluation_status")
_CORNERS = ("x_1", "y_1", "x_2", "y_2")


def _recognises(folder: Path) -> bool:
    path = folder / _list(folder)
    try:
        return path.is_file() and read_heading(path, line=2) == list(_COLUMNS)
    except TableError:  # a file of that name with another content
        return False


def _read(folder: Path, *, boxed: bool = False) -> Contents:
    path = folder / _list(folder)
    listed = _counted(path, dict.fromkeys(_COLUMNS, pl.String))
    status = listed.frame["evaluation_status"]
    known = status.is_in(["train", *_ROLES])
    listed.refuse(~known, "a picture is in no split", column=status.name, wanted="train, query or gallery")
    parts = pl.col("image_name").str.split("/")
    frame = listed.frame.select(
        image=f"{first_there(folder, 'Img/img', 'img').removesuffix('img')}" + pl.col("image_name"),
        label="item_id",
        split=pl.when(pl.col(status.name) == "train").then(pl.lit("train")).otherwise(pl.lit("test")),
        role=pl.when(pl.col(status.name) != "train").then(pl.col(status.name)),
        category=parts.list.slice(1, (parts.list.len().cast(pl.Int64) - 3).clip(0)).list.join("/"),
    )
    if not boxed:
        return Contents(folder, frame)
    column, notes = boxes(_boxes(folder, listed))
    frame = frame.with_columns(column).select("image", "label", "split", "role", "box", "category")
    return Contents(folder, frame, notes=notes)


def _list(folder: Path) -> str:
    return first_there(folder, "Eval/list_eval_partition.txt", "list_eval_partition.txt")


def _boxes(folder: Path, listed: Listing) -> pl.DataFrame:
    path = folder / first_there(folder, "Anno/list_bbox_inshop.txt", "list_bbox_inshop.txt")
    columns = {"image_name": pl.String, "clothes_type": pl.Int64, "pose_type": pl.Int64}
    found = _counted(path, {**columns, **dict.fromkeys(_CORNERS, pl.Int64)})
    return listed.join(found, "image_name").frame.select(_CORNERS)


def _counted(path: Path, columns: Kinds) -> Listing:
    check_heading(path, list(columns), line=2)
    listed = read_listing(path, columns, skip=2, counted=True)
    listed.check_images("image_name")
    return listed


INSHOP = Layout(
    name="inshop",
    title="In-shop Clothes Retrieval",
    files="Eval/list_eval_partition.txt, Img/img/",
    recognises=_recognises,
    read=_read,
    options={"boxes": partial(_read, boxed=True)},
)
