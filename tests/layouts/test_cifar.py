"""CIFAR-10 and CIFAR-100 as they are published: three versions that give the same pictures, and bad files."""

from __future__ import annotations

import errno
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lookalike.errors import TableError
from lookalike.layouts.cifar import CIFAR10, CIFAR100
from lookalike.layouts.layout import Contents, Layout
from lookalike.tables.table import ImageTable
from packed_sets import (
    HUNDRED,
    TEN,
    TWENTY,
    Python2,
    as_pixels,
    batches_of_ten,
    old_text,
    some_planes,
    two_sides,
    write_cifar10_binary,
    write_cifar10_parquet,
    write_cifar10_python,
    write_cifar100_binary,
    write_cifar100_parquet,
    write_cifar100_python,
)

Writer = Callable[[Path], Any]
TEN_VERSIONS = [write_cifar10_python, write_cifar10_binary, write_cifar10_parquet]
HUNDRED_VERSIONS = [write_cifar100_python, write_cifar100_binary, write_cifar100_parquet]


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LOOKALIKE_CACHE", str(tmp_path / "cache"))


def pixels_of(contents: Contents) -> list[Any]:
    found = []
    for image in contents.frame["image"]:
        with Image.open(contents.root / image) as opened:
            found.append(np.asarray(opened))
    return found


@pytest.mark.parametrize("write", TEN_VERSIONS)
def test_every_version_of_cifar10_gives_the_same(tmp_path: Path, write: Writer) -> None:
    write(tmp_path / "set")
    contents = CIFAR10.read(tmp_path / "set")
    batches = batches_of_ten()
    labels = [TEN[label] for _, numbers in batches.values() for label in numbers]
    assert contents.frame["label"].to_list() == labels
    assert contents.frame["split"].to_list() == ["train"] * 20 + ["test"] * 4
    assert contents.frame["image"][1] == "train/automobile/000002.png"
    assert contents.frame["image"][20] == "test/dog/000001.png"
    expected = as_pixels(np.concatenate([planes for planes, _ in batches.values()]))
    assert np.array_equal(np.stack(pixels_of(contents)), expected)


@pytest.mark.parametrize("write", [*TEN_VERSIONS, *HUNDRED_VERSIONS])
def test_a_table_is_read_by_name_and_by_its_files(tmp_path: Path, write: Writer) -> None:
    write(tmp_path / "archive" / "set")
    name = "cifar10" if write in TEN_VERSIONS else "cifar100"
    named = ImageTable.read(f"{name}:{tmp_path / 'archive'}")
    assert named.splits == ("train", "test")
    assert all(path.is_file() for path in named.paths)
    assert ImageTable.read(tmp_path / "archive" / "set").frame.equals(named.frame)


@pytest.mark.parametrize("write", HUNDRED_VERSIONS)
def test_every_version_of_cifar100_gives_the_same(tmp_path: Path, write: Writer) -> None:
    write(tmp_path / "set")
    contents = CIFAR100.read(tmp_path / "set")
    sides = two_sides()
    assert contents.frame["label"].to_list() == [HUNDRED[n] for _, fine, _ in sides.values() for n in fine]
    assert contents.frame["category"].to_list() == [
        TWENTY[n] for *_, coarse in sides.values() for n in coarse
    ]
    assert contents.frame["split"].to_list() == ["train"] * 6 + ["test"] * 6
    expected = as_pixels(np.concatenate([planes for planes, *_ in sides.values()]))
    assert np.array_equal(np.stack(pixels_of(contents)), expected)


def test_the_python_version_keeps_the_files_names(tmp_path: Path) -> None:
    write_cifar10_python(tmp_path / "set")
    assert CIFAR10.read(tmp_path / "set").frame["original"][1] == "automobile_s_000001.png"


def test_batches_that_python_3_wrote_again(tmp_path: Path) -> None:
    for name, (planes, labels) in write_cifar10_python(tmp_path / "set").items():
        (tmp_path / "set" / name).write_bytes(pickle.dumps({"data": planes, "labels": labels}, protocol=4))
    contents = CIFAR10.read(tmp_path / "set")
    assert contents.frame["label"][1] == "automobile"
    assert contents.frame["original"].null_count() == 24


