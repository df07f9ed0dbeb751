"""A threshold for identification is chosen on a table, kept in the model, and used for its question only."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from lookalike.errors import CalibrationError, EvaluationError, ModelError, TableError
from lookalike.judging.decisions import decide
from lookalike.judging.open_calibration import choose_open_threshold
from lookalike.judging.strangers import ask_twice
from lookalike.matching import match
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model, write_seen
from lookalike.models.shortening import Shortened
from lookalike.open_calibrating import (
    calibrate_identification,
    keep_open_threshold,
    open_thresholds,
    require_open_threshold,
)
from lookalike.records import Skipped
from lookalike.tables.table import ImageTable
from some_open_threshold import some_open_threshold


@pytest.fixture
def table(few: Path) -> ImageTable:
    return ImageTable.read(few)


@pytest.mark.parametrize("vote", [1, 3])
def test_threshold_is_that_of_the_embeddings_and_is_kept(tiny: Model, table: ImageTable, vote: int) -> None:
    found = calibrate_identification(tiny, table, target="accuracy", vote=vote, stranger_share=0.3)
    embedded = embed_table(tiny, table)
    labels = table.labels[embedded.rows]
    asked = ask_twice(embedded.embeddings.vectors, labels, excluded=embedded.identity, k=vote)
    expected = choose_open_threshold(
        decide(asked, vote=vote), target="accuracy", stranger_share=0.3, split="all"
    )
    assert found == replace(expected, fingerprint=tiny.fingerprint)
    assert require_open_threshold(Model.load(tiny.folder)) == found
    assert tiny.thresholds == {}


def test_several_names_stand_side_by_side_and_are_replaced(tiny: Model, table: ImageTable) -> None:
    calibrate_identification(tiny, table)
    calibrate_identification(tiny, table, name="of three", vote=3)
    assert [*open_thresholds(tiny)] == ["identify", "of three"]
    calibrate_identification(tiny, table, target="accuracy")
    assert {name: kept.target for name, kept in open_thresholds(tiny).items()} == {
        "identify": "accuracy",
        "of three": "f1",
    }


def test_a_threshold_for_pictures_of_a_thing_is_none_for_two_pictures(tiny: Model, few: Path) -> None:
    keep_open_threshold(tiny, some_open_threshold())
    picture = min(few.rglob("noto.png"))
    with pytest.raises(
        ModelError, match=r"answers another question .* saw identify, .* lookalike identify INDEX"
    ):
        match(tiny, picture, picture, threshold="identify")


def test_none_of_the_name_is_said_with_the_command(tiny: Model) -> None:
    with pytest.raises(ModelError) as caught:
        require_open_threshold(tiny)
    assert "the model has no threshold for identification - " in str(caught.value)
    assert "saw no calibration for this question" in str(caught.value)
    assert str(caught.value).endswith(f"lookalike calibrate {tiny.folder} DATA --question identification")
    keep_open_threshold(tiny, some_open_threshold())
    with pytest.raises(
        ModelError, match=r"of that name - .* - saw identify, wanted strict - .* --name strict$"
    ):
        require_open_threshold(tiny, "strict")


def test_another_models_threshold_is_refused(tiny: Model) -> None:
    keep_open_threshold(tiny, some_open_threshold())
    tiny.fingerprint = "0" * 64
    with pytest.raises(ModelError, match="the calibration was made for another model"):
        require_open_threshold(tiny)


def test_a_shortened_model_has_its_own(tiny: Model) -> None:
    keep_open_threshold(tiny, some_open_threshold())
    short = Shortened(tiny, dimensions=16)
    with pytest.raises(ModelError, match="no threshold for identification"):
        require_open_threshold(short)
    kept = keep_open_threshold(short, some_open_threshold(similarity=0.5))
    assert require_open_threshold(short) == kept
    assert require_open_threshold(tiny).similarity == 0.7
    with pytest.raises(ModelError, match="answers another question"):
        short.require_threshold("identify")


def test_splits_roles_and_groups_are_kept(tiny: Model, table: ImageTable) -> None:
    number = np.arange(len(table))
    columns = {
        "split": np.where(number % 7 == 0, "train", "val"),
        "role": np.where(number % 3 == 0, "query", "gallery"),
    }
    marked = ImageTable(table.root, table.frame.with_columns(**{k: pl.Series(v) for k, v in columns.items()}))
    found = calibrate_identification(tiny, marked)
    val = number % 7 != 0
    assert (found.split, found.images) == ("val", val.sum())
    assert found.strangers == (val & (number % 3 == 0)).sum()
    grouped = table.frame.with_columns(
        group=pl.col("label")
    )  # each label a group: nothing of its own is left
    with pytest.raises(EvaluationError, match="there is nothing to find"):
        calibrate_identification(tiny, ImageTable(table.root, grouped))


def test_skipped_and_seen_pictures_are_told(tiny: Model, few: Path, tmp_path: Path) -> None:
    table = ImageTable.read(few)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    more = pl.concat([table.frame, table.frame[:1].with_columns(image=pl.lit(str(broken)))])
    told: list[Skipped] = []
    calibrate_identification(tiny, ImageTable(table.root, more), skipped=told.extend)
    assert [entry.path for entry in told] == [str(broken)]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda f: f.with_columns(label=pl.lit("one")), EvaluationError, "nobody can be a stranger"),
        (lambda f: f.unique("label"), EvaluationError, "there is nothing to find"),
        (lambda f: f.with_columns(label=pl.lit(None, pl.String)), TableError, "label"),
    ],
)
def test_tables_that_say_nothing(
    tiny: Model,
    table: ImageTable,
    change: Callable[[pl.DataFrame], pl.DataFrame],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        calibrate_identification(tiny, ImageTable(table.root, change(table.frame)))
    assert open_thresholds(tiny) == {}


def test_a_wrong_target_is_said_before_any_picture_is_opened(tiny: Model, table: ImageTable) -> None:
    gone = ImageTable(Path("/nowhere"), table.frame)
    with pytest.raises(CalibrationError, match="the target is not understood"):
        calibrate_identification(tiny, gone, target="false-match-rate=0.1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"vote": 0}, "the number of votes does not fit - --vote - saw 0, wanted between 1 and 1,000"),
        ({"vote": -3}, "the number of votes does not fit - --vote - saw -3"),
        ({"vote": 10**6}, "the number of votes does not fit - --vote - saw 1000000"),
        ({"stranger_share": 0.0}, "the share of strangers does not fit - --strangers - saw 0"),
        ({"stranger_share": float("nan")}, "the share of strangers does not fit - --strangers - saw nan"),
        ({"confidence": 1.0}, "the confidence does not fit - --confidence - saw 1"),
        ({"confidence": 0.2}, "the confidence does not fit - --confidence - saw 0.2, wanted between 0.5 and"),
        ({"split": "test"}, "not chosen on the pictures it is judged by - --split - saw test, wanted val"),
    ],
)
def test_options_are_checked_before_any_picture_is_opened(
    tiny: Model, table: ImageTable, options: dict[str, Any], said: str
) -> None:
    split = table.frame.with_columns(split=pl.lit("test"))
    with pytest.raises(CalibrationError) as caught:
        calibrate_identification(tiny, ImageTable(Path("/nowhere"), split), **options)
    assert said in str(caught.value)
    assert open_thresholds(tiny) == {}


@pytest.mark.parametrize("target", ["false-identification-rate=0.5", "precision=0.5"])
def test_no_promise_from_pictures_that_were_trained_on(tiny: Model, table: ImageTable, target: str) -> None:
    hashes = embed_table(tiny, table).hashes
    seen = len(hashes) // 2 + 1
    write_seen(tiny.folder, hashes[:seen])
    with pytest.raises(CalibrationError) as caught:
        calibrate_identification(tiny, table, target=target)
    assert str(caught.value).startswith(
        f"pictures that the model was trained on support no promise - {target} on val - saw {seen} of "
        f"{len(hashes)} pictures trained on, wanted pictures that are new to the model - name others"
    )
    assert open_thresholds(tiny) == {}
    assert calibrate_identification(tiny, table).seen == seen  # that promises nothing
