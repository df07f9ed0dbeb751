"""Pickles as data: what published files hold is read, and nothing that a pickle can do is done."""

from __future__ import annotations

import collections
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lookalike.errors import TableError
from lookalike.layouts.pickled import read_pickle
from packed_sets import TEN, Python2, old_text


def reading(folder: Path, content: bytes) -> dict[str, Any]:
    path = folder / "batch"
    path.write_bytes(content)
    return read_pickle(path)


def test_what_python_2_wrote(tmp_path: Path) -> None:
    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    labels = [6, 9, 300, -1, 70_000, *range(2500)]
    content = {b"data": data, b"labels": labels, b"filenames": [b"a" * 300, b"b"], b"n": 7}
    found = reading(tmp_path, Python2().dump(content))
    assert list(found) == ["data", "labels", "filenames", "n"]
    assert found["data"].dtype == np.uint8
    assert np.array_equal(found.pop("data"), data)
    assert found == {"labels": labels, "filenames": [b"a" * 300, b"b"], "n": 7}


def test_the_writer_of_these_tests_writes_pickles() -> None:
    data = np.arange(12, dtype=np.uint8).reshape(3, 4)
    found = pickle.loads(Python2().dump({b"data": data, b"labels": list(range(3000))}), encoding="bytes")
    assert np.array_equal(found[b"data"], data)
    assert found[b"labels"] == list(range(3000))
    assert pickle.loads(old_text(TEN, key="label_names"))["label_names"] == TEN


def test_the_oldest_protocol(tmp_path: Path) -> None:
    found = reading(tmp_path, old_text(TEN, key="label_names"))
    assert found == {
        "num_cases_per_batch": 10000,
        "label_names": [name.encode() for name in TEN],
        "num_vis": 3072,
    }


@pytest.mark.parametrize("protocol", [3, 4])
@pytest.mark.parametrize("kind", ["u1", "<i8", ">u2", "<f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_arrays_that_python_3_wrote(tmp_path: Path, protocol: int, kind: str, order: Any) -> None:
    array = np.asarray(np.arange(24).reshape(2, 3, 4), dtype=kind, order=order)
    found = reading(tmp_path, pickle.dumps({"data": array}, protocol=protocol))["data"]
    assert found.dtype == array.dtype
    assert np.array_equal(found, array)


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**2000), 2**2000)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary(max_size=300),
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner, inner)
        | st.tuples(inner, inner, inner, inner)
        | st.dictionaries(st.text() | st.integers(), inner)
    ),
)


@given(value=PLAIN, protocol=st.sampled_from([3, 4]))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_plain_values_of_python_3(tmp_path: Path, value: Any, protocol: int) -> None:
    assert reading(tmp_path, pickle.dumps({"value": value}, protocol=protocol)) == {"value": value}


@given(value=st.integers() | st.floats(allow_nan=False) | st.none() | st.booleans() | st.lists(st.integers()))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
def test_plain_values_in_lines_of_text(tmp_path: Path, value: Any) -> None:
    content = pickle.dumps({1: value}, protocol=0).replace(b"I1\n", b"S'key'\n", 1)
    assert reading(tmp_path, content) == {"key": value}


def test_the_same_value_twice_is_one(tmp_path: Path) -> None:
    inner = [1]
    found = reading(tmp_path, pickle.dumps({"a": inner, "b": inner}, protocol=4))
    assert found["a"] is found["b"]


