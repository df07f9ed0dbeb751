"""What a run makes of roles, groups and folds before it opens a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest

from lookalike.config import RunConfig
from lookalike.errors import EvaluationError, TableError
from lookalike.records import Progress
from lookalike.tables.table import ImageTable
from lookalike.training.run import prepared_table, train


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)

    def stage(self, _name: str) -> Progress:
        raise AssertionError("no picture is opened")


def table(**columns: Sequence[str | None]) -> ImageTable:
    """Six classes of six pictures that are not there."""
    labels = [f"c{row // 6}" for row in range(36)]
    images = [f"{row}.png" for row in range(36)]
    return ImageTable(Path("/data"), pl.DataFrame({"image": images, "label": labels, **columns}))


def settings(**split: object) -> RunConfig:
    return RunConfig.model_validate({"split": split})


def test_groups_that_leave_val_without_an_answer_stop_a_run(tmp_path: Path) -> None:
    families = [f"family{row // 6}" for row in range(36)]
    with pytest.raises(EvaluationError, match=r"nothing to find .* of its own group"):
        train(settings(by="class", train=0.5, val=0.5, test=0.0), table(group=families), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_roles_that_leave_test_without_a_gallery_stop_a_run(tmp_path: Path) -> None:
    splits, roles = ["train", "train", "val", "val", "test", "test"] * 6, [None] * 4 + ["query"] * 2
    with pytest.raises(EvaluationError, match="there is no gallery"):
        train(settings(), table(split=splits, role=roles * 6), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_fold_is_split_off_and_said() -> None:
    listener = Listener()
    config = settings(by="class", folds=3, fold=2, train=0.5, val=0.5, test=0.0)
    split = prepared_table(config, table(), listener)
    assert [len(split.select(name).classes) for name in ("train", "val", "test")] == [2, 2, 2]
    assert "fold 2 of 0 to 2 is test: 2 classes" in listener.said


def test_val_of_one_class_cannot_be_judged() -> None:
    with pytest.raises(TableError, match="cannot be judged - split val"):
        prepared_table(settings(by="class"), table(), Listener())
