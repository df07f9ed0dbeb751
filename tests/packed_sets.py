"""Writers of data sets whose pictures lie packed in files, in the very form in which they are published."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

TEN = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
HUNDRED = [*(f"fine_{number}" for number in range(96)), "apple", "aquarium_fish", "willow_tree", "worm"]
TWENTY = [f"coarse_{number}" for number in range(20)]

Planes = NDArray[np.uint8]  # [n, 3072]


class Python2:
    """What Python 2 writes for plain values: text is bytes, without a mark that says which."""

    def __init__(self) -> None:
        self.memory = 0

    def dump(self, value: Any) -> bytes:
        return b"\x80\x02" + self._any(value) + b"."

    def _put(self) -> bytes:
        self.memory += 1
        return b"q" + bytes([self.memory]) if self.memory < 256 else b"r" + struct.pack("<I", self.memory)

    def _any(self, value: Any) -> bytes:
        if isinstance(value, dict):
            start = b"}" + self._put()
            items = b"".join(self._any(key) + self._any(each) for key, each in value.items())
            return start + b"(" + items + b"u"
        if isinstance(value, list):
            start = b"]" + self._put()
            parts = [value[first : first + 1000] for first in range(0, len(value), 1000)]
            return start + b"".join(b"(" + b"".join(map(self._any, part)) + b"e" for part in parts)
        if isinstance(value, bytes):
            size = b"U" + bytes([len(value)]) if len(value) < 256 else b"T" + struct.pack("<i", len(value))
            return size + value + self._put()
        if isinstance(value, int):
            form = "<B" if 0 <= value < 2**8 else "<H" if 0 <= value < 2**16 else "<i"
            return {"<B": b"K", "<H": b"M", "<i": b"J"}[form] + struct.pack(form, value)
        return self._array(value)

    def _array(self, value: NDArray[np.uint8]) -> bytes:
        start = b"cnumpy.core.multiarray\n_reconstruct\n" + self._put() + b"cnumpy\nndarray\n" + self._put()
        start += b"K\x00\x85" + self._put() + self._any(b"b") + b"\x87" + self._put() + b"R" + self._put()
        shape = b"".join(map(self._any, value.shape)) + {1: b"\x85", 2: b"\x86"}[value.ndim] + self._put()
        kind = b"cnumpy\ndtype\n" + self._put() + self._any(b"u1") + b"K\x00K\x01\x87" + self._put()
        kind += (
            b"R" + self._put() + b"(K\x03" + self._any(b"|") + b"NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\x00t"
        )
        kind += self._put() + b"b"
        content = self._any(value.tobytes())
        return start + b"(K\x01" + shape + kind + b"\x89" + content + b"t" + self._put() + b"b"


def old_text(names: Sequence[str], *, key: str) -> bytes:
    """A dictionary as the first protocol writes it, in lines of text."""
    listed = "(lp4\n" + "".join(f"S'{name}'\np{place + 5}\na" for place, name in enumerate(names))
    start = f"(dp1\nS'num_cases_per_batch'\np2\nI10000\nsS'{key}'\np3\n"
    return f"{start}{listed}sS'num_vis'\np99\nI3072\ns.".encode()


def some_planes(count: int, *, seed: int) -> Planes:
    """[n, 3072] random."""
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), dtype=np.uint8)


def as_pixels(planes: Planes) -> NDArray[np.uint8]:
    """[n, 3072] to [n, 32, 32, 3], one picture after another by hand."""
    upright = np.empty((len(planes), 32, 32, 3), np.uint8)
    for n, plane in enumerate(planes):
        for colour in range(3):
            for row in range(32):
                start = colour * 1024 + row * 32
                upright[n, row, :, colour] = plane[start : start + 32]
    return upright


def batches_of_ten(*, each: int = 4) -> dict[str, tuple[Planes, list[int]]]:
    """The six batches: pictures and labels."""
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    return {
        name: (some_planes(each, seed=n), [(n + k) % 10 for k in range(each)]) for n, name in enumerate(names)
    }


def write_cifar10_python(folder: Path, *, each: int = 4) -> dict[str, tuple[Planes, list[int]]]:
    folder.mkdir(parents=True)
    batches = batches_of_ten(each=each)
    for name, (planes, labels) in batches.items():
        content = {
            b"batch_label": f"{name} of 5".encode(),
            b"labels": labels,
            b"data": planes,
            b"filenames": [f"{TEN[label]}_s_{n:06}.png".encode() for n, label in enumerate(labels)],
        }
        (folder / name).write_bytes(Python2().dump(content))
    (folder / "batches.meta").write_bytes(old_text(TEN, key="label_names"))
    return batches


def write_cifar10_binary(folder: Path, *, each: int = 4) -> None:
    folder.mkdir(parents=True)
    for name, (planes, labels) in batches_of_ten(each=each).items():
        rows = np.concatenate([np.array(labels, np.uint8)[:, None], planes], axis=1)
        (folder / f"{name}.bin").write_bytes(rows.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(TEN) + "\n\n")


def two_sides(*, each: int = 6) -> dict[str, tuple[Planes, list[int], list[int]]]:
    """CIFAR-100's two files: pictures, fine and coarse labels."""
    return {
        name: (some_planes(each, seed=n), [94 + k for k in range(each)], [k % 20 for k in range(each)])
        for n, name in enumerate(("train", "test"))
    }


