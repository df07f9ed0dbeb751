"""Read a pickle as data and as nothing else.

A pickle is a program for a small machine that may call any function of any module, so the standard reader
gives whoever wrote the file the whole computer. Here the program is followed by a machine of our own that
knows only the steps which build numbers, text, bytes, lists, tuples, dictionaries and plain arrays of
numbers, and that calls nothing: the names that a pickled array mentions are recognised as words and
never looked up, and an array is laid over bytes that are in the file, after its kind was found in a list of
eleven and its size was compared with them. Any other step, name or object ends the reading. Memory grows with
the file, never with a number in it. Enters: a file. Leaves: its dictionary. Not done here: what it means.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from lookalike.errors import TableError
from lookalike.layouts.listing import AGAIN, missing

_KINDS = frozenset(("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8"))
_NAMES = frozenset(
    (
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy._core.multiarray", "_reconstruct"),  # since numpy 2
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    )
)
_MOST_DIMENSIONS = 8
_REFUSED = frozenset(b"012ioPQV\x81\x82\x83\x84\x8b\x8d\x8e\x8f\x90\x91\x92\x96\x97\x98")


def read_pickle(path: Path) -> dict[str, Any]:
    """Read a pickled dictionary of plain values, of any protocol up to 4.

    Returns:
        The dictionary; its keys as str, also where they are bytes; text of Python 2 as bytes; arrays as
        read-only numpy arrays where they are values of the dictionary itself.

    Raises:
        TableError: the file cannot be read, is no pickle or a damaged one, holds something other than plain
            values, or is no dictionary whose keys are text.
    """
    try:
        value = _Machine(path.read_bytes()).run()
    except OSError as error:
        raise missing("file", path, error) from error
    except _Refused as refusal:
        do = "do not load it by other means; get the file from its publisher"
        what = "the pickle holds more than plain values, and was not followed"
        raise _error(what, path, saw=str(refusal), do=do) from refusal
    except (ValueError, IndexError, KeyError, struct.error) as error:
        saw = str(error) or type(error).__name__
        raise _error("the file is no pickle, or a damaged one", path, saw=saw, do=AGAIN) from error
    if not isinstance(value, dict) or not all(isinstance(key, (str, bytes)) for key in value):
        saw = type(value).__name__ if not isinstance(value, dict) else "other keys"
        raise _error("the pickle is no dictionary with text as keys", path, saw=saw, do=AGAIN)
    return {_text(key): each.values if isinstance(each, _Array) else each for key, each in value.items()}


def _text(key: str | bytes) -> str:
    return key if isinstance(key, str) else key.decode("utf-8", "replace")


class _Refused(Exception):
    """A step or name that a file of plain values does not have."""


@dataclass(frozen=True, slots=True)
class _Name:
    """A function or class that the file mentions, as a word."""

    word: str


@dataclass(slots=True)
class _Kind:
    """The element of an array: numpy's code, with the byte order that is told later."""

    code: str
    order: str = "<"


@dataclass(slots=True)
class _Array:
    """An array that was announced; its content is told later."""

    values: Any = None


class _Mark:
    """Where a list of items begins on the stack."""


_MARK = _Mark()


class _Machine:
    """The stack and the memory of a pickle that is being followed."""

    def __init__(self, content: bytes) -> None:
        self.content, self.at = content, 0
        self.stack: list[Any] = []
        self.memory: dict[int, Any] = {}

    def run(self) -> Any:
        while (step := self.take(1)) != b".":
            if step[0] in _REFUSED:
                raise _Refused(f"the step {step!r} at byte {self.at - 1:,}")
            if step not in _STEPS:
                raise ValueError(f"{step!r} at byte {self.at - 1:,}")
            _STEPS[step](self)
        return self.stack.pop()

    def take(self, length: int) -> bytes:
        end = self.at + length
        if length < 0 or end > len(self.content):
            raise ValueError(f"it ends at byte {len(self.content):,}, in the middle of a value")
        taken = self.content[self.at : end]
        self.at = end
        return taken

    def line(self) -> bytes:
        end = self.content.find(b"\n", self.at)
        if end < 0:
            raise ValueError("it ends in the middle of a line")
        taken = self.content[self.at : end]
        self.at = end + 1
        return taken

    def number(self, form: str) -> Any:
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def items(self) -> list[Any]:
        """Take everything down to the last mark."""
        at = len(self.stack) - 1
        while self.stack[at] is not _MARK:  # below the lowest one: IndexError
            at -= 1
        items = self.stack[at + 1 :]
        del self.stack[at:]
        return items


