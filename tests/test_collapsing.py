"""Copies are folded into the first answer that they are copies of, without chains."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fake_embedder import fake_model
from lookalike.collapsing import ALIKE, collapse, copies_from
from lookalike.judging.calibrated import Band
from lookalike.judging.similarity import cosine
from lookalike.models.verdicts import keep_calibration
from lookalike.records import Floats, Hit
from some_calibrations import calibration


def on_circle(*degrees: float) -> Floats:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def hits(count: int) -> list[Hit]:
    return [Hit(place + 1, 10 + place, f"{place}.png", None, 1.0 - place / 100) for place in range(count)]


def folded(
    vectors: Floats, *, alike: float, most: int = 99, contents: str = ""
) -> dict[int, tuple[int, ...]]:
    asked = hits(len(vectors))
    known = {hit.id: (contents[n] if contents else str(n)).encode() for n, hit in enumerate(asked)}
    return {hit.id: hit.copies for hit in collapse(asked, vectors, known, alike=alike, most=most)}


def test_a_copy_goes_to_the_first_that_it_is_a_copy_of() -> None:
    near = float(np.cos(np.deg2rad(10.5)))
    assert folded(on_circle(0, 10, 20, 60, 5), alike=near) == {10: (11, 14), 12: (), 13: ()}


def test_there_are_no_chains() -> None:
    near = float(np.cos(np.deg2rad(10.5)))
    assert folded(on_circle(0, 10, 20, 30), alike=near) == {10: (11,), 12: (13,)}


def test_equal_files_are_copies_whatever_the_limit() -> None:
    assert folded(on_circle(0, 40, 0, 80), alike=1.5, contents="abac") == {10: (12,), 11: (), 13: ()}


def test_so_many_stay_as_are_asked_for_with_the_copies_that_came_before_the_next() -> None:
    vectors = on_circle(0, 40, 1, 80, 2)
    near = float(np.cos(np.deg2rad(5)))
    assert folded(vectors, alike=near, most=2) == {10: (12,), 11: ()}
    assert folded(vectors, alike=near, most=3) == {10: (12, 14), 11: (), 13: ()}
    assert folded(vectors[:0], alike=near) == {}


@given(st.lists(st.integers(0, 359), min_size=1, max_size=25), st.integers(1, 60))
@settings(max_examples=80, deadline=None)
def test_none_is_lost_or_doubled_and_every_copy_is_one_of_its_own_hit(angles: list[int], width: int) -> None:
    vectors, alike = on_circle(*angles), float(np.cos(np.deg2rad(width)))
    found = folded(vectors, alike=alike)
    assert sorted([*found, *(copy for copies in found.values() for copy in copies)]) == [
        10 + place for place in range(len(angles))
    ]
    for hit, copies in found.items():
        assert all(cosine(vectors[hit - 10], vectors[copy - 10]) >= alike for copy in copies)
        earlier = [other for other in found if other < hit]
        assert not any(cosine(vectors[hit - 10], vectors[other - 10]) >= alike for other in earlier)
    for most in range(1, len(found)):
        assert list(folded(vectors, alike=alike, most=most)) == list(found)[:most]


@pytest.mark.parametrize(
    ("bands", "wanted"),
    [
        ((Band("same picture", 0.99, ""), Band("near copy", 0.8, ""), Band("related", 0.1, "")), 0.8),
        ((Band("same thing", 0.5, ""),), ALIKE),
        (None, ALIKE),
    ],
    ids=["near copy", "no such band", "no calibration"],
)
def test_copies_begin_where_the_model_says(
    bands: tuple[Band, ...] | None, wanted: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = fake_model(tmp_path_factory.mktemp("model"))
    if bands is not None:
        keep_calibration(model, calibration(model.fingerprint, bands=bands))
    assert copies_from(model) == wanted
