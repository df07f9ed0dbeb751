"""CelebA: 202,599 faces with 40 attributes, the person's number and the publishers' split.

Enters: the folder, with its lists as text (also in Anno/ and Eval/, as they are published) or as the CSV
files of Kaggle. Leaves: the aligned pictures with their attributes, -1 or 1. The label is the person,
where identity_CelebA.txt is there: it is given out on request only. The landmarks and the boxes of the
unaligned pictures are not read.

Reference:
    Liu et al., Deep Learning Face Attributes in the Wild, ICCV 2015 (arXiv:1411.7766).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import AGAIN, Kinds, Listing, read_heading, read_listing
from lookalike.layouts.places import first_there
from lookalike.tables.columns import COLUMNS

_PICTURES = "img_align_celeba"
_NAMELESS = "there is no identity_CelebA.txt, so the pictures have attributes, but no labels"
_SPLITS = {0: "train", 1: "val", 2: "test"}


def _recognises(folder: Path) -> bool:
    return (folder / _attributes_file(folder)).is_file() and (folder / _pictures(folder)).is_dir()


def _read(folder: Path) -> Contents:
    listed = _attributes(folder)
    names = listed.frame.columns[1:]
    listed = listed.join(_partition(folder), "image")
    identity = folder / first_there(folder, "identity_CelebA.txt", "Anno/identity_CelebA.txt")
    named = identity.exists()
    if named:
        listed = listed.join(_people(identity), "image")
    image = (f"{_pictures(folder)}/" + pl.col("image")).alias("image")
    label = pl.col("label") if named else pl.lit(None, pl.String).alias("label")
    frame = listed.frame.select(image, label, "split", *names)
    return Contents(folder, frame, notes=() if named else (_NAMELESS,))


def _pictures(folder: Path) -> str:
    nested = f"{_PICTURES}/{_PICTURES}"  # as some archives make it
    places = (nested, f"Img/{nested}", _PICTURES, f"Img/{_PICTURES}")
    return next((place for place in places if (folder / place).is_dir()), _PICTURES)


def _attributes_file(folder: Path) -> str:
    name = "list_attr_celeba"
    return first_there(folder, f"{name}.txt", f"Anno/{name}.txt", f"{name}.csv", f"Anno/{name}.csv")


def _attributes(folder: Path) -> Listing:
    path = folder / _attributes_file(folder)
    as_csv = path.suffix == ".csv"
    names = read_heading(path, line=1, mark=",")[1:] if as_csv else read_heading(path, line=2)
    _check_names(path, names)
    columns: Kinds = {"image": pl.String, **dict.fromkeys(names, pl.Int8)}
    if as_csv:
        listed = read_listing(path, columns, skip=1, mark=",")
    else:
        listed = read_listing(path, columns, skip=2, counted=True)
    listed.check_images("image")
    other = ~pl.col(names).is_in([-1, 1])
    for name, wrong in zip(names, listed.frame.select(other.any()).row(0), strict=True):
        if wrong:
            rows = listed.frame.select(~pl.col(name).is_in([-1, 1])).to_series()
            listed.refuse(rows, "an attribute says neither yes nor no", column=name, wanted="-1 or 1")
    return listed


def _check_names(path: Path, names: list[str]) -> None:
    wrong = sorted({name for name in names if names.count(name) > 1 or name in COLUMNS})
    if not names or wrong:
        saw = f"{wrong[0]} twice or in place of an attribute" if wrong else "none"
        wanted = f"different names, and none of those that have a meaning in tables: {', '.join(COLUMNS)}"
        raise TableError("the attributes have no names", where=path, saw=saw, wanted=wanted, do=AGAIN)


def _partition(folder: Path) -> Listing:
    name = "list_eval_partition"
    path = folder / first_there(folder, f"{name}.txt", f"Eval/{name}.txt", f"{name}.csv", f"Eval/{name}.csv")
    columns = {"image": pl.String, "split": pl.Int64}
    mark, skip = (",", 1) if path.suffix == ".csv" else (" ", 0)
    listed = read_listing(path, columns, skip=skip, mark=mark)
    listed.check_images("image")
    other = ~listed.frame["split"].is_in(list(_SPLITS))
    listed.refuse(other, "a picture is in no split", column="split", wanted="0 (train), 1 (val) or 2 (test)")
    split = pl.col("split").replace_strict(_SPLITS, return_dtype=pl.String)
    return replace(listed, frame=listed.frame.with_columns(split))


def _people(path: Path) -> Listing:
    listed = read_listing(path, {"image": pl.String, "label": pl.String})
    listed.check_images("image")
    return listed


CELEBA = Layout(
    name="celeba",
    title="CelebA",
    files=f"{_PICTURES}/, list_attr_celeba.txt, list_eval_partition.txt",
    recognises=_recognises,
    read=_read,
)