@pytest.mark.parametrize("write", [*TEN_VERSIONS, *HUNDRED_VERSIONS])
def test_each_is_told_from_the_other(tmp_path: Path, write: Writer) -> None:
    write(tmp_path / "set")
    own, other = (CIFAR10, CIFAR100) if write in TEN_VERSIONS else (CIFAR100, CIFAR10)
    assert own.recognises(tmp_path / "set")
    assert not other.recognises(tmp_path / "set")


def test_a_tree_of_pictures_is_neither(tmp_path: Path) -> None:
    for folder in ("train/cat", "test/cat", "meta"):
        (tmp_path / folder).mkdir(parents=True)
    assert not CIFAR10.recognises(tmp_path)
    assert not CIFAR100.recognises(tmp_path)
    assert not CIFAR10.recognises(tmp_path / "missing")


def test_parquet_of_other_things_is_neither(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged" / "train-00000-of-00001.parquet"
    damaged.parent.mkdir()
    damaged.write_bytes(b"none")
    assert not CIFAR10.recognises(damaged.parent)
    for name in ("one", "two"):
        write_cifar10_parquet(tmp_path / "several" / name)
    assert not CIFAR100.recognises(tmp_path / "several")
    refused(CIFAR10, tmp_path / "several", "several configurations", "saw one/plain_text, two/plain_text")


def refused(layout: Layout, folder: Path, *beats: str) -> None:
    """Reading says these, in this order."""
    with pytest.raises(TableError, match=".*".join(beats)):
        layout.read(folder)


@pytest.mark.parametrize("name", ["data_batch_3", "test_batch"])
def test_a_missing_batch_is_named(tmp_path: Path, name: str) -> None:
    write_cifar10_python(tmp_path / "set")
    (tmp_path / "set" / name).unlink()
    refused(CIFAR10, tmp_path / "set", "a file of the data set is missing", name, "unpack")


def test_a_missing_binary_file_is_named(tmp_path: Path) -> None:
    write_cifar100_binary(tmp_path / "set")
    (tmp_path / "set" / "coarse_label_names.txt").unlink()
    refused(CIFAR100, tmp_path / "set", "a file of the data set is missing", "coarse_label_names.txt")


def batch(**changed: Any) -> bytes:
    planes, labels = batches_of_ten()["data_batch_1"]
    content = {"data": planes, "labels": labels, "filenames": [b"a", b"b", b"c", b"d"], **changed}
    return pickle.dumps({key: value for key, value in content.items() if value is not None}, protocol=4)


@pytest.mark.parametrize(
    ("content", "beats"),
    [
        (
            batch(labels=None, fine_labels=[1]),
            ["a batch has no labels", "saw data, filenames, fine_labels", "other"],
        ),
        (batch(data=None), ["a batch has no data", "wanted data"]),
        (batch(labels=[0, 1, 2]), ["labels of a batch are none", "saw 3 values, wanted 4 whole numbers"]),
        (batch(labels=[0, 1, 2, "x"]), ["labels of a batch are none", "4 whole numbers"]),
        (batch(labels=[0, 1, 2, True]), ["labels of a batch are none"]),
        (batch(labels=5), ["labels of a batch are none", "saw int"]),
        (batch(labels=[0, 1, 2, 10]), ["class without a name", "row 4", "saw 10, wanted 0 to 9"]),
        (batch(labels=[0, -1, 2, 1]), ["class without a name", "row 2", "saw -1"]),
        (batch(data=[1]), ["pictures of a batch are none", "saw list, wanted uint8"]),
        (
            batch(data=np.zeros((4, 3071), np.uint8)),
            ["are none", r"saw uint8 of shape \(4, 3071\)", r"\(n, 3072\)"],
        ),
        (batch(data=np.zeros((4, 3072), np.int64)), ["are none", "saw int64"]),
        (batch(filenames=[b"a"]), ["filenames of a batch are none", "saw 1 values, wanted 4"]),
        (batch(filenames=7), ["filenames of a batch are none", "saw int"]),
        (b"<html>", ["no pickle, or a damaged one", "data_batch_1"]),
        (pickle.dumps({"data": print}), ["more than plain values", "builtins.print"]),
    ],
)
def test_batches_of_another_form(tmp_path: Path, content: bytes, beats: list[str]) -> None:
    write_cifar10_python(tmp_path / "set")
    (tmp_path / "set" / "data_batch_1").write_bytes(content)
    refused(CIFAR10, tmp_path / "set", *beats)
    assert not list((tmp_path / "cache" / "unpacked").glob("cifar10*/"))


def test_a_batch_that_is_cut_short(tmp_path: Path) -> None:
    write_cifar10_python(tmp_path / "set")
    whole = (tmp_path / "set" / "data_batch_2").read_bytes()
    (tmp_path / "set" / "data_batch_2").write_bytes(whole[: len(whole) // 2])
    refused(CIFAR10, tmp_path / "set", "damaged", "data_batch_2", "in the middle of a value", "unpack")


@pytest.mark.parametrize(
    ("meta", "saw"),
    [
        (old_text(TEN[:9], key="label_names"), "saw 9 under label_names, wanted 10"),
        (old_text([*TEN[:9], TEN[0]], key="label_names"), "saw 9 under label_names"),
        (old_text(TEN, key="names"), "saw 0 under label_names"),
        (Python2().dump({b"label_names": 5}), "saw 0 under label_names"),
    ],
)
def test_names_that_are_not_complete(tmp_path: Path, meta: bytes, saw: str) -> None:
    write_cifar10_python(tmp_path / "set")
    (tmp_path / "set" / "batches.meta").write_bytes(meta)
    refused(CIFAR10, tmp_path / "set", "names of the classes are not complete", "batches.meta", saw)


def shared(levels: int) -> bytes:
    """A tuple of two that are one and the same, and so on: as text it doubles with every level."""
    inner = b"".join(b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(levels))
    return b"K\x01\x85q\x00" + inner


@pytest.mark.parametrize("name", [b"K\x01", b")" + b"\x85" * 10_000, shared(200)])
@pytest.mark.parametrize(("file", "key"), [("batches.meta", "label_names"), ("test_batch", "filenames")])
def test_names_that_are_no_text(tmp_path: Path, file: str, key: str, name: bytes) -> None:
    write_cifar10_python(tmp_path / "set", each=1)
    content = b"\x80\x02}" + b"X" + bytes([len(key), 0, 0, 0]) + key.encode() + b"](" + name + b"es"
    if file == "test_batch":
        planes = Python2().dump({b"labels": [1], b"data": some_planes(1, seed=0)})[2:-1]
        content = b"\x80\x02" + planes + content[3:]
    (tmp_path / "set" / file).write_bytes(content + b".")
    with pytest.raises(TableError, match=rf"a name is no text - .*{file} - saw (int|tuple), wanted text"):
        CIFAR10.read(tmp_path / "set")


def test_binary_names_that_are_not_complete(tmp_path: Path) -> None:
    write_cifar100_binary(tmp_path / "set")
    (tmp_path / "set" / "coarse_label_names.txt").write_text("one\ntwo\n")
    refused(CIFAR100, tmp_path / "set", "not complete", "coarse_label_names.txt", "saw 2 .*, wanted 20")


@pytest.mark.parametrize("content", [b"", bytes(3073 + 5), bytes(3072)])
def test_binary_files_of_another_length(tmp_path: Path, content: bytes) -> None:
    write_cifar10_binary(tmp_path / "set")
    (tmp_path / "set" / "data_batch_5.bin").write_bytes(content)
    refused(
        CIFAR10,
        tmp_path / "set",
        "cut short",
        "data_batch_5.bin",
        f"saw {len(content):,} bytes",
        "3,073 bytes",
    )


def test_binary_labels_out_of_range(tmp_path: Path) -> None:
    write_cifar100_binary(tmp_path / "set")
    rows = bytearray((tmp_path / "set" / "test.bin").read_bytes())
    rows[3074 * 2] = 20  # coarse, of the third row
    (tmp_path / "set" / "test.bin").write_bytes(rows)
    refused(CIFAR100, tmp_path / "set", "class without a name", "test.bin: row 3", "saw 20, wanted 0 to 19")


def test_a_file_that_cannot_be_opened_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cifar10_binary(tmp_path / "set")

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    refused(CIFAR10, tmp_path / "set", "data set cannot be read", "batches.meta.txt", "saw Permission denied")


def test_a_changed_batch_is_read_again(tmp_path: Path) -> None:
    batches = write_cifar10_python(tmp_path / "set")
    first = CIFAR10.read(tmp_path / "set")
    planes, labels = batches["test_batch"]
    (tmp_path / "set" / "test_batch").write_bytes(batch(data=255 - planes, labels=labels))
    again = CIFAR10.read(tmp_path / "set")
    assert again.root != first.root
    assert np.array_equal(np.stack(pixels_of(again)[20:]), 255 - as_pixels(planes))
