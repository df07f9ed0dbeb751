"""Cached views: what a frozen backbone sees of changed pictures, computed once; the picture of samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from lookalike.config import AugmentConfig, BatchConfig
from lookalike.errors import ConfigError, LookalikeError
from lookalike.models.embedding import embed_table
from lookalike.models.model import Model
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import prepare
from lookalike.records import Progress
from lookalike.runfile import parse_config
from lookalike.tables.table import ImageTable
from lookalike.training import material
from lookalike.training.material import all_samples, with_categories, with_views
from lookalike.training.samples import GAP, write_samples
from lookalike.training.side import Side
from lookalike.training.views import table_views

AUGMENT = AugmentConfig()
STILL = AugmentConfig.model_validate(
    {
        name: False if name == "horizontal_flip" else 0.0
        for name in ("zoom", "horizontal_flip", "rotation", "translation", "brightness", "contrast")
    }
)


class Counting:
    """A model that counts the pictures it looks at."""

    def __init__(self, model: Model) -> None:
        self.model, self.seen = model, 0
        self.dim, self.fingerprint, self.preprocess = model.dim, model.fingerprint, model.preprocess

    def embed_pixels(self, pixels: Any) -> Any:
        self.seen += len(pixels)
        return self.model.embed_pixels(pixels)


@pytest.fixture
def side(few: Path, tiny: Model) -> Side:
    table = ImageTable.read(few).take(np.arange(0, 120, 10))
    found = embed_table(tiny, table)
    return Side(table, table.labels, found.embeddings.vectors, found.hashes, ())


def views(model: Any, side: Side, place: Path, **options: Any) -> Any:
    defaults: dict[str, Any] = {"augment": AUGMENT, "views": 3, "seed": 0}
    return table_views(model, side.table, side.hashes, cache_folder=place, **{**defaults, **options})


def test_views_are_of_unit_length_and_differ(side: Side, tiny: Model, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = views(tiny, side, tmp_path, progress=lambda *counts: told.append(counts))
    assert found.shape == (12, 3, tiny.dim)
    assert found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=2), 1, atol=1e-5)
    assert told == [(row, 12) for row in range(1, 13)]
    pairs = [(found[:, a] * found[:, b]).sum(1) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert all((pair < 0.9999).all() for pair in pairs)
    same = (found * side.features[:, None]).sum(2)
    other = (found * np.roll(side.features, 6, axis=0)[:, None]).sum(2)
    assert same.mean() > other.mean() + 0.1, "a view is of its own picture"


def test_unchanged_views_are_the_pictures_themselves(side: Side, tiny: Model, tmp_path: Path) -> None:
    found = views(tiny, side, tmp_path, augment=STILL, views=2)
    assert np.allclose(found, side.features[:, None], atol=1e-5)


def test_views_are_computed_once(side: Side, tiny: Model, tmp_path: Path) -> None:
    model = Counting(tiny)
    first = views(model, side, tmp_path)
    assert model.seen == 36
    assert np.array_equal(views(model, side, tmp_path), first)
    assert model.seen == 36
    more = views(model, side, tmp_path, views=5)
    assert model.seen == 60
    assert np.array_equal(more[:, :3], first)
    for change in ({"seed": 1}, {"augment": AUGMENT.model_copy(update={"zoom": 0.2})}):
        before = model.seen
        assert not np.allclose(views(model, side, tmp_path, **change), first)
        assert model.seen == before + 36
    order = np.arange(12)[::-1]
    turned = replace(side, table=side.table.take(order), hashes=tuple(np.array(side.hashes)[order].tolist()))
    assert np.array_equal(views(model, turned, tmp_path)[::-1], first), "moved pictures keep their views"


def test_threads_of_torch_are_as_before(side: Side, tiny: Model, tmp_path: Path) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    views(tiny, side, tmp_path, views=1)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)


def test_unusable_cache_is_explained(side: Side, tiny: Model, tmp_path: Path) -> None:
    place = tmp_path / "features" / f"{tiny.fingerprint[:16]}.db"
    place.mkdir(parents=True)
    with pytest.raises(LookalikeError, match=r"feature cache cannot be used.*LOOKALIKE_CACHE"):
        views(tiny, side, tmp_path)


class Listener:
    def __init__(self) -> None:
        self.stages: list[str] = []

    def say(self, text: str) -> None:
        raise AssertionError(text)

    def stage(self, name: str) -> Progress:
        self.stages.append(name)
        return lambda _done, _total: None


@pytest.mark.parametrize(
    ("changes", "drawn", "cached"),
    [
        ({}, False, False),
        ({"image_augmentation": True}, True, True),
        ({"image_augmentation": True, "training": {"views": None}}, True, False),
        ({"image_augmentation": True, "network": {"frozen": False}}, True, False),
    ],
)
def test_views_are_cached_where_the_backbone_is_frozen(
    side: Side,
    tiny: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    drawn: bool,
    cached: bool,
) -> None:
    monkeypatch.setattr(material, "cache_folder", lambda: tmp_path)
    listener = Listener()
    found = with_views(side, tiny, parse_config(changes), tmp_path / "run", listener)
    assert (tmp_path / "run" / "samples.png").exists() is drawn
    assert (found.views is not None) is cached
    assert listener.stages == (["features of augmented train"] if cached else [])
    if cached:
        assert found.views is not None
        assert found.views.shape == (12, 8, tiny.dim)


def test_all_samples_have_the_label_of_their_picture(side: Side, tiny: Model, tmp_path: Path) -> None:
    features, labels = all_samples(side)
    assert features is side.features
    assert labels is side.labels
    found = views(tiny, side, tmp_path)
    features, labels = all_samples(replace(side, views=found))
    assert features.shape == (48, tiny.dim)
    for row in range(12):
        mine = np.flatnonzero((features[:, None] == found[row][None]).all(2).any(1))
        assert set(labels[mine]) == {side.labels[row]}
        assert len(mine) == 3


def test_categories_come_from_a_column(side: Side) -> None:
    frame = side.table.frame.with_columns(pl.Series("kind", ["a", "b", None] * 4))
    own = replace(side, table=replace(side.table, frame=frame))
    assert with_categories(own, BatchConfig()).categories is None
    found = with_categories(own, BatchConfig(category="kind")).categories
    assert found is not None
    assert found.tolist() == ["a", "b", "None"] * 4
    with pytest.raises(ConfigError, match=r"no such column.*batches\.category.*'kin'.*did you mean kind"):
        with_categories(own, BatchConfig(category="kin"))
    with pytest.raises(ConfigError, match=r"add the column"):
        with_categories(own, BatchConfig(category="xyzzy"))


def test_samples_show_pictures_beside_their_views(side: Side, tiny: Model, tmp_path: Path) -> None:
    path = tmp_path / "samples.png"
    write_samples(path, side.table, tiny.preprocess, AUGMENT, seed=0, pictures=3, views=4)
    size = tiny.preprocess.size
    drawn = np.asarray(Image.open(path))
    assert drawn.shape == (3 * size + 2 * GAP, 5 * size + 6 * GAP, 3)
    for place, row in enumerate((0, 5, 11)):
        top = place * (size + GAP)
        own = prepare(open_image(side.table.paths[row]), tiny.preprocess)
        assert np.array_equal(drawn[top : top + size, :size], own)
        parts = [drawn[top : top + size, size + 3 * GAP + k * (size + GAP) :][:, :size] for k in range(4)]
        assert not any(np.array_equal(part, own) for part in parts)
    first = path.read_bytes()
    write_samples(path, side.table, tiny.preprocess, AUGMENT, seed=0, pictures=3, views=4)
    assert path.read_bytes() == first
    write_samples(path, side.table, tiny.preprocess, STILL, seed=0, pictures=50, views=1)
    still = np.asarray(Image.open(path))
    assert np.array_equal(still[:, :size], still[:, size + 3 * GAP :])