def write_cifar100_python(folder: Path) -> dict[str, tuple[Planes, list[int], list[int]]]:
    folder.mkdir(parents=True)
    sides = two_sides()
    for name, (planes, fine, coarse) in sides.items():
        content = {
            b"filenames": [f"picture_{n}.png".encode() for n in range(len(planes))],
            b"batch_label": f"{name} batch 1 of 1".encode(),
            b"fine_labels": fine,
            b"coarse_labels": coarse,
            b"data": planes,
        }
        (folder / name).write_bytes(Python2().dump(content))
    names = {b"fine_label_names": _encoded(HUNDRED), b"coarse_label_names": _encoded(TWENTY)}
    (folder / "meta").write_bytes(Python2().dump(names))
    return sides


def write_cifar100_binary(folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, (planes, fine, coarse) in two_sides().items():
        labels = np.array([coarse, fine], np.uint8).T
        (folder / f"{name}.bin").write_bytes(np.concatenate([labels, planes], axis=1).tobytes())
    (folder / "fine_label_names.txt").write_text("\n".join(HUNDRED) + "\n")
    (folder / "coarse_label_names.txt").write_text("\n".join(TWENTY) + "\n")


def _encoded(names: Sequence[str]) -> list[bytes]:
    return [name.encode() for name in names]


def png(pixels: NDArray[np.uint8]) -> bytes:
    """The content of a PNG file."""
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    return content.getvalue()


def small_png(value: int) -> bytes:
    """A picture of one colour."""
    return png(np.full((4, 5, 3), value, np.uint8))


CLASS = {"_type": "ClassLabel"}
IMAGE = {"_type": "Image"}
PICTURE = pl.Struct({"bytes": pl.Binary, "path": pl.String})


def classes(names: Sequence[str]) -> dict[str, Any]:
    """The description of a column of numbered classes."""
    return {"names": list(names), **CLASS}


def table(column: str, contents: Sequence[bytes | None], **others: Any) -> pl.DataFrame:
    """Pictures as the library keeps them, with other columns."""
    pictures = [
        None if each is None else {"bytes": each, "path": f"{n}.png"} for n, each in enumerate(contents)
    ]
    return pl.DataFrame(
        [pl.Series(column, pictures, dtype=PICTURE), *(pl.Series(k, v) for k, v in others.items())]
    )


def write_parquet(path: Path, frame: pl.DataFrame, features: Mapping[str, Any] | None = None) -> None:
    """A shard as the hub has it, with the description of its columns in its metadata."""
    path.parent.mkdir(parents=True, exist_ok=True)
    metadata = None if features is None else {"huggingface": json.dumps({"info": {"features": features}})}
    frame.write_parquet(path, metadata=metadata)


def write_saved(
    folder: Path, frames: Sequence[pl.DataFrame], features: Mapping[str, Any], *, split: str | None = None
) -> None:
    """One data set as save_to_disk writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"data-{n:05}-of-{len(frames):05}.arrow" for n in range(len(frames))]
    for name, frame in zip(names, frames, strict=True):
        frame.write_ipc_stream(folder / name)
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "f", "_split": split}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "dataset_info.json").write_text(json.dumps({"features": features, "description": ""}))


def write_cifar10_parquet(folder: Path, *, each: int = 4) -> None:
    features = {"img": IMAGE, "label": classes(TEN)}
    batches = batches_of_ten(each=each)
    for split in ("train", "test"):
        chosen = [batch for name, batch in batches.items() if ("test" in name) == (split == "test")]
        pixels = as_pixels(np.concatenate([planes for planes, _ in chosen]))
        labels = [label for _, numbers in chosen for label in numbers]
        frame = table("img", [png(each) for each in pixels], label=labels)
        write_parquet(folder / "plain_text" / f"{split}-00000-of-00001.parquet", frame, features)


def write_cifar100_parquet(folder: Path) -> None:
    features = {"img": IMAGE, "fine_label": classes(HUNDRED), "coarse_label": classes(TWENTY)}
    for name, (planes, fine, coarse) in two_sides().items():
        frame = table("img", [png(each) for each in as_pixels(planes)], fine_label=fine, coarse_label=coarse)
        write_parquet(folder / "cifar100" / f"{name}-00000-of-00001.parquet", frame, features)