def _push(read: Callable[[_Machine], Any]) -> Callable[[_Machine], None]:
    return lambda machine: machine.stack.append(read(machine))


def _sized(form: str) -> Callable[[_Machine], bytes]:
    return lambda machine: machine.take(machine.number(form))


def _integer(line: bytes) -> int | bool:
    return {b"00": False, b"01": True}[line] if line in (b"00", b"01") else int(line.removesuffix(b"L"))


def _quoted(line: bytes) -> bytes:
    if len(line) < 2 or line[:1] != line[-1:] or line[:1] not in (b"'", b'"') or b"\\" in line:
        raise ValueError(f"text that cannot be read: {line[:40]!r}")
    return line[1:-1]


def _put(machine: _Machine, place: int) -> None:
    machine.memory[place] = machine.stack[-1]


def _last(machine: _Machine, kind: type) -> Any:
    if not isinstance(machine.stack[-1], kind):
        raise _Refused(f"a {kind.__name__} was to be filled, and it is a {type(machine.stack[-1]).__name__}")
    return machine.stack[-1]


def _append(machine: _Machine, items: list[Any]) -> None:
    _last(machine, list).extend(_values(items))


def _set(machine: _Machine, items: list[Any]) -> None:
    _fill(_last(machine, dict), items)


def _fill(target: dict[Any, Any], items: list[Any]) -> dict[Any, Any]:
    keys, values = items[::2], _values(items[1::2])
    if not all(isinstance(key, (str, bytes, int)) for key in keys):
        raise _Refused("a key that is neither text nor a number")
    target.update(zip(keys, values, strict=True))
    return target


def _values(items: list[Any]) -> list[Any]:
    if any(isinstance(item, (_Name, _Kind, _Mark)) for item in items):
        raise _Refused("a function or class in place of a value")
    return items


def _tuple(machine: _Machine, length: int) -> None:
    items = tuple(machine.stack.pop() for _ in range(length))
    machine.stack.append(items[::-1])


def _name(module: Any, name: Any) -> _Name:
    if not (isinstance(module, str) and isinstance(name, str) and (module, name) in _NAMES):
        raise _Refused(f"the name {module}.{name}" if isinstance(module, str) else "a name that is no text")
    return _Name(name)


def _call(machine: _Machine) -> None:
    """What stands for a call: of the two that an array has, with the arguments it has there."""
    arguments, function = machine.stack.pop(), machine.stack.pop()
    match function, arguments:
        case _Name(word="_reconstruct"), (_Name(word="ndarray"), (0,), bytes()):
            machine.stack.append(_Array())
        case _Name(word="dtype"), (str() | bytes() as code, int(), int()) if _text(code) in _KINDS:
            machine.stack.append(_Kind(_text(code)))
        case _:
            raise _Refused("a call that no array of numbers needs")


def _build(machine: _Machine) -> None:
    """The state of an array or of its element; nothing else has one."""
    state, target = machine.stack.pop(), machine.stack[-1]
    match target, state:
        case _Kind(), (3, str() | bytes() as order, None, None, None, *_) if _text(order) in ("|", "<", ">"):
            target.order = _text(order)
        case _Array(), (1, tuple() as shape, _Kind() as kind, int() as columns, bytes() as content):
            target.values = _laid_out(shape, kind, content, order="F" if columns else "C")
        case _:
            raise _Refused("an object that is no array of numbers")


