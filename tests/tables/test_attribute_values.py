"""What a table states: which columns say yes and no, and who agrees with whom."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lookalike.errors import TableError
from lookalike.tables.attribute_values import agree, attribute_values, binary_columns, undecided
from lookalike.tables.table import ImageTable


def table(**columns: list[Any]) -> ImageTable:
    rows = len(next(iter(columns.values())))
    known = {"image": [f"{row}.png" for row in range(rows)], "label": ["x"] * rows}
    return ImageTable(Path("/pictures"), pl.DataFrame({**known, **columns}, strict=False))


EVERYTHING = table(
    truth=[True, False, None],
    bits=[1, 0, None],
    signs=[1, -1, None],
    floats=[1.0, 0.0, 1.0],
    ones=[1, 1, 1],
    words=["yes", "no", "yes"],
    counts=[0, 1, 2],
    mixed=[-1, 0, 1],
    nothing=[None, None, None],
    nan=[float("nan"), 0.0, 1.0],
)


def test_columns_that_say_yes_or_no_are_found() -> None:
    assert binary_columns(EVERYTHING) == ("truth", "bits", "signs", "floats", "ones")


def test_values_are_present_absent_or_not_stated() -> None:
    values = attribute_values(EVERYTHING, ["truth", "bits", "signs", "floats", "nothing"])
    assert values.dtype == np.int8
    assert values.T.tolist() == [[1, -1, 0], [1, -1, 0], [1, -1, 0], [1, -1, 1], [0, 0, 0]]
    assert attribute_values(EVERYTHING, []).shape == (3, 0)


@pytest.mark.parametrize(
    ("name", "beats"),
    [
        ("bit", ("no such attribute", "saw 'bit'", "did you mean 'bits'?")),
        ("zzzz", ("no such attribute", "name a column")),
        ("label", ("no such attribute",)),
        ("counts", ("does not say yes or no", "counts", "saw 0, 1, 2", "wanted 0 and 1")),
        ("mixed", ("does not say yes or no", "saw -1, 0, 1")),
        ("words", ("does not say yes or no", "saw no, yes")),
    ],
)
def test_what_says_something_else_is_refused(name: str, beats: tuple[str, ...]) -> None:
    with pytest.raises(TableError) as error:
        attribute_values(EVERYTHING, [name])
    for beat in beats:
        assert beat in str(error.value)


def test_agreement_is_what_a_loop_finds() -> None:
    rng = np.random.default_rng(0)
    stated = rng.integers(-1, 2, (40, 5)).astype(np.int8)
    values = rng.integers(-1, 2, (60, 5)).astype(np.int8)
    agreed, unknown = agree(stated, values), undecided(stated, values)
    for q, asked in enumerate(stated):
        for n, own in enumerate(values):
            pairs = [(want, has) for want, has in zip(asked, own, strict=True) if want]
            assert agreed[q, n] == all(want == has for want, has in pairs)
            differs = any(has not in (want, 0) for want, has in pairs)
            assert unknown[q, n] == (not differs and any(has == 0 for _, has in pairs))


def test_agreement_is_exact_for_many_attributes() -> None:
    values = np.ones((2, 5000), np.int8)
    values[1, 4999] = -1
    assert agree(values, values).tolist() == [[True, False], [False, True]]
