from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.errors import StoreError
from lookalike.indexing.filters import MOST_CONDITIONS, MOST_LETTERS, Filter

ITEMS: list[dict[str, Any]] = [
    {"label": "cat", "path": "a/1.png", "year": 2019, "smiling": True, "odd name": "x"},
    {"label": "dog", "path": "a/2.png", "year": 2020, "smiling": False},
    {"label": "cat", "path": "b/3.png", "year": 2021.5, "note": "it's"},
    {"label": None, "path": "b/4.png", "year": "2022"},
    {"label": "Cat", "path": "c/5.png", "año": 1},
    {"label": "C:\\new\\table", "path": "c/6.png", "back\\slash": 1, 'a"b': 2, "big": 10**20, "tab\there": 3},
    {"label": "a\tb\nc", "path": "c/7.png", "big": 2**63 - 1},
]


def kept(text: str) -> list[int]:
    """The numbers of the items that a filter keeps, by SQLite."""
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE items (id INTEGER, label TEXT, path TEXT, attributes TEXT)")
    for number, item in enumerate(ITEMS):
        attributes = {name: value for name, value in item.items() if name not in ("label", "path")}
        row = (number, item["label"], item["path"], json.dumps(attributes, ensure_ascii=False))
        connection.execute("INSERT INTO items VALUES (?, ?, ?, ?)", row)
    condition = Filter.parse(text).condition
    found = connection.execute(
        f"SELECT id FROM items WHERE {condition.sql()} ORDER BY id", [*condition.values()]
    )
    return [row[0] for row in found]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("label = 'cat'", [0, 2]),
        ("label == 'cat' AND year >= 2020", [2]),
        ("label != 'cat'", [1, 4, 5, 6]),
        ("not label = 'cat'", [1, 3, 4, 5, 6]),
        ("label <> 'cat' or year < 2020", [0, 1, 4, 5, 6]),
        (r"label = 'C:\new\table'", [5]),
        (r"label in ('C:\new\table')", [5]),
        (r'"back\slash" = 1', [5]),
        ('"a""b" = 2', [5]),
        ('"a""b" is not null', [5]),
        ('"tab\there" = 3', [5]),
        ("label = 'a\tb\nc'", [6]),
        (r"label = 'a\tb\nc'", []),
        ("big = 100000000000000000000", [5]),
        ("big in (1, 100000000000000000000)", [5]),
        ("big < 99999999999999999999", [6]),
        ("big = 9223372036854775807", [6]),
        ("big > -9223372036854775809", [5, 6]),
        ("big < 9223372036854775808", [6]),
        (f"big < 1{'0' * 5000}", [5, 6]),
        (f"big > -{'9' * 400}", [5, 6]),
        ("year > 2019 and year <= 2021.5", [1, 2]),
        ("year = '2022'", [3]),
        ("year = 2022", []),
        ("year is null", [4, 5, 6]),
        ("year is not null and label is null", [3]),
        ("smiling = true", [0]),
        ("smiling = false", [1]),
        ("not smiling = true", [1, 2, 3, 4, 5, 6]),
        ("label in ('cat', 'dog')", [0, 1, 2]),
        ("label not in ('cat', 'dog')", [3, 4, 5, 6]),
        ("year in (2019, '2022')", [0, 3]),
        ("note = 'it''s'", [2]),
        ("\"odd name\" = 'x'", [0]),
        ("año = 1", [4]),
        ("path >= 'b/' and path < 'b0'", [2, 3]),
        ("label = 'dog' or label = 'cat' and year > 2020", [1, 2]),
        ("(label = 'dog' or label = 'cat') and year > 2020", [2]),
        ("not (label = 'dog' or not year > 2019)", [2]),
        ("not not label = 'dog'", [1]),
        ("year = -1", []),
        ("year > 2.019e3 and year < +2020.5", [1]),
        ("year > .5 and year < 2020", [0]),
    ],
)
def test_a_filter_keeps_what_it_says(text: str, wanted: list[int]) -> None:
    assert kept(text) == wanted


def test_a_value_is_never_a_part_of_the_statement() -> None:
    condition = Filter.parse("label = 'x'' OR 1=1 --' and \"a'); DROP TABLE items; --\" = 1").condition
    assert "DROP" not in condition.sql()
    assert "1=1" not in condition.sql()
    assert kept("label = 'x'' OR 1=1 --'") == []


