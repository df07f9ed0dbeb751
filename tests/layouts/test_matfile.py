"""MATLAB files: as scipy reads them; of either byte order; damaged in every place."""

import random
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import loadmat

from lookalike.errors import TableError
from lookalike.layouts.matfile import read_names, read_structs
from published import save_mat, structs

FIELDS = ("class", "fname", "share")


def cell(*values: object) -> np.ndarray:
    found = np.zeros((1, len(values)), dtype=object)
    for place, value in enumerate(values):
        found[0, place] = np.array([value])
    return found


def some(path: Path, *, packed: bool = True, count: int = 5) -> Path:
    entries = [(300 + place, f"{place} é ひ.jpg", place / 2) for place in range(count)]
    names = cell("AM General Hummer", "Élan", "x")
    return save_mat(path, packed=packed, annotations=structs(FIELDS, entries), class_names=names)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("count", [1, 5])
def test_as_scipy_reads_it(tmp_path: Path, packed: bool, count: int) -> None:
    path = some(tmp_path / "a.mat", packed=packed, count=count)
    found = read_structs(path, "annotations", FIELDS)
    oracle = np.atleast_1d(loadmat(path, squeeze_me=True)["annotations"])
    assert found == {name: oracle[name].tolist() for name in FIELDS}
    assert read_names(path, "class_names") == ["AM General Hummer", "Élan", "x"]


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int64, np.float32])
def test_numbers_of_every_kind(tmp_path: Path, kind: type) -> None:
    path = save_mat(tmp_path / "a.mat", rows=structs(["a"], [(kind(7),), (kind(9),)]))
    assert read_structs(path, "rows", ["a"]) == {"a": [7, 9]}


def test_what_is_neither_text_nor_a_number_is_none(tmp_path: Path) -> None:
    rows = structs(["a", "b"], [(1, 2)])
    rows["a"][0, 0], rows["b"][0, 0] = np.eye(2), np.zeros((0, 0))
    path = save_mat(tmp_path / "a.mat", rows=rows)
    assert read_structs(path, "rows", ["a", "b"]) == {"a": [None], "b": [None]}


def element(order: str, kind: int, content: bytes) -> bytes:
    return struct.pack(f"{order}II", kind, len(content)) + content + bytes(-len(content) % 8)


def text_array(order: str, text: str, *, stored: int = 4) -> bytes:
    flags = element(order, 6, struct.pack(f"{order}II", 4, 0))
    sizes = element(order, 5, struct.pack(f"{order}ii", 1, len(text)))
    letters = element(order, stored, text.encode("utf-16-le" if order == "<" else "utf-16-be"))
    return element(order, 14, flags + sizes + element(order, 1, b"") + letters)


def names_file(order: str, *names: str, version: int = 0x0100) -> bytes:
    """What MATLAB writes on a machine of a byte order: a cell array `names`."""
    return cells_file(order, *(text_array(order, name) for name in names), version=version)


def cells_file(order: str, *cells: bytes, version: int = 0x0100) -> bytes:
    flags = element(order, 6, struct.pack(f"{order}II", 1, 0))
    sizes = element(order, 5, struct.pack(f"{order}ii", 1, len(cells)))
    array = element(order, 14, flags + sizes + element(order, 1, b"names") + b"".join(cells))
    mark = b"IM" if order == "<" else b"MI"
    return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(f"{order}H", version) + mark + array


@pytest.mark.parametrize("order", ["<", ">"])
def test_either_byte_order(tmp_path: Path, order: str) -> None:
    path = tmp_path / "a.mat"
    path.write_bytes(names_file(order, "Élan", "Škoda", ""))
    assert read_names(path, "names") == ["Élan", "Škoda", ""]
    codec = "utf-16-le" if order == "<" else "utf-16-be"
    oracle = loadmat(path, squeeze_me=True, uint16_codec=codec)["names"]
    assert oracle.tolist()[:2] == ["Élan", "Škoda"]


def refused(path: Path, content: bytes | None = None, *, variable: str = "names") -> str:
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError) as caught:
        read_names(path, variable)
    assert str(path) in caught.value.where
    return f"{caught.value.what} - saw {caught.value.saw}, wanted {caught.value.wanted}"


def test_files_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    assert "a file of the data set is missing" in refused(path)
    assert "no header of MATLAB 5 to 7" in refused(path, b"not at all")
    assert "save it with -v7" in refused(path, names_file("<", "a", version=0x0200))
    assert refused(path, names_file("<", "a"), variable="others") == (
        "a file lacks its variable - saw names, wanted others"
    )
    assert "saw no variable, wanted names" in refused(path, names_file("<", "a")[:128])