class Shell:
    """What an attacker would put into a file: `touch` beside it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> Any:
        import os

        return os.system, (self.command,)


class Evaluated:
    def __reduce__(self) -> Any:
        return eval, ("__import__('os').getcwd()",)


class Found:
    def __reduce__(self) -> Any:
        return getattr, ("text", "upper")


class Plain:
    pass


class Registered(Exception):
    pass


@pytest.mark.parametrize("protocol", range(5))
def test_nothing_is_run(tmp_path: Path, protocol: int) -> None:
    trace = tmp_path / "trace"
    with pytest.raises(TableError, match=r"more than plain values, and was not followed - .*posix.system"):
        reading(tmp_path, pickle.dumps([Shell(f"touch {trace}")], protocol=protocol))
    assert not trace.exists()


@pytest.mark.parametrize(
    "value",
    [
        Evaluated(),
        Found(),
        Plain(),
        Registered("x"),
        {1, 2},
        frozenset((1,)),
        bytearray(b"x"),
        collections.OrderedDict(a=1),
        complex(1, 2),
        print,
        np.float32(1.0),
        np.array(["text"]),
        np.array([None, {}], dtype=object),
        np.zeros(2, dtype=[("a", "u1")]),
        np.array(["2020-01-01"], dtype="datetime64[D]"),
        np.ma.masked_array([1], [True]),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("protocol", [2, 4])
def test_anything_but_plain_values_is_refused(tmp_path: Path, value: Any, protocol: int) -> None:
    with pytest.raises(
        TableError, match=r"more than plain values.* - saw .* - do not load it by other means"
    ):
        reading(tmp_path, pickle.dumps({"a": value}, protocol=protocol))


NDARRAY = b"cnumpy\nndarray\n"
RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
DTYPE = b"cnumpy\ndtype\n"
EMPTY = RECONSTRUCT + b"(" + NDARRAY + b"K\x00\x85U\x01btR"
BYTE = DTYPE + b"(U\x02u1K\x00K\x01tR(K\x03U\x01|NNNK\x00K\x00K\x00tb"
OBJECT = DTYPE + b"(U\x02O8K\x00K\x01tR"


@pytest.mark.parametrize(
    ("content", "saw"),
    [
        (b"cos\nsystem\n(S'true'\ntR.", "os.system"),
        (b"cbuiltins\neval\n.", "builtins.eval"),
        (b"cnumpy\nndarray.tofile\n.", r"numpy.ndarray.tofile"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0cf2py.os.exec\x93.", r"numpy.f2py.os.exec"),
        (b"\x80\x04K\x01K\x02\x93.", "a name that is no text"),
        (b"(S'true'\nios\nsystem\n.", r"the step b'i'"),
        (b"(cos\nsystem\nS'true'\no.", r"os.system"),
        (b"(c__builtin__\nset\no.", r"__builtin__.set"),
        (b"(" + NDARRAY + b"o.", r"the step b'o'"),
        (b"Pmodule\n.", r"the step b'P'"),
        (b"U\x01xQ.", r"the step b'Q'"),
        (b"\x82\x01.", r"the step b'\\x82'"),
        (b"\x83\x01\x00.", r"the step b'\\x83'"),
        (b"\x84\x01\x00\x00\x00.", r"the step b'\\x84'"),
        (NDARRAY + b")\x81.", r"the step b'\\x81'"),
        (NDARRAY + b")}\x92.", r"the step b'\\x92'"),
        (b"\x97.", r"the step b'\\x97'"),
        (b"U\x01a)R.", "a call that no array of numbers needs"),
        (NDARRAY + b"(K\x02\x85tR.", "a call that no array of numbers needs"),
        (RECONSTRUCT + b"(" + DTYPE + b"K\x00\x85U\x01btR.", "a call that no array of numbers needs"),
        (RECONSTRUCT + b"(" + NDARRAY + b"J\xff\xff\xff\x7f\x85U\x01btR.", "a call that no array"),
        (OBJECT + b".", "a call that no array of numbers needs"),
        (DTYPE + b"(U\x02u1tR.", "a call that no array of numbers needs"),
        (b"}U\x01a" + NDARRAY + b"s.", "a function or class in place of a value"),
        (b"]" + OBJECT.replace(b"O8", b"u1") + b"a.", "a function or class in place of a value"),
        (b"](a.", "a function or class in place of a value"),
        (b"}K\x01b.", "an object that is no array of numbers"),
        (NDARRAY + b"}b.", "an object that is no array of numbers"),
        (EMPTY + b"}b.", "an object that is no array of numbers"),
        (EMPTY + b"(K\x01K\x02\x85NK\x00U\x02abtb.", "an object that is no array of numbers"),
        (DTYPE + b"(U\x02u1K\x00K\x01tR(K\x03U\x01|(K\x01K\x01tNNK\x00tb.", "an object that is no array"),
        (b"}(](K\x01eK\x01u.", "a key that is neither text nor a number"),
        (b"}]K\x01s.", "a key that is neither text nor a number"),
        (b"K\x01K\x02a.", "a list was to be filled, and it is a int"),
        (EMPTY + b"K\x02a.", "a list was to be filled, and it is a _Array"),
        (EMPTY + b"U\x01aK\x02s.", "a dict was to be filled, and it is a _Array"),
    ],
)
def test_hostile_pickles_are_refused(tmp_path: Path, content: bytes, saw: str) -> None:
    with pytest.raises(TableError, match=rf"more than plain values.* - saw .*{saw}"):
        reading(tmp_path, content)


@pytest.mark.parametrize(
    ("content", "saw"),
    [
        (b"", "it ends at byte 0"),
        (b"}", "it ends at byte 1"),
        (b"}.", None),
        (b"<!DOCTYPE html>", "b'<' at byte 0"),
        (b"version https://git-lfs", "b'v' at byte 0"),
        (b".", "pop from empty list"),
        (b"U\xffabc.", "in the middle of a value"),
        (b"T\xff\xff\xff\x7fabc.", "in the middle of a value"),
        (b"T\xff\xff\xff\xffabc.", "in the middle of a value"),
        (b"X\xff\xff\xff\xffabc.", "in the middle of a value"),
        (b"S'abc", "in the middle of a line"),
        (b"S'abc\n.", "text that cannot be read"),
        (b"S'\\x41'\n.", "text that cannot be read"),
        (b"S\n.", "text that cannot be read"),
        (b"I" + b"9" * 5000 + b"\n.", "Exceeds the limit"),
        (b"Fx\n.", "could not convert"),
        (b"X\x01\x00\x00\x00\xff.", "can't decode"),
        (b"g5\n.", "5"),
        (b"h\x05.", "5"),
        (b"e.", "range"),
        (b"]e.", "range"),
        (b"}(K\x01u.", "zip"),
        (
            EMPTY + b"(K\x01K\x02K\x02\x86" + BYTE + b"\x89U\x02abtb.",
            r"an array of shape \(2, 2\) in 2 bytes",
        ),
        (EMPTY + b"(K\x01J\xff\xff\xff\x7f\x85" + BYTE + b"\x89U\x02abtb.", "impossible shape"),
        (EMPTY + b"(K\x01J\xff\xff\xff\xff\x85" + BYTE + b"\x89U\x02abtb.", "impossible shape"),
        (EMPTY + b"(K\x01(" + b"K\x01" * 9 + b"t" + BYTE + b"\x89U\x01atb.", "impossible shape"),
        (EMPTY + b"(K\x01U\x01a\x85" + BYTE + b"\x89U\x02abtb.", "impossible shape"),
    ],
)
def test_damaged_pickles_are_refused(tmp_path: Path, content: bytes, saw: str | None) -> None:
    if saw is None:
        assert reading(tmp_path, content) == {}
        return
    with pytest.raises(TableError, match=rf"no pickle, or a damaged one - .*{saw}.* - unpack"):
        reading(tmp_path, content)


@pytest.mark.parametrize("value", [[1], 5, {1: 2}, {"a": 1, 2: 3}])
def test_other_values_are_refused(tmp_path: Path, value: Any) -> None:
    with pytest.raises(TableError, match="no dictionary with text as keys"):
        reading(tmp_path, pickle.dumps(value, protocol=4))


def test_a_list_in_itself_ends(tmp_path: Path) -> None:
    own: list[Any] = []
    own.append(own)
    found = reading(tmp_path, pickle.dumps({"a": own}, protocol=4))["a"]
    assert found[0] is found


def test_lists_in_lists_take_no_more_than_they_are(tmp_path: Path) -> None:
    laughs: list[Any] = []
    for _ in range(100):
        laughs = [laughs, laughs]
    found = reading(tmp_path, pickle.dumps({"a": laughs}, protocol=4))["a"]
    assert found[0] is found[1]


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="a file of the data set is missing"):
        read_pickle(tmp_path / "data_batch_1")


@given(place=st.integers(0, 2000), value=st.integers(0, 255), cut=st.integers(1, 2000))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
def test_any_damage_is_an_error_or_plain(tmp_path: Path, place: int, value: int, cut: int) -> None:
    content = {
        b"data": np.arange(8, dtype=np.uint8).reshape(2, 4),
        b"labels": [1, 2],
        b"filenames": [b"a", b"b"],
    }
    whole = Python2().dump(content)
    damaged = bytearray(whole)
    damaged[place % len(whole)] = value
    for changed in (bytes(damaged), whole[: cut % len(whole)]):
        try:
            found = reading(tmp_path, changed)
        except TableError:
            continue
        assert all(isinstance(key, str) for key in found)
