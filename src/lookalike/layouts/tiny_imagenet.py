"""Tiny ImageNet (tiny-imagenet-200): 200 classes of 64 x 64 pictures, of which train and val have labels.

Enters: the folder. Leaves: train and val pooled, each picture with the first name that words.txt gives its
class. The boxes of objects are not read, test has no labels and is left out.

Reference:
    Le and Yang, Tiny ImageNet Visual Recognition Challenge, Stanford CS 231N, 2015.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import Listing, read_listing
from lookalike.layouts.places import names_in, pictures_in
from lookalike.layouts.protocol import OWN

_VAL = {"file": pl.String, "wnid": pl.String, **dict.fromkeys(("x1", "y1", "x2", "y2"), pl.Int64)}


def _recognises(folder: Path) -> bool:
    return (
        (folder / "wnids.txt").is_file() and (folder / "train").is_dir() and (folder / "words.txt").is_file()
    )


def _read(folder: Path) -> Contents:
    listed = read_listing(folder / "wnids.txt", {"wnid": pl.String})
    listed.refuse_twice("wnid")
    wnids = listed.frame["wnid"].to_list()
    names = _names(folder, wnids)
    val = _val(folder, wnids)
    train, extra = _train(folder, wnids)
    frame = pl.concat([train, val]).with_columns(
        label=pl.col("wnid").replace_strict(names, return_dtype=pl.String)
    )
    frame = frame.select("image", "label", "wnid", "published_split")
    return Contents(folder, frame, notes=(*_notes(folder, len(frame)), *extra))


def _train(folder: Path, wnids: Sequence[str]) -> tuple[pl.DataFrame, tuple[str, ...]]:
    images, of = [], []
    for wnid in wnids:
        place = f"train/{wnid}/images"
        found = pictures_in(folder / place)
        images += [f"{place}/{name}" for name in found]
        of += [wnid] * len(found)
    frame = pl.DataFrame({"image": images, "wnid": of}, schema={"image": pl.String, "wnid": pl.String})
    unnamed = [name for name in names_in(folder / "train") if name not in set(wnids)]
    note = f"left out of train, because wnids.txt does not name them: {', '.join(unnamed[:5])}"
    note += f" and {len(unnamed) - 5:,} more" if len(unnamed) > 5 else ""
    return frame.with_columns(published_split=pl.lit("train")), (note,) if unnamed else ()


def _val(folder: Path, wnids: Sequence[str]) -> pl.DataFrame:
    listed = read_listing(folder / "val" / "val_annotations.txt", _VAL, mark="\t")
    listed.check_images("file")
    unknown = ~listed.frame["wnid"].is_in(list(wnids))
    listed.refuse(
        unknown, "a picture is of a class that is not there", column="wnid", wanted="one of wnids.txt"
    )
    image = "val/images/" + pl.col("file")
    return listed.frame.select(image.alias("image"), "wnid", published_split=pl.lit("val"))


def _names(folder: Path, wnids: Sequence[str]) -> dict[str, str]:
    """The first of a class's names; with its wnid where two classes of the set have the same."""
    path = folder / "words.txt"
    words = read_listing(path, {"wnid": pl.String, "names": pl.String}, mark="\t")
    _check_named(words, path, wnids)
    own = words.frame.filter(pl.col("wnid").is_in(list(wnids))).unique("wnid", keep="first")
    first = own["names"].str.split(",").list.first().str.strip_chars()
    names = dict(zip(own["wnid"], first, strict=True))
    times = Counter(names.values())
    return {wnid: name if times[name] == 1 else f"{name} ({wnid})" for wnid, name in names.items()}


def _check_named(words: Listing, path: Path, wnids: Sequence[str]) -> None:
    nameless = sorted(set(wnids) - set(words.frame["wnid"]))
    if nameless:
        raise TableError(
            "classes have no name",
            where=path,
            saw=f"{len(words.frame):,} names, none for {nameless[0]} ({len(nameless):,} such)",
            wanted="a line for every class of wnids.txt",
            do="unpack words.txt again: it may be cut short",
        )


def _notes(folder: Path, count: int) -> tuple[str, ...]:
    pooled = f"train and val are pooled, {count:,} pictures, to be divided anew; {OWN}"
    test = folder / "test" / "images"
    left = len(pictures_in(test)) if test.is_dir() else 0
    return (pooled, f"left out, because they have no labels: the {left:,} of test") if left else (pooled,)


TINY_IMAGENET = Layout(
    name="tiny-imagenet",
    title="Tiny ImageNet",
    files="wnids.txt, words.txt, train/<wnid>/images/, val/val_annotations.txt, val/images/",
    recognises=_recognises,
    read=_read,
)
