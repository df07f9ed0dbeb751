"""Why two pictures are in one group, by what was measured of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lookalike.duplicates.comparing import Edge
from lookalike.duplicates.explaining import why
from lookalike.duplicates.limits import Asked
from lookalike.duplicates.records import Band
from lookalike.records import Look

LOOK = Look(100, 80, "PNG", 9, blank=False, print=bytes([100]) * 256)
ASKED = Asked((), 0.8, 0.3, None, mirrored=True)
NEAR = Edge(0, 1, Band.NEAR_COPY, 0.9, 0.1)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "changed or saved again in the same size"),
        ({"print": bytes([120]) * 256}, "changed or saved again in the same size, brighter"),
        ({"print": bytes([80]) * 256}, "changed or saved again in the same size, darker"),
        ({"width": 50, "height": 40}, "scaled or cropped to 50 %"),
        ({"width": 200, "height": 160}, "enlarged to 200 %"),
        ({"width": 50}, "cropped or stretched to 50 x 80"),
        ({"width": 0, "height": 0}, "the same picture"),
        ({"height": 0}, "the same picture"),
    ],
    ids=["same", "brighter", "darker", "half", "twice", "narrow", "no size", "no height"],
)
def test_what_was_done_to_a_picture(changes: dict[str, Any], said: str) -> None:
    assert (
        why(NEAR, LOOK, replace(LOOK, **changes), ASKED) == f"{said}, similarity 0.90, pixels differ by 0.10"
    )


def test_where_pixels_differ_much_nothing_is_claimed_to_be_saved_again() -> None:
    assert why(replace(NEAR, difference=0.3), LOOK, LOOK, ASKED).startswith("much like it in the same size")


def test_pictures_of_unknown_size_are_the_same_picture() -> None:
    unsized = replace(LOOK, width=0, height=0)
    for one, other in ((unsized, LOOK), (unsized, unsized), (None, LOOK), (LOOK, None)):
        assert why(NEAR, one, other, ASKED).startswith("the same picture, similarity")
    mirrored = replace(NEAR, mirrored=True)
    assert why(mirrored, LOOK, LOOK, ASKED).startswith("changed or saved again in the same size, mirrored,")


def test_what_a_decision_brought_in_is_told_with_every_band() -> None:
    by_way = replace(NEAR, difference=None, through=2)
    said = "alike by way of one that somebody decided is the same, similarity 0.90"
    assert {why(replace(by_way, band=band), LOOK, LOOK, ASKED) for band in Band} == {said}
    decided = why(replace(NEAR, difference=None), LOOK, LOOK, ASKED)
    assert decided == "somebody decided that it is the same, similarity 0.90"
