"""Read MATLAB files of annotations: arrays of structs, cells, text and numbers.

Enters: a file of MATLAB 5 to 7. Leaves: its variables as lists, text and numbers. Nothing in a file is
run, and a damaged one is an error: no more is read than the format says is there. Not done here: matrices
of several numbers, which annotations do not have; files of MATLAB 7.3, which are HDF5; what the fields
mean.

Reference:
    MathWorks, MAT-File Format, R2023b, chapter 1.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lookalike.errors import TableError
from lookalike.layouts.listing import AGAIN, missing

_HEADER = 128
_MOST_DIMENSIONS = 8  # annotations have two
_MOST_BYTES = 1 << 28  # of one variable, unpacked; annotations of 10,000 pictures take some megabytes
_MATRIX, _COMPRESSED = 14, 15
_CELL, _STRUCT, _CHAR = 1, 2, 4
_NUMERIC = range(6, 16)
_FORMATS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 9: "d", 12: "q", 13: "Q"}
_ENCODINGS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}


@dataclass(frozen=True)
class Structs:
    """An array of structs, as columns: for each field the values of all of them."""

    columns: Mapping[str, list[Any]]


def read_structs(path: Path, variable: str, fields: Sequence[str]) -> dict[str, list[Any]]:
    """Read some fields of an array of structs.

    Returns:
        For each field [n] values: int, float, str, or None for what is none of these.

    Raises:
        TableError: the file is missing or cannot be read, or lacks the variable or a field.
    """
    found = _variable(path, variable)
    columns = found.columns if isinstance(found, Structs) else {}
    if any(name not in columns for name in fields):
        raise TableError(
            "a file has other fields",
            where=f"{path}: {variable}",
            saw=", ".join(columns) or "no structs",
            wanted=", ".join(fields),
            do=AGAIN,
        )
    return {name: columns[name] for name in fields}


def read_names(path: Path, variable: str) -> list[str]:
    """Read a cell array of text.

    Raises:
        TableError: the file is missing or cannot be read, lacks the variable, or it is something else.
    """
    names = _variable(path, variable)
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        return names
    where, saw = f"{path}: {variable}", f"{type(names).__name__}"
    raise TableError("a list of names is none", where=where, saw=saw, wanted="a cell array of text", do=AGAIN)


def _variable(path: Path, name: str) -> Any:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise missing("file", path, error) from error
    seen = []
    try:
        for found, value in _variables(content):
            if found == name:
                return value
            seen.append(found)
    except (struct.error, zlib.error, ValueError, _Damaged) as error:
        saw = str(error) or type(error).__name__
        raise TableError("a MATLAB file cannot be read", where=path, saw=saw, do=AGAIN) from error
    saw = ", ".join(seen) or "no variable"
    raise TableError("a file lacks its variable", where=path, saw=saw, wanted=name, do=AGAIN)


class _Damaged(Exception):
    """What the file says of itself cannot be."""


def _variables(content: bytes) -> Iterator[tuple[str, Any]]:
    mark = content[_HEADER - 2 : _HEADER]
    if mark not in (b"IM", b"MI"):
        raise _Damaged("no header of MATLAB 5 to 7")
    order = "<" if mark == b"IM" else ">"
    if struct.unpack_from(f"{order}H", content, _HEADER - 4) != (0x0100,):
        raise _Damaged("a file of MATLAB 7.3; in MATLAB, save it with -v7")
    file, at = _Elements(memoryview(content), order), _HEADER
    while at < len(content):
        kind, start, end = file.tag(at, len(content))
        at = end if kind == _COMPRESSED else _padded(end)
        if kind == _COMPRESSED:
            yield from _unpacked(content[start:end], order)
        elif kind == _MATRIX:
            yield file.matrix(start, end)


def _unpacked(packed: bytes, order: str) -> Iterator[tuple[str, Any]]:
    unpacker = zlib.decompressobj()
    content = unpacker.decompress(packed, _MOST_BYTES)
    if not unpacker.eof:
        raise _Damaged("a variable that is cut short or larger than annotations are")
    inner = _Elements(memoryview(content), order)
    kind, start, end = inner.tag(0, len(content))
    if kind == _MATRIX:
        yield inner.matrix(start, end)


def _padded(at: int) -> int:
    return (at + 7) & ~7


@dataclass(frozen=True)
class _Elements:
    """The data elements of a file, or of a variable that lay packed in it."""

    content: memoryview
    order: str

    def tag(self, at: int, within: int) -> tuple[int, int, int]:
        """The kind of the element at a place, and where its data start and end: not beyond `within`.

        That is the end of the element that it is a part of. Two parts could otherwise hold the same bytes,
        and reading them all would take far longer than the file is large.
        """
        kind, size = struct.unpack_from(f"{self.order}II", self.content, at)
        start = at + 8
        if kind >> 16:  # a small one: its data lie in the tag
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
        if start + size > within or (start == at + 4 and size > 4):
            raise _Damaged("an element that reaches beyond its end: the file is cut short")
        return kind, start, start + size

    def matrix(self, at: int, end: int, *, depth: int = 0) -> tuple[str, Any]:
        """The array whose parts lie between two places: its name and its value."""
        if at == end:
            return "", None
        if depth > 2:
            raise _Damaged("arrays in arrays in arrays")
        _, flags, _ = self.tag(at, end)
        kind = struct.unpack_from(f"{self.order}I", self.content, flags)[0] & 0xFF
        _, sizes, sizes_end = self.tag(at + 16, end)
        dimensions = (sizes_end - sizes) // 4
        if dimensions > _MOST_DIMENSIONS:
            raise _Damaged(f"an array of {dimensions:,} dimensions")
        count = math.prod(struct.unpack_from(f"{self.order}{dimensions}i", self.content, sizes))
        at = _padded(sizes_end)
        _, start, stop = self.tag(at, end)
        name = bytes(self.content[start:stop]).decode("latin-1")
        at = _padded(stop)
        if kind == _STRUCT:
            return name, self._structs(at, end, count, depth)
        if kind == _CELL:
            return name, self._several(at, end, count, depth)
        return name, self._value(at, end, kind, count)

    def _value(self, at: int, within: int, kind: int, count: int) -> object:
        """Text, one number, or None."""
        if kind == _CHAR:
            stored, start, end = self.tag(at, within)
            encoding = _ENCODINGS.get(stored)
            if encoding is None:
                raise _Damaged(f"text of the unknown kind {stored}")
            if encoding in ("utf-16", "utf-32"):
                encoding += "-le" if self.order == "<" else "-be"
            return bytes(self.content[start:end]).decode(encoding)
        if kind not in _NUMERIC or count != 1:
            return None
        stored, start, end = self.tag(at, within)
        form = _FORMATS.get(stored)
        if form is None or end - start != struct.calcsize(form):
            raise _Damaged("a number of an unknown kind")
        value: object = struct.unpack_from(self.order + form, self.content, start)[0]
        return value

    def _several(self, at: int, within: int, count: int, depth: int) -> list[Any]:
        if not 0 <= count * 8 <= within - at:
            raise _Damaged(f"{count} values where there is no room for them")
        values = []
        for _ in range(count):
            kind, start, end = self.tag(at, within)
            if kind != _MATRIX:
                raise _Damaged(f"an element of kind {kind} in place of an array")
            values.append(self.matrix(start, end, depth=depth + 1)[1])
            at = _padded(end)
        return values

    def _structs(self, at: int, within: int, count: int, depth: int) -> Structs:
        _, start, end = self.tag(at, within)
        (length,) = struct.unpack_from(f"{self.order}i", self.content, start)
        _, start, stop = self.tag(_padded(end), within)
        text = bytes(self.content[start:stop])
        if length < 1 or len(text) % length:
            raise _Damaged(f"names of {length} letters")
        names = [
            text[place : place + length].split(b"\0")[0].decode("latin-1")
            for place in range(0, len(text), length)
        ]
        values = self._several(_padded(stop), within, count * len(names), depth)
        return Structs({name: values[place :: len(names)] for place, name in enumerate(names)})
