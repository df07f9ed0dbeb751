"""Omniglot: 1,623 characters of 50 alphabets, each drawn by 20 people.

Enters: the folder with images_background and images_evaluation. Leaves: the publishers' split, whose two
sides have no alphabet in common; the label is "alphabet/character", the number of who drew it an
attribute. The strokes are not read.

Reference:
    Lake et al., Human-level concept learning through probabilistic program induction, Science 350, 2015.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import AGAIN
from lookalike.layouts.places import names_in, pictures_in

_SIDES = {"images_background": "train", "images_evaluation": "test"}
_DRAWER = r"_(\d+)\.\w+$"


def _recognises(folder: Path) -> bool:
    for side in _SIDES:
        try:
            alphabets = names_in(folder / side)
        except TableError:
            return False
        if not any((folder / side / name / "character01").is_dir() for name in alphabets):
            return False
    return True


def _read(folder: Path) -> Contents:
    rows = [
        (f"{side}/{alphabet}/{character}/{name}", f"{alphabet}/{character}", split, alphabet)
        for side, split in _SIDES.items()
        for alphabet in _folders(folder / side)
        for character in _folders(folder / side / alphabet)
        for name in pictures_in(folder / side / alphabet / character)
    ]
    schema = dict.fromkeys(("image", "label", "split", "alphabet"), pl.String)
    frame = pl.DataFrame(rows, schema=schema, orient="row")
    frame = frame.with_columns(drawer=pl.col("image").str.extract(_DRAWER))
    nameless = frame.filter(pl.col("drawer").is_null())["image"]
    if len(nameless):
        saw = f"{nameless[0]} ({len(nameless):,} such)"
        raise TableError(
            "a file has an unknown name", where=folder, saw=saw, wanted="a name such as 0709_01.png", do=AGAIN
        )
    return Contents(folder, frame)


def _folders(folder: Path) -> list[str]:
    return [name for name in names_in(folder) if (folder / name).is_dir()]


OMNIGLOT = Layout(
    name="omniglot",
    title="Omniglot",
    files="images_background/<alphabet>/character01/, images_evaluation/",
    recognises=_recognises,
    read=_read,
)
