"""Embedding against its limits: the bare onnxruntime session, and the usual torch way with large JPEGs.

    python -m benchmarks.embedding [--quick]

Prints ratios measured side by side in one run; rounds alternate so that a noisy machine hits both sides.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torchvision.transforms import v2

from lookalike.config import NetworkConfig, PreprocessConfig
from lookalike.models.embedding import CHUNK, embed_chunks, map_in_order
from lookalike.models.model import Model
from lookalike.pictures.images import open_image
from lookalike.pictures.preprocess import prepare
from lookalike.training.backbones import Features

SAMPLE = Path(__file__).parent.parent / "examples" / "emoji"
ROUNDS = 5


def seconds(work: Callable[[], object]) -> float:
    """How long a piece of work takes."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def ratio(ours: Callable[[], object], other: Callable[[], object]) -> tuple[float, float, float]:
    """Median seconds of ours and of the other, and how many times as fast ours is (median of rounds)."""
    pairs = [(seconds(ours), seconds(other)) for _ in range(ROUNDS)]
    mine, theirs = np.median(pairs, axis=0)
    return float(mine), float(theirs), float(np.median([b / a for a, b in pairs]))


def small_pictures(model: Model, count: int) -> None:
    """64 x 64 PNGs, from file to vector, against the session on tensors that are ready."""
    paths = sorted(SAMPLE.rglob("*.png"))[:count]
    size = model.preprocess
    ready = [
        np.stack([prepare(open_image(path), size) for path in paths[i : i + CHUNK]])
        for i in range(0, len(paths), CHUNK)
    ]
    mine, bare, times = ratio(
        lambda: list(embed_chunks(model, paths)), lambda: list(map_in_order(model.embed_pixels, ready))
    )
    print(f"64 x 64 PNG  {count / mine:.1f} images/s; bare session {count / bare:.1f}; ratio {times:.3f}")


def large_pictures(model: Model, count: int) -> None:
    """12-megapixel JPEGs against PIL's full decode, torchvision's resize and eager torch."""
    with tempfile.TemporaryDirectory() as name:
        paths = _photographs(Path(name), count)
        features = Features(NetworkConfig(), PreprocessConfig()).eval()
        mine, usual, times = ratio(
            lambda: list(embed_chunks(model, paths)), lambda: _the_usual_way(features, paths)
        )
    print(f"12-megapixel JPEG  {count / mine:.1f} images/s; usual way {count / usual:.1f}; ratio {times:.2f}")


def memory(model: Model, count: int) -> None:
    """Peak memory after few and after many pictures."""
    paths = sorted(SAMPLE.rglob("*.png"))
    peaks = []
    for number in (count // 4, count):
        for _ in embed_chunks(model, [paths[i % len(paths)] for i in range(number)]):
            pass
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    print(f"peak memory  {peaks[0]:.1f} MB after {count // 4}, {peaks[1]:.1f} MB after {count} pictures")


def _the_usual_way(features: Features, paths: Sequence[Path]) -> None:
    resize = v2.Compose([v2.Resize(224, v2.InterpolationMode.BICUBIC), v2.CenterCrop(224), v2.PILToTensor()])
    with torch.inference_mode():
        for start in range(0, len(paths), CHUNK):
            batch = [resize(Image.open(path).convert("RGB")) for path in paths[start : start + CHUNK]]
            features(torch.stack(batch).permute(0, 2, 3, 1).contiguous())


def _photographs(folder: Path, count: int) -> list[Path]:
    """Pictures with the size and the detail of a camera's: enlarged drawings under noise, quality 90."""
    rng = np.random.default_rng(0)
    noise = rng.normal(scale=6, size=(3000, 4000, 1))
    drawings = sorted(SAMPLE.rglob("*.png"))
    paths = []
    for number in range(count):
        large = Image.open(drawings[number * 7]).resize((4000, 3000), Image.Resampling.BICUBIC)
        pixels = np.clip(np.asarray(large) + noise, 0, 255).astype(np.uint8)
        paths.append(folder / f"{number}.jpg")
        Image.fromarray(pixels).save(paths[-1], quality=90)
    return paths


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer pictures")
    quick = parser.parse_args().quick
    model = Model.load("default")
    memory(model, 200 if quick else 2000)  # first: torch and the photographs would hide it
    small_pictures(model, 160 if quick else 800)
    large_pictures(model, 8 if quick else 32)


if __name__ == "__main__":
    main()