@pytest.mark.parametrize(
    ("text", "saw"),
    [
        ("", "the end"),
        ("label = cat", "saw cat"),
        ("label = 1f420", "saw 1f420"),
        ('label = "cat"', "single quotes"),
        ("year = 1.2.3", "saw 1.2.3"),
        ("label =", "the end"),
        ("label", "saw label"),
        ("a = 1 b", "saw b"),
        ("a not in (1, b)", ", b)"),
        ("and = 1", "and = 1"),
        ("a = 'x", "'x"),
        ("a is nothing", "saw nothing"),
        ("(a = 1", "the end"),
        ("a = 1; drop table items", "; drop"),
        (" and ".join(["a = 1"] * (MOST_CONDITIONS + 1)), f"{MOST_CONDITIONS + 1} comparisons"),
        ("x" * (MOST_LETTERS + 1), "letters"),
        ("(a=1or " * 1240 + "b=2" + ")" * 1240, "(a=1or"),
        ("label = 'x\udce9'", "a letter that is not UTF-8"),
    ],
    ids=range(18),
)
def test_what_is_not_understood_is_said_with_its_place(text: str, saw: str) -> None:
    with pytest.raises(StoreError, match="the filter is not understood") as error:
        Filter.parse(text)
    assert saw in str(error.value)
    assert "--where" in str(error.value)
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("depth", [2, 61, 400])
def test_as_many_parentheses_as_are_read_can_be_asked(depth: int) -> None:
    assert kept("(" * depth + "label = 'dog'" + ")" * depth) == [1]
    assert kept("not " * depth + "label = 'dog'") == ([1] if depth % 2 == 0 else [0, 2, 3, 4, 5, 6])


def test_as_many_conditions_as_are_read_can_be_asked() -> None:
    assert kept(" or ".join(["label = 'dog'"] * MOST_CONDITIONS)) == [1]
    assert kept(f"label in ({', '.join(['1'] * 2000)}, 'dog')") == [1]


@st.composite
def filters(draw: st.DrawFn, depth: int = 3) -> tuple[str, Any]:
    """A filter as text, and as a function of an item."""
    kind = draw(st.sampled_from(["compare", "null", "not", "and", "or"] if depth else ["compare", "null"]))
    if kind == "compare":
        column = draw(st.sampled_from(["label", "year", "smiling"]))
        value = draw(st.sampled_from(["cat", "dog", 2019, 2020, 2021.5]))
        sign = draw(st.sampled_from(["=", "!=", "<", "<=", ">", ">="]))
        text = f"{column} {sign} " + (f"'{value}'" if isinstance(value, str) else str(value))
        return text, lambda item: _compared(item.get(column), sign, value)
    if kind == "null":
        column = draw(st.sampled_from(["label", "year", "note"]))
        return f"{column} is null", lambda item: item.get(column) is None
    left, is_left = draw(filters(depth - 1))
    if kind == "not":
        return f"not ({left})", lambda item: not is_left(item)
    right, is_right = draw(filters(depth - 1))
    if kind == "and":
        return f"({left}) and ({right})", lambda item: is_left(item) and is_right(item)
    return f"({left}) or ({right})", lambda item: is_left(item) or is_right(item)


def _compared(have: Any, sign: str, value: Any) -> bool:
    if have is None or isinstance(have, str) != isinstance(value, str):
        return False
    truths = {
        "=": have == value,
        "!=": have != value,
        "<": have < value,
        "<=": have <= value,
        ">": have > value,
        ">=": have >= value,
    }
    return bool(truths[sign])


@settings(max_examples=150, deadline=None)
@given(asked=filters())
def test_filters_are_what_python_says(asked: tuple[str, Any]) -> None:
    text, is_kept = asked
    assert kept(text) == [number for number, item in enumerate(ITEMS) if is_kept(item)]


def test_a_search_without_a_filter_loads_no_parser() -> None:
    code = "import lookalike.indexing.index, sys; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "lookalike.indexing.filters" in loaded.split()
    assert "pyparsing" not in loaded.split()
