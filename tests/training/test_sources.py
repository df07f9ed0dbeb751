from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lookalike.config import AugmentConfig, BatchConfig
from lookalike.errors import TrainingError
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import prepare
from lookalike.tables.table import ImageTable
from lookalike.training.sources import FeatureSource, Part, PictureSource, label_codes, seed_of
from tiny_model import TINY

BATCHES = BatchConfig(classes=4, images=3)


@pytest.fixture
def pictures(few: Path) -> Any:
    table = ImageTable.read(few)

    def make(augment: AugmentConfig | None = None, workers: int = 0) -> PictureSource:
        return PictureSource(table.paths, table.boxes, table.labels, TINY, augment, workers)

    return make


def test_features_come_with_their_labels() -> None:
    labels = np.repeat(["b", "a", "c", "d"], 5)
    features = np.arange(20, dtype=np.float32)[:, None]
    source = FeatureSource(features, labels)
    codes = label_codes(labels)
    for rows, batch in source.training(BATCHES, seed=0, epoch=0):
        assert torch.equal(batch, codes[rows[:, 0].long()])
    [(rows, batch)] = source.evaluation()
    assert torch.equal(rows, torch.from_numpy(features))
    assert torch.equal(batch, codes)


def test_pictures_come_prepared_with_their_labels(pictures: Any) -> None:
    source = pictures()
    whole = [torch.cat(parts) for parts in zip(*source.evaluation(), strict=True)]
    expected = prepare(open_image(source.paths[17]), TINY)
    assert torch.equal(whole[0][17], torch.from_numpy(expected))
    assert torch.equal(whole[1], label_codes(source.labels))


@pytest.mark.parametrize("augment", [None, AugmentConfig()])
def test_epoch_is_a_function_of_seed_and_number(pictures: Any, augment: AugmentConfig | None) -> None:
    def epoch(seed: int, number: int, workers: int = 0) -> torch.Tensor:
        return torch.cat(
            [images for images, _ in pictures(augment, workers).training(BATCHES, seed=seed, epoch=number)]
        )

    torch.manual_seed(1)
    first = epoch(0, 2)
    torch.manual_seed(2)
    assert torch.equal(first, epoch(0, 2))
    assert torch.equal(first, epoch(0, 2, workers=2))
    assert not torch.equal(first[:12], epoch(0, 3)[:12])
    assert not torch.equal(first[:12], epoch(1, 2)[:12])


def test_augmentation_changes_training_pictures_only(pictures: Any) -> None:
    plain = {
        image.numpy().tobytes() for image in torch.cat([images for images, _ in pictures().evaluation()])
    }
    source = pictures(AugmentConfig())
    assert all(image.numpy().tobytes() in plain for images, _ in source.evaluation() for image in images)
    changed = [image for images, _ in source.training(BATCHES, seed=0, epoch=0) for image in images]
    assert sum(image.numpy().tobytes() in plain for image in changed) < len(changed) / 10


@pytest.fixture
def viewed() -> FeatureSource:
    """Feature of picture i is [i, -1], of its view k [i, k]."""
    labels = np.repeat(["b", "a", "c", "d"], 6)
    rows = np.arange(24, dtype=np.float32)
    views = np.stack(
        [np.broadcast_to(rows[:, None], (24, 3)), np.broadcast_to(np.arange(3), (24, 3))], axis=2
    )
    return FeatureSource(
        np.stack([rows, -np.ones(24)], axis=1).astype(np.float32), labels, views.astype(np.float32)
    )


def test_places_take_the_picture_or_one_of_its_views(viewed: FeatureSource) -> None:
    taken = []
    for epoch in range(12):
        plain = replace(viewed, views=None).training(BATCHES, seed=0, epoch=epoch)
        for (rows, codes), (same, known) in zip(
            viewed.training(BATCHES, seed=0, epoch=epoch), plain, strict=True
        ):
            assert torch.equal(rows[:, 0], same[:, 0])
            assert torch.equal(codes, known)
            taken += rows[:, 1].tolist()
    counts = np.array([taken.count(view) for view in (-1, 0, 1, 2)])
    assert counts.sum() == len(taken)
    assert (abs(counts / len(taken) - 0.25) < 0.08).all()
    [(rows, _)] = viewed.evaluation()
    assert (rows[:, 1] == -1).all()


@pytest.mark.parametrize("kind", ["features", "views", "pictures"])
def test_epoch_goes_on_where_it_was_left(kind: str, viewed: FeatureSource, pictures: Any) -> None:
    chosen = {
        "features": replace(viewed, views=None),
        "views": viewed,
        "pictures": pictures(AugmentConfig()),
    }[kind]
    whole = list(chosen.training(BATCHES, seed=1, epoch=2))
    rest = chosen.training(BATCHES, seed=1, epoch=2, part=Part(start=1))
    assert len(rest) == len(whole) > 1
    left = list(rest)
    assert len(left) == len(whole) - 1
    for (inputs, codes), (wanted, known) in zip(left, whole[1:], strict=True):
        assert torch.equal(inputs, wanted)
        assert torch.equal(codes, known)


