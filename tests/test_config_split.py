"""What a run file may say of splits, and what does not go together."""

from typing import Any

import pytest
from pydantic import ValidationError

from lookalike.config import SplitConfig


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"by": "column", "column": "published_split"},
        {"by": "group", "column": "artist"},
        {"by": "class", "folds": 5, "fold": 4},
        {"by": "class", "folds": 2, "train": 1.0, "val": 0.0, "test": 0.0},
    ],
)
def test_what_goes_together(said: dict[str, Any]) -> None:
    assert SplitConfig(**said).model_dump(include=set(said)) == said


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"train": 0.5}, "train + val + test must be 1, got 0.8"),
        ({"by": "column"}, "by: column needs column: NAME"),
        ({"column": "x"}, "leave it out for by: ratio"),
        ({"by": "class", "column": "x"}, "leave it out for by: class"),
        ({"fold": 1}, "fold needs folds"),
        ({"folds": 5}, "folds are of classes; set by: class"),
        ({"by": "class", "folds": 5, "fold": 5}, "fold goes from 0 to 4, got 5"),
        ({"by": "class", "folds": 5, "train": 0.0, "val": 0.9}, "with folds, train must have a share"),
        ({"by": "class", "folds": 1}, "greater than or equal to 2"),
    ],
)
def test_what_does_not_go_together(said: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SplitConfig(**said)
    assert message in str(caught.value)
