"""Stanford Online Products: 120,053 pictures of 22,634 products in 12 categories.

Enters: the folder. Leaves: the publishers' split, whose two sides have no product in common; the label is
the product's number, the category an attribute. Ebay_info.txt, which repeats both lists, is not read.

Reference:
    Oh Song et al., Deep Metric Learning via Lifted Structured Feature Embedding, CVPR 2016
    (arXiv:1511.06452).
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import Kinds, Listing, check_heading, read_listing

_COLUMNS: Kinds = {"image_id": pl.Int64, "class_id": pl.Int64, "super_class_id": pl.Int64, "path": pl.String}
_FILES = {"train": "Ebay_train.txt", "test": "Ebay_test.txt"}


def _recognises(folder: Path) -> bool:
    return all((folder / name).is_file() for name in _FILES.values())


def _read(folder: Path) -> Contents:
    parts = {split: _side(folder / name) for split, name in _FILES.items()}
    both = parts["test"].frame["class_id"].is_in(parts["train"].frame["class_id"].implode())
    parts["test"].refuse(
        both, "a product is on both sides", column="class_id", wanted="products that train lacks"
    )
    frame = pl.concat([part.frame.with_columns(split=pl.lit(split)) for split, part in parts.items()])
    category = pl.col("path").str.split("/").list.first().str.strip_suffix("_final")
    label = pl.col("class_id").cast(pl.String)
    return Contents(folder, frame.select(image="path", label=label, split="split", category=category))


def _side(path: Path) -> Listing:
    check_heading(path, list(_COLUMNS), line=1)
    listed = read_listing(path, _COLUMNS, skip=1, rest=True)
    listed.check_images("path")
    return listed


SOP = Layout(
    name="sop",
    title="Stanford Online Products",
    files="Ebay_train.txt, Ebay_test.txt, <category>_final/",
    recognises=_recognises,
    read=_read,
)
