from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import CalibrationError, SkipReason
from lookalike.models import copies
from lookalike.models.copies import EDITED, SAVED, edit, embed_copies, save_again
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.tables.table import ImageTable
from painted import paint


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Eight different pictures without labels."""
    rng = np.random.default_rng(0)
    for number in range(8):
        paint(tmp_path / "flat", f"{number}", rng.integers(0, 256, 48), 5, number)
    return tmp_path / "flat"


def picture(width: int = 400, height: int = 300) -> Image.Image:
    rows = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return Image.fromarray(rows).resize((width, height), Image.Resampling.NEAREST)


def test_every_picture_comes_with_its_copies(tiny: Model, flat: Path) -> None:
    table = ImageTable.read(flat)
    found = embed_copies(tiny, table)
    assert np.allclose(found.originals, embed_table(tiny, table).embeddings.vectors)
    assert found.saved.shape == (8, SAVED, 48)
    assert found.edited.shape == (8, EDITED, 48)
    vectors, pictures = found.stacked()
    assert pictures.tolist() == [number for number in range(8) for _ in range(1 + SAVED + EDITED)]
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)
    assert np.array_equal(vectors[:: 1 + SAVED + EDITED], found.originals)
    assert found.similarities("saved").mean() > found.similarities("edited").mean()
    own = [vectors[1] @ vectors[0], vectors[2] @ vectors[0]]
    assert found.similarities("saved")[:2] == pytest.approx(own, abs=1e-5)


def test_copies_depend_on_content_and_seed_alone(tiny: Model, flat: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    moved.mkdir()
    shutil.copy(flat / "5.png", moved / "a.png")
    shutil.copy(flat / "2.png", moved / "b.png")
    here, there = embed_copies(tiny, ImageTable.read(flat)), embed_copies(tiny, ImageTable.read(moved))
    assert np.array_equal(here.edited[[5, 2]], there.edited)
    other = embed_copies(tiny, ImageTable.read(moved), seed=1)
    assert not np.array_equal(there.edited, other.edited)


def test_copied_files_count_once_and_bad_ones_are_told(tiny: Model, flat: Path) -> None:
    shutil.copy(flat / "1.png", flat / "again.png")
    (flat / "bad.png").write_bytes(b"nothing")
    found = embed_copies(tiny, ImageTable.read(flat))
    assert len(found.originals) == len(set(found.hashes)) == 8
    assert [entry.reason for entry in found.skipped] == [SkipReason.NOT_AN_IMAGE]


def test_of_many_pictures_some_are_drawn(tiny: Model, flat: Path) -> None:
    done = []
    found = embed_copies(tiny, ImageTable.read(flat), most=5, progress=lambda *count: done.append(count))
    assert len(found.originals) == 5
    assert done[-1] == (5, 5)


def test_one_picture_has_no_other_to_compare_with(tiny: Model, tmp_path: Path) -> None:
    paint(tmp_path, "a", np.zeros(48), 5, 0)
    (tmp_path / "bad.png").write_bytes(b"nothing")
    with pytest.raises(
        CalibrationError, match=r"too few pictures .* saw 1 that can be used; skipped .*bad\.png"
    ):
        embed_copies(tiny, ImageTable.read(tmp_path))


@pytest.mark.parametrize("seed", range(5))
def test_edits_stay_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    saved = save_again(picture(), rng)
    assert 0.5 <= saved.width / 400 <= 1.0
    assert saved.width / saved.height == pytest.approx(4 / 3, rel=0.02)
    whole, again = (np.asarray(each.resize((40, 30)), float) for each in (picture(), saved))
    assert np.abs(whole - again).mean() < 12
    edited = edit(picture(), rng)
    assert 0.5 * 0.8 - 0.01 <= edited.width / 400 <= 0.96
    assert edited.mode == saved.mode == "RGB"


def test_a_thumbnail_is_not_scaled_down(monkeypatch: pytest.MonkeyPatch) -> None:
    assert save_again(picture(64, 48), np.random.default_rng(0)).size == (64, 48)
    assert min(save_again(picture(180, 140), np.random.default_rng(3)).size) >= 128
    monkeypatch.setattr(copies, "SCALES", (0.5, 0.5))
    assert save_again(picture(400, 300), np.random.default_rng(0)).size == (200, 150)
