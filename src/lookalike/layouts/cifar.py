"""CIFAR-10 and CIFAR-100: 60,000 pictures of 32 x 32 pixels in 10 or 100 classes.

Enters: the folder of the Python version (pickles), of the binary version, or of the Parquet version of the
Hugging Face hub. Leaves: the same pictures and labels from each, unpacked into the cache, in the publishers'
split. CIFAR-100 has its 20 superclasses as the attribute category; the Python version has the name of the
file that a picture was made from as the attribute original. Code in pickles is not run (pickled).

Reference:
    Krizhevsky, Learning Multiple Layers of Features from Tiny Images, technical report, 2009.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from lookalike.errors import TableError
from lookalike.layouts.choosing import class_names
from lookalike.layouts.hugging_face import read_hugging_face
from lookalike.layouts.layout import Contents, Layout
from lookalike.layouts.listing import AGAIN, missing
from lookalike.layouts.pickled import read_pickle
from lookalike.layouts.shards import first_shard
from lookalike.layouts.unpacking import Packed, Portion, unpack
from lookalike.records import Pixels

_SIDE, _PIXEL_BYTES = 32, 3072
_PORTION = 1000


@dataclass(frozen=True)
class _Classes:
    """A column of classes.

    Attributes:
        column: what it is in a table.
        key: its name in a pickle.
        names: the key of the classes' names in the pickle of names.
        file: the file of the classes' names beside the binary version.
        count: how many classes there are.
    """

    column: str
    key: str
    names: str
    file: str
    count: int


@dataclass(frozen=True)
class _Set:
    """How one of the two sets is packed.

    Attributes:
        name: the layout's name.
        batches: the files of pictures, with their split; in the binary version they end in .bin.
        names: the pickle of the classes' names.
        classes: the columns of classes, the label first; in the binary version a byte each, the label last.
        known_by: some of the classes, by which the Parquet version is told.
        parquet_label: the label's column there.
    """

    name: str
    batches: Mapping[str, str]
    names: str
    classes: tuple[_Classes, ...]
    known_by: frozenset[str]
    parquet_label: str


_TEN = _Set(
    name="cifar10",
    batches={**{f"data_batch_{number}": "train" for number in range(1, 6)}, "test_batch": "test"},
    names="batches.meta",
    classes=(_Classes("label", "labels", "label_names", "batches.meta.txt", 10),),
    known_by=frozenset(("airplane", "automobile", "frog", "truck")),
    parquet_label="label",
)
_HUNDRED = _Set(
    name="cifar100",
    batches={"train": "train", "test": "test"},
    names="meta",
    classes=(
        _Classes("label", "fine_labels", "fine_label_names", "fine_label_names.txt", 100),
        _Classes("category", "coarse_labels", "coarse_label_names", "coarse_label_names.txt", 20),
    ),
    known_by=frozenset(("apple", "aquarium_fish", "willow_tree", "worm")),
    parquet_label="fine_label",
)


def _is_python(which: _Set, folder: Path) -> bool:
    return (folder / which.names).is_file() and any((folder / name).is_file() for name in which.batches)


def _is_binary(which: _Set, folder: Path) -> bool:
    batches = any((folder / f"{name}.bin").is_file() for name in which.batches)
    return batches and (folder / which.classes[0].file).is_file()


def _is_parquet(which: _Set, folder: Path) -> bool:
    with suppress(TableError):
        shard = first_shard(folder)
        names = class_names(shard.description(), where=shard.about).values() if shard else ()
        return any(which.known_by <= set(each) for each in names)
    return False


def _recognises(which: _Set, folder: Path) -> bool:
    return any(is_it(which, folder) for is_it in (_is_python, _is_binary, _is_parquet))


def _read(which: _Set, folder: Path) -> Contents:
    if _is_python(which, folder):
        files = [folder / name for name in (which.names, *which.batches)]
        return unpack(Packed(which.name, folder, tuple(files)), partial(_python, which, folder))
    if _is_binary(which, folder):
        files = [folder / each.file for each in which.classes]
        files += [folder / f"{name}.bin" for name in which.batches]
        return unpack(Packed(which.name, folder, tuple(files)), partial(_binary, which, folder))
    rename = {"coarse_label": "category"}
    return read_hugging_face(folder, label=which.parquet_label, name=which.name, rename=rename)


def _python(which: _Set, folder: Path) -> Iterator[Portion]:
    known = read_pickle(folder / which.names)
    names = {each.column: _names(folder / which.names, known.get(each.names), each) for each in which.classes}
    for batch, split in which.batches.items():
        path = folder / batch
        content = read_pickle(path)
        pixels = _pixels(path, content)
        classes: dict[str, list[str] | list[None]] = {}
        for each in which.classes:
            numbers = _numbers(path, content, each.key, len(pixels))
            classes[each.column] = _named(path, numbers, names[each.column])
        classes["original"] = _originals(path, content.get("filenames"), len(pixels))
        yield from _portions(path, split, pixels, classes)


def _binary(which: _Set, folder: Path) -> Iterator[Portion]:
    names = {}
    for each in which.classes:
        lines = [line for line in _text(folder / each.file).splitlines() if line]
        names[each.column] = _names(folder / each.file, lines, each)
    for batch, split in which.batches.items():
        path = folder / f"{batch}.bin"
        labels = len(which.classes)
        rows = _rows(path, labels + _PIXEL_BYTES)  # [n, labels + 3072]
        classes: dict[str, list[str] | list[None]] = {
            each.column: _named(path, rows[:, labels - 1 - place].tolist(), names[each.column])
            for place, each in enumerate(which.classes)
        }
        yield from _portions(path, split, _upright(rows[:, labels:]), classes)


def _portions(
    path: Path, split: str, pixels: Pixels, classes: Mapping[str, list[str] | list[None]]
) -> Iterator[Portion]:
    frame = pl.DataFrame(classes, schema=dict.fromkeys(classes, pl.String))
    splits = pl.lit(split).alias("split")
    for first in range(0, len(pixels), _PORTION):
        rows = frame.slice(first, _PORTION).with_columns(splits)
        yield Portion(split, rows, list(pixels[first : first + _PORTION]), (path.name, first + 1))


def _pixels(path: Path, content: Mapping[str, Any]) -> Pixels:
    """[n, 32, 32, 3], out of the array of a batch."""
    data = _value(path, content, "data")
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[1:] != (_PIXEL_BYTES,):
        shape = f"{data.dtype} of shape {data.shape}" if isinstance(data, np.ndarray) else type(data).__name__
        wanted = f"uint8 of shape (n, {_PIXEL_BYTES})"
        raise TableError("the pictures of a batch are none", where=path, saw=shape, wanted=wanted, do=AGAIN)
    return _upright(data)


def _upright(planes: Pixels) -> Pixels:
    """[n, 3072] with red, green and blue one after the other to [n, 32, 32, 3]."""
    return np.ascontiguousarray(planes.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1))


def _numbers(path: Path, content: Mapping[str, Any], key: str, count: int) -> list[int]:
    numbers = _value(path, content, key)
    if not isinstance(numbers, list) or len(numbers) != count or not all(type(n) is int for n in numbers):
        saw = f"{len(numbers):,} values" if isinstance(numbers, list) else type(numbers).__name__
        wanted = f"{count:,} whole numbers, as there are pictures"
        raise TableError(f"the {key} of a batch are none", where=path, saw=saw, wanted=wanted, do=AGAIN)
    return numbers


def _value(path: Path, content: Mapping[str, Any], key: str) -> Any:
    if key not in content:
        saw = ", ".join(content) or "an empty one"
        do = "check whether it is the other one of CIFAR-10 and CIFAR-100; else download it again"
        raise TableError(f"a batch has no {key}", where=path, saw=saw, wanted=key, do=do)
    return content[key]


def _named(path: Path, numbers: Sequence[int], names: Sequence[str]) -> list[str]:
    wrong = next((place for place, number in enumerate(numbers) if not 0 <= number < len(names)), None)
    if wrong is not None:
        raise TableError(
            "a picture has a class without a name",
            where=f"{path}: row {wrong + 1}",
            saw=str(numbers[wrong]),
            wanted=f"0 to {len(names) - 1}",
            do="check whether it is the other one of CIFAR-10 and CIFAR-100; else download it again",
        )
    return [names[number] for number in numbers]


def _originals(path: Path, found: Any, count: int) -> list[str] | list[None]:
    if found is None:
        return [None] * count
    if not isinstance(found, list) or len(found) != count:
        saw = f"{len(found):,} values" if isinstance(found, list) else type(found).__name__
        what, wanted = "the filenames of a batch are none", f"{count:,}, as there are pictures"
        raise TableError(what, where=path, saw=saw, wanted=wanted, do=AGAIN)
    return [_decoded(path, name) for name in found]


def _names(path: Path, found: Any, classes: _Classes) -> list[str]:
    names = [_decoded(path, name) for name in found] if isinstance(found, list) else []
    if len(set(names)) != classes.count:
        saw = f"{len(set(names))} under {classes.names}"
        what, wanted = "the names of the classes are not complete", f"{classes.count} different names"
        raise TableError(what, where=path, saw=saw, wanted=wanted, do=AGAIN)
    return names


def _decoded(path: Path, name: Any) -> str:
    if isinstance(name, bytes):
        return name.decode("utf-8", "replace")
    if not isinstance(name, str):  # what it holds is not shown: tuples may share their parts without end
        raise TableError("a name is no text", where=path, saw=type(name).__name__, wanted="text", do=AGAIN)
    return name


def _text(path: Path) -> str:
    return _bytes(path).decode("utf-8-sig", "replace")


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise missing("file", path, error) from error


def _rows(path: Path, width: int) -> Pixels:
    content = _bytes(path)
    if not content or len(content) % width:
        saw, wanted = f"{len(content):,} bytes", f"rows of {width:,} bytes each"
        raise TableError(
            "a file is cut short, or of the other set", where=path, saw=saw, wanted=wanted, do=AGAIN
        )
    return np.frombuffer(content, np.uint8).reshape(-1, width)


def _layout(which: _Set, title: str, binary: str) -> Layout:
    return Layout(
        name=which.name,
        title=title,
        files=f"{which.names} and {', '.join(which.batches)}; or {binary}; or Parquet files of the hub",
        recognises=partial(_recognises, which),
        read=partial(_read, which),
    )


CIFAR10 = _layout(_TEN, "CIFAR-10", "batches.meta.txt and data_batch_1.bin to test_batch.bin")
CIFAR100 = _layout(_HUNDRED, "CIFAR-100", "fine_label_names.txt, coarse_label_names.txt, train.bin, test.bin")