def _laid_out(shape: tuple[Any, ...], kind: _Kind, content: bytes, *, order: Any) -> Any:
    element = np.dtype(kind.order + kind.code)
    sides = all(isinstance(side, int) and 0 <= side <= len(content) for side in shape)
    if not sides or len(shape) > _MOST_DIMENSIONS:
        raise ValueError("an array of an impossible shape")
    if math.prod(shape) * element.itemsize != len(content):
        raise ValueError(f"an array of shape {shape} in {len(content):,} bytes")
    return np.frombuffer(content, element).reshape(shape, order=order)


def _nothing(machine: _Machine, length: int) -> None:
    machine.take(length)


_STEPS: dict[bytes, Callable[[_Machine], None]] = {
    b"\x80": lambda machine: _nothing(machine, 1),  # the protocol
    b"\x95": lambda machine: _nothing(machine, 8),  # the length of what follows
    b"(": lambda machine: machine.stack.append(_MARK),
    b"N": lambda machine: machine.stack.append(None),
    b"\x88": lambda machine: machine.stack.append(True),
    b"\x89": lambda machine: machine.stack.append(False),
    b"K": _push(lambda machine: machine.number("<B")),
    b"M": _push(lambda machine: machine.number("<H")),
    b"J": _push(lambda machine: machine.number("<i")),
    b"G": _push(lambda machine: machine.number(">d")),
    b"I": _push(lambda machine: _integer(machine.line())),
    b"L": _push(lambda machine: _integer(machine.line())),
    b"F": _push(lambda machine: float(machine.line())),
    b"\x8a": _push(lambda machine: int.from_bytes(_sized("<B")(machine), "little", signed=True)),
    b"S": _push(lambda machine: _quoted(machine.line())),
    **{step: _push(_sized(form)) for step, form in ((b"U", "<B"), (b"T", "<i"), (b"C", "<B"), (b"B", "<I"))},
    b"X": _push(lambda machine: _sized("<I")(machine).decode()),
    b"\x8c": _push(lambda machine: _sized("<B")(machine).decode()),
    b"]": lambda machine: machine.stack.append([]),
    b"}": lambda machine: machine.stack.append({}),
    b")": lambda machine: machine.stack.append(()),
    b"l": lambda machine: machine.stack.append(machine.items()),
    b"d": lambda machine: machine.stack.append(_fill({}, machine.items())),
    b"t": lambda machine: machine.stack.append(tuple(machine.items())),
    b"\x85": lambda machine: _tuple(machine, 1),
    b"\x86": lambda machine: _tuple(machine, 2),
    b"\x87": lambda machine: _tuple(machine, 3),
    b"a": lambda machine: _append(machine, [machine.stack.pop()]),
    b"e": lambda machine: _append(machine, machine.items()),
    b"s": lambda machine: _set(machine, [machine.stack.pop(), machine.stack.pop()][::-1]),
    b"u": lambda machine: _set(machine, machine.items()),
    b"p": lambda machine: _put(machine, int(machine.line())),
    b"q": lambda machine: _put(machine, machine.number("<B")),
    b"r": lambda machine: _put(machine, machine.number("<I")),
    b"\x94": lambda machine: _put(machine, len(machine.memory)),
    b"g": _push(lambda machine: machine.memory[int(machine.line())]),
    b"h": _push(lambda machine: machine.memory[machine.number("<B")]),
    b"j": _push(lambda machine: machine.memory[machine.number("<I")]),
    b"c": _push(lambda machine: _name(machine.line().decode(), machine.line().decode())),
    b"\x93": _push(lambda machine: _name(*[machine.stack.pop(), machine.stack.pop()][::-1])),
    b"R": _call,
    b"b": _build,
}


def _error(what: str, path: Path, *, saw: str, do: str) -> NoReturn:
    raise TableError(what, where=path, saw=saw, do=do)