def test_other_variables_and_fields(tmp_path: Path) -> None:
    path = some(tmp_path / "a.mat")
    with pytest.raises(
        TableError, match=r"other fields - .*a\.mat: annotations - saw class, fname, share, want"
    ):
        read_structs(path, "annotations", ["class", "bbox_x1"])
    with pytest.raises(TableError, match=r"other fields - .*: class_names - saw no structs, wanted class"):
        read_structs(path, "class_names", ["class"])
    assert "a list of names is none - saw Structs, wanted a cell array" in refused(
        path, variable="annotations"
    )


def test_cells_of_other_kinds(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    assert "a list of names is none - saw list" in refused(path, cells_file("<", element("<", 14, b"")))
    assert "text of the unknown kind 9" in refused(path, cells_file("<", text_array("<", "a", stored=9)))
    assert "an element of kind 6 in place of an array" in refused(
        path, cells_file("<", element("<", 6, b"a"))
    )
    whole = some(path, packed=False).read_bytes()
    length = struct.pack("<HHi", 5, 4, 6)  # of the names of fields, with a zero
    assert length in whole
    path.write_bytes(whole.replace(length, struct.pack("<HHi", 5, 4, 7)))
    with pytest.raises(TableError, match=r"a MATLAB file cannot be read - .* - saw names of 7 letters"):
        read_structs(path, "annotations", FIELDS)


def test_cut_short_anywhere(tmp_path: Path) -> None:
    for packed in (True, False):
        whole = some(tmp_path / "whole.mat", packed=packed).read_bytes()
        for place in range(0, len(whole) - 1, max(1, len(whole) // 60)):
            assert refused(tmp_path / "a.mat", whole[:place], variable="class_names")


def test_damage_anywhere_is_an_error_or_harmless(tmp_path: Path) -> None:
    """No damage leads to anything but a TableError, however large the sizes that it invents."""
    path, rng = tmp_path / "a.mat", random.Random(0)
    for packed in (True, False):
        whole = some(path, packed=packed).read_bytes()
        refusals = 0
        for _ in range(150):
            broken = bytearray(whole)
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
            path.write_bytes(broken)
            try:
                read_structs(path, "annotations", FIELDS)
                read_names(path, "class_names")
            except TableError:
                refusals += 1
        assert refusals > 20


def test_parts_that_reach_over_their_array(tmp_path: Path) -> None:
    """Arrays whose names hold the arrays after them would be read anew for each of them."""
    path = tmp_path / "a.mat"
    whole = names_file("<", "Volvo", "Seat")
    end = whole.index(element("<", 4, "Volvo".encode("utf-16-le")))
    name = element("<", 1, b"")  # of the first cell, just before its text
    reaching = whole[: end - len(name)] + struct.pack("<II", 1, len(whole) - end) + whole[end:]
    assert "reaches beyond its end" in refused(path, reaching)


def test_invented_sizes(tmp_path: Path) -> None:
    path = tmp_path / "a.mat"
    whole = names_file("<", "Volvo")
    at = whole.index(struct.pack("<ii", 1, 1))
    many = whole[:at] + struct.pack("<ii", 1 << 15, 1 << 15) + whole[at + 8 :]
    assert "1073741824 values where there is no room for them" in refused(path, many)
    sides = element("<", 5, struct.pack("<i", 1 << 30) * 2000)
    endless = element("<", 14, element("<", 6, struct.pack("<II", 1, 0)) + sides + element("<", 1, b"names"))
    assert "an array of 2,000 dimensions" in refused(path, whole[:128] + endless)
    inner = struct.pack("<II", 14, 1 << 30)
    assert "reaches beyond its end" in refused(path, whole[:128] + inner + whole[136:])
    deep = b"x"
    for _ in range(5):
        flags = element("<", 6, struct.pack("<II", 1, 0))
        deep = element(
            "<", 14, flags + element("<", 5, struct.pack("<ii", 1, 1)) + element("<", 1, b"") + deep
        )
    assert "arrays in arrays in arrays" in refused(path, whole[:128] + deep)
    bomb = zlib.compress(bytes(1 << 16))
    packed = struct.pack("<II", 15, len(bomb) - 1) + bomb[:-1]
    assert "cut short or larger than annotations are" in refused(path, whole[:128] + packed)
