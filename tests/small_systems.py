"""The data sets of the four systems in small: real pictures in the form in which each is published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from packed_sets import TEN, Python2, old_text
from published import from_tree, write_cars196, write_celeba, write_tiny_imagenet

Pictures = Sequence[Image.Image]


def small_tiny_imagenet(folder: Path, sample: Path) -> str:
    """Six classes of 24 pictures; what `--data` is called with."""
    names = ["cup", "hat", "owl", "key", "bus", "egg"]
    write_tiny_imagenet(folder, dict(zip(names, _classes(sample, count=6, side=64), strict=True)))
    return f"tiny-imagenet:{folder}"


def small_celeba(folder: Path, sample: Path) -> str:
    """Twelve persons of four pictures."""
    write_celeba(folder, from_tree(sample, classes=12, each=4, side=64))
    return f"celeba:{folder}"


def small_cars196(folder: Path, sample: Path) -> str:
    """Twelve models of four pictures, half of them for training."""
    write_cars196(folder, from_tree(sample, classes=12, each=4, side=64))
    return f"cars196:{folder}"


def small_cifar10(folder: Path, sample: Path) -> str:
    """The Python version: ten classes of 24 pictures, one in four for test."""
    classes = _classes(sample, count=10, side=32)
    folder.mkdir(parents=True)
    for number, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        part = [own[18:] if number == 5 else own[:18][number::5] for own in classes]
        (folder / name).write_bytes(_batch(name, part))
    (folder / "batches.meta").write_bytes(old_text(TEN, key="label_names"))
    return f"cifar10:{folder}"


def _classes(sample: Path, *, count: int, side: int) -> list[list[Image.Image]]:
    """Classes of four things, each drawn six times."""
    things = list(from_tree(sample, classes=4 * count, each=6, side=side).values())
    return [[picture for thing in things[4 * n : 4 * n + 4] for picture in thing] for n in range(count)]


def _batch(name: str, classes: Sequence[Pictures]) -> bytes:
    labels = [label for label, own in enumerate(classes) for _ in own]
    pictures = np.stack([np.asarray(picture) for own in classes for picture in own])  # [n, 32, 32, 3]
    return Python2().dump(
        {
            b"batch_label": name.encode(),
            b"labels": labels,
            b"data": pictures.transpose(0, 3, 1, 2).reshape(len(pictures), -1).copy(),
            b"filenames": [f"{TEN[label]}_s_{n:06}.png".encode() for n, label in enumerate(labels)],
        }
    )