def test_devices_together_have_what_one_has(viewed: FeatureSource) -> None:
    whole = viewed.training(BATCHES, seed=1, epoch=2)
    parts = [viewed.training(BATCHES, seed=1, epoch=2, part=Part(rank=rank, world=2)) for rank in (0, 1)]
    for (inputs, codes), first, second in zip(whole, *parts, strict=True):
        assert torch.equal(codes, torch.cat([first[1], second[1]]))
        assert torch.equal(inputs[:, 0], torch.cat([first[0], second[0]])[:, 0])


def test_sizes_take_turns_and_judging_keeps_its_own(pictures: Any) -> None:
    source = replace(pictures(), sizes=(16, 24, 48), epochs=7)
    assert [source.size_of(epoch) for epoch in range(8)] == [16, 16, 16, 24, 24, 48, 48, 48]
    assert next(iter(source.training(BATCHES, seed=0, epoch=3)))[0].shape[1:] == (24, 24, 3)
    assert next(iter(source.evaluation()))[0].shape[1:] == (TINY.size, TINY.size, 3)
    assert pictures().size_of(5) == TINY.size


def test_categories_reach_the_batches() -> None:
    labels = np.repeat([f"{label:02}" for label in range(12)], 4)
    categories = np.repeat(np.arange(12) % 3, 4)
    features = categories.astype(np.float32)[:, None]
    options = BatchConfig(classes=4, images=2, category_share=1.0)
    batches = FeatureSource(features, labels, categories=categories).training(options, seed=0, epoch=0)
    assert sum(len(set(rows[:, 0].tolist())) == 1 for rows, _ in batches) >= len(batches) - 2  # type: ignore[arg-type]


def test_seeds_of_different_numbers_differ() -> None:
    seeds = {seed_of(a, b, c) for a in range(5) for b in range(5) for c in range(5)}
    assert len(seeds) == 125
    assert all(0 <= seed < 2**63 for seed in seeds)


def steps(source: Any, batches: BatchConfig, epochs: int) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """All batches of some epochs, one after the other."""
    return [batch for epoch in range(epochs) for batch in source.training(batches, seed=3, epoch=epoch)]


@pytest.mark.parametrize("length", [5, 30])  # less than an epoch of the sampler, and more
def test_steps_per_epoch_cut_the_same_row_of_batches_elsewhere(pictures: Any, length: int) -> None:
    changes = AugmentConfig(zoom=0, rotation=0, translation=0, contrast=0)
    source = replace(pictures(changes), epochs=2)
    whole = len(list(source.training(BATCHES, seed=3, epoch=0)))
    assert 5 < whole < 30
    cut = steps(source, BATCHES.model_copy(update={"steps_per_epoch": length}), epochs=2)
    assert len(cut) == 2 * length
    expected = steps(source, BATCHES, epochs=-(-len(cut) // whole))[: len(cut)]
    for (images, codes), (others, known) in zip(cut, expected, strict=True):
        assert torch.equal(images, others)
        assert torch.equal(codes, known)


def test_steps_per_epoch_of_features_and_from_the_middle() -> None:
    labels = np.repeat(np.arange(6), 5)
    source = FeatureSource(np.arange(30, dtype=np.float32)[:, None], labels)
    batches = BATCHES.model_copy(update={"steps_per_epoch": 5})
    assert len(list(source.training(batches, seed=0, epoch=4))) == 5
    found = list(source.training(batches, seed=0, epoch=4, part=Part(start=3)))
    assert len(found) == 2
    for (rows, codes), (expected, known) in zip(
        found, list(source.training(batches, seed=0, epoch=4))[3:], strict=True
    ):
        assert torch.equal(rows, expected)
        assert torch.equal(codes, known)
        assert torch.equal(codes, label_codes(labels)[rows[:, 0].long()])


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("damage", ["missing", "not an image"])
def test_a_picture_that_has_gone_is_one_error_with_its_path(
    pictures: Any, tmp_path: Path, damage: str, workers: int
) -> None:
    source: PictureSource = pictures(workers=workers)
    lost = tmp_path / "lost.png"
    source = replace(source, paths=[*source.paths[:3], lost, *source.paths[4:]])
    if damage == "not an image":
        lost.write_text("no picture any more", encoding="utf-8")
    message = rf"cannot be opened any more - {lost} - saw {damage}.*same command with --resume"
    with pytest.raises(TrainingError, match=message):
        list(source.training(BATCHES, seed=0, epoch=0))
    with pytest.raises(TrainingError, match=message):
        list(source.evaluation())


def test_an_epoch_of_pictures_has_a_length(pictures: Any) -> None:
    epoch = pictures().training(BATCHES, seed=0, epoch=0)
    assert len(epoch) == len(list(epoch))
