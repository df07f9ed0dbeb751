"""Plain frames: found where a copy without one is there, and nowhere else; the original is kept."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from lookalike.duplicates.finding import find_duplicates
from lookalike.duplicates.framed import may_frame, size_within
from lookalike.indexing.index import Index
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from scenes import detailed, saved, scaled, scene, write


def within(large: Image.Image, small: Image.Image) -> tuple[int, int] | None:
    return size_within(np.asarray(large.convert("RGB")), np.asarray(small.convert("RGB")))


@pytest.mark.parametrize("colour", ["white", "black", "navy"])
@pytest.mark.parametrize("share", [0.06, 0.1, 0.2])
def test_what_is_framed_counts_for_what_is_within(colour: str, share: float) -> None:
    for seed in range(3):
        one = detailed(seed, (240, 180))
        framed = ImageOps.expand(one, round(share * one.height), colour)
        assert within(framed, one) == one.size
        assert within(saved(framed, 90), one) == one.size
        assert within(framed, scaled(one, 0.75)) == one.size  # in the size in which it is in the frame
        assert within(framed, detailed(seed + 10, (240, 180))) is None


def test_a_border_that_belongs_to_a_picture_is_no_frame() -> None:
    thing = Image.new("RGB", (120, 90), "white")
    thing.paste(detailed(0, (60, 50)), (30, 20))
    assert within(thing, scaled(thing, 0.8)) is None
    assert within(ImageOps.expand(thing, 10, "black"), thing) is None  # in doubt: that one has a border too
    assert within(thing, thing.crop((30, 20, 90, 70))) == (60, 50)
    wide = ImageOps.expand(detailed(0), (20, 0), "white")
    assert within(wide, detailed(0)) is None  # on two sides only
    assert within(Image.new("RGB", (120, 90)), detailed(0)) is None
    half = detailed(0).crop((0, 0, 60, 90))
    assert within(ImageOps.expand(detailed(0), 10, "white"), half) is None


def test_room_for_a_frame_is_needed() -> None:
    assert may_frame((120, 100), (100, 80))
    assert not may_frame((120, 100), (120, 80))
    assert not may_frame((120, 100), (59, 80))
    assert not may_frame((120, 100), (119, 99))


def test_an_original_is_kept_before_its_framed_copies(tiny: Model, tmp_path: Path) -> None:
    root, one = tmp_path / "set", detailed(1)
    framed = ImageOps.expand(one, 5, "white")
    write(root / "original.jpg", one, quality=90)
    write(root / "framed.png", framed)
    framed.save(root / "framed.webp", lossless=True)
    write(root / "half.png", scaled(one, 0.5))
    for number in range(4):
        write(root / f"{number}.png", scene(number, 120, 90))
    with Index.create(tmp_path / "i.idx", tiny) as index:
        index.update(ImageTable.read(root))
        (group,) = find_duplicates(index).groups
    assert Path(group.members[group.keeper].path).name == "original.jpg"
    shown = {Path(each.path).name: each.shown for each in group.members}
    assert shown == {
        "original.jpg": None,
        "framed.png": one.size,
        "framed.webp": one.size,
        "half.png": None,
    }
