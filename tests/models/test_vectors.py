from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from lookalike.errors import LookalikeError
from lookalike.models import vectors
from lookalike.models.embedding import embed_chunks
from lookalike.models.model import Model
from lookalike.models.vectors import embed_to_parquet


@pytest.mark.parametrize("part", [3, 20_000])
def test_file_holds_ids_paths_and_vectors(
    tiny: Model, few: Path, tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "PART", part)
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"")
    pictures = sorted(few.rglob("*.png"))[:30]
    paths = [*pictures[:10], bad, *pictures[10:], pictures[0]]
    out = tmp_path / "vectors.parquet"
    skipped = embed_to_parquet(tiny, paths, out)
    assert [entry.path for entry in skipped] == [str(bad)]
    frame = pl.read_parquet(out)
    assert frame.schema == {"id": pl.String, "path": pl.String, "vector": pl.List(pl.Float32)}
    assert frame["path"].to_list() == [str(path) for path in paths if path != bad]
    expected = np.concatenate([chunk.vectors for chunk in embed_chunks(tiny, [p for p in paths if p != bad])])
    assert np.allclose(np.stack(frame["vector"].to_list()), expected, atol=1e-6)
    assert frame["id"][0] == frame["id"][-1]
    assert frame["id"].n_unique() == len(pictures)
    assert {path.name for path in tmp_path.iterdir()} == {"bad.png", "vectors.parquet", "tiny-model"}


def test_equal_files_share_an_id_and_are_told_apart_by_path(tiny: Model, few: Path, tmp_path: Path) -> None:
    picture = next(few.rglob("*.png"))
    copies = [tmp_path / "a.png", tmp_path / "b.png"]
    for copy in copies:
        copy.write_bytes(picture.read_bytes())
    embed_to_parquet(tiny, copies, tmp_path / "vectors.parquet")
    frame = pl.read_parquet(tmp_path / "vectors.parquet")
    assert frame["id"].n_unique() == 1
    assert frame["path"].to_list() == [str(copy) for copy in copies]


def test_nothing_usable_gives_an_empty_file(tiny: Model, tmp_path: Path) -> None:
    out = tmp_path / "vectors.parquet"
    assert len(embed_to_parquet(tiny, [tmp_path / "none.png"], out)) == 1
    assert pl.read_parquet(out).shape == (0, 3)


def test_other_endings_are_refused(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match=r"written as Parquet.*'\.csv'"):
        embed_to_parquet(tiny, [], tmp_path / "a.csv")


def test_missing_folder_is_explained(tiny: Model, tmp_path: Path) -> None:
    with pytest.raises(LookalikeError, match=r"vectors cannot be written.*nowhere"):
        embed_to_parquet(tiny, [], tmp_path / "nowhere" / "a.parquet")
