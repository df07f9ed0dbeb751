"""What a run file may say of how a table is divided into train, val and test; splits does it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lookalike.section import Section, Share


class SplitConfig(Section):
    """How a table is divided into train, val and test; only column and folds replace its own splits."""

    # ratio: stratified; class: no label on two sides; group: no group on two sides; column: as a column says
    by: Literal["ratio", "class", "group", "column"] = "ratio"
    column: str | None = (
        None  # by column: its values name the splits; by group: that of the groups, null: group
    )
    folds: Annotated[int, Field(ge=2)] | None = None  # by class: deal the classes out to so many folds
    fold: Annotated[int, Field(ge=0)] = 0  # the one that is test, from 0
    train: Share = 0.7
    val: Share = 0.2
    test: Share = 0.1  # with folds: a fold, whatever stands here

    @model_validator(mode="after")
    def _shares_sum_to_one(self) -> SplitConfig:
        if abs(self.train + self.val + self.test - 1.0) > 1e-6:
            raise ValueError(f"train + val + test must be 1, got {self.train + self.val + self.test:g}")
        return self

    @model_validator(mode="after")
    def _column_fits(self) -> SplitConfig:
        if self.by == "column" and not self.column:
            raise ValueError("by: column needs column: NAME, the column that names the splits")
        if self.column and self.by not in ("column", "group"):
            raise ValueError(f"column belongs to by: column and by: group; leave it out for by: {self.by}")
        return self

    @model_validator(mode="after")
    def _fold_fits(self) -> SplitConfig:
        if self.folds is None and self.fold:
            raise ValueError("fold needs folds: their number")
        if self.folds is not None and self.by != "class":
            raise ValueError("folds are of classes; set by: class")
        if self.folds is not None and self.fold >= self.folds:
            raise ValueError(f"fold goes from 0 to {self.folds - 1}, got {self.fold}")
        if self.folds is not None and not self.train:
            raise ValueError(
                "with folds, train must have a share: what is no test is divided as train to val"
            )
        return self
