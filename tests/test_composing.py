"""Pictures with weights become one vector."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.composing import Given, combine, in_words, parts_of
from lookalike.errors import LookalikeError
from lookalike.hits import Part
from lookalike.records import Floats


def drawn(count: int, *, seed: int = 0) -> Floats:
    rows = np.random.default_rng(seed).normal(size=(count, 6))
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@given(
    st.lists(st.floats(-3, 3).filter(lambda weight: abs(weight) > 0.01), min_size=1, max_size=5),
    st.integers(0, 10**6),
)
@settings(max_examples=60, deadline=None)
def test_a_combination_is_the_weighted_sum_at_unit_length(weights: list[float], seed: int) -> None:
    vectors = drawn(len(weights), seed=seed)
    parts = [Part(str(n), weight) for n, weight in enumerate(weights)]
    total = [
        sum(weight * float(vector[place]) for weight, vector in zip(weights, vectors, strict=True))
        for place in range(6)
    ]
    length = math.sqrt(sum(value * value for value in total))
    found = combine(vectors, parts)
    assert found.dtype == np.float32
    assert found.tolist() == pytest.approx([value / length for value in total], abs=1e-4)


def test_one_picture_is_itself_to_the_bit_and_against_it_is_its_opposite() -> None:
    vectors = drawn(1)
    assert combine(vectors, [Part("a", 0.3)]).tolist() == vectors[0].tolist()
    assert combine(vectors, [Part("a", -2.0)]) == pytest.approx(-vectors[0], abs=1e-6)


@pytest.mark.parametrize("scale", [1e-300, 1e300])
def test_weights_of_any_size_add_up(scale: float) -> None:
    vectors = drawn(2)
    wanted = combine(vectors, [Part("a", 1.0), Part("b", 0.5)])
    assert combine(vectors, [Part("a", scale), Part("b", scale / 2)]).tolist() == wanted.tolist()


def test_pictures_that_cancel_out_are_refused() -> None:
    vectors = np.repeat(drawn(1), 2, axis=0)
    with pytest.raises(LookalikeError) as error:
        combine(vectors, [Part("a.png", 0.5), Part("b.png", -0.5)])
    assert str(error.value) == (
        "the pictures of a combination cancel each other out - 0.5 × a.png − 0.5 × b.png - "
        "saw a sum of length 0, wanted at least 0.001, for there to be a direction to look in - "
        "leave one of them out, or give them other weights"
    )


def test_parts_are_those_that_weigh_something() -> None:
    given = Given("a.png", drawn(1)[0])
    for first in ("a.png", Path("a.png"), given):
        found = parts_of([(first, 1), ("b.png", 0), ("-c:0.5.png", -0.5)])
        assert [entry.part for entry in found] == [Part("a.png", 1.0), Part("-c:0.5.png", -0.5)]
        assert found[0].picture is first
    assert parts_of({given: 2})[0].part == Part("a.png", 2.0)


@pytest.mark.parametrize(
    "weight",
    [math.nan, math.inf, -math.inf, 10**400, -(10**400)],
    ids=["nan", "inf", "-inf", "too large", "too small"],
)
def test_a_weight_that_is_no_number_is_refused(weight: float) -> None:
    with pytest.raises(LookalikeError, match="a weight is no number - b"):
        parts_of({"a.png": 1, "b.png": weight})


def test_a_combination_of_nothing_is_refused() -> None:
    with pytest.raises(LookalikeError, match="saw no picture, wanted at least one"):
        parts_of({})
    with pytest.raises(LookalikeError, match="saw weights of 0 alone"):
        parts_of({"a.png": 0.0})


def test_a_combination_is_told_in_words() -> None:
    assert in_words([Part("a.png", -1.0), Part("b.png", 2.5)]) == "− a.png + 2.5 × b.png"
