"""What there is to learn from: some labels only, and only so many pictures of each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lookalike.config import BatchConfig
from lookalike.errors import ConfigError
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training.material import limited
from lookalike.training.run import Run, train
from lookalike.training.side import Side


@pytest.fixture
def side(few: Path) -> Side:
    table = ImageTable.read(few)
    features = np.arange(len(table), dtype=np.float32)[:, None]
    return Side(table, table.labels, features, tuple(str(row).encode() for row in range(len(table))), ())


def test_a_side_is_limited_in_all_its_parts(side: Side) -> None:
    names = side.table.classes[2:5]
    batches = BatchConfig(class_list=tuple(names), total_examples_per_class=3)
    part = limited(side, batches, seed=1)
    assert sorted(set(part.labels)) == sorted(names)
    assert len(part.labels) == len(part.table) == len(part.features) == len(part.hashes) == 9
    for row, digest in enumerate(part.hashes):
        assert part.features[row, 0] == int(digest)
        assert side.table.paths[int(digest)] == part.table.paths[row]
        assert side.labels[int(digest)] == part.labels[row]


def test_without_limits_a_side_stays_what_it_is(side: Side) -> None:
    assert limited(side, BatchConfig(), seed=1) is side


def run(few: Path, folder: Path, **batches: Any) -> Run:
    config = parse_config(
        {"split": {"by": "class", "train": 0.5, "val": 0.25, "test": 0.25}, "batches": batches}
    )
    return train(config, few, out=folder)


def test_a_closed_form_learns_from_the_named_labels_only(few: Path, backbone: Any, tmp_path: Path) -> None:
    whole = run(few, tmp_path / "whole")
    names = ImageTable.read(tmp_path / "whole" / "split.parquet").select("train").classes[:4]
    part = run(few, tmp_path / "part", class_list=list(names))
    assert part.model.facts["training"]["classes"] == 4
    assert part.model.fingerprint != whole.model.fingerprint
    with pytest.raises(ConfigError, match=r"unknown label - batches\.class_list - saw 'nosuch'"):
        run(few, tmp_path / "none", class_list=["nosuch", *names])
