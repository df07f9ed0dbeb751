from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from lookalike.errors import LookalikeError
from lookalike.models.model import Model, Output
from lookalike.records import Floats, Pixels
from lookalike.tables.table import ImageTable
from lookalike.training.features import FeatureCache, table_features


def calls(model: Model, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many pictures each run of the graph saw, from now on."""
    seen: list[int] = []
    run = model.run

    def counted(pixels: Pixels, outputs: tuple[Output, ...]) -> tuple[Floats, ...]:
        seen.append(len(pixels))
        return run(pixels, outputs)

    monkeypatch.setattr(model, "run", counted)
    return seen


def test_backbone_sees_a_picture_once(
    tiny: Model, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = ImageTable.read(few)
    seen = calls(tiny, monkeypatch)
    first = table_features(tiny, table, cache_folder=tmp_path)
    assert sum(seen) == len(table)
    seen.clear()
    again = table_features(tiny, table, cache_folder=tmp_path)
    assert seen == []
    assert np.array_equal(first.embeddings.vectors, again.embeddings.vectors)


def test_moved_picture_is_read_back(
    tiny: Model, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(few, moved)
    table_features(tiny, ImageTable.read(few), cache_folder=tmp_path / "cache")
    changed = sorted(moved.rglob("*.png"))[5]
    shutil.copy(sorted(moved.rglob("*.png"))[9], changed)
    seen = calls(tiny, monkeypatch)
    table_features(tiny, ImageTable.read(moved), cache_folder=tmp_path / "cache")
    assert seen == []


def test_another_backbone_has_another_cache(tiny: Model, few: Path, tmp_path: Path) -> None:
    table_features(tiny, ImageTable.read(few), cache_folder=tmp_path)
    assert [path.name for path in (tmp_path / "features").glob("*.db")] == [f"{tiny.fingerprint[:16]}.db"]


def test_vector_of_another_length_is_not_used(tmp_path: Path) -> None:
    with FeatureCache(tmp_path / "a.db", dim=4) as cache:
        cache.add([b"a"], np.ones((1, 4), np.float32))
        assert np.array_equal(cache.get(b"a"), np.ones(4))  # type: ignore[arg-type]
        assert cache.get(b"b") is None
    with FeatureCache(tmp_path / "a.db", dim=5) as cache:
        assert cache.get(b"a") is None


def test_broken_cache_is_explained(tiny: Model, few: Path, tmp_path: Path) -> None:
    path = tmp_path / "features" / f"{tiny.fingerprint[:16]}.db"
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(LookalikeError, match=r"feature cache cannot be used.*delete the file"):
        table_features(tiny, ImageTable.read(few), cache_folder=tmp_path)


def test_error_of_sqlite_is_explained(
    tiny: Model, few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(FeatureCache, "add", full)
    with pytest.raises(LookalikeError, match=r"disk is full.*free some space"):
        table_features(tiny, ImageTable.read(few), cache_folder=tmp_path)
