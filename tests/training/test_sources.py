from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lookalike.config import AugmentConfig, BatchConfig
from lookalike.images import open_image
from lookalike.preprocess import prepare
from lookalike.table import ImageTable
from lookalike.training.sources import FeatureSource, PictureSource, label_codes
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
