"""Cars196 (Stanford Cars): 16,185 pictures of 196 models of cars.

Enters: the folder, packed as cars_train/, cars_test/ and devkit/, or as car_ims/ with cars_annos.mat.
Leaves: the zero-shot split (the first half of the classes trains, the other half tests); the publishers'
own split as a column; the cars' boxes where asked.

Reference:
    Krause et al., 3D Object Representations for Fine-Grained Categorization, 3DRR 2013. The zero-shot
    split: Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016
    (arXiv:1511.06452).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import AGAIN, Listing
from lookalike.layouts.matfile import read_names, read_structs
from lookalike.layouts.places import first_there
from lookalike.layouts.protocol import PUBLISHED, boxes, zero_shot

_CORNERS = ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2")
_LABELLED = "cars_test_annos_withlabels.mat"


def _recognises(folder: Path) -> bool:
    together = (folder / "cars_annos.mat").is_file() and (folder / "car_ims").is_dir()
    return together or (folder / _devkit(folder) / "cars_train_annos.mat").is_file()


def _read(folder: Path, *, boxed: bool = False) -> Contents:
    together = (folder / "cars_annos.mat").is_file() and not (folder / _devkit(folder)).is_dir()
    names, rows = _together(folder) if together else _apart(folder)
    frame, notes = zero_shot(rows, pl.Series(range(1, len(names) + 1)))
    label = pl.col("class").replace_strict(dict(enumerate(names, start=1)), return_dtype=pl.String)
    columns = ("image", label.alias("label"), "split")
    if not boxed:
        return Contents(folder, frame.select(*columns, PUBLISHED), notes=notes)
    left, top, right, bottom = _CORNERS  # the first and the last pixel, counted from 1
    box, remarks = boxes(frame.select(pl.col(left) - 1, pl.col(top) - 1, right, bottom))
    return Contents(folder, frame.select(*columns, box, PUBLISHED), notes=(*notes, *remarks))


def _together(folder: Path) -> tuple[list[str], pl.DataFrame]:
    path = folder / "cars_annos.mat"
    names = read_names(path, "class_names")
    rows = _rows(path, names, image="relative_im_path", more=("test",))
    own = pl.when(pl.col("test") == 1).then(pl.lit("test")).otherwise(pl.lit("train"))
    return names, rows.with_columns(own.alias(PUBLISHED)).drop("test")


def _apart(folder: Path) -> tuple[list[str], pl.DataFrame]:
    devkit = folder / _devkit(folder)
    names = read_names(devkit / "cars_meta.mat", "class_names")
    sides = {"train": devkit / "cars_train_annos.mat", "test": _test_file(folder, devkit)}
    return names, pl.concat([_side(folder, path, names, split) for split, path in sides.items()])


def _devkit(folder: Path) -> str:
    return first_there(folder, "devkit", "car_devkit/devkit", "car_devkit")


def _test_file(folder: Path, devkit: Path) -> Path:
    places = (devkit / _LABELLED, folder / _LABELLED)
    found = next((path for path in places if path.is_file()), None)
    if found is not None:
        return found
    there = devkit / "cars_test_annos.mat"
    saw = f"only {there.name}, which has no labels" if there.is_file() else "no such file"
    do = f"get {_LABELLED}, which was published beside the devkit, and put it there"
    raise TableError("the labels of the test pictures are missing", where=places[0], saw=saw, do=do)


def _side(folder: Path, path: Path, names: Sequence[str], split: str) -> pl.DataFrame:
    place = first_there(folder, f"cars_{split}/cars_{split}", f"cars_{split}")
    rows = _rows(path, names, image="fname")
    image = f"{place}/" + pl.col("image")
    return rows.with_columns(image.alias("image"), pl.lit(split).alias(PUBLISHED))


def _rows(path: Path, names: Sequence[str], *, image: str, more: tuple[str, ...] = ()) -> pl.DataFrame:
    numbers = ("class", *more, *_CORNERS)
    found = read_structs(path, "annotations", (image, *numbers))
    columns = {"image": _column(path, image, found[image], str)}
    columns |= {name: _column(path, name, found[name], int) for name in numbers}
    listed = Listing(path, pl.DataFrame(columns), 1, unit="annotation")
    listed.check_images("image")
    wanted = f"one of the {len(names):,} of class_names"
    unknown = ~listed.frame["class"].is_between(1, len(names))
    listed.refuse(unknown, "a picture is of an unknown class", column="class", wanted=wanted)
    return listed.frame


def _column(path: Path, name: str, values: Sequence[Any], kind: type[str | int]) -> pl.Series:
    """Whole numbers may be stored as floating point."""
    for row, value in enumerate(values, start=1):
        if not (isinstance(value, kind) or (kind is int and isinstance(value, float) and value.is_integer())):
            raise TableError(
                "an annotation is of the wrong kind",
                where=f"{path}: annotation {row}",
                saw=f"{name} {value!r}",
                wanted="text" if kind is str else "a whole number",
                do=AGAIN,
            )
    return pl.Series(name, [kind(value) for value in values], dtype=pl.String if kind is str else pl.Int64)


CARS196 = Layout(
    name="cars196",
    title="Cars196 (Stanford Cars)",
    files=f"cars_train/, cars_test/, devkit/, {_LABELLED}; or car_ims/ and cars_annos.mat",
    recognises=_recognises,
    read=_read,
    options={"boxes": partial(_read, boxed=True)},
)
