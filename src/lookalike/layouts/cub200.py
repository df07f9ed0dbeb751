"""CUB-200-2011: 11,788 pictures of 200 kinds of birds.

Enters: the folder. Leaves: the zero-shot split (the first half of the classes trains, the other half
tests); the publishers' own split as a column; the birds' boxes where asked. Parts and the 312 attributes
are not read.

Reference:
    Wah et al., The Caltech-UCSD Birds-200-2011 Dataset, CNS-TR-2011-001, 2011. The zero-shot split: Oh Song
    et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016 (arXiv:1511.06452).
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import polars as pl

from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import Kinds, Listing, read_listing
from lookalike.layouts.protocol import boxes, zero_shot


def _recognises(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("images.txt", "image_class_labels.txt"))


def _read(folder: Path, *, boxed: bool = False) -> Contents:
    classes = _list(folder / "classes.txt", {"class": pl.Int64, "label": pl.String}, rest=True, key="class")
    images = _images(folder, classes.frame["class"])
    frame, notes = zero_shot(images.frame, classes.frame["class"])
    frame = frame.join(classes.frame, on="class", how="left", maintain_order="left")
    own = pl.when(pl.col("is_train") == 1).then(pl.lit("train")).otherwise(pl.lit("test"))
    frame = frame.with_columns(image="images/" + pl.col("image"), published_split=own)
    columns = ["image", "label", "split", "published_split"]
    if not boxed:
        return Contents(folder, frame.select(columns), notes=notes)
    box, remarks = boxes(_corners(folder, images))
    return Contents(folder, frame.select(*columns[:3], box, columns[3]), notes=(*notes, *remarks))


def _images(folder: Path, classes: pl.Series) -> Listing:
    images = _list(folder / "images.txt", {"id": pl.Int64, "image": pl.String}, rest=True)
    images.check_images("image")
    labels = _list(folder / "image_class_labels.txt", {"id": pl.Int64, "class": pl.Int64})
    other = ~labels.frame["class"].is_in(classes.implode())
    labels.refuse(other, "a picture is of an unknown class", column="class", wanted="one of classes.txt")
    splits = _list(folder / "train_test_split.txt", {"id": pl.Int64, "is_train": pl.Int64})
    other = ~splits.frame["is_train"].is_in([0, 1])
    splits.refuse(other, "a picture is in no split", column="is_train", wanted="0 or 1")
    return images.join(labels, "id").join(splits, "id")


def _corners(folder: Path, images: Listing) -> pl.DataFrame:
    columns = {"id": pl.Int64, **dict.fromkeys(("x", "y", "width", "height"), pl.Float64)}
    x, y, width, height = (pl.col(name) for name in list(columns)[1:])
    found = images.join(_list(folder / "bounding_boxes.txt", columns), "id").frame
    return found.select(x, y, right=x + width, bottom=y + height)


def _list(path: Path, columns: Kinds, *, rest: bool = False, key: str = "id") -> Listing:
    listed = read_listing(path, columns, rest=rest)
    listed.refuse_twice(key)
    return listed


CUB200 = Layout(
    name="cub200",
    title="CUB-200-2011",
    files="images.txt, image_class_labels.txt, classes.txt, train_test_split.txt, images/",
    recognises=_recognises,
    read=_read,
    options={"boxes": partial(_read, boxed=True)},
)
